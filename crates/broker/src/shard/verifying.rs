//! A transaction's first records in a partition wait until its coordinator knows of them (KIP-890). Keeps what is asked and what was
//! confirmed in the log's producers; who is asked, and how, is the handler's.

use wire::ErrorCode;

use super::Shard;
use crate::command::BeginVerification;
use crate::views::PartitionCell;

impl Shard {
    /// What has to be confirmed before the batch may be appended.
    pub(super) fn begin_verification(&mut self, now_ms: i64, begin: BeginVerification) {
        let BeginVerification { cell, first, always, reply } = begin;
        let wall_ms = self.around.wall.at(now_ms);
        let answer = match self.replica(&cell) {
            None => Err(ErrorCode::NotLeaderOrFollower),
            Some(replica) => {
                let leads = replica.leader().map(|_| ());
                leads.map(|()| replica.log.begin_verification(first, always, wall_ms))
            }
        };
        reply.send(answer);
    }

    /// The coordinator has confirmed it. Who was overtaken by a marker or by a later producer meanwhile is asked again at the append.
    pub(super) fn verified(&mut self, cell: &PartitionCell, producer_id: i64, guard: u64) {
        if let Some(replica) = self.replica(cell) {
            replica.log.confirm_verification(producer_id, guard);
        }
    }
}
