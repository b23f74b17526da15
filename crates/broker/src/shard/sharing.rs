//! Share partitions of a shard: asked, ticked when a lock is over, closed with leadership. They live beside the replica that they read from;
//! none of it touches a log.

use std::sync::Arc;

use wire::ErrorCode;

use super::turn::Turn;
use super::{Shard, Timer};
use crate::effect::Effect;
use crate::replica::{Replica, ReplicaState};
use crate::share::hosting::Around;
use crate::share::question::ShareAsk;
use crate::views::PartitionCell;

impl Shard {
    pub(super) fn share(&mut self, turn: &mut Turn, ask: ShareAsk) {
        let ShareAsk { cell, group, question } = ask;
        let Some(replica) = self.replica(&cell) else {
            return question.refuse(ErrorCode::NotLeaderOrFollower);
        };
        let around = match around(turn.now_ms, replica) {
            Ok(around) => around,
            Err(error) => return question.refuse(error),
        };
        let settings = self.around.config.share.settings(self.group_view.image(), &group);
        let Some((slot, seat)) = self.seats.behind(&cell) else { return };
        let shares = &mut seat.shares.get_or_insert_default().shares;
        let wishes = shares.ask(&around, &settings, &group, question);
        turn.effects.extend(wishes.into_iter().map(|wish| Effect::Share(Box::new(wish))));
        self.arm_shares(slot);
    }

    /// Locks are over.
    pub(super) fn shares_due(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let image = Arc::clone(self.group_view.image());
        let Some((slot, seat)) = self.seats.behind(cell) else { return };
        let Ok(around) = around(turn.now_ms, &seat.replica) else { return };
        let Some(seated) = &mut seat.shares else { return };
        seated.armed = None;
        for group in seated.shares.groups() {
            let settings = self.around.config.share.settings(&image, &group);
            let wishes = seated.shares.tick(&around, &settings, &group);
            turn.effects.extend(wishes.into_iter().map(|wish| Effect::Share(Box::new(wish))));
        }
        self.arm_shares(slot);
    }

    /// This node leads the replica no longer, or another term begins: who waits hears of it, the rest is loaded again by whoever leads.
    pub(super) fn close_shares(&mut self, slot: usize, error: ErrorCode) {
        let Some(seated) = self.seats.get_mut(slot).and_then(|seat| seat.shares.take()) else { return };
        if let Some(armed) = seated.armed {
            self.timers.remove(armed);
        }
        seated.shares.close(error);
    }

    /// The timer stands at the first deadline.
    fn arm_shares(&mut self, slot: usize) {
        let Some(seat) = self.seats.get_mut(slot) else { return };
        let Some(seated) = &mut seat.shares else { return };
        let next = seated.shares.next_deadline();
        if seated.armed.map(|(deadline, _)| deadline) != next {
            if let Some(armed) = seated.armed.take() {
                self.timers.remove(armed);
            }
            let cell = &seat.replica.cell;
            let arm = |deadline| self.timers.add(deadline, Timer::Shares(Arc::clone(cell)));
            seated.armed = next.map(arm);
        }
        if seated.shares.is_empty() {
            seat.shares = None;
        }
    }
}

/// What a share partition sees of its replica, if this node leads it.
fn around(now_ms: i64, replica: &Replica) -> Result<Around, ErrorCode> {
    match &replica.state {
        ReplicaState::Leader(leader) => Ok(Around {
            now_ms,
            cell: Arc::clone(&replica.cell),
            leader_epoch: leader.leader_epoch,
            log_start_offset: replica.log.log_start_offset(),
        }),
        ReplicaState::Follower { .. } => Err(ErrorCode::NotLeaderOrFollower),
        ReplicaState::Offline => Err(ErrorCode::KafkaStorageError),
    }
}
