//! What an append is asked for and what it answers: origins, results, refusals. No state, no I/O.

use crate::fault::Fault;
use wire::record_batch::BatchError;

/// Who appends. Decides which checks apply (KIP-98, KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: sequences are checked, control batches are refused.
    Client,
    /// A coordinator on this broker: its records and transaction markers.
    Coordinator,
    /// The quorum's own log: several batches, offsets already consistent, no producer state.
    RaftLeader,
}

/// An accepted append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record. For a duplicate: the offset it got the first time.
    pub base_offset: i64,
    pub last_offset: i64,
    /// -1 unless the topic stamps LogAppendTime.
    pub log_append_time: i64,
    pub log_start_offset: i64,
    /// The producer had already appended exactly this batch; nothing was written.
    pub duplicate: bool,
}

/// Why an append was not done. Nothing was written unless it says `Storage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendRefused {
    /// The producer's sequence does not follow its last one.
    OutOfOrderSequence { producer_id: i64, expected: i32, found: i32 },
    /// The producer's epoch is older than one already seen (fenced).
    InvalidProducerEpoch { producer_id: i64, current: i16, found: i16 },
    /// A marker came from an older coordinator epoch.
    TransactionCoordinatorFenced { current: i32, found: i32 },
    /// Mixing transactional and plain batches, or a marker without cause (KIP-890).
    InvalidTransactionState(&'static str),
    /// KIP-890: the transaction coordinator has to confirm this partition first; ask it, then append again.
    NeedsVerification,
    /// More than `max.message.bytes`.
    RecordTooLarge { size: u64, limit: u32 },
    /// More than a whole segment.
    BatchLargerThanSegment { size: u64, limit: u32 },
    /// The bytes are not a well-formed batch, or not one this origin may append.
    Invalid(BatchError),
    /// Replicated offsets do not follow the log's end.
    OffsetsOutOfOrder { expected: i64, found: i64 },
    /// The disk failed now or earlier: this log accepts nothing any more.
    Storage(Fault),
}
