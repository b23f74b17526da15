//! Reading snapshot and log into an image: at start, as a follower, and up to the end of the log when taking over. Refuses what
//! it does not understand; nothing is skipped.

use super::open_error::OpenError;
use crate::image::{MetadataImage, Provenance, Replay, VersionedRecord};
use crate::raft::control::{READ_BYTES, SnapshotHead, data_records, decode_snapshot};
use crate::raft::{MetadataLog, OffsetAndEpoch};
use bytes::Bytes;
use wire::codec::DecodeError;
use wire::record_batch::RecordBatch;
use wire::records::metadata::MetadataRecord;

/// An image and how far it has read.
#[derive(Clone, Debug, Default)]
pub(super) struct Replayed {
    pub replay: Replay,
    /// Everything below is in the image.
    pub next_offset: i64,
}

impl Replayed {
    /// From the latest snapshot. The bootstrap snapshot is no state: its records are what a new cluster begins with.
    pub(super) fn from_latest_snapshot(
        log: &dyn MetadataLog,
    ) -> Result<(Replayed, Vec<VersionedRecord>), OpenError> {
        let Some(file) = log.snapshots().pop() else { return Ok((Replayed::default(), Vec::new())) };
        let content = log.read_snapshot(file.id, 0, usize::MAX)?.unwrap_or_default();
        let (read, bootstrap, _head) = Replayed::from_snapshot(file.id, content)?;
        Ok((read, bootstrap))
    }

    /// From the content of a snapshot.
    pub(super) fn from_snapshot(
        id: OffsetAndEpoch,
        content: Bytes,
    ) -> Result<(Replayed, Vec<VersionedRecord>, SnapshotHead), OpenError> {
        let in_snapshot = |what: OpenError| match what {
            OpenError::Unreadable(what) => OpenError::Unreadable(format!("snapshot {id}: {what}")),
            storage => storage,
        };
        if id == OffsetAndEpoch::BOOTSTRAP {
            let mut records = Vec::new();
            let read = decode_snapshot(content, |value| {
                records.push(VersionedRecord::decode(value).map_err(|error| unknown(0, &error))?);
                Ok::<(), OpenError>(())
            });
            let head = read.map_err(in_snapshot)?;
            return Ok((Replayed::default(), records, head));
        }
        let mut image = MetadataImage::default();
        let head = decode_snapshot(content, |value| {
            let record = decode(id.offset - 1, value)?;
            let is_transaction = matches!(
                record,
                MetadataRecord::BeginTransaction(_)
                    | MetadataRecord::EndTransaction(_)
                    | MetadataRecord::AbortTransaction(_)
            );
            if is_transaction {
                return Err(OpenError::Unreadable("a transaction record in a snapshot".to_owned()));
            }
            image.apply(&record).map_err(|contradiction| OpenError::Unreadable(contradiction.to_string()))
        });
        let head = head.map_err(in_snapshot)?;
        image.check();
        image.provenance = Provenance {
            last_offset: id.offset - 1,
            last_epoch: id.epoch,
            last_timestamp_ms: head.last_contained_timestamp_ms,
        };
        let replayed = Replayed { replay: Replay::from_image(image), next_offset: id.offset };
        Ok((replayed, Vec::new(), head))
    }

    /// Applies the log up to an offset that is the end of a batch; returns how many bytes that was.
    pub(super) fn read_up_to(&mut self, log: &dyn MetadataLog, end: i64) -> Result<u64, OpenError> {
        let mut bytes = 0;
        while self.next_offset < end {
            let from = self.next_offset;
            let batches = RecordBatch::split(log.read(from, READ_BYTES)?);
            let batches =
                batches.map_err(|error| OpenError::Unreadable(format!("at offset {from}: {error}")))?;
            for batch in batches.iter().take_while(|batch| batch.next_offset() <= end) {
                self.apply_batch(batch)?;
                bytes += batch.bytes().len() as u64;
            }
            if self.next_offset == from {
                return Err(OpenError::Unreadable(format!("there is no batch at offset {from}")));
            }
        }
        Ok(bytes)
    }

    pub(super) fn apply_batch(&mut self, batch: &RecordBatch) -> Result<(), OpenError> {
        let at = |offset: i64, why: &dyn std::fmt::Display| {
            OpenError::Unreadable(format!("at offset {offset}: {why}"))
        };
        batch.verify_crc().map_err(|error| at(batch.base_offset, &error))?;
        for (offset, value) in data_records(batch).map_err(|error| at(batch.base_offset, &error))? {
            let record = decode(offset, value)?;
            self.replay.apply(offset, &record).map_err(|contradiction| at(offset, &contradiction))?;
        }
        self.advance(batch.last_offset(), batch.partition_leader_epoch, batch.max_timestamp);
        Ok(())
    }

    /// A whole batch is in.
    pub(super) fn advance(&mut self, last_offset: i64, last_epoch: i32, last_timestamp_ms: i64) {
        self.replay.advance(Provenance { last_offset, last_epoch, last_timestamp_ms });
        self.next_offset = last_offset + 1;
    }
}

fn decode(offset: i64, value: Bytes) -> Result<MetadataRecord, OpenError> {
    MetadataRecord::decode(value).map_err(|error| unknown(offset, &error))
}

fn unknown(offset: i64, error: &DecodeError) -> OpenError {
    let what = match error {
        DecodeError::UnknownRecord { api_key, version } => {
            format!(
                "at offset {offset}: record type {api_key} version {version} is unknown to this release; a newer one wrote it"
            )
        }
        error => format!("at offset {offset}: {error}"),
    };
    OpenError::Unreadable(what)
}
