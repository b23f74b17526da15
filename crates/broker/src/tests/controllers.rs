//! Several controllers: who leads, what is committed, what happens when a leader dies or is cut off; and the way of brokers and clients to
//! whoever leads.

use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use wire::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, PartitionData, TopicData,
};
use wire::messages::envelope::{EnvelopeRequest, EnvelopeResponse};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use wire::messages::metadata::{MetadataRequest, MetadataResponse};
use wire::random::SplitMix64;
use wire::topic::CLUSTER_METADATA;
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

#[test]
fn a_request_waits_while_the_controller_moves_and_is_answered_by_the_next_one() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    let asked = cluster.alive().into_iter().find(|id| *id != leader).unwrap();
    let connection = cluster.connect(asked);
    cluster.kill(leader);
    let mut begun = cluster.begin(asked, &connection, (ApiKey::CreateTopics, 7), &create("a"));
    cluster.settle();
    assert!(begun.poll().is_none(), "there is no controller to answer");
    cluster.ready();
    cluster.advance(200);
    let answer: CreateTopicsResponse = cluster.answer_of(&mut begun);
    assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0]);
    known_everywhere(&mut cluster, "a");
}

#[test]
fn without_any_controller_a_request_is_refused_in_time_and_in_its_own_shape() {
    let mut cluster =
        Cluster::new(&[(1, CONTROLLER), (11, BROKER)], &[("controller.socket.timeout.ms", "5000")]);
    cluster.ready();
    cluster.kill(1);
    let connection = cluster.connect(11);
    let mut begun = cluster.begin(11, &connection, (ApiKey::CreateTopics, 7), &create("a"));
    cluster.advance(4_900);
    assert!(begun.poll().is_none());
    cluster.advance(200);
    let answer: CreateTopicsResponse = cluster.answer_of(&mut begun);
    let refused = &answer.topics[0];
    let told = (refused.name.as_str(), ErrorCode::from_code(refused.error_code));
    assert_eq!(told, ("a", ErrorCode::RequestTimedOut));
}

#[test]
fn s14_a_leader_that_is_cut_off_resigns_and_what_it_promised_nobody_is_decided_elsewhere() {
    let mut cluster = Cluster::of_three();
    let first = cluster.ready();
    let connection = cluster.connect(first);
    cluster.isolate(first);
    let mut begun = cluster.begin(first, &connection, (ApiKey::CreateTopics, 7), &create("a"));
    cluster
        .until("the others elect one of them", |cluster| cluster.active().into_iter().any(|id| id != first));
    assert!(begun.poll().is_none(), "a minority commits nothing");
    cluster.until("it finds out", |cluster| !cluster.active().contains(&first));
    assert!(begun.poll().is_none());
    assert!(cluster.node(first).image().topics.by_name("a").is_none(), "and publishes nothing");
    cluster.heal();
    cluster.ready();
    known_everywhere(&mut cluster, "a");
    let answer: CreateTopicsResponse = cluster.answer_of(&mut begun);
    assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0]);
}

#[test]
fn a_broker_that_falls_silent_is_fenced_and_comes_back_as_another() {
    let nodes = [(1, CONTROLLER), (11, BROKER), (12, BROKER)];
    let mut cluster = Cluster::new(&nodes, &[]);
    cluster.ready();
    let epoch_of = |cluster: &Cluster| cluster.node(1).image().cluster.broker(12).map(|broker| broker.epoch);
    let before = epoch_of(&cluster);
    cluster.kill(12);
    cluster.until("it is fenced", |cluster| !cluster.node(1).image().cluster.is_active(12));
    assert!(cluster.node(1).image().cluster.is_active(11));
    cluster.start(12);
    cluster.ready();
    assert!(epoch_of(&cluster) > before, "another incarnation has another epoch");
}

#[test]
fn a_node_that_leaves_hands_over_and_is_let_go() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    cluster.node(leader).begin_shutdown(cluster.now_ms);
    let began_ms = cluster.now_ms;
    cluster.until("it may stop", |cluster| cluster.node(leader).may_stop());
    assert!(cluster.now_ms - began_ms < 2_000, "it took {} ms", cluster.now_ms - began_ms);
    cluster.node(leader).close(cluster.now_ms, &|_| ());
    cluster.kill(leader);
    let second = cluster.ready();
    assert!(cluster.now_ms - began_ms < 2_500, "the next one need not wait for a timeout");
    created(&mut cluster, second, "a");
}

