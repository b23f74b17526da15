//! What the quorum asks of its disk: one log with its leader epochs, its snapshots, and the quorum-state file. The broker
//! implements it over a partition log; `memory_log` implements it for scripts and simulation. Owns no policy.

use super::offset_and_epoch::OffsetAndEpoch;
use bytes::Bytes;
use std::error::Error;
use std::fmt;

/// The disk failed under the quorum. There is no going on: what is durable is unknown, so the node has to stop. Unless it was
/// only full, and what did not fit left no trace.
#[derive(Debug)]
pub struct StorageFault {
    /// The disk is full and the log is as it was before.
    pub disk_full: bool,
    /// What was tried, e.g. `append to the metadata log`.
    pub operation: &'static str,
    /// What the disk said.
    pub cause: Box<dyn Error + Send + Sync>,
}

impl StorageFault {
    /// A fault with its cause.
    pub fn new(operation: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StorageFault { disk_full: false, operation, cause: cause.into() }
    }

    /// The disk was full; nothing has changed.
    pub fn full(operation: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StorageFault { disk_full: true, ..StorageFault::new(operation, cause) }
    }
}

impl fmt::Display for StorageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.operation, self.cause)
    }
}

impl Error for StorageFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// A finished snapshot on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name: the offset after its last record, and that record's epoch.
    pub id: OffsetAndEpoch,
    /// As it lies on disk.
    pub size_bytes: u64,
}

/// The storage of `__cluster_metadata-0`. Calls may block on the disk; the quorum has a thread of its own.
pub trait MetadataLog: Send {
    /// The first offset that is still there (or would be, in an empty log).
    fn start_offset(&self) -> i64;

    /// The offset that the next record gets.
    fn end_offset(&self) -> i64;

    /// The leader epoch of the last batch, `None` in an empty log (also one that only a snapshot precedes).
    fn latest_epoch(&self) -> Option<i32>;

    /// The largest epoch of the log that is not above `epoch`, and the offset where it ends; `None` if all epochs are above.
    fn end_offset_for_epoch(&self, epoch: i32) -> Option<OffsetAndEpoch>;

    /// Appends one batch as leader of `epoch`; sets its base offset and leader epoch. Returns the base offset. The time
    /// is the wall clock's.
    fn append_as_leader(&mut self, batch: Bytes, epoch: i32, wall_ms: i64) -> Result<i64, StorageFault>;

    /// Appends fetched batches exactly as they are; the offsets are known to follow the end of the log.
    fn append_as_follower(&mut self, batches: Bytes, wall_ms: i64) -> Result<(), StorageFault>;

    /// Whole batches from the one that holds `from`, at least one, about `max_bytes`, up to the end of the log (empty there).
    fn read(&self, from: i64, max_bytes: usize) -> Result<Bytes, StorageFault>;

    /// Removes everything at and after an offset.
    fn truncate_to(&mut self, offset: i64) -> Result<(), StorageFault>;

    /// Empties the log and goes on at an offset (after a snapshot was fetched).
    fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), StorageFault>;

    /// Everything below is committed.
    fn advance_high_watermark(&mut self, offset: i64);

    /// Moves the start of the log up and deletes segments that lie wholly before it.
    fn delete_before(&mut self, offset: i64) -> Result<(), StorageFault>;

    /// Bytes of all segments.
    fn size_bytes(&self) -> u64;

    /// Makes everything appended or truncated so far durable.
    fn flush(&mut self) -> Result<(), StorageFault>;

    /// The finished snapshots, ascending.
    fn snapshots(&self) -> Vec<SnapshotFile>;

    /// Part of a snapshot; `None` if there is no such snapshot. Shorter than asked only at its end.
    fn read_snapshot(
        &self,
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, StorageFault>;

    /// Writes a whole snapshot so that it is there entirely or not at all, and durable when this returns.
    fn write_snapshot(&mut self, id: OffsetAndEpoch, content: &[Bytes]) -> Result<(), StorageFault>;

    /// Deletes a snapshot; deleting what is not there is no fault.
    fn delete_snapshot(&mut self, id: OffsetAndEpoch) -> Result<(), StorageFault>;

    /// The content of the quorum-state file, if there is one.
    fn read_quorum_state(&self) -> Result<Option<Bytes>, StorageFault>;

    /// Replaces the quorum-state file atomically; durable after the next flush.
    fn write_quorum_state(&mut self, content: &[u8]) -> Result<(), StorageFault>;

    /// False where a crash may still take what is read here: an earlier process wrote it, and nobody has flushed it since.
    fn is_proven(&self) -> bool {
        true
    }

    /// Makes the quorum-state written last durable where there is nothing else to flush.
    fn prove_quorum_state(&mut self) -> Result<(), StorageFault> {
        Ok(())
    }
}
