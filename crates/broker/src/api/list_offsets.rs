//! ListOffsets (KIP-79, KIP-320, KIP-405, KIP-734, KIP-1005, KIP-1023): where a partition begins, ends, or was at some time.
//! Answered from the views.

use log::{OffsetSpec, ReadLimit, ReadRefused, TimestampOffset};
use wire::ErrorCode;
use wire::hash::{StableMap, StableSet};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};

use super::Call;
use crate::views::TopicViews;

/// Replica ids that are no broker's: a consumer, and a debugging tool that may ask anybody.
const CONSUMER: i32 = -1;

pub(super) fn handle(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let limit = match (request.replica_id, request.isolation_level) {
        (CONSUMER, 1) => ReadLimit::LastStable,
        (CONSUMER, _) => ReadLimit::HighWatermark,
        _ => ReadLimit::LogEnd,
    };
    let twice = asked_twice(&request);
    let topic = |topic: ListOffsetsTopic| {
        let views = call.node.views().by_name(&topic.name);
        let partition = |partition: &ListOffsetsPartition| {
            let index = partition.partition_index;
            let found = if twice.contains(&(topic.name.clone(), index)) {
                Err(ErrorCode::InvalidRequest)
            } else {
                find(call, views.as_deref(), partition, limit)
            };
            answer(index, found)
        };
        let mut told = StableSet::default();
        let first = |asked: &&ListOffsetsPartition| told.insert(asked.partition_index);
        ListOffsetsTopicResponse {
            partitions: topic.partitions.iter().filter(first).map(partition).collect(),
            name: topic.name,
        }
    };
    ListOffsetsResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..ListOffsetsResponse::default()
    }
}

/// Partitions that stand in the request more than once are refused.
fn asked_twice(request: &ListOffsetsRequest) -> StableSet<(wire::Str, i32)> {
    let mut counts: StableMap<(wire::Str, i32), u32> = StableMap::default();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *counts.entry((topic.name.clone(), partition.partition_index)).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key).collect()
}

fn find(
    call: &Call,
    topic: Option<&TopicViews>,
    partition: &ListOffsetsPartition,
    limit: ReadLimit,
) -> Result<Option<TimestampOffset>, ErrorCode> {
    let spec = spec(call.api_version, partition.timestamp)?;
    let cell = topic
        .and_then(|topic| topic.partition(partition.partition_index))
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let view = call.node.leader_view(call.now_ms, cell, partition.current_leader_epoch)?;
    if spec == OffsetSpec::Latest {
        // The end belongs to the current epoch, whoever wrote the last record.
        let offset = view.upper_bound(limit);
        return Ok(Some(TimestampOffset { timestamp: -1, offset, leader_epoch: Some(view.leader_epoch) }));
    }
    view.offset_for_timestamp(spec, limit).map_err(|refused| match refused {
        ReadRefused::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadRefused::Corrupt { .. } => ErrorCode::CorruptMessage,
        ReadRefused::Storage(fault) => {
            call.node.read_failed(call.now_ms, &fault);
            ErrorCode::KafkaStorageError
        }
    })
}

/// The meaning of a timestamp in a version.
fn spec(version: i16, timestamp: i64) -> Result<OffsetSpec, ErrorCode> {
    let (since, spec) = match timestamp {
        -1 => (1, OffsetSpec::Latest),
        -2 => (1, OffsetSpec::Earliest),
        -3 => (7, OffsetSpec::MaxTimestamp),
        -4 => (8, OffsetSpec::EarliestLocal),
        -5 => (9, OffsetSpec::LatestTiered),
        -6 => (11, OffsetSpec::EarliestPendingUpload),
        time if time >= 0 => (1, OffsetSpec::Timestamp(time)),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    if version >= since { Ok(spec) } else { Err(ErrorCode::UnsupportedVersion) }
}

fn answer(
    partition_index: i32,
    found: Result<Option<TimestampOffset>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let nothing = ListOffsetsPartitionResponse {
        partition_index,
        timestamp: -1,
        offset: -1,
        ..ListOffsetsPartitionResponse::default()
    };
    match found {
        Ok(None) => nothing,
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch.unwrap_or(-1),
            ..nothing
        },
        Err(error) => ListOffsetsPartitionResponse { error_code: error.code(), ..nothing },
    }
}
