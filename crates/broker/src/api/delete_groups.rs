//! DeleteGroups (KIP-229): empty groups with all their offsets; of a share group its share state goes first (KIP-932).

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::Str;
use wire::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::node::share_groups;
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
        if let Err(error) = without_share_state(&call, &group).await {
            results.push(DeletableGroupResult {
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

/// A share group's state is deleted; any other group has none.
async fn without_share_state(call: &Call, group: &Str) -> Result<(), ErrorCode> {
    let command = GroupCommand::BeginDeletingShareGroup { group: group.clone() };
    let begun = match ask::<GroupMachine>(call, group, command).await {
        GroupAnswer::DeletingShareState(begun) => *begun,
        _ => return Err(ErrorCode::UnknownServerError),
    };
    let unwanted = begun.map_err(|refusal| refusal.error)?;
    let errors = share_groups::delete(&call.node, &unwanted).await;
    errors.into_values().next().map_or(Ok(()), Err)
}
