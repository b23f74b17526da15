//! LeaveGroup (KIP-345): members go, one or many at once.

use coordinator::group::{GroupAnswer, GroupCommand};
use wire::ErrorCode;
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};

use super::Call;
use crate::group_routing::{ask, caller};

pub(super) async fn handle(call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let group_id = request.group_id.clone();
    match ask(&call, &group_id, GroupCommand::Leave { caller: caller(&call), request }).await {
        GroupAnswer::Leave(response) => response,
        _ => LeaveGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..LeaveGroupResponse::default()
        },
    }
}
