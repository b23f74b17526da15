//! An ordered map whose clone costs one reference count and whose change costs one small chunk: the image is published by
//! cloning, and a cluster of 200,000 partitions must not be copied because one of them changed (docs/decisions/0007).
//! Owns only the container; knows nothing of metadata. Two levels, no rebalancing cleverness: a sorted vector of sorted chunks.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Entries per chunk before it is split. A change copies one chunk and the vector of chunk pointers: with n entries about
/// `CHUNK + n / CHUNK` reference counts, so the square root of 200,000 (450) would be ideal; smaller favours small maps.
const CHUNK: usize = 256;
const _: () = assert!(CHUNK >= 2, "a full chunk is split into two that are not empty");

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map with structural sharing. Chunks are never empty, are sorted within and among each other, and hold at most
/// [`CHUNK`] entries.
pub struct CowMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

/// How one key differs between two maps.
#[derive(Debug, PartialEq)]
pub enum Change<'a, K, V> {
    /// Only the newer map has it.
    Added(&'a K, &'a V),
    /// Both have it, with different values: key, older, newer.
    Changed(&'a K, &'a V, &'a V),
    /// Only the older map has it.
    Removed(&'a K, &'a V),
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        CowMap { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K, V> Clone for CowMap<K, V> {
    fn clone(&self) -> Self {
        CowMap { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<K: Ord + Clone, V: Clone> CowMap<K, V> {
    /// An empty map; allocates nothing to speak of.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, position) = self.find(key)?;
        self.chunks.get(chunk)?.get(position).map(|(_, value)| value)
    }

    /// True if the key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_some()
    }

    /// The value of a key, to be changed in place: copies its chunk if somebody else holds it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (chunk, position) = self.find(key)?;
        let chunk = Arc::make_mut(Arc::make_mut(&mut self.chunks).get_mut(chunk)?);
        chunk.get_mut(position).map(|(_, value)| value)
    }

    /// Sets a key; returns what it had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let index = self.chunk_of(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let is_last_chunk = index + 1 == chunks.len();
        let Some(chunk) = chunks.get_mut(index) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let entries = Arc::make_mut(chunk);
        match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(position) => entries.get_mut(position).map(|slot| std::mem::replace(&mut slot.1, value)),
            Err(position) => {
                self.len += 1;
                if entries.len() < CHUNK {
                    entries.insert(position, (key, value));
                } else if position == CHUNK && is_last_chunk {
                    // Ascending inserts (a replay) leave full chunks behind.
                    chunks.push(Arc::new(vec![(key, value)]));
                } else {
                    let mut upper = entries.split_off(CHUNK / 2);
                    if position <= CHUNK / 2 {
                        entries.insert(position, (key, value));
                    } else {
                        upper.insert(position - CHUNK / 2, (key, value));
                    }
                    chunks.insert(index + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Removes a key; returns what it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (index, position) = self.find(key)?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(chunks.get_mut(index)?);
        let (_, value) = entries.remove(position);
        let left = entries.len();
        self.len -= 1;
        if left == 0 {
            chunks.remove(index);
        } else if let Some(next) = chunks.get(index + 1)
            && left + next.len() <= CHUNK / 2
        {
            let next = chunks.remove(index + 1);
            if let Some(chunk) = chunks.get_mut(index) {
                Arc::make_mut(chunk).extend(next.iter().cloned());
            }
        }
        Some(value)
    }

    /// All entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values in key order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries at or after a key, in order (cursors of paged answers).
    pub fn iter_from<'a, Q: Ord + ?Sized>(
        &'a self,
        key: &Q,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V, Q>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunk_of(key);
        let position =
            self.chunks.get(chunk).map_or(0, |entries| entries.partition_point(|(k, _)| k.borrow() < key));
        let entries = self.chunks.iter().skip(chunk).flat_map(|chunk| chunk.iter());
        entries.skip(position).map(|(key, value)| (key, value))
    }

    /// Where a key would live: the last chunk whose first key is not greater.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let after = self
            .chunks
            .partition_point(|chunk| chunk.first().is_some_and(|(first, _)| first.borrow() <= key));
        after.saturating_sub(1)
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(usize, usize)>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunk_of(key);
        let entries = self.chunks.get(chunk)?;
        let position = entries.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        Some((chunk, position))
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> CowMap<K, V> {
    /// What changed since `older`, in key order. Chunks that both share are skipped by their address, so the cost follows the
    /// number of changes, not the size of the map.
    pub fn changes_since<'a>(&'a self, older: &'a Self) -> Vec<Change<'a, K, V>> {
        let mut changes = Vec::new();
        self.walk(older, |change| {
            changes.push(change);
            true
        });
        changes
    }

    /// Merges both maps in key order and calls `visit` for every difference until it says false.
    fn walk<'a>(&'a self, older: &'a Self, mut visit: impl FnMut(Change<'a, K, V>) -> bool) {
        let mut new = Cursor { chunks: &self.chunks, chunk: 0, position: 0 };
        let mut old = Cursor { chunks: &older.chunks, chunk: 0, position: 0 };
        loop {
            if Cursor::skip_shared(&mut new, &mut old) {
                continue;
            }
            let go_on = match (new.entry(), old.entry()) {
                (None, None) => return,
                (Some((key, value)), None) => {
                    new.advance();
                    visit(Change::Added(key, value))
                }
                (None, Some((key, value))) => {
                    old.advance();
                    visit(Change::Removed(key, value))
                }
                (Some((new_key, new_value)), Some((old_key, old_value))) => match new_key.cmp(old_key) {
                    std::cmp::Ordering::Less => {
                        new.advance();
                        visit(Change::Added(new_key, new_value))
                    }
                    std::cmp::Ordering::Greater => {
                        old.advance();
                        visit(Change::Removed(old_key, old_value))
                    }
                    std::cmp::Ordering::Equal => {
                        new.advance();
                        old.advance();
                        new_value == old_value || visit(Change::Changed(new_key, old_value, new_value))
                    }
                },
            };
            if !go_on {
                return;
            }
        }
    }
}

struct Cursor<'a, K, V> {
    chunks: &'a [Chunk<K, V>],
    chunk: usize,
    position: usize,
}

impl<'a, K, V> Cursor<'a, K, V> {
    fn entry(&self) -> Option<(&'a K, &'a V)> {
        self.chunks.get(self.chunk)?.get(self.position).map(|(key, value)| (key, value))
    }

    fn advance(&mut self) {
        self.position += 1;
        if self.chunks.get(self.chunk).is_some_and(|chunk| self.position >= chunk.len()) {
            self.chunk += 1;
            self.position = 0;
        }
    }

    /// Both cursors stand at the beginning of the same chunk: step over it.
    fn skip_shared(a: &mut Self, b: &mut Self) -> bool {
        let shared = a.position == 0
            && b.position == 0
            && matches!((a.chunks.get(a.chunk), b.chunks.get(b.chunk)), (Some(x), Some(y)) if Arc::ptr_eq(x, y));
        if shared {
            a.chunk += 1;
            b.chunk += 1;
        }
        shared
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for CowMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.chunks, &other.chunks) {
            return true;
        }
        let mut equal = self.len == other.len;
        if equal {
            self.walk(other, |_| {
                equal = false;
                false
            });
        }
        equal
    }
}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for CowMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for CowMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = CowMap::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use wire::random::SplitMix64;

    fn check_shape<K: Ord + Clone, V: Clone>(map: &CowMap<K, V>) {
        let mut previous: Option<&K> = None;
        for chunk in map.chunks.iter() {
            assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
            for (key, _) in chunk.iter() {
                assert!(previous.is_none_or(|p| p < key));
                previous = Some(key);
            }
        }
        assert_eq!(map.len, map.chunks.iter().map(|c| c.len()).sum::<usize>());
    }

    #[test]
    fn behaves_like_a_btree_map_under_random_changes() {
        for seed in 0..20 {
            let mut rng = SplitMix64::new(seed);
            let mut map = CowMap::new();
            let mut model = BTreeMap::new();
            let keys = 1 + rng.below(3000);
            for _ in 0..4000 {
                let key = rng.below(keys);
                if rng.below(3) == 0 {
                    assert_eq!(map.remove(&key), model.remove(&key));
                } else {
                    let value = rng.next_u64();
                    assert_eq!(map.insert(key, value), model.insert(key, value));
                }
            }
            check_shape(&map);
            assert!(map.iter().eq(model.iter()));
            let from = rng.below(keys);
            assert!(map.iter_from(&from).eq(model.range(from..)));
            assert_eq!(map.get(&from), model.get(&from));
        }
    }

    #[test]
    fn names_exactly_the_changes_between_two_versions() {
        let mut rng = SplitMix64::new(7);
        let mut new: CowMap<u64, u64> = (0..5000).map(|k| (k * 2, k)).collect();
        let old = new.clone();
        let mut expected = BTreeMap::new();
        for _ in 0..200 {
            let key = rng.below(10_000);
            if rng.below(2) == 0 {
                new.remove(&key);
            } else {
                new.insert(key, 1_000_000 + key);
            }
            expected.insert(key, (old.get(&key).copied(), new.get(&key).copied()));
        }
        expected.retain(|_, (before, after)| before != after);
        let found: BTreeMap<u64, (Option<u64>, Option<u64>)> = new
            .changes_since(&old)
            .into_iter()
            .map(|change| match change {
                Change::Added(k, v) => (*k, (None, Some(*v))),
                Change::Changed(k, a, b) => (*k, (Some(*a), Some(*b))),
                Change::Removed(k, v) => (*k, (Some(*v), None)),
            })
            .collect();
        assert_eq!(found, expected);
        assert_ne!(new, old);
    }

    #[test]
    fn equality_does_not_depend_on_how_the_map_was_built() {
        let ascending: CowMap<u32, u32> = (0..2000).map(|k| (k, k)).collect();
        let descending: CowMap<u32, u32> = (0..2000).rev().map(|k| (k, k)).collect();
        assert_eq!(ascending, descending);
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut map: CowMap<u32, &str> = [(1, "a"), (2, "b")].into_iter().collect();
        let before = map.clone();
        map.insert(1, "z");
        if let Some(value) = map.get_mut(&2) {
            *value = "y";
        }
        assert_eq!(before.get(&1), Some(&"a"));
        assert_eq!(before.get(&2), Some(&"b"));
        assert_eq!(map.get(&1), Some(&"z"));
        assert_eq!(map.get(&2), Some(&"y"));
    }
}
