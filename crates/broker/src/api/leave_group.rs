//! LeaveGroup (KIP-345): members go, one or many at once.

use coordinator::Machine;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let group_id = request.group_id.clone();
    let command = GroupCommand::Leave { caller: caller(&call), request };
    let answer = match call.authorize(Operation::Read, Resource::Group(&group_id)) {
        Ok(()) => ask::<GroupMachine>(&call, &group_id, command).await,
        Err(error) => GroupMachine::refuse(&command, error),
    };
    match answer {
        GroupAnswer::Leave(response) => response,
        _ => LeaveGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..LeaveGroupResponse::default()
        },
    }
}
