//! DeleteShareGroupState (KIP-932): a group has nothing to do with partitions any more. For brokers.

use coordinator::share::{ShareAnswer, ShareCommand};
use wire::messages::delete_share_group_state::{
    DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, DeleteStateResult,
};

use crate::call::Call;
use crate::node::share_state::{SharePartition, answer_each};

pub(super) async fn handle(
    call: Call,
    request: DeleteShareGroupStateRequest,
) -> DeleteShareGroupStateResponse {
    let mut asked = Vec::new();
    for topic in request.topics {
        if topic.partitions.is_empty() {
            return DeleteShareGroupStateResponse::default();
        }
        for asked_of in topic.partitions {
            let (group, topic_id) = (request.group_id.clone(), topic.topic_id);
            let of = SharePartition { group, topic_id, partition: asked_of.partition };
            asked.push((of.clone(), ShareCommand::Delete { of }));
        }
    }
    // Kafka's coordinator has nothing to say to nobody.
    if request.group_id.is_empty() {
        return DeleteShareGroupStateResponse::default();
    }
    let result = |(topic_id, partitions): (_, std::collections::BTreeMap<i32, ShareAnswer>)| {
        DeleteStateResult { topic_id, partitions: partitions.into_values().filter_map(said).collect() }
    };
    DeleteShareGroupStateResponse {
        results: answer_each(&call, asked).await.into_iter().map(result).collect(),
    }
}

fn said(answer: ShareAnswer) -> Option<wire::messages::delete_share_group_state::PartitionResult> {
    match answer {
        ShareAnswer::Delete(said) => Some(said),
        _ => None,
    }
}
