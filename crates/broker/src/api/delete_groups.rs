//! DeleteGroups (KIP-229): empty groups with all their offsets.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::call::Call;
use crate::coordinators::routing::ask;

pub(super) async fn handle(call: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut seen = std::collections::BTreeSet::new();
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group in request.groups_names {
        if !seen.insert(group.clone()) {
            continue;
        }
        let command = GroupCommand::Delete { groups: vec![group.clone()] };
        if let GroupAnswer::Delete(deleted) = ask::<GroupMachine>(&call, &group, command).await {
            results.extend(deleted);
        }
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
