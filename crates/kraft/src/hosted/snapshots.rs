//! When a snapshot is taken and when old ones go: by bytes and by time, as Kafka's metadata log is kept. Owns the counters.

use super::MetadataQuorum;
use crate::image::VersionedRecord;
use crate::raft::{OffsetAndEpoch, StorageFault};

/// Between looks at what can be deleted.
const CLEAN_INTERVAL_MS: i64 = 60_000;

/// Counters since the last snapshot.
#[derive(Debug)]
pub(super) struct Schedule {
    bytes: u64,
    since_ms: i64,
    next_clean_ms: i64,
}

impl Schedule {
    pub(super) fn new(now_ms: i64) -> Self {
        Schedule { bytes: 0, since_ms: now_ms, next_clean_ms: now_ms + CLEAN_INTERVAL_MS }
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

    pub(super) fn next_clean_ms(&self) -> i64 {
        self.next_clean_ms
    }
}

impl MetadataQuorum {
    /// Takes a snapshot if one is due, and deletes old ones with the log before them.
    pub(super) fn keep_snapshots(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let age_ms = now_ms - self.snapshots.since_ms;
        let by_time = self.policy.max_interval_ms > 0 && age_ms >= self.policy.max_interval_ms;
        if self.snapshots.bytes >= self.policy.max_bytes_between.max(1)
            || (by_time && self.snapshots.bytes > 0)
        {
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
