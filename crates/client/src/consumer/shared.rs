//! What a consumer, its handles and its tasks share. Owns the locks and wake-ups between them, none of the work.

use super::options::ConsumerOptions;
use super::positions::Positions;
use super::records::Fetched;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::standstill::Progress;
use net::Backoff;
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Notify;
use wire::Str;

/// Who this member is at the moment, for commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// -1 outside of a generation.
    pub(super) generation: i32,
    pub(super) member_id: Str,
}

impl Identity {
    pub(super) fn none() -> Identity {
        Identity { generation: -1, member_id: Str::new() }
    }
}

/// What the consumer, its handles and its tasks share.
#[derive(Debug)]
pub(super) struct SharedConsumer {
    pub cluster: Cluster,
    pub options: ConsumerOptions,
    pub positions: Mutex<Positions>,
    pub subscription: Mutex<Subscription>,
    /// The membership should look at the subscription again.
    pub subscription_changed: Notify,
    pub identity: Mutex<Identity>,
    /// Fetched, or gone wrong, in order of arrival.
    pub ready: Mutex<VecDeque<Ready>>,
    /// `poll` should look again.
    pub ready_notify: Notify,
    /// The fetcher should look again.
    pub fetch_wake: Notify,
    /// Bytes in `ready` and in the reader.
    pub buffered: AtomicUsize,
    /// The zero of `last_poll_ms`.
    pub started: Instant,
    pub last_poll_ms: AtomicI64,
    pub in_poll: AtomicBool,
    pub polled: Notify,
    /// One commit at a time, so that an older one never overwrites a newer one.
    pub committing: tokio::sync::Mutex<()>,
    pub progress: Progress,
    pub closing: AtomicBool,
    pub stopped: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub topics: BTreeSet<Str>,
    pub version: u64,
}

/// What `poll` finds in the queue.
#[derive(Debug)]
pub(super) enum Ready {
    Fetched(Fetched, Buffered),
    Failed(Error),
}

/// Counts fetched bytes for as long as they are held.
#[derive(Debug)]
pub(super) struct Buffered {
    pub shared: Arc<SharedConsumer>,
    pub bytes: usize,
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let held = self.shared.buffered.fetch_sub(self.bytes, Ordering::AcqRel);
        assert!(held >= self.bytes, "buffered: more is let go than was held");
        self.shared.fetch_wake.notify_one();
    }
}

impl SharedConsumer {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(super) fn backoff(&self) -> Backoff {
        let options = self.cluster.options();
        Backoff::new(options.retry_backoff, options.retry_backoff_max, crate::options::random_seed())
    }

    /// An error for the program, told by the next `poll`.
    pub(super) fn tell(&self, error: Error) {
        self.ready.lock().push_back(Ready::Failed(error));
        self.ready_notify.notify_one();
    }

    pub(super) fn queue(self: &Arc<SharedConsumer>, fetched: Fetched) {
        let bytes = fetched.batches.iter().map(|batch| batch.bytes().len()).sum();
        self.buffered.fetch_add(bytes, Ordering::AcqRel);
        let buffered = Buffered { shared: self.clone(), bytes };
        self.ready.lock().push_back(Ready::Fetched(fetched, buffered));
        self.ready_notify.notify_one();
    }

    /// Topics subscribed to, and the version of the list.
    pub(super) fn subscription(&self) -> (Vec<Str>, u64) {
        let subscription = self.subscription.lock();
        (subscription.topics.iter().cloned().collect(), subscription.version)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }

    /// True when the program has not polled for `max.poll.interval.ms`.
    pub(super) fn is_silent(&self) -> bool {
        let silent_ms = self.now_ms() - self.last_poll_ms.load(Ordering::Acquire);
        !self.in_poll.load(Ordering::Acquire) && silent_ms > self.options.max_poll_interval.as_millis() as i64
    }

    /// Marks the program as polling for as long as the guard lives.
    pub(super) fn enter_poll(self: &Arc<SharedConsumer>) -> InPoll {
        let was_silent = self.is_silent();
        self.in_poll.store(true, Ordering::Release);
        if was_silent {
            self.polled.notify_one();
        }
        InPoll(self.clone())
    }
}

pub(super) struct InPoll(Arc<SharedConsumer>);

impl Drop for InPoll {
    fn drop(&mut self) {
        self.0.last_poll_ms.store(self.0.now_ms(), Ordering::Release);
        self.0.in_poll.store(false, Ordering::Release);
    }
}
