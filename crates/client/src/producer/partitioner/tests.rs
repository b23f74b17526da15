use super::*;

/// Key, partition of 12, partition of 100, as org.apache.kafka.common.utils.Utils of 4.4.0 gives them.
const JAVA_VECTORS: [(&str, i32, i32); 10] = [
    ("", 9, 81),
    ("0", 8, 96),
    ("21", 0, 40),
    ("foobar", 6, 66),
    ("a-little-bit-long-string", 8, 12),
    ("a-little-bit-longer-string", 11, 19),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5, 77),
    ("order-42", 0, 24),
    ("ключ", 8, 24),
    ("\0abc", 7, 71),
];

#[test]
fn keyed_records_go_where_java_sends_them() {
    for (key, of_12, of_100) in JAVA_VECTORS {
        assert_eq!(murmur2_partition(key.as_bytes(), 12), of_12, "{key}");
        assert_eq!(murmur2_partition(key.as_bytes(), 100), of_100, "{key}");
    }
}

#[test]
fn consistent_random_is_the_crc32_of_the_key() {
    // Values of zlib.crc32, which librdkafka uses.
    assert_eq!(crc32(b"foobar"), 2_666_930_069);
    assert_eq!(crc32_partition(b"order-42", 12), 10);
    assert_eq!(crc32_partition(b"a", 12), 3);
}

fn choices(partitioner: Partitioner, key: Option<&[u8]>, size: usize, available: &[i32]) -> Vec<i32> {
    let mut chooser = Chooser::new(partitioner, 100, 7);
    let has_leader = |partition: i32| available.contains(&partition);
    (0..40).map(|_| chooser.choose(&Str::from("t"), key, size, 4, &has_leader)).collect()
}

#[test]
fn keyless_records_stick_for_a_batch_and_then_move() {
    let chosen = choices(Partitioner::Murmur2, None, 25, &[]);
    for batch in chosen.chunks(4) {
        assert!(batch.iter().all(|partition| partition == &batch[0]), "{chosen:?}");
    }
    let used: std::collections::BTreeSet<i32> = chosen.iter().copied().collect();
    assert!(used.len() > 1, "{chosen:?}");
}

#[test]
fn keyless_records_avoid_partitions_without_a_leader() {
    assert!(
        choices(Partitioner::Murmur2, None, 100, &[1, 3]).iter().all(|partition| [1, 3].contains(partition))
    );
}

#[test]
fn round_robin_takes_turns_whatever_the_key() {
    assert_eq!(choices(Partitioner::RoundRobin, Some(b"k"), 1, &[])[..5], [0, 1, 2, 3, 0]);
    assert_eq!(choices(Partitioner::RoundRobin, None, 1, &[2, 3])[..3], [2, 3, 2]);
}

#[test]
fn a_custom_choice_out_of_range_falls_back_to_sticky() {
    struct Fixed(i32);
    impl PartitionChoice for Fixed {
        fn partition(&self, _topic: &str, _key: Option<&[u8]>, _partitions: i32) -> Option<i32> {
            Some(self.0)
        }
    }
    assert_eq!(choices(Partitioner::Custom(Arc::new(Fixed(2))), None, 1, &[])[0], 2);
    assert!(
        choices(Partitioner::Custom(Arc::new(Fixed(9))), None, 1, &[]).iter().all(|p| (0..4).contains(p))
    );
}
