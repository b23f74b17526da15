//! The records of `__transaction_state`: their bytes.
//!
//! Owns the versions that are written: keys 0; values 1, or 0 while the feature `transaction.version` is 0. Reads both.

use super::partitions::Partitions;
use super::state::{Transaction, TransactionState};
use crate::machine::EncodedRecord;
use bytes::Bytes;
use std::sync::Arc;
use wire::Str;
use wire::codec::DecodeError;
use wire::record_batch::HEADER_BYTES;
use wire::records::transaction::{
    PartitionsSchema, TransactionKey, TransactionLogKey, TransactionLogValue, TransactionValue,
};

/// A change of one transactional id.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionRecord {
    /// Whose.
    pub transactional_id: Str,
    /// What it is from now on; `None` is a tombstone.
    pub value: Option<Arc<Transaction>>,
    /// Of the value.
    pub version: i16,
}

impl TransactionRecord {
    /// The end of a transactional id.
    pub fn tombstone(transactional_id: &Str) -> Self {
        TransactionRecord { transactional_id: transactional_id.clone(), value: None, version: 0 }
    }
}

/// Upper bound of the bytes that a transaction takes in a batch of its own.
pub fn size_in_batch(transactional_id: &str, partitions: &Partitions) -> usize {
    /// Lengths, deltas, attributes, versions, numbers and tagged fields, each at its longest.
    const NUMBERS: usize = 128;
    let topics =
        partitions.topics().map(|(topic, numbers)| topic.len() + 8 + numbers.len() * size_of::<i32>());
    HEADER_BYTES + transactional_id.len() + NUMBERS + topics.sum::<usize>()
}

/// Key and value as Kafka writes them.
pub fn encode(record: &TransactionRecord) -> EncodedRecord {
    let key = TransactionLogKey { transactional_id: record.transactional_id.clone() };
    EncodedRecord {
        key: TransactionKey::from(key).encode(),
        value: record
            .value
            .as_ref()
            .map(|transaction| TransactionValue::from(value(transaction)).encode(record.version)),
    }
}

fn value(transaction: &Transaction) -> TransactionLogValue {
    let topics = transaction.partitions.topics().map(|(topic, numbers)| PartitionsSchema {
        topic: topic.clone(),
        partition_ids: numbers.iter().copied().collect(),
    });
    TransactionLogValue {
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: transaction.state.id(),
        // Null only where there can be none.
        transaction_partitions: (transaction.state != TransactionState::Empty).then(|| topics.collect()),
        transaction_last_update_timestamp_ms: transaction.last_update_ms,
        transaction_start_timestamp_ms: transaction.start_ms,
        previous_producer_id: transaction.previous_producer_id,
        next_producer_id: transaction.next_producer_id,
        client_transaction_version: transaction.client_version,
        // A field of the message that Kafka 4.4 does not use.
        next_producer_epoch: -1,
    }
}

/// `None` for types and versions that are yet to come.
pub fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<TransactionRecord>, String> {
    let key = key.ok_or("a coordinator record has no key")?;
    let key = match TransactionKey::decode(key) {
        Ok(key) => key,
        Err(DecodeError::UnknownRecord { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let kind = key.kind();
    let TransactionKey::TransactionLog(TransactionLogKey { transactional_id }) = key;
    let transactional_id = transactional_id.detached();
    let Some(bytes) = value else { return Ok(Some(TransactionRecord::tombstone(&transactional_id))) };
    let version = match bytes.first_chunk() {
        Some(version) => i16::from_be_bytes(*version),
        None => return Err("a transaction's value ends within its version".to_owned()),
    };
    let TransactionValue::TransactionLog(value) = match TransactionValue::decode(kind, bytes) {
        Ok(value) => value,
        Err(DecodeError::UnknownRecord { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let transaction = Arc::new(transaction(value)?);
    Ok(Some(TransactionRecord { transactional_id, value: Some(transaction), version }))
}

/// Refused is what no coordinator writes and none could go on from.
fn transaction(value: TransactionLogValue) -> Result<Transaction, String> {
    let number = value.transaction_status;
    let state =
        TransactionState::from_id(number).ok_or_else(|| format!("there is no transaction state {number}"))?;
    if matches!(state, TransactionState::Dead | TransactionState::PrepareEpochFence) {
        return Err(format!("the transaction state {} is never persisted", state.name()));
    }
    if value.producer_id < 0 || value.producer_epoch < 0 {
        return Err(format!("nobody is producer {} with epoch {}", value.producer_id, value.producer_epoch));
    }
    let mut partitions = Partitions::default();
    // In a settled state nothing waits for its marker, whatever is written there.
    if !state.is_settled() {
        for topic in value.transaction_partitions.unwrap_or_default() {
            for partition in topic.partition_ids {
                partitions.insert(&topic.topic, partition);
            }
        }
    }
    let preparing = state.prepared().is_some();
    Ok(Transaction {
        producer_id: value.producer_id,
        producer_epoch: value.producer_epoch,
        previous_producer_id: value.previous_producer_id,
        next_producer_id: if preparing { value.next_producer_id } else { -1 },
        timeout_ms: value.transaction_timeout_ms,
        state,
        partitions,
        start_ms: value.transaction_start_timestamp_ms,
        last_update_ms: value.transaction_last_update_timestamp_ms,
        client_version: value.client_transaction_version,
    })
}
