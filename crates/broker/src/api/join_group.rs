//! JoinGroup (KIP-62, KIP-345, KIP-394, KIP-800): to the group's coordinator, which may keep the answer until the group is
//! complete. A member id that was made and is not going to be used is given back.

use coordinator::Machine;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::command::Ask;
use crate::coordinators::kinds::{Asked, Kind};
use crate::coordinators::routing::{ask, caller, coordinator_at, passing_caller};
use crate::mailbox::reply;
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let group_id = request.group_id.clone();
    let asks_for_id = request.member_id.is_empty();
    let command = GroupCommand::Join { caller: caller(&call), request };
    let answer = match call.authorize(Operation::Read, Resource::Group(&group_id)) {
        Ok(()) => {
            let unused = call.connection.take_unused_member_id(&group_id);
            unused.filter(|_| asks_for_id).into_iter().for_each(|give_back| give_back());
            ask::<GroupMachine>(&call, &group_id, command).await
        }
        // Who is not let in is no member.
        Err(error) => return JoinGroupResponse { member_id: Str::new(), ..refused(&command, error) },
    };
    match answer {
        GroupAnswer::Join(response) => {
            if response.error_code == ErrorCode::MemberIdRequired.code() {
                member_id_made(&call, group_id, response.member_id.clone());
            }
            response
        }
        _ => JoinGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..JoinGroupResponse::default()
        },
    }
}

/// The group waits for whoever was given an id, as long as a session lasts. Who asks for another one by the same connection will not
/// come with this one.
// DIVERGES: Kafka's groups stand still for the session (librdkafka's consumers ask twice now and then).
fn member_id_made(call: &Call, group_id: Str, member_id: Str) {
    let (node, caller, group) = (call.node.clone(), passing_caller(call), group_id.detached());
    let members = vec![MemberIdentity { member_id: member_id.detached(), ..MemberIdentity::default() }];
    call.connection.member_id_made(group_id.detached(), move || {
        let request = LeaveGroupRequest { group_id: group.clone(), members, ..LeaveGroupRequest::default() };
        if let Some(cell) = coordinator_at::<GroupMachine>(node.views(), &group) {
            let asked = Asked { command: GroupCommand::Leave { caller, request }, reply: reply().0 };
            node.ask(node.latest_ms(), Ask { cell, question: GroupMachine::question(asked) });
        }
    });
}

fn refused(command: &GroupCommand, error: ErrorCode) -> JoinGroupResponse {
    match GroupMachine::refuse(command, error) {
        GroupAnswer::Join(response) => response,
        _ => JoinGroupResponse { error_code: error.code(), ..JoinGroupResponse::default() },
    }
}
