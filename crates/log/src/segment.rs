//! One segment: a data file and its companions.

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {}
