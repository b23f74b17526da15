//! Log compaction as a user meets it: old values go by themselves, the newest stay, across restarts and power loss.

use super::produce::produce;
use super::*;
use log::ReadLimit;
use wire::compress::{Compression, DecompressLimit};
use wire::record_batch::RecordBatch;

const COMPACTED: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("internal.segment.bytes", "500"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("file.delete.delay.ms", "1000"),
];

/// (offset, key, value) of all that can be read.
fn contents(node: &Harness, topic: &str, partition: i32) -> Vec<(i64, String, String)> {
    let views = node.node.views().by_name(topic).unwrap();
    node.node.open_log(node.now_ms, views.partition(partition).unwrap());
    let view = views.partition(partition).unwrap().view().unwrap();
    let (mut next, mut found) = (view.log_start_offset, Vec::new());
    while next < view.high_watermark {
        let fetched = view.read(next, 1, ReadLimit::HighWatermark, true).unwrap();
        if fetched.records.is_empty() {
            break;
        }
        next = fetched.next_offset;
        for record in
            RecordBatch::parse(fetched.records).unwrap().records(DecompressLimit::default()).unwrap()
        {
            let record = record.unwrap();
            let text = |bytes: Option<Bytes>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
            found.push((record.offset, text(record.key), text(record.value)));
        }
    }
    found
}

fn put(node: &mut Harness, topic: &str, partition: i32, key: &str, value: &str) {
    let mut builder = RecordBatchBuilder::with_compression(Compression::None);
    builder.append(node.now_ms, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
    let answer = produce(node, topic, partition, -1, builder.build());
    assert_eq!(answer.error_code, 0);
}

fn fill(node: &mut Harness, topic: &str, partitions: i32) {
    for number in 0..60 {
        for partition in 0..partitions {
            put(node, topic, partition, &format!("k{}", number % 3), &format!("v{number}"));
        }
    }
}

fn is_compacted(node: &Harness, topic: &str, partition: i32) -> bool {
    // The active segment keeps what it has.
    let found = contents(node, topic, partition);
    let values: Vec<&str> = found.iter().rev().take(3).map(|(_, _, value)| value.as_str()).collect();
    assert_eq!(values, ["v59", "v58", "v57"]);
    found.len() < 20
}

#[test]
fn cleaner_settings_hold_at_once_and_change_in_small_steps() {
    use super::flushing::alter_of;
    let mut node = Harness::start();
    node.create_with("c", 1, COMPACTED);
    node.advance(15_000);
    fill(&mut node, "c", 1);
    let cluster = (4, "");
    for (name, value, error) in [
        ("log.cleaner.threads", "3", ErrorCode::InvalidRequest),
        ("log.cleaner.threads", "0", ErrorCode::InvalidRequest),
        ("log.cleaner.threads", "2", ErrorCode::None),
        ("log.cleaner.threads", "4", ErrorCode::None),
        ("log.cleaner.threads", "1", ErrorCode::InvalidRequest),
        ("log.cleaner.dedupe.buffer.size", "4194304", ErrorCode::InvalidRequest),
        ("log.cleaner.dedupe.buffer.size", "8388608", ErrorCode::None),
        ("log.roll.ms", "0", ErrorCode::InvalidRequest),
        ("log.retention.ms", "0", ErrorCode::InvalidRequest),
        ("log.retention.ms", "-1", ErrorCode::None),
        ("log.cleaner.backoff.ms", "100", ErrorCode::None),
    ] {
        assert_eq!(alter_of(&mut node, cluster, name, value), error.code(), "{name}={value}");
    }
    // Not after the fifteen seconds that were arranged before.
    for _ in 0..20 {
        node.advance(10);
    }
    assert!(is_compacted(&node, "c", 0));
}

fn strays(node: &Harness) -> Vec<String> {
    let partition = Path::new(DIRECTORY).join("c-0");
    let entries = log::Disk::list(&node.disk, &partition).unwrap();
    entries
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| name.contains(".deleted") || name.contains(".cleaned"))
        .collect()
}

