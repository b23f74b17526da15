//! A Java hash table as far as it decides anything: which entry is visited after which.

use super::order::bucket;
use std::collections::BTreeMap;

/// Keys with values, visited bucket by bucket; within one in the order in which they came, or the newest first: so it is with keys that
/// Java's `computeIfAbsent` brings, and the other way round with those of `put`.
pub struct Table<K, V> {
    hash: fn(&K) -> i32,
    buckets: usize,
    newest_first: bool,
    next: i64,
    entries: BTreeMap<K, (i64, V)>,
}

impl<K: Ord + Copy, V> Table<K, V> {
    /// A table that was made without saying how large it will be.
    pub fn new(hash: fn(&K) -> i32) -> Table<K, V> {
        Table { hash, buckets: 16, newest_first: false, next: 0, entries: BTreeMap::new() }
    }

    /// A table that was made for so many keys, as Kafka's assignors make them.
    pub fn for_keys(hash: fn(&K) -> i32, keys: usize) -> Table<K, V> {
        let asked = ((keys + 1) as f32 / 0.75 + 1.0) as usize;
        Table { buckets: asked.next_power_of_two(), ..Table::new(hash) }
    }

    /// The newest first.
    pub fn newest_first(self) -> Table<K, V> {
        Table { newest_first: true, ..self }
    }

    /// The value of a key, made if there is none.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&key) {
            self.next += if self.newest_first { -1 } else { 1 };
            self.entries.insert(key, (self.next, make()));
            while self.entries.len() > self.buckets / 4 * 3 {
                self.buckets *= 2;
            }
        }
        &mut self.entries.get_mut(&key).expect("inserted above").1
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Takes a key out; whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        self.entries.remove(key).is_some()
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The keys as they are visited.
    pub fn keys(&self) -> Vec<K> {
        let place = |key: &K| bucket((self.hash)(key), self.buckets);
        let mut keys: Vec<(usize, i64, K)> =
            self.entries.iter().map(|(key, (came, _))| (place(key), *came, *key)).collect();
        keys.sort_unstable_by_key(|(place, came, _)| (*place, *came));
        keys.into_iter().map(|(.., key)| key).collect()
    }
}

/// A number is its own hash.
pub fn number(number: &usize) -> i32 {
    i32::try_from(*number).unwrap_or(i32::MAX)
}
