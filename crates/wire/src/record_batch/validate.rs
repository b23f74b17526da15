//! What a leader demands of produced batches before they touch a log, and what it changes in them: the topic's timestamp type
//! and compression (KIP-32, KIP-390, KIP-937). Runs on the connection's thread; assigns no offsets, knows no log.

use super::batch::RecordBatch;
use super::builder::header_crc;
use super::builder::{BatchAttributes, RecordBatchBuilder};
use super::header::{
    BatchError, BatchHeader, HEADER_BYTES, LENGTH_PREFIX_BYTES, NO_TIMESTAMP, PATCHED_BYTES, TimestampType,
    batch_crc,
};
use super::record::{RecordHeader, RecordRef};
use super::skim::{Skimmed, skim};
use crate::ErrorCode;
use crate::compress::{Compression, DecompressLimit, decompress};
use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use std::fmt;
use std::ops::{Deref, RangeInclusive};

/// One topic's rules for produced batches.
#[derive(Clone, Debug, PartialEq)]
pub struct ProduceRules {
    /// `max.message.bytes`.
    pub max_message_bytes: u32,
    /// Bound on decompression.
    pub decompress_limit: DecompressLimit,
    /// `max.decompressed.message.bytes`: what one record of a compressed batch may come to.
    pub max_record_bytes: u32,
    /// `cleanup.policy` holds `compact`: every record needs a key.
    pub compacted: bool,
    /// Who sets the times.
    pub timestamp_type: TimestampType,
    /// A record may be so much older than now.
    pub timestamp_before_max_ms: i64,
    /// A record may be so much newer than now.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`; `None` is `producer`.
    pub compression: Option<Compression>,
    /// Level for `compression`.
    pub level: Option<i32>,
}

/// One batch that may be appended as it is: header and records apart, so that a header can change without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidBatch {
    header: BatchHeader,
    payload: Bytes,
}

impl Deref for ValidBatch {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}

impl ValidBatch {
    fn of(batch: &RecordBatch) -> ValidBatch {
        ValidBatch { header: *batch.header(), payload: batch.payload() }
    }

    /// What stands before the records, as it will be appended but for offset and leader epoch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records, compressed or not.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// One piece again (a copy).
    pub fn to_batch(&self) -> RecordBatch {
        let mut bytes = Vec::with_capacity(self.header.size_in_bytes());
        bytes.extend_from_slice(&self.header.to_bytes());
        bytes.extend_from_slice(&self.payload);
        RecordBatch { header: self.header, bytes: Bytes::from(bytes) }
    }
}

/// Batches that may be appended as they are: sizes, CRC and records were checked. Only this module makes them.
#[derive(Clone, Debug)]
pub struct ValidBatches {
    batches: Batches,
    log_append_time: i64,
    size_in_bytes: usize,
}

/// A produced partition has one batch.
type Batches = SmallVec<[ValidBatch; 1]>;

impl ValidBatches {
    fn new(batches: Batches, log_append_time: i64) -> ValidBatches {
        assert!(!batches.is_empty(), "an append appends something");
        let size_in_bytes = batches.iter().map(|batch| batch.size_in_bytes()).sum();
        ValidBatches { batches, log_append_time, size_in_bytes }
    }

    /// Never empty.
    pub fn batches(&self) -> &[ValidBatch] {
        &self.batches
    }

    /// The stamp a LogAppendTime topic gave, -1 for CreateTime.
    pub fn log_append_time(&self) -> i64 {
        self.log_append_time
    }

    /// Bytes of all of them.
    pub fn size_in_bytes(&self) -> usize {
        self.size_in_bytes
    }

    /// Records in all of them.
    pub fn record_count(&self) -> u64 {
        self.batches.iter().map(|batch| u64::try_from(batch.record_count).unwrap_or(0)).sum()
    }
}

