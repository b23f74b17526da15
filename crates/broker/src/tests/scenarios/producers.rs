//! Idempotent producers that try again (KIP-98): whatever happens to the leader and to what it knows of them, a record that was
//! acknowledged is there once, and a retry is told so.

use std::path::Path;

use wire::messages::produce::ProduceResponse;
use wire::record_batch::RecordBatchBuilder;
use wire::{ApiKey, ErrorCode};

use log::{Disk, FileHandle};

use super::super::START_MS;
use super::super::cluster::{Cluster, DIRECTORY};
use super::super::produce::request;
use super::super::replication::{MIN_TWO, are_alike, brokers_apart, create, isr_is, leader, log, partition};
use super::{consume, holds, others};

/// Sends the batches of a producer's sequence numbers from this one on, one record each value.
fn send(cluster: &mut Cluster, id: i32, acks: i16, sequence: i32, values: &[&str]) -> (ErrorCode, i64) {
    let mut builder = RecordBatchBuilder::new(Default::default());
    builder.set_producer(9, 0, sequence);
    for value in values {
        builder.append(START_MS, None, Some(value.as_bytes()), &[]);
    }
    let request = request("t", 0, acks, builder.build());
    let answer: ProduceResponse = cluster.ask(id, ApiKey::Produce, 9, &request);
    let line = &answer.responses[0].partition_responses[0];
    (ErrorCode::from_code(line.error_code), line.base_offset)
}

/// To whoever leads, with acks=all.
fn put(cluster: &mut Cluster, sequence: i32, value: &str) -> (ErrorCode, i64) {
    let leader = leader(cluster, "t");
    send(cluster, leader, -1, sequence, &[value])
}

/// Three brokers whose partition has the records of the first two sequence numbers.
fn two_are_acknowledged(configs: &[(&str, &str)]) -> Cluster {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", configs);
    assert_eq!(put(&mut cluster, 0, "zero"), (ErrorCode::None, 0));
    assert_eq!(put(&mut cluster, 1, "one"), (ErrorCode::None, 1));
    are_alike(&mut cluster, "t");
    cluster
}

/// Ends who leads; another does then.
fn fail_over(cluster: &mut Cluster) -> i32 {
    let first = leader(cluster, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    first
}

#[test]
fn s38_a_retry_after_a_failover_is_neither_a_duplicate_nor_out_of_order() {
    let mut cluster = two_are_acknowledged(MIN_TWO);
    fail_over(&mut cluster);
    assert_eq!(put(&mut cluster, 1, "one"), (ErrorCode::None, 1), "it is known");
    assert_eq!(put(&mut cluster, 3, "three"), (ErrorCode::OutOfOrderSequenceNumber, -1));
    assert_eq!(put(&mut cluster, 2, "two"), (ErrorCode::None, 2));
}

#[test]
fn s16_what_was_truncated_is_written_again_and_not_taken_for_a_duplicate() {
    let mut cluster = two_are_acknowledged(MIN_TWO);
    let first = leader(&cluster, "t");
    cluster.isolate(first);
    // In its log, and known of its producer, but never acknowledged to be on the others.
    assert_eq!(send(&mut cluster, first, 1, 2, &["two, lost"]), (ErrorCode::None, 2));
    cluster.until("another leads", |cluster| {
        let now = others(first).map(|id| partition(cluster, id, "t").0);
        now.iter().all(|leader| ![first, -1].contains(leader))
    });
    let [one, _] = others(first);
    let second = partition(&cluster, one, "t").0;
    assert_eq!(send(&mut cluster, second, -1, 2, &["two"]), (ErrorCode::None, 2), "nobody here has it");
    cluster.heal();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
    assert!(!holds(&cluster, first, "t", "two, lost"));
    // Whoever leads next, also the one that had truncated, knows what is there and no more.
    for _ in 0..2 {
        let ended = fail_over(&mut cluster);
        assert_eq!(put(&mut cluster, 2, "two"), (ErrorCode::None, 2), "a duplicate");
        assert_eq!(put(&mut cluster, 4, "four"), (ErrorCode::OutOfOrderSequenceNumber, -1));
        cluster.start(ended);
        cluster.ready();
        isr_is(&mut cluster, "t", &[11, 12, 13]);
    }
    assert_eq!(put(&mut cluster, 3, "three"), (ErrorCode::None, 3));
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, 11, "t").0, (0, 4, 4));
}

#[test]
fn s16_lost_snapshots_of_producers_are_made_again_from_the_records() {
    // Small segments: there is a snapshot at the beginning of each.
    let mut cluster = two_are_acknowledged(&[("min.insync.replicas", "2"), ("segment.bytes", "1048576")]);
    let filler = "x".repeat(600_000);
    for sequence in 2..6 {
        assert_eq!(put(&mut cluster, sequence, &filler), (ErrorCode::None, i64::from(sequence)));
    }
    are_alike(&mut cluster, "t");
    for id in [11, 12, 13] {
        cluster.kill(id);
        let disk = cluster.members[&id].disk.clone();
        let directory = format!("{DIRECTORY}/t-0");
        let names = disk.list(Path::new(&directory)).unwrap();
        let snapshots: Vec<_> =
            names.iter().map(|entry| &entry.name).filter(|name| name.ends_with(".snapshot")).collect();
        assert!(!snapshots.is_empty(), "node {id} has {names:?}");
        for name in snapshots {
            disk.remove(&FileHandle::new(format!("{directory}/{name}"))).unwrap();
        }
    }
    [11, 12, 13].into_iter().for_each(|id| cluster.start(id));
    cluster.ready();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    assert_eq!(put(&mut cluster, 5, &filler), (ErrorCode::None, 5), "a duplicate");
    assert_eq!(put(&mut cluster, 7, "seven"), (ErrorCode::OutOfOrderSequenceNumber, -1));
    assert_eq!(put(&mut cluster, 6, "six"), (ErrorCode::None, 6));
}

#[test]
fn s43_a_sequence_number_of_other_records_is_refused_and_never_dropped() {
    let mut cluster = two_are_acknowledged(MIN_TWO);
    let leader = leader(&cluster, "t");
    // The same first sequence number, and more records than were acknowledged: dropped as a duplicate the second would be lost.
    let more = send(&mut cluster, leader, -1, 1, &["one", "two"]);
    assert_eq!(more, (ErrorCode::OutOfOrderSequenceNumber, -1));
    let fewer_and_others = send(&mut cluster, leader, -1, 0, &["zero", "one"]);
    assert_eq!(fewer_and_others, (ErrorCode::OutOfOrderSequenceNumber, -1), "two batches in one");
    assert_eq!(send(&mut cluster, leader, -1, 2, &["two", "three"]), (ErrorCode::None, 2));
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, leader, "t").0, (0, 4, 4));
}

#[test]
fn s43_a_record_larger_than_the_fetchs_limits_is_delivered() {
    let mut cluster = two_are_acknowledged(MIN_TWO);
    let large = "x".repeat(100_000);
    assert_eq!(put(&mut cluster, 2, &large), (ErrorCode::None, 2));
    let leader = leader(&cluster, "t");
    let (error, records) = consume(&mut cluster, leader, 2, 50);
    assert_eq!(error, ErrorCode::None);
    assert!(records.len() > large.len());
}
