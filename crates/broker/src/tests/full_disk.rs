//! A disk without room: refused is what needs room, served is the rest, and nothing ends.

use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use wire::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};

use super::fetch::values;
use super::groups::find_coordinator;
use super::produce::produce;
use super::*;

pub(crate) fn commit_request(offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        ..OffsetCommitRequestPartition::default()
    };
    OffsetCommitRequest {
        group_id: Str::from("g"),
        topics: vec![OffsetCommitRequestTopic {
            name: Str::from("t"),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

fn commit(node: &mut Harness, offset: i64) -> i16 {
    let answer: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit_request(offset));
    answer.topics[0].partitions[0].error_code
}

pub(crate) fn committed(node: &mut Harness) -> i64 {
    let topic = OffsetFetchRequestTopic { name: Str::from("t"), partition_indexes: vec![0] };
    let request = OffsetFetchRequest {
        group_id: Str::from("g"),
        topics: Some(vec![topic]),
        ..OffsetFetchRequest::default()
    };
    let answer: OffsetFetchResponse = node.ask(ApiKey::OffsetFetch, 7, &request);
    answer.topics[0].partitions[0].committed_offset
}

/// The machine dies while there is no room, comes back while there is none, and dies again.
#[test]
fn s36_who_dies_with_a_full_disk_has_lost_nothing() {
    let mut node = Harness::start();
    node.create("t", 1);
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["a"])).error_code, 0);
    node.disk.set_capacity(0);
    let full = ErrorCode::KafkaStorageError.code();
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["refused"])).error_code, full);
    let Harness { node: process, connection, disk, settings, now_ms, .. } = node;
    drop((connection, process));
    disk.restart(Survival::Nothing);
    // Whether it comes up or not, it must not take away what is there.
    drop(Harness::try_open(disk.clone(), settings.clone(), now_ms));
    disk.restart(Survival::Nothing);
    disk.set_capacity(u64::MAX);
    let mut node = Harness::open(disk, settings, now_ms + 20_000);
    assert_eq!(values(&mut node, "t", 0, 0), ["a"]);
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["b"])).error_code, 0);
    assert_eq!(values(&mut node, "t", 0, 0), ["a", "b"]);
}

/// Others may fill the disk to its last byte, below every reserve.
#[test]
fn a_disk_that_others_filled_ends_nothing() {
    let mut node = Harness::start();
    node.create("t", 1);
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["a"])).error_code, 0);
    find_coordinator(&mut node, "g");
    assert_eq!(commit(&mut node, 3), 0);
    let full = ErrorCode::KafkaStorageError.code();
    for round in 0..20 {
        node.disk.set_capacity(0);
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&["refused"])).error_code, full);
        assert_ne!(commit(&mut node, 99), 0);
        assert_eq!(node.try_create("u"), full);
        // Idle records, heartbeats, checkpoints, retention: all find no room.
        for _ in 0..20 {
            node.advance(500);
        }
        assert_eq!(values(&mut node, "t", 0, round), ["a"]);
        assert!(!node.bells.halted.load(Ordering::SeqCst), "the node lives on");
        node.disk.set_capacity(u64::MAX);
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&["a"])).error_code, 0, "at once");
        node.advance(1_000);
        assert_eq!(commit(&mut node, round), 0, "and soon");
        assert_eq!(committed(&mut node), round);
    }
    assert_eq!(node.try_create("u"), 0);
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(values(&mut node, "t", 0, 20), ["a"]);
    assert_eq!(committed(&mut node), 19);
}