#[test]
fn old_values_go_by_themselves_and_the_newest_stay() {
    let mut node = Harness::with(&[("log.cleaner.threads", "2")]);
    node.create_with("c", 5, COMPACTED);
    node.create_with("kept", 1, &[("internal.segment.bytes", "500")]);
    fill(&mut node, "c", 5);
    fill(&mut node, "kept", 1);
    assert_eq!(contents(&node, "c", 0).len(), 60);
    // Kafka's backoff.
    node.advance(15_000);
    for _ in 0..20 {
        node.advance(10);
    }
    for partition in 0..5 {
        assert!(is_compacted(&node, "c", partition), "partition {partition}");
    }
    assert_eq!(contents(&node, "kept", 0).len(), 60);
    let checkpoint = |node: &Harness| {
        let directory = LogDirectory::new(Arc::new(node.disk.clone()), DIRECTORY);
        directory.read_checkpoint(log::directory::Checkpoint::Cleaner).unwrap().0
    };
    // Long before the checkpoints are due.
    assert_eq!(checkpoint(&node).len(), 5);
    assert!(!strays(&node).is_empty());
    node.advance(1_000);
    assert_eq!(strays(&node), [""; 0]);
    let before = contents(&node, "c", 3);
    let mut node = node.restart();
    assert_eq!(contents(&node, "c", 3), before);
    assert_eq!(checkpoint(&node).len(), 5);
    fill(&mut node, "c", 1);
    let mut node = node.crash(Survival::Random);
    assert_eq!(contents(&node, "c", 3), before);
    node.advance(15_000);
    node.advance(10);
    assert!(is_compacted(&node, "c", 0));
}

#[test]
fn the_dirty_ratio_the_switch_and_the_throttle_are_obeyed() {
    let slow = ("log.cleaner.io.max.bytes.per.second", "3000");
    for (settings, configs, after_ms) in [
        (&[][..], &[("min.cleanable.dirty.ratio", "1.0")][..], None),
        (&[("log.cleaner.enable", "false")], &[], None),
        (&[("log.cleaner.threads", "0")], &[], None),
        (&[slow], &[], Some(3_000)),
        (&[], &[("min.compaction.lag.ms", "60000")], Some(60_000)),
        (&[], &[("min.cleanable.dirty.ratio", "1.0"), ("max.compaction.lag.ms", "30000")], Some(30_000)),
    ] {
        let mut node = Harness::with(settings);
        let mut all = COMPACTED.to_vec();
        all.retain(|(name, _)| configs.iter().all(|(other, _)| other != name));
        all.extend_from_slice(configs);
        node.create_with("c", 1, &all);
        fill(&mut node, "c", 1);
        node.advance(15_000);
        assert_eq!(contents(&node, "c", 0).len(), 60, "{settings:?} {configs:?}: not yet");
        for _ in 0..100 {
            node.advance(1_000);
            if is_compacted(&node, "c", 0) {
                break;
            }
        }
        let waited = node.now_ms - START_MS;
        match after_ms {
            None => assert!(!is_compacted(&node, "c", 0), "{settings:?} {configs:?}"),
            Some(ms) => {
                assert!(is_compacted(&node, "c", 0) && waited >= ms, "{settings:?} {configs:?}: {waited}")
            }
        }
    }
}

#[test]
fn a_topic_deleted_or_stopped_in_the_middle_of_a_cleaning_leaves_nothing_behind() {
    let slow = &[("log.cleaner.io.max.bytes.per.second", "3000")];
    for delete in [true, false] {
        let mut node = Harness::with(slow);
        node.create_with("c", 1, COMPACTED);
        fill(&mut node, "c", 1);
        node.advance(15_000);
        node.advance(900);
        if delete {
            let request = wire::messages::delete_topics::DeleteTopicsRequest {
                topic_names: vec![Str::from("c")],
                timeout_ms: 1_000,
                ..Default::default()
            };
            let answer: wire::messages::delete_topics::DeleteTopicsResponse =
                node.ask(ApiKey::DeleteTopics, 5, &request);
            assert_eq!(answer.responses[0].error_code, 0);
            node.create_with("c", 1, COMPACTED);
            fill(&mut node, "c", 1);
            node.advance(20_000);
            for _ in 0..60 {
                node.advance(1_000);
            }
        } else {
            node = node.restart();
            assert_eq!(strays(&node), [""; 0]);
            for _ in 0..60 {
                node.advance(1_000);
            }
        }
        assert!(is_compacted(&node, "c", 0), "delete {delete}");
    }
}
