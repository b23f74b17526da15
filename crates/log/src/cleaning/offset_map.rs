//! The newest offset of each key: the cleaner's memory, bounded. A key is its 128-bit keyed hash, an entry 24 bytes, as in Kafka,
//! so that a map is full after as many keys. Grows only as far as it is needed; nothing is ever taken out. What its slots leave of
//! the memory remembers records by their offsets (`standings`).

use super::key_hash::KeyHash;
use super::standings::{Standing, Standings};
use std::ops::RangeInclusive;

const ENTRY_BYTES: u64 = 24;

const _: () = assert!(ENTRY_BYTES == size_of::<Slot>() as u64);

/// Slots that a map begins with at least.
const FIRST_SLOTS: u64 = 1 << 10;

/// Records that are put in together. Where a hash belongs is anywhere in many megabytes: the memory fetches as many places at once as
/// it is asked for one after the other without waiting.
const TOGETHER: usize = 128;

/// The part of the memory that no slot takes: it is left to the standings.
const STANDINGS_SHARE: u64 = 32;

const _: () = assert!(STANDINGS_SHARE > 1, "the standings do not take it all");

/// Memory of one cleaner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapBounds {
    /// `log.cleaner.dedupe.buffer.size`, the share of one cleaner.
    pub bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
}

/// Two words of hash, then the offset plus one; all zeros is free.
type Slot = [u64; 3];

/// A record on its way into the map.
#[derive(Clone, Copy, Debug)]
struct Noted {
    hash: (u64, u64),
    offset: i64,
}

#[derive(Debug)]
pub(crate) struct OffsetMap {
    hash: KeyHash,
    bytes: u64,
    slots: Vec<Slot>,
    entries: u64,
    most_slots: u64,
    /// Entries at which the map counts as full.
    most_entries: u64,
    /// At most [`TOGETHER`], in the order of the log.
    noted: Vec<Noted>,
    standings: Standings,
    /// Everything up to here is in the map; records beyond it stay as they are.
    pub latest_offset: i64,
}

impl OffsetMap {
    /// `expected` keys: a guess that saves growing. Offsets begin with `first_offset`.
    pub fn new(bounds: MapBounds, secret: u128, expected: u64, first_offset: i64) -> OffsetMap {
        // One array of at most 2 GiB, as Kafka has it; and room for one key more than may be put in.
        let bytes = bounds.bytes.min(i32::MAX as u64);
        let entries = (bytes / ENTRY_BYTES).max(4);
        let most_entries = ((entries as f64 * bounds.load_factor) as u64).clamp(2, entries - 1);
        let most_slots = (entries - entries / STANDINGS_SHARE).max(most_entries + 1);
        // `find` ends at a free slot, if at nothing else.
        assert!(most_entries < most_slots, "a full map has a free slot");
        let slots = expected.max(FIRST_SLOTS).min(most_slots);
        let mut map = OffsetMap {
            hash: KeyHash::new(secret),
            bytes,
            slots: vec![[0; 3]; slots as usize],
            entries: 0,
            most_slots,
            most_entries,
            noted: Vec::with_capacity(TOGETHER),
            standings: Standings::new(first_offset),
            latest_offset: -1,
        };
        map.bound_standings();
        map
    }

    /// Notes that `key` was written at `offset`, later than all before; `settle` must follow before anything is asked. False if the map
    /// is full.
    pub fn note(&mut self, key: &[u8], offset: i64) -> bool {
        self.noted.push(Noted { hash: self.hash.of(key), offset });
        self.noted.len() < TOGETHER || self.settle()
    }

    /// Puts in what was noted. False if the map became full: then a part of it is not in, and everything beyond `latest_offset`
    /// stays out.
    pub fn settle(&mut self) -> bool {
        let noted = std::mem::take(&mut self.noted);
        let fetched = noted.iter().fold(0, |fetched, one| {
            let slot = self.slots.get(self.place(one.hash.0));
            fetched ^ slot.map_or(0, |slot| slot[2])
        });
        // The slots were looked at for the sake of being looked at.
        std::hint::black_box(fetched);
        let room = noted.iter().all(|one| self.put(*one));
        self.noted = noted;
        self.noted.clear();
        room
    }

    fn put(&mut self, Noted { hash, offset }: Noted) -> bool {
        if self.entries >= self.most_entries {
            return false;
        }
        let slots = self.slots.len() as u64;
        if slots < self.most_slots && self.entries >= slots / 4 * 3 {
            self.grow();
        }
        let at = self.find(hash);
        if let Some(slot) = self.slots.get_mut(at) {
            self.standings.written(offset, slot[2].cast_signed() - 1);
            self.entries += u64::from(slot[2] == 0);
            *slot = [hash.0, hash.1, offset.unsigned_abs() + 1];
        }
        self.latest_offset = offset;
        true
    }

