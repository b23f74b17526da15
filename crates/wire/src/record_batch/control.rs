//! Control records: transaction markers (KIP-98) and the quorum's own records (KIP-595, KIP-630, KIP-853). Owns their keys and
//! the marker's value; the quorum's values are ordinary messages, encoded by their owner.

use super::batch::RecordBatch;
use super::builder::{BatchAttributes, RecordBatchBuilder};
use super::header::BatchError;
use super::record::Record;
use crate::compress::DecompressLimit;
use bytes::Bytes;

/// The second half of a control record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// Ends a transaction whose records do not count.
    Abort,
    /// Ends a transaction whose records count.
    Commit,
    /// A leader of the quorum begins its epoch.
    LeaderChange,
    /// A snapshot of metadata begins.
    SnapshotHeader,
    /// A snapshot of metadata ends.
    SnapshotFooter,
    /// The version of the quorum (KIP-853).
    KRaftVersion,
    /// Who votes (KIP-853).
    KRaftVoters,
    /// A type of a later Kafka; passed over.
    Unknown(i16),
}

impl ControlType {
    /// Its number in the record's key.
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KRaftVersion => 5,
            ControlType::KRaftVoters => 6,
            ControlType::Unknown(id) => id,
        }
    }

    /// The kind of a number in a record's key.
    pub fn from_id(id: i16) -> ControlType {
        match id {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KRaftVersion,
            6 => ControlType::KRaftVoters,
            id => ControlType::Unknown(id),
        }
    }

    /// Version 0, then the type.
    fn key(self) -> [u8; 4] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }
}

/// A control record: its type and its value as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// What it is.
    pub kind: ControlType,
    /// Its offset in the log.
    pub offset: i64,
    /// Milliseconds.
    pub timestamp: i64,
    /// As it lies there, behind the kind's own version.
    pub value: Bytes,
}

/// The value of an abort or commit marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether its records count.
    pub commit: bool,
    /// Of the transaction coordinator that ended it.
    pub coordinator_epoch: i32,
}

impl ControlRecord {
    /// Reads what is in a record of a control batch.
    pub fn from_record(record: &Record) -> Result<ControlRecord, BatchError> {
        let key = record
            .key
            .as_ref()
            .and_then(|key| key.first_chunk::<4>())
            .ok_or(BatchError::Record("control record without a key"))?;
        let [version_high, version_low, high, low] = *key;
        if i16::from_be_bytes([version_high, version_low]) < 0 {
            return Err(BatchError::Record("control record with a negative version"));
        }
        Ok(ControlRecord {
            kind: ControlType::from_id(i16::from_be_bytes([high, low])),
            offset: record.offset,
            timestamp: record.timestamp,
            value: record.value.clone().unwrap_or_default(),
        })
    }

    /// The marker, if this is one.
    pub fn end_transaction(&self) -> Result<Option<EndTransactionMarker>, BatchError> {
        let commit = match self.kind {
            ControlType::Commit => true,
            ControlType::Abort => false,
            ControlType::LeaderChange
            | ControlType::SnapshotHeader
            | ControlType::SnapshotFooter
            | ControlType::KRaftVersion
            | ControlType::KRaftVoters
            | ControlType::Unknown(_) => return Ok(None),
        };
        // Version (any from 0 up reads alike), then the coordinator epoch.
        let value =
            self.value.first_chunk::<6>().ok_or(BatchError::Record("transaction marker cut short"))?;
        let [version_high, version_low, epoch @ ..] = *value;
        if i16::from_be_bytes([version_high, version_low]) < 0 {
            return Err(BatchError::Record("transaction marker with a negative version"));
        }
        Ok(Some(EndTransactionMarker { commit, coordinator_epoch: i32::from_be_bytes(epoch) }))
    }
}

impl RecordBatch {
    /// The control records of a control batch; empty for a data batch.
    pub fn control_records(&self) -> Result<Vec<ControlRecord>, BatchError> {
        if !self.is_control() {
            return Ok(Vec::new());
        }
        self.records(DecompressLimit::default())?.map(|record| ControlRecord::from_record(&record?)).collect()
    }
}

/// A control batch of these records, all at one timestamp.
pub fn control_batch(attributes: BatchAttributes, timestamp: i64, records: &[(ControlType, Bytes)]) -> Bytes {
    let mut builder = RecordBatchBuilder::new(BatchAttributes { control: true, ..attributes });
    for (kind, value) in records {
        builder.append(timestamp, Some(&kind.key()), Some(value), &[]);
    }
    builder.build()
}

/// The batch a transaction coordinator writes to end a transaction on a partition.
pub fn end_transaction_batch(
    producer_id: i64,
    producer_epoch: i16,
    timestamp: i64,
    marker: EndTransactionMarker,
) -> Bytes {
    let attributes =
        BatchAttributes { producer_id, producer_epoch, transactional: true, ..BatchAttributes::default() };
    let kind = if marker.commit { ControlType::Commit } else { ControlType::Abort };
    let mut value = Vec::with_capacity(6);
    value.extend_from_slice(&0i16.to_be_bytes());
    value.extend_from_slice(&marker.coordinator_epoch.to_be_bytes());
    control_batch(attributes, timestamp, &[(kind, Bytes::from(value))])
}
