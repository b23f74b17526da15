//! Who is in sync, and who only was (KIP-497, 903; KIP-455).

use std::path::PathBuf;

use log::Disk;
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use wire::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse, TopicPartitions};
use wire::{ApiKey, ErrorCode, Str};

use super::super::cluster::{Cluster, DIRECTORY};
use super::super::replication::{
    MIN_TWO, are_alike, brokers_apart, brokers_with, create, isr_is, leader, log, partition, put, put_to,
};
use super::{consume, others};
use crate::views::Role;

fn reassign(cluster: &mut Cluster, by: i32, replicas: &[i32]) {
    let partition = ReassignablePartition { partition_index: 0, replicas: Some(replicas.to_vec()) };
    let topic = ReassignableTopic { name: Str::from("t"), partitions: vec![partition] };
    let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    let answer: AlterPartitionReassignmentsResponse =
        cluster.ask(by, ApiKey::AlterPartitionReassignments, 1, &request);
    let told = &answer.responses[0].partitions[0];
    assert_eq!(ErrorCode::from_code(told.error_code), ErrorCode::None, "{told:?}");
}

#[test]
fn s07_a_replica_removed_and_added_again_behind_the_leaders_back_joins_with_what_it_has_now() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["a", "b", "c"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let leads = leader(&cluster, "t");
    let [stays, goes] = others(leads);
    // The leader hears of neither change before both are made; to its followers it goes on leading.
    [1, 2, 3].into_iter().for_each(|controller| cluster.cut_off(leads, controller));
    reassign(&mut cluster, stays, &[leads, stays]);
    cluster.until("the replica is gone", |cluster| {
        let topic = cluster.node(goes).views().by_name("t");
        topic.is_none_or(|topic| topic.partition(0).is_none_or(|cell| cell.role() == Role::Absent))
    });
    reassign(&mut cluster, stays, &[leads, stays, goes]);
    cluster.until("it is there again, empty", |cluster| {
        partition(cluster, goes, "t").2.len() == 2
            && cluster.node(goes).image().topics.by_name("t").unwrap().partition(0).unwrap().replicas.len()
                == 3
    });
    assert_eq!(partition(&cluster, leads, "t").2, [11, 12, 13], "the leader has heard of it");
    cluster.heal();
    let mut looks = 0;
    while partition(&cluster, 1, "t").2 != [11, 12, 13] {
        cluster.advance(10);
        looks += 1;
        assert!(looks < 6_000, "it never joins");
    }
    // With what it has at the moment at which it is called in sync.
    assert_eq!(log(&cluster, goes, "t").0.2, 3, "it is called in sync and has nothing");
    are_alike(&mut cluster, "t");
    cluster.kill(leads);
    cluster.until("another leads", |cluster| ![leads, -1].contains(&leader(cluster, "t")));
    assert_eq!(put(&mut cluster, "t", &["d"]), (ErrorCode::None, 3));
}

