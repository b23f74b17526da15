//! The quorum's storage over a partition log: `__cluster_metadata-0` with its snapshots (`*.checkpoint`) and `quorum-state`
//! in the same directory, as Kafka lays them out (KIP-630). Owns the log and the list of snapshots; decides nothing.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kraft::raft::{MetadataLog, OffsetAndEpoch, SnapshotFile, StorageFault};
use log::{
    AppendOrigin, AppendRefused, Disk, Fault, FileHandle, Log, LogConfig, LogView, OpenMode, ReadLimit,
};
use wire::Uuid;
use wire::record_batch::validate_internal;

/// `__cluster_metadata-0` on this node.
pub(crate) struct PartitionMetadataLog {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    log: Log,
    /// The log as it stands, renewed after every change.
    view: LogView,
    /// Finished snapshots with their sizes.
    snapshots: BTreeMap<(i64, i32), u64>,
    /// quorum-state was replaced, its name is not durable yet.
    unproven_state: bool,
}

const QUORUM_STATE: &str = "quorum-state";
const FINISHED: &str = ".checkpoint";
const UNFINISHED: &str = ".part";

impl PartitionMetadataLog {
    /// Opens (or begins) the metadata log in a log directory.
    pub fn open(
        disk: Arc<dyn Disk>,
        log_directory: &std::path::Path,
        config: LogConfig,
        clean_shutdown: bool,
        now_ms: i64,
    ) -> Result<PartitionMetadataLog, Fault> {
        let directory = log_directory.join(crate::quorum::metadata_files::METADATA_LOG);
        let exists = disk.exists(&directory);
        if !exists {
            disk.create_directory(&directory)?;
            disk.sync_directory(log_directory)?;
        }
        // Every batch of this log was flushed before it was acknowledged, so nothing beyond a torn tail can be bad; the
        // recovery point is not known, hence the whole log is looked at after a crash. Snapshots keep it short.
        let mode =
            OpenMode { clean_shutdown, topic_id: Some(Uuid::METADATA_TOPIC_ID), ..OpenMode::default() };
        let mut log = Log::open(Arc::clone(&disk), directory.clone(), Arc::new(config), mode, now_ms)?;
        log.epochs_are_found_again();
        let view = log.view();
        let mut opened = PartitionMetadataLog {
            disk,
            directory,
            log,
            view,
            snapshots: BTreeMap::new(),
            unproven_state: false,
        };
        if exists {
            opened.find_snapshots()?;
        }
        Ok(opened)
    }

    fn find_snapshots(&mut self) -> Result<(), Fault> {
        for entry in self.disk.list(&self.directory)? {
            if entry.name.ends_with(UNFINISHED) {
                self.disk.remove(&FileHandle::new(self.directory.join(&entry.name)))?;
            } else if let Some(id) = snapshot_id(&entry.name) {
                self.snapshots.insert(id, entry.length);
            }
        }
        Ok(())
    }

    fn snapshot_path(&self, id: OffsetAndEpoch) -> PathBuf {
        self.directory.join(format!("{:020}-{:010}{FINISHED}", id.offset, id.epoch))
    }

    fn append(&mut self, batches: Bytes, epoch: i32, now_ms: i64) -> Result<i64, StorageFault> {
        const OPERATION: &str = "append to the metadata log";
        let batches = validate_internal(batches).map_err(|error| StorageFault::new(OPERATION, error))?;
        let appended = self.log.append_as_leader(&batches, epoch, AppendOrigin::RaftLeader, now_ms);
        self.view = self.log.view();
        let good = self.log.poisoned().is_none();
        appended.map(|appended| appended.base_offset).map_err(|refused| match refused {
            AppendRefused::Storage(fault) if fault.is_passing() && good => {
                StorageFault::full(OPERATION, fault)
            }
            AppendRefused::Storage(fault) => StorageFault::new(OPERATION, fault),
            refused => StorageFault::new(OPERATION, refused),
        })
    }
}

/// `<offset, 20 digits>-<epoch, 10 digits>.checkpoint`
fn snapshot_id(name: &str) -> Option<(i64, i32)> {
    let (offset, epoch) = name.strip_suffix(FINISHED)?.split_once('-')?;
    if offset.len() != 20 || epoch.len() != 10 {
        return None;
    }
    Some((offset.parse().ok()?, epoch.parse().ok()?))
}

fn fault(operation: &'static str) -> impl Fn(Fault) -> StorageFault {
    move |fault| StorageFault::new(operation, fault)
}

impl MetadataLog for PartitionMetadataLog {
    fn start_offset(&self) -> i64 {
        self.log.log_start_offset()
    }

    fn end_offset(&self) -> i64 {
        #[cfg(test)]
        if crate::tests::planted::lasts(crate::tests::planted::Fault::MetadataLost) {
            return self.log.log_start_offset();
        }
        self.log.log_end_offset()
    }

