//! Groups: from the first question for a coordinator to commits that survive.

use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use wire::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};

use super::*;

/// Asks until the offsets topic is there.
pub(crate) fn find_coordinator(node: &mut Harness, group: &str) -> FindCoordinatorResponse {
    let request = FindCoordinatorRequest { key: Str::from(group), ..FindCoordinatorRequest::default() };
    let first: FindCoordinatorResponse = node.ask(ApiKey::FindCoordinator, 3, &request);
    if first.error_code == 0 {
        return first;
    }
    assert_eq!(first.error_code, ErrorCode::CoordinatorNotAvailable.code());
    node.settle();
    node.ask(ApiKey::FindCoordinator, 3, &request)
}

/// As `find_coordinator`, on a node that may have lost its power.
pub(crate) fn find_coordinator_if_up(node: &mut Harness, group: &str) {
    let request = FindCoordinatorRequest { key: Str::from(group), ..FindCoordinatorRequest::default() };
    for _ in 0..3 {
        let mut begun = node.begin(ApiKey::FindCoordinator, 3, &request);
        let _ = begun.poll();
        node.settle();
    }
}

fn join_request(group: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: Str::from(group),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: Str::from(member),
        protocol_type: Str::from("consumer"),
        protocols: vec![JoinGroupRequestProtocol {
            name: Str::from("range"),
            metadata: Bytes::from_static(b"meta"),
        }],
        ..JoinGroupRequest::default()
    }
}

/// Joins a fresh group as its only member; answers member id and generation.
fn join(node: &mut Harness, group: &str) -> (Str, i32) {
    let told: JoinGroupResponse = node.ask(ApiKey::JoinGroup, 9, &join_request(group, ""));
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired.code());
    let mut begun = node.begin(ApiKey::JoinGroup, 9, &join_request(group, &told.member_id));
    for _ in 0..100 {
        if let Some(joined) = begun.answer::<JoinGroupResponse>() {
            assert_eq!(joined.error_code, 0, "{joined:?}");
            assert_eq!(joined.leader, joined.member_id);
            return (joined.member_id, joined.generation_id);
        }
        node.advance(10);
    }
    panic!("the group is never complete");
}

fn sync(node: &mut Harness, group: &str, member: &Str, generation: i32) -> SyncGroupResponse {
    let assignment = SyncGroupRequestAssignment {
        member_id: member.clone(),
        assignment: Bytes::from_static(b"assignment"),
    };
    let request = SyncGroupRequest {
        group_id: Str::from(group),
        generation_id: generation,
        member_id: member.clone(),
        protocol_type: Some(Str::from("consumer")),
        protocol_name: Some(Str::from("range")),
        assignments: vec![assignment],
        ..SyncGroupRequest::default()
    };
    node.ask(ApiKey::SyncGroup, 5, &request)
}

