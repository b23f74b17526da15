//! Where partitions begin and end, in time and in epochs; records deleted from the front; producer ids.

use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use super::produce::produce;
use super::*;

/// (error, timestamp, offset, leader epoch) of a timestamp.
fn list(node: &mut Harness, version: i16, timestamp: i64) -> (i16, i64, i64, i32) {
    let partition = ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() };
    let topics = vec![ListOffsetsTopic { name: Str::from("t"), partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    let answer: ListOffsetsResponse = node.ask(ApiKey::ListOffsets, version, &request);
    let found = &answer.topics[0].partitions[0];
    (found.error_code, found.timestamp, found.offset, found.leader_epoch)
}

fn delete(node: &mut Harness, offset: i64) -> (i16, i64) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![DeleteRecordsTopic { name: Str::from("t"), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
    let answer: DeleteRecordsResponse = node.ask(ApiKey::DeleteRecords, 2, &request);
    let partition = &answer.topics[0].partitions[0];
    (partition.error_code, partition.low_watermark)
}

#[test]
fn special_timestamps_and_times_are_answered_as_the_reference_answers_them() {
    let mut node = Harness::start();
    node.create("t", 1);
    for timestamp in [0, 1_000, 3_000, 2_000] {
        let mut builder = RecordBatchBuilder::with_compression(wire::compress::Compression::None);
        builder.append(START_MS + timestamp, None, Some(b"v"), &[]);
        builder.append(START_MS + timestamp + 10, None, Some(b"w"), &[]);
        assert_eq!(produce(&mut node, "t", 0, 1, builder.build()).error_code, 0);
    }
    let unsupported = (ErrorCode::UnsupportedVersion.code(), -1, -1, -1);
    let cases = [
        (11, -1, (0, -1, 8, 0)),
        (11, -2, (0, -1, 0, 0)),
        (11, -3, (0, START_MS + 3_010, 5, 0)),
        (11, -4, (0, -1, 0, 0)),
        (11, -5, (0, -1, -1, -1)),
        (11, -6, (0, -1, -1, -1)),
        (11, -7, unsupported),
        (6, -3, unsupported),
        (7, -4, unsupported),
        (8, -5, unsupported),
        (10, -6, unsupported),
        (11, 0, (0, START_MS, 0, 0)),
        (11, START_MS + 5, (0, START_MS + 10, 1, 0)),
        (11, START_MS + 2_500, (0, START_MS + 3_000, 4, 0)),
        (11, START_MS + 3_010, (0, START_MS + 3_010, 5, 0)),
        (11, START_MS + 3_011, (0, -1, -1, -1)),
        (3, -1, (0, -1, 8, -1)),
    ];
    for (version, timestamp, expected) in cases {
        assert_eq!(list(&mut node, version, timestamp), expected, "{timestamp} in version {version}");
    }
}

#[test]
fn deleted_records_move_the_start_and_a_restart_remembers_it() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, 1, batch(&["a", "b", "c", "d", "e"]));
    let out_of_range = ErrorCode::OffsetOutOfRange.code();
    for (offset, expected) in [(3, (0, 3)), (2, (0, 3)), (-2, (out_of_range, -1)), (9, (out_of_range, -1))] {
        assert_eq!(delete(&mut node, offset), expected, "offset {offset}");
    }
    assert_eq!(list(&mut node, 5, -2).2, 3);
    let mut node = node.restart();
    assert_eq!(list(&mut node, 5, -2).2, 3);
    assert_eq!(delete(&mut node, -1), (0, 5));
    assert_eq!(list(&mut node, 5, -2).2, 5);
}

#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, -1, batch(&["a", "b"]));
    let mut ask = |current_leader_epoch, leader_epoch| {
        let partition = OffsetForLeaderPartition { partition: 0, current_leader_epoch, leader_epoch };
        let topics = vec![OffsetForLeaderTopic { topic: Str::from("t"), partitions: vec![partition] }];
        let request = OffsetForLeaderEpochRequest { replica_id: -2, topics };
        let answer: OffsetForLeaderEpochResponse = node.ask(ApiKey::OffsetForLeaderEpoch, 4, &request);
        let end = &answer.topics[0].partitions[0];
        (end.error_code, end.leader_epoch, end.end_offset)
    };
    assert_eq!(ask(-1, 0), (0, 0, 2));
    assert_eq!(ask(0, 0), (0, 0, 2));
    assert_eq!(ask(-1, 5), (0, -1, -1));
    assert_eq!(ask(-1, -1), (0, -1, -1));
    assert_eq!(ask(7, 0), (ErrorCode::UnknownLeaderEpoch.code(), -1, -1));
}

#[test]
fn producer_ids_never_come_twice_not_even_after_a_crash() {
    let mut node = Harness::start();
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdRequest::default()
    };
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..3 {
        for _ in 0..5 {
            let answer: InitProducerIdResponse = node.ask(ApiKey::InitProducerId, 4, &request);
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
            assert!(seen.insert(answer.producer_id), "{} in round {round}", answer.producer_id);
        }
        node = node.crash(Survival::Nothing);
    }
}
