//! ListGroups (KIP-518, KIP-848): all groups that this broker coordinates.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use crate::call::Call;
use crate::coordinators::routing::{ask_at, local_coordinators};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let command =
        || GroupCommand::List { states: request.states_filter.clone(), types: request.types_filter.clone() };
    let answers: Vec<_> = local_coordinators::<GroupMachine>(&call)
        .into_iter()
        .map(|cell| ask_at::<GroupMachine>(&call, cell, command()))
        .collect();
    let mut groups = Vec::new();
    for answer in answers {
        match answer.await {
            GroupAnswer::List(Ok(listed)) => groups.extend(listed),
            // It moved away a moment ago: its new coordinator lists it.
            GroupAnswer::List(Err(ErrorCode::NotCoordinator)) => {}
            GroupAnswer::List(Err(error)) => {
                return ListGroupsResponse { error_code: error.code(), ..ListGroupsResponse::default() };
            }
            _ => {}
        }
    }
    if !call.may(Operation::Describe, Resource::Cluster) {
        let listed = |group: &ListedGroup| call.may(Operation::Describe, Resource::Group(&group.group_id));
        groups.retain(listed);
    }
    ListGroupsResponse { groups, ..ListGroupsResponse::default() }
}
