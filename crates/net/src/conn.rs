//! Frames on a socket: bytes in, complete length-prefixed frames out, without copying large ones.
//!
//! Owns a connection's receive memory. Most of the time that is none: bytes arrive in a block shared by all
//! connections of a thread, complete frames are split off it, and only the beginning of an incomplete frame
//! moves to memory of its own, which grows with the data received and never from a declared length.
//! Never looks into a frame.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};

use crate::memory;
use crate::stream::Stream;

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

/// What a peer speaks whose first bytes are no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignProtocol {
    /// A record of TLS: a handshake, an alert.
    Tls,
    /// A request or an answer of HTTP.
    Http,
}

impl fmt::Display for ForeignProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForeignProtocol::Tls => "TLS",
            ForeignProtocol::Http => "HTTP",
        })
    }
}

/// How requests of HTTP begin, its answers, and the preface of HTTP/2.
const HTTP_BEGINS: [&[u8; 4]; 11] =
    [b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"CONN", b"OPTI", b"TRAC", b"PATC", b"PRI ", b"HTTP"];

impl BadFrame {
    /// The protocol that these four bytes begin, where they are known.
    pub fn foreign_protocol(&self) -> Option<ForeignProtocol> {
        match self.length.to_be_bytes() {
            // Alert or handshake, of any version from SSL 3.0 to TLS 1.3.
            [0x15 | 0x16, 3, 0..=4, _] => Some(ForeignProtocol::Tls),
            bytes if HTTP_BEGINS.contains(&&bytes) => Some(ForeignProtocol::Http),
            _other => None,
        }
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.foreign_protocol() {
            Some(foreign) => write!(f, "the other side speaks {foreign}, and this one plaintext Kafka"),
            None => write!(f, "frame length {} is outside 0..={}", self.length, self.max_bytes),
        }
    }
}

impl std::error::Error for BadFrame {}

/// Frames up to this size are copied out of the block, so that a small request that stays parked for minutes
/// (a join, a long poll) never pins 256 KiB.
const COPY_OUT_MAX: usize = 1024;

/// First memory of an incomplete frame; it doubles with the data received.
const PARTIAL_MIN: usize = 4 * 1024;

/// Frames above this size are received in memory of their own from the beginning, once a connection has sent one.
const LARGE_MIN: usize = 64 * 1024;
const _: () = {
    assert!(
        COPY_OUT_MAX < PARTIAL_MIN,
        "what is copied out is less than what the beginning of a frame may take"
    );
    assert!(
        PARTIAL_MIN < LARGE_MIN && LARGE_MIN <= memory::BLOCK_BYTES,
        "what is not large fits into a block"
    );
};

/// Splits what a socket delivers into frames.
#[derive(Debug)]
pub struct FrameReader {
    limits: FrameLimits,
    /// Received and not yet handed out. Empty while the connection is idle.
    pending: Bytes,
    /// The beginning of an incomplete frame in memory of its own. Invariant: empty, or `pending` is.
    own: Vec<u8>,
    /// How much of `own` has been received.
    filled: usize,
    /// The size of the last large frame: a connection that has already delivered one may get the memory for the
    /// next in one piece. 0 while all frames are small.
    large_frame: usize,
    /// A stranger's: no block, whose rest would be held while it waits for room.
    is_sparing: bool,
}

