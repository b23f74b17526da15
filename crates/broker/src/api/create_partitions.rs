//! CreatePartitions: more partitions for a topic; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let answer = call.node.propose(ControllerCommand::CreatePartitions(request)).await;
    if let Ok(ControllerAnswer::CreatePartitions(response)) = answer {
        return response;
    }
    let refused = |name| CreatePartitionsTopicResult {
        name,
        error_code: ErrorCode::NotController.code(),
        error_message: None,
    };
    CreatePartitionsResponse {
        results: names.into_iter().map(refused).collect(),
        ..CreatePartitionsResponse::default()
    }
}