    /// The newest offset of a key, -1 if it is not in the map.
    pub fn get(&self, key: &[u8]) -> i64 {
        let at = self.find(self.hash.of(key));
        self.slots.get(at).map_or(-1, |slot| slot[2].cast_signed() - 1)
    }

    /// Whether the record of a key at `offset` is older than the newest of that key. (One that is not in the map is newer than none.)
    pub fn is_superseded(&self, key: &[u8], offset: i64) -> bool {
        match self.standings.of(offset) {
            Standing::Newest => false,
            Standing::Superseded => true,
            Standing::Unknown => offset < self.get(key),
        }
    }

    /// Whether it is known without their keys that all of so many records at these offsets are superseded.
    pub fn supersedes_all(&self, offsets: RangeInclusive<i64>, records: u64) -> bool {
        self.standings.superseded(offsets) == records
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The slot of a hash, or the free one where it belongs. There always is a free one.
    fn find(&self, (low, high): (u64, u64)) -> usize {
        let slots = self.slots.len();
        let mut at = self.place(low);
        while let Some(slot) = self.slots.get(at) {
            if slot[2] == 0 || (slot[0] == low && slot[1] == high) {
                return at;
            }
            at = if at + 1 == slots { 0 } else { at + 1 };
        }
        at
    }

    /// Where a hash belongs, if that place is free.
    fn place(&self, low: u64) -> usize {
        ((u128::from(low) * self.slots.len() as u128) >> 64) as usize
    }

    fn grow(&mut self) {
        let wanted = (self.slots.len() as u64).saturating_mul(4).min(self.most_slots);
        assert!(wanted > self.entries, "a map that grew has a free slot");
        let old = std::mem::replace(&mut self.slots, vec![[0; 3]; wanted as usize]);
        for entry in old.into_iter().filter(|entry| entry[2] != 0) {
            let at = self.find((entry[0], entry[1]));
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = entry;
            }
        }
        self.bound_standings();
    }

    fn bound_standings(&mut self) {
        let slots = self.slots.len() as u64 * ENTRY_BYTES;
        self.standings.bound(self.bytes.saturating_sub(slots));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(slots: u64, load_factor: f64) -> OffsetMap {
        OffsetMap::new(MapBounds { bytes: slots * ENTRY_BYTES, load_factor }, 7, 0, 0)
    }

    fn put(map: &mut OffsetMap, key: &[u8], offset: i64) -> bool {
        map.note(key, offset) && map.settle()
    }

    #[test]
    fn the_newest_offset_of_every_key_is_kept_while_it_grows() {
        let mut map = map(1 << 20, 0.9);
        for offset in 0..60_000i64 {
            assert!(map.note(format!("key-{}", offset % 25_000).as_bytes(), offset));
        }
        assert!(map.settle());
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
        let taken = (0..1000i64).take_while(|offset| put(&mut map, &offset.to_be_bytes(), *offset)).count();
        assert_eq!((taken, map.latest_offset), (90, 89));
        // As in Kafka, not even a key it knows.
        assert!(!put(&mut map, &0i64.to_be_bytes(), 1000));
        assert_eq!(map.get(&0i64.to_be_bytes()), 0);
        let mut tight = self::map(4, 1.0);
        assert_eq!((0..9i64).take_while(|offset| put(&mut tight, &offset.to_be_bytes(), *offset)).count(), 3);
        assert_eq!(tight.get(b"x"), -1);
    }

    /// What is known by the offset alone is what the map would have said.
    #[test]
    fn standings_never_say_anything_else_than_the_map() {
        let (mut asked, mut told) = (map(1 << 14, 0.9), map(1 << 14, 0.9));
        asked.standings.bound(0);
        // Some offsets are missing, and keys come back after any time.
        let mut seed = 11u64;
        let records: Vec<(i64, [u8; 8])> = (0..80_000i64)
            .filter_map(|offset| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 60 > 2).then_some((offset, ((seed >> 33) % 9_000).to_be_bytes()))
            })
            .collect();
        for (offset, key) in &records {
            assert!(asked.note(key, *offset) && told.note(key, *offset));
        }
        assert!(asked.settle() && told.settle());
        assert_eq!(asked.entries(), told.entries());
        let mut known = 0;
        for (offset, key) in &records {
            assert_eq!(asked.is_superseded(key, *offset), told.is_superseded(key, *offset), "{offset}");
            known += u64::from(told.standings.of(*offset) != Standing::Unknown);
        }
        // The map grew in between, and took memory from them.
        assert!(known > 10_000 && known < records.len() as u64, "{known} of {}", records.len());
        let gone =
            |batch: &[(i64, [u8; 8])]| batch.iter().all(|(offset, key)| asked.is_superseded(key, *offset));
        let mut dropped = 0;
        for batch in records.chunks(2) {
            let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else { continue };
            let all = told.supersedes_all(*first..=*last, batch.len() as u64);
            assert!(!all || gone(batch), "{first} to {last}");
            dropped += u64::from(all);
        }
        assert!(dropped > 1_000, "{dropped}");
    }
}
