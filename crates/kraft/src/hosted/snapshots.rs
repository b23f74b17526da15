//! When a snapshot is taken and when old ones go: by bytes and by time, as Kafka's metadata log is kept. Owns the counters.

use super::{MetadataQuorum, SnapshotPolicy};
use crate::image::VersionedRecord;
use crate::raft::{OffsetAndEpoch, StorageFault};

/// Between looks at what can be deleted.
const CLEAN_INTERVAL_MS: i64 = 60_000;

/// A start does not wait for the snapshot that it finds due.
const START_MS: i64 = 1_000;

/// Until a snapshot is tried again that met an open transaction.
const OPEN_TRANSACTION_PAUSE_MS: i64 = 1_000;

/// Counters since the last snapshot.
#[derive(Debug)]
pub(super) struct Schedule {
    bytes: u64,
    since_ms: i64,
    next_clean_ms: i64,
    /// Until then the start goes first.
    start_ends_ms: Option<i64>,
}

impl Schedule {
    /// `bytes` of the log lie behind the snapshot that it opens with.
    // DIVERGES: Kafka begins to count anew at every start. A broker that restarts every now and then would read a log that grows for
    // an hour, and each restart adds records of every partition to it.
    pub(super) fn new(now_ms: i64, bytes: u64) -> Self {
        Schedule {
            bytes,
            since_ms: now_ms,
            next_clean_ms: now_ms + CLEAN_INTERVAL_MS,
            start_ends_ms: Some(now_ms + START_MS),
        }
    }

    /// A snapshot was taken, here or by the leader.
    pub(super) fn reset(&mut self, now_ms: i64) {
        self.bytes = 0;
        self.since_ms = now_ms;
    }

    /// So many bytes of the log are committed.
    pub(super) fn committed(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// When there may be something to do at the latest.
    pub(super) fn next_deadline_ms(&self, policy: &SnapshotPolicy) -> i64 {
        let first = self.start_ends_ms.filter(|_| self.has_grown(policy));
        let by_time = (policy.max_interval_ms > 0 && self.bytes > 0)
            .then(|| self.since_ms.saturating_add(policy.max_interval_ms));
        first.into_iter().chain(by_time).fold(self.next_clean_ms, i64::min)
    }

    fn has_grown(&self, policy: &SnapshotPolicy) -> bool {
        self.bytes >= policy.max_bytes_between.max(1)
    }
}

impl MetadataQuorum {
    /// Takes a snapshot if one is due, and deletes old ones with the log before them.
    pub(super) fn keep_snapshots(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let age_ms = now_ms.saturating_sub(self.snapshots.since_ms);
        let by_time = self.policy.max_interval_ms > 0 && age_ms >= self.policy.max_interval_ms;
        self.snapshots.start_ends_ms.take_if(|end_ms| *end_ms <= now_ms);
        let by_size = self.snapshots.has_grown(&self.policy) && self.snapshots.start_ends_ms.is_none();
        if by_size || (by_time && self.snapshots.bytes > 0) {
            match self.take_snapshot(now_ms) {
                // Tried again after as many bytes or as long a time.
                Err(fault) if fault.disk_full => self.snapshots.reset(now_ms),
                taken => taken?,
            }
        }
        if self.snapshots.next_clean_ms <= now_ms {
            self.snapshots.next_clean_ms = now_ms + CLEAN_INTERVAL_MS;
            self.raft.clean(self.policy.retention_bytes, self.policy.retention_ms, now_ms)?;
        }
        Ok(())
    }

    /// Writes the committed image. Not within an open transaction, whose outcome nobody knows.
    fn take_snapshot(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        if self.committed.replay.open_transaction().is_some() {
            // Time alone brings it again in a moment; what grows, with the next record.
            self.snapshots.since_ms =
                now_ms.saturating_add(OPEN_TRANSACTION_PAUSE_MS).saturating_sub(self.policy.max_interval_ms);
            return Ok(());
        }
        let image = self.committed.replay.stable();
        let provenance = image.provenance;
        let id = OffsetAndEpoch::new(provenance.last_offset + 1, provenance.last_epoch);
        let values = image.to_records();
        let values = values.iter().map(VersionedRecord::encode);
        self.raft.write_snapshot(id, provenance.last_timestamp_ms, values, now_ms)?;
        self.snapshots.reset(now_ms);
        Ok(())
    }
}
