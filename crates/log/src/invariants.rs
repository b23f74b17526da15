//! What must hold of a log whenever a change of it has ended, in release too: offsets that contradict each other would be acknowledged
//! or served as the truth. The list stands at [`Log`]. A few comparisons, whatever the log holds. What changes seldom is
//! held where it changes: the list of segments in `set_segments`, the order of epochs in `epochs.rs`.

use crate::log::Log;

impl Log {
    /// Panics with the name of the invariant that is broken. A poisoned log promises nothing: it accepts nothing any more. Cheap enough
    /// to be called by the owner, too, where its turn ends.
    pub fn check(&self) {
        if self.poisoned.is_some() {
            return;
        }
        self.check_appended();
        let end = self.log_end_offset;
        assert!(self.log_start_offset <= self.high_watermark, "log start: it is beyond the high watermark");
        assert!(self.recovery_point <= end, "recovery point: it is beyond the log's end");
        assert!(
            self.epochs.latest().is_none_or(|latest| latest.start_offset <= end),
            "epochs: one begins beyond the log's end"
        );
        let unstable = self.producers.as_ref().and_then(|producers| producers.first_unstable_offset());
        assert!(unstable.is_none_or(|first| first < end), "transactions: one begins beyond the log's end");
    }

    /// The same for what changes with the log's end alone: every append passes here.
    pub(crate) fn check_appended(&self) {
        let end = self.log_end_offset;
        assert!(self.high_watermark <= end, "high watermark: it is beyond the log's end");
        if let Some(active) = self.segments.segments.last() {
            assert!(active.base_offset <= end, "segments: the active one begins beyond the log's end");
            assert!(
                active.base_offset < end || active.size() == 0,
                "segments: the active one has bytes and no offsets"
            );
        }
        if let Some(producers) = &self.producers {
            assert!(producers.end_offset <= end, "producers: they know more than the log");
        }
    }

    /// The same for what changes with the list of segments alone.
    pub(crate) fn check_segments(&self) {
        let active = self.segments.segments.last().map(|active| active.base_offset);
        // A segment that was cut away or removed: a flush would prove what is not there.
        assert!(self.dirty.newest_segment() <= active, "flush: it waits for a segment that is gone");
    }
}

#[cfg(test)]
mod tests;
