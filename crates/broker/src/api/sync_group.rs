//! SyncGroup (KIP-345, KIP-559): a member fetches its assignment, the leader brings everybody's.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let refusal =
        |error: ErrorCode| SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() };
    if call.api_version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return refusal(ErrorCode::InconsistentGroupProtocol);
    }
    let group_id = request.group_id.clone();
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&group_id)) {
        return refusal(error);
    }
    match ask::<GroupMachine>(&call, &group_id, GroupCommand::Sync { caller: caller(&call), request }).await {
        GroupAnswer::Sync(response) => response,
        _ => refusal(ErrorCode::UnknownServerError),
    }
}
