//! The replica's own log: what it appends as leader, and what control records and cuts of the log mean to it (KIP-853). Owns the
//! history of the voters; never metadata records, nor why voters change.

use super::control::{READ_BYTES, Unreadable, decode_snapshot};
use super::offset_and_epoch::OffsetAndEpoch;
use super::opening::QuorumOpenError;
use super::quorum::{NOTHING_READ, Quorum};
use super::role::Role;
use super::voters::VoterSet;
use super::{Effect, StorageFault};
use bytes::Bytes;
use wire::record_batch::RecordBatch;

/// This replica cannot append: it does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLeader;

impl Quorum {
    // ---- What a leader appends ----

    /// The leader appends a batch of metadata. Its offset, or that this replica does not lead.
    pub fn append(&mut self, now_ms: i64, batch: Bytes) -> Result<Result<i64, NotLeader>, StorageFault> {
        if !self.is_leader() {
            return Ok(Err(NotLeader));
        }
        let (epoch, wall_ms) = (self.epoch, self.wall_ms(now_ms));
        let base_offset = self.log.append_as_leader(batch, epoch, wall_ms)?;
        self.dirty = true;
        Ok(Ok(base_offset))
    }

    /// As [`Quorum::append`], for a batch that says nothing but that time passes. Where no other process reads this log, it is
    /// committed without a flush: whoever saw its offset is gone as soon as the batch can be.
    pub fn append_idle(&mut self, now_ms: i64, batch: Bytes) -> Result<Result<i64, NotLeader>, StorageFault> {
        let only_voter = self.is_only_voter();
        let alone = match &mut self.role {
            Role::Leader(leader) => {
                leader.expire_observers(now_ms);
                let counts_others = leader.voters.len() > 1 || leader.voter_change.is_some();
                only_voter && !counts_others && leader.observers.is_empty() && self.parked_fetches.is_empty()
            }
            _ => false,
        };
        let was_dirty = self.dirty;
        let appended = self.append(now_ms, batch)?;
        if alone && appended.is_ok() {
            self.dirty = was_dirty;
            self.idle = true;
        }
        Ok(appended)
    }

    /// Appends a control batch as leader and learns from it at once.
    pub(super) fn append_control(&mut self, batch: Bytes, wall_ms: i64) -> Result<(), StorageFault> {
        let epoch = self.epoch;
        self.log.append_as_leader(batch, epoch, wall_ms)?;
        self.log_changed()
    }

    /// In a dynamic quorum, voters that the log does not have yet: those of the bootstrap snapshot, or this node's new address.
    pub(super) fn voters_to_write(&self) -> Option<VoterSet> {
        let offset = self.voters.latest_offset()?;
        let local = self.local_voter();
        let updated = self.voters.latest().updated(local)?;
        (self.voters.kraft_version() > 0 && (offset == -1 || updated != *self.voters.latest()))
            .then_some(updated)
    }

    // ---- What the log tells ----

    /// The end of the log moved: there may be new voters in it, and something to flush.
    pub(super) fn log_changed(&mut self) -> Result<(), StorageFault> {
        self.dirty = true;
        self.learn_voters().map_err(|error| match error {
            QuorumOpenError::Storage(fault) => fault,
            QuorumOpenError::Unreadable(unreadable) => StorageFault::new("read the metadata log", unreadable),
        })
    }

    /// Reads control records that have not been read yet, from the latest snapshot if the log does not begin early enough.
    pub(super) fn learn_voters(&mut self) -> Result<(), QuorumOpenError> {
        let latest = self.log.snapshots().last().map(|file| file.id);
        if self.control_offset < self.log.start_offset()
            && let Some(id) = latest
        {
            let content = self.log.read_snapshot(id, 0, usize::MAX)?.unwrap_or_default();
            let head = decode_snapshot(content, |_| Ok::<(), Unreadable>(()))?;
            self.voters.begin_with(id.offset, head);
            self.control_offset = id.offset;
        }
        self.control_offset = self.control_offset.max(self.log.start_offset());
        while self.control_offset < self.log.end_offset() {
            let batches = self.log.read(self.control_offset, READ_BYTES)?;
            let batches = RecordBatch::split(batches).map_err(|error| Unreadable(error.to_string()))?;
            if batches.is_empty() {
                let what = format!("nothing at offset {} of the metadata log", self.control_offset);
                return Err(Unreadable(what).into());
            }
            for batch in batches {
                self.voters.note(&batch)?;
                self.control_offset = batch.next_offset();
            }
        }
        Ok(())
    }

    /// The log was cut: forget what was read beyond.
    pub(super) fn log_truncated(&mut self, offset: i64) {
        self.voters.truncate_to(offset);
        self.control_offset = self.control_offset.min(offset);
        self.dirty = true;
        self.effects.push(Effect::Truncated { end_offset: offset });
    }

    /// A snapshot that reaches further than the log replaces it.
    pub(super) fn truncate_to_latest_snapshot(&mut self) -> Result<bool, StorageFault> {
        let Some(latest) = self.log.snapshots().last().map(|file| file.id) else { return Ok(false) };
        let end = OffsetAndEpoch::new(self.log.end_offset(), self.log.latest_epoch().unwrap_or(0));
        if latest <= end {
            return Ok(false);
        }
        // Its name may not be durable yet, after a crash between the two: the log goes only for what cannot go itself.
        self.log.flush()?;
        self.log.truncate_fully_and_start_at(latest.offset)?;
        for older in self.log.snapshots().iter().filter(|file| file.id < latest) {
            self.log.delete_snapshot(older.id)?;
        }
        // The log may have reached further, in an earlier epoch: what was read there is gone, and the snapshot says what there is.
        self.control_offset = NOTHING_READ;
        self.dirty = true;
        Ok(true)
    }

    /// The owner of an only voter has read all that is in the log. The next epoch that starts right there is announced at once:
    /// what comes before it needs no majority but the flush that also makes the start of the epoch durable.
    pub fn log_is_known(&mut self) {
        if self.is_only_voter() {
            self.known_offset = Some(self.log.end_offset());
        }
    }

    /// The epoch of the last record, in the log or in the snapshot before it.
    pub(super) fn last_epoch(&self) -> i32 {
        let of_snapshot = || self.log.snapshots().last().map(|file| file.id.epoch);
        self.log.latest_epoch().or_else(of_snapshot).unwrap_or(0)
    }

    pub(super) fn end(&self) -> OffsetAndEpoch {
        OffsetAndEpoch::new(self.log.end_offset(), self.last_epoch())
    }
}