pub(crate) fn commit(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: Str::from(topic),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    OffsetCommitRequest {
        group_id: Str::from(group),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

pub(crate) fn committed(node: &mut Harness, group: &str, topic: &str) -> i64 {
    let topics = vec![OffsetFetchRequestTopic { name: Str::from(topic), partition_indexes: vec![0] }];
    let request = OffsetFetchRequest {
        group_id: Str::from(group),
        topics: Some(topics),
        ..OffsetFetchRequest::default()
    };
    let answer: OffsetFetchResponse = node.ask(ApiKey::OffsetFetch, 5, &request);
    assert_eq!(answer.error_code, 0);
    answer.topics[0].partitions[0].committed_offset
}

#[test]
fn the_offsets_topic_comes_with_the_first_question() {
    let mut node = Harness::start();
    let found = find_coordinator(&mut node, "g");
    assert_eq!((found.error_code, found.node_id, found.port), (0, 1, 9092));
}

#[test]
fn a_member_joins_is_assigned_and_stays_while_it_beats() {
    let mut node = Harness::start();
    find_coordinator(&mut node, "g");
    let (member, generation) = join(&mut node, "g");
    let synced = sync(&mut node, "g", &member, generation);
    assert_eq!((synced.error_code, synced.assignment), (0, Bytes::from_static(b"assignment")));
    let beat = HeartbeatRequest {
        group_id: Str::from("g"),
        generation_id: generation,
        member_id: member.clone(),
        ..HeartbeatRequest::default()
    };
    for _ in 0..5 {
        node.advance(5_000);
        let answer: HeartbeatResponse = node.ask(ApiKey::Heartbeat, 4, &beat);
        assert_eq!(answer.error_code, 0);
    }
    node.advance(10_001);
    let answer: HeartbeatResponse = node.ask(ApiKey::Heartbeat, 4, &beat);
    assert_eq!(answer.error_code, ErrorCode::UnknownMemberId.code(), "the session is over");
}

#[test]
fn a_commit_is_read_back_and_waits_for_the_flush() {
    let mut node = Harness::start();
    node.create("t", 1);
    find_coordinator(&mut node, "g");
    assert_eq!(committed(&mut node, "g", "t"), -1);
    let mut begun = node.begin(ApiKey::OffsetCommit, 8, &commit("g", "t", 42));
    assert!(begun.poll().is_none(), "an unflushed commit is not acknowledged");
    node.settle();
    let answer: OffsetCommitResponse = begun.answer().expect("flushed");
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    assert_eq!(committed(&mut node, "g", "t"), 42);
    let unknown: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit("g", "nowhere", 1));
    assert_eq!(unknown.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn groups_are_listed_and_forgotten_offsets_go_with_their_topic() {
    use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
    let mut node = Harness::start();
    node.create("t", 1);
    find_coordinator(&mut node, "g");
    for group in ["g", "h", "i"] {
        let answer: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit(group, "t", 7));
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }
    let listed: ListGroupsResponse = node.ask(ApiKey::ListGroups, 5, &ListGroupsRequest::default());
    let mut names: Vec<_> = listed.groups.iter().map(|group| group.group_id.to_string()).collect();
    names.sort();
    assert_eq!(names, ["g", "h", "i"]);
    let topic = DeleteTopicState { name: Some(Str::from("t")), ..DeleteTopicState::default() };
    let delete = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let _: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &delete);
    node.settle();
    assert_eq!(committed(&mut node, "g", "t"), -1);
}

#[test]
fn commits_and_groups_survive_a_stop_and_a_crash() {
    let mut node = Harness::start();
    node.create("t", 1);
    find_coordinator(&mut node, "g");
    let answer: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit("g", "t", 42));
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    let mut node = node.restart();
    assert_eq!(committed(&mut node, "g", "t"), 42);
    let answer: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit("g", "t", 43));
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    let mut node = node.crash(Survival::Nothing);
    assert_eq!(committed(&mut node, "g", "t"), 43);
}

/// A stable group of one; answers its member.
fn stable(node: &mut Harness, group: &str) -> Str {
    find_coordinator(node, group);
    let (member, generation) = join(node, group);
    assert_eq!(sync(node, group, &member, generation).error_code, 0);
    member
}

fn asks_for_id(node: &mut Harness, group: &str) -> Str {
    let told: JoinGroupResponse = node.ask(ApiKey::JoinGroup, 9, &join_request(group, ""));
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired.code());
    told.member_id
}

/// These two are the members of the next generation at once: nobody else is waited for.
#[track_caller]
fn complete_at_once(node: &mut Harness, group: &str, members: [&Str; 2]) {
    let [mut first, mut second] =
        members.map(|member| node.begin(ApiKey::JoinGroup, 9, &join_request(group, member)));
    assert!(first.answer::<JoinGroupResponse>().is_none(), "one of two is missing");
    let joined = second.answer::<JoinGroupResponse>();
    assert_eq!(joined.map(|joined| joined.error_code), Some(0), "the group waits");
}

#[test]
fn s46_who_asks_twice_for_a_member_id_keeps_nobody_waiting() {
    let mut node = Harness::start();
    let member = stable(&mut node, "g");
    let elsewhere = stable(&mut node, "other");
    let other = asks_for_id(&mut node, "other");
    let unused = asks_for_id(&mut node, "g");
    let kept = asks_for_id(&mut node, "g");
    complete_at_once(&mut node, "g", [&kept, &member]);
    let late: JoinGroupResponse = node.ask(ApiKey::JoinGroup, 9, &join_request("g", &unused));
    assert_eq!(late.error_code, ErrorCode::UnknownMemberId.code());
    // The id of another group is as good as before.
    complete_at_once(&mut node, "other", [&other, &elsewhere]);
}

#[test]
fn a_member_id_is_good_by_another_connection() {
    let mut node = Harness::start();
    let member = stable(&mut node, "g");
    let heard = asks_for_id(&mut node, "g");
    let peer = node.connection.peer().clone();
    node.connection = node.node.connection(peer);
    complete_at_once(&mut node, "g", [&heard, &member]);
}
