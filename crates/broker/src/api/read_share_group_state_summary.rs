//! ReadShareGroupStateSummary (KIP-932): how far a group is, for administrators. For brokers.

use coordinator::share::{ShareAnswer, ShareCommand};
use wire::messages::read_share_group_state_summary::{
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse, ReadStateSummaryResult,
};

use crate::call::Call;
use crate::node::share_state::{SharePartition, answer_each};

pub(super) async fn handle(
    call: Call,
    request: ReadShareGroupStateSummaryRequest,
) -> ReadShareGroupStateSummaryResponse {
    let mut asked = Vec::new();
    for topic in request.topics {
        if topic.partitions.is_empty() {
            return ReadShareGroupStateSummaryResponse::default();
        }
        for asked_of in topic.partitions {
            let (group, topic_id) = (request.group_id.clone(), topic.topic_id);
            let of = SharePartition { group, topic_id, partition: asked_of.partition };
            asked.push((of.clone(), ShareCommand::Summary { of }));
        }
    }
    // Kafka's coordinator has nothing to say to nobody.
    if request.group_id.is_empty() {
        return ReadShareGroupStateSummaryResponse::default();
    }
    let result = |(topic_id, partitions): (_, std::collections::BTreeMap<i32, ShareAnswer>)| {
        ReadStateSummaryResult { topic_id, partitions: partitions.into_values().filter_map(said).collect() }
    };
    ReadShareGroupStateSummaryResponse {
        results: answer_each(&call, asked).await.into_iter().map(result).collect(),
    }
}

fn said(answer: ShareAnswer) -> Option<wire::messages::read_share_group_state_summary::PartitionResult> {
    match answer {
        ShareAnswer::Summary(said) => Some(said),
        _ => None,
    }
}
