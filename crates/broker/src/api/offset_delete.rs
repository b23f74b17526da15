//! OffsetDelete (KIP-496): offsets of topics that nobody in the group consumes any more.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse,
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, mut request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    if let Err(error) = call.authorize(Operation::Delete, Resource::Group(&request.group_id)) {
        return OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() };
    }
    let mut refused = Vec::new();
    let topics = std::mem::take(&mut request.topics);
    request.topics = topics.into_iter().filter_map(|topic| existing(&call, topic, &mut refused)).collect();
    let group_id = request.group_id.clone();
    let mut response =
        match ask::<GroupMachine>(&call, &group_id, GroupCommand::DeleteOffsets { request }).await {
            GroupAnswer::DeleteOffsets(response) => response,
            _ => OffsetDeleteResponse {
                error_code: ErrorCode::UnknownServerError.code(),
                ..OffsetDeleteResponse::default()
            },
        };
    if response.error_code == ErrorCode::None.code() && !refused.is_empty() {
        // Kafka tells what it refused first.
        response.topics.into_iter().for_each(|topic| merge(&mut refused, topic));
        response.topics = refused;
    }
    response
}

fn existing(
    call: &Call,
    mut topic: OffsetDeleteRequestTopic,
    refused: &mut Vec<OffsetDeleteResponseTopic>,
) -> Option<OffsetDeleteRequestTopic> {
    let image = call.node.image();
    let known = image.topics.by_name(&topic.name);
    let allowed = call.authorize(Operation::Read, Resource::Topic(&topic.name));
    let unknown = allowed.err().unwrap_or(ErrorCode::UnknownTopicOrPartition);
    let exists = |partition: &OffsetDeleteRequestPartition| {
        allowed.is_ok() && known.is_some_and(|known| known.partition(partition.partition_index).is_some())
    };
    let (there, missing): (Vec<_>, Vec<_>) = topic.partitions.into_iter().partition(exists);
    if !missing.is_empty() {
        let partition = |partition: OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: unknown.code(),
        };
        refused.push(OffsetDeleteResponseTopic {
            name: topic.name.clone(),
            partitions: missing.into_iter().map(partition).collect(),
        });
    }
    topic.partitions = there;
    (!topic.partitions.is_empty()).then_some(topic)
}

fn merge(topics: &mut Vec<OffsetDeleteResponseTopic>, other: OffsetDeleteResponseTopic) {
    match topics.iter_mut().find(|topic| topic.name == other.name) {
        Some(topic) => topic.partitions.extend(other.partitions),
        None => topics.push(other),
    }
}
