//! `LogView`: what readers see of a log, immutable and cheap to publish. Reading never enters the shard and never decodes
//! records; it locates whole batches, checks their CRC and hands out bytes.

use crate::disk::{Disk, FileHandle};
use crate::epochs::EpochCache;
use crate::fault::Fault;
use crate::segment::Segment;
use crate::transactions::AbortedTransaction;
use bytes::Bytes;
use std::sync::Arc;

/// Up to where a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadLimit {
    /// read_uncommitted consumers.
    HighWatermark,
    /// read_committed consumers.
    LastStable,
    /// Followers and the coordinators' own loading.
    LogEnd,
}

/// Whole batches read from a log.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Zero or more whole batches; the first one holds the asked offset or the next existing one.
    pub records: Bytes,
    /// First offset after the last batch read; the asked offset if nothing was read.
    pub next_offset: i64,
}

/// Where bytes are, for readers that move them without a copy (sendfile).
#[derive(Clone, Debug)]
pub struct LogSlice {
    pub file: FileHandle,
    pub position: u64,
    pub length: u32,
}

/// Why a read has no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRefused {
    /// Below the log start offset or beyond the limit the reader may see.
    OffsetOutOfRange { log_start_offset: i64, upto: i64 },
    /// A batch on disk fails its checks: reported, never served (answer KAFKA_STORAGE_ERROR, tell the operator).
    Corrupt { offset: i64, fault: Fault },
    /// The disk refused.
    Storage(Fault),
}

/// Timestamps asked of ListOffsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -2
    Earliest,
    /// -1: high watermark or last stable offset by isolation.
    Latest,
    /// -3 (KIP-734)
    MaxTimestamp,
    /// -4 (KIP-405)
    EarliestLocal,
    /// -5 (KIP-1005): last offset in remote storage; unknown here until tiering exists.
    LatestTiered,
    /// -6 (KIP-1023): first offset not yet in remote storage.
    EarliestPendingUpload,
    /// First offset whose timestamp is at least this.
    Timestamp(i64),
}

/// An answer of `offset_for_timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// -1 where Kafka answers none.
    pub timestamp: i64,
    pub offset: i64,
    /// Leader epoch of that offset, if known.
    pub leader_epoch: Option<i32>,
}

/// One producer as DescribeProducers shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub last_sequence: i32,
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    /// -1 if no transaction is open.
    pub current_transaction_start_offset: i64,
}

/// A log at one instant. All offsets are consistent with each other; bytes below `log_end_offset` are readable.
#[derive(Clone, Debug)]
pub struct LogView {
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_end_offset: i64,
    /// Everything below was flushed (fdatasync returned).
    pub recovery_point: i64,
    pub(crate) segments: Arc<SegmentList>,
    /// Bytes of the active segment that belong to this view.
    pub(crate) active_bytes: u32,
    /// Bytes of all segments of this view.
    pub(crate) total_bytes: u64,
    pub(crate) epochs: Arc<EpochCache>,
}

/// The segments of a log, oldest first; changes only on roll, removal and truncation.
#[derive(Debug)]
pub(crate) struct SegmentList {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) segments: Vec<Arc<Segment>>,
}

impl LogView {
    /// The offset readers with `limit` may not reach.
    pub fn upper_bound(&self, limit: ReadLimit) -> i64 {
        match limit {
            ReadLimit::HighWatermark => self.high_watermark,
            ReadLimit::LastStable => self.last_stable_offset,
            ReadLimit::LogEnd => self.log_end_offset,
        }
    }

    /// Whole batches from the one holding `from`, at most `max_bytes` of them; with `at_least_one` the first batch comes
    /// whatever its size. Empty (not refused) at the limit itself.
    pub fn read(
        &self,
        from: i64,
        max_bytes: u32,
        limit: ReadLimit,
        at_least_one: bool,
    ) -> Result<Fetched, ReadRefused> {
        let _ = (from, max_bytes, limit, at_least_one);
        unimplemented!("landing next")
    }

    /// The same range as file slices, for sendfile. The bytes are located by header, not CRC-checked.
    pub fn locate(
        &self,
        from: i64,
        max_bytes: u32,
        limit: ReadLimit,
        at_least_one: bool,
    ) -> Result<Option<LogSlice>, ReadRefused> {
        let _ = (from, max_bytes, limit, at_least_one);
        unimplemented!("landing next")
    }

    /// About how many bytes a reader at `from` could have now (exact within one segment's index interval), at most `enough`:
    /// what fetch.min.bytes is compared with, without reading records.
    pub fn available_bytes(&self, from: i64, limit: ReadLimit, enough: u32) -> Result<u32, ReadRefused> {
        let _ = (from, limit, enough);
        unimplemented!("landing next")
    }

    /// ListOffsets. `limit` is the isolation for `Latest` and bounds the timestamp search.
    pub fn offset_for_timestamp(
        &self,
        spec: OffsetSpec,
        limit: ReadLimit,
    ) -> Result<Option<TimestampOffset>, ReadRefused> {
        let _ = (spec, limit);
        unimplemented!("landing next")
    }

    /// OffsetForLeaderEpoch (KIP-101, KIP-279): the largest epoch known at or below `epoch` and its end offset.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let _ = epoch;
        unimplemented!("landing next")
    }

    /// The leader epoch under which `offset` was appended.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let _ = offset;
        unimplemented!("landing next")
    }

    /// The newest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<i32> {
        unimplemented!("landing next")
    }

    /// Aborted transactions that overlap `[from, upto)`, for read_committed consumers.
    pub fn aborted_transactions(&self, from: i64, upto: i64) -> Result<Vec<AbortedTransaction>, ReadRefused> {
        let _ = (from, upto);
        unimplemented!("landing next")
    }

    pub fn size_bytes(&self) -> u64 {
        self.total_bytes
    }
}
