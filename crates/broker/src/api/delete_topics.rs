//! DeleteTopics, by name or by id (KIP-516), unless `delete.topic.enable` says no.

use kraft::controller::{ControllerAnswer, ControllerCommand, DeleteTopics};
use wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use wire::{ErrorCode, Str, Uuid};

use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};

/// Clients that speak it know that they may be refused for their quota (KIP-599).
const STRICT_SINCE: i16 = 5;

pub(super) async fn handle(call: Call, mut request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = request
        .topic_names
        .iter()
        .map(|name| DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() });
    let wanted: Vec<DeleteTopicState> = request.topics.iter().cloned().chain(by_name).collect();
    if !call.node.config().delete_topic_enable {
        let error =
            if call.api_version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
        return refused(wanted, error);
    }
    let forbidden = hide(&call, &mut request);
    let quota = call.mutation_quota(STRICT_SINCE);
    match call.decided(ControllerCommand::DeleteTopics(DeleteTopics { request, quota })).await {
        Some(ControllerAnswer::DeleteTopics(mut response)) => {
            response.responses.extend(forbidden);
            response
        }
        Some(_) | None => refused(wanted, ErrorCode::NotController),
    }
}

/// Takes out of the request what the client may not delete. Whether a topic exists is told only to those who may describe it; who may
/// not delete a topic does not ask the controller about it either.
fn hide(call: &Call, request: &mut DeleteTopicsRequest) -> Vec<DeletableTopicResult> {
    if !call.is_guarded() || call.may(Operation::Delete, Resource::Cluster) {
        return Vec::new();
    }
    let image = call.node.image();
    let no = |name: Option<&Str>, topic_id: Uuid, error: ErrorCode| DeletableTopicResult {
        name: name.cloned(),
        topic_id,
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
    };
    let may_see = |name: &str| call.may(Operation::Describe, Resource::Topic(name));
    let deletable = |name: &str| call.authorize(Operation::Delete, Resource::Topic(name));
    let by_name = |name: &Str| match (may_see(name), deletable(name)) {
        (true, Ok(())) => None,
        (true, Err(_)) if image.topics.by_name(name).is_none() => {
            Some(no(Some(name), Uuid::ZERO, ErrorCode::UnknownTopicOrPartition))
        }
        (_, Err(error)) => Some(no(Some(name), Uuid::ZERO, error)),
        (false, Ok(())) => Some(no(Some(name), Uuid::ZERO, ErrorCode::TopicAuthorizationFailed)),
    };
    let by_id = |id: Uuid| {
        let Some(topic) = image.topics.by_id(id) else {
            return Some(no(None, id, ErrorCode::UnknownTopicId));
        };
        let error = deletable(&topic.name).err()?;
        Some(no(may_see(&topic.name).then_some(&topic.name), id, error))
    };
    let mut forbidden = Vec::new();
    let mut judge = |refused: Option<DeletableTopicResult>| {
        let is_allowed = refused.is_none();
        forbidden.extend(refused);
        is_allowed
    };
    request.topic_names.retain(|name| judge(by_name(name)));
    request.topics.retain(|topic| match &topic.name {
        Some(name) if topic.topic_id.is_zero() => judge(by_name(name)),
        None if !topic.topic_id.is_zero() => judge(by_id(topic.topic_id)),
        // Neither or both: the controller says what is wrong with it, and deletes nothing.
        Some(_) | None => true,
    });
    forbidden
}

fn refused(wanted: Vec<DeleteTopicState>, error: ErrorCode) -> DeleteTopicsResponse {
    let result = |topic: DeleteTopicState| DeletableTopicResult {
        name: topic.name,
        topic_id: topic.topic_id,
        error_code: error.code(),
        error_message: None,
    };
    DeleteTopicsResponse {
        responses: wanted.into_iter().map(result).collect(),
        ..DeleteTopicsResponse::default()
    }
}