    fn latest_epoch(&self) -> Option<i32> {
        #[cfg(test)]
        if crate::tests::planted::strikes(crate::tests::planted::Fault::MetadataOfLater) {
            return Some(i32::MAX);
        }
        self.view.latest_epoch()
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<OffsetAndEpoch> {
        let (epoch, offset) = self.view.end_offset_for_epoch(epoch)?;
        Some(OffsetAndEpoch { offset, epoch })
    }

    fn append_as_leader(&mut self, batch: Bytes, epoch: i32, now_ms: i64) -> Result<i64, StorageFault> {
        self.append(batch, epoch, now_ms)
    }

    fn append_as_follower(&mut self, batches: Bytes, now_ms: i64) -> Result<(), StorageFault> {
        let appended = self.log.append_as_follower(batches, now_ms);
        self.view = self.log.view();
        match appended {
            Ok(_) => Ok(()),
            Err(refused) => Err(StorageFault::new("append to the metadata log", refused)),
        }
    }

    fn read(&self, from: i64, max_bytes: usize) -> Result<Bytes, StorageFault> {
        let most = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        let fetched = self.view.read(from, most, ReadLimit::LogEnd, true);
        fetched
            .map(|fetched| fetched.records)
            .map_err(|refused| StorageFault::new("read the metadata log", format!("{refused:?}")))
    }

    fn truncate_to(&mut self, offset: i64) -> Result<(), StorageFault> {
        let truncated = self.log.truncate_to(offset);
        self.view = self.log.view();
        truncated.map_err(fault("truncate the metadata log"))
    }

    fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), StorageFault> {
        let truncated = self.log.truncate_fully_and_start_at(offset, None);
        self.view = self.log.view();
        truncated.map_err(fault("truncate the metadata log"))
    }

    fn advance_high_watermark(&mut self, offset: i64) {
        self.log.advance_high_watermark(offset);
        self.view = self.log.view();
    }

    fn delete_before(&mut self, offset: i64) -> Result<(), StorageFault> {
        self.log.delete_records_before(offset).map_err(fault("trim the metadata log"))?;
        self.view = self.log.view();
        for removal in self.log.take_removals() {
            removal.run().map_err(fault("delete segments of the metadata log"))?;
        }
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.view.size_bytes()
    }

    fn flush(&mut self) -> Result<(), StorageFault> {
        self.log.flush().map_err(fault("flush the metadata log"))?;
        self.unproven_state = false;
        Ok(())
    }

    fn snapshots(&self) -> Vec<SnapshotFile> {
        let file = |(&(offset, epoch), &size_bytes): (&(i64, i32), &u64)| SnapshotFile {
            id: OffsetAndEpoch { offset, epoch },
            size_bytes,
        };
        self.snapshots.iter().map(file).collect()
    }

    fn read_snapshot(
        &self,
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, StorageFault> {
        let Some(size_bytes) = self.snapshots.get(&(id.offset, id.epoch)) else { return Ok(None) };
        // The reader says "all of it" with a huge number; the memory is that of what is there.
        let left = usize::try_from(size_bytes.saturating_sub(position)).unwrap_or(usize::MAX);
        let file = FileHandle::new(self.snapshot_path(id));
        let mut bytes = Vec::new();
        self.disk
            .read_at(&file, position, max_bytes.min(left), &mut bytes)
            .map_err(fault("read a snapshot"))?;
        self.disk.release(&file);
        Ok(Some(Bytes::from(bytes)))
    }

    fn write_snapshot(&mut self, id: OffsetAndEpoch, content: &[Bytes]) -> Result<(), StorageFault> {
        let to = self.snapshot_path(id);
        let mut unfinished = to.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let file = FileHandle::new(unfinished);
        let size = content.iter().map(|piece| piece.len() as u64).sum();
        let write = || -> Result<(), Fault> {
            self.disk.create(&file)?;
            let mut position = 0;
            for piece in content {
                self.disk.write_at(&file, position, &mut [IoSlice::new(piece)])?;
                position += piece.len() as u64;
            }
            self.disk.sync(&file)?;
            self.disk.rename(&file, &to)?;
            self.disk.release(&file);
            self.disk.sync_directory(&self.directory)
        };
        if let Err(fault) = write() {
            const OPERATION: &str = "write a snapshot";
            if !fault.is_passing() {
                return Err(StorageFault::new(OPERATION, fault));
            }
            self.disk.remove(&file).map_err(|fault| StorageFault::new(OPERATION, fault))?;
            return Err(StorageFault::full(OPERATION, fault));
        }
        self.snapshots.insert((id.offset, id.epoch), size);
        Ok(())
    }

    fn delete_snapshot(&mut self, id: OffsetAndEpoch) -> Result<(), StorageFault> {
        if self.snapshots.remove(&(id.offset, id.epoch)).is_some() {
            self.disk.remove(&FileHandle::new(self.snapshot_path(id))).map_err(fault("delete a snapshot"))?;
        }
        Ok(())
    }

    fn read_quorum_state(&self) -> Result<Option<Bytes>, StorageFault> {
        match self.disk.read_file(&self.directory.join(QUORUM_STATE)) {
            Ok(content) => Ok(Some(content)),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(StorageFault::new("read quorum-state", fault)),
        }
    }

    fn write_quorum_state(&mut self, content: &[u8]) -> Result<(), StorageFault> {
        let path = self.directory.join(QUORUM_STATE);
        self.disk.swap_file(&path, content).map_err(fault("write quorum-state"))?;
        // One sync of the directory then covers this name and the log's.
        self.log.names_changed();
        self.unproven_state = true;
        Ok(())
    }

    fn is_proven(&self) -> bool {
        !self.log.is_dirty()
    }

    fn prove_quorum_state(&mut self) -> Result<(), StorageFault> {
        if self.unproven_state { self.flush() } else { Ok(()) }
    }
}
