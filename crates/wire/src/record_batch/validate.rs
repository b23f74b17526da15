//! What a leader demands of produced batches before they touch a log, and what it changes in them: the topic's timestamp type
//! and compression (KIP-32, KIP-390, KIP-937). Runs on the connection's thread; assigns no offsets, knows no log.

use super::builder::header_crc;
use super::{
    BatchAttributes, BatchError, BatchHeader, HEADER_BYTES, NO_TIMESTAMP, RecordBatch, RecordBatchBuilder,
    RecordHeader, RecordRef, TimestampType,
};
use crate::compress::{Compression, DecompressLimit};
use bytes::Bytes;

/// One topic's rules for produced batches.
#[derive(Clone, Debug, PartialEq)]
pub struct ProduceRules {
    /// `max.message.bytes`.
    pub max_message_bytes: u32,
    /// Bound on decompression.
    pub decompress_limit: DecompressLimit,
    /// `cleanup.policy` holds `compact`: every record needs a key.
    pub compacted: bool,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// `compression.type`; `None` is `producer`.
    pub compression: Option<Compression>,
    /// Level for `compression`.
    pub level: Option<i32>,
}

/// Batches that may be appended as they are: sizes, CRC and records were checked. Only this module makes them.
#[derive(Clone, Debug)]
pub struct ValidBatches {
    batches: Vec<RecordBatch>,
    /// The topic's stamp, -1 for CreateTime.
    log_append_time: i64,
}

impl ValidBatches {
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    pub fn log_append_time(&self) -> i64 {
        self.log_append_time
    }

    pub fn size_in_bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.size_in_bytes()).sum()
    }

    pub fn record_count(&self) -> u64 {
        self.batches.iter().map(|batch| u64::try_from(batch.record_count).unwrap_or(0)).sum()
    }
}

/// Why produced bytes are refused: maps one to one to Kafka's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// CORRUPT_MESSAGE
    Corrupt,
    /// INVALID_RECORD
    InvalidRecord,
    /// INVALID_TIMESTAMP
    InvalidTimestamp,
    /// MESSAGE_TOO_LARGE
    TooLarge,
    /// UNSUPPORTED_FOR_MESSAGE_FORMAT
    UnsupportedFormat,
    /// UNSUPPORTED_COMPRESSION_TYPE
    UnsupportedCompression,
}

/// A refused batch, as Produce v8 and later tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBatch {
    pub refusal: Refusal,
    pub message: String,
    /// The offending records, at most [`MAX_RECORD_ERRORS`].
    pub record_errors: Vec<RecordError>,
}

/// One offending record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub batch_index: i32,
    pub message: String,
}

/// Bound of the error list, so that a small batch of bad records cannot make a large answer.
pub const MAX_RECORD_ERRORS: usize = 100;

/// Checks a client's records for one partition: exactly one v2 batch with offsets from 0. Restamps and recompresses it if the
/// topic demands so.
pub fn validate_produce(
    records: Bytes,
    rules: &ProduceRules,
    now_ms: i64,
) -> Result<ValidBatches, InvalidBatch> {
    let _ = (records, rules, now_ms);
    unimplemented!("landing next")
}

/// Wraps batches built on this node (coordinators, the quorum): structure and CRC are checked, contents are trusted.
pub fn validate_internal(records: Bytes) -> Result<ValidBatches, BatchError> {
    let batches = RecordBatch::split(records)?;
    for batch in &batches {
        batch.verify_crc()?;
    }
    Ok(ValidBatches { batches, log_append_time: NO_TIMESTAMP })
}
