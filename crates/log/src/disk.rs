//! The only file-system trait and its real implementation. Owns descriptors (a bounded LRU: an idle partition holds none) and
//! system calls; never interprets bytes, never retries a failed sync. No mmap (SIGBUS on a full disk, one map per partition).

use crate::fault::Fault;
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file by name; opening it happens when it is used. Cheap to clone; follows renames made through the disk.
#[derive(Clone, Debug)]
pub struct FileHandle(pub(crate) Arc<FileEntry>);

#[derive(Debug)]
pub(crate) struct FileEntry {
    pub(crate) path: Mutex<PathBuf>,
}

impl FileHandle {
    pub fn new(path: impl Into<PathBuf>) -> FileHandle {
        FileHandle(Arc::new(FileEntry { path: Mutex::new(path.into()) }))
    }

    pub fn path(&self) -> PathBuf {
        self.0.path.lock().clone()
    }
}

/// Room on the file system of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    pub total_bytes: u64,
    pub available_bytes: u64,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    pub name: String,
    pub is_directory: bool,
    pub length: u64,
}

/// All that the log asks of a file system. Writes reach the page cache; only `sync` and `sync_directory` make them durable.
pub trait Disk: Send + Sync + Debug {
    /// Creates the file if absent (its name is durable only after `sync_directory`).
    fn create(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Writes all slices one after the other at `position`, growing the file if needed.
    fn write_at(&self, file: &FileHandle, position: u64, slices: &mut [IoSlice<'_>]) -> Result<(), Fault>;
    /// Appends to `into` up to `length` bytes from `position`; fewer only at the end of the file. Answers how many.
    fn read_at(
        &self,
        file: &FileHandle,
        position: u64,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, Fault>;
    fn length(&self, file: &FileHandle) -> Result<u64, Fault>;
    fn set_length(&self, file: &FileHandle, length: u64) -> Result<(), Fault>;
    /// fdatasync.
    fn sync(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Renames a file, replacing the target; the handle follows.
    fn rename(&self, file: &FileHandle, to: &Path) -> Result<(), Fault>;
    /// Removes a file; one that is absent is no fault.
    fn remove(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Lets go of the descriptor, if one is held.
    fn release(&self, file: &FileHandle);

    /// Creates a directory and its parents.
    fn create_directory(&self, path: &Path) -> Result<(), Fault>;
    /// Names in a directory, sorted.
    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, Fault>;
    fn exists(&self, path: &Path) -> bool;
    fn sync_directory(&self, path: &Path) -> Result<(), Fault>;
    /// Renames a directory; handles of files inside must be renamed by their owner (`FileHandle::moved_to`).
    fn rename_directory(&self, from: &Path, to: &Path) -> Result<(), Fault>;
    /// Removes a directory with all it holds; an absent one is no fault.
    fn remove_directory(&self, path: &Path) -> Result<(), Fault>;
    fn space(&self, path: &Path) -> Result<DiskSpace, Fault>;

    /// A whole small file.
    fn read_file(&self, path: &Path) -> Result<Bytes, Fault>;
    /// Replaces a small file atomically: temporary name, sync, rename, directory sync.
    fn replace_file(&self, path: &Path, contents: &[u8]) -> Result<(), Fault>;
}
