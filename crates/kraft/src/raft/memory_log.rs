//! `MetadataLog` in memory, with an idea of what is durable: for scripts, and for simulations that cut the power. Never used
//! by a real node.

use super::offset_and_epoch::OffsetAndEpoch;
use super::storage::{MetadataLog, SnapshotFile, StorageFault};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::record_batch::RecordBatch;

/// A metadata log in memory. `clone` is a copy of the disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    start_offset: i64,
    end_offset: i64,
    batches: Vec<RecordBatch>,
    snapshots: BTreeMap<OffsetAndEpoch, Bytes>,
    quorum_state: Option<Bytes>,
    high_watermark: i64,
    /// What would survive a power cut: start and end offset, batches.
    durable: (i64, i64, Vec<RecordBatch>),
    /// The same of the quorum-state.
    durable_state: Option<Bytes>,
    /// No room: a leader appends nothing.
    pub is_full: bool,
    /// The next flush fails, and nothing of it happens.
    pub fails_to_flush: bool,
    /// Number of flushes that had something to do.
    pub flushes: usize,
    /// Number of writes of the quorum-state file.
    pub quorum_state_writes: usize,
}

impl MemoryLog {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after a power cut.
    pub fn after_power_cut(&self) -> MemoryLog {
        let mut log = self.clone();
        (log.start_offset, log.end_offset, log.batches) = log.durable.clone();
        log.quorum_state = log.durable_state.clone();
        log.high_watermark = 0;
        log
    }

    /// All batches, as one record set.
    pub fn content(&self) -> Bytes {
        let mut all = BytesMut::new();
        for batch in &self.batches {
            all.extend_from_slice(batch.bytes());
        }
        all.freeze()
    }

    /// Puts a finished snapshot there, as formatting does.
    pub fn with_snapshot(mut self, id: OffsetAndEpoch, content: Bytes) -> Self {
        self.snapshots.insert(id, content);
        self
    }

    /// Puts a log there that somebody else wrote.
    pub fn with_batches(mut self, content: Bytes) -> Result<Self, StorageFault> {
        self.append_as_follower(content, 0)?;
        self.flush()?;
        Ok(self)
    }

    fn has_flushed_batches(&self) -> bool {
        self.durable.1 == self.end_offset && self.durable.2.len() == self.batches.len()
    }

    fn push(&mut self, bytes: Bytes) -> Result<(), StorageFault> {
        let batch = RecordBatch::parse(bytes)
            .map_err(|error| StorageFault::new("append to the metadata log", error))?;
        self.end_offset = batch.next_offset();
        self.batches.push(batch);
        Ok(())
    }
}

impl MetadataLog for MemoryLog {
    fn start_offset(&self) -> i64 {
        self.start_offset
    }

    fn end_offset(&self) -> i64 {
        self.end_offset
    }

    fn latest_epoch(&self) -> Option<i32> {
        self.batches.last().map(|batch| batch.partition_leader_epoch)
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<OffsetAndEpoch> {
        let last = self.batches.iter().rev().find(|batch| batch.partition_leader_epoch <= epoch)?;
        Some(OffsetAndEpoch::new(last.next_offset(), last.partition_leader_epoch))
    }

    fn append_as_leader(&mut self, batch: Bytes, epoch: i32, _now_ms: i64) -> Result<i64, StorageFault> {
        const OPERATION: &str = "append to the metadata log";
        let batch = RecordBatch::parse(batch).map_err(|error| StorageFault::new(OPERATION, error))?;
        if self.is_full {
            return Err(StorageFault::full(OPERATION, "no room"));
        }
        let base_offset = self.end_offset;
        self.push(batch.with_position(base_offset, epoch))?;
        Ok(base_offset)
    }

    fn append_as_follower(&mut self, batches: Bytes, _now_ms: i64) -> Result<(), StorageFault> {
        let batches = RecordBatch::split(batches)
            .map_err(|error| StorageFault::new("append to the metadata log", error))?;
        for batch in batches {
            assert!(batch.base_offset >= self.end_offset, "fetched batches follow the end of the log");
            self.push(batch.into_bytes())?;
        }
        Ok(())
    }

    fn read(&self, from: i64, max_bytes: usize) -> Result<Bytes, StorageFault> {
        let mut found = BytesMut::new();
        for batch in self.batches.iter().filter(|batch| batch.last_offset() >= from) {
            if !found.is_empty() && found.len() + batch.bytes().len() > max_bytes {
                break;
            }
            found.extend_from_slice(batch.bytes());
        }
        Ok(found.freeze())
    }

    fn truncate_to(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.batches.retain(|batch| batch.next_offset() <= offset);
        self.end_offset = self.batches.last().map_or(self.start_offset, |batch| batch.next_offset());
        Ok(())
    }

    fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.batches.clear();
        (self.start_offset, self.end_offset) = (offset, offset);
        Ok(())
    }

    fn advance_high_watermark(&mut self, offset: i64) {
        self.high_watermark = offset;
    }

