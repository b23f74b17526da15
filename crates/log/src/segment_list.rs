//! The segments of a log as its readers share them. A list never changes: the log publishes another one.

use crate::disk::Disk;
use crate::segment::Segment;
use crate::trails::Trails;
use std::sync::Arc;

/// The segments of a log, oldest first, and the disk they are on; changes only on roll, removal and truncation.
#[derive(Debug)]
pub(crate) struct SegmentList {
    pub disk: Arc<dyn Disk>,
    pub segments: Vec<Arc<Segment>>,
    /// Dies with the list: what is cut away is forgotten with it.
    pub trails: Trails,
}

impl SegmentList {
    /// Panics if two of them are not in order: they would be one file, or readers would find neither.
    pub fn new(disk: Arc<dyn Disk>, segments: Vec<Arc<Segment>>) -> SegmentList {
        let is_ordered = segments.is_sorted_by(|before, after| before.base_offset < after.base_offset);
        assert!(is_ordered, "segments: they are not in order");
        SegmentList { disk, segments, trails: Trails::default() }
    }

    /// Index of the segment that holds `offset`, or would.
    pub fn floor(&self, offset: i64) -> Option<usize> {
        self.segments.partition_point(|segment| segment.base_offset <= offset).checked_sub(1)
    }
}
