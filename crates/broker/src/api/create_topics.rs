//! CreateTopics: the controller decides; this node only says so. Kafka's rules and words are in `kraft::controller`.

use kraft::controller::{ControllerAnswer, ControllerCommand, CreateTopics};
use wire::ErrorCode;
use wire::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let answer =
        call.node.propose(ControllerCommand::CreateTopics(CreateTopics { request, describable: None })).await;
    if let Ok(ControllerAnswer::CreateTopics(response)) = answer {
        return response;
    }
    let refused = |name| CreatableTopicResult {
        name,
        error_code: ErrorCode::NotController.code(),
        ..CreatableTopicResult::default()
    };
    CreateTopicsResponse {
        topics: names.into_iter().map(refused).collect(),
        ..CreateTopicsResponse::default()
    }
}
