//! Which part of a log may be cleaned now, and how much it would be worth. Reads offsets and sizes, at most one batch header per
//! dirty segment; decides nothing about order between logs.

use crate::fault::Fault;
use crate::log::Log;
use crate::segment::Segment;
use std::sync::Arc;
use wire::record_batch::{BatchHeader, HEADER_BYTES};

/// A log's cleanable part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanCandidate {
    /// Everything below was cleaned before.
    pub first_dirty_offset: i64,
    /// Where the first segment that must stay as it is begins.
    pub first_uncleanable_offset: i64,
    /// Of what was cleaned before.
    pub clean_bytes: u64,
    /// Of what a cleaning could shrink.
    pub cleanable_bytes: u64,
    /// `max.compaction.lag.ms` has passed for something dirty.
    pub overdue: bool,
    /// False while some of it is not on the platter: a cleaning would drop a value that is for one that may not survive.
    pub flushed: bool,
}

impl CleanCandidate {
    /// Share of dirty bytes.
    pub fn dirty_ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }
}

impl Log {
    /// Everything below this offset was cleaned; what `cleaner-offset-checkpoint` gets. `None` if that was never so.
    pub fn cleaned_offset(&self) -> Option<i64> {
        self.cleaned_offset
    }

    /// Whether a cleaning of this log is under way.
    pub fn is_being_cleaned(&self) -> bool {
        self.cleaning.as_ref().is_some_and(|guard| !guard.is_off())
    }

    /// What a cleaning could do now; `None` if that is nothing, or not worth it yet.
    pub fn clean_candidate(&self, now_ms: i64) -> Result<Option<CleanCandidate>, Fault> {
        if !self.config.compact || self.poisoned.is_some() || self.cleaning.is_some() {
            return Ok(None);
        }
        let Some((active, sealed)) = self.segments.segments.split_last() else { return Ok(None) };
        if sealed.is_empty() {
            return Ok(None);
        }
        let first_dirty = self.first_dirty_offset();
        let dirty = sealed.get(self.segments.floor(first_dirty).unwrap_or(0)..).unwrap_or_default();
        let lag = self.config.min_compaction_lag_ms;
        let too_young =
            |segment: &&Arc<Segment>| segment.max_timestamp().timestamp > now_ms.saturating_sub(lag);
        let young =
            if lag > 0 { dirty.iter().find(too_young).map(|segment| segment.base_offset) } else { None };
        let bound = self.last_stable_offset().min(active.base_offset).min(young.unwrap_or(i64::MAX));
        let bound = bound.max(first_dirty);
        // The segment that holds the bound stays whole.
        let first_uncleanable = match sealed.partition_point(|segment| segment.base_offset <= bound) {
            _ if bound >= active.base_offset => active.base_offset,
            held => held.checked_sub(1).and_then(|at| sealed.get(at)).map_or(bound, |held| held.base_offset),
        };
        let bytes = |segments: &mut dyn Iterator<Item = &Arc<Segment>>| -> u64 {
            segments.map(|segment| u64::from(segment.size())).sum()
        };
        let candidate = CleanCandidate {
            first_dirty_offset: first_dirty,
            first_uncleanable_offset: first_uncleanable,
            clean_bytes: bytes(&mut sealed.iter().filter(|segment| segment.base_offset < first_dirty)),
            cleanable_bytes: bytes(
                &mut dirty.iter().filter(|segment| segment.base_offset < first_uncleanable),
            ),
            overdue: false,
            flushed: first_uncleanable <= self.recovery_point,
        };
        if candidate.dirty_ratio() > self.config.min_cleanable_dirty_ratio {
            return Ok(Some(candidate));
        }
        let overdue = candidate.cleanable_bytes > 0 && self.is_overdue(dirty, now_ms)?;
        Ok(overdue.then_some(CleanCandidate { overdue, ..candidate }))
    }

    /// From the checkpoint, if it still says something about this log.
    fn first_dirty_offset(&self) -> i64 {
        let start = self.log_start_offset;
        self.cleaned_offset.filter(|offset| (start..=self.log_end_offset).contains(offset)).unwrap_or(start)
    }

    /// KIP-354: the oldest dirty record has waited for longer than `max.compaction.lag.ms`.
    fn is_overdue(&self, dirty: &[Arc<Segment>], now_ms: i64) -> Result<bool, Fault> {
        if self.config.max_compaction_lag_ms == i64::MAX {
            return Ok(false);
        }
        let until = now_ms.saturating_sub(self.config.max_compaction_lag_ms.max(0));
        for segment in dirty {
            let first = segment.read(&*self.disk, 0, HEADER_BYTES.min(segment.size() as usize))?;
            if let Ok(header) = BatchHeader::parse(&first)
                && header.max_timestamp > 0
                && header.max_timestamp < until
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
