//! The sparse offset and time indexes. An entry lives in memory until its block is written; lookups below that read the file by
//! halves, so a sealed segment keeps nothing in memory. An index is a cache: readers check what it says against the log.

use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use crate::source::Source;
use std::io::IoSlice;

/// Entries kept in memory before they go to the file in one write.
const TAIL_ENTRIES: usize = 512;

/// A fixed-size entry, ordered by its key.
pub(crate) trait Entry: Copy + std::fmt::Debug + PartialEq {
    const BYTES: usize;
    /// Entries that `Log` compares: relative offset or timestamp.
    fn key(&self) -> i64;
    fn write(&self, out: &mut Vec<u8>);
    /// `None` if there are too few bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// `.index`: the batch (or batches) ending at `relative` begin at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of the append, less the segment's base offset.
    pub relative: u32,
    pub position: u32,
}

/// `.timeindex`: `timestamp` is the largest up to and including `relative`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub timestamp: i64,
    pub relative: u32,
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn key(&self) -> i64 {
        i64::from(self.relative)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<OffsetEntry> {
        let (relative, rest) = bytes.split_first_chunk::<4>()?;
        let position = rest.first_chunk::<4>()?;
        Some(OffsetEntry { relative: u32::from_be_bytes(*relative), position: u32::from_be_bytes(*position) })
    }
}

const _: () = assert!(OffsetEntry::BYTES == size_of::<u32>() + size_of::<u32>());
const _: () = assert!(TimeEntry::BYTES == size_of::<i64>() + size_of::<u32>());

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn key(&self) -> i64 {
        self.timestamp
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<TimeEntry> {
        let (timestamp, rest) = bytes.split_first_chunk::<8>()?;
        let relative = rest.first_chunk::<4>()?;
        Some(TimeEntry { timestamp: i64::from_be_bytes(*timestamp), relative: u32::from_be_bytes(*relative) })
    }
}

/// One index file: `on_disk` entries in it, the rest in `tail`.
#[derive(Debug)]
pub(crate) struct SparseIndex<E> {
    pub file: FileHandle,
    on_disk: usize,
    tail: Vec<E>,
    /// The last entry, wherever it is.
    last: Option<E>,
    /// The file was made (by us or found).
    exists: bool,
}

impl<E: Entry> SparseIndex<E> {
    /// An index without entries; no file is made for it yet.
    pub fn new(file: FileHandle) -> SparseIndex<E> {
        SparseIndex { file, on_disk: 0, tail: Vec::new(), last: None, exists: false }
    }

    /// Takes an existing file of so many bytes as it is. Odd bytes at the end are ignored and overwritten.
    pub fn trust(file: FileHandle, bytes: u64, disk: &dyn Disk) -> Result<SparseIndex<E>, Fault> {
        let on_disk = usize::try_from(bytes).unwrap_or(usize::MAX) / E::BYTES;
        let mut index = SparseIndex { file, on_disk, tail: Vec::new(), last: None, exists: true };
        if on_disk > 0 {
            index.last = index.read(Source::of(disk), on_disk - 1)?;
        }
        Ok(index)
    }

    pub fn len(&self) -> usize {
        self.on_disk + self.tail.len()
    }

    pub fn last(&self) -> Option<E> {
        self.last
    }

    /// One more entry would pass the file's size bound.
    pub fn is_full(&self, max_bytes: u32) -> bool {
        (self.len() + 1) * E::BYTES > max_bytes as usize
    }

    pub fn push(&mut self, entry: E, disk: &dyn Disk) -> Result<(), Fault> {
        self.tail.push(entry);
        self.last = Some(entry);
        if self.tail.len() >= TAIL_ENTRIES { self.write_out(disk) } else { Ok(()) }
    }

    /// Brings the tail to the file (created if need be) and lets its memory go.
    pub fn write_out(&mut self, disk: &dyn Disk) -> Result<(), Fault> {
        if !self.exists {
            disk.create(&self.file)?;
            self.exists = true;
        }
        if !self.tail.is_empty() {
            let mut bytes = Vec::with_capacity(self.tail.len() * E::BYTES);
            self.tail.iter().for_each(|entry| entry.write(&mut bytes));
            disk.write_at(&self.file, (self.on_disk * E::BYTES) as u64, &mut [IoSlice::new(&bytes)])?;
            self.on_disk += self.tail.len();
            self.tail.clear();
        }
        Ok(())
    }

    /// Writes out, cuts whatever lies behind the last entry and frees the memory: the segment is sealed or closed.
    pub fn seal(&mut self, disk: &dyn Disk) -> Result<(), Fault> {
        self.write_out(disk)?;
        let bytes = (self.on_disk * E::BYTES) as u64;
        if disk.length(&self.file)? != bytes {
            disk.set_length(&self.file, bytes)?;
        }
        self.tail = Vec::new();
        Ok(())
    }

