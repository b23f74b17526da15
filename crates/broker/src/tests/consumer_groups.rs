//! Consumer groups (KIP-848) on a whole node: topics that come and grow, patterns, a restart in the middle, a cluster that has them
//! switched off.

use wire::messages::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use wire::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};

use super::groups::find_coordinator;
use super::*;

fn node() -> Harness {
    let settings = [("group.consumer.assignment.interval.ms", "0")];
    let mut node = Harness::with(&settings);
    find_coordinator(&mut node, "g");
    node
}

fn beat(node: &mut Harness, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    node.ask(ApiKey::ConsumerGroupHeartbeat, 1, request)
}

fn joining(member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: Str::from("g"),
        member_id: Str::from(member),
        rebalance_timeout_ms: 10_000,
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

fn staying(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: Str::from("g"),
        member_id: Str::from(member),
        member_epoch: epoch,
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// How many partitions an answer gives.
fn given(answer: &ConsumerGroupHeartbeatResponse) -> usize {
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let topics = answer.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
    topics.map(|topic| topic.partitions.len()).sum()
}

#[test]
fn topics_that_come_and_grow_are_assigned() {
    let mut node = node();
    let names = Some(vec![Str::from("t")]);
    let joined =
        beat(&mut node, &ConsumerGroupHeartbeatRequest { subscribed_topic_names: names, ..joining("m") });
    assert_eq!((given(&joined), joined.member_epoch), (0, 2));
    node.create("t", 2);
    let told = beat(&mut node, &staying("m", 2));
    assert_eq!((given(&told), told.member_epoch), (2, 3));
    let topics = vec![CreatePartitionsTopic { name: Str::from("t"), count: 5, assignments: None }];
    let request = CreatePartitionsRequest { topics, timeout_ms: 1_000, validate_only: false };
    let grown: wire::messages::create_partitions::CreatePartitionsResponse =
        node.ask(ApiKey::CreatePartitions, 3, &request);
    assert_eq!(grown.results.first().map(|result| result.error_code), Some(0));
    let told = beat(&mut node, &staying("m", 3));
    assert_eq!((given(&told), told.member_epoch), (5, 4));
    // What changes nothing tells nothing.
    let told = beat(&mut node, &staying("m", 4));
    assert_eq!((told.assignment, told.member_epoch), (None, 4));
}

#[test]
fn patterns_are_looked_at_by_a_worker() {
    let mut node = node();
    node.create("orders-1", 1);
    let regex = Some(Str::from("orders-.*"));
    let joined =
        beat(&mut node, &ConsumerGroupHeartbeatRequest { subscribed_topic_regex: regex, ..joining("m") });
    assert_eq!((given(&joined), joined.member_epoch), (0, 1));
    node.settle();
    let told = beat(&mut node, &staying("m", 1));
    assert_eq!((given(&told), told.member_epoch), (1, 2));
    // Topics that come later are found, too, not more often than every ten seconds.
    node.create("orders-2", 3);
    node.create("others", 3);
    node.advance(11_000);
    beat(&mut node, &staying("m", 2));
    node.settle();
    let told = beat(&mut node, &staying("m", 2));
    assert_eq!((given(&told), told.member_epoch), (4, 3));
}

#[test]
fn a_restart_goes_on_in_the_middle_of_a_rebalance() {
    let mut node = node();
    node.create("t", 4);
    let names = Some(vec![Str::from("t")]);
    let with_names =
        |member| ConsumerGroupHeartbeatRequest { subscribed_topic_names: names.clone(), ..joining(member) };
    let first = beat(&mut node, &with_names("a"));
    assert_eq!(given(&first), 4);
    let id = first.assignment.and_then(|assignment| Some(assignment.topic_partitions.first()?.topic_id));
    assert_eq!(given(&beat(&mut node, &with_names("b"))), 0);
    assert_eq!(given(&beat(&mut node, &staying("a", 2))), 2);
    let mut node = node.restart();
    find_coordinator(&mut node, "g");
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![Str::from("g")],
        ..ConsumerGroupDescribeRequest::default()
    };
    let described: ConsumerGroupDescribeResponse = node.ask(ApiKey::ConsumerGroupDescribe, 1, &request);
    let group = described.groups.first().expect("it was asked for");
    assert_eq!((&*group.group_state, group.group_epoch, group.members.len()), ("Reconciling", 3, 2));
    assert_eq!(given(&beat(&mut node, &staying("b", 3))), 0);
    let kept = TopicPartitions { topic_id: id.expect("it was given"), partitions: vec![0, 1] };
    let given_back = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![kept]), ..staying("a", 2) };
    assert_eq!(beat(&mut node, &given_back).member_epoch, 3);
    assert_eq!(given(&beat(&mut node, &staying("b", 3))), 2);
}

#[test]
fn a_broker_without_the_protocol_says_so() {
    let settings = [("group.coordinator.rebalance.protocols", "classic")];
    let mut node = Harness::with(&settings);
    find_coordinator(&mut node, "g");
    let refused = beat(&mut node, &staying("m", 1));
    assert_eq!(refused.error_code, ErrorCode::UnsupportedVersion.code());
}
