//! LeaveGroup (KIP-345): members go, one or many at once.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};

pub(super) async fn handle(call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let group_id = request.group_id.clone();
    match ask::<GroupMachine>(&call, &group_id, GroupCommand::Leave { caller: caller(&call), request }).await
    {
        GroupAnswer::Leave(response) => response,
        _ => LeaveGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..LeaveGroupResponse::default()
        },
    }
}
