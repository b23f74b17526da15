//! Several controllers: who leads, what is committed, what happens when a leader dies or is cut off; and the way of brokers and clients to
//! whoever leads.

use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use wire::{ApiKey, ErrorCode, Str};

use super::cluster::{BROKER, CONTROLLER, Cluster};

fn create(name: &str) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: Str::from(name),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false }
}

fn created(cluster: &mut Cluster, by: i32, name: &str) {
    let answer: CreateTopicsResponse = cluster.ask(by, ApiKey::CreateTopics, 7, &create(name));
    assert_eq!(ErrorCode::from_code(answer.topics[0].error_code), ErrorCode::None, "{:?}", answer.topics[0]);
}

/// Everybody alive has the topic in the image.
fn known_everywhere(cluster: &mut Cluster, name: &str) {
    cluster.until("everybody knows the topic", |cluster| {
        cluster.alive().into_iter().all(|id| cluster.node(id).image().topics.by_name(name).is_some())
    });
}

#[test]
fn three_nodes_elect_one_and_all_of_them_commit_what_any_of_them_is_asked() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    for id in 1..=3 {
        let name = format!("by-{id}");
        created(&mut cluster, id, &name);
        known_everywhere(&mut cluster, &name);
    }
    assert_eq!(cluster.active(), [leader]);
    let controllers = cluster.node(1).image().cluster.controllers().count();
    assert_eq!(controllers, 3, "controllers register themselves");
}

#[test]
fn a_leader_that_is_killed_is_replaced_and_finds_its_place_when_it_comes_back() {
    let mut cluster = Cluster::of_three();
    let first = cluster.ready();
    created(&mut cluster, first, "before");
    cluster.kill(first);
    let second = cluster.ready();
    assert_ne!(first, second);
    let other = cluster.alive().into_iter().find(|id| *id != second).unwrap();
    created(&mut cluster, other, "meanwhile");
    cluster.start(first);
    cluster.ready();
    known_everywhere(&mut cluster, "before");
    known_everywhere(&mut cluster, "meanwhile");
}

#[test]
fn brokers_and_controllers_may_be_different_nodes() {
    let nodes = [(1, CONTROLLER), (2, CONTROLLER), (3, CONTROLLER), (11, BROKER), (12, BROKER)];
    let mut cluster = Cluster::new(&nodes, &[]);
    let leader = cluster.ready();
    assert!(leader < 10);
    created(&mut cluster, 11, "a");
    known_everywhere(&mut cluster, "a");
    cluster.kill(leader);
    cluster.ready();
    created(&mut cluster, 12, "b");
    known_everywhere(&mut cluster, "b");
}

/// How long it takes until the others take the broker for dead.
fn fenced_after(cluster: &mut Cluster, id: i32) -> i64 {
    let killed_ms = cluster.now_ms;
    cluster.kill(id);
    cluster.until("the dead broker is fenced", |cluster| {
        let fenced =
            |other| cluster.node(other).image().cluster.broker(id).is_some_and(|broker| broker.fenced);
        cluster.alive().into_iter().all(fenced)
    });
    cluster.now_ms - killed_ms
}

#[test]
fn a_broker_whose_process_ends_is_fenced_without_waiting_for_its_session() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    let follower = cluster.alive().into_iter().find(|id| *id != leader).unwrap();
    let took_ms = fenced_after(&mut cluster, follower);
    assert!(took_ms <= 400, "it took {took_ms} ms");
}

#[test]
fn a_controller_whose_process_ends_is_replaced_and_its_broker_fenced_at_once() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    let took_ms = fenced_after(&mut cluster, leader);
    assert!(took_ms <= 700, "it took {took_ms} ms");
}

#[test]
fn a_connection_that_breaks_costs_no_broker_its_session() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    for _ in 0..5 {
        cluster.break_connections();
        cluster.advance(1_000);
        let image = cluster.node(leader).image().clone();
        assert!(image.cluster.brokers().all(|broker| !broker.fenced), "somebody was fenced");
        assert_eq!(cluster.active(), [leader]);
    }
}
