//! Retention *chooses*: which segments of a log may go, by time, size and log start offset. Pure; the log removes, the janitor
//! deletes files.

use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use std::path::PathBuf;
use std::sync::Arc;

/// A deletion whose files are already renamed out of the way (`.deleted` or `-delete`), to run when due.
#[derive(Clone, Debug)]
pub struct Removal {
    pub(crate) disk: Arc<dyn Disk>,
    /// Not before this: readers may still hold the files (`file.delete.delay.ms`).
    pub due_ms: i64,
    pub(crate) files: Vec<FileHandle>,
    pub(crate) directory: Option<PathBuf>,
}

impl Removal {
    /// Deletes the files (and the directory). Blocking; for the janitor.
    pub fn run(&self) -> Result<(), Fault> {
        for file in &self.files {
            self.disk.remove(file)?;
        }
        match &self.directory {
            Some(directory) => self.disk.remove_directory(directory),
            None => Ok(()),
        }
    }
}
