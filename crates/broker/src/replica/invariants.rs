//! What must hold of a replica whenever a turn that touched it has ended, in release too: one that breaks its own rules must stop
//! before it tells anybody. The list stands at [`Replica`]; what a log promises of itself is its own to check. Some comparisons,
//! whatever the partition holds: every produce passes here.

use super::{Leader, Replica, ReplicaState};

impl Replica {
    /// Panics with the name of the invariant that is broken.
    pub fn check(&self) {
        assert!(!self.unsettled, "settled: the turn passed it over");
        let (high_watermark, shown) = (self.log.high_watermark(), &self.shown);
        assert!(shown.high_watermark == high_watermark, "shown: readers know another high watermark");
        assert!(
            shown.last_stable_offset <= high_watermark,
            "watermarks: records are decided that are not committed"
        );
        assert!(self.cell.role() == self.role(), "shown: readers know another role");
        assert!(self.cell.directory() == Some(self.directory), "shown: readers know another directory");
        assert!(self.flushing.is_within(&self.log), "flushing: it was asked for what is not there");
        match &self.state {
            ReplicaState::Leader(leader) => {
                self.check_acks();
                self.check_leader(leader);
            }
            ReplicaState::Follower { .. } => {
                assert!(!self.waits_for_safety(), "acks: a follower owes some");
                assert!(self.watchers.is_empty(), "watchers: they wait for a follower");
            }
            // Those who wait for it hear of it with the failure of its directory, which comes as a command.
            ReplicaState::Offline => {}
        }
        self.check_directories();
    }

    fn check_acks(&self) {
        if !self.waits_for_safety() {
            return;
        }
        let end = self.log.log_end_offset();
        self.acks.check(self.safe_offset(), end);
        self.early_acks.check(self.written_offset(), end);
    }

    fn check_leader(&self, leader: &Leader) {
        let latest = self.log.latest_epoch();
        assert!(
            latest.is_none_or(|latest| latest <= leader.leader_epoch),
            "epoch: the log is of a later one"
        );
        leader.isr.check();
    }

    /// Where the code relies on two of them being two.
    fn check_directories(&self) {
        if let Some(moving) = &self.moving {
            assert!(moving.target != self.directory, "moving: it goes where it is");
            assert!(!self.log.is_being_cleaned(), "moving: it is compacted while it is copied");
            assert!(moving.is_waiting_for_an_answer_only(), "moving: a copy waits and nobody was asked");
        }
        if let Some(retiring) = &self.retiring {
            assert!(retiring.directory != self.directory, "retiring: it left what it is in");
        }
    }
}

#[cfg(test)]
mod tests;
