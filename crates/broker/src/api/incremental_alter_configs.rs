//! IncrementalAlterConfigs (KIP-339): the controller decides; loggers (KIP-412) are this process's own business.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::image::ResourceType;
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use wire::{ErrorCode, Str};

use super::Call;

pub(super) async fn handle(
    call: Call,
    mut request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let is_logger =
        |resource: &AlterConfigsResource| resource.resource_type == ResourceType::BrokerLogger.id();
    let (loggers, others): (Vec<_>, Vec<_>) = request.resources.into_iter().partition(is_logger);
    request.resources = others;
    // DIVERGES: levels of single loggers cannot be changed while the node runs.
    let mut responses: Vec<_> = loggers
        .iter()
        .map(|logger| {
            refused(logger, ErrorCode::InvalidConfig, Some("This node has no loggers that can be changed."))
        })
        .collect();
    if request.resources.is_empty() {
        return IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() };
    }
    let wanted = request.resources.clone();
    match call.node.propose(ControllerCommand::IncrementalAlterConfigs(request)).await {
        Ok(ControllerAnswer::IncrementalAlterConfigs(decided)) => responses.extend(decided.responses),
        Ok(_) | Err(_) => {
            responses.extend(wanted.iter().map(|resource| refused(resource, ErrorCode::NotController, None)));
        }
    }
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn refused(
    resource: &AlterConfigsResource,
    error: ErrorCode,
    message: Option<&'static str>,
) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: message.map(Str::from_static),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}
