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
