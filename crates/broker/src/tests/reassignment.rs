//! AlterPartitionReassignments and ListPartitionReassignments (KIP-455) on a node beside which a second broker is registered and
//! never comes: what is begun stays under way, the node goes on serving, and a cancellation ends it.

use kraft::controller::{ControllerCommand, RegisterBroker};
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use wire::messages::broker_registration::{BrokerRegistrationRequest, Feature, Listener};
use wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, ListPartitionReassignmentsTopics,
};

use super::fetch::values;
use super::produce::produce;
use super::*;

fn register(node: &mut Harness, broker_id: i32) {
    let feature = |(name, range): (&str, kraft::features::VersionRange)| Feature {
        name: Str::from(name),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    let request = BrokerRegistrationRequest {
        broker_id,
        cluster_id: Str::from(node.node.cluster_id().to_owned()),
        incarnation_id: Uuid([7; 16]),
        listeners: vec![Listener {
            name: Str::from("PLAINTEXT"),
            host: Str::from("elsewhere"),
            port: 9,
            security_protocol: 0,
        }],
        features: kraft::features::supported().into_iter().map(feature).collect(),
        log_dirs: vec![Uuid([8; 16])],
        previous_broker_epoch: -1,
        ..Default::default()
    };
    drop(node.node.propose(ControllerCommand::RegisterBroker(RegisterBroker { request, api_version: 4 })));
    node.settle();
    assert!(node.node.image().cluster.broker(broker_id).is_some());
}

/// The code and the words for partition 0.
fn reassign(node: &mut Harness, name: &str, replicas: Option<&[i32]>) -> (i16, String) {
    let partition = ReassignablePartition { partition_index: 0, replicas: replicas.map(<[i32]>::to_vec) };
    let topic = ReassignableTopic { name: Str::from(name), partitions: vec![partition] };
    let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    let answer: AlterPartitionReassignmentsResponse =
        node.ask(ApiKey::AlterPartitionReassignments, 1, &request);
    let result = &answer.responses[0].partitions[0];
    (result.error_code, result.error_message.as_ref().map(|words| words.to_string()).unwrap_or_default())
}

/// Replicas, added and removed ones of all that are under way.
fn under_way(node: &mut Harness, name: Option<&str>) -> Vec<[Vec<i32>; 3]> {
    let of = |name: &str| ListPartitionReassignmentsTopics {
        name: Str::from(name),
        partition_indexes: vec![0, 7],
    };
    let request =
        ListPartitionReassignmentsRequest { topics: name.map(|name| vec![of(name)]), ..Default::default() };
    let answer: ListPartitionReassignmentsResponse =
        node.ask(ApiKey::ListPartitionReassignments, 0, &request);
    let all = answer.topics.into_iter().flat_map(|topic| topic.partitions);
    all.map(|found| [found.replicas, found.adding_replicas, found.removing_replicas]).collect()
}

#[test]
fn a_replica_that_never_comes_is_waited_for_until_somebody_cancels() {
    let mut node = Harness::start();
    node.create("t", 1);
    let done = (0, String::new());
    assert_eq!(reassign(&mut node, "t", Some(&[1])), done, "its replicas are these already");
    assert_eq!(reassign(&mut node, "t", None).0, ErrorCode::NoReassignmentInProgress.code());
    let unknown = "Unable to find a topic named nobody.".to_owned();
    assert_eq!(
        reassign(&mut node, "nobody", Some(&[1])),
        (ErrorCode::UnknownTopicOrPartition.code(), unknown)
    );
    let refused = reassign(&mut node, "t", Some(&[2]));
    let words = "The manual partition assignment includes broker 2, but no such broker is registered.";
    assert_eq!(refused, (ErrorCode::InvalidReplicaAssignment.code(), words.to_owned()));
    assert!(under_way(&mut node, None).is_empty());

    register(&mut node, 2);
    assert_eq!(reassign(&mut node, "t", Some(&[2])), done);
    let expected = vec![[vec![2, 1], vec![2], vec![1]]];
    assert_eq!(under_way(&mut node, None), expected);
    assert_eq!(under_way(&mut node, Some("t")), expected);
    assert!(under_way(&mut node, Some("nobody")).is_empty());
    produce(&mut node, "t", 0, -1, batch(&["meanwhile"]));
    let mut node = node.restart();
    assert_eq!(under_way(&mut node, None), expected);
    assert_eq!(values(&mut node, "t", 0, 0), ["meanwhile"]);
    assert_eq!(reassign(&mut node, "t", None), done);
    assert!(under_way(&mut node, None).is_empty());
    produce(&mut node, "t", 0, -1, batch(&["after"]));
    assert_eq!(values(&mut node, "t", 0, 0), ["meanwhile", "after"]);
}
