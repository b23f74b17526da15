//! UpdateFeatures (KIP-584): finalised feature levels; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand, UpdateFeatures};
use wire::ErrorCode;
use wire::messages::update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let api_version = call.api_version;
    match call.node.propose(ControllerCommand::UpdateFeatures(UpdateFeatures { request, api_version })).await
    {
        Ok(ControllerAnswer::UpdateFeatures(response)) => response,
        Ok(_) | Err(_) => UpdateFeaturesResponse {
            error_code: ErrorCode::NotController.code(),
            ..UpdateFeaturesResponse::default()
        },
    }
}