impl FrameReader {
    /// A reader with nothing received.
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, pending: Bytes::new(), own: Vec::new(), filled: 0, large_frame: 0, is_sparing: false }
    }

    /// The same of a stranger: it reads a little at a time, into memory that is no larger than what has come twice over.
    pub fn sparing(mut self) -> Self {
        self.is_sparing = true;
        self
    }

    /// Other limits from the next frame on, of somebody who is no stranger.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
        self.is_sparing = false;
    }

    /// Bytes received that do not make a complete frame yet.
    pub fn partial_bytes(&self) -> usize {
        self.pending.len() + self.filled
    }

    /// Memory this connection holds by itself.
    pub fn own_memory(&self) -> usize {
        self.pending.len() + self.own.len()
    }

    /// Reads once. `Ready(Ok(0))` is the end of the stream. Call `next_frame` until it gives `None` before calling
    /// this again.
    pub fn poll_fill<S: Stream>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<io::Result<usize>> {
        if self.partial_bytes() == 0 && self.large_frame == 0 && !self.is_sparing {
            return self.poll_fill_block(cx, from);
        }
        let room = self.make_room();
        let read = from.poll_read(cx, self.own.get_mut(self.filled..room).unwrap_or_default());
        match read {
            Poll::Ready(Ok(read)) => self.filled += read,
            // Memory for a large frame that has not begun to come is not held.
            Poll::Pending | Poll::Ready(Err(_)) if self.filled == 0 => {
                memory::give_back(std::mem::take(&mut self.own))
            }
            Poll::Pending | Poll::Ready(Err(_)) => {}
        }
        read
    }

    fn poll_fill_block<S: Stream>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<io::Result<usize>> {
        let mut block = memory::take(memory::BLOCK_BYTES);
        let read = from.poll_read(cx, &mut block);
        match read {
            Poll::Ready(Ok(read)) if read > 0 => self.pending = memory::lend(block, read),
            Poll::Ready(_) | Poll::Pending => memory::give_back(block),
        }
        read
    }

    /// Room for the rest of the incomplete frame, but never more than twice what has been received, unless this
    /// connection has delivered a frame of that size before. Says where it ends.
    fn make_room(&mut self) -> usize {
        assert!(self.own.is_empty() || self.pending.is_empty(), "frames: one begins in two places");
        assert!(self.filled <= self.own.len(), "frames: more came than there was room for");
        let received = self.partial_bytes();
        let whole = self.declared().map_or(PARTIAL_MIN, |length| length + 4);
        let trusted = (received * 2).max(PARTIAL_MIN).max(self.large_frame);
        let room = whole.max(self.large_frame).min(trusted).max(received + 1);
        if self.own.is_empty() {
            self.own = if room > LARGE_MIN { memory::take(room) } else { vec![0; room] };
            self.filled = self.pending.len();
            self.own.get_mut(..self.filled).unwrap_or_default().copy_from_slice(&self.pending);
            self.pending = Bytes::new();
        } else if self.own.len() < room {
            self.own.resize(room, 0);
        }
        room
    }

    fn received(&self) -> &[u8] {
        if self.own.is_empty() { &self.pending } else { self.own.get(..self.filled).unwrap_or_default() }
    }

    fn declared(&self) -> Option<usize> {
        let prefix = self.received().first_chunk::<4>()?;
        usize::try_from(i32::from_be_bytes(*prefix)).ok()
    }

    /// The next complete frame, without its length prefix.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, BadFrame> {
        self.next_frame_of(|_| false)
    }

    /// As [`FrameReader::next_frame`]; a small frame that `is_brief` knows to be done with soon is not copied out of the block.
    pub fn next_frame_of(&mut self, is_brief: impl Fn(&[u8]) -> bool) -> Result<Option<Bytes>, BadFrame> {
        let Some(prefix) = self.received().first_chunk::<4>() else {
            return Ok(None);
        };
        let declared = i32::from_be_bytes(*prefix);
        let length = match usize::try_from(declared) {
            Ok(length) if length <= self.limits.max_bytes => length,
            _ => return Err(BadFrame { length: declared, max_bytes: self.limits.max_bytes }),
        };
        if self.partial_bytes() - 4 < length {
            return Ok(None);
        }
        if !self.own.is_empty() {
            self.pending = memory::lend(std::mem::take(&mut self.own), self.filled);
            self.filled = 0;
        }
        self.large_frame = if length > LARGE_MIN && !self.is_sparing { length + 4 } else { 0 };
        self.pending.advance(4);
        let frame = self.take(length);
        // Nobody knows how long a small one is held.
        let copied = length <= COPY_OUT_MAX && !is_brief(&frame);
        Ok(Some(if copied { Bytes::copy_from_slice(&frame) } else { frame }))
    }

    /// The first bytes of what is pending. The last of them take the block along: a connection at rest holds none of it.
    fn take(&mut self, length: usize) -> Bytes {
        if self.pending.len() == length {
            std::mem::take(&mut self.pending)
        } else {
            self.pending.split_to(length)
        }
    }
}

#[cfg(test)]
mod tests;
