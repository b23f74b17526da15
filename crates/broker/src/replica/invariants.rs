//! What must hold of a replica whenever a turn that touched it has ended, in release too: one that breaks its own rules must stop
//! before it tells anybody. The list stands at [`Replica`]; what a log promises of itself is its own to check. A dozen
//! comparisons, whatever the partition holds. What changes with the role alone is held where that is shown.

use super::{Replica, ReplicaState};

impl Replica {
    /// Panics with the name of the invariant that is broken.
    pub fn check(&self) {
        self.check_appended();
        assert!(
            self.cell.shows(self.role(), self.directory),
            "shown: readers know another role, or another directory"
        );
        assert!(self.flushing.is_within(&self.log), "flushing: it was asked for what is not there");
        if self.moving.is_some() || self.retiring.is_some() {
            self.check_directories();
        }
    }

    /// The same for what one append may change: every produce passes here.
    pub fn check_appended(&self) {
        let (high_watermark, shown) = (self.log.high_watermark(), &self.shown);
        assert!(shown.high_watermark == high_watermark, "shown: readers know another high watermark");
        assert!(
            shown.last_stable_offset <= high_watermark,
            "watermarks: records are decided that are not committed"
        );
        if self.waits_for_safety() {
            self.check_acks();
        }
    }

    /// The same for what changes with the role alone.
    pub(super) fn check_role(&self) {
        match &self.state {
            ReplicaState::Leader(leader) => {
                let latest = self.log.latest_epoch();
                let is_own = latest.is_none_or(|latest| latest <= leader.leader_epoch);
                assert!(is_own, "epoch: the log is of a later one");
            }
            // Those who wait for one that is offline hear of it with the failure of its directory, which comes as a command.
            ReplicaState::Follower { .. } | ReplicaState::Offline => {}
        }
    }

    /// While somebody waits.
    fn check_acks(&self) {
        let follows = matches!(self.state, ReplicaState::Follower { .. });
        assert!(!follows, "acks: a follower owes some");
        let end = self.log.log_end_offset();
        self.acks.check(self.safe_offset(), end);
        self.early_acks.check(self.written_offset(), end);
    }

    /// Where the code relies on two of them being two.
    #[cold]
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