/// Why produced bytes are refused: maps one to one to Kafka's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// CORRUPT_MESSAGE
    Corrupt,
    /// INVALID_RECORD: not one whole batch of format v2. Told before the log is looked at.
    NotOneBatch,
    /// INVALID_RECORD
    InvalidRecord,
    /// INVALID_TIMESTAMP
    InvalidTimestamp,
    /// MESSAGE_TOO_LARGE
    TooLarge,
}

/// A refused batch, as Produce v8 and later tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBatch {
    /// Of which kind.
    pub refusal: Refusal,
    /// For people here; [`InvalidBatch::answer`] is for the producer.
    pub message: String,
    /// The producer is told the message as well.
    pub is_told: bool,
    /// The offending records, at most [`MAX_RECORD_ERRORS`].
    pub record_errors: Vec<RecordError>,
}

/// One offending record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Which record of the batch, from 0 on.
    pub batch_index: i32,
    /// What is wrong with it.
    pub reason: RecordRefusal,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// A compacted topic needs a key on every record.
    NoKey,
    /// Outside of what `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` leave.
    #[allow(missing_docs)] // its fields are what the line above says
    Timestamp { timestamp: i64, earliest: i64, latest: i64 },
    /// The producer claims that the broker stamped it. Sizes are -1 for null.
    #[allow(missing_docs)] // its fields are what the line above says
    StampedByProducer { timestamp: i64, key_bytes: i64, value_bytes: i64, compressed: bool },
}

impl RecordError {
    /// The sentence that producers are used to; `partition` is `topic-0`.
    pub fn answer(&self, partition: &str) -> String {
        match self.reason {
            RecordRefusal::NoKey => {
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            }
            RecordRefusal::Timestamp { timestamp, earliest, latest } => format!(
                "Timestamp {timestamp} of message with offset {} is out of range. The timestamp should be within [{earliest}, {latest}]",
                self.batch_index
            ),
            RecordRefusal::StampedByProducer { timestamp, key_bytes, value_bytes, compressed } => {
                let (kind, least) =
                    if compressed { ("PartialDefaultRecord", -1) } else { ("DefaultRecord", 0) };
                format!(
                    "Invalid timestamp type in message {kind}(offset={}, timestamp={timestamp}, key={} bytes, value={} bytes). Producer should not set timestamp type to LogAppendTime.",
                    self.batch_index,
                    key_bytes.max(least),
                    value_bytes.max(least)
                )
            }
        }
    }
}

/// Bound of the error list, so that a small batch of bad records cannot make a large answer.
pub const MAX_RECORD_ERRORS: usize = 100;

impl fmt::Display for InvalidBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidBatch {}

impl InvalidBatch {
    /// What the producer is told.
    pub fn error_code(&self) -> ErrorCode {
        match self.refusal {
            Refusal::Corrupt => ErrorCode::CorruptMessage,
            Refusal::NotOneBatch | Refusal::InvalidRecord => ErrorCode::InvalidRecord,
            Refusal::InvalidTimestamp => ErrorCode::InvalidTimestamp,
            Refusal::TooLarge => ErrorCode::MessageTooLarge,
        }
    }

    /// True where the records were held against the log that they were meant for.
    pub fn saw_log(&self) -> bool {
        match self.refusal {
            Refusal::InvalidRecord | Refusal::InvalidTimestamp => true,
            Refusal::Corrupt | Refusal::NotOneBatch | Refusal::TooLarge => false,
        }
    }

    /// The sentence for the producer, where it is told one (KIP-467).
    pub fn answer(&self, partition: &str) -> Option<String> {
        if self.record_errors.is_empty() {
            return self.is_told.then(|| self.message.clone());
        }
        if self.refusal == Refusal::InvalidTimestamp {
            return Some("One or more records have been rejected due to invalid timestamp".to_owned());
        }
        let example = |error: &RecordError| {
            format!("RecordError(batchIndex={}, message='{}')", error.batch_index, error.answer(partition))
        };
        let first: Vec<String> = self.record_errors.iter().take(3).map(example).collect();
        Some(format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
            self.record_errors.len(),
            first.join(", ")
        ))
    }

    fn new(refusal: Refusal, message: impl Into<String>) -> InvalidBatch {
        InvalidBatch { refusal, message: message.into(), is_told: false, record_errors: Vec::new() }
    }
}

