//! Hash maps whose order depends on nothing but their content: std's tables with a fixed-seed hasher.
//! Not for keys that a stranger can choose freely in millions: a fixed seed can be attacked.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash map that iterates in the same order in every run.
#[allow(clippy::disallowed_types)] // The hasher is the fixed one below: this is the replacement the lint names.
pub type StableMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<StableHasher>>;
/// A hash set that iterates in the same order in every run.
#[allow(clippy::disallowed_types)]
pub type StableSet<K> = std::collections::HashSet<K, BuildHasherDefault<StableHasher>>;

/// Multiply-and-fold over eight bytes at a time (the "wyhash" family's mixing step).
#[derive(Clone, Copy)]
pub struct StableHasher(u64);

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xa076_1d64_78bd_642f;

impl Default for StableHasher {
    fn default() -> StableHasher {
        StableHasher(SEED)
    }
}

impl StableHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(u128::from(FACTOR));
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ SEED.rotate_left(17);
    }
}

impl Hasher for StableHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(word.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let word = rest.iter().fold(rest.len() as u64, |number, &byte| (number << 8) | u64::from(byte));
            self.mix(word);
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hash;

    fn hash(value: impl Hash) -> u64 {
        let mut hasher = StableHasher::default();
        value.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn spreads_small_numbers_and_texts() {
        let mut seen = StableSet::default();
        for number in 0..10_000u32 {
            seen.insert(hash(number) >> 32);
            seen.insert(hash(format!("topic-{number}")) >> 32);
        }
        assert!(seen.len() > 19_990, "{}", seen.len());
    }

    #[test]
    fn gives_the_same_order_twice() {
        let fill =
            || (0..1000).map(|n| (n, ())).collect::<StableMap<i32, ()>>().into_keys().collect::<Vec<_>>();
        assert_eq!(fill(), fill());
    }
}
