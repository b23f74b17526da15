//! What is flushed without anybody asking for acks=all, and what answers wait for it: judged by what a power cut leaves.

use super::fetch::values;
use super::produce::{produce, request};
use super::*;
use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::produce::ProduceResponse;

/// As Apache Kafka: nothing else asks for a flush.
const NONE: &[(&str, &str)] = &[("log.flush.ack", "none")];

fn alter(node: &mut Harness, name: &str, value: &str) {
    assert_eq!(alter_of(node, (2, "t"), name, value), 0);
}

/// Sets a key of a topic (2) or of a broker (4; all, if unnamed); the error code.
pub(super) fn alter_of(node: &mut Harness, (kind, of): (i8, &str), name: &str, value: &str) -> i16 {
    let config =
        AlterableConfig { name: Str::from(name), config_operation: 0, value: Some(Str::from(value)) };
    let resource =
        AlterConfigsResource { resource_type: kind, resource_name: Str::from(of), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer: IncrementalAlterConfigsResponse = node.ask(ApiKey::IncrementalAlterConfigs, 1, &request);
    answer.responses[0].error_code
}

fn delete_records(node: &mut Harness, offsets: &[i64]) -> Vec<(i16, i64)> {
    let partition = |(index, &offset): (usize, &i64)| DeleteRecordsPartition {
        partition_index: i32::try_from(index).unwrap(),
        offset,
    };
    let partitions = offsets.iter().enumerate().map(partition).collect();
    let topics = vec![DeleteRecordsTopic { name: Str::from("t"), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
    let answer: DeleteRecordsResponse = node.ask(ApiKey::DeleteRecords, 2, &request);
    answer.topics[0].partitions.iter().map(|one| (one.error_code, one.low_watermark)).collect()
}

fn view_of(node: &Harness, partition: i32) -> log::LogView {
    let views = node.node.views().by_name("t").unwrap();
    node.node.open_log(node.now_ms, views.partition(partition).unwrap());
    views.partition(partition).unwrap().view().unwrap()
}

fn start_of(node: &Harness, partition: i32) -> i64 {
    view_of(node, partition).log_start_offset
}

#[test]
fn flush_messages_holds_every_answer_back_until_the_disk_has_it() {
    for acks in [1, -1] {
        let mut node = Harness::with(NONE);
        node.create_with("t", 1, &[("flush.messages", "3")]);
        assert_eq!(produce(&mut node, "t", 0, acks, batch(&["a", "b"])).error_code, 0);
        let mut third = node.begin(ApiKey::Produce, 9, &request("t", 0, acks, batch(&["c"])));
        assert!(third.answer::<ProduceResponse>().is_none(), "acks={acks}: three are not on the disk");
        node.settle();
        let answer = third.answer::<ProduceResponse>().expect("flushed");
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        assert_eq!(produce(&mut node, "t", 0, acks, batch(&["d"])).error_code, 0);
        let mut node = node.crash(Survival::Nothing);
        assert_eq!(values(&mut node, "t", 0, 0), ["a", "b", "c"], "acks={acks}");
    }
}

#[test]
fn without_it_nobody_waits() {
    let mut node = Harness::with(NONE);
    node.create("t", 1);
    let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["a"])));
    assert!(begun.answer::<ProduceResponse>().is_some());
    alter(&mut node, "flush.messages", "1");
    let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, 1, batch(&["b"])));
    assert!(begun.answer::<ProduceResponse>().is_none(), "it holds at once");
}

#[test]
fn flush_ms_holds_for_what_comes_and_for_what_lies_there() {
    let mut node = Harness::with(NONE);
    node.create("t", 1);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["a"])).error_code, 0);
    node.advance(60_000);
    alter(&mut node, "flush.ms", "1000");
    node.advance(1_000);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["b"])).error_code, 0);
    node.advance(500);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["c"])).error_code, 0);
    node.advance(500);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["lost"])).error_code, 0);
    node.advance(999);
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(values(&mut node, "t", 0, 0), ["a", "b", "c"]);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["d"])).error_code, 0);
    alter(&mut node, "flush.ms", "9223372036854775807");
    node.advance(60_000);
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(values(&mut node, "t", 0, 0), ["a", "b", "c"], "taken back in time");
}

#[test]
fn a_finished_segment_is_flushed() {
    let mut node = Harness::with(NONE);
    node.create_with("t", 1, &[("internal.segment.bytes", "300")]);
    for number in 0..10 {
        let value = format!("{number} {}", "x".repeat(60));
        assert_eq!(produce(&mut node, "t", 0, 1, batch(&[&value])).error_code, 0);
        node.settle();
    }
    let node = node.crash(Survival::Nothing);
    let left = view_of(&node, 0).log_end_offset;
    assert!((8..=10).contains(&left), "{left}");
}

/// Who was told where the log begins finds it there, whatever happens the moment after.
#[test]
fn an_acknowledged_log_start_survives_power_loss_and_costs_many_partitions_one_write() {
    let mut node = Harness::start();
    node.create_with("t", 20, &[("internal.segment.bytes", "300")]);
    for partition in 0..20 {
        for number in 0..6 {
            let value = format!("{number} {}", "x".repeat(60));
            assert_eq!(produce(&mut node, "t", partition, -1, batch(&[&value])).error_code, 0);
        }
    }
    node.advance(60_000);
    assert_eq!(delete_records(&mut node, &[1]), [(0, 1)]);
    let before = node.disk.operations();
    assert_eq!(delete_records(&mut node, &[2; 20]), [(0, 2); 20]);
    // Removing segments costs each partition the same as ever; the starts are one file.
    let removed = node.disk.operations() - before;
    let before = node.disk.operations();
    assert_eq!(delete_records(&mut node, &[3; 20]), [(0, 3); 20]);
    let more = node.disk.operations() - before;
    assert!(more.min(removed) < 20, "{removed}, {more}");
    let mut node = node.crash(Survival::Nothing);
    for partition in 0..20 {
        assert_eq!(start_of(&node, partition), 3);
        assert_eq!(values(&mut node, "t", partition, 3).len(), 1, "the rest of a segment");
        assert_eq!(values(&mut node, "t", partition, 4).len(), 2);
    }
    // What is asked again is answered from what is there.
    assert_eq!(delete_records(&mut node, &[2]), [(0, 3)]);
    assert_eq!(delete_records(&mut node, &[-1]), [(0, 6)]);
    let node = node.crash(Survival::Nothing);
    assert_eq!(start_of(&node, 0), 6);
}

#[test]
fn a_topic_made_again_has_nothing_of_the_old_ones_checkpoints() {
    let mut node = Harness::start();
    node.create("t", 2);
    for number in 0..9 {
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&[&number.to_string()])).error_code, 0);
    }
    assert_eq!(delete_records(&mut node, &[8]), [(0, 8)]);
    node.advance(6_000);
    let topics = vec![DeleteTopicState { name: Some(Str::from("t")), topic_id: Uuid::ZERO }];
    let request = DeleteTopicsRequest { topics, timeout_ms: 1_000, ..DeleteTopicsRequest::default() };
    let answer: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &request);
    assert_eq!(answer.responses[0].error_code, 0);
    node.create("t", 2);
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["new"])).error_code, 0);
    // Before any round of the checkpoints: their old lines say that the log begins at 8.
    let mut node = node.crash(Survival::Nothing);
    assert_eq!((start_of(&node, 0), values(&mut node, "t", 0, 0)), (0, vec!["new".to_owned()]));
}
