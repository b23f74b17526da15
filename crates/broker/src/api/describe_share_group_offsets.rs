//! DescribeShareGroupOffsets (KIP-932, KIP-1226): where share groups are, and how many records are left. The coordinator knows which
//! partitions, share state how far, the partitions' leaders where they end.

use std::collections::BTreeMap;

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic, DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use wire::{ErrorCode, Str, Uuid};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::node::share_groups::{HowFar, how_far};
use crate::security::authorizer::{Operation, Resource};
use crate::share::settings::is_enabled;

pub(super) async fn handle(
    call: Call,
    request: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(describe(&call, group).await);
    }
    DescribeShareGroupOffsetsResponse { groups, ..DescribeShareGroupOffsetsResponse::default() }
}

async fn describe(
    call: &Call,
    DescribeShareGroupOffsetsRequestGroup { group_id, topics }: DescribeShareGroupOffsetsRequestGroup,
) -> DescribeShareGroupOffsetsResponseGroup {
    let nothing = DescribeShareGroupOffsetsResponseGroup { group_id, ..Default::default() };
    let refused = |error: ErrorCode| DescribeShareGroupOffsetsResponseGroup {
        error_code: error.code(),
        ..nothing.clone()
    };
    if !is_enabled(&call.node.image()) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = call.authorize(Operation::Describe, Resource::Group(&nothing.group_id)) {
        return refused(error);
    }
    let (mut unknown, mut hidden) = (Vec::new(), Vec::new());
    let mut partitions = Vec::new();
    match topics {
        Some(topics) => {
            for topic in topics {
                if let Err(error) = call.authorize(Operation::Describe, Resource::Topic(&topic.topic_name)) {
                    hidden.push(hidden_topic(topic, error));
                    continue;
                }
                let known = call.node.image().topics.by_name(&topic.topic_name).map(|known| known.id);
                let Some(topic_id) = known else {
                    unknown.push(unknown_topic(topic));
                    continue;
                };
                let numbers = topic.partitions.iter();
                partitions.extend(numbers.map(|number| (topic.topic_name.clone(), (topic_id, *number))));
            }
        }
        None => match shared(call, &nothing.group_id).await {
            Ok(shared) => partitions = shared,
            Err(error) => {
                let error_message = Some(Str::from_static(error.message()));
                return DescribeShareGroupOffsetsResponseGroup { error_message, ..refused(error) };
            }
        },
    }
    let names: BTreeMap<Uuid, Str> = partitions.iter().map(|(name, (id, _))| (*id, name.clone())).collect();
    let mut told: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
    for answer in how_far(&call.node, &nothing.group_id, partitions).await {
        told.entry(answer.topic_id).or_default().push(partition(&answer));
    }
    let topic = |(topic_id, partitions)| DescribeShareGroupOffsetsResponseTopic {
        topic_name: names.get(&topic_id).cloned().unwrap_or_default(),
        topic_id,
        partitions,
    };
    let topics = told.into_iter().map(topic).chain(unknown).chain(hidden).collect();
    DescribeShareGroupOffsetsResponseGroup { topics, ..nothing }
}

/// Everything that the group shares, and the client may see.
async fn shared(call: &Call, group_id: &Str) -> Result<Vec<(Str, (Uuid, i32))>, ErrorCode> {
    let command = GroupCommand::SharePartitions { group: group_id.clone() };
    let known = match ask::<GroupMachine>(call, group_id, command).await {
        GroupAnswer::SharePartitions(known) => known?,
        _ => return Err(ErrorCode::UnknownServerError),
    };
    let image = call.node.image();
    let mut shared = Vec::new();
    for (topic_id, partitions) in known {
        let Some(topic) = image.topics.by_id(topic_id) else { continue };
        if call.may(Operation::Describe, Resource::Topic(&topic.name)) {
            shared.extend(partitions.into_iter().map(|number| (topic.name.clone(), (topic_id, number))));
        }
    }
    Ok(shared)
}

fn partition(HowFar { partition, summary, end, .. }: &HowFar) -> DescribeShareGroupOffsetsResponsePartition {
    let own = DescribeShareGroupOffsetsResponsePartition {
        partition_index: *partition,
        ..DescribeShareGroupOffsetsResponsePartition::default()
    };
    let nothing = DescribeShareGroupOffsetsResponsePartition { start_offset: -1, lag: -1, ..own.clone() };
    let Ok(summary) = summary else { return nothing };
    let (start_offset, leader_epoch) = (summary.start_offset, summary.leader_epoch);
    match end {
        None => DescribeShareGroupOffsetsResponsePartition { start_offset, leader_epoch, ..nothing },
        Some(Ok(end)) => {
            let done = i64::from(summary.delivery_complete_count);
            let lag = end.saturating_sub(start_offset).saturating_sub(done);
            DescribeShareGroupOffsetsResponsePartition { start_offset, leader_epoch, lag, ..own }
        }
        Some(Err(error)) => DescribeShareGroupOffsetsResponsePartition {
            error_code: error.code(),
            error_message: Some(Str::from_static(error.message())),
            ..own
        },
    }
}

fn unknown_topic(topic: DescribeShareGroupOffsetsRequestTopic) -> DescribeShareGroupOffsetsResponseTopic {
    let partitions = topic.partitions.iter().map(|number| DescribeShareGroupOffsetsResponsePartition {
        partition_index: *number,
        start_offset: -1,
        ..DescribeShareGroupOffsetsResponsePartition::default()
    });
    DescribeShareGroupOffsetsResponseTopic {
        partitions: partitions.collect(),
        topic_name: topic.topic_name,
        topic_id: Uuid::ZERO,
    }
}

fn hidden_topic(
    topic: DescribeShareGroupOffsetsRequestTopic,
    error: ErrorCode,
) -> DescribeShareGroupOffsetsResponseTopic {
    let partitions = topic.partitions.iter().map(|number| DescribeShareGroupOffsetsResponsePartition {
        partition_index: *number,
        start_offset: -1,
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..DescribeShareGroupOffsetsResponsePartition::default()
    });
    DescribeShareGroupOffsetsResponseTopic {
        partitions: partitions.collect(),
        topic_name: topic.topic_name,
        topic_id: Uuid::ZERO,
    }
}
