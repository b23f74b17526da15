//! DeleteGroups (KIP-229): empty groups with all their offsets.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut seen = std::collections::BTreeSet::new();
    let mut refused = Vec::new();
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group in request.groups_names {
        if !seen.insert(group.clone()) {
            continue;
        }
        if let Err(error) = call.authorize(Operation::Delete, Resource::Group(&group)) {
            refused.push(DeletableGroupResult {
                group_id: group,
                error_code: error.code(),
                error_message: None,
            });
            continue;
        }
        let command = GroupCommand::Delete { groups: vec![group.clone()] };
        if let GroupAnswer::Delete(deleted) = ask::<GroupMachine>(&call, &group, command).await {
            results.extend(deleted);
        }
    }
    results.extend(refused);
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
