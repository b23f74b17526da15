//! ElectLeaders (KIP-460): preferred or unclean elections on request; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    match call.node.propose(ControllerCommand::ElectLeaders(request)).await {
        Ok(ControllerAnswer::ElectLeaders(response)) => response,
        Ok(_) | Err(_) => ElectLeadersResponse {
            error_code: ErrorCode::NotController.code(),
            ..ElectLeadersResponse::default()
        },
    }
}
