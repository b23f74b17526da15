//! ConsumerGroupDescribe (KIP-848): groups of the consumer protocol, each by its own coordinator.

use coordinator::group::consumer::describe::refused;
use coordinator::group::{GroupAnswer, GroupCommand};
use wire::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::speaks_consumer_protocol;
use crate::described_groups::{Described, describe_each};

pub(super) async fn handle(
    call: Call,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let with_operations = request.include_authorized_operations;
    let groups =
        describe_each(&call, &request.group_ids, with_operations, speaks_consumer_protocol(&call)).await;
    ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
}

impl Described for DescribedGroup {
    fn refused(group_id: &Str, error: ErrorCode, message: Option<Str>) -> DescribedGroup {
        refused(group_id, error, message)
    }

    fn question(group_id: &Str) -> GroupCommand {
        GroupCommand::ConsumerDescribe { groups: vec![group_id.clone()] }
    }

    fn said(answer: GroupAnswer) -> Option<DescribedGroup> {
        match answer {
            GroupAnswer::ConsumerDescribe(groups) => groups.into_iter().next(),
            _ => None,
        }
    }

    fn topics(&self) -> impl Iterator<Item = &Str> {
        self.members.iter().flat_map(|member| {
            let assignments = [&member.assignment, &member.target_assignment];
            let topics = assignments.into_iter().flat_map(|assignment| &assignment.topic_partitions);
            topics.map(|topic| &topic.topic_name).chain(&member.subscribed_topic_names)
        })
    }

    fn error_code(&self) -> i16 {
        self.error_code
    }

    fn set_authorized_operations(&mut self, operations: i32) {
        self.authorized_operations = operations;
    }
}
