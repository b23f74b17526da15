//! What the files of a metadata log amount to, told without a quorum: for whoever has to know before anything is touched. Owns the
//! reading only; the caller brings the bytes. A quorum that opens the same files goes on from there and does not read them again.

use super::open_error::OpenError;
use super::replayed::Replayed;
use crate::image::{MetadataImage, VersionedRecord};
use crate::raft::control::data_records;
use crate::raft::{KnownVoters, MetadataLog, OffsetAndEpoch, ReadFiles, VoterHistory, VoterSet};
use bytes::Bytes;
use wire::record_batch::RecordBatch;
use wire::records::metadata::MetadataRecord;

/// The files read so far.
#[derive(Debug, Default)]
pub struct Inspection {
    read: Replayed,
    /// Of the log, behind the snapshot.
    bytes: u64,
    /// The snapshot that it began with, as its name tells it.
    snapshot: Option<OffsetAndEpoch>,
    /// The records of a bootstrap snapshot, and what they amount to.
    bootstrap: Vec<VersionedRecord>,
    bootstrapped: Option<MetadataImage>,
    voters: VoterHistory,
    /// The newest leader epoch.
    pub latest_epoch: i32,
    /// Where the last batch of the log ended, whether it counted or the snapshot has it: the next one begins there.
    behind: Option<i64>,
    /// Bytes that are no batch were met: what follows cannot count any more.
    pub is_torn: bool,
    /// The time of the first good batch behind them that a turn flushed.
    flushed_behind_ms: Option<i64>,
}

impl Inspection {
    /// Begins with the newest snapshot, if there is one.
    pub fn new(snapshot: Option<(OffsetAndEpoch, Bytes)>) -> Result<Inspection, OpenError> {
        let Some((id, content)) = snapshot else { return Ok(Inspection::default()) };
        let (read, bootstrap, head) = Replayed::from_snapshot(id, content)?;
        let mut voters = VoterHistory::default();
        voters.begin_with(id.offset, head);
        let mut bootstrapped = None;
        if id == OffsetAndEpoch::BOOTSTRAP {
            let image = bootstrapped.insert(MetadataImage::default());
            for record in &bootstrap {
                let applied = image.apply(&record.record);
                applied.map_err(|contradiction| OpenError::Unreadable(contradiction.to_string()))?;
            }
        }
        let more = Inspection { read, bootstrap, bootstrapped, ..Inspection::default() };
        Ok(Inspection { snapshot: Some(id), voters, latest_epoch: id.epoch, ..more })
    }

    /// Adds a segment, in order. Bytes that are no batch end the log, as the tail that a crash leaves; unless what follows says
    /// that they were flushed before.
    pub fn segment(&mut self, mut bytes: Bytes) -> Result<(), OpenError> {
        while !bytes.is_empty() && !self.is_torn {
            let whole = bytes.clone();
            // The base offset is not under the checksum: a crash may tear it alone.
            let follows = |batch: &RecordBatch| self.behind.is_none_or(|behind| batch.base_offset == behind);
            let batch = match RecordBatch::take(&mut bytes) {
                Ok(batch) if batch.verify_crc().is_ok() && follows(&batch) => batch,
                Ok(_) | Err(_) => {
                    self.is_torn = true;
                    bytes = whole.slice(1..);
                    break;
                }
            };
            self.behind = Some(batch.next_offset());
            if batch.next_offset() <= self.read.next_offset {
                continue;
            }
            if batch.base_offset != self.read.next_offset {
                let expected = self.read.next_offset;
                return Err(OpenError::Unreadable(format!("there is no batch at offset {expected}")));
            }
            self.voters.note(&batch)?;
            self.latest_epoch = batch.partition_leader_epoch;
            self.read.apply_batch(&batch)?;
            self.bytes += batch.bytes().len() as u64;
        }
        self.look_behind(&bytes)
    }

    /// A turn that appends anything but NoOpRecords flushes the log before the next turn, and its batches have one timestamp. So a
    /// crash tears NoOps and the last such turn; a later batch behind one says that all before it was flushed, acknowledged, and
    /// damaged since.
    fn look_behind(&mut self, bytes: &Bytes) -> Result<(), OpenError> {
        let mut at = 0;
        let mut was_flushed = false;
        while at < bytes.len() && !was_flushed {
            let mut rest = bytes.slice(at..);
            match RecordBatch::take(&mut rest) {
                Ok(batch) if batch.base_offset >= self.read.next_offset && batch.verify_crc().is_ok() => {
                    was_flushed = self.flushed_behind_ms.is_some_and(|time| batch.max_timestamp > time);
                    if self.flushed_behind_ms.is_none() && !is_idle(&batch) {
                        self.flushed_behind_ms = Some(batch.max_timestamp);
                    }
                    at += batch.bytes().len();
                }
                Ok(_) | Err(_) => at += 1,
            }
        }
        if !was_flushed {
            return Ok(());
        }
        let offset = self.read.next_offset;
        Err(OpenError::Unreadable(format!(
            "the batch at offset {offset} is damaged, and good ones follow it: a disk error, not a crash"
        )))
    }

    /// Everything below is in the image.
    pub fn end_offset(&self) -> i64 {
        self.read.next_offset
    }

    /// The image that a node would begin with.
    pub fn image(&self) -> &MetadataImage {
        let read = self.read.replay.stable();
        // Before the log itself names a version, the bootstrap records are what it will begin with.
        self.bootstrapped.as_ref().filter(|_| read.features.metadata_version().is_none()).unwrap_or(read)
    }

    /// The newest voters; none where the configuration names them.
    pub fn voters(&self) -> Option<&VoterSet> {
        self.voters.latest_offset().map(|_| self.voters.latest())
    }

    /// The newest kraft.version.
    pub fn kraft_version(&self) -> i16 {
        self.voters.kraft_version()
    }

    fn files(&self) -> ReadFiles {
        ReadFiles { snapshot: self.snapshot, end_offset: self.read.next_offset }
    }

    /// For a quorum that opens the same files.
    pub(super) fn known_voters(&self) -> KnownVoters {
        KnownVoters { read: self.files(), history: self.voters.clone() }
    }

    /// What was read, for a quorum that opens the same files: the state, the bootstrap records, the bytes behind the snapshot. Nothing
    /// if the log does not reach as far any more.
    pub(super) fn into_replayed(
        self,
        log: &dyn MetadataLog,
    ) -> Option<(Replayed, Vec<VersionedRecord>, u64)> {
        self.files().is_of(log).then_some((self.read, self.bootstrap, self.bytes))
    }
}

/// Nothing but NoOpRecords, which nobody waits for.
fn is_idle(batch: &RecordBatch) -> bool {
    let is_noop = |value| matches!(MetadataRecord::decode(value), Ok(MetadataRecord::NoOp(_)));
    !batch.is_control()
        && data_records(batch)
            .is_ok_and(|records| !records.is_empty() && records.into_iter().all(|(_, value)| is_noop(value)))
}
