//! Receive memory that goes round on its thread: a block is lent out as [`Bytes`] and comes back when the last frame of it is gone.
//!
//! Owns spare blocks, never contents. A block is wiped once, when it is made: what a socket reads into it is what is handed out.

use std::cell::RefCell;

use bytes::Bytes;

/// Bytes of an ordinary block: several 16 KiB requests per read.
pub(crate) const BLOCK_BYTES: usize = 256 * 1024;

/// Spare ordinary blocks of a thread; most of the time one is enough, frames that wait for the platter hold some.
const BLOCKS_MAX: usize = 4;

/// Spare memory for large frames, of a thread.
const LARGE_BYTES_MAX: usize = 8 << 20;
const _: () = assert!(2 * BLOCK_BYTES <= LARGE_BYTES_MAX, "there is room for large ones at all");

#[derive(Default)]
struct Spare {
    blocks: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    large_bytes: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::new(Spare::default());
}

/// Memory of at least so many bytes, of whatever content; all of it may be read into.
pub(crate) fn take(bytes: usize) -> Vec<u8> {
    let ordinary = bytes <= BLOCK_BYTES;
    let spare = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if ordinary {
            return spare.blocks.pop();
        }
        let fits = |memory: &Vec<u8>| (bytes..=bytes.saturating_mul(2)).contains(&memory.len());
        let at = spare.large.iter().position(fits)?;
        let memory = spare.large.swap_remove(at);
        assert!(spare.large_bytes >= memory.len(), "memory: spare bytes are miscounted");
        spare.large_bytes -= memory.len();
        Some(memory)
    });
    match spare {
        Ok(Some(memory)) => memory,
        Ok(None) | Err(_) => vec![0; bytes.max(BLOCK_BYTES)],
    }
}

/// Gives back what [`take`] gave. Memory beyond what a thread keeps is freed.
pub(crate) fn give_back(memory: Vec<u8>) {
    // A thread that ends has no use for it.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if memory.len() == BLOCK_BYTES {
            if spare.blocks.len() < BLOCKS_MAX {
                spare.blocks.push(memory);
            }
        } else if memory.len() > BLOCK_BYTES && spare.large_bytes + memory.len() <= LARGE_BYTES_MAX {
            spare.large_bytes += memory.len();
            spare.large.push(memory);
        }
    });
}

/// The first `length` bytes, shared; the memory goes back to the thread that drops the last of them.
pub(crate) fn lend(memory: Vec<u8>, length: usize) -> Bytes {
    let mut bytes = Bytes::from_owner(Lent(memory));
    bytes.truncate(length);
    bytes
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare() -> (usize, usize) {
        SPARE.with_borrow(|spare| (spare.blocks.len(), spare.large_bytes))
    }

    #[test]
    fn a_block_comes_back_with_its_last_slice() {
        let whole = lend(take(100), 50);
        let slice = whole.slice(10..20);
        assert_eq!((whole.len(), slice.len()), (50, 10));
        drop(whole);
        assert_eq!(spare(), (0, 0));
        drop(slice);
        assert_eq!(spare(), (1, 0));
        assert_eq!(take(1).len(), BLOCK_BYTES);
        assert_eq!(spare(), (0, 0));
    }

    #[test]
    fn a_thread_keeps_little() {
        let blocks: Vec<_> = (0..10).map(|_| take(BLOCK_BYTES)).collect();
        blocks.into_iter().for_each(give_back);
        let large: Vec<_> = (0..10).map(|_| take(1 << 20)).collect();
        large.into_iter().for_each(give_back);
        assert_eq!(spare(), (BLOCKS_MAX, LARGE_BYTES_MAX));
        // Neither much too large nor too small for what is asked.
        assert_eq!(take(600 << 10).len(), 1 << 20);
        assert_eq!(take(400 << 10).len(), 400 << 10);
        assert_eq!(take((1 << 20) + 1).len(), (1 << 20) + 1);
    }
}
