//! Answers on their way out: a queue of `Bytes`, written with as few vectored writes as the socket allows.
//!
//! Owns what has been queued and not yet accepted by the socket. Never copies a large chunk.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use crate::stream::Stream;

/// Chunks handed to one system call. Linux takes 1,024; 64 slices fit a cache-friendly stack array and already
/// make the call's own cost disappear.
const SLICES_PER_WRITE: usize = 64;

/// After a burst the queue's own memory is given back above this capacity.
const QUEUE_CAPACITY_KEPT: usize = 64;

/// Small answers in a row are copied together up to this size.
const TOGETHER_BYTES: usize = 16 * 1024;

/// What is written next.
#[derive(Debug)]
enum Chunk {
    Shared(Bytes),
    /// Small answers, one after the other; `written` of them have been accepted by the socket.
    Together {
        bytes: Vec<u8>,
        written: usize,
    },
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        match self {
            Chunk::Shared(bytes) => bytes,
            Chunk::Together { bytes, written } => bytes.get(*written..).unwrap_or_default(),
        }
    }

    fn advance(&mut self, by: usize) {
        match self {
            Chunk::Shared(bytes) => bytes.advance(by),
            Chunk::Together { written, .. } => *written += by,
        }
    }
}

/// A queue of chunks to be written in order.
#[derive(Debug, Default)]
pub struct RopeWriter {
    /// Invariant: no chunk is empty.
    chunks: VecDeque<Chunk>,
    /// Invariant: the sum of the lengths of `chunks`.
    queued_bytes: usize,
}

impl RopeWriter {
    /// Queues one chunk.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.queued_bytes += chunk.len();
            self.chunks.push_back(Chunk::Shared(chunk));
        }
    }

    /// Queues a small answer: alone it leaves as it is, pipelined ones are copied together and leave as one chunk.
    pub fn push_small(&mut self, answer: Vec<u8>) {
        if answer.is_empty() {
            return;
        }
        self.queued_bytes += answer.len();
        match self.chunks.back_mut() {
            Some(Chunk::Together { bytes, .. }) if bytes.len() + answer.len() <= TOGETHER_BYTES => {
                bytes.extend_from_slice(&answer);
            }
            Some(_) | None => {
                self.chunks.push_back(Chunk::Together { bytes: answer, written: 0 });
            }
        }
    }

    /// Queues a whole rope.
    pub fn push_rope(&mut self, rope: Vec<Bytes>) {
        for chunk in rope {
            self.push(chunk);
        }
    }

    /// Bytes not yet accepted by the socket.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Writes until the queue is empty or the socket is full.
    pub fn poll_write<S: Stream>(&mut self, cx: &mut Context<'_>, to: &mut S) -> Poll<io::Result<()>> {
        while !self.chunks.is_empty() {
            let written = ready!(self.poll_write_once(cx, to))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(written);
        }
        if self.chunks.capacity() > QUEUE_CAPACITY_KEPT {
            self.chunks.shrink_to(QUEUE_CAPACITY_KEPT / 2);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_once<S: Stream>(&self, cx: &mut Context<'_>, to: &mut S) -> Poll<io::Result<usize>> {
        match self.chunks.len() {
            1 => self.poll_write_slices::<S, 1>(cx, to),
            // An answer with one large piece.
            2..=4 => self.poll_write_slices::<S, 4>(cx, to),
            _ => self.poll_write_slices::<S, SLICES_PER_WRITE>(cx, to),
        }
    }

    #[inline]
    fn poll_write_slices<S: Stream, const MOST: usize>(
        &self,
        cx: &mut Context<'_>,
        to: &mut S,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MOST];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk.rest());
            count += 1;
        }
        to.poll_write(cx, slices.get(..count).unwrap_or_default())
    }

    fn consume(&mut self, mut written: usize) {
        assert!(written <= self.queued_bytes, "rope: more was taken than there was");
        self.queued_bytes -= written;
        while let Some(front) = self.chunks.front_mut() {
            let rest = front.rest().len();
            if written < rest {
                front.advance(written);
                return;
            }
            written -= rest;
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn round_trip(chunks: Vec<Vec<u8>>, pipe_bytes: usize) {
        let whole: Vec<u8> = chunks.concat();
        let (mut a, mut b) = tokio::io::duplex(pipe_bytes);
        let mut rope = RopeWriter::default();
        rope.push_rope(chunks.into_iter().map(Bytes::from).collect());
        assert_eq!(rope.queued_bytes(), whole.len());
        let writer = async {
            std::future::poll_fn(|cx| rope.poll_write(cx, &mut a)).await.unwrap();
            drop(a);
            rope
        };
        let reader = async {
            let mut got = Vec::new();
            b.read_to_end(&mut got).await.unwrap();
            got
        };
        let (rope, got) = tokio::join!(writer, reader);
        assert!(rope.is_empty() && rope.queued_bytes() == 0);
        assert_eq!(got, whole);
    }

    #[tokio::test]
    async fn small_answers_leave_together_and_in_order_with_large_ones() {
        let mut rope = RopeWriter::default();
        let mut whole = Vec::new();
        for number in 0..3000u32 {
            let answer = number.to_be_bytes().repeat(1 + number as usize % 9);
            whole.extend_from_slice(&answer);
            if number % 1000 == 999 { rope.push(Bytes::from(answer)) } else { rope.push_small(answer) }
        }
        assert!(rope.chunks.len() < 12, "{}", rope.chunks.len());
        let (mut a, mut b) = tokio::io::duplex(100);
        let writer = async {
            std::future::poll_fn(|cx| rope.poll_write(cx, &mut a)).await.unwrap();
            drop(a);
        };
        let mut got = Vec::new();
        let (_, read) = tokio::join!(writer, b.read_to_end(&mut got));
        read.unwrap();
        assert_eq!(got, whole);
        assert_eq!(rope.queued_bytes(), 0);
    }

    #[tokio::test]
    async fn chunks_arrive_whole_and_in_order_however_small_the_socket() {
        let many: Vec<Vec<u8>> = (0..500).map(|i| vec![i as u8; i % 37]).collect();
        for pipe in [1, 7, 64, 100_000] {
            round_trip(many.clone(), pipe).await;
        }
        round_trip(vec![vec![1; 100_000]], 1000).await;
    }
}
