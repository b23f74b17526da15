//! DeleteTopics, by name or by id (KIP-516), unless `delete.topic.enable` says no.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
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
    match call.decided(ControllerCommand::DeleteTopics(request)).await {
        Some(ControllerAnswer::DeleteTopics(response)) => response,
        Some(_) | None => refused(wanted, ErrorCode::NotController),
    }
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
