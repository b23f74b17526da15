//! ReadShareGroupState (KIP-932): the leader of a partition takes up what a group shares there. For brokers.

use coordinator::share::{ShareAnswer, ShareCommand};
use wire::messages::read_share_group_state::{
    ReadShareGroupStateRequest, ReadShareGroupStateResponse, ReadStateResult,
};

use crate::call::Call;
use crate::node::share_state::{SharePartition, answer_each};

pub(super) async fn handle(call: Call, request: ReadShareGroupStateRequest) -> ReadShareGroupStateResponse {
    let mut asked = Vec::new();
    for topic in request.topics {
        if topic.partitions.is_empty() {
            return ReadShareGroupStateResponse::default();
        }
        for asked_of in topic.partitions {
            let (group, topic_id) = (request.group_id.clone(), topic.topic_id);
            let of = SharePartition { group, topic_id, partition: asked_of.partition };
            asked.push((of.clone(), ShareCommand::Read { of, leader_epoch: asked_of.leader_epoch }));
        }
    }
    // Kafka's coordinator has nothing to say to nobody.
    if request.group_id.is_empty() {
        return ReadShareGroupStateResponse::default();
    }
    let result = |(topic_id, partitions): (_, std::collections::BTreeMap<i32, ShareAnswer>)| {
        ReadStateResult { topic_id, partitions: partitions.into_values().filter_map(said).collect() }
    };
    ReadShareGroupStateResponse { results: answer_each(&call, asked).await.into_iter().map(result).collect() }
}

fn said(answer: ShareAnswer) -> Option<wire::messages::read_share_group_state::PartitionResult> {
    match answer {
        ShareAnswer::Read(said) => Some(said),
        _ => None,
    }
}