impl From<BatchError> for InvalidBatch {
    /// Legacy formats, wrong structure and undecodable payloads are INVALID_RECORD, damage is CORRUPT_MESSAGE (which clients
    /// try again), as the reference answers.
    fn from(error: BatchError) -> InvalidBatch {
        // DIVERGES: over a codec number or compressed bytes that mean nothing Kafka falls with UNKNOWN_SERVER_ERROR.
        let refusal = match &error {
            BatchError::Truncated { .. } | BatchError::Magic(0 | 1) => Refusal::NotOneBatch,
            BatchError::Record(_) | BatchError::Compression(_) | BatchError::Codec(_) => {
                Refusal::InvalidRecord
            }
            BatchError::BadLength(_) | BatchError::Magic(_) | BatchError::Crc { .. } => Refusal::Corrupt,
        };
        let told = match &error {
            BatchError::BadLength(length) if *length < LEAST_LENGTH => Some(format!(
                "Record size {length} is less than the minimum record overhead ({LEAST_LENGTH})"
            )),
            BatchError::Magic(magic) if refusal == Refusal::Corrupt => {
                Some(format!("Invalid magic found in record: {magic}"))
            }
            _ => None,
        };
        let is_told = told.is_some();
        let message = told.unwrap_or_else(|| error.to_string());
        InvalidBatch { is_told, ..InvalidBatch::new(refusal, message) }
    }
}

/// Checks a client's records for one partition: exactly one v2 batch with offsets from 0. Restamps and recompresses it if the
/// topic demands so.
pub fn validate_produce(
    mut records: Bytes,
    rules: &ProduceRules,
    now_ms: i64,
) -> Result<ValidBatches, InvalidBatch> {
    let header = BatchHeader::parse(&records)?;
    let size = header.size_in_bytes();
    if size != records.len() {
        cut_to_one_batch(&mut records, size)?;
    }
    check_header(&header, rules)?;
    let computed = batch_crc(&records);
    if computed != header.crc {
        return Err(BatchError::Crc { stored: header.crc, computed }.into());
    }

    let source = header.compression()?;
    let target = rules.compression.unwrap_or(source);
    let inflated = match source {
        Compression::None => None,
        _ => Some(inflate(source, &records, &header, rules)?),
    };
    let payload = match &inflated {
        Some(payload) => payload,
        None => records.get(HEADER_BYTES..).unwrap_or_default(),
    };
    let (max_timestamp, contiguous) = walk(&header, payload, rules, now_ms)?;
    if inflated.is_some() && !contiguous {
        // DIVERGES: Kafka falls over it with UNKNOWN_SERVER_ERROR.
        let message = "offsets of a compressed batch are not 0, 1, 2, …";
        return Err(InvalidBatch::new(Refusal::InvalidRecord, message));
    }

    let log_append_time = match rules.timestamp_type {
        TimestampType::CreateTime => NO_TIMESTAMP,
        TimestampType::LogAppendTime => now_ms,
    };
    let mut valid = if source == target && contiguous {
        records.advance(HEADER_BYTES);
        ValidBatch { header, payload: records }
    } else {
        let payload = inflated.unwrap_or_else(|| records.slice(HEADER_BYTES..));
        rebuild(&header, &payload, target, rules)?
    };
    restamp(&mut valid, rules.timestamp_type, max_timestamp, log_append_time);
    let size_in_bytes = valid.size_in_bytes();
    if size_in_bytes > rules.max_message_bytes as usize {
        return Err(too_large(size_in_bytes, rules));
    }
    Ok(ValidBatches { batches: SmallVec::from_buf([valid]), log_append_time, size_in_bytes })
}

