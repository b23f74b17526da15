//! Several log directories: where replicas go, one of them failing, moves between them, cordons (KIP-112, 113, 858, 1066).

use std::collections::BTreeMap;

use wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::fetch::{error_at, values};
use super::produce::produce;
use super::*;

pub(crate) const DIRECTORIES: (&str, &str) = ("log.dirs", "/data,/b,/c");

fn start(more: &[(&str, &str)]) -> Harness {
    let settings: Vec<_> =
        [DIRECTORIES, ("log.segment.delete.delay.ms", "1000")].iter().chain(more).copied().collect();
    Harness::with(&settings)
}

fn describe(node: &mut Harness) -> DescribeLogDirsResponse {
    node.ask(ApiKey::DescribeLogDirs, 5, &DescribeLogDirsRequest { topics: None })
}

/// Partition to directory, of those there or of those on their way.
pub(crate) fn places(node: &mut Harness, topic: &str, future: bool) -> BTreeMap<i32, String> {
    let mut found = BTreeMap::new();
    for directory in describe(node).results {
        for one in directory.topics.iter().filter(|one| one.name == topic).flat_map(|one| &one.partitions) {
            if one.is_future_key == future {
                let before = found.insert(one.partition_index, directory.log_dir.to_string());
                assert_eq!(before, None, "a replica is in two directories");
            }
        }
    }
    found
}

fn errors(node: &mut Harness) -> Vec<(String, i16, bool)> {
    let of = |directory: wire::messages::describe_log_dirs::DescribeLogDirsResult| {
        (directory.log_dir.to_string(), directory.error_code, directory.is_cordoned)
    };
    describe(node).results.into_iter().map(of).collect()
}

pub(crate) fn move_request(topic: &str, partition: i32, path: &str) -> AlterReplicaLogDirsRequest {
    let topics = vec![AlterReplicaLogDirTopic { name: Str::from(topic), partitions: vec![partition] }];
    AlterReplicaLogDirsRequest { dirs: vec![AlterReplicaLogDir { path: Str::from(path), topics }] }
}

fn move_to(node: &mut Harness, topic: &str, partition: i32, path: &str) -> ErrorCode {
    let answer: AlterReplicaLogDirsResponse =
        node.ask(ApiKey::AlterReplicaLogDirs, 2, &move_request(topic, partition, path));
    ErrorCode::from_code(answer.results[0].partitions[0].error_code)
}

