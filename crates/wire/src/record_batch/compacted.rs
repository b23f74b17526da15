//! What compaction leaves of a batch: some of its records at their old offsets, or its header alone. Base offset, last offset,
//! producer and sequence stay those of the original (KIP-98); a delete horizon replaces the base timestamp (KIP-534). Byte-equal
//! to what the Java cleaner writes (compression apart). Never decides which records stay.

use super::builder::header_crc;
use super::header::{
    BatchError, BatchHeader, COMPRESSION_MASK, DELETE_HORIZON_BIT, HEADER_BYTES, LENGTH_PREFIX_BYTES,
    NO_TIMESTAMP, TimestampType,
};
use super::record::RecordRef;
use super::record::{put_varint, varint_size};
use crate::compress::{Compression, compress};

/// Collects the records that stay, then writes the batch anew.
#[derive(Clone, Debug)]
pub struct CompactedBatch {
    original: BatchHeader,
    delete_horizon_ms: Option<i64>,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    count: i32,
    records: Vec<u8>,
}

impl CompactedBatch {
    /// Nothing stays yet. `delete_horizon_ms` is the horizon the new batch shall have; what the original has is not looked at.
    pub fn new(original: &BatchHeader, delete_horizon_ms: Option<i64>) -> CompactedBatch {
        CompactedBatch {
            original: *original,
            delete_horizon_ms,
            base_timestamp: delete_horizon_ms,
            max_timestamp: NO_TIMESTAMP,
            count: 0,
            records: Vec::new(),
        }
    }

