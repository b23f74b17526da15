//! The node's clock: milliseconds since the Unix epoch that never go back and never jump.
//!
//! One time serves timestamps and timers alike, so a wall clock that is set an hour back must not freeze timers and
//! one set forward must not expire every session. The time runs with the monotonic clock and is drawn towards
//! the wall clock by at most an eighth of its speed. Read only at the rim.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How often the wall clock is looked at.
const LOOK_EVERY_MS: i64 = 1_000;

/// The drift allowed per look is the elapsed time divided by this.
const SLEW: i64 = 8;

/// A clock; share it behind an `Arc`.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// Added to the milliseconds since `started`.
    offset_ms: AtomicI64,
    /// Milliseconds since `started` at the last look.
    looked_ms: AtomicI64,
}

impl Clock {
    /// Starts at the wall clock's time.
    pub fn start() -> Self {
        Self { started: Instant::now(), offset_ms: AtomicI64::new(wall_ms()), looked_ms: AtomicI64::new(0) }
    }

    /// Now, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        let elapsed = self.started.elapsed().as_millis() as i64;
        let looked = self.looked_ms.load(Ordering::Relaxed);
        if elapsed - looked >= LOOK_EVERY_MS {
            self.look(elapsed, looked, wall_ms());
        }
        elapsed + self.offset_ms.load(Ordering::Relaxed)
    }

    fn look(&self, elapsed: i64, looked: i64, wall: i64) {
        // Whoever moves `looked_ms` adjusts; the others go on with the old offset.
        if self.looked_ms.compare_exchange(looked, elapsed, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let most = (elapsed - looked) / SLEW;
            let behind = wall - (elapsed + self.offset_ms.load(Ordering::Relaxed));
            self.offset_ms.fetch_add(behind.clamp(-most, most), Ordering::Relaxed);
        }
    }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clock: &Clock, elapsed: i64) -> i64 {
        elapsed + clock.offset_ms.load(Ordering::Relaxed)
    }

    #[test]
    fn a_jump_of_the_wall_clock_is_approached_slowly_and_never_backwards() {
        for jump in [3_600_000, -3_600_000] {
            let clock = Clock::start();
            let wall_at_start = at(&clock, 0);
            let mut last = wall_at_start;
            for second in 1..=100 {
                let elapsed = second * 1_000;
                clock.look(elapsed, elapsed - 1_000, wall_at_start + elapsed + jump);
                let now = at(&clock, elapsed);
                let step = now - last;
                assert!((875..=1125).contains(&step), "{step}");
                last = now;
            }
        }
    }

    #[test]
    fn a_small_error_is_gone_after_one_look() {
        let clock = Clock::start();
        let wall = at(&clock, 1_000) + 40;
        clock.look(1_000, 0, wall);
        assert_eq!(at(&clock, 1_000), wall);
    }
}
