//! Logs that part and come together again (KIP-101, 279, 320).

use std::path::Path;

use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, ReplicaState};
use wire::{ApiKey, ErrorCode};

use super::super::cluster::{Cluster, DIRECTORY};
use super::super::replication::{
    MIN_TWO, a_leader_that_is_cut_off, are_alike, brokers_apart, create, isr_is, leader, log, partition, put,
    put_to,
};
use super::{committed, holds, others};

#[test]
fn s02_both_leaders_lose_their_power_and_an_offset_never_holds_two_records() {
    let (mut cluster, first) = a_leader_that_is_cut_off();
    assert_eq!(put_to(&mut cluster, first, 1, "of the first"), ErrorCode::None);
    // Flushed: it is there when the machine comes back.
    cluster.advance(500);
    cluster.lose_power(first);
    cluster.heal();
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    let second = leader(&cluster, "t");
    assert_eq!(put(&mut cluster, "t", &["of the second"]), (ErrorCode::None, 1));
    cluster.lose_power(second);
    cluster.start(first);
    cluster.start(second);
    cluster.ready();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
    assert_eq!(put(&mut cluster, "t", &["of the third"]), (ErrorCode::None, 2));
    are_alike(&mut cluster, "t");
    for id in [11, 12, 13] {
        assert!(!holds(&cluster, id, "t", "of the first"), "node {id} holds what nobody acknowledged");
        assert!(holds(&cluster, id, "t", "of the second"), "node {id} lacks what was acknowledged");
    }
}

#[test]
fn s06_a_follower_truncates_before_it_takes_the_leaders_high_watermark() {
    let (mut cluster, first) = a_leader_that_is_cut_off();
    for value in ["x", "y", "z"] {
        assert_eq!(put_to(&mut cluster, first, 1, value), ErrorCode::None);
    }
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    let second = leader(&cluster, "t");
    // Further than what the first one has to cut off: taken at once, this high watermark would commit that.
    for (value, offset) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        assert_eq!(put(&mut cluster, "t", &[value]), (ErrorCode::None, offset));
    }
    cluster.heal();
    let mut looks = 0;
    while log(&cluster, first, "t").0 != (0, 6, 6) {
        cluster.advance(10);
        let (leads, follows) = (committed(&cluster, second, "t"), committed(&cluster, first, "t"));
        assert!(leads.starts_with(&follows), "it calls committed what its leader never had");
        looks += 1;
        assert!(looks < 6_000, "it never comes back: {:?}", log(&cluster, first, "t").0);
    }
    are_alike(&mut cluster, "t");
}

/// What a follower's fetch is answered: the epoch up to which it is right, or none.
fn fetched(cluster: &mut Cluster, leader: i32, follower: i32, at: (i64, i32)) -> (ErrorCode, i32, i64) {
    let (_, epoch, _) = partition(cluster, leader, "t");
    let image = cluster.node(leader).image();
    let topic_id = image.topics.by_name("t").unwrap().id;
    let replica_epoch = image.cluster.broker(follower).unwrap().epoch;
    let partition = FetchPartition {
        current_leader_epoch: epoch,
        fetch_offset: at.0,
        last_fetched_epoch: at.1,
        partition_max_bytes: 1_000,
        ..FetchPartition::default()
    };
    let fetch = FetchRequest {
        topics: vec![FetchTopic { topic_id, partitions: vec![partition], ..FetchTopic::default() }],
        replica_state: ReplicaState { replica_id: follower, replica_epoch },
        ..FetchRequest::default()
    };
    let answer: FetchResponse = cluster.ask(leader, ApiKey::Fetch, 17, &fetch);
    let data = &answer.responses[0].partitions[0];
    let told = &data.diverging_epoch;
    (ErrorCode::from_code(data.error_code), told.epoch, told.end_offset)
}

#[test]
fn s06_a_fetch_that_diverges_acknowledges_nothing() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["common"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let (first, old_epoch, _) = partition(&cluster, 1, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    let second = leader(&cluster, "t");
    let [one, other] = others(first);
    let follower = if one == second { other } else { one };
    cluster.until("two are in sync", |cluster| partition(cluster, second, "t").2.len() == 2);
    let (_, epoch, _) = partition(&cluster, second, "t");
    // From here on the follower's fetches are ours.
    cluster.cut_off(second, follower);
    assert_eq!(put_to(&mut cluster, second, 1, "new"), ErrorCode::None);
    assert_eq!(put_to(&mut cluster, second, 1, "newer"), ErrorCode::None);
    assert_eq!(log(&cluster, second, "t").0, (0, 1, 3));
    let told = fetched(&mut cluster, second, follower, (3, old_epoch));
    assert_eq!(told, (ErrorCode::None, old_epoch, 1), "it has three records, of which one is right");
    assert_eq!(log(&cluster, second, "t").0, (0, 1, 3), "and the other two were counted");
    let told = fetched(&mut cluster, second, follower, (3, epoch));
    assert_eq!(told, (ErrorCode::None, -1, -1));
    assert_eq!(log(&cluster, second, "t").0, (0, 3, 3), "now it has them");
}

/// Fails where a promotion asks for no flush of its epoch (`Flushing::epoch_begins`): then it leads on from a disk that takes nothing.
#[test]
fn s41_who_cannot_write_down_its_epoch_does_not_lead() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["acknowledged"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    cluster.advance(1_000);
    let (first, epoch, _) = partition(&cluster, 1, "t");
    let replicas =
        cluster.node(1).image().topics.by_name("t").unwrap().partition(0).unwrap().replicas.clone();
    let [next, last] = others(first);
    let promoted = replicas.into_iter().find(|id| *id != first).unwrap();
    let last = if promoted == last { next } else { last };
    cluster.members[&promoted].disk.break_below(Path::new(&format!("{DIRECTORY}/t-0")));
    cluster.may_give_up = Some(promoted);
    cluster.kill(first);
    cluster.until("it has led", |cluster| partition(cluster, 1, "t").1 > epoch);
    assert_eq!(partition(&cluster, 1, "t").0, promoted, "it was to be promoted");
    cluster.until("it has given up", |cluster| !cluster.alive().contains(&promoted));
    cluster.until("the last one leads", |cluster| partition(cluster, 1, "t").0 == last);
    cluster.start(first);
    cluster.ready();
    cluster.until("two are in sync", |cluster| partition(cluster, 1, "t").2.len() == 2);
    assert_eq!(put(&mut cluster, "t", &["after"]), (ErrorCode::None, 1));
    for id in [first, last] {
        assert!(holds(&cluster, id, "t", "acknowledged"), "node {id} lacks what was acknowledged");
    }
}