fn configure(node: &mut Harness, name: &str, value: &str) -> IncrementalAlterConfigsResponse {
    let config =
        AlterableConfig { name: Str::from(name), config_operation: 0, value: Some(Str::from(value)) };
    let resource = AlterConfigsResource {
        resource_type: 4,
        resource_name: Str::from_static("1"),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = node.ask(ApiKey::IncrementalAlterConfigs, 1, &request);
    node.settle();
    answer
}

/// What the image says about each partition's directory, as a path.
fn told(node: &mut Harness, topic: &str) -> BTreeMap<i32, String> {
    node.settle();
    let image = node.node.image();
    let topic = image.topics.by_name(topic).unwrap();
    let path = |id: Uuid| {
        let directory = node.node.directories().iter().find(|directory| directory.id == id);
        directory.map_or(id.to_string(), |directory| directory.log.path().display().to_string())
    };
    topic
        .partitions
        .iter()
        .map(|(index, partition)| (*index, path(partition.directory(1).unwrap())))
        .collect()
}

fn leader(node: &Harness, topic: &str, partition: i32) -> i32 {
    node.node.image().topics.by_name(topic).unwrap().partition(partition).unwrap().leader
}

fn fill(node: &mut Harness, topic: &str, partition: i32, count: usize) -> Vec<String> {
    let filled: Vec<String> = (0..count).map(|number| format!("{number}-{}", "x".repeat(80))).collect();
    for value in &filled {
        assert_eq!(produce(node, topic, partition, -1, batch(&[value])).error_code, 0);
    }
    filled
}

fn all_values(node: &mut Harness, topic: &str, partition: i32) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let more = values(node, topic, partition, found.len() as i64);
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn counts(places: &BTreeMap<i32, String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    places.values().for_each(|place| *counts.entry(place.clone()).or_default() += 1);
    counts
}

fn expect(places: &[(&str, usize)]) -> BTreeMap<String, usize> {
    places.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
}

#[test]
fn new_replicas_go_where_fewest_are_and_the_controller_hears_where() {
    let mut node = start(&[]);
    node.create("t", 6);
    let there = places(&mut node, "t", false);
    assert_eq!(counts(&there), expect(&[("/data", 2), ("/b", 2), ("/c", 2)]));
    assert_eq!(told(&mut node, "t"), there);
    fill(&mut node, "t", 1, 3);
    let mut node = node.restart();
    assert_eq!(places(&mut node, "t", false), there);
    assert_eq!(told(&mut node, "t"), there);
}

#[test]
fn cordoned_directories_get_no_new_replicas() {
    let mut node = start(&[("cordoned.log.dirs", "/b")]);
    node.create("t", 4);
    assert_eq!(counts(&places(&mut node, "t", false)), expect(&[("/data", 2), ("/c", 2)]));
    assert_eq!(errors(&mut node).iter().map(|one| one.2).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(move_to(&mut node, "t", 0, "/b"), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(configure(&mut node, "cordoned.log.dirs", "/c").responses[0].error_code, 0);
    assert_eq!(errors(&mut node).iter().map(|one| one.2).collect::<Vec<_>>(), [false, false, true]);
    node.create("u", 4);
    assert_eq!(counts(&places(&mut node, "u", false)), expect(&[("/data", 1), ("/b", 3)]));
    let wrong = configure(&mut node, "cordoned.log.dirs", "/nowhere");
    assert_eq!(
        wrong.responses[0].error_message.as_deref(),
        Some(
            "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /nowhere"
        )
    );
    assert_eq!(configure(&mut node, "cordoned.log.dirs", "*").responses[0].error_code, 0);
    node.advance(10);
    assert_ne!(node.try_create("v"), 0, "no broker takes new replicas");
    assert_eq!(configure(&mut node, "cordoned.log.dirs", "").responses[0].error_code, 0);
    node.advance(10);
    assert_eq!(node.try_create("v"), 0);
}

#[test]
fn a_replica_moves_while_records_come_in() {
    let mut node = start(&[]);
    node.create_with("t", 1, &[("internal.segment.bytes", "1000")]);
    assert_eq!(move_to(&mut node, "t", 0, "/b"), ErrorCode::None, "nothing was written yet");
    assert_eq!(places(&mut node, "t", false)[&0], "/b");
    let mut expected = fill(&mut node, "t", 0, 40);
    configure(&mut node, "replica.alter.log.dirs.io.max.bytes.per.second", "3000");
    assert_eq!(move_to(&mut node, "t", 0, "/c"), ErrorCode::None);
    node.settle();
    assert_eq!(places(&mut node, "t", true)[&0], "/c", "the copy is seen while it is made");
    assert_eq!(places(&mut node, "t", false)[&0], "/b");
    for _ in 0..20 {
        node.advance(500);
        let value = format!("in the meantime {}", expected.len());
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&[&value])).error_code, 0);
        expected.push(value);
    }
    assert_eq!(places(&mut node, "t", true), BTreeMap::new());
    assert_eq!(places(&mut node, "t", false)[&0], "/c");
    assert_eq!(told(&mut node, "t")[&0], "/c");
    assert_eq!(all_values(&mut node, "t", 0), expected);
    node.advance(2_000);
    let left = log::Disk::list(&node.disk, Path::new("/b")).unwrap();
    assert!(!left.iter().any(|entry| entry.name.starts_with("t-0")), "{left:?}");
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(all_values(&mut node, "t", 0), expected);
    assert_eq!(places(&mut node, "t", false)[&0], "/c");
}

