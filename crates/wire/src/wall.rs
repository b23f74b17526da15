//! Two times in one number and an offset. A node's own time (`now_ms` wherever a turn is run) never jumps: deadlines, sessions and
//! pauses are counted in it. What people and records call the time is the wall clock's, which follows the machine at once, forward
//! and back: record times, their retention and bounds, commits and their expiry. [`Wall`] turns the first into the second. Reads no
//! clock: the rim, which does, says how far they are apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How far the wall clock is ahead of the node's own time; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    ahead_ms: Arc<AtomicI64>,
}

impl Wall {
    /// The wall clock's time at this moment of the node's own: milliseconds since the Unix epoch.
    pub fn at(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// The rim has looked: the wall clock is so far ahead of the node's own time (negative: behind).
    pub fn is_ahead_by(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// How far it is ahead.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_share_it_follow_at_once() {
        let wall = Wall::default();
        let shared = wall.clone();
        assert_eq!(shared.at(7), 7);
        wall.is_ahead_by(-5);
        assert_eq!(shared.at(7), 2);
        wall.is_ahead_by(i64::MAX);
        assert_eq!(shared.at(7), i64::MAX);
    }
}
