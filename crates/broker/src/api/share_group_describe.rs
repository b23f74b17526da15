//! ShareGroupDescribe (KIP-932): groups of the share protocol, each by its own coordinator.

use coordinator::group::share::describe_refused as refused;
use coordinator::group::{GroupAnswer, GroupCommand};
use wire::messages::share_group_describe::{
    DescribedGroup, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::described_groups::{Described, describe_each};
use crate::share::settings::is_enabled;

pub(super) async fn handle(call: Call, request: ShareGroupDescribeRequest) -> ShareGroupDescribeResponse {
    let with_operations = request.include_authorized_operations;
    let groups =
        describe_each(&call, &request.group_ids, with_operations, is_enabled(&call.node.image())).await;
    ShareGroupDescribeResponse { groups, ..ShareGroupDescribeResponse::default() }
}

impl Described for DescribedGroup {
    fn refused(group_id: &Str, error: ErrorCode, message: Option<Str>) -> DescribedGroup {
        refused(group_id, error, message)
    }

    fn question(group_id: &Str) -> GroupCommand {
        GroupCommand::ShareDescribe { groups: vec![group_id.clone()] }
    }

    fn said(answer: GroupAnswer) -> Option<DescribedGroup> {
        match answer {
            GroupAnswer::ShareDescribe(groups) => groups.into_iter().next(),
            _ => None,
        }
    }

    fn topics(&self) -> impl Iterator<Item = &Str> {
        self.members.iter().flat_map(|member| {
            let topics = member.assignment.topic_partitions.iter().map(|topic| &topic.topic_name);
            topics.chain(&member.subscribed_topic_names)
        })
    }

    fn error_code(&self) -> i16 {
        self.error_code
    }

    fn set_authorized_operations(&mut self, operations: i32) {
        self.authorized_operations = operations;
    }
}
