//! The records of `__share_group_state`: their bytes. Owns the versions that are written, of which there is one.

use super::combine::StateBatch;
use super::partition::SharePartition;
use crate::machine::EncodedRecord;
use bytes::Bytes;
use wire::codec::DecodeError;
use wire::records::share::{
    ShareKey, ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey, ShareUpdateValue,
    ShareValue as WrittenValue, StateBatch as WrittenBatch,
};

/// A change of one share partition.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRecord {
    /// Whose.
    pub of: SharePartition,
    /// `None` is a tombstone.
    pub value: Option<ShareValue>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ShareValue {
    /// Everything that is known.
    Snapshot(Snapshot),
    /// What is new since the last record; what was known besides goes on.
    Update(Update),
}

/// See [`super::ShareState`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Snapshot {
    pub snapshot_epoch: i32,
    pub state_epoch: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    pub delivery_complete_count: i32,
    pub batches: Vec<StateBatch>,
    pub create_timestamp_ms: i64,
    pub write_timestamp_ms: i64,
}

/// See [`super::ShareState`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Update {
    pub snapshot_epoch: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    pub delivery_complete_count: i32,
    pub batches: Vec<StateBatch>,
}

fn written(batches: &[StateBatch]) -> Vec<WrittenBatch> {
    let one = |batch: &StateBatch| WrittenBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    batches.iter().map(one).collect()
}

fn read_batches(batches: &[WrittenBatch]) -> Vec<StateBatch> {
    let one = |batch: &WrittenBatch| StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    batches.iter().map(one).collect()
}

/// Key and value as Kafka writes them.
pub fn encode(record: &ShareRecord) -> EncodedRecord {
    let SharePartition { group: group_id, topic_id, partition } = record.of.clone();
    let (key, value) = match &record.value {
        Some(ShareValue::Update(update)) => {
            let value = ShareUpdateValue {
                snapshot_epoch: update.snapshot_epoch,
                leader_epoch: update.leader_epoch,
                start_offset: update.start_offset,
                state_batches: written(&update.batches),
                delivery_complete_count: update.delivery_complete_count,
            };
            let key = ShareKey::from(ShareUpdateKey { group_id, topic_id, partition });
            (key, Some(WrittenValue::from(value)))
        }
        Some(ShareValue::Snapshot(snapshot)) => {
            let value = ShareSnapshotValue {
                snapshot_epoch: snapshot.snapshot_epoch,
                state_epoch: snapshot.state_epoch,
                leader_epoch: snapshot.leader_epoch,
                start_offset: snapshot.start_offset,
                create_timestamp: snapshot.create_timestamp_ms,
                write_timestamp: snapshot.write_timestamp_ms,
                state_batches: written(&snapshot.batches),
                delivery_complete_count: snapshot.delivery_complete_count,
            };
            let key = ShareKey::from(ShareSnapshotKey { group_id, topic_id, partition });
            (key, Some(WrittenValue::from(value)))
        }
        None => (ShareKey::from(ShareSnapshotKey { group_id, topic_id, partition }), None),
    };
    EncodedRecord { key: key.encode(), value: value.map(|value| value.encode(0)) }
}

/// `None` for types and versions that are yet to come, and for updates without a value, which nobody writes.
pub fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<ShareRecord>, String> {
    let key = key.ok_or("a coordinator record has no key")?;
    let key = match ShareKey::decode(key) {
        Ok(key) => key,
        Err(DecodeError::UnknownRecord { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let value = match value.map(|value| WrittenValue::decode(key.kind(), value)).transpose() {
        Ok(value) => value.map(read),
        Err(DecodeError::UnknownRecord { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let (of, is_tombstone) = match key {
        ShareKey::ShareSnapshot(ShareSnapshotKey { group_id, topic_id, partition }) => {
            (SharePartition { group: group_id.detached(), topic_id, partition }, value.is_none())
        }
        ShareKey::ShareUpdate(ShareUpdateKey { group_id, topic_id, partition }) => {
            (SharePartition { group: group_id.detached(), topic_id, partition }, false)
        }
    };
    Ok((value.is_some() || is_tombstone).then_some(ShareRecord { of, value }))
}

fn read(value: WrittenValue) -> ShareValue {
    match value {
        WrittenValue::ShareSnapshot(value) => ShareValue::Snapshot(Snapshot {
            snapshot_epoch: value.snapshot_epoch,
            state_epoch: value.state_epoch,
            leader_epoch: value.leader_epoch,
            start_offset: value.start_offset,
            delivery_complete_count: value.delivery_complete_count,
            batches: read_batches(&value.state_batches),
            create_timestamp_ms: value.create_timestamp,
            write_timestamp_ms: value.write_timestamp,
        }),
        WrittenValue::ShareUpdate(value) => ShareValue::Update(Update {
            snapshot_epoch: value.snapshot_epoch,
            leader_epoch: value.leader_epoch,
            start_offset: value.start_offset,
            delivery_complete_count: value.delivery_complete_count,
            batches: read_batches(&value.state_batches),
        }),
    }
}
