//! Read buffers that go round on their thread. A fetch of a megabyte into fresh memory costs more in page faults than in copying;
//! here the memory of an answer comes back when the socket has taken its bytes. Owns spare memory and the count of what is lent,
//! never contents.

use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use bytes::Bytes;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Smaller reads take memory from the allocator, which is good at them: a parked small answer must not pin a large buffer.
const POOLED_BYTES_MIN: usize = 32 << 10;

/// Spare memory that a thread keeps: one answer with the default of a megabyte from each of sixteen partitions.
const SPARE_BYTES_MAX: usize = 17 << 20;

/// What all threads keep together.
const SPARE_BYTES_IN_ALL_MAX: usize = 2 * SPARE_BYTES_MAX;

static SPARE_BYTES_IN_ALL: AtomicUsize = AtomicUsize::new(0);

/// Spare buffers and what they hold.
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    fn keep(&mut self, buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if self.bytes + bytes > SPARE_BYTES_MAX {
            return;
        }
        // No order with other memory is needed: it is a bound, not a lock.
        if SPARE_BYTES_IN_ALL.fetch_add(bytes, Ordering::Relaxed) + bytes > SPARE_BYTES_IN_ALL_MAX {
            SPARE_BYTES_IN_ALL.fetch_sub(bytes, Ordering::Relaxed);
            return;
        }
        self.bytes += bytes;
        self.buffers.push(buffer);
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| (length..=length.saturating_mul(4)).contains(&buffer.capacity());
        let at = self.buffers.iter().position(fits)?;
        let buffer = self.buffers.swap_remove(at);
        self.forget(buffer.capacity());
        Some(buffer)
    }

    fn forget(&mut self, bytes: usize) {
        self.bytes -= bytes;
        SPARE_BYTES_IN_ALL.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.forget(self.bytes);
    }
}

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { buffers: Vec::new(), bytes: 0 }) };
}

/// Bytes that were read and that sockets have not taken yet, of all who read for the same purpose.
#[derive(Debug)]
pub struct ReadMemory {
    limit: usize,
    lent: AtomicUsize,
}

/// A reader gets at most this part of what is free, so that many who never take their answers cannot have it all.
const SHARE_OF_FREE: usize = 4;

impl ReadMemory {
    /// So many bytes, to be lent.
    pub fn new(limit: usize) -> Arc<ReadMemory> {
        Arc::new(ReadMemory { limit, lent: AtomicUsize::new(0) })
    }

    /// Bytes lent now.
    pub fn lent(&self) -> usize {
        self.lent.load(Ordering::Relaxed)
    }

    /// What one reader may take now. Nothing is reserved by asking: it is a bound on the whole, not an account to the byte.
    pub fn share(&self) -> usize {
        self.limit.saturating_sub(self.lent()) / SHARE_OF_FREE
    }
}

/// Memory to read into: `length` bytes of whatever content.
pub(crate) struct Buffer {
    /// At least `length`, all of it written at some time: what goes round is not wiped again.
    bytes: Vec<u8>,
    length: usize,
}

/// A buffer of so many bytes.
pub(crate) fn take(length: usize) -> Buffer {
    if length < POOLED_BYTES_MIN {
        return Buffer { bytes: vec![0; length], length };
    }
    let spare = SPARE.try_with(|spare| spare.borrow_mut().take(length));
    let bytes = match spare {
        Ok(Some(mut bytes)) => {
            if bytes.len() < length {
                bytes.resize(length, 0);
            }
            bytes
        }
        // A little more, so that the next read of about this size finds it large enough.
        Ok(None) | Err(_) => vec![0; length.next_multiple_of(POOLED_BYTES_MIN)],
    };
    Buffer { bytes, length }
}

impl Buffer {
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Where to read to.
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    /// Reads from the file, waiting for the platter if need be. False if the file ends before.
    pub fn read(&mut self, disk: &dyn Disk, file: &FileHandle, position: u64) -> Result<bool, Fault> {
        self.bytes.clear();
        let read = disk.read_at(file, position, self.length, &mut self.bytes)?;
        let whole = read >= self.length;
        self.length = read;
        Ok(whole)
    }

    /// Shares the contents; the memory comes back to the thread that drops the last reference.
    pub fn share(self, memory: Option<&Arc<ReadMemory>>) -> Bytes {
        let Buffer { mut bytes, length } = self;
        if memory.is_none() && bytes.capacity() < POOLED_BYTES_MIN {
            bytes.truncate(length);
            return Bytes::from(bytes);
        }
        if let Some(memory) = memory {
            memory.lent.fetch_add(bytes.capacity(), Ordering::Relaxed);
        }
        let mut shared = Bytes::from_owner(Shared { bytes, memory: memory.cloned() });
        shared.truncate(length);
        shared
    }
}

struct Shared {
    bytes: Vec<u8>,
    memory: Option<Arc<ReadMemory>>,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Some(memory) = &self.memory {
            memory.lent.fetch_sub(bytes.capacity(), Ordering::Relaxed);
        }
        if bytes.capacity() >= POOLED_BYTES_MIN {
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| spare.borrow_mut().keep(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_last_reference_goes_and_never_without_bound() {
        let mut buffer = take(100_000);
        buffer.room().fill(7);
        let address = buffer.bytes().as_ptr();
        let shared = buffer.share(None);
        let part = shared.slice(5..10);
        drop(shared);
        let other = take(100_000);
        assert_ne!(other.bytes().as_ptr(), address);
        assert_eq!(part[..], [7; 5]);
        drop(part);
        let again = take(90_000);
        assert_eq!((again.bytes().as_ptr(), again.bytes().len()), (address, 90_000));
        for _ in 0..100 {
            let many: Vec<_> = (0..40).map(|_| take(1 << 20).share(None)).collect();
            drop(many);
        }
        let kept = SPARE.with_borrow(|spare| (spare.bytes, spare.buffers.iter().map(Vec::capacity).sum()));
        assert_eq!(kept.0, kept.1);
        assert!((8 << 20..=SPARE_BYTES_MAX).contains(&kept.0), "{kept:?}");
    }

    #[test]
    fn a_small_read_takes_no_large_buffer() {
        drop(take(1 << 20).share(None));
        assert!(take(40_000).bytes.capacity() < 1 << 20);
        assert!(take(100).bytes.capacity() < POOLED_BYTES_MIN);
    }

    #[test]
    fn what_is_lent_counts_until_the_last_reference_goes_and_leaves_little_for_the_next() {
        let memory = ReadMemory::new(1 << 20);
        assert_eq!(memory.share(), 256 << 10);
        let small = take(1_000).share(Some(&memory));
        assert_eq!((small.len(), memory.lent()), (1_000, 1_000));
        let large = take(256 << 10).share(Some(&memory));
        assert!(memory.share() < 200 << 10);
        let part = large.slice(..1);
        drop((small, large));
        assert!(memory.lent() >= 256 << 10);
        drop(part);
        assert_eq!(memory.lent(), 0);
    }
}
