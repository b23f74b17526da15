//! Two facts of the Java runtime that Kafka's behaviour rests on: a string's hash, and the order of a small hash map.
//! Nothing else of Java is imitated anywhere.

/// `String.hashCode()`: over UTF-16 code units.
pub fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The bucket of a key in a `java.util.HashMap` of this many entries; entries are visited by ascending bucket.
pub fn map_bucket(text: &str, entries: usize) -> u32 {
    let hash = string_hash(text).cast_unsigned();
    // The table starts with 16 buckets and doubles when more than three quarters of them could be full.
    let mut buckets: usize = 16;
    while entries > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mask = u32::try_from(buckets - 1).unwrap_or(u32::MAX);
    (hash ^ (hash >> 16)) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("range"), 108_280_125);
        assert_eq!(string_hash("polygenelubricants"), i32::MIN);
        assert_eq!(string_hash("é😀"), 233 * 31 * 31 + 0xd83d * 31 + 0xde00);
    }

    #[test]
    fn tables_grow_at_three_quarters() {
        assert!(map_bucket("roundrobin", 12) < 16);
        assert_eq!(map_bucket("a", 13), map_bucket("a", 24));
    }
}
