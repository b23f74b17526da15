//! What the handles of a producer and its sending task share. Owns the locks and wake-ups between them, none of the work.

use super::accumulator::Accumulator;
use super::options::ProducerOptions;
use super::partitioner::Chooser;
use crate::cluster::Cluster;
use crate::standstill::Progress;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::Notify;

/// What the producer's handles and its sender share.
#[derive(Debug)]
pub(super) struct SharedProducer {
    pub cluster: Cluster,
    pub options: ProducerOptions,
    /// The zero of the accumulator's clock.
    pub started: Instant,
    pub buffer: Mutex<Buffer>,
    /// The sender should look again.
    pub wake: Notify,
    /// Buffer space became free.
    pub space: Notify,
    pub progress: Progress,
    pub closing: AtomicBool,
}

/// What is not sent yet, and who waits to add to it.
#[derive(Debug)]
pub(super) struct Buffer {
    pub accumulator: Accumulator,
    pub chooser: Chooser,
    /// Callers of `enqueue` that wait: batches are closed early for them.
    pub waiting_for_space: usize,
}

impl SharedProducer {
    /// Milliseconds since it started.
    pub(super) fn now_ms(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }

    /// The sender ends once everything is decided.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// `close` was called.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}
