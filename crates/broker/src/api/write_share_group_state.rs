//! WriteShareGroupState (KIP-932): the leader of a partition tells how far a group is there. For brokers.

use coordinator::share::{ShareAnswer, ShareCommand};
use wire::messages::write_share_group_state::{
    WriteShareGroupStateRequest, WriteShareGroupStateResponse, WriteStateResult,
};

use crate::call::Call;
use crate::node::share_state::{SharePartition, answer_each};

pub(super) async fn handle(call: Call, request: WriteShareGroupStateRequest) -> WriteShareGroupStateResponse {
    let mut asked = Vec::new();
    for topic in request.topics {
        if topic.partitions.is_empty() {
            return WriteShareGroupStateResponse::default();
        }
        for data in topic.partitions {
            let (group, topic_id) = (request.group_id.clone(), topic.topic_id);
            let of = SharePartition { group, topic_id, partition: data.partition };
            asked.push((of.clone(), ShareCommand::Write { of, data }));
        }
    }
    // Kafka's coordinator has nothing to say to nobody.
    if request.group_id.is_empty() {
        return WriteShareGroupStateResponse::default();
    }
    let result = |(topic_id, partitions): (_, std::collections::BTreeMap<i32, ShareAnswer>)| {
        WriteStateResult { topic_id, partitions: partitions.into_values().filter_map(said).collect() }
    };
    WriteShareGroupStateResponse {
        results: answer_each(&call, asked).await.into_iter().map(result).collect(),
    }
}

fn said(answer: ShareAnswer) -> Option<wire::messages::write_share_group_state::PartitionResult> {
    match answer {
        ShareAnswer::Write(said) => Some(said),
        _ => None,
    }
}