#[test]
fn wishes_that_cannot_be_met_are_told_apart() {
    let mut node = start(&[]);
    node.create("t", 1);
    fill(&mut node, "t", 0, 1);
    let here = places(&mut node, "t", false)[&0].clone();
    assert_eq!(move_to(&mut node, "t", 0, "/nowhere"), ErrorCode::LogDirNotFound);
    assert_eq!(move_to(&mut node, "t", 7, "/b"), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(move_to(&mut node, &"n".repeat(220), 0, "/b"), ErrorCode::InvalidTopicException);
    assert_eq!(move_to(&mut node, "t", 0, &here), ErrorCode::None);
    for path in ["/data", "/b", "/c"] {
        let name = format!("later-{}", &path[1..]);
        assert_eq!(move_to(&mut node, &name, 0, path), ErrorCode::UnknownTopicOrPartition);
        node.create(&name, 1);
        assert_eq!(places(&mut node, &name, false)[&0], path, "the wish decides where it is made");
    }
}

#[test]
fn a_move_is_replaced_ended_and_forgotten_with_its_topic() {
    let mut node = start(&[("replica.alter.log.dirs.io.max.bytes.per.second", "1")]);
    configure(&mut node, "replica.alter.log.dirs.io.max.bytes.per.second", "1");
    node.create("t", 1);
    assert_eq!(move_to(&mut node, "t", 0, "/data"), ErrorCode::None);
    let expected = fill(&mut node, "t", 0, 5);
    assert_eq!(move_to(&mut node, "t", 0, "/b"), ErrorCode::None);
    node.settle();
    assert_eq!(places(&mut node, "t", true)[&0], "/b");
    assert_eq!(move_to(&mut node, "t", 0, "/c"), ErrorCode::None);
    node.settle();
    assert_eq!(places(&mut node, "t", true)[&0], "/c");
    assert_eq!(move_to(&mut node, "t", 0, "/data"), ErrorCode::None);
    assert_eq!(places(&mut node, "t", true), BTreeMap::new());
    node.advance(100_000_000);
    let copies = |node: &Harness| {
        let listed = |path: &str| log::Disk::list(&node.disk, Path::new(path)).unwrap();
        [listed("/b"), listed("/c")].concat().iter().filter(|entry| entry.name.starts_with("t-0")).count()
    };
    assert_eq!(copies(&node), 0);
    assert_eq!(told(&mut node, "t")[&0], "/data");
    assert_eq!(all_values(&mut node, "t", 0), expected);
    assert_eq!(move_to(&mut node, "t", 0, "/c"), ErrorCode::None);
    node.settle();
    let topics = vec![DeleteTopicState { name: Some(Str::from_static("t")), topic_id: Uuid::ZERO }];
    let request = DeleteTopicsRequest { topics, timeout_ms: 1_000, ..DeleteTopicsRequest::default() };
    let answer: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &request);
    assert_eq!(answer.responses[0].error_code, 0);
    node.advance(100_000_000);
    assert_eq!(copies(&node), 0);
}

#[test]
fn a_half_made_move_goes_on_after_a_start() {
    let mut node = start(&[]);
    node.create_with("t", 1, &[("internal.segment.bytes", "1000")]);
    assert_eq!(move_to(&mut node, "t", 0, "/data"), ErrorCode::None);
    let expected = fill(&mut node, "t", 0, 60);
    configure(&mut node, "replica.alter.log.dirs.io.max.bytes.per.second", "2000");
    assert_eq!(move_to(&mut node, "t", 0, "/b"), ErrorCode::None);
    node.advance(1_000);
    assert_eq!(places(&mut node, "t", true)[&0], "/b");
    for stop_in_order in [true, false] {
        node = if stop_in_order { node.restart() } else { node.crash(Survival::Everything) };
        node.settle();
        assert_eq!(places(&mut node, "t", true)[&0], "/b", "it goes on by itself");
    }
    for _ in 0..20 {
        node.advance(500);
    }
    assert_eq!(places(&mut node, "t", false)[&0], "/b");
    assert_eq!(places(&mut node, "t", true), BTreeMap::new());
    assert_eq!(all_values(&mut node, "t", 0), expected);
}

/// Two topics, one in a directory that will fail.
fn two_places(node: &mut Harness) -> (Vec<String>, Vec<String>) {
    for (name, path) in [("dying", "/b"), ("living", "/c")] {
        move_to(node, name, 0, path);
        node.create(name, 1);
    }
    (fill(node, "dying", 0, 5), fill(node, "living", 0, 5))
}

fn goes_on_without_b(node: &mut Harness, living: &[String]) {
    let storage = ErrorCode::KafkaStorageError.code();
    let not_leader = ErrorCode::NotLeaderOrFollower.code();
    let error = produce(node, "dying", 0, -1, batch(&["lost"])).error_code;
    assert!(error == storage || error == not_leader, "{error}");
    node.advance(100);
    let read = error_at(node, "dying", 0, 0);
    assert!(read == storage || read == not_leader, "{read}");
    assert_eq!(leader(node, "dying", 0), -1);
    assert_eq!(errors(node).into_iter().map(|one| one.1).collect::<Vec<_>>(), [0, storage, 0]);
    assert_eq!(move_to(node, "living", 0, "/b"), ErrorCode::KafkaStorageError);
    assert_eq!(move_to(node, "living", 0, "/data"), ErrorCode::KafkaStorageError);
    assert_eq!(move_to(node, "dying", 0, "/data"), ErrorCode::KafkaStorageError);
    assert_eq!(produce(node, "living", 0, -1, batch(&["goes on"])).error_code, 0);
    let mut expected = living.to_vec();
    expected.push("goes on".to_owned());
    assert_eq!(all_values(node, "living", 0), expected);
    node.create("new", 6);
    assert_eq!(counts(&places(node, "new", false)).get("/b"), None);
    assert!(!node.bells.halted.load(Ordering::SeqCst));
}

