//! DeleteRecords on a partition with followers is answered when all of them that are alive have let go of what was deleted (KIP-107):
//! until then one of them, as the next leader, could show it again. Who waits is the shard's; the leader's own start is moved and on the
//! disk before anybody comes here.

use std::sync::Arc;

use wire::ErrorCode;

use super::{Shard, Timer};
use crate::command::LowWatermark;
use crate::replica::ReplicaState;
use crate::views::PartitionCell;

impl Shard {
    /// Somebody waits for a low watermark.
    pub(super) fn await_low_watermark(&mut self, waiting: LowWatermark) {
        let deadline_ms = waiting.deadline_ms;
        self.low_watermarks.push(waiting);
        self.low_watermarks_moved();
        if !self.low_watermarks.is_empty() {
            self.timers.add(deadline_ms, Timer::LowWatermarks);
        }
    }

    /// A follower has let go of something, or is not alive any more, or another leads, or time went by: who has waited enough is answered.
    pub(super) fn low_watermarks_moved(&mut self) {
        if self.low_watermarks.is_empty() {
            return;
        }
        let now_ms = self.now_ms;
        for waiting in std::mem::take(&mut self.low_watermarks) {
            match self.low_watermark(&waiting.cell) {
                Ok(low_watermark) if low_watermark >= waiting.offset => waiting.reply.send(Ok(low_watermark)),
                Ok(_) if waiting.deadline_ms <= now_ms => {
                    waiting.reply.send(Err(ErrorCode::RequestTimedOut));
                }
                Ok(_) => self.low_watermarks.push(waiting),
                Err(error) => waiting.reply.send(Err(error)),
            }
        }
    }

    /// Where the last of the live replicas begins; -1 while one has not said so.
    fn low_watermark(&mut self, cell: &Arc<PartitionCell>) -> Result<i64, ErrorCode> {
        let brokers = Arc::clone(&self.brokers.0);
        let is_alive = |id: i32| brokers.broker(id).is_some_and(|broker| !broker.fenced);
        let replica = self.replica(cell).ok_or(ErrorCode::NotLeaderOrFollower)?;
        match &replica.state {
            ReplicaState::Leader(leader) => {
                Ok(leader.isr.low_watermark(replica.log.log_start_offset(), is_alive))
            }
            ReplicaState::Follower { .. } | ReplicaState::Offline => Err(ErrorCode::NotLeaderOrFollower),
        }
    }
}
