//! Timers as data: `(deadline, key)` in an ordered map, fired by whoever owns them. Never reads a clock.

use std::collections::BTreeMap;

/// The deadline of who has none.
pub(crate) const NEVER: i64 = i64::MAX;

/// Things due at a time, in order of time and then of arrival.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    due: BTreeMap<(i64, u64), K>,
    arrivals: u64,
    /// Of the first in `due`, where every turn finds it without a search.
    next_ms: Option<i64>,
    /// The next size at which dead entries are looked for.
    sweep_at: usize,
}

/// Below this many entries nothing is ever swept.
const SWEEP_FLOOR: usize = 1024;

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Timers { due: BTreeMap::new(), arrivals: 0, next_ms: None, sweep_at: SWEEP_FLOOR }
    }
}

/// A handle by which a timer can be taken back.
pub(crate) type TimerId = (i64, u64);

impl<K> Timers<K> {
    /// Adds a timer.
    pub fn add(&mut self, deadline_ms: i64, key: K) -> TimerId {
        self.arrivals += 1;
        let id = (deadline_ms, self.arrivals);
        self.due.insert(id, key);
        self.next_ms = Some(self.next_ms.map_or(deadline_ms, |next_ms| next_ms.min(deadline_ms)));
        id
    }

    /// Takes a timer back.
    pub fn remove(&mut self, id: TimerId) {
        self.due.remove(&id);
        self.look();
    }

    /// The next timer that is due.
    pub fn pop(&mut self, now_ms: i64) -> Option<K> {
        if self.next_ms? > now_ms {
            return None;
        }
        let ((deadline_ms, _), key) = self.due.pop_first()?;
        assert!(self.next_ms == Some(deadline_ms), "timers: another deadline was promised");
        self.look();
        Some(key)
    }

    /// When the first one is due.
    pub fn next_deadline(&self) -> Option<i64> {
        self.next_ms
    }

    fn look(&mut self) {
        self.next_ms = self.due.first_key_value().map(|(&(deadline, _), _)| deadline);
    }

    /// Forgets timers whose purpose is gone, once there are twice as many as after the last sweep: constant cost each.
    pub fn sweep(&mut self, alive: impl Fn(&K) -> bool) {
        if self.due.len() >= self.sweep_at {
            self.due.retain(|_, key| alive(key));
            self.look();
            self.sweep_at = (2 * self.due.len()).max(SWEEP_FLOOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fire_in_order_of_time_then_of_arrival() {
        let mut timers = Timers::default();
        timers.add(20, "late");
        timers.add(10, "first");
        let gone = timers.add(10, "taken back");
        timers.add(10, "second");
        timers.remove(gone);
        assert_eq!(timers.next_deadline(), Some(10));
        assert_eq!(timers.pop(9), None);
        assert_eq!(timers.pop(15), Some("first"));
        assert_eq!(timers.pop(15), Some("second"));
        assert_eq!(timers.pop(15), None);
        assert_eq!(timers.next_deadline(), Some(20));
    }

    #[test]
    fn dead_timers_do_not_pile_up() {
        let mut timers = Timers::default();
        for n in 0..100_000 {
            timers.add(n, n);
            timers.sweep(|&key| key % 1000 == 0);
        }
        assert!(timers.due.len() < 3000);
    }
}
