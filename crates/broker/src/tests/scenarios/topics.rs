//! Topics that go and come, and what coordinators answer.

use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::messages::metadata::{MetadataRequest, MetadataResponse};
use wire::messages::offset_commit::OffsetCommitResponse;
use wire::{ApiKey, ErrorCode, Str, Uuid};

use super::super::cluster::Cluster;
use super::super::groups::commit;
use super::super::replication::{MIN_TWO, are_alike, brokers_apart, create, leader, log, put};
use super::others;

/// Id, leader, and number of replicas of the topic, as a broker answers; `None` where it does not know it.
fn told(cluster: &mut Cluster, id: i32) -> Option<(Uuid, i32, usize)> {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let answer: MetadataResponse = cluster.ask(id, ApiKey::Metadata, 12, &request);
    let topic = answer.topics.into_iter().find(|topic| topic.name.as_deref() == Some("t"))?;
    let partition = topic.partitions.first()?;
    Some((topic.topic_id, partition.leader_id, partition.replica_nodes.len()))
}

#[test]
fn s44_a_topic_deleted_and_created_at_once_is_another_one_everywhere() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["of the old one"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let old = told(&mut cluster, 11).unwrap();
    // One of them is behind, and sees both changes in one image.
    let behind = others(leader(&cluster, "t"))[0];
    [1, 2, 3].into_iter().for_each(|controller| cluster.cut_off(behind, controller));
    let by = others(behind)[0];
    let topic = DeleteTopicState { name: Some(Str::from("t")), ..DeleteTopicState::default() };
    let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let answer: DeleteTopicsResponse = cluster.ask(by, ApiKey::DeleteTopics, 6, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    let topic = CreatableTopic {
        name: Str::from("t"),
        num_partitions: 1,
        replication_factor: 2,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let answer: CreateTopicsResponse = cluster.ask(by, ApiKey::CreateTopics, 7, &request);
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
    let new = answer.topics[0].topic_id;
    assert_ne!(new, old.0);
    assert_eq!(told(&mut cluster, behind).map(|it| it.0), Some(old.0), "it has not heard of it");
    cluster.heal();
    // Nobody who has told of the new one tells of the old one again, or of a mixture.
    let mut has_told = [false; 3];
    for _ in 0..300 {
        for (index, id) in [11, 12, 13].into_iter().enumerate() {
            match told(&mut cluster, id) {
                Some((topic_id, _, replicas)) if topic_id == new => {
                    assert_eq!(replicas, 2, "node {id} has the old replicas");
                    has_told[index] = true;
                }
                Some(it) => assert!(it.0 == old.0 && it.2 == 3 && !has_told[index], "node {id}: {it:?}"),
                None => assert!(!has_told[index], "node {id} forgets the new one"),
            }
        }
        cluster.advance(10);
    }
    assert_eq!(has_told, [true; 3]);
    cluster.until("somebody leads it", |cluster| leader(cluster, "t") != -1);
    assert_eq!(put(&mut cluster, "t", &["of the new one"]), (ErrorCode::None, 0), "it begins anew");
    let leads = leader(&cluster, "t");
    let bytes = log(&cluster, leads, "t").1;
    assert!(!bytes.windows(14).any(|window| window == b"of the old one"));
}

#[test]
fn s40_a_coordinator_answers_when_its_replicas_have_what_it_wrote() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    let find = FindCoordinatorRequest { key: Str::from("group"), ..FindCoordinatorRequest::default() };
    let mut coordinator = -1;
    for _ in 0..600 {
        let found: FindCoordinatorResponse = cluster.ask(11, ApiKey::FindCoordinator, 3, &find);
        if found.error_code == 0 {
            coordinator = found.node_id;
            let answer: OffsetCommitResponse =
                cluster.ask(coordinator, ApiKey::OffsetCommit, 8, &commit("group", "t", 1));
            if answer.topics[0].partitions[0].error_code == 0 {
                break;
            }
        }
        cluster.advance(100);
    }
    // The others are in sync, and silent for a moment.
    others(coordinator).into_iter().for_each(|other| cluster.cut_off(coordinator, other));
    let connection = cluster.connect(coordinator);
    let mut begun =
        cluster.begin(coordinator, &connection, (ApiKey::OffsetCommit, 8), &commit("group", "t", 2));
    cluster.advance(2_000);
    assert!(begun.poll().is_none(), "it is answered, and nobody else has it");
    cluster.heal();
    // What was under way is lost, and asked again.
    cluster.break_connections();
    cluster.advance(1_000);
    let answer: OffsetCommitResponse = cluster.answer_of(&mut begun);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
}
