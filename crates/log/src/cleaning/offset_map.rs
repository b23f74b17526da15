//! The newest offset of each key: the cleaner's memory, bounded. A key is its 128-bit keyed hash, an entry 24 bytes, as in Kafka,
//! so that a map is full after as many keys. Grows only as far as it is needed; nothing is ever taken out.

use super::key_hash::KeyHash;

const ENTRY_BYTES: u64 = 24;

/// Slots that a map begins with at least.
const FIRST_SLOTS: u64 = 1 << 10;

/// Memory of one cleaner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapBounds {
    /// `log.cleaner.dedupe.buffer.size`, the share of one cleaner.
    pub bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
}

#[derive(Debug)]
pub(crate) struct OffsetMap {
    hash: KeyHash,
    /// Two words of hash, then the offset plus one; all zeros is free.
    slots: Vec<[u64; 3]>,
    entries: u64,
    most_slots: u64,
    /// Entries at which the map counts as full.
    most_entries: u64,
    /// Everything up to here is in the map; records beyond it stay as they are.
    pub latest_offset: i64,
}

impl OffsetMap {
    /// `expected` keys: a guess that saves growing.
    pub fn new(bounds: MapBounds, secret: u128, expected: u64) -> OffsetMap {
        // One array of at most 2 GiB, as Kafka has it; and room for one key more than may be put in.
        let most_slots = (bounds.bytes.min(i32::MAX as u64) / ENTRY_BYTES).max(4);
        let most_entries = ((most_slots as f64 * bounds.load_factor) as u64).clamp(2, most_slots - 1);
        let slots = expected.saturating_mul(2).max(FIRST_SLOTS).min(most_slots);
        OffsetMap {
            hash: KeyHash::new(secret),
            slots: vec![[0; 3]; slots as usize],
            entries: 0,
            most_slots,
            most_entries,
            latest_offset: -1,
        }
    }

    /// Notes that `key` was written at `offset`, later than all before. False if the map is full.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        if self.entries >= self.most_entries {
            return false;
        }
        let slots = self.slots.len() as u64;
        if slots < self.most_slots && self.entries >= slots / 4 * 3 {
            self.grow();
        }
        let (low, high) = self.hash.of(key);
        let at = self.find((low, high));
        if let Some(slot) = self.slots.get_mut(at) {
            self.entries += u64::from(slot[2] == 0);
            *slot = [low, high, offset.unsigned_abs() + 1];
        }
        self.latest_offset = offset;
        true
    }

    /// The newest offset of a key, -1 if it is not in the map.
    pub fn get(&self, key: &[u8]) -> i64 {
        let at = self.find(self.hash.of(key));
        self.slots.get(at).map_or(-1, |slot| slot[2].cast_signed() - 1)
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The slot of a hash, or the free one where it belongs. There always is a free one.
    fn find(&self, (low, high): (u64, u64)) -> usize {
        let slots = self.slots.len();
        let mut at = ((u128::from(low) * slots as u128) >> 64) as usize;
        while let Some(slot) = self.slots.get(at) {
            if slot[2] == 0 || (slot[0] == low && slot[1] == high) {
                return at;
            }
            at = if at + 1 == slots { 0 } else { at + 1 };
        }
        at
    }

    fn grow(&mut self) {
        let wanted = (self.slots.len() as u64).saturating_mul(4).min(self.most_slots);
        let old = std::mem::replace(&mut self.slots, vec![[0; 3]; wanted as usize]);
        for entry in old.into_iter().filter(|entry| entry[2] != 0) {
            let at = self.find((entry[0], entry[1]));
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(slots: u64, load_factor: f64) -> OffsetMap {
        OffsetMap::new(MapBounds { bytes: slots * ENTRY_BYTES, load_factor }, 7, 0)
    }

    #[test]
    fn the_newest_offset_of_every_key_is_kept_while_it_grows() {
        let mut map = map(1 << 20, 0.9);
        for offset in 0..60_000i64 {
            assert!(map.put(format!("key-{}", offset % 25_000).as_bytes(), offset));
        }
        assert_eq!((map.entries(), map.latest_offset), (25_000, 59_999));
        for key in 0..25_000i64 {
            let newest = if key < 10_000 { key + 50_000 } else { key + 25_000 };
            assert_eq!(map.get(format!("key-{key}").as_bytes()), newest);
        }
        assert_eq!(map.get(b"another"), -1);
    }

    #[test]
    fn a_full_map_takes_nothing_more() {
        let mut map = map(100, 0.9);
        let taken = (0..1000i64).take_while(|offset| map.put(&offset.to_be_bytes(), *offset)).count();
        assert_eq!((taken, map.latest_offset), (90, 89));
        // As in Kafka, not even a key it knows.
        assert!(!map.put(&0i64.to_be_bytes(), 1000));
        assert_eq!(map.get(&0i64.to_be_bytes()), 0);
        let mut tight = self::map(4, 1.0);
        assert_eq!((0..9i64).take_while(|offset| tight.put(&offset.to_be_bytes(), *offset)).count(), 3);
        assert_eq!(tight.get(b"x"), -1);
    }
}
