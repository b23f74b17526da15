//! What must hold of a log whenever a change of it has ended, in release too: offsets that contradict each other would be acknowledged
//! or served as the truth. The list stands at [`Log`]. A dozen comparisons, whatever the log holds: every append passes here.
//! What changes seldom is held where it changes: the order of segments in `segment_list.rs`, that of epochs in `epochs.rs`.

use crate::log::Log;

impl Log {
    /// Panics with the name of the invariant that is broken. A poisoned log promises nothing: it accepts nothing any more. Cheap enough
    /// to be called by the owner, too, where its turn ends.
    pub fn check(&self) {
        if self.poisoned.is_some() {
            return;
        }
        let end = self.log_end_offset;
        assert!(self.log_start_offset >= 0, "log start: it is negative");
        assert!(self.log_start_offset <= self.high_watermark, "log start: it is beyond the high watermark");
        assert!(self.high_watermark <= end, "high watermark: it is beyond the log's end");
        assert!(self.recovery_point <= end, "recovery point: it is beyond the log's end");
        assert!(
            self.epochs.latest().is_none_or(|latest| latest.start_offset <= end),
            "epochs: one begins beyond the log's end"
        );
        let newest_unflushed = self.dirty.newest_segment();
        match self.segments.segments.as_slice() {
            [] => {
                assert!(newest_unflushed.is_none(), "flush: it waits for a segment that is gone");
                assert!(self.sealed_bytes == 0, "segments: bytes without a segment");
            }
            [sealed @ .., active] => {
                let base_offset = active.base_offset;
                assert!(base_offset <= end, "segments: the active one begins beyond the log's end");
                assert!(
                    base_offset < end || active.size() == 0,
                    "segments: the active one has bytes and no offsets"
                );
                assert!(!sealed.is_empty() || self.sealed_bytes == 0, "segments: bytes without a segment");
                assert!(
                    newest_unflushed.is_none_or(|newest| newest <= base_offset),
                    "flush: it waits for a segment that is gone"
                );
            }
        }
        if let Some(producers) = &self.producers {
            assert!(producers.end_offset <= end, "producers: they know more than the log");
            assert!(
                producers.first_unstable_offset().is_none_or(|first| first < end),
                "transactions: one begins beyond the log's end"
            );
        }
    }
}

#[cfg(test)]
mod tests;
