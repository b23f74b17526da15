//! DescribeTopicPartitions (KIP-966): topics in order of their names, in pages, with eligible leader replicas.

use kraft::image::{MetadataImage, TopicImage};
use std::collections::BTreeSet;
use wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, TopicRequest,
};
use wire::topic::{is_internal, validate_name};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};

pub(super) fn handle(
    call: &Call,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    if points_elsewhere(&request) {
        return refused(&request, ErrorCode::InvalidRequest);
    }
    let image = call.node.image();
    let first =
        request.cursor.as_ref().map_or((Str::new(), 0), |at| (at.topic_name.clone(), at.partition_index));
    let names: BTreeSet<Str> = if request.topics.is_empty() {
        image.topics.iter_from_name(&first.0).map(|topic| topic.name.clone()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.clone()).filter(|name| *name >= first.0).collect()
    };
    let (names, forbidden) = allowed(call, names, request.topics.is_empty());
    let configured = call.node.config().max_request_partition_size_limit;
    let limit = usize::try_from(request.response_partition_limit.min(configured)).unwrap_or(1).max(1);
    let mut response = page(&image, &names, &first, limit);
    for topic in &mut response.topics {
        topic.topic_authorized_operations =
            call.operations(Resource::Topic(topic.name.as_deref().unwrap_or_default()));
    }
    response.topics.extend(forbidden.into_iter().map(|name| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::TopicAuthorizationFailed.code(),
        name: Some(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }));
    response
}

/// The topics that the client may see, and those that it named and may not: whether they exist is not told.
fn allowed(call: &Call, names: BTreeSet<Str>, are_all: bool) -> (BTreeSet<Str>, BTreeSet<Str>) {
    if !call.is_guarded() {
        return (names, BTreeSet::new());
    }
    let (seen, hidden) = names.into_iter().partition(|name| match are_all {
        true => call.may(Operation::Describe, Resource::Topic(name)),
        false => call.authorize(Operation::Describe, Resource::Topic(name)).is_ok(),
    });
    (seen, if are_all { BTreeSet::new() } else { hidden })
}

/// The cursor names no place in what is asked for.
fn points_elsewhere(request: &DescribeTopicPartitionsRequest) -> bool {
    let Some(cursor) = &request.cursor else { return false };
    let is_asked =
        request.topics.is_empty() || request.topics.iter().any(|topic| topic.name == cursor.topic_name);
    cursor.partition_index < 0 || !is_asked
}

fn refused(request: &DescribeTopicPartitionsRequest, error: ErrorCode) -> DescribeTopicPartitionsResponse {
    let topic = |topic: &TopicRequest| DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(topic.name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    let topics = request.topics.iter().map(topic).collect();
    DescribeTopicPartitionsResponse { topics, ..DescribeTopicPartitionsResponse::default() }
}

fn page(
    image: &MetadataImage,
    names: &BTreeSet<Str>,
    first: &(Str, i32),
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let mut response = DescribeTopicPartitionsResponse::default();
    let mut room = limit;
    for name in names {
        let from = if *name == first.0 { first.1 } else { 0 };
        let Some(topic) = image.topics.by_name(name) else {
            response.topics.push(unknown(name));
            continue;
        };
        if room == 0 {
            response.next_cursor = Some(cursor(name, from));
            break;
        }
        let all = || topic.partitions.iter().filter(|(index, _)| **index >= from);
        let partitions: Vec<_> = all().take(room).map(|(index, _)| describe(image, topic, *index)).collect();
        let next = all().nth(partitions.len()).map(|(index, _)| *index);
        room -= partitions.len();
        response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name.clone()),
            topic_id: topic.id,
            is_internal: is_internal(name),
            partitions,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
        if let Some(next) = next {
            response.next_cursor = Some(cursor(name, next));
            break;
        }
    }
    response
}

fn cursor(name: &Str, partition_index: i32) -> DescribeTopicPartitionsResponseCursor {
    DescribeTopicPartitionsResponseCursor { topic_name: name.clone(), partition_index }
}

fn unknown(name: &Str) -> DescribeTopicPartitionsResponseTopic {
    let error = match validate_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(
    image: &MetadataImage,
    topic: &TopicImage,
    index: i32,
) -> DescribeTopicPartitionsResponsePartition {
    let Some(partition) = topic.partition(index) else {
        return DescribeTopicPartitionsResponsePartition::default();
    };
    let is_up = |id: &i32| image.cluster.broker(*id).is_some_and(|broker| !broker.fenced);
    let led = is_up(&partition.leader);
    let error = if led { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
    DescribeTopicPartitionsResponsePartition {
        error_code: error.code(),
        partition_index: index,
        leader_id: if led { partition.leader } else { -1 },
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        eligible_leader_replicas: Some(partition.elr.clone()),
        last_known_elr: Some(partition.last_known_elr.clone()),
        offline_replicas: partition.replicas.iter().copied().filter(|id| !is_up(id)).collect(),
    }
}
