//! ShareGroupHeartbeat (KIP-932): to the group's coordinator; the share state that it wants for new partitions is made afterwards.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};
use crate::node::share_groups;
use crate::security::authorizer::{Operation, Resource};
use crate::share::settings::{is_enabled, is_member_id};

pub(super) async fn handle(call: Call, request: ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse {
    let refused = |error: ErrorCode| ShareGroupHeartbeatResponse {
        error_code: error.code(),
        ..ShareGroupHeartbeatResponse::default()
    };
    if !is_enabled(&call.node.image()) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(error);
    }
    if !is_member_id(&request.member_id) {
        return refused(ErrorCode::InvalidRequest);
    }
    let mut names = request.subscribed_topic_names.iter().flatten();
    if let Some(Err(error)) = names.find_map(|name| {
        Some(call.authorize(Operation::Describe, Resource::Topic(name))).filter(Result::is_err)
    }) {
        return refused(error);
    }
    let group_id = request.group_id.clone();
    let command = GroupCommand::ShareHeartbeat { caller: caller(&call), request: Box::new(request) };
    match ask::<GroupMachine>(&call, &group_id, command).await {
        GroupAnswer::ShareHeartbeat(answer) => {
            if let Some(wanted) = answer.initialize {
                let node = call.node.clone();
                call.node.in_background(async move { drop(share_groups::initialize(&node, wanted).await) });
            }
            answer.response
        }
        _ => refused(ErrorCode::UnknownServerError),
    }
}
