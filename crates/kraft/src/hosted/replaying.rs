//! The two images of a quorum member: what is appended (the controller decides on it) and what is committed (others see it). Owns
//! how records get into both; after everything is committed both must be equal, or `apply` is not deterministic.

use super::OpenError;
use crate::image::{MetadataImage, Provenance, Replay};
use crate::raft::control::{data_records, decode_snapshot};
use crate::raft::{MetadataLog, StorageFault, Unreadable};
use std::collections::VecDeque;
use wire::record_batch::RecordBatch;
use wire::records::metadata::MetadataRecord;

/// Bytes of log that are replayed at a time.
const REPLAY_BYTES: usize = 4 << 20;

/// Records that are appended here and not yet committed.
struct Appended {
    base_offset: i64,
    epoch: i32,
    timestamp_ms: i64,
    records: Vec<MetadataRecord>,
}

/// Both images.
pub(super) struct Twins {
    committed: Replay,
    /// Only while this node leads.
    pending: Option<Replay>,
    uncommitted: VecDeque<Appended>,
    /// Everything below is in `committed`.
    applied: i64,
    has_news: bool,
    fault: Option<StorageFault>,
}

impl Twins {
    /// Reads the latest snapshot; the log behind it is replayed as it is found to be committed.
    pub fn load(log: &dyn MetadataLog) -> Result<Twins, OpenError> {
        let mut committed = Replay::default();
        let mut applied = log.start_offset();
        if let Some(file) = log.snapshots().last() {
            let content = log.read_snapshot(file.id, 0, usize::MAX).map_err(OpenError::Storage)?;
            let mut next = 0;
            let head = decode_snapshot(content.unwrap_or_default(), |value| {
                let record = decode(value, next)?;
                committed.apply(next, &record).map_err(|error| Unreadable(error.to_string()))?;
                next += 1;
                Ok::<(), Unreadable>(())
            });
            let head = head.map_err(|error| OpenError::Unreadable(error.0))?;
            committed.advance(Provenance {
                last_offset: file.id.offset - 1,
                last_epoch: file.id.epoch,
                last_timestamp_ms: head.last_contained_timestamp_ms,
            });
            applied = file.id.offset;
        }
        let mut twins = Twins {
            committed,
            pending: None,
            uncommitted: VecDeque::new(),
            applied,
            has_news: false,
            fault: None,
        };
        twins.check_rest(log)?;
        Ok(twins)
    }

    /// Refuses to start on a log that this build cannot read, before anything is written. The records are only decoded: whether
    /// they are committed is not known yet.
    fn check_rest(&mut self, log: &dyn MetadataLog) -> Result<(), OpenError> {
        let mut trial = self.committed.clone();
        let end = log.end_offset();
        replay(log, &mut trial, self.applied, end).map_err(|error| match error {
            ReplayError::Storage(fault) => OpenError::Storage(fault),
            ReplayError::Unreadable(what) => OpenError::Unreadable(what.0),
        })?;
        Ok(())
    }

    /// What others may see.
    pub fn stable(&self) -> &MetadataImage {
        self.committed.stable()
    }

    /// What the controller decides on.
    pub fn pending(&self) -> &MetadataImage {
        self.pending.as_ref().unwrap_or(&self.committed).latest()
    }

    pub fn is_inside_transaction(&self) -> bool {
        self.committed.open_transaction().is_some()
    }

    pub fn begin_term(&mut self) {
        self.uncommitted.clear();
        self.pending = Some(self.committed.clone());
    }

    pub fn end_term(&mut self) {
        self.uncommitted.clear();
        self.pending = None;
    }

    /// Own records were appended: the pending image has them from now on.
    pub fn appended(
        &mut self,
        base_offset: i64,
        epoch: i32,
        timestamp_ms: i64,
        records: Vec<MetadataRecord>,
    ) {
        let batch = Appended { base_offset, epoch, timestamp_ms, records };
        if let Some(pending) = &mut self.pending {
            apply(pending, &batch);
        }
        self.uncommitted.push_back(batch);
    }

