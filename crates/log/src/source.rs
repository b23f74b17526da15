//! Where a read gets its bytes from, and how long it may take: out of the page cache at once, or from the platter as well.

use crate::buffers::ReadMemory;
use crate::disk::{Cached, Disk, FileHandle};
use crate::fault::Fault;
use std::sync::Arc;

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only what can be had without waiting (on a file system that does not tell: everything).
    Memory,
    /// Whatever it takes; for threads that may wait.
    Platter,
}

/// The disk as one read uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub disk: &'a dyn Disk,
    pub reach: Reach,
    /// Who counts the memory of what is read.
    pub memory: Option<&'a Arc<ReadMemory>>,
}

impl<'a> Source<'a> {
    /// All that is on the disk.
    pub fn of(disk: &'a dyn Disk) -> Source<'a> {
        Source { disk, reach: Reach::Platter, memory: None }
    }

    /// A few bytes of an index; a fault that would block where they are out of reach.
    pub fn read(&self, file: &FileHandle, position: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        if self.reach == Reach::Memory {
            bytes.resize(length, 0);
            match self.disk.read_cached(file, position, &mut bytes)? {
                Cached::All => return Ok(bytes),
                Cached::Part(_) => return Err(Fault::would_block(&file.path())),
                Cached::Unknown => bytes.clear(),
            }
        }
        self.disk.read_at(file, position, length, &mut bytes)?;
        Ok(bytes)
    }
}
