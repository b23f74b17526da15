//! OffsetCommit (KIP-211, KIP-320, KIP-345, KIP-848): topics are resolved here, by name or by id; the coordinator stores.

use std::sync::Arc;

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

use crate::call::{Call, IntoAnswer};
use crate::coordinators::routing::{ask_promptly, passing_caller};
use crate::rim::Handling;
use crate::security::authorizer::{Operation, Resource};

pub(super) fn handle(call: Call, mut request: OffsetCommitRequest) -> Handling {
    let mut refused = Vec::new();
    let topics = std::mem::take(&mut request.topics);
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        let topics = topics.iter().map(|topic| failed(topic, error)).collect();
        let response = OffsetCommitResponse { topics, ..OffsetCommitResponse::default() };
        return Handling::ready(response.outcome(call.api_key, call.api_version, call.correlation_id));
    }
    request.topics = topics.into_iter().filter_map(|topic| resolve(&call, topic, &mut refused)).collect();
    if request.topics.is_empty() {
        let response = OffsetCommitResponse { topics: refused, ..OffsetCommitResponse::default() };
        return Handling::ready(response.outcome(call.api_key, call.api_version, call.correlation_id));
    }
    let request = Arc::new(request);
    let asked = Arc::clone(&request);
    let command = GroupCommand::CommitOffsets { caller: passing_caller(&call), request };
    ask_promptly::<GroupMachine, _>(&call, &asked.clone().group_id, command, move |answer| {
        let all = |error| asked.topics.iter().map(|topic| failed(topic, error)).collect();
        let topics = match answer {
            Ok(GroupAnswer::CommitOffsets(response)) => response.topics,
            Ok(_) => all(ErrorCode::UnknownServerError),
            Err(error) => all(error),
        };
        // Kafka tells what it refused first.
        if refused.is_empty() {
            return OffsetCommitResponse { topics, ..OffsetCommitResponse::default() };
        }
        topics.into_iter().for_each(|topic| merge(&mut refused, topic));
        OffsetCommitResponse { topics: refused, ..OffsetCommitResponse::default() }
    })
}

/// Fills in name and id; what does not exist goes to `refused`.
fn resolve(
    call: &Call,
    mut topic: OffsetCommitRequestTopic,
    refused: &mut Vec<OffsetCommitResponseTopic>,
) -> Option<OffsetCommitRequestTopic> {
    let image = call.node.image();
    let by_id = call.api_version >= 10;
    if !by_id && let Err(error) = call.authorize(Operation::Read, Resource::Topic(&topic.name)) {
        refused.push(failed(&topic, error));
        return None;
    }
    let known = if by_id { image.topics.by_id(topic.topic_id) } else { image.topics.by_name(&topic.name) };
    let Some(known) = known else {
        let error = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        refused.push(failed(&topic, error));
        return None;
    };
    if by_id && let Err(error) = call.authorize(Operation::Read, Resource::Topic(&known.name)) {
        refused.push(failed(&topic, error));
        return None;
    }
    topic.name = known.name.clone();
    topic.topic_id = known.id;
    let exists = |index: i32| known.partition(index).is_some();
    if topic.partitions.iter().all(|partition| exists(partition.partition_index)) {
        return (!topic.partitions.is_empty()).then_some(topic);
    }
    let (there, missing): (Vec<_>, Vec<_>) =
        topic.partitions.into_iter().partition(|partition| exists(partition.partition_index));
    topic.partitions = there;
    if !missing.is_empty() {
        let missing = OffsetCommitRequestTopic { partitions: missing, ..topic.clone() };
        refused.push(failed(&missing, ErrorCode::UnknownTopicOrPartition));
    }
    (!topic.partitions.is_empty()).then_some(topic)
}

fn failed(topic: &OffsetCommitRequestTopic, error: ErrorCode) -> OffsetCommitResponseTopic {
    let partition =
        |index| OffsetCommitResponsePartition { partition_index: index, error_code: error.code() };
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(|p| partition(p.partition_index)).collect(),
    }
}

/// Partitions of one topic stand under one entry.
fn merge(topics: &mut Vec<OffsetCommitResponseTopic>, other: OffsetCommitResponseTopic) {
    let same =
        |topic: &&mut OffsetCommitResponseTopic| topic.name == other.name && topic.topic_id == other.topic_id;
    match topics.iter_mut().find(same) {
        Some(topic) => topic.partitions.extend(other.partitions),
        None => topics.push(other),
    }
}
