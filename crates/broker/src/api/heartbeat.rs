//! Heartbeat: a member of a classic group is alive.

use coordinator::Machine;
use coordinator::group::{Caller, GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::call::{Call, IntoAnswer};
use crate::coordinators::routing::{ask_promptly, passing_caller};
use crate::rim::Handling;
use crate::security::authorizer::{Operation, Resource};

pub(super) fn handle(call: Call, request: HeartbeatRequest) -> Handling {
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        let no = HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() };
        return Handling::ready(no.outcome(call.api_key, call.api_version, call.correlation_id));
    }
    let group_id = request.group_id.clone();
    let command = GroupCommand::Heartbeat { caller: passing_caller(&call), request };
    ask_promptly::<GroupMachine, _>(&call, &group_id, command, |answer| {
        match answer.unwrap_or_else(refused) {
            GroupAnswer::Heartbeat(response) => response,
            _ => HeartbeatResponse {
                error_code: ErrorCode::UnknownServerError.code(),
                ..HeartbeatResponse::default()
            },
        }
    })
}

fn refused(error: ErrorCode) -> GroupAnswer {
    let command = GroupCommand::Heartbeat { caller: Caller::default(), request: HeartbeatRequest::default() };
    GroupMachine::refuse(&command, error)
}
