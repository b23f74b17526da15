//! DescribeGroups (KIP-430, KIP-345, KIP-1043): the groups of one request may have several coordinators here.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::Machine;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::{ask_at, caller, coordinator_of};
use crate::security::authorizer::{Operation, Resource};
use crate::views::PartitionCell;

/// As in Kafka a group that is named again is told of again. DIVERGES: not more often than this, or a few bytes would bring a long
/// answer.
const TIMES_TOLD: usize = 16;

pub(super) async fn handle(call: Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let mut seen = std::collections::BTreeSet::new();
    let mut groups: Vec<Str> = request.groups.clone();
    groups.retain(|group| seen.insert(group.clone()));
    let mut by_coordinator: BTreeMap<i32, (Arc<PartitionCell>, Vec<Str>)> = BTreeMap::new();
    let mut homeless = Vec::new();
    let mut forbidden = Vec::new();
    for group in groups {
        if call.authorize(Operation::Describe, Resource::Group(&group)).is_err() {
            forbidden.push(group);
            continue;
        }
        match coordinator_of::<GroupMachine>(&call, &group) {
            Some(cell) => {
                by_coordinator.entry(cell.key.partition).or_insert_with(|| (cell, Vec::new())).1.push(group);
            }
            None => homeless.push(group),
        }
    }
    let mut described: BTreeMap<Str, DescribedGroup> = BTreeMap::new();
    let mut keep = |answer: GroupAnswer| {
        if let GroupAnswer::Describe(groups) = answer {
            described.extend(groups.into_iter().map(|group| (group.group_id.clone(), group)));
        }
    };
    let command = |groups| GroupCommand::Describe { caller: caller(&call), groups };
    if !forbidden.is_empty() {
        keep(GroupMachine::refuse(&command(forbidden), ErrorCode::GroupAuthorizationFailed));
    }
    if !homeless.is_empty() {
        keep(GroupMachine::refuse(&command(homeless), ErrorCode::NotCoordinator));
    }
    for (cell, groups) in by_coordinator.into_values() {
        keep(ask_at::<GroupMachine>(&call, cell, command(groups)).await);
    }
    let show = request.include_authorized_operations && call.api_version >= 3;
    let mut times: BTreeMap<&Str, usize> = BTreeMap::new();
    let mut groups: Vec<DescribedGroup> = Vec::with_capacity(described.len());
    for name in &request.groups {
        let times = times.entry(name).or_default();
        *times += 1;
        if *times <= TIMES_TOLD {
            groups.extend(described.get(name).cloned());
        }
    }
    for group in groups.iter_mut().filter(|group| show && group.error_code == ErrorCode::None.code()) {
        group.authorized_operations = call.operations(Resource::Group(&group.group_id));
    }
    DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
}
