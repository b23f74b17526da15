//! StreamsGroupDescribe (KIP-1071): groups of the streams protocol, each by its own coordinator. Descriptions of topologies (KIP-1331) are kept by a
//! plug-in of Kafka alone: as without one, nobody has brought any.

use coordinator::group::streams::describe_refused as refused;
use coordinator::group::{GroupAnswer, GroupCommand};
use wire::messages::streams_group_describe::{
    DescribedGroup, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::speaks_streams_protocol;
use crate::described_groups::{Described, describe_each};

pub(super) async fn handle(call: Call, request: StreamsGroupDescribeRequest) -> StreamsGroupDescribeResponse {
    let with_operations = request.include_authorized_operations;
    let groups =
        describe_each(&call, &request.group_ids, with_operations, speaks_streams_protocol(&call)).await;
    StreamsGroupDescribeResponse { groups, ..StreamsGroupDescribeResponse::default() }
}

impl Described for DescribedGroup {
    const HIDDEN_TOPICS: &'static str =
        "The described group uses topics that the client is not authorized to describe.";

    fn refused(group_id: &Str, error: ErrorCode, message: Option<Str>) -> DescribedGroup {
        refused(group_id, error, message)
    }

    fn question(group_id: &Str) -> GroupCommand {
        GroupCommand::StreamsDescribe { groups: vec![group_id.clone()] }
    }

    fn said(answer: GroupAnswer) -> Option<DescribedGroup> {
        match answer {
            GroupAnswer::StreamsDescribe(groups) => groups.into_iter().next(),
            _ => None,
        }
    }

    fn topics(&self) -> impl Iterator<Item = &Str> {
        let subtopologies = self.topology.iter().flat_map(|topology| &topology.subtopologies).flatten();
        subtopologies.flat_map(|one| {
            let own = one.repartition_source_topics.iter().chain(&one.state_changelog_topics);
            let others = one.source_topics.iter().chain(&one.repartition_sink_topics);
            others.chain(own.map(|topic| &topic.name))
        })
    }

    fn error_code(&self) -> i16 {
        self.error_code
    }

    fn set_authorized_operations(&mut self, operations: i32) {
        self.authorized_operations = operations;
    }
}
