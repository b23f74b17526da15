//! UnregisterBroker: forgets a broker that will not come back; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
    match call.node.propose(ControllerCommand::UnregisterBroker(request)).await {
        Ok(ControllerAnswer::UnregisterBroker(response)) => response,
        Ok(_) | Err(_) => UnregisterBrokerResponse {
            error_code: ErrorCode::NotController.code(),
            ..UnregisterBrokerResponse::default()
        },
    }
}
