//! CreateTopics at the controller (KIP-4): what the client may not create is refused by name, and of the rest it sees the configurations
//! that it may describe.

use kraft::controller::{ControllerAnswer, ControllerCommand, CreateTopics};
use wire::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str};

use crate::call::{Call, UnlessGone};
use crate::security::authorizer::{Operation, Resource};

/// Clients that speak it know that they may be refused for their quota (KIP-599).
const STRICT_SINCE: i16 = 6;

pub(super) async fn handle(call: Call, mut request: CreateTopicsRequest) -> UnlessGone<CreateTopicsResponse> {
    let mut forbidden: Vec<Str> = Vec::new();
    let mut describable = None;
    if call.is_guarded() {
        let may_all = call.may(Operation::Create, Resource::Cluster);
        let is_once = |name: &Str| request.topics.iter().filter(|topic| topic.name == *name).count() == 1;
        // Who is named twice, and the quorum's own topic, are refused for that.
        let is_asked = |name: &&Str| !may_all && **name != CLUSTER_METADATA && is_once(name);
        let asked = request.topics.iter().map(|topic| &topic.name).filter(is_asked);
        let may_not = |name: &&Str| call.authorize(Operation::Create, Resource::Topic(name)).is_err();
        forbidden = asked.filter(may_not).cloned().collect();
        request.topics.retain(|topic| !forbidden.contains(&topic.name));
        let may_describe = |name: &&Str| call.may(Operation::DescribeConfigs, Resource::Topic(name));
        describable =
            Some(request.topics.iter().map(|topic| &topic.name).filter(may_describe).cloned().collect());
    }
    let quota = call.mutation_quota(STRICT_SINCE);
    let command = ControllerCommand::CreateTopics(CreateTopics { request, describable, quota });
    let Some(ControllerAnswer::CreateTopics(mut response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    response.topics.extend(forbidden.into_iter().map(|name| CreatableTopicResult {
        name,
        error_code: ErrorCode::TopicAuthorizationFailed.code(),
        error_message: Some(Str::from_static("Authorization failed.")),
        ..CreatableTopicResult::default()
    }));
    UnlessGone(Some(response))
}