    /// The greatest entry whose key is at most `key`.
    pub fn floor(&self, key: i64, source: Source<'_>) -> Result<Option<E>, Fault> {
        let in_tail = self.tail.partition_point(|entry| entry.key() <= key);
        if in_tail > 0 {
            return Ok(self.tail.get(in_tail - 1).copied());
        }
        let (mut low, mut high) = (0, self.on_disk);
        let mut found = None;
        // Halve on the file until one block is left, then search that in memory.
        const BLOCK: usize = 512;
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            match self.read(source, middle)? {
                Some(entry) if entry.key() <= key => {
                    found = Some(entry);
                    low = middle + 1;
                }
                Some(_) | None => high = middle,
            }
        }
        // Searched as it lies: to decode a whole block costs more than to read it.
        let block = self.bytes_of(source, low, high - low)?;
        let (mut low, mut high) = (0, block.len() / E::BYTES);
        while low < high {
            let middle = low + (high - low) / 2;
            match block.get(middle * E::BYTES..).and_then(E::read) {
                Some(entry) if entry.key() <= key => {
                    found = Some(entry);
                    low = middle + 1;
                }
                Some(_) | None => high = middle,
            }
        }
        Ok(found)
    }

    /// Drops entries from the first that `keep` refuses (keys and positions only grow).
    pub fn truncate(&mut self, keep: impl Fn(&E) -> bool, disk: &dyn Disk) -> Result<(), Fault> {
        let kept = self.tail.partition_point(&keep);
        if kept == 0 {
            let entries = self.read_range(disk, 0, self.on_disk)?;
            let on_disk = entries.partition_point(&keep);
            self.on_disk = on_disk;
            self.last = on_disk.checked_sub(1).and_then(|at| entries.get(at).copied());
        } else {
            self.last = self.tail.get(kept - 1).copied();
        }
        self.tail.truncate(kept);
        // The file must not keep entries of batches that are gone: a crash would leave them behind as if they were good.
        if self.exists {
            disk.set_length(&self.file, (self.on_disk * E::BYTES) as u64)?;
        }
        Ok(())
    }

    /// Every entry.
    #[cfg(test)]
    pub fn entries(&self, disk: &dyn Disk) -> Result<Vec<E>, Fault> {
        let mut entries = self.read_range(disk, 0, self.on_disk)?;
        entries.extend_from_slice(&self.tail);
        Ok(entries)
    }

    /// Forgets everything; the file is overwritten from its beginning.
    pub fn reset(&mut self, disk: &dyn Disk) -> Result<(), Fault> {
        self.truncate(|_| false, disk)
    }

    fn read(&self, source: Source<'_>, at: usize) -> Result<Option<E>, Fault> {
        Ok(E::read(&self.bytes_of(source, at, 1)?))
    }

    fn read_range(&self, disk: &dyn Disk, at: usize, count: usize) -> Result<Vec<E>, Fault> {
        let bytes = self.bytes_of(Source::of(disk), at, count)?;
        Ok(bytes.chunks_exact(E::BYTES).filter_map(E::read).collect())
    }

    fn bytes_of(&self, source: Source<'_>, at: usize, count: usize) -> Result<Vec<u8>, Fault> {
        match count {
            0 => Ok(Vec::new()),
            _ => source.read(&self.file, (at * E::BYTES) as u64, count * E::BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_disk::SimDisk;

    fn filled(count: u32, disk: &SimDisk) -> SparseIndex<OffsetEntry> {
        let mut index = SparseIndex::new(FileHandle::new("/i"));
        for at in 0..count {
            index.push(OffsetEntry { relative: at * 10 + 5, position: at * 100 }, disk).unwrap();
        }
        index
    }

    #[test]
    fn floor_finds_the_entry_in_memory_and_in_the_file() {
        for count in [0, 1, 2, 511, 512, 513, 5000] {
            let disk = SimDisk::new(1);
            let mut index = filled(count, &disk);
            for round in 0..2 {
                for key in [-1, 0, 4, 5, 14, 15, 5124, 25000, 49995, 60000] {
                    let expected = (0..count).rev().find(|at| i64::from(at * 10 + 5) <= key);
                    let found = index.floor(key, Source::of(&disk)).unwrap();
                    assert_eq!(
                        found.map(|entry| entry.position),
                        expected.map(|at| at * 100),
                        "{count} {key} {round}"
                    );
                }
                index.seal(&disk).unwrap();
            }
        }
    }

    #[test]
    fn truncation_reaches_the_file() {
        let disk = SimDisk::new(1);
        for (count, keep) in [(5000, 4990), (5000, 513), (5000, 10), (300, 0), (300, 299)] {
            let mut index = filled(count, &disk);
            index.truncate(|entry| entry.position < keep * 100, &disk).unwrap();
            assert_eq!(index.len(), keep as usize);
            assert_eq!(index.last().map(|entry| entry.position), keep.checked_sub(1).map(|at| at * 100));
            index.push(OffsetEntry { relative: 60_000, position: 600_000 }, &disk).unwrap();
            index.seal(&disk).unwrap();
            let length = disk.length(&index.file).unwrap();
            let trusted = SparseIndex::<OffsetEntry>::trust(index.file.clone(), length, &disk).unwrap();
            assert_eq!(trusted.entries(&disk).unwrap().len(), keep as usize + 1);
            assert_eq!(trusted.last(), Some(OffsetEntry { relative: 60_000, position: 600_000 }));
            disk.remove(&index.file).unwrap();
        }
    }
}