#[test]
fn whatever_is_the_controllers_may_be_asked_of_any_broker() {
    let nodes = [(1, CONTROLLER), (2, CONTROLLER), (3, CONTROLLER), (11, BROKER)];
    let mut cluster = Cluster::new(&nodes, &[]);
    let leader = cluster.ready();
    created(&mut cluster, 11, "a");
    let set = |resource_type: i8, name: &str, key: &str, value: &str| AlterConfigsResource {
        resource_type,
        resource_name: Str::from(name),
        configs: vec![AlterableConfig {
            name: Str::from(key),
            config_operation: 0,
            value: Some(Str::from(value)),
        }],
    };
    // A topic's, this broker's, another broker's, a logger: the controller's, its own word first, and its own alone.
    let resources = vec![
        set(2, "a", "retention.ms", "1234567"),
        set(4, "11", "log.cleaner.threads", "2"),
        set(4, "3", "log.cleaner.threads", "2"),
        set(8, "11", "root", "INFO"),
    ];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let answer: IncrementalAlterConfigsResponse =
        cluster.ask(11, ApiKey::IncrementalAlterConfigs, 1, &request);
    let codes: Vec<ErrorCode> =
        answer.responses.iter().map(|resource| ErrorCode::from_code(resource.error_code)).collect();
    let (none, invalid) = (ErrorCode::None, ErrorCode::InvalidRequest);
    assert_eq!(codes, [none, none, invalid, none], "{answer:?}");

    let quorum = DescribeQuorumRequest {
        topics: vec![TopicData {
            topic_name: Str::from(CLUSTER_METADATA),
            partitions: vec![PartitionData { partition_index: 0 }],
        }],
    };
    let answer: DescribeQuorumResponse = cluster.ask(11, ApiKey::DescribeQuorum, 2, &quorum);
    let partition = &answer.topics[0].partitions[0];
    assert_eq!(
        (partition.leader_id, partition.current_voters.len(), partition.observers.len()),
        (leader, 3, 1)
    );

    let all = ListPartitionReassignmentsRequest { timeout_ms: 1_000, topics: None };
    let answer: ListPartitionReassignmentsResponse =
        cluster.ask(11, ApiKey::ListPartitionReassignments, 0, &all);
    assert_eq!((answer.error_code, answer.topics.len()), (0, 0));

    let topic = DeleteTopicState { name: Some(Str::from("a")), ..DeleteTopicState::default() };
    let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let answer: DeleteTopicsResponse = cluster.ask(11, ApiKey::DeleteTopics, 6, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

#[test]
fn a_topic_that_nobody_asked_an_administrator_for_is_created_through_whoever_leads() {
    let nodes = [(1, CONTROLLER), (11, BROKER)];
    let mut cluster = Cluster::new(&nodes, &[]);
    cluster.ready();
    let topic = wire::messages::metadata::MetadataRequestTopic {
        name: Some(Str::from("unasked")),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    let answer: MetadataResponse = cluster.ask(11, ApiKey::Metadata, 12, &request);
    assert_eq!(answer.controller_id, 11, "clients are sent to a broker, and to no controller");
    let request = DescribeClusterRequest::default();
    let answer: DescribeClusterResponse = cluster.ask(11, ApiKey::DescribeCluster, 2, &request);
    assert_eq!((answer.controller_id, answer.brokers.len()), (11, 1));
    let request = DescribeClusterRequest { endpoint_type: 2, ..DescribeClusterRequest::default() };
    let answer: DescribeClusterResponse = cluster.ask_controller(1, ApiKey::DescribeCluster, 2, &request);
    assert_eq!((answer.controller_id, answer.brokers.len()), (1, 1), "administrators of controllers to one");
    known_everywhere(&mut cluster, "unasked");
}

fn enveloped(request_data: Vec<u8>) -> EnvelopeRequest {
    EnvelopeRequest {
        request_data: request_data.into(),
        request_principal: Some(bytes::Bytes::from_static(b"\0\0\x05User\x06alice\0\0")),
        client_host_address: bytes::Bytes::from_static(&[10, 0, 0, 7]),
    }
}

#[test]
fn an_envelope_is_opened_by_the_active_controller_and_holds_what_may_be_forwarded() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    let other = cluster.alive().into_iter().find(|id| *id != leader).unwrap();
    let inner = super::frame(ApiKey::CreateTopics, 7, &create("a")).to_vec();
    let mut ask = |id: i32, envelope: &EnvelopeRequest| -> EnvelopeResponse {
        cluster.ask_controller(id, ApiKey::Envelope, 0, envelope)
    };
    let code = |answer: &EnvelopeResponse| ErrorCode::from_code(answer.error_code);
    assert_eq!(code(&ask(other, &enveloped(inner.clone()))), ErrorCode::NotController);
    let answer = ask(leader, &enveloped(inner.clone()));
    let frame = answer.response_data.clone().expect("the controller's answer");
    let (number, created) =
        wire::frame::decode_response::<CreateTopicsResponse>(frame, ApiKey::CreateTopics, 7).unwrap();
    assert_eq!((number, created.topics[0].error_code), (7, 0));

    let metadata = super::frame(ApiKey::Metadata, 12, &MetadataRequest::default()).to_vec();
    let mut later = inner.clone();
    later[3] = 99;
    let cut_short = inner[..inner.len() - 3].to_vec();
    for (data, expected) in [
        (metadata, ErrorCode::InvalidRequest),
        (later, ErrorCode::UnsupportedVersion),
        (cut_short, ErrorCode::InvalidRequest),
        (Vec::new(), ErrorCode::InvalidRequest),
        (vec![0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], ErrorCode::InvalidRequest),
    ] {
        assert_eq!(code(&ask(leader, &enveloped(data.clone()))), expected, "{data:?}");
    }
    let nobody = EnvelopeRequest { request_principal: None, ..enveloped(inner.clone()) };
    assert_eq!(code(&ask(leader, &nobody)), ErrorCode::PrincipalDeserializationFailure);
    let nowhere = EnvelopeRequest { client_host_address: bytes::Bytes::new(), ..enveloped(inner) };
    assert_eq!(code(&ask(leader, &nowhere)), ErrorCode::InvalidRequest);
}

#[test]
fn noise_on_a_controllers_listener_and_in_answers_harms_nobody() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    let mut random = SplitMix64::new(17);
    let connection = cluster.connect_as_node(leader);
    for key in -1..100i16 {
        for version in -1..20i16 {
            for length in [0usize, 7, 40, 300] {
                let mut frame = Vec::with_capacity(10 + length);
                frame.extend(key.to_be_bytes());
                frame.extend(version.to_be_bytes());
                frame.extend(7i32.to_be_bytes());
                frame.extend((-1i16).to_be_bytes());
                frame.extend((0..length).map(|_| match random.below(4) {
                    0 => random.next_u64() as u8,
                    _ => random.below(3) as u8,
                }));
                let outcome = cluster.try_frame(leader, &connection, frame.into());
                assert!(
                    !matches!(outcome, Some(crate::Outcome::Close(crate::CloseReason::Panicked))),
                    "API {key} version {version}"
                );
            }
        }
    }
    // Answers between the nodes lose or change bytes for a while; nobody believes them, and afterwards all is as it was.
    cluster.spoil = Some(SplitMix64::new(23));
    cluster.advance(5_000);
    cluster.spoil = None;
    cluster.ready();
    created(&mut cluster, leader, "after");
    known_everywhere(&mut cluster, "after");
}

#[test]
fn s15_who_comes_with_nothing_fetches_a_snapshot_and_goes_on_from_there() {
    let nodes = [(1, CONTROLLER), (2, CONTROLLER), (3, CONTROLLER), (11, BROKER), (12, BROKER)];
    let settings = [("metadata.log.max.record.bytes.between.snapshots", "2000")];
    let mut cluster = Cluster::new(&nodes, &settings);
    let leader = cluster.ready();
    for number in 0..10 {
        created(&mut cluster, 11, &format!("before-{number}"));
    }
    let voter = [1, 2, 3].into_iter().find(|id| *id != leader).unwrap();
    for id in [12, voter] {
        cluster.kill(id);
        cluster.lose_disk(id);
    }
    for number in 0..10 {
        created(&mut cluster, 11, &format!("after-{number}"));
    }
    cluster.advance(2_000);
    assert!(cluster.node(leader).quorum_status().latest_snapshot_offset > 0, "there is a snapshot to fetch");
    let fetched = |cluster: &Cluster| cluster.carried.get(&ApiKey::FetchSnapshot.key()).copied();
    assert_eq!(fetched(&cluster), None);
    cluster.start(12);
    cluster.start(voter);
    cluster.ready();
    assert!(fetched(&cluster) >= Some(2), "{:?}", cluster.carried);
    created(&mut cluster, 12, "last");
    known_everywhere(&mut cluster, "last");
    let topics = |id: i32| cluster.node(id).image().topics.len();
    assert_eq!([topics(1), topics(2), topics(3), topics(11), topics(12)], [21; 5]);
    assert!(cluster.node(voter).quorum_status().log_start_offset > 0, "its log begins behind the snapshot");
}
