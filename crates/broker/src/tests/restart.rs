//! Stops, crashes and what survives them.

use super::fetch::values;
use super::flushing::alter_of;
use super::produce::{produce, request};
use super::*;
use wire::messages::metadata::{MetadataRequest, MetadataResponse};
use wire::messages::produce::ProduceResponse;

/// `max.connections.per.ip` as whoever counts connections was told it.
fn per_ip(node: &Harness) -> Option<usize> {
    node.told.lock().as_ref().map(|caps| caps.per_ip)
}

#[test]
fn the_rim_hears_the_brokers_own_values_when_they_change_and_again_at_the_next_start() {
    let mut node = Harness::with(&[("max.connections.per.ip", "9")]);
    assert_eq!(per_ip(&node), Some(9));
    assert_eq!(alter_of(&mut node, (4, ""), "max.connections.per.ip", "7"), 0);
    assert_eq!(per_ip(&node), Some(7));
    assert_eq!(alter_of(&mut node, (4, "1"), "max.connections.per.ip", "5"), 0);
    assert_eq!(per_ip(&node), Some(5));
    assert_eq!(alter_of(&mut node, (4, "1"), "max.connections.per.ip.overrides", "localhost:3"), 42);
    assert_eq!(per_ip(&node.restart()), Some(5));
}

#[test]
fn a_clean_restart_keeps_topics_records_and_offsets() {
    let mut node = Harness::start();
    let id = node.create("t", 2);
    produce(&mut node, "t", 1, 1, batch(&["a", "b"]));
    let mut node = node.restart();
    let answer: MetadataResponse = node.ask(ApiKey::Metadata, 12, &MetadataRequest::default());
    assert!(answer.topics.is_empty());
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let answer: MetadataResponse = node.ask(ApiKey::Metadata, 12, &all);
    assert_eq!(answer.topics[0].topic_id, id);
    assert_eq!(values(&mut node, "t", 1, 0), ["a", "b"]);
    assert_eq!(produce(&mut node, "t", 1, 1, batch(&["c"])).base_offset, 2);
}

#[test]
fn what_was_acknowledged_by_all_survives_the_loss_of_everything_unsynced() {
    let mut node = Harness::start();
    node.create("t", 3);
    for round in 0..10 {
        for partition in 0..3 {
            let value = format!("{partition}-{round}");
            assert_eq!(produce(&mut node, "t", partition, -1, batch(&[&value])).error_code, 0);
        }
    }
    // On their way, not acknowledged.
    let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["unacknowledged"])));
    assert!(begun.poll().is_none());
    drop(begun);
    let mut node = node.crash(Survival::Nothing);
    for partition in 0..3 {
        let expected: Vec<_> = (0..10).map(|round| format!("{partition}-{round}")).collect();
        assert_eq!(values(&mut node, "t", partition, 0), expected);
    }
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["next"])).base_offset, 10);
}

#[test]
fn any_subset_of_the_unsynced_bytes_leaves_a_prefix_that_holds_all_acknowledged() {
    for seed in 0..20 {
        let mut node = Harness::start();
        node.create("t", 1);
        for value in ["a", "b", "c"] {
            produce(&mut node, "t", 0, -1, batch(&[value]));
        }
        for value in ["d", "e", "f"] {
            produce(&mut node, "t", 0, 1, batch(&[value]));
        }
        node.disk = node.disk.fork(seed);
        let mut node = node.crash(Survival::Random);
        let found = values(&mut node, "t", 0, 0);
        let all = ["a", "b", "c", "d", "e", "f"];
        assert!(
            found.len() >= 3 && all.starts_with(&found.iter().map(String::as_str).collect::<Vec<_>>()),
            "{found:?}"
        );
    }
}

#[test]
fn a_crash_in_the_middle_of_anything_loses_nothing_acknowledged() {
    // Power goes at the n-th disk operation, whatever it is; acknowledged records are there afterwards.
    for nth in 0..40 {
        let mut node = Harness::start();
        node.create("t", 1);
        node.disk.fail_at(nth, log::sim_disk::SimFault::Crash);
        let mut acknowledged = Vec::new();
        for number in 0..30 {
            if node.disk.is_crashed() {
                break;
            }
            let value = number.to_string();
            let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&[&value])));
            let mut answer: Option<ProduceResponse> = begun.answer();
            if answer.is_none() {
                node.settle();
                answer = begun.answer();
            }
            if answer.is_some_and(|answer| answer.responses[0].partition_responses[0].error_code == 0) {
                acknowledged.push(value);
            }
        }
        let mut node = node.crash(Survival::Random);
        let found = values(&mut node, "t", 0, 0);
        assert!(found.starts_with(&acknowledged), "crash at {nth}: {acknowledged:?} but {found:?}");
    }
}