#[test]
fn s35_one_directory_fails_is_never_made_anew_elsewhere_and_all_others_go_on() {
    for at_write in [true, false] {
        let mut node = start(&[]);
        let (dying, living) = two_places(&mut node);
        node.disk.break_below(Path::new("/b"));
        if !at_write {
            // A read meets the error first.
            assert_eq!(error_at(&mut node, "dying", 0, 0), ErrorCode::KafkaStorageError.code());
        }
        goes_on_without_b(&mut node, &living);
        // A start with the directory still broken, then with it mended.
        let mut node = node.restart();
        assert_eq!(places(&mut node, "dying", false), BTreeMap::new(), "never made anew elsewhere");
        node.disk.mend();
        let mut node = node.restart();
        node.advance(100);
        assert_eq!(leader(&node, "dying", 0), 1);
        assert_eq!(all_values(&mut node, "dying", 0), dying);
        assert_eq!(all_values(&mut node, "living", 0).len(), living.len() + 1);
    }
}

#[test]
fn a_node_starts_without_a_directory_that_cannot_be_read() {
    let mut node = start(&[]);
    let (dying, living) = two_places(&mut node);
    let (disk, settings, now_ms) = (node.disk.clone(), node.settings.clone(), node.now_ms + 1_000);
    node.stop();
    disk.break_below(Path::new("/b"));
    let mut node = Harness::open(disk, settings, now_ms);
    goes_on_without_b(&mut node, &living);
    node.disk.mend();
    let mut node = node.restart();
    node.advance(100);
    assert_eq!(all_values(&mut node, "dying", 0), dying);
}

#[test]
fn the_metadata_and_the_last_directory_are_not_to_be_missed() {
    let mut node = start(&[]);
    move_to(&mut node, "t", 0, "/data");
    node.create("t", 1);
    node.disk.break_below(Path::new("/data"));
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["x"])).error_code, ErrorCode::KafkaStorageError.code());
    assert!(node.bells.halted.load(Ordering::SeqCst));
}

#[test]
fn a_move_ends_with_either_of_its_directories() {
    for dies in ["/b", "/c"] {
        let mut node = start(&[]);
        move_to(&mut node, "t", 0, "/b");
        node.create_with("t", 1, &[("internal.segment.bytes", "1000")]);
        let expected = fill(&mut node, "t", 0, 40);
        configure(&mut node, "replica.alter.log.dirs.io.max.bytes.per.second", "2000");
        assert_eq!(move_to(&mut node, "t", 0, "/c"), ErrorCode::None);
        node.advance(500);
        node.disk.break_below(Path::new(dies));
        for _ in 0..10 {
            node.advance(500);
        }
        assert_eq!(places(&mut node, "t", true), BTreeMap::new());
        if dies == "/c" {
            assert_eq!(all_values(&mut node, "t", 0), expected, "the replica stays where it was");
            assert_eq!(told(&mut node, "t")[&0], "/b");
        } else {
            assert_eq!(leader(&node, "t", 0), -1);
        }
        let mut node = node.crash(Survival::Everything);
        if dies == "/b" {
            assert_eq!(
                places(&mut node, "t", false),
                BTreeMap::new(),
                "a copy that is not whole is no replica"
            );
        }
        node.disk.mend();
        let mut node = node.crash(Survival::Everything);
        node.advance(100);
        assert_eq!(all_values(&mut node, "t", 0), expected);
    }
}

#[test]
fn the_controller_hears_of_a_failure_at_once() {
    // The only controller is this node's own: the broker is never given up for want of an answer.
    let mut node = start(&[("log.dir.failure.timeout.ms", "1000")]);
    let _ = two_places(&mut node);
    node.disk.break_below(Path::new("/b"));
    produce(&mut node, "dying", 0, -1, batch(&["lost"]));
    for _ in 0..10 {
        node.advance(1_000);
    }
    assert!(!node.bells.halted.load(Ordering::SeqCst));
    let image = node.node.image();
    assert_eq!(image.cluster.broker(1).unwrap().directories.len(), 2);
}