/// What every format counts after its length: the least that one may say.
const LEAST_LENGTH: i32 = 14;
/// Where the number of the format is.
const MAGIC_OFFSET: usize = PATCHED_BYTES;

const _: () =
    assert!(LENGTH_PREFIX_BYTES + LEAST_LENGTH as usize <= HEADER_BYTES, "ours is none of the least");

/// A torn rest is trimmed as the reference does; a second whole batch is refused, and what cannot be the beginning of one.
#[cold]
fn cut_to_one_batch(records: &mut Bytes, size: usize) -> Result<(), InvalidBatch> {
    if size > records.len() {
        return Err(BatchError::Truncated { needed: size, available: records.len() }.into());
    }
    let rest = records.split_off(size);
    let Some(length) = rest.get(8..).and_then(<[u8]>::first_chunk) else { return Ok(()) };
    let length = i32::from_be_bytes(*length);
    let magic = rest.get(MAGIC_OFFSET).copied();
    if length < LEAST_LENGTH || magic.is_some_and(|magic| magic > 2) {
        return Err(InvalidBatch::new(Refusal::Corrupt, "what is behind the batch is no batch"));
    }
    if magic.is_some()
        && usize::try_from(length).is_ok_and(|length| length + LENGTH_PREFIX_BYTES <= rest.len())
    {
        let message = "a produce request holds one batch per partition";
        return Err(InvalidBatch::new(Refusal::NotOneBatch, message));
    }
    Ok(())
}

/// The records of a compressed batch, none of them larger than it may be.
fn inflate(
    codec: Compression,
    records: &Bytes,
    header: &BatchHeader,
    rules: &ProduceRules,
) -> Result<Bytes, InvalidBatch> {
    let inflated = decompress(codec, &records.slice(HEADER_BYTES..), rules.decompress_limit);
    let payload = inflated.map_err(BatchError::Compression)?;
    // No record is larger than all of them: one comparison for most batches.
    if payload.len() > rules.max_record_bytes as usize {
        check_record_sizes(header, &payload, rules.max_record_bytes)?;
    }
    Ok(payload)
}

/// Wraps batches built on this node (coordinators, the quorum): structure and CRC are checked, contents are trusted.
pub fn validate_internal(records: Bytes) -> Result<ValidBatches, BatchError> {
    let batches = RecordBatch::split(records)?;
    for batch in &batches {
        batch.verify_crc()?;
    }
    if batches.is_empty() {
        return Err(BatchError::Record("no batch at all"));
    }
    Ok(ValidBatches::new(batches.iter().map(ValidBatch::of).collect(), NO_TIMESTAMP))
}

/// Restamps internal batches for a LogAppendTime topic (an operator may have set one on an internal topic).
pub fn stamp_internal(mut valid: ValidBatches, timestamp_type: TimestampType, now_ms: i64) -> ValidBatches {
    match timestamp_type {
        TimestampType::CreateTime => valid,
        TimestampType::LogAppendTime => {
            for batch in &mut valid.batches {
                restamp(batch, timestamp_type, NO_TIMESTAMP, now_ms);
            }
            valid.log_append_time = now_ms;
            valid
        }
    }
}

fn check_header(batch: &BatchHeader, rules: &ProduceRules) -> Result<(), InvalidBatch> {
    let refuse = |message: String| Err(InvalidBatch::new(Refusal::InvalidRecord, message));
    if batch.base_offset != 0 {
        return refuse(format!("a produced batch starts at offset 0, not {}", batch.base_offset));
    }
    if batch.size_in_bytes() > rules.max_message_bytes as usize {
        return Err(too_large(batch.size_in_bytes(), rules));
    }
    if batch.record_count <= 0 {
        return refuse(format!("batch counts {} records", batch.record_count));
    }
    if i64::from(batch.last_offset_delta) + 1 != i64::from(batch.record_count) {
        return refuse(format!(
            "batch counts {} records but its last offset is {}",
            batch.record_count, batch.last_offset_delta
        ));
    }
    if batch.is_control() {
        return refuse("clients may not write control batches".into());
    }
    if batch.has_producer_id() && batch.base_sequence < 0 {
        return refuse(format!(
            "sequence {} of producer {} is negative",
            batch.base_sequence, batch.producer_id
        ));
    }
    Ok(())
}

