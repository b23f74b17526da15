//! What a read of a log comes to: whole batches, or why there are none.

use crate::fault::Fault;
use crate::read_ahead::ReadAhead;
use bytes::Bytes;
use std::fmt;
use wire::ErrorCode;

/// Whole batches read from a log.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Zero or more whole batches; the first one holds the asked offset or the next existing one.
    pub records: Bytes,
    /// First offset after the last batch read; the asked offset if nothing was read.
    pub next_offset: i64,
    /// What the reader will want from the platter if it goes on: for a thread that may wait. A read that reaches there has asked.
    pub ahead: Option<ReadAhead>,
    /// So many of them were not known to be good and had to be checked.
    pub checked_bytes: u32,
}

impl Fetched {
    /// Not a byte.
    pub(crate) fn nothing(from: i64) -> Fetched {
        Fetched { records: Bytes::new(), next_offset: from, ahead: None, checked_bytes: 0 }
    }
}

/// Why a read has no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRefused {
    /// Below the log start offset or beyond the log's end.
    #[allow(missing_docs)] // its fields are what the line above says
    OffsetOutOfRange { log_start_offset: i64, upto: i64 },
    /// A batch on disk fails its checks: reported, never served.
    Corrupt {
        /// The first offset that cannot be read.
        offset: i64,
        /// Where it goes on behind the damage.
        next_offset: i64,
        /// A reader of records meets it for the first time: somebody is to be told.
        is_news: bool,
        /// Where, and what is wrong with it.
        fault: Fault,
    },
    /// The disk refused.
    Storage(Fault),
}

impl ReadRefused {
    /// What the client is told.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            ReadRefused::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            // It lasts: no try will find it mended.
            ReadRefused::Corrupt { .. } => ErrorCode::CorruptMessage,
            ReadRefused::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl fmt::Display for ReadRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadRefused::OffsetOutOfRange { log_start_offset, upto } => {
                write!(f, "offset is outside [{log_start_offset}, {upto}]")
            }
            ReadRefused::Corrupt { offset, next_offset, fault, .. } => {
                write!(f, "offsets {offset} to {}: {fault}", next_offset.saturating_sub(1))
            }
            ReadRefused::Storage(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for ReadRefused {}
