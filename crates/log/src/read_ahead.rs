//! Bytes that a reader will want soon, as data: whoever may wait for the disk's queue asks for them. Decides nothing; how much and when
//! is `ahead.rs`.

use crate::disk::Disk;
use crate::segment::Segment;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a segment that a reader will want soon.
#[derive(Clone, Debug)]
pub struct ReadAhead {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) segment: Arc<Segment>,
    pub(crate) bytes: Range<u32>,
}

impl ReadAhead {
    /// Asks for them. Does not wait until they are there, but may wait until the disk takes one more request.
    pub fn ask(&self) {
        self.segment.bring_in(&*self.disk, self.bytes.clone());
    }
}