/// What Kafka counts of a record is all but its own length field.
fn check_record_sizes(batch: &BatchHeader, payload: &[u8], most: u32) -> Result<(), InvalidBatch> {
    let mut rest = payload;
    for index in 0..batch.record_count {
        let before = rest.len();
        RecordRef::take(&mut rest)?;
        let whole = before - rest.len();
        let size = whole - length_field(whole);
        if size > most as usize {
            let message = format!("record {index} decompresses to {size} bytes, more than {most}");
            return Err(InvalidBatch::new(Refusal::InvalidRecord, message));
        }
    }
    Ok(())
}

/// Bytes of the varint that stands before the record and says how long the rest of `whole` is.
fn length_field(whole: usize) -> usize {
    (1..=5).find(|bytes| whole.saturating_sub(*bytes) < 1 << (7 * bytes - 1)).unwrap_or(5)
}

fn too_large(size: usize, rules: &ProduceRules) -> InvalidBatch {
    let message =
        format!("a batch of {size} bytes is larger than max.message.bytes={}", rules.max_message_bytes);
    InvalidBatch::new(Refusal::TooLarge, message)
}

/// Passes over the records once; only a batch in which something is wrong is looked at again. Returns the batch's largest timestamp
/// and whether its offsets are 0, 1, 2, …
fn walk(
    batch: &BatchHeader,
    payload: &[u8],
    rules: &ProduceRules,
    now_ms: i64,
) -> Result<(i64, bool), InvalidBatch> {
    let Skimmed { earliest, latest, keyed, contiguous } =
        skim(payload, batch.base_timestamp, batch.record_count)?;
    // A producer's own LogAppendTime is rare, and mostly wrong.
    let stamped = batch.timestamp_type() == TimestampType::LogAppendTime;
    let allowed = allowed_timestamps(rules, now_ms);
    let within = allowed.contains(&earliest) && allowed.contains(&latest);
    if stamped || !within || rules.compacted && !keyed {
        offences(batch, payload, rules, now_ms)?.finish()?;
    }
    let max_timestamp = if stamped { batch.max_timestamp } else { latest };
    Ok((max_timestamp.max(NO_TIMESTAMP), contiguous))
}

/// What a topic that keeps the producers' timestamps takes; one that stamps them itself takes all.
fn allowed_timestamps(rules: &ProduceRules, now_ms: i64) -> RangeInclusive<i64> {
    match rules.timestamp_type {
        TimestampType::CreateTime => {
            let earliest = now_ms.saturating_sub(rules.timestamp_before_max_ms);
            earliest..=now_ms.saturating_add(rules.timestamp_after_max_ms)
        }
        TimestampType::LogAppendTime => i64::MIN..=i64::MAX,
    }
}

/// Which records are wrong, and why.
#[cold]
fn offences(
    batch: &BatchHeader,
    payload: &[u8],
    rules: &ProduceRules,
    now_ms: i64,
) -> Result<Errors, InvalidBatch> {
    let mut rest = payload;
    let mut errors = Errors::default();
    for index in 0..batch.record_count {
        let record = RecordRef::take(&mut rest)?;
        let timestamp = match batch.timestamp_type() {
            TimestampType::CreateTime => batch.base_timestamp.wrapping_add(record.timestamp_delta),
            TimestampType::LogAppendTime => batch.max_timestamp,
        };
        if rules.compacted && record.key.is_none() {
            errors.add(index, RecordRefusal::NoKey);
        } else if let Some(reason) = bad_timestamp(batch, &record, timestamp, rules, now_ms) {
            errors.timestamp = true;
            errors.add(index, reason);
        }
    }
    Ok(errors)
}

