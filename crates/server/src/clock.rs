//! The node's two times. Its own, [`Clock::now_ms`], runs with the monotonic clock and never jumps: deadlines, sessions and pauses. The
//! wall clock's, which [`Wall`] makes of it, follows the machine within [`LOOK_EVERY_US`], forward and back: a machine whose clock
//! is put right expires no session and holds up no timer, and its records bear the right time from then on. Read only at the rim.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wire::wall::Wall;

/// How old a look at the wall clock may be: asking it for every request would be a second reading beside the first.
const LOOK_EVERY_US: i64 = 10_000;

/// A jump that people hear of.
const TOLD_MS: i64 = 1_000;

/// What both clocks are rounded to; less is no news.
const GRAIN_US: i64 = 1_000;
const _: () = assert!(
    GRAIN_US <= LOOK_EVERY_US && LOOK_EVERY_US < TOLD_MS * 1_000,
    "what is rounded away is less than what a look may miss, and that is nothing that people hear of"
);

/// A clock; share it behind an `Arc`.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// The wall clock at the start, where the node's own time begins.
    began_us: i64,
    /// Of the node's own time: the last look at the wall clock.
    looked_us: AtomicI64,
    wall: Wall,
}

impl Clock {
    /// Starts at the wall clock's time.
    pub fn start() -> Self {
        let (started, began_us) = (Instant::now(), wall_us());
        Self { started, began_us, looked_us: AtomicI64::new(began_us), wall: Wall::default() }
    }

    /// Now, in the node's own milliseconds: at the start those since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.now_us() / 1_000
    }

    /// The same in microseconds.
    pub fn now_us(&self) -> i64 {
        let now_us = self.own_us();
        let looked_us = self.looked_us.load(Ordering::Relaxed);
        if now_us - looked_us >= LOOK_EVERY_US {
            self.look(now_us, looked_us);
        }
        now_us
    }

    /// What the wall clock makes of it.
    pub fn wall(&self) -> &Wall {
        &self.wall
    }

    fn own_us(&self) -> i64 {
        self.began_us + self.started.elapsed().as_micros() as i64
    }

    fn look(&self, now_us: i64, looked_us: i64) {
        // Whoever moves `looked_us` looks; the others go on with what is known.
        if self.looked_us.compare_exchange(looked_us, now_us, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let wall_us = wall_us();
            let known_ms = self.wall.ahead_ms();
            if let Some(ahead_ms) = news(known_ms, now_us, wall_us, self.own_us()) {
                self.wall.is_ahead_by(ahead_ms);
                tell(ahead_ms - known_ms);
            }
        }
    }
}

/// How far the wall clock is ahead, if that is anything new. It was read between two readings of the node's own time: who was put to
/// sleep between them must not take that for a jump.
fn news(known_ms: i64, before_us: i64, wall_us: i64, after_us: i64) -> Option<i64> {
    let ahead_us = wall_us - before_us;
    let off_us = (ahead_us - known_ms * 1_000).abs();
    (off_us > GRAIN_US + (after_us - before_us))
        .then(|| (ahead_us + ahead_us.signum() * GRAIN_US / 2) / GRAIN_US)
}

/// A clock that is drawn to the right time by the millisecond is no event.
fn tell(by_ms: i64) {
    if by_ms.abs() >= TOLD_MS {
        tracing::warn!(
            by_ms,
            "the machine's clock was set: records bear the new time from now on, timers go on as they were"
        );
    }
}

fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURS_5: i64 = 5 * 3_600_000;

    #[test]
    fn a_jump_is_followed_at_once_in_both_directions() {
        let at = 1_700_000_000_000_000;
        for jump_ms in [HOURS_5, -HOURS_5, 2, -2] {
            assert_eq!(news(0, at, at + jump_ms * 1_000, at + 1), Some(jump_ms));
            assert_eq!(news(jump_ms, at, at + jump_ms * 1_000, at + 1), None, "known already");
            assert_eq!(news(jump_ms, at, at, at + 1), Some(0), "put right again");
        }
    }

    #[test]
    fn rounding_and_a_reader_put_to_sleep_are_no_jump() {
        let at = 1_700_000_000_000_000;
        for off_us in [-999, -1, 0, 1, 999] {
            assert_eq!(news(0, at, at + off_us, at + 1), None);
        }
        // 50 ms passed between the readings: the wall clock seems to be 50 ms ahead.
        assert_eq!(news(0, at, at + 50_000, at + 50_001), None);
        // What is larger than that is a jump all the same.
        assert_eq!(news(0, at, at + HOURS_5 * 1_000 + 50_000, at + 50_001), Some(HOURS_5 + 50));
    }

    #[test]
    fn the_nodes_own_time_does_not_go_back() {
        let clock = Clock::start();
        let mut last = clock.now_ms();
        for _ in 0..10_000 {
            let now = clock.now_ms();
            assert!(now >= last);
            last = now;
        }
        assert!((clock.wall().at(last) - wall_us() / 1_000).abs() < 1_000);
    }
}
