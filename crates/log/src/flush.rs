//! Flushing as data: what must be synced for a log to be durable up to an offset, runnable on another thread. Decides nothing
//! about when (the broker's flusher does, RELIABILITY §4).

use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use std::path::PathBuf;
use std::sync::Arc;

/// Files and directories to sync, in the right order, for everything below `upto` to be durable.
#[derive(Clone, Debug)]
pub struct FlushWork {
    pub(crate) disk: Arc<dyn Disk>,
    /// Log end offset when the work was taken.
    pub upto: i64,
    pub(crate) files: Vec<FileHandle>,
    /// Directories with new names in them: synced after the files, innermost first.
    pub(crate) directories: Vec<PathBuf>,
    /// Distinguishes works taken before and after a truncation.
    pub(crate) truncations: u64,
}

/// A flush that ran.
#[derive(Clone, Debug)]
pub struct FlushOutcome {
    pub(crate) upto: i64,
    pub(crate) directories_synced: bool,
    pub(crate) truncations: u64,
    pub result: Result<(), Fault>,
}

impl FlushWork {
    /// Blocks until the disk confirms. The first failure ends it; nothing is retried (a second fsync would lie).
    pub fn run(&self) -> FlushOutcome {
        FlushOutcome {
            upto: self.upto,
            directories_synced: !self.directories.is_empty(),
            truncations: self.truncations,
            result: self.sync_all(),
        }
    }

    fn sync_all(&self) -> Result<(), Fault> {
        for file in &self.files {
            self.disk.sync(file)?;
        }
        for directory in &self.directories {
            self.disk.sync_directory(directory)?;
        }
        Ok(())
    }
}
