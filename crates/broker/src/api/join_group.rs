//! JoinGroup (KIP-62, KIP-345, KIP-394, KIP-800): to the group's coordinator, which may keep the answer until the group is
//! complete.

use coordinator::Machine;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let group_id = request.group_id.clone();
    let command = GroupCommand::Join { caller: caller(&call), request };
    let answer = match call.authorize(Operation::Read, Resource::Group(&group_id)) {
        Ok(()) => ask::<GroupMachine>(&call, &group_id, command).await,
        // Who is not let in is no member.
        Err(error) => return JoinGroupResponse { member_id: Str::new(), ..refused(&command, error) },
    };
    match answer {
        GroupAnswer::Join(response) => response,
        _ => JoinGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..JoinGroupResponse::default()
        },
    }
}

fn refused(command: &GroupCommand, error: ErrorCode) -> JoinGroupResponse {
    match GroupMachine::refuse(command, error) {
        GroupAnswer::Join(response) => response,
        _ => JoinGroupResponse { error_code: error.code(), ..JoinGroupResponse::default() },
    }
}
