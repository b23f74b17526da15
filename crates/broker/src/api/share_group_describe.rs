//! ShareGroupDescribe (KIP-932): groups of the share protocol, each by its own coordinator.

use std::collections::BTreeMap;

use coordinator::group::share::describe_refused as refused;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::share_group_describe::{
    DescribedGroup, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource};
use crate::share::settings::is_enabled;

/// As in Kafka a group that is named again is told of again. DIVERGES: not more often than this, or a few bytes would bring a long
/// answer.
const TIMES_TOLD: usize = 16;

const HIDDEN_TOPICS: &str = "The group has described topic(s) that the client is not authorized to describe.";

pub(super) async fn handle(call: Call, request: ShareGroupDescribeRequest) -> ShareGroupDescribeResponse {
    let mut described: BTreeMap<Str, (usize, DescribedGroup)> = BTreeMap::new();
    let (mut refusals, mut groups) = (Vec::new(), Vec::new());
    for group_id in &request.group_ids {
        if !is_enabled(&call.node.image()) {
            refusals.push(refused(group_id, ErrorCode::UnsupportedVersion, None));
        } else if let Err(error) = call.authorize(Operation::Describe, Resource::Group(group_id)) {
            refusals.push(refused(group_id, error, None));
        } else if let Some((times, again)) = described.get_mut(group_id) {
            *times += 1;
            if *times <= TIMES_TOLD {
                groups.push(again.clone());
            }
        } else {
            let group = describe(&call, group_id, request.include_authorized_operations).await;
            groups.push(group.clone());
            described.insert(group_id.clone(), (1, group));
        }
    }
    refusals.extend(groups);
    ShareGroupDescribeResponse { groups: refusals, ..ShareGroupDescribeResponse::default() }
}

async fn describe(call: &Call, group_id: &Str, with_operations: bool) -> DescribedGroup {
    if group_id.is_empty() {
        return refused(group_id, ErrorCode::InvalidGroupId, None);
    }
    let command = GroupCommand::ShareDescribe { groups: vec![group_id.clone()] };
    let described = match ask::<GroupMachine>(call, group_id, command).await {
        GroupAnswer::ShareDescribe(groups) => groups.into_iter().next(),
        _ => None,
    };
    let mut group = described.unwrap_or_else(|| refused(group_id, ErrorCode::UnknownServerError, None));
    if call.is_guarded() && has_hidden_topics(call, &group) {
        let error = ErrorCode::TopicAuthorizationFailed;
        group = refused(group_id, error, Some(Str::from_static(HIDDEN_TOPICS)));
    }
    if with_operations && group.error_code == ErrorCode::None.code() {
        group.authorized_operations = call.operations(Resource::Group(group_id));
    }
    group
}

/// Members tell of topics; who may not see one of them sees none of the members.
fn has_hidden_topics(call: &Call, group: &DescribedGroup) -> bool {
    let topics = group.members.iter().flat_map(|member| &member.assignment.topic_partitions);
    let names = group.members.iter().flat_map(|member| &member.subscribed_topic_names);
    let mut all = topics.map(|topic| &topic.topic_name).chain(names);
    all.any(|name| !call.may(Operation::Describe, Resource::Topic(name)))
}
