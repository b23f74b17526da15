//! A node comes up and says who it is.

use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};

use super::*;

#[test]
fn a_fresh_node_registers_itself_and_is_the_only_broker() {
    let mut node = Harness::start();
    let answer: MetadataResponse = node.ask(ApiKey::Metadata, 12, &MetadataRequest::default());
    let broker = &answer.brokers[0];
    assert_eq!((broker.node_id, broker.host.as_str(), broker.port), (1, "broker.test", 9092));
    assert_eq!(answer.controller_id, 1);
    assert_eq!(answer.cluster_id.as_deref(), Some("cluster-of-one"));
}

#[test]
fn a_topic_that_is_asked_for_comes_into_being() {
    let mut node = Harness::start();
    let topic = MetadataRequestTopic { name: Some(Str::from("new")), ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
    let first: MetadataResponse = node.ask(ApiKey::Metadata, 12, &request);
    assert_eq!(first.topics[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
    node.settle();
    let second: MetadataResponse = node.ask(ApiKey::Metadata, 12, &request);
    assert_eq!(second.topics[0].error_code, ErrorCode::None.code());
    assert_eq!(second.topics[0].partitions[0].leader_id, 1);
}

#[test]
fn every_api_of_the_table_is_told_and_an_unknown_version_is_answered_in_the_first_one() {
    let mut node = Harness::start();
    let request = ApiVersionsRequest {
        client_software_name: Str::from("test"),
        client_software_version: Str::from("1"),
        ..ApiVersionsRequest::default()
    };
    let answer: ApiVersionsResponse = node.ask(ApiKey::ApiVersions, 4, &request);
    let produce = answer.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13));
    assert!(answer.finalized_features.iter().any(|feature| feature.name == "metadata.version"));

    let mut unknown = frame(ApiKey::ApiVersions, 4, &request).to_vec();
    unknown[3] = 99;
    let mut handling = node.node.handle(&node.connection, Bytes::from(unknown), node.now_ms);
    let poll = Pin::new(&mut handling).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(outcome) = poll else { panic!("pending") };
    let answer: ApiVersionsResponse = decode(outcome, ApiKey::ApiVersions, 0);
    assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!(answer.api_keys.len(), 1);
}
