//! What watches connections from outside: idle ones, half frames held open, memory kept for nothing.
//!
//! Each network thread has one watch with one timer, armed only while the thread has connections; a connection
//! notes its progress in atomics as it goes and is looked at now and then. A connection is ended by aborting its
//! task. Limits: RELIABILITY 5.2.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// `connections.max.idle.ms`; negative: for ever.
    pub idle_ms: i64,
    /// Time for a whole frame, beyond what `frame_bytes_per_second` grants.
    pub frame_ms: i64,
    /// The slowest honest sender of a large frame.
    pub frame_bytes_per_second: i64,
    /// Receive memory of a connection that has been silent for so long is given back.
    pub memory_ms: i64,
}

impl Patience {
    /// When the first of several connections may be due at the earliest.
    pub fn shortest_ms(&self) -> i64 {
        let idle_ms = if self.idle_ms < 0 { i64::MAX } else { self.idle_ms };
        idle_ms.min(self.memory_ms).min(self.frame_ms)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle_ms: 600_000, frame_ms: 30_000, frame_bytes_per_second: 1024, memory_ms: 10_000 }
    }
}

/// A connection's notes about itself, written by its task, read by the watch.
#[derive(Debug, Default)]
pub struct Notes {
    /// Last time bytes moved in either direction.
    last_moved_ms: AtomicI64,
    /// When the incomplete frame at hand began; 0: none.
    partial_since_ms: AtomicI64,
    /// Bytes of that frame received.
    partial_bytes: AtomicUsize,
    /// Requests are being handled: silence is ours, not the peer's.
    busy: AtomicBool,
    /// Set by the watch: give memory back when woken.
    pub release: AtomicBool,
    /// Left by a connection that falls silent while it holds memory.
    pub holder: Mutex<Option<Waker>>,
}

/// What the watch decides about one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again then.
    LookAgainAt(i64),
    /// Close it.
    TooIdle,
    /// Close it.
    TooSlow,
}

impl Notes {
    /// Fresh notes of a connection accepted at `now_ms`.
    pub fn new(now_ms: i64) -> Arc<Self> {
        Arc::new(Self { last_moved_ms: AtomicI64::new(now_ms), ..Self::default() })
    }

    /// Bytes moved.
    pub fn moved(&self, now_ms: i64) {
        self.last_moved_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The state after a turn of the connection.
    pub fn settle(&self, busy: bool, partial_bytes: usize, now_ms: i64) {
        self.busy.store(busy, Ordering::Relaxed);
        if partial_bytes == 0 {
            self.partial_since_ms.store(0, Ordering::Relaxed);
        } else if self.partial_since_ms.load(Ordering::Relaxed) == 0
            || partial_bytes < self.partial_bytes.load(Ordering::Relaxed)
        {
            // A new frame has begun.
            self.partial_since_ms.store(now_ms, Ordering::Relaxed);
        }
        self.partial_bytes.store(partial_bytes, Ordering::Relaxed);
    }

    /// Judges the connection.
    pub fn judge(&self, patience: &Patience, now_ms: i64) -> Verdict {
        let moved = self.last_moved_ms.load(Ordering::Relaxed);
        let partial_since = self.partial_since_ms.load(Ordering::Relaxed);
        let mut next = now_ms + patience.frame_ms;
        // While requests are being handled we ourselves may have stopped reading: no blame.
        if partial_since != 0 && !self.busy.load(Ordering::Relaxed) {
            let received = self.partial_bytes.load(Ordering::Relaxed) as i64;
            let earned = received.saturating_mul(1_000) / patience.frame_bytes_per_second.max(1);
            let due = partial_since.saturating_add(patience.frame_ms).saturating_add(earned);
            if now_ms >= due {
                return Verdict::TooSlow;
            }
            next = next.min(due);
        }
        if patience.idle_ms >= 0 && !self.busy.load(Ordering::Relaxed) {
            let due = moved.saturating_add(patience.idle_ms);
            if now_ms >= due {
                return Verdict::TooIdle;
            }
            next = next.min(due);
        }
        if let Some(due) = self.memory_due(patience, moved) {
            if now_ms < due {
                next = next.min(due);
            } else if let Some(holder) = self.holder.lock().take() {
                self.release.store(true, Ordering::Release);
                holder.wake();
            }
        }
        Verdict::LookAgainAt(next)
    }

    fn memory_due(&self, patience: &Patience, moved: i64) -> Option<i64> {
        self.holder.lock().is_some().then_some(moved.saturating_add(patience.memory_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { idle_ms: 600_000, frame_ms: 30_000, frame_bytes_per_second: 1024, memory_ms: 10_000 };

    #[test]
    fn silence_ends_after_the_idle_time_unless_we_are_busy() {
        let notes = Notes::new(1_000);
        notes.settle(false, 0, 1_000);
        assert_eq!(notes.judge(&PATIENCE, 580_000), Verdict::LookAgainAt(601_000));
        assert_eq!(notes.judge(&PATIENCE, 601_000), Verdict::TooIdle);
        notes.settle(true, 0, 1_000);
        assert!(matches!(notes.judge(&PATIENCE, 601_000), Verdict::LookAgainAt(_)));
        let forever = Patience { idle_ms: -1, ..PATIENCE };
        notes.settle(false, 0, 1_000);
        assert!(matches!(notes.judge(&forever, i64::MAX / 2), Verdict::LookAgainAt(_)));
    }

    #[test]
    fn half_a_frame_is_given_its_time_and_a_drip_is_not() {
        let notes = Notes::new(0);
        notes.settle(false, 3, 1_000);
        assert_eq!(notes.judge(&PATIENCE, 2_000), Verdict::LookAgainAt(31_002));
        // One byte a second keeps the connection active but does not buy time.
        for second in 2..31 {
            notes.moved(second * 1_000);
            notes.settle(false, 3 + second as usize, second * 1_000);
        }
        assert_eq!(notes.judge(&PATIENCE, 31_100), Verdict::TooSlow);
        // 100 KiB received have earned another 100 s.
        notes.settle(false, 100 << 10, 32_000);
        assert!(matches!(notes.judge(&PATIENCE, 130_000), Verdict::LookAgainAt(_)));
        notes.settle(false, 0, 140_000);
        notes.settle(false, 9, 150_000);
        assert!(matches!(notes.judge(&PATIENCE, 170_000), Verdict::LookAgainAt(_)));
    }

    #[test]
    fn kept_memory_is_asked_back_once() {
        let notes = Notes::new(0);
        *notes.holder.lock() = Some(Waker::noop().clone());
        assert_eq!(notes.judge(&PATIENCE, 5_000), Verdict::LookAgainAt(10_000));
        notes.judge(&PATIENCE, 10_000);
        assert!(notes.release.load(Ordering::Acquire) && notes.holder.lock().is_none());
    }
}
