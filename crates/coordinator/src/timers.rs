//! Deadlines as data: an ordered map from deadline to key, one deadline per key.
//!
//! Never reads a clock and never runs anything; whoever holds it asks what is due. A deadline that moves away, as a session's does
//! with every heartbeat, costs one look-up: the key keeps its early place in the order until that is reached.

use std::collections::{BTreeMap, BTreeSet};

/// Deadlines by key, and keys by deadline.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    /// Invariant: holds each key of `deadlines` once, at its place.
    order: BTreeSet<(i64, K)>,
    deadlines: BTreeMap<K, Deadline>,
}

#[derive(Debug, Clone, Copy)]
struct Deadline {
    due_ms: i64,
    /// Where the key stands in the order. Never later than it is due.
    place_ms: i64,
}

impl<K: Ord + Clone> Timers<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Timers { order: BTreeSet::new(), deadlines: BTreeMap::new() }
    }

    /// Sets or moves the deadline of a key.
    pub fn set(&mut self, key: K, due_ms: i64) {
        let deadline = Deadline { due_ms, place_ms: due_ms };
        match self.deadlines.get_mut(&key) {
            Some(old) if old.place_ms <= due_ms => {
                old.due_ms = due_ms;
                return;
            }
            Some(old) => {
                let place_ms = std::mem::replace(old, deadline).place_ms;
                self.order.remove(&(place_ms, key.clone()));
            }
            None => drop(self.deadlines.insert(key.clone(), deadline)),
        }
        self.order.insert((due_ms, key));
    }

    /// Sets the deadline of a key that has none.
    pub fn set_if_absent(&mut self, key: K, due_ms: i64) {
        if !self.deadlines.contains_key(&key) {
            self.set(key, due_ms);
        }
    }

    /// Takes the deadline of a key back.
    pub fn cancel(&mut self, key: &K) {
        if let Some(old) = self.deadlines.remove(key) {
            self.order.remove(&(old.place_ms, key.clone()));
        }
    }

    /// When [`Timers::pop_due`] is to be asked next. Not before that anything is due, but it may be that nothing is then.
    pub fn next_look(&self) -> Option<i64> {
        self.order.first().map(|(place_ms, _)| *place_ms)
    }

    /// Takes the earliest key whose deadline has come; equal deadlines come in key order.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<K> {
        while self.next_look()? <= now_ms {
            let (place_ms, key) = self.order.pop_first()?;
            match self.deadlines.get_mut(&key) {
                Some(deadline) if deadline.due_ms > place_ms => {
                    deadline.place_ms = deadline.due_ms;
                    self.order.insert((deadline.due_ms, key));
                }
                Some(_) | None => {
                    self.deadlines.remove(&key);
                    return Some(key);
                }
            }
        }
        None
    }

    /// Takes all back.
    pub fn clear(&mut self) {
        self.order.clear();
        self.deadlines.clear();
    }

    /// Keys with a deadline.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Nothing will ever be due.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// Each key has one place in the order.
    pub(crate) fn is_consistent(&self) -> bool {
        self.order.len() == self.deadlines.len()
    }
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_deadline_and_the_earliest_comes_first() {
        let mut timers = Timers::new();
        timers.set("b", 10);
        timers.set("a", 10);
        timers.set("c", 5);
        timers.set("c", 20);
        assert_eq!(timers.next_look(), Some(5), "what moved away is looked at once in its old place");
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.next_look(), Some(10));
        assert_eq!(timers.pop_due(15), Some("a"));
        timers.cancel(&"b");
        assert_eq!(timers.pop_due(15), None);
        assert_eq!(timers.pop_due(20), Some("c"));
        assert!(timers.is_empty());
    }

    /// Whatever is set, moved and taken back: what is due comes in the order of deadline and key, as from a list that is sorted anew.
    #[test]
    fn deadlines_that_move_in_both_directions_come_in_order() {
        let (mut timers, mut plain) = (Timers::new(), BTreeMap::new());
        let mut seed = 7u32;
        let mut below = |end: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % end
        };
        let mut fired = 0;
        for now_ms in 0..20_000i64 {
            for _ in 0..below(4) {
                let (key, due_ms) = (below(20), now_ms + i64::from(below(60)));
                timers.set(key, due_ms);
                plain.insert(key, due_ms);
            }
            if below(3) == 0 {
                let key = below(20);
                timers.cancel(&key);
                plain.remove(&key);
            }
            let mut due: Vec<_> = plain.iter().map(|(key, due_ms)| (*due_ms, *key)).collect();
            due.retain(|(due_ms, _)| *due_ms <= now_ms);
            due.sort_unstable();
            assert!(due.is_empty() || timers.next_look().is_some_and(|look_ms| look_ms <= now_ms));
            for (_, key) in due {
                assert_eq!(timers.pop_due(now_ms), Some(key));
                plain.remove(&key);
                fired += 1;
            }
            assert_eq!(timers.pop_due(now_ms), None);
            assert_eq!((timers.len(), timers.order.len()), (plain.len(), plain.len()));
        }
        assert!(fired > 1000);
    }
}
