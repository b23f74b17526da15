//! A place in the metadata log, and the order of two of them: whose log is further, and what a snapshot is called.

use std::fmt;

/// A place in the log: the offset after a record and that record's epoch. Also the name of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetAndEpoch {
    /// The offset after the record.
    pub offset: i64,
    /// The leader epoch of the record's batch.
    pub epoch: i32,
}

impl OffsetAndEpoch {
    /// The snapshot that formatting writes: not a state of the cluster, but the records to begin with (KIP-1170).
    pub const BOOTSTRAP: OffsetAndEpoch = OffsetAndEpoch { offset: 0, epoch: 0 };

    /// A place.
    pub fn new(offset: i64, epoch: i32) -> Self {
        OffsetAndEpoch { offset, epoch }
    }
}

impl PartialOrd for OffsetAndEpoch {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OffsetAndEpoch {
    /// The later epoch is further, whatever its offset.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.epoch, self.offset).cmp(&(other.epoch, other.offset))
    }
}

impl fmt::Display for OffsetAndEpoch {
    /// As in the file name of a snapshot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}", self.offset, self.epoch)
    }
}
