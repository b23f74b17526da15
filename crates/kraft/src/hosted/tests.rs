//! A quorum of one: it leads at once, commits by its own flush, and comes back with what it committed.

use super::*;
use crate::controller::rules_for_tests::OneKey;
use crate::features::MetadataVersion;
use crate::raft::{MemoryLog, SharedLog, VoterSet};
use std::collections::BTreeSet;
use wire::Str;
use wire::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};

fn options() -> QuorumOptions {
    let listener = Str::from("CONTROLLER");
    QuorumOptions {
        raft: RaftOptions {
            node_id: 1,
            directory_id: Uuid::from_halves(7, 7),
            cluster_id: Str::from("cluster"),
            listener_name: listener.clone(),
            local_endpoints: BTreeMap::from([(listener.clone(), (Str::from("localhost"), 9093))]),
            fixed_voters: VoterSet::fixed(&listener, [(1, Str::from("localhost"), 9093)]),
            bootstrap_servers: Vec::new(),
            election_timeout_ms: 1000,
            fetch_timeout_ms: 2000,
            election_backoff_max_ms: 1000,
            request_timeout_ms: 2000,
            retry_backoff_ms: 20,
        },
        controller: Some(ControllerOptions {
            node_id: 1,
            cluster_id: Str::from("cluster"),
            default_replication_factor: 1,
            default_num_partitions: 1,
            session_timeout_ms: 9000,
            max_idle_interval_ms: 500,
            leader_imbalance_check_interval_ms: None,
            unclean_election_check_interval_ms: 300_000,
        }),
        snapshots: SnapshotPolicy {
            max_bytes_between: 2000,
            max_interval_ms: 0,
            retention_bytes: -1,
            retention_ms: -1,
        },
        bootstrap: Vec::new(),
        seed: 5,
    }
}

fn open(log: &SharedLog) -> MetadataQuorum {
    MetadataQuorum::open(options(), Box::new(log.clone()), Arc::new(OneKey), 0).unwrap()
}

/// Asks for a topic that no broker can carry: an answer without records.
fn impossible_topic() -> ControllerCommand {
    let assignment = CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![4] };
    let topic = CreatableTopic {
        name: Str::from("t"),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![assignment],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    ControllerCommand::CreateTopics { request, describable: Some(BTreeSet::new()) }
}

#[test]
fn the_first_turn_bootstraps_and_an_answer_without_records_leaves_at_once() {
    let log = SharedLog::new(MemoryLog::new());
    let mut quorum = open(&log);
    quorum.propose(0, 1, impossible_topic());
    let turn = quorum.turn(0).unwrap();
    match turn.answers.as_slice() {
        [(1, ControllerAnswer::CreateTopics(response))] => {
            assert_eq!(response.topics[0].error_code, wire::ErrorCode::NotController.code());
        }
        other => panic!("{other:?}"),
    }
    let image = turn.image.unwrap();
    assert_eq!(image.features.metadata_version(), Some(MetadataVersion::LATEST_PRODUCTION));
    assert!(image.cluster.controller(1).is_some());
    quorum.propose(1, 2, impossible_topic());
    let turn = quorum.turn(1).unwrap();
    match turn.answers.as_slice() {
        [(2, ControllerAnswer::CreateTopics(response))] => {
            assert_eq!(response.topics[0].error_code, wire::ErrorCode::InvalidReplicaAssignment.code());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_committed_is_there_after_a_power_cut_with_and_without_snapshots() {
    let log = SharedLog::new(MemoryLog::new());
    let mut quorum = open(&log);
    for now_ms in (0..60_000).step_by(500) {
        quorum.turn(now_ms).unwrap();
    }
    assert!(!log.get().snapshots().is_empty());
    let before = (**quorum.image()).clone();
    drop(quorum);
    let after_cut = SharedLog::new(log.get().after_power_cut());
    let mut again = open(&after_cut);
    let image = again.turn(0).unwrap().image.unwrap();
    assert_eq!(image.features, before.features);
    assert!(image.provenance.last_offset > before.provenance.last_offset);
    assert_eq!(again.status().leader.epoch, 2);
}