#[test]
fn s13_what_was_told_a_controller_that_is_none_any_more_is_told_the_next_one() {
    let mut cluster = brokers_with(&[("replica.lag.time.max.ms", "2000")]);
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["a"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let leads = leader(&cluster, "t");
    let [one, _] = others(leads);
    let stale = cluster.active()[0];
    // The brokers reach it, and no other controller does: it decides, and commits nothing.
    [1, 2, 3].into_iter().filter(|id| *id != stale).for_each(|other| cluster.cut_off(stale, other));
    cluster.cut_off(one, leads);
    assert_eq!(put_to(&mut cluster, leads, 1, "while it is away"), ErrorCode::None);
    let from_ms = cluster.now_ms;
    let newest = |cluster: &Cluster| {
        let image = |id: i32| cluster.node(id).image();
        [1, 2, 3].map(image).into_iter().max_by_key(|image| image.provenance.last_offset).unwrap()
    };
    // Its time to be slow, an election, and a moment.
    while newest(&cluster).topics.by_name("t").unwrap().partition(0).unwrap().isr.contains(&one) {
        cluster.advance(10);
        let image = newest(&cluster);
        let partition = image.topics.by_name("t").unwrap().partition(0).unwrap();
        let who = [1, 2, 3, leads].map(|id| cluster.node(id).quorum_status().leader);
        assert!(cluster.now_ms - from_ms < 20_000, "{one} stays in {partition:?}: {stale} is stale, {who:?}");
    }
    assert!(cluster.active().iter().any(|id| *id != stale), "somebody else decided it");
    assert_eq!(put_to(&mut cluster, leads, -1, "b"), ErrorCode::None);
    cluster.heal();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
}

/// The file of the first segment.
fn segment() -> PathBuf {
    PathBuf::from(DIRECTORY).join("t-0").join("00000000000000000000.log")
}

#[test]
fn s25_a_batch_that_is_damaged_under_a_reader_is_fetched_again_from_a_replica() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    for (value, offset) in [("first", 0), ("second", 1), ("third", 2), ("fourth", 3)] {
        assert_eq!(put(&mut cluster, "t", &[value]), (ErrorCode::None, offset));
    }
    are_alike(&mut cluster, "t");
    let leads = leader(&cluster, "t");
    let sound = log(&cluster, leads, "t");
    // The leader's copy, and then that of a follower, whom the leader helps.
    for damaged in [leads, others(leads)[0]] {
        let disk = &cluster.members[&damaged].disk;
        let bytes = disk.read_file(&segment()).unwrap();
        let at = bytes.windows(6).position(|window| window == b"second").unwrap();
        assert!(disk.flip_bit(&segment(), at, 0));
        assert!(disk.evict(&segment()));
        assert_eq!(
            consume(&mut cluster, damaged, 1, 1 << 20),
            (ErrorCode::CorruptMessage, vec![]),
            "at {damaged}"
        );
        cluster.advance(1_000);
        let (error, records) = consume(&mut cluster, damaged, 0, 1 << 20);
        assert_eq!((error, records), (ErrorCode::None, sound.1.clone()), "at {damaged}");
        assert_eq!(cluster.members[&damaged].disk.read_file(&segment()).unwrap(), bytes);
    }
    are_alike(&mut cluster, "t");
}

#[test]
fn s25_a_damaged_batch_of_one_replica_is_cut_off_at_no_other() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    for (value, offset) in [("first", 0), ("second", 1), ("third", 2), ("fourth", 3)] {
        assert_eq!(put(&mut cluster, "t", &[value]), (ErrorCode::None, offset));
    }
    are_alike(&mut cluster, "t");
    cluster.advance(2_000);
    let sound = log(&cluster, 12, "t");
    let damaged = 11;
    cluster.kill(damaged);
    cluster.until("it is out", |cluster| partition(cluster, 12, "t").2 == [12, 13]);
    let disk = &cluster.members[&damaged].disk;
    let bytes = disk.read_file(&segment()).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    assert!(disk.flip_bit(&segment(), at, 0));
    cluster.start(damaged);
    cluster.ready();
    cluster.advance(5_000);
    // It may lead, and it may not: nobody else loses anything by it.
    let topic = TopicPartitions { topic: Str::from("t"), partitions: vec![0] };
    let request =
        ElectLeadersRequest { election_type: 0, topic_partitions: Some(vec![topic]), timeout_ms: 1_000 };
    let _: ElectLeadersResponse = cluster.ask(12, ApiKey::ElectLeaders, 2, &request);
    cluster.advance(5_000);
    for id in [12, 13] {
        assert_eq!(log(&cluster, id, "t").1, sound.1, "node {id} has lost what another one damaged");
    }
    if cluster.members[&damaged].node.is_some() {
        cluster.kill(damaged);
    }
    cluster.until("a sound one leads", |cluster| {
        [12, 13].contains(&leader(cluster, "t")) && partition(cluster, 12, "t").2 == [12, 13]
    });
    assert_eq!(put(&mut cluster, "t", &["fifth"]), (ErrorCode::None, 4));
    assert!(log(&cluster, 12, "t").1.starts_with(&sound.1));
}
