//! AlterShareGroupOffsets (KIP-932): a share group without members goes on somewhere else. Answered once its share state says so.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestTopic, AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use wire::{ErrorCode, Str, Uuid};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::node::share_groups;
use crate::security::authorizer::{Operation, Resource};
use crate::share::settings::is_enabled;

pub(super) async fn handle(
    call: Call,
    mut request: AlterShareGroupOffsetsRequest,
) -> AlterShareGroupOffsetsResponse {
    if !is_enabled(&call.node.image()) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(error);
    }
    if request.group_id.is_empty() {
        return refused(ErrorCode::InvalidGroupId);
    }
    let mut responses = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    request.topics.retain(|topic| {
        if !seen.insert(topic.topic_name.clone()) {
            return false;
        }
        let refusal = may_alter(&call, topic);
        responses.extend(refusal.map(|(topic_id, error)| failed(topic, topic_id, error)));
        refusal.is_none()
    });
    let group = request.group_id.clone();
    let command = GroupCommand::AlterShareOffsets { request: Box::new(request) };
    let altered = match ask::<GroupMachine>(&call, &group, command).await {
        GroupAnswer::AlterShareOffsets(altered) => *altered,
        _ => return refused(ErrorCode::UnknownServerError),
    };
    let (mut response, wanted) = match altered {
        Ok(altered) => altered,
        Err(refusal) => {
            return AlterShareGroupOffsetsResponse {
                error_code: refusal.error.code(),
                error_message: refusal.message,
                ..AlterShareGroupOffsetsResponse::default()
            };
        }
    };
    let errors = share_groups::initialize(&call.node, wanted).await;
    for topic in &mut response.responses {
        for partition in &mut topic.partitions {
            if let Some(error) = errors.get(&(topic.topic_id, partition.partition_index)) {
                partition.error_code = error.code();
                partition.error_message = Some(Str::from_static(error.message()));
            }
        }
    }
    call.note_change(|| format!("altered offsets of share group {group}"));
    responses.append(&mut response.responses);
    AlterShareGroupOffsetsResponse { responses, ..response }
}

fn refused(error: ErrorCode) -> AlterShareGroupOffsetsResponse {
    AlterShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..AlterShareGroupOffsetsResponse::default()
    }
}

fn may_alter(call: &Call, topic: &AlterShareGroupOffsetsRequestTopic) -> Option<(Uuid, ErrorCode)> {
    let known = call.node.image().topics.by_name(&topic.topic_name).map(|known| known.id);
    match call.authorize(Operation::Read, Resource::Topic(&topic.topic_name)) {
        Err(error) => Some((known.unwrap_or_default(), error)),
        Ok(()) if known.is_none() => Some((Uuid::ZERO, ErrorCode::UnknownTopicOrPartition)),
        Ok(()) => None,
    }
}

fn failed(
    topic: &AlterShareGroupOffsetsRequestTopic,
    topic_id: Uuid,
    error: ErrorCode,
) -> AlterShareGroupOffsetsResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| AlterShareGroupOffsetsResponsePartition {
        partition_index: partition.partition_index,
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
    });
    AlterShareGroupOffsetsResponseTopic {
        topic_name: topic.topic_name.clone(),
        topic_id,
        partitions: partitions.collect(),
    }
}
