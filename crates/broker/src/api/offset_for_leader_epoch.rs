//! OffsetForLeaderEpoch (KIP-101, KIP-320): where an epoch ended here, so that a reader finds out what was truncated.

use wire::ErrorCode;
use wire::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopic, OffsetForLeaderTopicResult,
};

use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};
use crate::views::TopicViews;

pub(super) fn handle(call: &Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let is_broker = call.may(Operation::ClusterAction, Resource::Cluster);
    let topic = |topic: OffsetForLeaderTopic| {
        let allowed = match is_broker {
            true => Ok(()),
            false => call.authorize(Operation::Describe, Resource::Topic(&topic.topic)),
        };
        let views = call.node.views().by_name(&topic.topic);
        let partition = |asked: &OffsetForLeaderPartition| {
            let mut answer = EpochEndOffset {
                partition: asked.partition,
                leader_epoch: -1,
                end_offset: -1,
                ..EpochEndOffset::default()
            };
            match allowed.and_then(|()| find(call, views.as_deref(), asked)) {
                Ok(Some((leader_epoch, end_offset))) => {
                    answer.leader_epoch = leader_epoch;
                    answer.end_offset = end_offset;
                }
                Ok(None) => {}
                Err(error) => answer.error_code = error.code(),
            }
            answer
        };
        OffsetForLeaderTopicResult {
            partitions: topic.partitions.iter().map(partition).collect(),
            topic: topic.topic,
        }
    };
    OffsetForLeaderEpochResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..OffsetForLeaderEpochResponse::default()
    }
}

fn find(
    call: &Call,
    topic: Option<&TopicViews>,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let cell =
        topic.and_then(|topic| topic.partition(asked.partition)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let view = call.node.leader_view(call.now_ms, cell, asked.current_leader_epoch)?;
    Ok(view.end_offset_for_epoch(asked.leader_epoch))
}
