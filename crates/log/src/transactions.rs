//! The aborted-transaction index (`.txnindex`, KIP-98): which transactions a read_committed reader must filter. Entries go to the
//! file as they come; nothing stays in memory. Never talks to a coordinator.

use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use std::io::IoSlice;

/// Bytes of an entry: version, producer id, first, last and last stable offset.
pub(crate) const ENTRY_BYTES: usize = 34;

const _: () = assert!(ENTRY_BYTES == 2 + 4 * 8);

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// First offset of its data.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
    /// The last stable offset when the marker was written: nothing later can abort below it.
    pub last_stable_offset: i64,
}

impl AbortedTransaction {
    fn write(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0u8; ENTRY_BYTES];
        for (field, value) in [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset]
            .iter()
            .enumerate()
        {
            let at = 2 + field * 8;
            if let Some(target) = bytes.get_mut(at..at + 8) {
                target.copy_from_slice(&value.to_be_bytes());
            }
        }
        bytes
    }

    /// `None` for an entry of another version or a torn one.
    fn read(bytes: &[u8]) -> Option<AbortedTransaction> {
        let (version, rest) = bytes.split_first_chunk::<2>()?;
        let mut fields =
            rest.chunks_exact(8).filter_map(|chunk| Some(i64::from_be_bytes(*chunk.first_chunk()?)));
        let entry = AbortedTransaction {
            producer_id: fields.next()?,
            first_offset: fields.next()?,
            last_offset: fields.next()?,
            last_stable_offset: fields.next()?,
        };
        (*version == [0, 0]).then_some(entry)
    }
}

/// One segment's aborted transactions.
#[derive(Debug)]
pub(crate) struct TransactionIndex {
    pub file: FileHandle,
    entries: usize,
    exists: bool,
}

impl TransactionIndex {
    pub fn new(file: FileHandle) -> TransactionIndex {
        TransactionIndex { file, entries: 0, exists: false }
    }

    pub fn trust(file: FileHandle, bytes: u64) -> TransactionIndex {
        let entries = usize::try_from(bytes).unwrap_or(usize::MAX) / ENTRY_BYTES;
        TransactionIndex { file, entries, exists: true }
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn push(&mut self, entry: AbortedTransaction, disk: &dyn Disk) -> Result<(), Fault> {
        if !self.exists {
            disk.create(&self.file)?;
            self.exists = true;
        }
        let position = (self.entries * ENTRY_BYTES) as u64;
        disk.write_at(&self.file, position, &mut [IoSlice::new(&entry.write())])?;
        self.entries += 1;
        Ok(())
    }

    pub fn entries(&self, disk: &dyn Disk) -> Result<Vec<AbortedTransaction>, Fault> {
        if self.entries == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        disk.read_at(&self.file, 0, self.entries * ENTRY_BYTES, &mut bytes)?;
        // Entries end in offset order; whatever does not follow is a torn tail.
        let mut last_offset = -1;
        let sound = |entry: &AbortedTransaction| {
            entry.last_offset > std::mem::replace(&mut last_offset, entry.last_offset)
        };
        Ok(bytes.chunks_exact(ENTRY_BYTES).map_while(AbortedTransaction::read).take_while(sound).collect())
    }

    /// Drops transactions that ended at or after `offset`.
    pub fn truncate(&mut self, offset: i64, disk: &dyn Disk) -> Result<(), Fault> {
        if self.exists {
            let entries = self.entries(disk)?;
            self.entries = entries.iter().take_while(|entry| entry.last_offset < offset).count();
            disk.set_length(&self.file, (self.entries * ENTRY_BYTES) as u64)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_disk::SimDisk;

    #[test]
    fn entries_come_back_and_are_cut_by_their_last_offset() {
        let disk = SimDisk::new(1);
        let mut index = TransactionIndex::new(FileHandle::new("/t"));
        for at in 0..5 {
            let entry = AbortedTransaction {
                producer_id: at,
                first_offset: at * 10,
                last_offset: at * 10 + 5,
                last_stable_offset: at * 10 + 6,
            };
            index.push(entry, &disk).unwrap();
        }
        let length = disk.length(&index.file).unwrap();
        assert_eq!(length, 5 * 34);
        index.truncate(25, &disk).unwrap();
        let trusted = TransactionIndex::trust(index.file.clone(), disk.length(&index.file).unwrap());
        let producers: Vec<i64> =
            trusted.entries(&disk).unwrap().iter().map(|entry| entry.producer_id).collect();
        assert_eq!(producers, [0, 1]);
    }
}
