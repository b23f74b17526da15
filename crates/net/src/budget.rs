//! A process-wide budget for bytes that strangers make us hold (request frames not yet answered).
//!
//! Owns one counter and the tasks that wait for room. A connection takes a `Lease`, resizes it as its buffers
//! grow and shrink, and stops reading its socket while there is no room: back-pressure is TCP
//! (`queued.max.request.bytes`, KIP-72).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::memory::BLOCK_BYTES;

/// The shared counter. Clone the `Arc`.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// Fast path: nobody waits, so giving back need not lock.
    anyone_waits: AtomicBool,
    waiters: Mutex<Vec<Waker>>,
}

impl Budget {
    /// A budget of so many bytes; `usize::MAX` never refuses.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            anyone_waits: AtomicBool::new(false),
            waiters: Mutex::new(Vec::new()),
        })
    }

    /// Bytes leased now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn try_take(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| {
                // A lone request larger than the whole budget must still pass, or it would wait for ever.
                let fits = used == 0 || used.saturating_add(bytes) <= self.limit;
                fits.then(|| used.saturating_add(bytes))
            })
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        let used = self.used.fetch_sub(bytes, Ordering::AcqRel);
        assert!(used >= bytes, "budget: more comes back than was leased");
        if self.anyone_waits.swap(false, Ordering::AcqRel) {
            let waiters = match self.waiters.lock() {
                Ok(mut w) => std::mem::take(&mut *w),
                Err(poisoned) => std::mem::take(&mut *poisoned.into_inner()),
            };
            waiters.into_iter().for_each(Waker::wake);
        }
    }

    fn wait(&self, cx: &Context<'_>) {
        let mut waiters = match self.waiters.lock() {
            Ok(w) => w,
            Err(poisoned) => poisoned.into_inner(),
        };
        if !waiters.iter().any(|w| w.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
        self.anyone_waits.store(true, Ordering::Release);
    }
}

/// One connection's share, in whole steps; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    held: usize,
    step: usize,
}

/// Shares change in steps of this size, so that small requests never touch the shared counter.
const STEP: usize = 64 * 1024;
const _: () = assert!(STEP <= BLOCK_BYTES, "whoever holds a block for itself has it counted");

/// The same of strangers, whose requests are small and who may be many: what an honest one says of itself is less than this.
const STRANGERS_STEP: usize = 2 * 1024;
const _: () =
    assert!(STEP.is_power_of_two() && STRANGERS_STEP.is_power_of_two(), "counted without a division");

impl Lease {
    /// An empty share of `budget`.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0, step: STEP }
    }

    /// The share of a stranger, counted in smaller steps. It holds nothing yet.
    pub fn of_stranger(self) -> Self {
        assert!(self.held == 0, "budget: what is held was counted in other steps");
        let Self { budget, .. } = &self;
        Self { budget: budget.clone(), held: 0, step: STRANGERS_STEP }
    }

    /// True if nothing is held of the budget.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Makes the share cover `bytes` (the first 64 KiB of a connection, of a stranger 2 KiB, are free). Pending while the
    /// budget is exhausted; the task is woken when somebody gives back.
    pub fn poll_cover(&mut self, cx: &Context<'_>, bytes: usize) -> Poll<()> {
        let wanted = self.whole_steps(bytes);
        if wanted <= self.held {
            self.shrink_to(bytes);
            return Poll::Ready(());
        }
        let more = wanted - self.held;
        if !self.budget.try_take(more) {
            self.budget.wait(cx);
            // Room may have come between the refusal and the registration.
            if !self.budget.try_take(more) {
                return Poll::Pending;
            }
        }
        self.held = wanted;
        Poll::Ready(())
    }

    /// Of `bytes`, those that are counted.
    fn whole_steps(&self, bytes: usize) -> usize {
        bytes & !(self.step - 1)
    }

    /// Gives back what is no longer needed. Keeps one step of slack, so that a steady stream of equal requests
    /// does not touch the shared counter each time.
    pub fn shrink_to(&mut self, bytes: usize) {
        let wanted = self.whole_steps(bytes);
        if self.held > wanted + self.step || (wanted == 0 && bytes == 0 && self.held > 0) {
            self.budget.give_back(self.held - wanted);
            self.held = wanted;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.held > 0 {
            self.budget.give_back(self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_waits_for_room_and_a_lone_giant_passes() {
        let budget = Budget::new(256 * 1024);
        let cx = Context::from_waker(Waker::noop());
        let (mut a, mut b) = (Lease::new(budget.clone()), Lease::new(budget.clone()));
        assert!(a.poll_cover(&cx, 10).is_ready());
        assert_eq!(budget.used(), 0);
        assert!(a.poll_cover(&cx, 10 * 1024 * 1024).is_ready());
        assert!(b.poll_cover(&cx, 100).is_ready());
        assert!(b.poll_cover(&cx, 100 * 1024).is_pending());
        a.shrink_to(0);
        assert_eq!(budget.used(), 0);
        assert!(b.poll_cover(&cx, 100 * 1024).is_ready());
        drop(b);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_strangers_share_is_counted_from_the_third_kibibyte_on() {
        let budget = Budget::new(10 * 1024);
        let cx = Context::from_waker(Waker::noop());
        let stranger = || Lease::new(budget.clone()).of_stranger();
        let (mut a, mut b, mut c) = (stranger(), stranger(), stranger());
        assert!(a.poll_cover(&cx, 9 * 1024).is_ready());
        assert_eq!(budget.used(), 8 * 1024);
        assert!(b.poll_cover(&cx, 4 * 1024).is_pending());
        assert!(c.poll_cover(&cx, 2_000).is_ready(), "an honest one goes by");
        drop(a);
        assert!(b.poll_cover(&cx, 4 * 1024).is_ready());
    }
}
