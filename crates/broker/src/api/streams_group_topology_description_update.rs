//! StreamsGroupTopologyDescriptionUpdate (KIP-1331): refused, as by a Kafka without a plug-in that keeps such descriptions. No heartbeat asks for one.

use wire::messages::streams_group_topology_description_update::{
    StreamsGroupTopologyDescriptionUpdateRequest, StreamsGroupTopologyDescriptionUpdateResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::speaks_streams_protocol;
use crate::security::authorizer::{Operation, Resource};

const NO_PLUGIN: &str = "The broker has no streams group topology description plugin configured.";

pub(super) fn handle(
    call: &Call,
    request: StreamsGroupTopologyDescriptionUpdateRequest,
) -> StreamsGroupTopologyDescriptionUpdateResponse {
    let (error, message) = if !speaks_streams_protocol(call) {
        (ErrorCode::UnsupportedVersion, None)
    } else if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        (error, None)
    } else {
        (ErrorCode::UnsupportedVersion, Some(Str::from_static(NO_PLUGIN)))
    };
    StreamsGroupTopologyDescriptionUpdateResponse {
        error_code: error.code(),
        error_message: message,
        ..StreamsGroupTopologyDescriptionUpdateResponse::default()
    }
}
