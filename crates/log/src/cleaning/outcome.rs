//! What a slice of a cleaning came to, as data: how it goes on, why it ended, what it moved.

use crate::fault::{Cause, Fault};
use crate::fetched::ReadRefused;
use crate::read::Stop;
use wire::record_batch::BatchError;

/// What a slice of work came to.
#[derive(Debug)]
pub enum CleanStep {
    /// Run it again, when you like.
    More,
    /// [`crate::Log::take_in`] is next, then run it again.
    TakeIn,
    /// [`crate::Log::cleaning_done`] is next.
    Done,
    /// [`crate::Log::cleaning_stopped`] is next.
    Stopped(CleanStop),
}

/// Why a cleaning ended early. Nothing is lost: the log is as it was, or as far as it had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanStop {
    /// The log was truncated, deleted or closed, or its oldest segments went.
    CalledOff,
    /// No room for the copy; worth another try when there is.
    DiskFull(Fault),
    /// A batch that cannot be read, or that fits no segment: another try would end the same way.
    Unreadable(String),
    /// The disk failed.
    Fault(Fault),
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanFigures {
    /// Bytes read to build the map.
    pub mapped_bytes: u64,
    /// Bytes read to be copied.
    pub read_bytes: u64,
    /// Bytes written to the copies.
    pub written_bytes: u64,
    /// Records that were looked at to be copied.
    pub records_read: u64,
    /// Records that stayed.
    pub records_kept: u64,
    /// Keys in the map.
    pub keys: u64,
    /// Segments that were copied, or are being.
    pub segments_before: u64,
    /// Segments that take their place.
    pub segments_after: u64,
}

impl CleanFigures {
    /// All bytes that the disk moved: what a throttle counts.
    pub fn moved_bytes(&self) -> u64 {
        self.mapped_bytes + self.read_bytes + self.written_bytes
    }
}

impl From<Fault> for CleanStop {
    fn from(fault: Fault) -> CleanStop {
        match fault.cause {
            // What was to be read or written went with a deletion.
            _ if fault.is_not_found() => CleanStop::CalledOff,
            _ if fault.is_passing() => CleanStop::DiskFull(fault),
            Cause::Corrupt(_) => CleanStop::Unreadable(fault.to_string()),
            Cause::Io { .. } | Cause::Poisoned => CleanStop::Fault(fault),
        }
    }
}

impl From<BatchError> for CleanStop {
    fn from(error: BatchError) -> CleanStop {
        CleanStop::Unreadable(error.to_string())
    }
}

impl From<ReadRefused> for CleanStop {
    fn from(refused: ReadRefused) -> CleanStop {
        match refused {
            ReadRefused::Storage(fault) => fault.into(),
            ReadRefused::OffsetOutOfRange { .. } | ReadRefused::Corrupt { .. } => {
                CleanStop::Unreadable(refused.to_string())
            }
        }
    }
}

impl From<Stop> for CleanStop {
    fn from(stop: Stop) -> CleanStop {
        match stop {
            Stop::Disk(fault) => fault.into(),
            Stop::Bad { offset, what, .. } => CleanStop::Unreadable(format!("offset {offset}: {what}")),
            Stop::Damaged { range, what, .. } => {
                CleanStop::Unreadable(format!("offset {}: {what}", range.offset))
            }
        }
    }
}
