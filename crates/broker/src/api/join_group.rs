//! JoinGroup (KIP-62, KIP-345, KIP-394, KIP-800): to the group's coordinator, which may keep the answer until the group is
//! complete.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};

pub(super) async fn handle(call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let group_id = request.group_id.clone();
    match ask::<GroupMachine>(&call, &group_id, GroupCommand::Join { caller: caller(&call), request }).await {
        GroupAnswer::Join(response) => response,
        _ => JoinGroupResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..JoinGroupResponse::default()
        },
    }
}
