//! Fetch sessions belong to clients, not to their connections.

use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};

use super::*;

/// Fetches partitions of `t` by the present connection; error code and session.
fn fetch(node: &mut Harness, session_id: i32, session_epoch: i32, partitions: &[i32]) -> (i16, i32) {
    let partitions: Vec<FetchPartition> = partitions
        .iter()
        .map(|&partition| FetchPartition { partition, partition_max_bytes: 100, ..FetchPartition::default() })
        .collect();
    let mut topics = Vec::new();
    if !partitions.is_empty() {
        topics.push(FetchTopic { topic: Str::from("t"), partitions, ..FetchTopic::default() });
    }
    let request =
        FetchRequest { session_id, session_epoch, topics, max_bytes: 100, ..FetchRequest::default() };
    let answer: FetchResponse = node.ask(ApiKey::Fetch, 11, &request);
    (answer.error_code, answer.session_id)
}

/// The client comes by another connection; the one before is given back.
fn reconnect(node: &mut Harness) -> Connection {
    let peer = node.connection.peer().clone();
    let fresh = node.node.connection(peer);
    std::mem::replace(&mut node.connection, fresh)
}

fn begun(settings: &[(&str, &str)]) -> (Harness, i32) {
    let mut node = Harness::with(settings);
    node.create("t", 3);
    let (error, session) = fetch(&mut node, 0, 0, &[0, 1]);
    assert!(error == 0 && session != 0);
    (node, session)
}

const NOT_FOUND: (i16, i32) = (70, 0);
const WRONG_EPOCH: (i16, i32) = (71, 0);

#[test]
fn a_session_goes_on_by_any_connection_and_survives_its_own() {
    let (mut node, session) = begun(&[]);
    let first = reconnect(&mut node);
    assert_eq!(fetch(&mut node, session, 1, &[]), (0, session));
    let second = std::mem::replace(&mut node.connection, first);
    assert_eq!(fetch(&mut node, session, 1, &[]), WRONG_EPOCH, "it went on elsewhere");
    assert_eq!(fetch(&mut node, session, 2, &[]), (0, session));
    drop(second);
    drop(reconnect(&mut node));
    assert_eq!(fetch(&mut node, session, 3, &[]), (0, session), "its connection is gone");
    assert_eq!(node.connection.fetch_sessions().cache().len(), 1);
}

#[test]
fn a_session_is_ended_by_any_connection() {
    for (epoch, partitions) in [(0, &[0][..]), (-1, &[0])] {
        let (mut node, session) = begun(&[]);
        drop(reconnect(&mut node));
        let (error, other) = fetch(&mut node, session, epoch, partitions);
        assert_eq!((error, other != 0 && other != session), (0, epoch == 0));
        assert_eq!(fetch(&mut node, session, 1, &[]), NOT_FOUND);
        assert_eq!(node.connection.fetch_sessions().cache().len(), usize::from(epoch == 0));
    }
}

#[test]
fn who_has_no_slot_gets_no_session_and_abandoned_ones_make_room() {
    let (mut node, session) = begun(&[("max.incremental.fetch.session.cache.slots", "2")]);
    let first = reconnect(&mut node);
    let (_, second) = fetch(&mut node, 0, 0, &[1]);
    assert_ne!(second, 0);
    let _kept = reconnect(&mut node);
    assert_eq!(fetch(&mut node, 0, 0, &[2]), (0, 0), "both slots are taken");
    drop(first);
    let (_, third) = fetch(&mut node, 0, 0, &[2]);
    assert_ne!(third, 0);
    assert_eq!(fetch(&mut node, session, 1, &[]), NOT_FOUND);
    assert_eq!(fetch(&mut node, second, 1, &[]), (0, second));
    let mut none = Harness::with(&[("max.incremental.fetch.session.cache.slots", "0")]);
    none.create("t", 1);
    assert_eq!(fetch(&mut none, 0, 0, &[0]), (0, 0));
}
