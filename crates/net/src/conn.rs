//! Frames on a socket: bytes in, complete length-prefixed frames out, without copying large ones.
//!
//! Owns a connection's receive memory. Most of the time that is none: bytes arrive in a block shared by all
//! connections of a thread, complete frames are split off it, and only the beginning of an incomplete frame
//! moves to memory of its own, which grows with the data received and never from a declared length.
//! Never looks into a frame.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Caps on what the other side may send.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// Largest frame accepted (`socket.request.max.bytes`).
    pub max_bytes: usize,
}

/// A length prefix that no honest client sends. The connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFrame {
    /// The declared length.
    pub length: i32,
    /// The cap in force.
    pub max_bytes: usize,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame length {} is outside 0..={}", self.length, self.max_bytes)
    }
}

impl std::error::Error for BadFrame {}

/// The thread's shared receive block: several 16 KiB requests per read, few blocks per thread.
const BLOCK_BYTES: usize = 256 * 1024;

/// A new block is begun when less than this is left of the old one.
const BLOCK_LEFT_MIN: usize = 64 * 1024;

/// Frames up to this size are copied out of the block, so that a small request that stays parked for minutes
/// (a join, a long poll) never pins 256 KiB.
const COPY_OUT_MAX: usize = 1024;

/// First memory of an incomplete frame; it doubles with the data received.
const PARTIAL_MIN: usize = 4 * 1024;

thread_local! {
    static BLOCK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Splits what a socket delivers into frames.
#[derive(Debug)]
pub struct FrameReader {
    limits: FrameLimits,
    /// Bytes received and not yet handed out. Empty while the connection is idle.
    pending: BytesMut,
    /// Whether `pending` is this connection's own growing memory (an incomplete frame), not a part of the block.
    own: bool,
    /// The size of the last large frame: a connection that has already delivered one may get the memory for the
    /// next in one piece. 0 while all frames are small.
    large_frame: usize,
}

impl FrameReader {
    /// A reader with nothing received.
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, pending: BytesMut::new(), own: false, large_frame: 0 }
    }

    /// Bytes received that do not make a complete frame yet.
    pub fn partial_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Memory this connection holds by itself.
    pub fn own_memory(&self) -> usize {
        if self.own { self.pending.capacity() } else { self.pending.len() }
    }

    /// Whether memory is kept for the next large frame although nothing is pending.
    pub fn keeps_memory(&self) -> bool {
        self.own && self.pending.is_empty()
    }

    /// Gives that memory back (the connection has been silent for a while).
    pub fn release(&mut self) {
        self.large_frame = 0;
        self.settle();
    }

    /// Reads once. `Ready(Ok(0))` is the end of the stream. Call `next_frame` until it gives `None` before calling
    /// this again.
    pub fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
    ) -> Poll<io::Result<usize>> {
        if self.pending.is_empty() && self.large_frame == 0 {
            self.poll_fill_block(cx, from)
        } else {
            self.make_room();
            pin!(from.read_buf(&mut self.pending)).poll(cx)
        }
    }

    fn poll_fill_block<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
    ) -> Poll<io::Result<usize>> {
        BLOCK.with_borrow_mut(|block| {
            if block.capacity() < BLOCK_LEFT_MIN {
                // Reclaims the block in place when all its frames are gone, else begins another.
                block.reserve(BLOCK_BYTES);
            }
            let read = pin!(from.read_buf(block)).poll(cx);
            if matches!(read, Poll::Ready(Ok(n)) if n > 0) {
                self.pending = block.split();
                self.own = false;
            }
            read
        })
    }

    /// Room for the rest of the incomplete frame, but never more than twice what has been received, unless this
    /// connection has delivered a frame of that size before.
    fn make_room(&mut self) {
        let received = self.pending.len();
        let whole = self.declared().map_or(PARTIAL_MIN, |length| length + 4);
        let trusted = (received * 2).max(PARTIAL_MIN).max(self.large_frame);
        let capacity = whole.max(self.large_frame).min(trusted).max(received + 1);
        if self.own && self.pending.capacity() >= capacity && self.pending.capacity() > received {
            return;
        }
        if self.own {
            self.pending.reserve(capacity - received);
        } else {
            let mut own = BytesMut::with_capacity(capacity);
            own.extend_from_slice(&self.pending);
            self.pending = own;
            self.own = true;
        }
    }

    fn declared(&self) -> Option<usize> {
        let prefix = self.pending.first_chunk::<4>()?;
        usize::try_from(i32::from_be_bytes(*prefix)).ok()
    }

    /// The next complete frame, without its length prefix.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, BadFrame> {
        self.next_frame_of(|_| false)
    }

    /// As [`FrameReader::next_frame`]; a small frame that `is_brief` knows to be done with soon is not copied out of the block.
    pub fn next_frame_of(&mut self, is_brief: impl Fn(&[u8]) -> bool) -> Result<Option<Bytes>, BadFrame> {
        let Some(prefix) = self.pending.first_chunk::<4>() else {
            self.settle();
            return Ok(None);
        };
        let declared = i32::from_be_bytes(*prefix);
        let length = match usize::try_from(declared) {
            Ok(length) if length <= self.limits.max_bytes => length,
            _ => return Err(BadFrame { length: declared, max_bytes: self.limits.max_bytes }),
        };
        if self.pending.len() - 4 < length {
            return Ok(None);
        }
        self.pending.advance(4);
        self.large_frame = if length > BLOCK_LEFT_MIN { length + 4 } else { 0 };
        let small = if length <= COPY_OUT_MAX { self.pending.get(..length) } else { None };
        if let Some(small) = small
            && !is_brief(small)
        {
            let frame = Bytes::copy_from_slice(small);
            self.pending.advance(length);
            return Ok(Some(frame));
        }
        Ok(Some(self.pending.split_to(length).freeze()))
    }

    /// Nothing is pending: let go of memory that an idle connection need not hold.
    fn settle(&mut self) {
        if self.pending.is_empty() && self.large_frame == 0 {
            self.pending = BytesMut::new();
            self.own = false;
        }
    }
}

#[cfg(test)]
mod tests;
