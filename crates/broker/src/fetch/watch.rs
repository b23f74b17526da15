//! A fetch that waits for bytes (KIP-41's long poll): one object shared by the waiting handler and the partitions it
//! watches. It fires once, when enough bytes came, when something else happened to a partition, or at its deadline.

use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

/// Shared by the shards that may fire it.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Bytes still missing; fires at zero or below.
    missing_bytes: AtomicI64,
    fired: AtomicBool,
    called_back: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// The end that waits. Dropping it marks the watch as fired, so that the partitions forget it.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Watch>);

/// A watch that fires after `missing_bytes` more bytes.
pub(crate) fn watch(missing_bytes: i64) -> (Arc<Watch>, Waiting) {
    let watch = Arc::new(Watch {
        missing_bytes: AtomicI64::new(missing_bytes.max(1)),
        fired: AtomicBool::new(false),
        called_back: AtomicBool::new(false),
        waker: Mutex::new(None),
    });
    (Arc::clone(&watch), Waiting(watch))
}

impl Watch {
    /// `bytes` more can be read from a watched partition.
    pub fn readable(&self, bytes: i64) {
        if self.missing_bytes.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.fire();
        }
    }

    /// Wakes the handler, once: it looks at the views again and knows by itself what happened.
    pub fn fire(&self) {
        let waker = {
            let mut waker = self.waker.lock();
            if self.fired.swap(true, Ordering::AcqRel) {
                return;
            }
            waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes the handler to answer with what there is: whoever asked does not want to wait any longer.
    pub fn call_back(&self) {
        self.called_back.store(true, Ordering::Release);
        self.fire();
    }

    /// True if the handler is not to wait again.
    pub fn is_called_back(&self) -> bool {
        self.called_back.load(Ordering::Acquire)
    }

    /// True if nobody needs it any more.
    pub fn is_over(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.0.waker.lock();
        if self.0.fired.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fired.store(true, Ordering::Release);
    }
}

/// The watches of one partition.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    watches: Vec<Arc<Watch>>,
    sweep_at: usize,
}

const SWEEP_FLOOR: usize = 8;

impl Watchers {
    /// Adds one, and forgets those that are over once there are twice as many as after the last look.
    pub fn add(&mut self, watch: Arc<Watch>) {
        if self.watches.len() >= self.sweep_at.max(SWEEP_FLOOR) {
            self.watches.retain(|watch| !watch.is_over());
            self.sweep_at = 2 * self.watches.len();
        }
        self.watches.push(watch);
    }

    /// `bytes` more can be read; those that have enough leave.
    pub fn readable(&mut self, bytes: i64) {
        if !self.watches.is_empty() {
            self.watches.retain(|watch| {
                watch.readable(bytes);
                !watch.is_over()
            });
        }
    }

    /// Something else happened (leadership, deletion, a new start offset): all look again.
    pub fn fire_all(&mut self) {
        self.watches.drain(..).for_each(|watch| watch.fire());
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.watches.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ready(waiting: &mut Waiting) -> bool {
        Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn fires_when_enough_bytes_came_from_all_partitions_together() {
        let (watch, mut waiting) = watch(100);
        let (mut a, mut b) = (Watchers::default(), Watchers::default());
        a.add(Arc::clone(&watch));
        b.add(watch);
        a.readable(60);
        assert!(!is_ready(&mut waiting));
        b.readable(40);
        assert!(is_ready(&mut waiting));
        assert_eq!(b.len(), 0);
        a.readable(1);
        assert_eq!(a.len(), 0);
    }

    #[test]
    fn abandoned_watches_are_forgotten() {
        let mut watchers = Watchers::default();
        for _ in 0..1000 {
            let (watch, waiting) = watch(1);
            watchers.add(watch);
            drop(waiting);
        }
        assert!(watchers.len() <= 2 * SWEEP_FLOOR);
    }
}
