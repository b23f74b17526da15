//! A disk that says it has synced and has not: planted bugs. With them the checkers must see acked records vanish. Used by no run but
//! those that plant one.

use std::io::IoSlice;
use std::path::Path;

use log::disk::{Cached, DirectoryEntry};
use log::{Disk, DiskSpace, Fault, FileHandle, SimDisk};

/// About what it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Segments outside the metadata log; small files and directories are told the truth, so that the node comes up again.
    Segments,
    /// Directories of partitions outside the metadata log.
    Directories,
    /// Syncs of segments that failed.
    Faults,
}

/// Forwards everything but what it lies about.
#[derive(Debug)]
pub struct LyingDisk(pub SimDisk, pub Lie);

impl Disk for LyingDisk {
    fn create(&self, file: &FileHandle) -> Result<(), Fault> {
        self.0.create(file)
    }
    fn write_at(&self, file: &FileHandle, position: u64, slices: &mut [IoSlice<'_>]) -> Result<(), Fault> {
        self.0.write_at(file, position, slices)
    }
    fn read_at(
        &self,
        file: &FileHandle,
        position: u64,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        self.0.read_at(file, position, length, into)
    }
    fn read_cached(&self, file: &FileHandle, position: u64, into: &mut [u8]) -> Result<Cached, Fault> {
        self.0.read_cached(file, position, into)
    }
    fn will_need(&self, file: &FileHandle, position: u64, bytes: u64) {
        self.0.will_need(file, position, bytes);
    }
    fn length(&self, file: &FileHandle) -> Result<u64, Fault> {
        self.0.length(file)
    }
    fn modified_ms(&self, file: &FileHandle) -> Result<i64, Fault> {
        self.0.modified_ms(file)
    }
    fn set_length(&self, file: &FileHandle, length: u64) -> Result<(), Fault> {
        self.0.set_length(file, length)
    }
    fn sync(&self, file: &FileHandle) -> Result<(), Fault> {
        let path = file.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "log");
        let is_data = is_segment && !path.to_string_lossy().contains("__cluster_metadata");
        match self.1 {
            Lie::Segments if is_data => return Ok(()),
            // What the power took with it is no lie.
            Lie::Faults if is_data => {
                let synced = self.0.sync(file);
                return if self.0.is_crashed() { synced } else { Ok(()) };
            }
            Lie::Segments | Lie::Directories | Lie::Faults => {}
        }
        self.0.sync(file)
    }
    fn forget_cached(&self, file: &FileHandle) -> Result<(), Fault> {
        self.0.forget_cached(file)
    }
    fn rename(&self, file: &FileHandle, to: &Path) -> Result<(), Fault> {
        self.0.rename(file, to)
    }
    fn remove(&self, file: &FileHandle) -> Result<(), Fault> {
        self.0.remove(file)
    }
    fn release(&self, file: &FileHandle) {
        self.0.release(file)
    }
    fn create_directory(&self, path: &Path) -> Result<(), Fault> {
        self.0.create_directory(path)
    }
    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, Fault> {
        self.0.list(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.0.exists(path)
    }
    fn sync_directory(&self, path: &Path) -> Result<(), Fault> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if self.1 == Lie::Directories && name.contains('-') && !name.starts_with("__cluster_metadata") {
            return Ok(());
        }
        self.0.sync_directory(path)
    }
    fn rename_directory(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.0.rename_directory(from, to)
    }
    fn remove_directory(&self, path: &Path) -> Result<(), Fault> {
        self.0.remove_directory(path)
    }
    fn space(&self, path: &Path) -> Result<DiskSpace, Fault> {
        self.0.space(path)
    }
    fn page_cache(&self, path: &Path) -> Option<String> {
        self.0.page_cache(path)
    }
    fn lock(&self, path: &Path) -> Result<bool, Fault> {
        self.0.lock(path)
    }
}
