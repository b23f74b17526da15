//! What a leader hears of its followers: their fetches, which acknowledge what is below, the time that goes by without any, the brokers
//! that may be in sync, and what the controller says to the in-sync set that it is proposed (KIP-497, 903).

use std::sync::Arc;

use kraft::image::ClusterImage;

use super::brokers::Brokers;
use super::seat::Seat;
use super::turn::Turn;
use super::{Shard, Timer};
use crate::command::{FollowerFetch, InSyncReplicasOf};
use crate::disks::directories::Directory;
use crate::effect::Effect;
use crate::quorum::isr_proposals::IsrAnswer;
use crate::replica::isr::Follower;
use crate::replica::{Replica, ReplicaState};
use crate::views::PartitionCell;

impl Shard {
    pub(super) fn follower_fetch(&mut self, turn: &mut Turn, fetch: FollowerFetch) {
        let FollowerFetch { broker_id, broker_epoch, partitions, reply } = fetch;
        let mut answers = Vec::with_capacity(partitions.len());
        let brokers = Brokers(Arc::clone(&self.brokers.0));
        for (cell, at) in partitions {
            // Most acknowledge nothing new: nothing is touched for their sake.
            let Some(replica) = self.replica(&cell) else {
                answers.push(Ok(()));
                continue;
            };
            let heard = replica.follower_fetched((broker_id, broker_epoch), at, turn.now_ms, &brokers);
            answers.push(heard.map(drop));
            let heard = heard.unwrap_or_default();
            if heard.commits || heard.joins {
                let directories = Arc::clone(&self.around.directories);
                let Some(replica) = self.touch(&cell) else { continue };
                directories.get(replica.directory).into_iter().for_each(Directory::note_change);
                let ReplicaState::Leader(leader) = &mut replica.state else { continue };
                if heard.joins {
                    leader.isr.expand(broker_id);
                    turn.effects.extend(proposal(replica));
                }
            }
        }
        self.low_watermarks_moved();
        reply.send(answers);
    }

    /// Who is in sync with each, and how far.
    pub(super) fn in_sync_replicas(&mut self, asked: InSyncReplicasOf) {
        let mut of = |cell: &Arc<PartitionCell>| match self.replica(cell).map(|replica| &replica.state) {
            Some(ReplicaState::Leader(leader)) => leader.isr.heard_in_sync().map(Follower::in_sync).collect(),
            Some(ReplicaState::Follower { .. } | ReplicaState::Offline) | None => Vec::new(),
        };
        asked.reply.send(asked.partitions.iter().map(&mut of).collect());
    }

    /// Followers that have been behind for `replica.lag.time.max.ms` leave the ISR. Every half of that time.
    pub(super) fn isr_due(&mut self, turn: &mut Turn) {
        let lag_ms = self.replica_lag_time_max_ms;
        self.timers.add(turn.now_ms.saturating_add((lag_ms / 2).max(1)), Timer::Isr);
        self.review_isr(turn, true);
    }

    /// Others may be in sync than before.
    pub(super) fn brokers_changed(&mut self, turn: &mut Turn, brokers: &Arc<ClusterImage>) {
        self.brokers = Brokers(Arc::clone(brokers));
        self.review_isr(turn, false);
    }

    fn review_isr(&mut self, turn: &mut Turn, shrinks: bool) {
        let (now_ms, lag_ms) = (turn.now_ms, self.replica_lag_time_max_ms);
        let brokers = Brokers(Arc::clone(&self.brokers.0));
        let mut changed = Vec::new();
        for (_, Seat { replica, .. }) in self.seats.iter_mut() {
            let log_end_offset = replica.log.log_end_offset();
            let ReplicaState::Leader(leader) = &mut replica.state else { continue };
            if leader.isr.is_alone() {
                continue;
            }
            let freed = leader.isr.review(now_ms, lag_ms, &brokers);
            if shrinks && leader.isr.shrink(now_ms, lag_ms, log_end_offset).is_some() {
                turn.effects.extend(proposal(replica));
            }
            if freed {
                changed.push(Arc::clone(&replica.cell));
            }
        }
        for cell in changed {
            if let Some(replica) = self.touch(&cell) {
                replica.advance_high_watermark();
            }
        }
    }

    pub(super) fn isr_answered(&mut self, cell: &PartitionCell, answer: &IsrAnswer) {
        let Some(replica) = self.touch(cell) else { return };
        let ReplicaState::Leader(leader) = &mut replica.state else { return };
        if !leader.hears(answer) {
            return;
        }
        replica.advance_high_watermark();
        self.set_flush_acks(cell);
    }
}

/// What the controller is to be asked.
fn proposal(replica: &Replica) -> Option<Effect> {
    let ReplicaState::Leader(leader) = &replica.state else { return None };
    leader.proposal(replica.cell.key).map(Effect::ProposeIsr)
}