    /// Everything below `high_watermark` is committed.
    pub fn commit(&mut self, log: &dyn MetadataLog, high_watermark: i64) -> Result<(), StorageFault> {
        // What another leader wrote, or an earlier life of this node, is only in the log.
        let own = self.uncommitted.front().map_or(high_watermark, |batch| batch.base_offset);
        let from_log = own.min(high_watermark);
        if self.applied < from_log {
            replay(log, &mut self.committed, self.applied, from_log).map_err(|error| match error {
                ReplayError::Storage(fault) => fault,
                ReplayError::Unreadable(what) => StorageFault::new("replay the metadata log", what.0),
            })?;
            self.applied = from_log;
            self.has_news = true;
        }
        while let Some(batch) = self.uncommitted.front() {
            let end = batch.base_offset + batch.records.len() as i64;
            if end > high_watermark {
                break;
            }
            apply(&mut self.committed, batch);
            self.applied = end;
            self.has_news = true;
            self.uncommitted.pop_front();
        }
        Ok(())
    }

    /// True once after the committed image changed.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Everything is committed: both images tell the same. Comparing costs as much as the difference, not as the image.
    pub fn assert_equal(&self) {
        if let Some(pending) = &self.pending {
            debug_assert!(*pending == self.committed, "the pending image differs from the committed one");
        }
    }

    pub fn fail(&mut self, fault: StorageFault) {
        self.fault.get_or_insert(fault);
    }

    pub fn take_fault(&mut self) -> Result<(), StorageFault> {
        self.fault.take().map_or(Ok(()), Err)
    }
}

enum ReplayError {
    Storage(StorageFault),
    Unreadable(Unreadable),
}

impl From<StorageFault> for ReplayError {
    fn from(fault: StorageFault) -> Self {
        ReplayError::Storage(fault)
    }
}

impl From<Unreadable> for ReplayError {
    fn from(what: Unreadable) -> Self {
        ReplayError::Unreadable(what)
    }
}

fn apply(replay: &mut Replay, batch: &Appended) {
    for (offset, record) in (batch.base_offset..).zip(&batch.records) {
        if let Err(contradiction) = replay.apply(offset, record) {
            panic!("a record that the controller decided contradicts its image: {contradiction}");
        }
    }
    replay.advance(Provenance {
        last_offset: batch.base_offset + batch.records.len() as i64 - 1,
        last_epoch: batch.epoch,
        last_timestamp_ms: batch.timestamp_ms,
    });
}

fn replay(log: &dyn MetadataLog, image: &mut Replay, from: i64, to: i64) -> Result<(), ReplayError> {
    let mut next = from;
    while next < to {
        let content = log.read(next, REPLAY_BYTES)?;
        let batches = RecordBatch::split(content)
            .map_err(|error| Unreadable(format!("the metadata log at offset {next}: {error}")))?;
        let before = next;
        for batch in batches {
            let last = batch.last_offset();
            if last < next || last >= to {
                continue;
            }
            for (offset, value) in data_records(&batch)? {
                let record = decode(value, offset)?;
                image
                    .apply(offset, &record)
                    .map_err(|error| Unreadable(format!("offset {offset}: {error}")))?;
            }
            image.advance(Provenance {
                last_offset: last,
                last_epoch: batch.partition_leader_epoch,
                last_timestamp_ms: batch.max_timestamp,
            });
            next = last + 1;
        }
        if next == before {
            return Err(Unreadable(format!("the metadata log has no whole batch at offset {next}")).into());
        }
    }
    Ok(())
}

fn decode(value: bytes::Bytes, offset: i64) -> Result<MetadataRecord, Unreadable> {
    MetadataRecord::decode(value).map_err(|error| {
        Unreadable(format!("the record at offset {offset} is newer than this build or damaged: {error}"))
    })
}