    fn delete_before(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.start_offset = self.start_offset.max(offset);
        self.batches.retain(|batch| batch.next_offset() > offset);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.bytes().len() as u64).sum()
    }

    fn flush(&mut self) -> Result<(), StorageFault> {
        if std::mem::take(&mut self.fails_to_flush) {
            return Err(StorageFault::new("flush the metadata log", "the disk in memory was told to fail"));
        }
        if !self.has_flushed_batches() {
            self.flushes += 1;
        }
        self.durable = (self.start_offset, self.end_offset, self.batches.clone());
        self.prove_quorum_state()
    }

    fn snapshots(&self) -> Vec<SnapshotFile> {
        let file = |(id, content): (&OffsetAndEpoch, &Bytes)| SnapshotFile {
            id: *id,
            size_bytes: content.len() as u64,
        };
        self.snapshots.iter().map(file).collect()
    }

    fn read_snapshot(
        &self,
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, StorageFault> {
        let Some(content) = self.snapshots.get(&id) else { return Ok(None) };
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(max_bytes).min(content.len());
        Ok(Some(content.slice(start..end)))
    }

    fn write_snapshot(&mut self, id: OffsetAndEpoch, content: &[Bytes]) -> Result<(), StorageFault> {
        self.snapshots.insert(id, Bytes::from(content.concat()));
        Ok(())
    }

    fn delete_snapshot(&mut self, id: OffsetAndEpoch) -> Result<(), StorageFault> {
        self.snapshots.remove(&id);
        Ok(())
    }

    fn read_quorum_state(&self) -> Result<Option<Bytes>, StorageFault> {
        Ok(self.quorum_state.clone())
    }

    fn write_quorum_state(&mut self, content: &[u8]) -> Result<(), StorageFault> {
        self.quorum_state = Some(Bytes::copy_from_slice(content));
        self.quorum_state_writes += 1;
        Ok(())
    }

    fn is_proven(&self) -> bool {
        self.has_flushed_batches() && self.durable_state == self.quorum_state
    }

    fn prove_quorum_state(&mut self) -> Result<(), StorageFault> {
        self.durable_state.clone_from(&self.quorum_state);
        Ok(())
    }
}

/// A memory log that its test can look into while a quorum owns it.
#[derive(Clone, Debug, Default)]
pub struct SharedLog(Arc<Mutex<MemoryLog>>);

impl SharedLog {
    /// Shares a log.
    pub fn new(log: MemoryLog) -> Self {
        SharedLog(Arc::new(Mutex::new(log)))
    }

    /// The log, to be looked at.
    pub fn get(&self) -> MutexGuard<'_, MemoryLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetadataLog for SharedLog {
    fn start_offset(&self) -> i64 {
        self.get().start_offset()
    }

    fn end_offset(&self) -> i64 {
        self.get().end_offset()
    }

    fn latest_epoch(&self) -> Option<i32> {
        self.get().latest_epoch()
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<OffsetAndEpoch> {
        self.get().end_offset_for_epoch(epoch)
    }

    fn append_as_leader(&mut self, batch: Bytes, epoch: i32, now_ms: i64) -> Result<i64, StorageFault> {
        self.get().append_as_leader(batch, epoch, now_ms)
    }

    fn append_as_follower(&mut self, batches: Bytes, now_ms: i64) -> Result<(), StorageFault> {
        self.get().append_as_follower(batches, now_ms)
    }

    fn read(&self, from: i64, max_bytes: usize) -> Result<Bytes, StorageFault> {
        self.get().read(from, max_bytes)
    }

    fn truncate_to(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.get().truncate_to(offset)
    }

    fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.get().truncate_fully_and_start_at(offset)
    }

    fn advance_high_watermark(&mut self, offset: i64) {
        self.get().advance_high_watermark(offset);
    }

    fn delete_before(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.get().delete_before(offset)
    }

    fn size_bytes(&self) -> u64 {
        self.get().size_bytes()
    }

    fn flush(&mut self) -> Result<(), StorageFault> {
        self.get().flush()
    }

    fn snapshots(&self) -> Vec<SnapshotFile> {
        self.get().snapshots()
    }

    fn read_snapshot(
        &self,
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, StorageFault> {
        self.get().read_snapshot(id, position, max_bytes)
    }

    fn write_snapshot(&mut self, id: OffsetAndEpoch, content: &[Bytes]) -> Result<(), StorageFault> {
        self.get().write_snapshot(id, content)
    }

    fn delete_snapshot(&mut self, id: OffsetAndEpoch) -> Result<(), StorageFault> {
        self.get().delete_snapshot(id)
    }

    fn read_quorum_state(&self) -> Result<Option<Bytes>, StorageFault> {
        self.get().read_quorum_state()
    }

    fn write_quorum_state(&mut self, content: &[u8]) -> Result<(), StorageFault> {
        self.get().write_quorum_state(content)
    }

    fn is_proven(&self) -> bool {
        self.get().is_proven()
    }

    fn prove_quorum_state(&mut self) -> Result<(), StorageFault> {
        self.get().prove_quorum_state()
    }
}
