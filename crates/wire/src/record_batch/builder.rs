//! Builds v2 batches, any codec. Byte-equal to what the Java builder writes from the same records (compression apart).

use super::header::{
    BatchHeader, CONTROL_BIT, CRC_START, HEADER_BYTES, LENGTH_PREFIX_BYTES, NO_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TIMESTAMP_TYPE_BIT, TRANSACTIONAL_BIT,
    TimestampType,
};
use super::record::write_record;
use super::record::{RecordHeader, record_size};
use crate::compress::{Compression, compress};
use bytes::Bytes;

/// Everything about a batch that is not its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAttributes {
    /// The first record's offset; 0 in a produce.
    pub base_offset: i64,
    /// Of the leader that appends it; -1 in a produce.
    pub leader_epoch: i32,
    /// The records' codec.
    pub compression: Compression,
    /// `None` is the codec's default.
    pub level: Option<i32>,
    /// Who set its times.
    pub timestamp_type: TimestampType,
    /// The stamp of a `LogAppendTime` batch.
    pub log_append_time: i64,
    /// -1 without one.
    pub producer_id: i64,
    /// -1 without one.
    pub producer_epoch: i16,
    /// The first record's sequence; -1 without one.
    pub base_sequence: i32,
    /// It belongs to a transaction.
    pub transactional: bool,
    /// Its records are markers.
    pub control: bool,
}

impl Default for BatchAttributes {
    fn default() -> BatchAttributes {
        BatchAttributes {
            base_offset: 0,
            leader_epoch: NO_LEADER_EPOCH,
            compression: Compression::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            log_append_time: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
        }
    }
}

/// Collects records, then writes one batch.
#[derive(Clone, Debug)]
pub struct RecordBatchBuilder {
    attributes: BatchAttributes,
    records: Vec<u8>,
    count: i32,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl RecordBatchBuilder {
    /// A batch without records yet.
    pub fn new(attributes: BatchAttributes) -> RecordBatchBuilder {
        RecordBatchBuilder {
            attributes,
            records: Vec::new(),
            count: 0,
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// A plain batch with one codec.
    pub fn with_compression(compression: Compression) -> RecordBatchBuilder {
        RecordBatchBuilder::new(BatchAttributes { compression, ..BatchAttributes::default() })
    }

    /// Names the producer and the first record's sequence, known to a client only when it sends.
    pub fn set_producer(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) {
        self.attributes.producer_id = producer_id;
        self.attributes.producer_epoch = producer_epoch;
        self.attributes.base_sequence = base_sequence;
    }

    /// Adds a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> &mut Self {
        self.append_at(self.last_offset_delta + 1, timestamp, key, value, headers)
    }

    /// Adds a record at an offset delta beyond the last one (compacted batches have gaps).
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> &mut Self {
        assert!(offset_delta > self.last_offset_delta, "offsets in a batch only grow");
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        write_record(
            &mut self.records,
            timestamp.wrapping_sub(self.base_timestamp),
            offset_delta,
            key,
            value,
            headers,
        );
        self.count += 1;
        self.last_offset_delta = offset_delta;
        self
    }

    /// Records so far.
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes the batch would have uncompressed.
    pub fn size_in_bytes(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// Bytes the batch would have uncompressed with one more record.
    pub fn size_with(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> usize {
        let base = if self.count == 0 { timestamp } else { self.base_timestamp };
        self.size_in_bytes()
            + record_size(timestamp.wrapping_sub(base), self.last_offset_delta + 1, key, value, headers)
    }

    /// The batch: header, CRC, records.
    pub fn build(&self) -> Bytes {
        let attributes = &self.attributes;
        let compressed;
        let payload: &[u8] = match attributes.compression {
            Compression::None => &self.records,
            codec @ (Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd) => {
                compressed = compress(codec, attributes.level, &self.records);
                &compressed
            }
        };
        let max_timestamp = match attributes.timestamp_type {
            TimestampType::CreateTime => self.max_timestamp,
            TimestampType::LogAppendTime => attributes.log_append_time,
        };
        let mut header = BatchHeader {
            base_offset: attributes.base_offset,
            batch_length: i32::try_from(HEADER_BYTES - LENGTH_PREFIX_BYTES + payload.len())
                .expect("a batch is below 2 GiB"),
            partition_leader_epoch: attributes.leader_epoch,
            magic: 2,
            crc: 0,
            attributes: attribute_bits(attributes),
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp,
            producer_id: attributes.producer_id,
            producer_epoch: attributes.producer_epoch,
            base_sequence: attributes.base_sequence,
            record_count: self.count,
        };
        header.crc = header_crc(&header, payload);
        let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(payload);
        Bytes::from(out)
    }
}

/// The CRC of a batch of this header and these records.
pub(super) fn header_crc(header: &BatchHeader, payload: &[u8]) -> u32 {
    let raw = header.to_bytes();
    crate::checksum::crc32c_of_two(&raw[CRC_START..], payload)
}

fn attribute_bits(attributes: &BatchAttributes) -> i16 {
    let mut bits = i16::from(attributes.compression.id());
    if attributes.timestamp_type == TimestampType::LogAppendTime {
        bits |= TIMESTAMP_TYPE_BIT;
    }
    if attributes.transactional {
        bits |= TRANSACTIONAL_BIT;
    }
    if attributes.control {
        bits |= CONTROL_BIT;
    }
    bits
}
