//! The follower's side of a partition: taking what the leader has, truncating where it has something else (KIP-101, 279, 320, 595), the
//! leader's high watermark and log start. Decides nothing about when to fetch, or from whom.

use bytes::Bytes;
use log::{AppendRefused, Fault};
use wire::planted::{self, Bug};
use wire::record_batch::BatchHeader;

use super::Replica;
use super::divergence::truncation_target;

/// Where a follower's log ends and begins: what its next fetch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub fetch_offset: i64,
    /// -1 in a log without epochs.
    pub last_fetched_epoch: i32,
    pub log_start_offset: i64,
}

/// How a truncation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated {
    /// Where the log ended before.
    pub from: i64,
    /// Where it ends now.
    pub to: i64,
    /// The high watermark before: below it nothing may be lost, unless the leader was elected uncleanly.
    pub high_watermark: i64,
    /// The recovery point went back: its checkpoint has to say so before anything is appended.
    pub lowers_recovery_point: bool,
}

impl Replica {
    /// What the next fetch says.
    pub fn position(&self) -> Position {
        Position {
            fetch_offset: self.log.log_end_offset(),
            last_fetched_epoch: match planted::has(Bug::KeepsWhatDiverged) {
                true => -1,
                false => self.log.latest_epoch().unwrap_or(-1),
            },
            log_start_offset: self.log.log_start_offset(),
        }
    }

    /// Appends what the leader of that epoch sent, as far as it is right, and answers what was wrong with the first batch that was not.
    pub fn append_replicated(
        &mut self,
        records: Bytes,
        leader_epoch: i32,
        wall_ms: i64,
    ) -> Result<Option<AppendRefused>, Fault> {
        let segments = self.log.segment_count();
        let refused = self.log.append_replicated(records, leader_epoch, wall_ms);
        self.flushing.appended(&self.log, segments > 0 && self.log.segment_count() > segments);
        refused
    }

    /// The offset at which an empty log has to begin to take these records: the leader's may begin in the middle of a batch, after
    /// DeleteRecords.
    pub fn begins_within(&self, records: &[u8]) -> Option<i64> {
        let end = self.log.log_end_offset();
        if end != self.log.log_start_offset() {
            return None;
        }
        let first = BatchHeader::parse(records).ok()?;
        (first.base_offset >= 0 && first.base_offset < end && first.next_offset() > end)
            .then_some(first.base_offset)
    }

    /// Takes the leader's high watermark, as far as the log goes; answers whether it moved. It never goes back but by truncation.
    pub fn follow_high_watermark(&mut self, leaders: i64) -> bool {
        self.log.advance_high_watermark(leaders)
    }

    /// The leader said where the last epoch of this log that it knows, or the one before, ended there.
    pub fn truncate_diverging(&mut self, epoch: i32, end_offset: i64) -> Result<Truncated, Fault> {
        let own = self.log.end_offset_for_epoch(epoch);
        self.truncate(truncation_target((epoch, end_offset), own, self.log.log_end_offset()))
    }

    /// Nothing from `offset` on is kept.
    pub fn truncate(&mut self, offset: i64) -> Result<Truncated, Fault> {
        let before = (self.log.log_end_offset(), self.log.high_watermark(), self.log.recovery_point());
        let truncated = self.log.truncate_to(offset);
        self.truncated(before, truncated)
    }

    /// Nothing at all is kept: the log goes on at `offset`.
    pub fn start_anew(&mut self, offset: i64) -> Result<Truncated, Fault> {
        let before = (self.log.log_end_offset(), self.log.high_watermark(), self.log.recovery_point());
        let truncated = self.log.truncate_fully_and_start_at(offset, None);
        self.truncated(before, truncated)
    }

    fn truncated(
        &mut self,
        (from, high_watermark, recovery_point): (i64, i64, i64),
        outcome: Result<(), Fault>,
    ) -> Result<Truncated, Fault> {
        self.flushing.truncated(&self.log);
        outcome?;
        Ok(Truncated {
            from,
            to: self.log.log_end_offset(),
            high_watermark,
            lowers_recovery_point: self.log.recovery_point() < recovery_point,
        })
    }
}

impl Truncated {
    /// Something that was committed is lost.
    pub fn is_unclean(&self) -> bool {
        self.to < self.high_watermark
    }
}

#[cfg(test)]
mod tests;
