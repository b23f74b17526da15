//! Read buffers that go round on their thread. A fetch of a megabyte into fresh memory costs more in page faults than in copying;
//! here the memory of an answer comes back when the socket has taken its bytes. Owns spare memory, never contents.

use bytes::Bytes;
use std::cell::RefCell;
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

/// An empty buffer with room for so many bytes.
pub(crate) fn take(length: usize) -> Vec<u8> {
    if length < POOLED_BYTES_MIN {
        return Vec::with_capacity(length);
    }
    let spare = SPARE.try_with(|spare| spare.borrow_mut().take(length));
    match spare {
        Ok(Some(buffer)) => buffer,
        // A little more, so that the next read of about this size finds it large enough.
        Ok(None) | Err(_) => Vec::with_capacity(length.next_multiple_of(POOLED_BYTES_MIN)),
    }
}

/// Shares a buffer's contents; its memory comes back to the thread that drops the last reference.
pub(crate) fn share(buffer: Vec<u8>) -> Bytes {
    if buffer.capacity() < POOLED_BYTES_MIN { Bytes::from(buffer) } else { Bytes::from_owner(Shared(buffer)) }
}

struct Shared(Vec<u8>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        // A thread that is ending keeps nothing.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().keep(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_last_reference_goes_and_never_without_bound() {
        let mut buffer = take(100_000);
        buffer.resize(100_000, 7);
        let address = buffer.as_ptr();
        let shared = share(buffer);
        let part = shared.slice(5..10);
        drop(shared);
        let other = take(100_000);
        assert_ne!(other.as_ptr(), address);
        assert_eq!(part[..], [7; 5]);
        drop(part);
        let again = take(90_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        for _ in 0..100 {
            let many: Vec<_> = (0..40).map(|_| share(take(1 << 20))).collect();
            drop(many);
        }
        let kept = SPARE.with_borrow(|spare| (spare.bytes, spare.buffers.iter().map(Vec::capacity).sum()));
        assert_eq!(kept.0, kept.1);
        assert!((8 << 20..=SPARE_BYTES_MAX).contains(&kept.0), "{kept:?}");
    }

    #[test]
    fn a_small_read_takes_no_large_buffer() {
        drop(share(take(1 << 20)));
        assert!(take(40_000).capacity() < 1 << 20);
        assert!(take(100).capacity() < POOLED_BYTES_MIN);
    }
}
