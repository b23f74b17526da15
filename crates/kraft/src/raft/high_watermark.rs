//! How far the log is committed: what a majority has (the leader), or what the leader says (everybody else). Owns that it never
//! goes back.

use super::quorum::Quorum;
use super::role::Role;
use super::{Effect, StorageFault};
use wire::planted::{self, Bug};

impl Quorum {
    /// The flush reached the disk: the leader has everything too.
    pub(super) fn local_log_flushed(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let (local_id, end) = (self.options.node_id, self.log.end_offset());
        let voters = self.voters.latest().clone();
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        leader.update_voters(&voters);
        if let Some(local) = leader.voters.get_mut(&local_id) {
            local.end_offset = Some(end);
        }
        self.advance_high_watermark(now_ms)?;
        self.wake_parked_fetches(now_ms, |fetch| fetch.partition.fetch_offset < end)
    }

    pub(super) fn advance_high_watermark(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let Role::Leader(leader) = &self.role else { return Ok(()) };
        let Some(offset) = leader.majority_offset() else { return Ok(()) };
        // A smaller one can follow from a change of voters; what was committed stays committed.
        if self.high_watermark.is_some_and(|current| offset <= current) {
            return Ok(());
        }
        self.set_high_watermark(offset);
        self.announce();
        self.change_committed();
        self.wake_parked_fetches(now_ms, |_| true)
    }

    /// What this leader knows to be committed because something of its own epoch is.
    pub(super) fn high_watermark_of_epoch(&self) -> Option<i64> {
        let Role::Leader(leader) = &self.role else { return None };
        self.high_watermark.filter(|offset| *offset > leader.epoch_start_offset)
    }

    /// A new leader may not know yet how far the log is committed. A snapshot is of committed records: one that this replica has taken
    /// before its restart may reach further than its log's start, and than what the leader knows.
    pub(super) fn follow_high_watermark(&mut self, leaders: i64) {
        let leaders = if planted::has(Bug::AppliesUncommitted) { i64::MAX } else { leaders };
        let snapshot = match self.high_watermark {
            None => self.log.snapshots().last().map_or(0, |file| file.id.offset),
            Some(_) => 0,
        };
        let offset = leaders.max(snapshot).min(self.log.end_offset()).max(self.log.start_offset());
        if leaders >= 0 && self.high_watermark.is_none_or(|current| current < offset) {
            self.set_high_watermark(offset);
        }
    }

    fn set_high_watermark(&mut self, offset: i64) {
        assert!(
            self.high_watermark.is_none_or(|current| current < offset) && offset <= self.log.end_offset()
        );
        self.high_watermark = Some(offset);
        self.log.advance_high_watermark(offset);
        self.effects.push(Effect::Committed { high_watermark: offset });
    }
}
