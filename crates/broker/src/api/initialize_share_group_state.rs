//! InitializeShareGroupState (KIP-932): the group coordinator begins to share partitions, or alters where a group is. For brokers.

use coordinator::share::{ShareAnswer, ShareCommand};
use wire::messages::initialize_share_group_state::{
    InitializeShareGroupStateRequest, InitializeShareGroupStateResponse, InitializeStateResult,
};

use crate::call::Call;
use crate::node::share_state::{SharePartition, answer_each};

pub(super) async fn handle(
    call: Call,
    request: InitializeShareGroupStateRequest,
) -> InitializeShareGroupStateResponse {
    let mut asked = Vec::new();
    for topic in request.topics {
        for data in topic.partitions {
            let (group, topic_id) = (request.group_id.clone(), topic.topic_id);
            let of = SharePartition { group, topic_id, partition: data.partition };
            asked.push((of.clone(), ShareCommand::Initialize { of, data }));
        }
    }
    // Kafka's coordinator has nothing to say to nobody.
    if request.group_id.is_empty() {
        return InitializeShareGroupStateResponse::default();
    }
    let result = |(topic_id, partitions): (_, std::collections::BTreeMap<i32, ShareAnswer>)| {
        InitializeStateResult { topic_id, partitions: partitions.into_values().filter_map(said).collect() }
    };
    InitializeShareGroupStateResponse {
        results: answer_each(&call, asked).await.into_iter().map(result).collect(),
    }
}

fn said(answer: ShareAnswer) -> Option<wire::messages::initialize_share_group_state::PartitionResult> {
    match answer {
        ShareAnswer::Initialize(said) => Some(said),
        _ => None,
    }
}
