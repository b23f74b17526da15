//! CreatePartitions at the controller (KIP-195): topics that the client may not alter are refused by name.

use kraft::controller::{ControllerAnswer, ControllerCommand, CreatePartitions};
use wire::ErrorCode;
use wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use crate::call::{Call, UnlessGone};
use crate::security::authorizer::{Operation, Resource};

/// Clients that speak it know that they may be refused for their quota (KIP-599).
const STRICT_SINCE: i16 = 3;

pub(super) async fn handle(
    call: Call,
    mut request: CreatePartitionsRequest,
) -> UnlessGone<CreatePartitionsResponse> {
    let topics = std::mem::take(&mut request.topics);
    let is_twice = |name| topics.iter().filter(|topic| topic.name == name).count() > 1;
    let may_alter = |topic: &CreatePartitionsTopic| {
        !call.is_guarded()
            || is_twice(topic.name.clone())
            || call.authorize(Operation::Alter, Resource::Topic(&topic.name)).is_ok()
    };
    let (allowed, forbidden): (Vec<_>, Vec<_>) = topics.iter().cloned().partition(may_alter);
    request.topics = allowed;
    let quota = call.mutation_quota(STRICT_SINCE);
    let command = ControllerCommand::CreatePartitions(CreatePartitions { request, quota });
    let Some(ControllerAnswer::CreatePartitions(mut response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    response.results.extend(forbidden.into_iter().map(|topic| CreatePartitionsTopicResult {
        name: topic.name,
        error_code: ErrorCode::TopicAuthorizationFailed.code(),
        error_message: None,
    }));
    UnlessGone(Some(response))
}
