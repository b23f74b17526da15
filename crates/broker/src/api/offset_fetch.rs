//! OffsetFetch (KIP-88, KIP-447, KIP-709, KIP-848): the committed offsets of one group or of many. Versions below 8 speak of
//! one group in a form of their own.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use wire::{ErrorCode, Str, Uuid};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.api_version >= 8 {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            groups.push(fetch_group(&call, group, request.require_stable).await);
        }
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let topics = request.topics.map(|topics| {
        let topic = |topic: wire::messages::offset_fetch::OffsetFetchRequestTopic| OffsetFetchRequestTopics {
            name: topic.name,
            topic_id: Uuid::ZERO,
            partition_indexes: topic.partition_indexes,
        };
        topics.into_iter().map(topic).collect::<Vec<_>>()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: topics.clone(),
        ..OffsetFetchRequestGroup::default()
    };
    let group = fetch_group(&call, group, request.require_stable).await;
    old_form(call.api_version, group, topics.unwrap_or_default())
}

async fn fetch_group(
    call: &Call,
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    if let Err(error) = call.authorize(Operation::Describe, Resource::Group(&group.group_id)) {
        return OffsetFetchResponseGroup {
            group_id: group.group_id,
            error_code: error.code(),
            ..OffsetFetchResponseGroup::default()
        };
    }
    let by_id = call.api_version >= 10;
    let all = group.topics.is_none();
    let mut refused = Vec::new();
    if by_id && let Some(topics) = group.topics.take() {
        group.topics = Some(topics.into_iter().filter_map(|topic| name(call, topic, &mut refused)).collect());
    }
    if call.is_guarded()
        && let Some(topics) = &mut group.topics
    {
        topics.retain(|topic| match call.authorize(Operation::Describe, Resource::Topic(&topic.name)) {
            Ok(()) => true,
            Err(error) => {
                refused.push(refusal(topic, error));
                false
            }
        });
    }
    let group_id = group.group_id.clone();
    let command = GroupCommand::FetchOffsets { caller: caller(call), group, require_stable };
    let mut answer = match ask::<GroupMachine>(call, &group_id, command).await {
        GroupAnswer::FetchOffsets(answer) => answer,
        _ => OffsetFetchResponseGroup {
            group_id,
            error_code: ErrorCode::UnknownServerError.code(),
            ..OffsetFetchResponseGroup::default()
        },
    };
    if all && call.is_guarded() {
        answer.topics.retain(|topic| call.may(Operation::Describe, Resource::Topic(&topic.name)));
    }
    if by_id {
        let image = call.node.image();
        for topic in answer.topics.iter_mut().filter(|topic| topic.topic_id.is_zero()) {
            topic.topic_id = image.topics.by_name(&topic.name).map_or(Uuid::ZERO, |topic| topic.id);
        }
        // What has no id any more cannot be told in this version.
        answer.topics.retain(|topic| !topic.topic_id.is_zero());
    }
    if answer.error_code == ErrorCode::None.code() {
        answer.topics.extend(refused);
    }
    answer
}

/// Puts the name beside the id; an unknown id goes to `refused`.
fn name(
    call: &Call,
    mut topic: OffsetFetchRequestTopics,
    refused: &mut Vec<OffsetFetchResponseTopics>,
) -> Option<OffsetFetchRequestTopics> {
    match call.node.image().topics.by_id(topic.topic_id) {
        Some(known) => {
            topic.name = known.name.clone();
            Some(topic)
        }
        None => {
            refused.push(refusal(&topic, ErrorCode::UnknownTopicId));
            None
        }
    }
}

fn refusal(topic: &OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let partition = |&partition_index: &i32| OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Str::new()),
        error_code: error.code(),
    };
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
    }
}

fn old_form(
    version: i16,
    group: OffsetFetchResponseGroup,
    asked: Vec<OffsetFetchRequestTopics>,
) -> OffsetFetchResponse {
    // Versions 0 and 1 have no place for an error but the partitions.
    if version < 2 && group.error_code != ErrorCode::None.code() {
        let partition = |partition_index: i32| OffsetFetchResponsePartition {
            partition_index,
            committed_offset: -1,
            committed_leader_epoch: -1,
            metadata: Some(Str::new()),
            error_code: group.error_code,
        };
        let topic = |topic: OffsetFetchRequestTopics| OffsetFetchResponseTopic {
            name: topic.name,
            partitions: topic.partition_indexes.into_iter().map(partition).collect(),
        };
        let topics = asked.into_iter().map(topic).collect();
        return OffsetFetchResponse { topics, ..OffsetFetchResponse::default() };
    }
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    OffsetFetchResponse {
        error_code: group.error_code,
        topics: group.topics.into_iter().map(topic).collect(),
        ..OffsetFetchResponse::default()
    }
}
