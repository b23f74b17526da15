//! AlterConfigs: the older request that replaces everything set on a resource; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::Call;

pub(super) async fn handle(call: Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let refused = request.resources.iter().map(|resource| AlterConfigsResourceResponse {
        error_code: ErrorCode::NotController.code(),
        error_message: None,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    });
    let refused = refused.collect();
    match call.node.propose(ControllerCommand::AlterConfigs(request)).await {
        Ok(ControllerAnswer::AlterConfigs(response)) => response,
        Ok(_) | Err(_) => AlterConfigsResponse { responses: refused, ..AlterConfigsResponse::default() },
    }
}
