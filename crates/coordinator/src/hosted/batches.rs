//! Decided records ↔ record batches. Owns sizes and splitting; knows nothing of what the records mean.

use super::applied::{Applied, Change};
use super::options::HostedOptions;
use crate::machine::{CorruptRecord, Decision, Machine, Origin, ProducerIdentity, TransactionMarker};
use bytes::Bytes;
use wire::compress::DecompressLimit;
use wire::record_batch::{
    BatchAttributes, BatchError, EndTransactionMarker, RecordBatch, RecordBatchBuilder, end_transaction_batch,
};

/// Batches with the number of records in each. One batch unless the decision may be split; a decision that may not
/// was measured against the limit when it was made.
pub fn encode<M: Machine>(
    now_ms: i64,
    decision: &Decision<M>,
    options: &HostedOptions,
) -> Vec<(Bytes, usize)> {
    let mut attributes = BatchAttributes {
        compression: options.compression,
        base_sequence: M::BASE_SEQUENCE,
        ..BatchAttributes::default()
    };
    if let Some(producer) = decision.producer {
        attributes.base_sequence = 0;
        attributes.producer_id = producer.producer_id;
        attributes.producer_epoch = producer.producer_epoch;
        attributes.transactional = true;
    }
    let mut batches = Vec::new();
    let mut builder = RecordBatchBuilder::new(attributes);
    let mut count = 0;
    for record in &decision.records {
        let encoded = M::encode(record);
        let (key, value) = (Some(encoded.key.as_ref()), encoded.value.as_deref());
        let full = builder.size_with(now_ms, key, value, &[]) > options.max_batch_bytes;
        if full && decision.may_split && !builder.is_empty() {
            batches.push((builder.build(), count));
            builder = RecordBatchBuilder::new(attributes);
            count = 0;
        }
        builder.append(now_ms, key, value, &[]);
        count += 1;
    }
    if count > 0 {
        batches.push((builder.build(), count));
    }
    batches
}

/// The control batch that ends a transaction.
pub fn marker(now_ms: i64, marker: &TransactionMarker) -> Bytes {
    let end = EndTransactionMarker { commit: marker.commit, coordinator_epoch: marker.coordinator_epoch };
    end_transaction_batch(marker.producer.producer_id, marker.producer.producer_epoch, now_ms, end)
}

/// What a piece of a log holds.
pub struct Decoded<M: Machine> {
    pub items: Vec<Applied<M>>,
    /// Behind the last batch.
    pub next_offset: i64,
    pub lost: Vec<CorruptRecord>,
}

/// Everything in these batches that changes state. Record types that are not known are left out, and those that cannot be read.
pub fn decode<M: Machine>(batches: Bytes) -> Decoded<M> {
    let mut decoded = Decoded { items: Vec::new(), next_offset: 0, lost: Vec::new() };
    match RecordBatch::split(batches) {
        Ok(batches) => batches.iter().for_each(|batch| decoded.add(batch)),
        Err(error) => decoded.lost.push(corrupt(-1, &error.to_string())),
    }
    decoded
}

impl<M: Machine> Decoded<M> {
    fn add(&mut self, batch: &RecordBatch) {
        self.next_offset = batch.next_offset();
        let producer = (batch.producer_id >= 0).then_some(ProducerIdentity {
            producer_id: batch.producer_id,
            producer_epoch: batch.producer_epoch,
        });
        let read = if batch.is_control() {
            self.add_markers(batch, producer)
        } else {
            self.add_records(batch, producer)
        };
        self.lost.extend(read.err());
    }

    fn add_markers(
        &mut self,
        batch: &RecordBatch,
        producer: Option<ProducerIdentity>,
    ) -> Result<(), CorruptRecord> {
        let records =
            batch.control_records().map_err(|error| corrupt(batch.base_offset, &error.to_string()))?;
        for record in records {
            let offset = record.offset;
            let end = record.end_transaction().map_err(|error| corrupt(offset, &error.to_string()))?;
            if let (Some(end), Some(producer)) = (end, producer) {
                let marker = TransactionMarker {
                    producer,
                    commit: end.commit,
                    coordinator_epoch: end.coordinator_epoch,
                };
                self.items.push(Applied { offset, change: Change::Marker(marker) });
            }
        }
        Ok(())
    }

    fn add_records(
        &mut self,
        batch: &RecordBatch,
        producer: Option<ProducerIdentity>,
    ) -> Result<(), CorruptRecord> {
        let unreadable = |error: BatchError| corrupt(batch.base_offset, &error.to_string());
        for record in batch.records(DecompressLimit::default()).map_err(unreadable)? {
            // Behind one that is cut short nothing can be found.
            let record = record.map_err(unreadable)?;
            let offset = record.offset;
            match M::decode(record.key, record.value) {
                Ok(Some(known)) => {
                    let origin = Origin { offset, producer };
                    self.items.push(Applied { offset, change: Change::Record(origin, known) });
                }
                Ok(None) => {}
                Err(reason) => self.lost.push(corrupt(offset, &reason)),
            }
        }
        Ok(())
    }
}

fn corrupt(offset: i64, reason: &str) -> CorruptRecord {
    CorruptRecord { offset, reason: reason.to_owned() }
}
