//! Deadlines as data: an ordered map from deadline to key, one deadline per key.
//!
//! Never reads a clock and never runs anything; whoever holds it asks what is due.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
pub struct Timers<K> {
    /// Invariant: holds exactly the pairs of `deadlines`, reversed.
    order: BTreeSet<(i64, K)>,
    deadlines: BTreeMap<K, i64>,
}

impl<K: Ord + Clone> Timers<K> {
    pub fn new() -> Self {
        Timers { order: BTreeSet::new(), deadlines: BTreeMap::new() }
    }

    /// Sets or moves the deadline of a key.
    pub fn set(&mut self, key: K, deadline_ms: i64) {
        if let Some(old_ms) = self.deadlines.insert(key.clone(), deadline_ms) {
            self.order.remove(&(old_ms, key.clone()));
        }
        self.order.insert((deadline_ms, key));
    }

    pub fn cancel(&mut self, key: &K) {
        if let Some(old_ms) = self.deadlines.remove(key) {
            self.order.remove(&(old_ms, key.clone()));
        }
    }

    pub fn next_deadline(&self) -> Option<i64> {
        self.order.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Takes the earliest key whose deadline has come; equal deadlines come in key order.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<K> {
        if self.next_deadline()? > now_ms {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.deadlines.remove(&key);
        Some(key)
    }

    pub fn clear(&mut self) {
        self.order.clear();
        self.deadlines.clear();
    }

    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
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
        assert_eq!(timers.next_deadline(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(15), Some("a"));
        timers.cancel(&"b");
        assert_eq!(timers.pop_due(15), None);
        assert_eq!(timers.pop_due(20), Some("c"));
        assert!(timers.is_empty());
    }
}
