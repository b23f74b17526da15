//! One batch on its way: open while records join it, then encoded once, restamped when its sequence changes. Pure.

use super::delivery::{Delivery, Outcome, Stored};
use crate::error::Error;
use crate::record::Record;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use wire::compress::DecompressLimit;
use wire::record_batch::{
    BatchAttributes, BatchHeader, HEADER_BYTES, RecordBatch, RecordBatchBuilder, RecordHeader, batch_crc,
    increment_sequence,
};
use wire::topic::TopicPartition;

/// Who a batch says it is from, and where it stands in that producer's count for the partition (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) base: i32,
}

/// A batch of one partition.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) partition: TopicPartition,
    pub(crate) outcome: Arc<Outcome>,
    /// Batches of a partition are sent in this order: (creation, first record's place in the batch as created).
    pub(crate) serial: (u64, u32),
    pub(crate) created_ms: i64,
    pub(crate) record_count: i32,
    /// What it counts against `buffer.memory`: its uncompressed size when it was closed.
    pub(crate) buffered_bytes: usize,
    /// How often it has been sent.
    pub(crate) attempts: u32,
    /// True after a failure that leaves open whether the broker has it.
    pub(crate) maybe_written: bool,
    /// Why the last attempt failed.
    pub(crate) last_error: Option<Error>,
    content: Content,
    sequence: Option<Sequence>,
}

#[derive(Debug)]
enum Content {
    Open(Box<RecordBatchBuilder>),
    Encoded(Bytes),
}

impl Batch {
    pub(crate) fn new(
        partition: TopicPartition,
        attributes: BatchAttributes,
        serial: u64,
        now_ms: i64,
    ) -> Batch {
        Batch {
            outcome: Outcome::new(partition.clone()),
            partition,
            serial: (serial, 0),
            created_ms: now_ms,
            record_count: 0,
            buffered_bytes: 0,
            attempts: 0,
            maybe_written: false,
            last_error: None,
            content: Content::Open(Box::new(RecordBatchBuilder::new(attributes))),
            sequence: None,
        }
    }

    /// Adds a record if the batch stays within `limit`; the first one always fits. `None`: the batch is full.
    pub(crate) fn try_add(&mut self, record: &Record, timestamp_ms: i64, limit: usize) -> Option<Delivery> {
        let Content::Open(builder) = &mut self.content else { return None };
        let headers: Vec<RecordHeader> = record
            .headers
            .iter()
            .map(|header| RecordHeader { key: header.key.to_bytes(), value: header.value.clone() })
            .collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let size = builder.size_with(timestamp_ms, key, value, &headers);
        if self.record_count > 0 && size > limit {
            return None;
        }
        builder.append(timestamp_ms, key, value, &headers);
        self.record_count += 1;
        self.buffered_bytes = size;
        Some(self.outcome.add(timestamp_ms))
    }

    pub(crate) fn sequence(&self) -> Option<Sequence> {
        self.sequence
    }

    /// Gives it its place in the producer's count, or a new one.
    pub(crate) fn stamp(&mut self, sequence: Sequence) {
        self.sequence = Some(sequence);
        if let Content::Encoded(bytes) = &self.content {
            self.content = Content::Encoded(restamped(bytes, sequence));
        }
    }

    /// The batch as it goes on the wire; compresses the first time.
    pub(crate) fn encode(&mut self) -> Bytes {
        if let Content::Open(builder) = &mut self.content {
            if let Some(sequence) = self.sequence {
                builder.set_producer(sequence.producer_id, sequence.epoch, sequence.base);
            }
            self.content = Content::Encoded(builder.build());
        }
        match &self.content {
            Content::Encoded(bytes) => bytes.clone(),
            Content::Open(_) => unreachable!("encoded above"),
        }
    }

    /// Two batches of half the records each, for a broker that found it too large. Sequences stay as they were,
    /// record by record. `None` if it cannot be split.
    pub(crate) fn halves(&mut self, attributes: BatchAttributes) -> Option<[Batch; 2]> {
        let records =
            RecordBatch::split(self.encode()).ok()?.first()?.records(DecompressLimit::default()).ok()?;
        let records: Vec<_> = records.collect::<Result<_, _>>().ok()?;
        assert_eq!(records.len(), self.record_count as usize, "a batch has the records that it counts");
        if records.len() < 2 {
            return None;
        }
        let middle = records.len() / 2;
        let part = |first: u32, records: &[wire::record_batch::Record]| {
            let mut batch = Batch::new(self.partition.clone(), attributes, self.serial.0, self.created_ms);
            batch.serial = (self.serial.0, self.serial.1 + first);
            for record in records {
                batch.add_again(record);
            }
            batch
        };
        let mut halves = [part(0, &records[..middle]), part(middle as u32, &records[middle..])];
        if let Some(sequence) = self.sequence {
            halves[0].stamp(sequence);
            let base = increment_sequence(sequence.base, middle as i32);
            halves[1].stamp(Sequence { base, ..sequence });
        }
        self.outcome.split(vec![(0, halves[0].outcome.clone()), (middle as u32, halves[1].outcome.clone())]);
        Some(halves)
    }

    fn add_again(&mut self, record: &wire::record_batch::Record) {
        let Content::Open(builder) = &mut self.content else { return };
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
        self.record_count += 1;
        self.buffered_bytes = builder.size_in_bytes();
        let _counted_by_the_whole = self.outcome.add(record.timestamp);
    }

    /// The broker has it.
    pub(crate) fn store(&self, stored: Stored) {
        self.outcome.store(stored);
    }
}

fn restamped(bytes: &Bytes, sequence: Sequence) -> Bytes {
    let mut header = BatchHeader::parse(bytes).expect("this batch was built here");
    header.producer_id = sequence.producer_id;
    header.producer_epoch = sequence.epoch;
    header.base_sequence = sequence.base;
    let mut raw = BytesMut::from(&bytes[..]);
    raw[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    header.crc = batch_crc(&raw);
    raw[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    raw.freeze()
}
