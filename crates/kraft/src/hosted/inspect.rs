//! What the files of a metadata log amount to, told without a quorum: for whoever has to know before anything is touched. Owns the
//! reading only; the caller brings the bytes.

use super::OpenError;
use super::replayed::Replayed;
use crate::image::{MetadataImage, Replay};
use crate::raft::control::{data_records, decode_snapshot, quorum_news};
use crate::raft::{OffsetAndEpoch, VoterSet};
use bytes::Bytes;
use wire::record_batch::RecordBatch;
use wire::records::metadata::MetadataRecord;

/// The files read so far.
#[derive(Debug, Default)]
pub struct Inspection {
    read: Replayed,
    /// Only with a dynamic quorum.
    pub voters: Option<VoterSet>,
    pub kraft_version: i16,
    /// The newest leader epoch.
    pub latest_epoch: i32,
    /// Bytes that are no batch were met: what follows cannot count any more.
    pub is_torn: bool,
    /// The time of the first good batch behind them that a turn flushed.
    flushed_behind_ms: Option<i64>,
}

impl Inspection {
    /// Begins with the newest snapshot, if there is one.
    pub fn new(snapshot: Option<(OffsetAndEpoch, Bytes)>) -> Result<Inspection, OpenError> {
        let Some((id, content)) = snapshot else { return Ok(Inspection::default()) };
        let head = decode_snapshot(content.clone(), |_| Ok::<(), OpenError>(()))?;
        let (mut read, bootstrap) = Replayed::from_snapshot(id, content)?;
        if id == OffsetAndEpoch::BOOTSTRAP {
            let mut image = MetadataImage::default();
            for record in &bootstrap {
                let applied = image.apply(&record.record);
                applied.map_err(|contradiction| OpenError::Unreadable(contradiction.to_string()))?;
            }
            read.replay = Replay::from_image(image);
        }
        let latest_epoch = id.epoch;
        let (voters, kraft_version) = (head.voters, head.kraft_version);
        Ok(Inspection { read, voters, kraft_version, latest_epoch, ..Inspection::default() })
    }

    /// Adds a segment, in order. Bytes that are no batch end the log, as the tail that a crash leaves; unless what follows says
    /// that they were flushed before.
    pub fn segment(&mut self, mut bytes: Bytes) -> Result<(), OpenError> {
        while !bytes.is_empty() && !self.is_torn {
            let whole = bytes.clone();
            let batch = match RecordBatch::take(&mut bytes) {
                Ok(batch) if batch.verify_crc().is_ok() => batch,
                Ok(_) | Err(_) => {
                    self.is_torn = true;
                    bytes = whole.slice(1..);
                    break;
                }
            };
            if batch.next_offset() <= self.read.next_offset {
                continue;
            }
            if batch.base_offset != self.read.next_offset {
                let expected = self.read.next_offset;
                return Err(OpenError::Unreadable(format!("there is no batch at offset {expected}")));
            }
            let (version, voters) = quorum_news(&batch)?;
            self.kraft_version = version.unwrap_or(self.kraft_version);
            self.voters = voters.or(self.voters.take());
            self.latest_epoch = batch.partition_leader_epoch;
            self.read.apply_batch(&batch)?;
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
        self.read.replay.stable()
    }
}

/// Nothing but NoOpRecords, which nobody waits for.
fn is_idle(batch: &RecordBatch) -> bool {
    let is_noop = |value| matches!(MetadataRecord::decode(value), Ok(MetadataRecord::NoOp(_)));
    !batch.is_control()
        && data_records(batch)
            .is_ok_and(|records| !records.is_empty() && records.into_iter().all(|(_, value)| is_noop(value)))
}