#[test]
fn a_deleted_topic_stays_deleted_and_a_new_one_of_its_name_is_empty() {
    use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
    let mut node = Harness::start();
    let old = node.create("t", 1);
    produce(&mut node, "t", 0, -1, batch(&["old"]));
    let topic = DeleteTopicState { name: Some(Str::from("t")), ..DeleteTopicState::default() };
    let delete = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let _: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &delete);
    let new = node.create("t", 1);
    assert_ne!(old, new);
    assert!(values(&mut node, "t", 0, 0).is_empty());
    produce(&mut node, "t", 0, -1, batch(&["new"]));
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(values(&mut node, "t", 0, 0), ["new"]);
}

#[test]
fn the_same_steps_bring_the_same_disk() {
    let run = || {
        let mut node = Harness::start();
        node.create("t", 2);
        for partition in [0, 1, 0] {
            produce(&mut node, "t", partition, -1, batch(&["a"]));
        }
        let mut node = node.restart();
        produce(&mut node, "t", 1, -1, batch(&["b"]));
        node.disk.operations()
    };
    assert_eq!(run(), run());
}

/// A disk that lost the end of a log leaves a recovery point beyond it. Were it left standing, the next crash's torn tail would pass
/// for damage below the durable point: kept, never served, and the offsets after it skipped.
#[test]
fn a_log_that_ends_before_its_recovery_point_lowers_it_before_it_appends() {
    let mut node = Harness::start();
    node.create("t", 1);
    for value in ["a", "b", "c", "d", "e"] {
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&[value])).error_code, 0);
    }
    node.advance(6_000);
    let segment = log::FileHandle::new(format!("{DIRECTORY}/t-0/00000000000000000000.log"));
    let length = log::Disk::length(&node.disk, &segment).unwrap();
    let cut_to = |disk: &SimDisk, bytes| {
        log::Disk::set_length(disk, &segment, bytes).unwrap();
        log::Disk::sync(disk, &segment).unwrap();
    };
    cut_to(&node.disk, length / 5 * 3);
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["torn"])).base_offset, 3);
    cut_to(&node.disk, length / 5 * 4 - 3);
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(values(&mut node, "t", 0, 0), ["a", "b", "c"]);
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["next"])).base_offset, 3);
}

/// Deletion against fetching. A valid offset is never out of range, one below the start always is, and the start
/// never goes back over a restart.
#[test]
fn s24_deleted_records_and_fetches_agree_on_where_the_log_begins() {
    use wire::messages::delete_records::{
        DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
    };
    let mut node = Harness::start();
    node.create_with("t", 1, &[("internal.segment.bytes", "300")]);
    let all: Vec<String> = (0..30).map(|number| format!("{number} {}", "z".repeat(40))).collect();
    for value in &all {
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&[value])).error_code, 0);
    }
    for start in [1usize, 4, 5, 11, 12, 25, 30] {
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: start as i64 }];
        let topics = vec![DeleteRecordsTopic { name: Str::from("t"), partitions }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
        let answer: DeleteRecordsResponse = node.ask(ApiKey::DeleteRecords, 2, &request);
        assert_eq!(answer.topics[0].partitions[0].low_watermark, start as i64);
        for (round, offset) in (start..=30).enumerate() {
            let found = values(&mut node, "t", 0, offset as i64);
            assert_eq!(found.first(), all.get(offset), "round {round}: start {start}, offset {offset}");
        }
        let below = super::fetch::error_at(&mut node, "t", 0, start as i64 - 1);
        assert_eq!(below, ErrorCode::OffsetOutOfRange.code(), "start {start}");
        node = node.restart();
        node.advance(1_000);
        let view = node.node.views().by_name("t").unwrap().partition(0).unwrap().view().unwrap();
        assert_eq!(view.log_start_offset, start as i64, "over a restart");
    }
}
