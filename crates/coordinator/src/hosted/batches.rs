//! Decided records ↔ record batches. Owns sizes and splitting; knows nothing of what the records mean.

use super::{Applied, Change, HostedOptions};
use crate::machine::{CorruptRecord, Decision, Machine, Origin, ProducerIdentity, TransactionMarker};
use bytes::Bytes;
use wire::compress::DecompressLimit;
use wire::record_batch::{
    BatchAttributes, EndTransactionMarker, RecordBatch, RecordBatchBuilder, end_transaction_batch,
};

/// Batches with the number of records in each. One batch unless the decision may be split; a decision that may not
/// was measured against the limit when it was made.
pub fn encode<M: Machine>(
    now_ms: i64,
    decision: &Decision<M>,
    options: &HostedOptions,
) -> Vec<(Bytes, usize)> {
    let mut attributes =
        BatchAttributes { compression: options.compression, base_sequence: 0, ..BatchAttributes::default() };
    if let Some(producer) = decision.producer {
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

/// Everything in these batches that changes state, and the offset behind them. Record types that are not known are
/// left out.
pub fn decode<M: Machine>(batches: Bytes) -> Result<(Vec<Applied<M>>, i64), CorruptRecord> {
    let batches = RecordBatch::split(batches).map_err(|error| corrupt(-1, &error.to_string()))?;
    let mut items = Vec::new();
    let mut next_offset = 0;
    for batch in batches {
        next_offset = batch.next_offset();
        let producer = (batch.producer_id >= 0).then_some(ProducerIdentity {
            producer_id: batch.producer_id,
            producer_epoch: batch.producer_epoch,
        });
        if batch.is_control() {
            for record in
                batch.control_records().map_err(|error| corrupt(batch.base_offset, &error.to_string()))?
            {
                let offset = record.offset;
                let end = record.end_transaction().map_err(|error| corrupt(offset, &error.to_string()))?;
                if let (Some(end), Some(producer)) = (end, producer) {
                    let marker = TransactionMarker {
                        producer,
                        commit: end.commit,
                        coordinator_epoch: end.coordinator_epoch,
                    };
                    items.push(Applied { offset, change: Change::Marker(marker) });
                }
            }
            continue;
        }
        let records = batch
            .records(DecompressLimit::default())
            .map_err(|error| corrupt(batch.base_offset, &error.to_string()))?;
        for record in records {
            let record = record.map_err(|error| corrupt(batch.base_offset, &error.to_string()))?;
            let offset = record.offset;
            match M::decode(record.key, record.value).map_err(|reason| corrupt(offset, &reason))? {
                Some(known) => {
                    let origin = Origin { offset, producer };
                    items.push(Applied { offset, change: Change::Record(origin, known) });
                }
                None => continue,
            }
        }
    }
    Ok((items, next_offset))
}

fn corrupt(offset: i64, reason: &str) -> CorruptRecord {
    CorruptRecord { offset, reason: reason.to_owned() }
}
