//! Several brokers with a replica each: what is acknowledged is on all that have to have it, whoever dies.

use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::messages::produce::ProduceResponse;
use wire::{ApiKey, ErrorCode, Str};

use super::batch;
use super::cluster::Cluster;
use super::produce::request;

/// A topic with one partition on all three nodes.
fn create(cluster: &mut Cluster, name: &str, configs: &[(&str, &str)]) {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: Str::from(*name),
        value: Some(Str::from(*value)),
    };
    let topic = CreatableTopic {
        name: Str::from(name),
        num_partitions: 1,
        replication_factor: 3,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let id = cluster.alive()[0];
    let answer: CreateTopicsResponse = cluster.ask(id, ApiKey::CreateTopics, 7, &request);
    assert_eq!(ErrorCode::from_code(answer.topics[0].error_code), ErrorCode::None, "{:?}", answer.topics[0]);
    cluster.until("everybody knows the topic", |cluster| {
        cluster.alive().into_iter().all(|id| cluster.node(id).image().topics.by_name(name).is_some())
    });
}

/// Leader, leader epoch and ISR as a node's image has them.
fn partition(cluster: &Cluster, id: i32, name: &str) -> (i32, i32, Vec<i32>) {
    let image = cluster.node(id).image();
    let topic = image.topics.by_name(name).unwrap();
    let partition = topic.partition(0).unwrap();
    let mut isr = partition.isr.clone();
    isr.sort_unstable();
    (partition.leader, partition.leader_epoch, isr)
}

fn leader(cluster: &Cluster, name: &str) -> i32 {
    partition(cluster, cluster.alive()[0], name).0
}

fn isr_is(cluster: &mut Cluster, name: &str, isr: &[i32]) {
    cluster.until(&format!("the ISR is {isr:?}"), |cluster| {
        cluster.alive().into_iter().all(|id| partition(cluster, id, name).2 == isr)
    });
}

/// Produces with acks=all to whoever leads.
fn put(cluster: &mut Cluster, name: &str, values: &[&str]) -> (ErrorCode, i64) {
    let leader = leader(cluster, name);
    let answer: ProduceResponse =
        cluster.ask(leader, ApiKey::Produce, 9, &request(name, 0, -1, batch(values)));
    let line = &answer.responses[0].partition_responses[0];
    (ErrorCode::from_code(line.error_code), line.base_offset)
}

/// Start, high watermark, end of a node's log; and what it holds, batch for batch.
fn log(cluster: &Cluster, id: i32, name: &str) -> ((i64, i64, i64), Vec<u8>) {
    let views = cluster.node(id).views().by_name(name).unwrap();
    let view = views.partition(0).unwrap().view().unwrap();
    let offsets = (view.log_start_offset, view.high_watermark, view.log_end_offset);
    let mut bytes = Vec::new();
    let mut from = view.log_start_offset;
    while from < view.log_end_offset {
        let fetched = view.read(from, 1 << 20, ::log::ReadLimit::LogEnd, true).unwrap();
        bytes.extend_from_slice(&fetched.records);
        from = fetched.next_offset;
    }
    (offsets, bytes)
}

/// All alive hold the same, and know it to be committed.
fn are_alike(cluster: &mut Cluster, name: &str) {
    cluster.until("all replicas are alike", |cluster| {
        let ids = cluster.alive();
        let first = log(cluster, ids[0], name);
        first.0.1 == first.0.2 && ids.iter().all(|id| log(cluster, *id, name) == first)
    });
}

const MIN_TWO: &[(&str, &str)] = &[("min.insync.replicas", "2")];

#[test]
fn what_is_acknowledged_is_on_every_replica_in_sync() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    for (number, base) in [(0, 0), (1, 2), (2, 4)] {
        let (a, b) = (format!("a{number}"), format!("b{number}"));
        assert_eq!(put(&mut cluster, "t", &[&a, &b]), (ErrorCode::None, base));
        for id in 1..=3 {
            assert_eq!(log(&cluster, id, "t").0.2, base + 2, "node {id} has it when it is acknowledged");
        }
    }
    are_alike(&mut cluster, "t");
    assert_eq!(partition(&cluster, 1, "t").2, [1, 2, 3]);
}

#[test]
fn a_leader_that_dies_is_replaced_without_loss_and_follows_when_it_comes_back() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["before"]), (ErrorCode::None, 0));
    let first = leader(&cluster, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| {
        let leader = leader(cluster, "t");
        leader != first && leader != -1
    });
    assert_eq!(put(&mut cluster, "t", &["meanwhile"]), (ErrorCode::None, 1));
    cluster.start(first);
    cluster.ready();
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    assert_eq!(put(&mut cluster, "t", &["after"]), (ErrorCode::None, 2));
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, first, "t").0.2, 3);
}

