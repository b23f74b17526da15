//! Taking the snapshot that is due, and deleting old ones with the log before them, as Kafka's metadata log is kept. When one is due
//! stands in `schedule.rs`.

use super::MetadataQuorum;
use super::schedule::CLEAN_INTERVAL_MS;
use crate::image::VersionedRecord;
use crate::raft::{OffsetAndEpoch, StorageFault};

/// Until a snapshot is tried again that met an open transaction.
const OPEN_TRANSACTION_PAUSE_MS: i64 = 1_000;
const _: () =
    assert!(OPEN_TRANSACTION_PAUSE_MS < CLEAN_INTERVAL_MS, "a snapshot that waits is taken before others go");

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