    /// A record of the original, in order.
    pub fn push(&mut self, record: &RecordRef<'_>) {
        let timestamp = match self.original.timestamp_type() {
            TimestampType::CreateTime => self.original.base_timestamp.wrapping_add(record.timestamp_delta),
            TimestampType::LogAppendTime => self.original.max_timestamp,
        };
        let base = *self.base_timestamp.get_or_insert(timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let (delta, offset) = (timestamp.wrapping_sub(base), i64::from(record.offset_delta));
        let size = 1 + varint_size(delta) + varint_size(offset) + record.content.len();
        put_varint(&mut self.records, size as i64);
        self.records.push(0);
        put_varint(&mut self.records, delta);
        put_varint(&mut self.records, offset);
        self.records.extend_from_slice(record.content);
        self.count += 1;
    }

    /// The batch, compressed as the original was (at the codec's default level, as Kafka's cleaner does).
    pub fn build(self) -> Result<Vec<u8>, BatchError> {
        let compressed;
        let payload: &[u8] = match self.original.compression()? {
            Compression::None => &self.records,
            codec @ (Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd) => {
                compressed = compress(codec, None, &self.records);
                &compressed
            }
        };
        let length = HEADER_BYTES - LENGTH_PREFIX_BYTES + payload.len();
        let mut header = BatchHeader {
            batch_length: i32::try_from(length)
                .map_err(|_| BatchError::Record("a rewritten batch above 2 GiB"))?,
            attributes: match self.delete_horizon_ms {
                Some(_) => self.original.attributes | DELETE_HORIZON_BIT,
                None => self.original.attributes & !DELETE_HORIZON_BIT,
            },
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: match self.original.timestamp_type() {
                TimestampType::CreateTime => self.max_timestamp,
                TimestampType::LogAppendTime => self.original.max_timestamp,
            },
            record_count: self.count,
            ..self.original
        };
        header.crc = header_crc(&header, payload);
        let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(payload);
        Ok(out)
    }
}

/// The batch without any record: what remembers a producer's last sequence, or the log's end.
pub fn empty_batch(original: &BatchHeader) -> [u8; HEADER_BYTES] {
    let mut header = BatchHeader {
        batch_length: (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32,
        // Neither a codec (there is nothing to compress) nor a horizon.
        attributes: original.attributes & !(DELETE_HORIZON_BIT | COMPRESSION_MASK),
        base_timestamp: NO_TIMESTAMP,
        record_count: 0,
        ..*original
    };
    header.crc = header_crc(&header, &[]);
    header.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::DecompressLimit;
    use crate::record_batch::{BatchAttributes, RecordBatch, RecordBatchBuilder, RecordHeader};
    use bytes::Bytes;

    fn original(attributes: BatchAttributes) -> RecordBatch {
        let mut builder = RecordBatchBuilder::new(attributes);
        let headers = [RecordHeader { key: Bytes::from_static(b"h"), value: Some(Bytes::from_static(b"v")) }];
        for (at, key) in ["a", "b", "a", "c"].iter().enumerate() {
            let value = (at != 1).then_some(&b"value"[..]);
            builder.append(1000 + at as i64 * 10, Some(key.as_bytes()), value, &headers);
        }
        RecordBatch::parse(builder.build()).unwrap()
    }

    fn keep(batch: &RecordBatch, horizon: Option<i64>, which: &[i32]) -> RecordBatch {
        let data = batch.decompressed(DecompressLimit::default()).unwrap();
        let mut rest = &data[..];
        let mut kept = CompactedBatch::new(batch.header(), horizon);
        while !rest.is_empty() {
            let record = RecordRef::take(&mut rest).unwrap();
            if which.contains(&record.offset_delta) {
                kept.push(&record);
            }
        }
        let batch = RecordBatch::parse(Bytes::from(kept.build().unwrap())).unwrap();
        batch.verify_crc().unwrap();
        batch
    }

    #[test]
    fn what_stays_is_what_was() {
        for codec in
            [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
        {
            let attributes = BatchAttributes {
                base_offset: 70,
                leader_epoch: 3,
                compression: codec,
                producer_id: 9,
                producer_epoch: 1,
                base_sequence: 40,
                ..BatchAttributes::default()
            };
            let whole = original(attributes);
            let limit = DecompressLimit::default();
            let before: Vec<_> = whole.records(limit).unwrap().map(Result::unwrap).collect();
            for horizon in [None, Some(5_000_000)] {
                let kept = keep(&whole, horizon, &[1, 3]);
                let after: Vec<_> = kept.records(limit).unwrap().map(Result::unwrap).collect();
                assert_eq!(after, [before[1].clone(), before[3].clone()]);
                assert_eq!((kept.base_offset, kept.last_offset(), kept.last_sequence()), (70, 73, 43));
                assert_eq!((kept.max_timestamp, kept.delete_horizon_ms()), (1030, horizon));
                assert_eq!((kept.partition_leader_epoch, kept.compression().unwrap()), (3, codec));
                // And once more, as a later round does.
                let again = keep(&kept, kept.delete_horizon_ms(), &[3]);
                assert_eq!(again.records(limit).unwrap().next().unwrap().unwrap(), before[3]);
            }
        }
    }

    #[test]
    fn all_records_and_no_horizon_give_the_same_bytes() {
        let whole = original(BatchAttributes::default());
        assert_eq!(keep(&whole, None, &[0, 1, 2, 3]).bytes(), whole.bytes());
    }

    #[test]
    fn a_log_append_time_stays() {
        let attributes = BatchAttributes {
            timestamp_type: TimestampType::LogAppendTime,
            log_append_time: 7777,
            ..BatchAttributes::default()
        };
        let kept = keep(&original(attributes), None, &[2]);
        assert_eq!((kept.max_timestamp, kept.base_timestamp), (7777, 7777));
    }

    #[test]
    fn an_empty_batch_keeps_its_place_and_its_sequence() {
        let attributes = BatchAttributes {
            base_offset: 5,
            producer_id: 1,
            producer_epoch: 2,
            base_sequence: 3,
            compression: Compression::Zstd,
            transactional: true,
            ..BatchAttributes::default()
        };
        let whole = original(attributes);
        let empty = RecordBatch::parse(Bytes::copy_from_slice(&empty_batch(whole.header()))).unwrap();
        empty.verify_crc().unwrap();
        assert_eq!((empty.base_offset, empty.last_offset(), empty.last_sequence()), (5, 8, 6));
        assert_eq!((empty.record_count, empty.max_timestamp, empty.base_timestamp), (0, 1030, -1));
        assert!(empty.is_transactional() && empty.compression().unwrap() == Compression::None);
    }
}