#[test]
fn s10_below_min_isr_nothing_is_acknowledged_and_nothing_is_committed() {
    let mut cluster = Cluster::of_three();
    let active = cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["safe"]).0, ErrorCode::None);
    are_alike(&mut cluster, "t");
    // Followers stay alive and stop fetching: the leader shrinks its ISR after a while.
    let leader = leader(&cluster, "t");
    for id in [1, 2, 3].into_iter().filter(|id| *id != leader && *id != active) {
        cluster.kill(id);
    }
    cluster.until("the ISR shrinks", |cluster| partition(cluster, leader, "t").2.len() == 2);
    assert_eq!(put(&mut cluster, "t", &["two hold it"]).0, ErrorCode::None);
    let committed = log(&cluster, leader, "t").0.1;
    let answer: ProduceResponse =
        cluster.ask(leader, ApiKey::Produce, 9, &request("t", 0, 1, batch(&["acks=1"])));
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    assert!(log(&cluster, leader, "t").0.1 >= committed);
}

#[test]
fn s2_records_that_only_a_dead_leader_had_are_truncated_when_it_comes_back() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["common"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let first = leader(&cluster, "t");
    // Nobody hears of what it takes from here on.
    cluster.isolate(first);
    let connection = cluster.connect(first);
    for value in ["lost 1", "lost 2", "lost 3"] {
        let produce = request("t", 0, 1, batch(&[value]));
        let _begun = cluster.begin(first, &connection, (ApiKey::Produce, 9), &produce);
    }
    assert_eq!(log(&cluster, first, "t").0.2, 4);
    cluster.kill(first);
    cluster.heal();
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    assert_eq!(put(&mut cluster, "t", &["kept"]), (ErrorCode::None, 1));
    cluster.start(first);
    cluster.ready();
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, first, "t").0.2, 2);
}

#[test]
fn a_follower_that_is_cut_off_leaves_the_isr_and_comes_back() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["all"]).0, ErrorCode::None);
    let leader = leader(&cluster, "t");
    let active = cluster.active()[0];
    let slow = [1, 2, 3].into_iter().find(|id| *id != leader && *id != active).unwrap();
    cluster.isolate(slow);
    let others: Vec<i32> = [1, 2, 3].into_iter().filter(|id| *id != slow).collect();
    let waits = put(&mut cluster, "t", &["without it"]).0;
    assert_eq!(waits, ErrorCode::RequestTimedOut, "the one that is silent is still in sync");
    cluster.until("it is fenced", |cluster| partition(cluster, leader, "t").2 == others);
    assert_eq!(log(&cluster, leader, "t").0.1, 2, "the others have it");
    assert_eq!(put(&mut cluster, "t", &["without it"]).0, ErrorCode::None);
    cluster.heal();
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    are_alike(&mut cluster, "t");
}

#[test]
fn a_reassigned_partition_is_copied_to_the_new_replica_and_deleted_from_the_old_one() {
    let nodes = [1, 2, 3].map(|id| (id, super::cluster::BOTH));
    let mut cluster = Cluster::new(&nodes, &[("default.replication.factor", "1")]);
    cluster.ready();
    let topic = CreatableTopic {
        name: Str::from("t"),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let answer: CreateTopicsResponse = cluster.ask(1, ApiKey::CreateTopics, 7, &create);
    assert_eq!(answer.topics[0].error_code, 0);
    cluster.until("everybody knows the topic", |cluster| {
        (1..=3).all(|id| cluster.node(id).image().topics.by_name("t").is_some())
    });
    let old = leader(&cluster, "t");
    for value in ["a", "b", "c"] {
        assert_eq!(put(&mut cluster, "t", &[value]).0, ErrorCode::None);
    }
    let (_, expected) = log(&cluster, old, "t");
    let new = [1, 2, 3].into_iter().find(|id| *id != old).unwrap();
    let partition_to = ReassignablePartition { partition_index: 0, replicas: Some(vec![new]) };
    let topic = ReassignableTopic { name: Str::from("t"), partitions: vec![partition_to] };
    let reassign = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    let answer: AlterPartitionReassignmentsResponse =
        cluster.ask(1, ApiKey::AlterPartitionReassignments, 1, &reassign);
    assert_eq!(answer.responses[0].partitions[0].error_code, 0);
    cluster.until("the new replica leads alone", |cluster| {
        (1..=3).all(|id| partition(cluster, id, "t").0 == new && partition(cluster, id, "t").2 == [new])
    });
    assert_eq!(log(&cluster, new, "t").1, expected);
    let role = cluster.node(old).views().by_name("t").unwrap().partition(0).unwrap().role();
    assert_eq!(role, crate::views::Role::Absent);
    assert_eq!(put(&mut cluster, "t", &["d"]), (ErrorCode::None, 3));
}
