//! The order in which a Java hash table visits its keys: what Kafka's assignors decide where nothing else does.

use super::super::java;
use wire::Uuid;

/// Buckets of a table that grew to this many keys, one by one.
pub fn grown(keys: usize) -> usize {
    let mut buckets: usize = 16;
    while keys > buckets / 4 * 3 {
        buckets *= 2;
    }
    buckets
}

/// Buckets of a table that was made of so many keys at once.
pub fn copied(keys: usize) -> usize {
    (keys * 4 / 3 + 1).max(16).next_power_of_two()
}

/// Where a key with this hash is.
pub fn bucket(hash: i32, buckets: usize) -> usize {
    let hash = hash.cast_unsigned();
    (hash ^ (hash >> 16)) as usize & (buckets - 1)
}

/// The hash of a text.
pub fn text(text: &str) -> i32 {
    java::string_hash(text)
}

/// The hash of an id.
pub fn id(id: Uuid) -> i32 {
    let (mut high, mut low) = (0u64, 0u64);
    for (at, byte) in id.0.iter().enumerate() {
        let half = if at < 8 { &mut high } else { &mut low };
        *half = (*half << 8) | u64::from(*byte);
    }
    let both = high ^ low;
    ((both >> 32) as u32 ^ both as u32).cast_signed()
}

/// Ids in the order of a table with so many buckets.
pub fn ids(ids: impl Iterator<Item = Uuid>, buckets: usize) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_by_key(|one| (bucket(id(*one), buckets), *one));
    ids
}

/// Partitions in the order of a set that was made of them.
pub fn partitions(partitions: impl ExactSizeIterator<Item = i32>) -> Vec<i32> {
    let buckets = copied(partitions.len());
    let mut partitions: Vec<i32> = partitions.collect();
    partitions.sort_by_key(|one| (bucket(*one, buckets), *one));
    partitions
}