fn bad_timestamp(
    batch: &BatchHeader,
    record: &RecordRef<'_>,
    timestamp: i64,
    rules: &ProduceRules,
    now_ms: i64,
) -> Option<RecordRefusal> {
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        let bad = !allowed_timestamps(rules, now_ms).contains(&timestamp);
        return bad.then(|| RecordRefusal::Timestamp {
            timestamp,
            // As they are told: a bound beyond all time comes round.
            earliest: now_ms.wrapping_sub(rules.timestamp_before_max_ms),
            latest: now_ms.wrapping_add(rules.timestamp_after_max_ms),
        });
    }
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    (batch.timestamp_type() == TimestampType::LogAppendTime).then(|| RecordRefusal::StampedByProducer {
        timestamp,
        key_bytes: size(record.key),
        value_bytes: size(record.value),
        compressed: batch.compression() != Ok(Compression::None),
    })
}

/// Offending records of a batch.
#[derive(Default)]
struct Errors {
    count: usize,
    first: Vec<RecordError>,
    timestamp: bool,
}

impl Errors {
    fn add(&mut self, batch_index: i32, reason: RecordRefusal) {
        self.count += 1;
        if self.first.len() < MAX_RECORD_ERRORS {
            self.first.push(RecordError { batch_index, reason });
        }
    }

    fn finish(self) -> Result<(), InvalidBatch> {
        if self.count == 0 {
            return Ok(());
        }
        let refusal = if self.timestamp { Refusal::InvalidTimestamp } else { Refusal::InvalidRecord };
        let message = format!("{} records of the batch, the first: {:?}", self.count, self.first.first());
        Err(InvalidBatch { refusal, message, is_told: false, record_errors: self.first })
    }
}

/// Sets what the topic's timestamp type and the records say; recomputes the CRC only if something changed.
fn restamp(valid: &mut ValidBatch, timestamp_type: TimestampType, max_timestamp: i64, log_append_time: i64) {
    let max_timestamp = match timestamp_type {
        TimestampType::CreateTime => max_timestamp,
        TimestampType::LogAppendTime => log_append_time,
    };
    if valid.header.timestamp_type() != timestamp_type || valid.header.max_timestamp != max_timestamp {
        valid.header.set_timestamps(timestamp_type, max_timestamp);
        valid.header.crc = header_crc(&valid.header, &valid.payload);
    }
}

/// Writes the records anew with another codec, or with their offsets put right.
/// DIVERGES: Kafka stores an uncompressed batch whose offsets are not 0, 1, 2, … as it is, and consumers see offsets twice, out of order
/// or outside of the batch.
fn rebuild(
    batch: &BatchHeader,
    payload: &Bytes,
    target: Compression,
    rules: &ProduceRules,
) -> Result<ValidBatch, InvalidBatch> {
    let mut builder = RecordBatchBuilder::new(BatchAttributes {
        compression: target,
        level: rules.level,
        producer_id: batch.producer_id,
        producer_epoch: batch.producer_epoch,
        base_sequence: batch.base_sequence,
        transactional: batch.is_transactional(),
        ..BatchAttributes::default()
    });
    let mut rest: &[u8] = payload;
    for _ in 0..batch.record_count {
        let record = RecordRef::take(&mut rest)?;
        let headers: Vec<RecordHeader> = record
            .headers()
            .map(|(key, value)| RecordHeader {
                key: payload.slice_ref(key),
                value: value.map(|value| payload.slice_ref(value)),
            })
            .collect();
        let timestamp = batch.base_timestamp.wrapping_add(record.timestamp_delta);
        builder.append(timestamp, record.key, record.value, &headers);
    }
    let built = builder.build();
    let header = BatchHeader::parse(&built)?;
    Ok(ValidBatch { header, payload: built.slice(HEADER_BYTES..) })
}
