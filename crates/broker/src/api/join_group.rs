//! JoinGroup (KIP-62, KIP-345, KIP-394, KIP-800): to the group's coordinator, which may keep the answer until the group is
//! complete.

use coordinator::group::{GroupAnswer, GroupCommand};
use wire::ErrorCode;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};

use super::Call;
use crate::group_routing::{ask, caller};

pub(super) async fn handle(call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let group_id = request.group_id.clone();
    match ask(&call, &group_id, GroupCommand::Join { caller: caller(&call), request }).await {
        GroupAnswer::Join(response) => response,
        _ => JoinGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..JoinGroupResponse::default()
        },
    }
}
