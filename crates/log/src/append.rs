//! What an append is asked for and what it answers: origins, results, refusals. No state, no I/O.

use crate::fault::Fault;
use std::fmt;
use wire::ErrorCode;
use wire::record_batch::{BatchError, InvalidBatch};

/// Who appends. Decides which checks apply (KIP-98, KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: sequences are checked, control batches are refused.
    Client,
    /// A coordinator on this broker: its records and transaction markers.
    Coordinator,
    /// A marker of protocol 2 (KIP-890): its epoch is later than that of the records it ends, so that one that comes again cannot end
    /// the transaction after it.
    LaterMarker,
    /// The quorum's own log: several batches, offsets already consistent, no producer state.
    RaftLeader,
}

/// An accepted append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record. For a duplicate: the offset it got the first time.
    pub base_offset: i64,
    /// The last record's offset.
    pub last_offset: i64,
    /// -1 unless the topic stamps LogAppendTime; for a duplicate the time of its batch.
    pub log_append_time: i64,
    /// Where the log begins now.
    pub log_start_offset: i64,
    /// The producer had already appended exactly this batch; nothing was written.
    pub duplicate: bool,
}

/// Why an append was not done. Nothing was written unless it says `Storage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendRefused {
    /// The producer's sequence does not follow its last one.
    #[allow(missing_docs)] // its fields are what the line above says
    OutOfOrderSequence { producer_id: i64, expected: i32, found: i32 },
    /// The producer's epoch is older than one already seen (fenced).
    #[allow(missing_docs)] // its fields are what the line above says
    InvalidProducerEpoch { producer_id: i64, current: i16, found: i16 },
    /// A marker came from an older coordinator epoch.
    #[allow(missing_docs)] // its fields are what the line above says
    TransactionCoordinatorFenced { current: i32, found: i32 },
    /// Mixing transactional and plain batches, or a marker without cause (KIP-890).
    InvalidTransactionState(&'static str),
    /// KIP-890: the transaction coordinator has to confirm this partition first; ask it, tell the log
    /// (`Log::confirm_verification` with this guard), then append again.
    #[allow(missing_docs)] // its fields are what the line above says
    NeedsVerification { guard: u64 },
    /// More than `max.message.bytes`.
    #[allow(missing_docs)] // its fields are what the line above says
    RecordTooLarge { size: u64, limit: u32 },
    /// More than a whole segment.
    #[allow(missing_docs)] // its fields are what the line above says
    BatchLargerThanSegment { size: u64, limit: u32 },
    /// The bytes are not a well-formed batch, or not one this origin may append.
    Invalid(BatchError),
    /// Replicated offsets do not follow the log's end.
    #[allow(missing_docs)] // its fields are what the line above says
    OffsetsOutOfOrder { expected: i64, found: i64 },
    /// A batch of a later epoch than that of the leader it came from.
    #[allow(missing_docs)] // its fields are what the line above says
    EpochOfAnother { current: i32, found: i32 },
    /// The disk failed now or earlier: this log accepts nothing any more.
    Storage(Fault),
}

impl AppendRefused {
    /// What the client is told.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            AppendRefused::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            AppendRefused::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            AppendRefused::TransactionCoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
            AppendRefused::InvalidTransactionState(_) | AppendRefused::NeedsVerification { .. } => {
                ErrorCode::InvalidTxnState
            }
            AppendRefused::RecordTooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendRefused::BatchLargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendRefused::Invalid(error) => InvalidBatch::from(error.clone()).error_code(),
            AppendRefused::OffsetsOutOfOrder { .. } => ErrorCode::CorruptMessage,
            AppendRefused::EpochOfAnother { .. } => ErrorCode::UnknownLeaderEpoch,
            AppendRefused::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl fmt::Display for AppendRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendRefused::OutOfOrderSequence { producer_id, expected, found } => {
                write!(f, "producer {producer_id} sent sequence {found}, {expected} was expected")
            }
            AppendRefused::InvalidProducerEpoch { producer_id, current, found } => {
                write!(f, "producer {producer_id} is at epoch {current}, the batch has {found}")
            }
            AppendRefused::TransactionCoordinatorFenced { current, found } => {
                write!(f, "a marker of coordinator epoch {found} came after one of {current}")
            }
            AppendRefused::InvalidTransactionState(what) => f.write_str(what),
            AppendRefused::NeedsVerification { .. } => f.write_str("the transaction is not verified yet"),
            AppendRefused::RecordTooLarge { size, limit } => {
                write!(f, "a batch of {size} bytes is larger than {limit}")
            }
            AppendRefused::BatchLargerThanSegment { size, limit } => {
                write!(f, "{size} bytes do not fit a segment of {limit}")
            }
            AppendRefused::Invalid(error) => write!(f, "{error}"),
            AppendRefused::OffsetsOutOfOrder { expected, found } => {
                write!(f, "offset {found} does not follow the log's end {expected}")
            }
            AppendRefused::EpochOfAnother { current, found } => {
                write!(f, "a batch of epoch {found} came from a leader of epoch {current}")
            }
            AppendRefused::Storage(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for AppendRefused {}

impl From<Fault> for AppendRefused {
    fn from(fault: Fault) -> AppendRefused {
        AppendRefused::Storage(fault)
    }
}
