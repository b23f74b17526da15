//! Heartbeat: a member of a classic group is alive.

use coordinator::group::{GroupAnswer, GroupCommand};
use wire::ErrorCode;
use wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use super::Call;
use crate::group_routing::{ask, caller};

pub(super) async fn handle(call: Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let group_id = request.group_id.clone();
    match ask(&call, &group_id, GroupCommand::Heartbeat { caller: caller(&call), request }).await {
        GroupAnswer::Heartbeat(response) => response,
        _ => HeartbeatResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..HeartbeatResponse::default()
        },
    }
}
