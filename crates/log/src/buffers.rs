//! Read buffers that go round. A fetch of a megabyte into fresh memory costs more in page faults than in copying; here the memory of
//! an answer comes back when the socket has taken its bytes, for whichever thread reads next: what the pool reads is written by
//! a connection's thread. Owns spare memory and the count of what is lent, never contents.

use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Smaller reads take memory from the allocator, which is good at them: a parked small answer must not pin a large buffer.
const POOLED_BYTES_MIN: usize = 32 << 10;

/// Spare memory that is kept: two answers with the default of a megabyte from each of sixteen partitions.
const SPARE_BYTES_MAX: usize = 34 << 20;

const _: () = assert!(POOLED_BYTES_MIN <= SPARE_BYTES_MAX, "a buffer that is worth keeping can be kept");

/// Spare buffers and what they hold.
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    const fn new() -> Spare {
        Spare { buffers: Vec::new(), bytes: 0 }
    }

    /// Keeps it, or gives it back to be freed where no lock is held.
    fn keep(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = buffer.capacity();
        if self.bytes + bytes > SPARE_BYTES_MAX {
            return Some(buffer);
        }
        self.bytes += bytes;
        self.buffers.push(buffer);
        None
    }

    /// What came back last is warm.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| (length..=length.saturating_mul(4)).contains(&buffer.capacity());
        let at = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(at);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }
}

static SPARE: Mutex<Spare> = Mutex::new(Spare::new());

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
    let spare = SPARE.lock().take(length);
    let bytes = match spare {
        Some(mut bytes) => {
            if bytes.len() < length {
                bytes.resize(length, 0);
            }
            bytes
        }
        // A little more, so that the next read of about this size finds it large enough.
        None => vec![0; length.next_multiple_of(POOLED_BYTES_MIN)],
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

    /// Reads from the file what comes after the first `done` bytes, which are there, waiting for the platter if need be. False if the
    /// file ends before.
    pub fn read_on(
        &mut self,
        done: usize,
        disk: &dyn Disk,
        file: &FileHandle,
        position: u64,
    ) -> Result<bool, Fault> {
        self.bytes.truncate(done);
        let missing = self.length.saturating_sub(done);
        let read = done + disk.read_at(file, position + done as u64, missing, &mut self.bytes)?;
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
            // Freed, if it is too much, where the lock is not held any more.
            let too_much = SPARE.lock().keep(bytes);
            drop(too_much);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_with_the_last_reference() {
        let goes_round = |length: usize| {
            let mut buffer = take(length);
            buffer.room().fill(7);
            let address = buffer.bytes().as_ptr() as usize;
            let shared = buffer.share(None);
            let part = shared.slice(5..10);
            drop(shared);
            assert_ne!(take(length).bytes().as_ptr() as usize, address, "it is still lent");
            assert_eq!(part[..], [7; 5]);
            drop(part);
            let again = take(length - 50_000);
            (again.bytes().as_ptr() as usize, again.bytes().len()) == (address, length - 50_000)
        };
        // Another test may take what came back first.
        assert!((0..100).any(|_| goes_round(777_777)));
    }

    #[test]
    fn spare_memory_has_a_bound_and_what_came_back_last_goes_first() {
        let mut spare = Spare::new();
        let freed = (0..100).filter_map(|_| spare.keep(vec![0; 1 << 20])).count();
        assert_eq!((freed, spare.bytes), (66, SPARE_BYTES_MAX));
        assert_eq!(spare.take(100_000), None, "much too large for it");
        let last = spare.buffers.last().unwrap().as_ptr();
        let taken = spare.take(1 << 20).unwrap();
        assert_eq!(taken.as_ptr(), last);
        assert_eq!(spare.bytes, SPARE_BYTES_MAX - (1 << 20));
    }

    #[test]
    fn a_small_read_takes_no_large_buffer() {
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
