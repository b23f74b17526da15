//! ListOffsets (KIP-79, KIP-320, KIP-405, KIP-734, KIP-1005, KIP-1023): where a partition begins, ends, or was at some time.
//! Answered from the views.

use log::{OffsetSpec, ReadLimit, ReadRefused, TimestampOffset};
use wire::ErrorCode;
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use crate::by_topic::{Partitions, grouped};
use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};
use crate::views::TopicViews;

/// Replica ids that are no broker's: a consumer, and a debugging tool that may ask anybody.
const CONSUMER: i32 = -1;

pub(super) fn handle(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let limit = match (request.replica_id, request.isolation_level) {
        (CONSUMER, 1) => Ok(ReadLimit::LastStable),
        (CONSUMER, 0) => Ok(ReadLimit::HighWatermark),
        (_, 0 | 1) => Ok(ReadLimit::LogEnd),
        // DIVERGES: Kafka answers UNKNOWN_SERVER_ERROR to an isolation level that there is not.
        _ => Err(ErrorCode::InvalidRequest),
    };
    // Partitions that stand in the request more than once are refused.
    let mut wanted = Partitions::default();
    for topic in &request.topics {
        let allowed = call.authorize(Operation::Describe, Resource::Topic(&topic.name));
        let views = call.node.views().by_name(&topic.name);
        for partition in &topic.partitions {
            let index = partition.partition_index;
            if !wanted.put(&topic.name, index, (allowed, Some((views.clone(), partition)))) {
                wanted.put(&topic.name, index, (allowed, None));
            }
        }
    }
    let answers = wanted.into_iter().map(|(name, index, asked)| {
        let found = match asked {
            (Err(error), _) => Err(error),
            (Ok(()), Some((views, partition))) => {
                limit.and_then(|limit| find(call, views.as_deref(), partition, limit))
            }
            (Ok(()), None) => Err(ErrorCode::InvalidRequest),
        };
        (name, answer(index, found))
    });
    let topic = |(name, partitions)| ListOffsetsTopicResponse { name, partitions };
    ListOffsetsResponse {
        topics: grouped(answers).into_iter().map(topic).collect(),
        ..ListOffsetsResponse::default()
    }
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
    // KIP-207: a new leader may not know yet how far the one before had committed; no client is told less than it has seen.
    let is_behind = limit != ReadLimit::LogEnd && view.high_watermark < view.epoch_start();
    let not_yet = match call.api_version {
        0..=4 => ErrorCode::LeaderNotAvailable,
        _ => ErrorCode::OffsetNotAvailable,
    };
    if spec == OffsetSpec::Latest {
        if is_behind {
            return Err(not_yet);
        }
        // The end belongs to the current epoch, whoever wrote the last record.
        let offset = view.upper_bound(limit);
        return Ok(Some(TimestampOffset { timestamp: -1, offset, leader_epoch: Some(view.leader_epoch) }));
    }
    let found = view.offset_for_timestamp(spec, limit).map_err(|refused| match refused {
        ReadRefused::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadRefused::Corrupt { .. } => ErrorCode::CorruptMessage,
        ReadRefused::Storage(fault) => {
            call.node.read_failed(call.now_ms, &fault);
            ErrorCode::KafkaStorageError
        }
    })?;
    let is_time = matches!(spec, OffsetSpec::Timestamp(_) | OffsetSpec::MaxTimestamp);
    if is_behind && is_time && found.is_none() { Err(not_yet) } else { Ok(found) }
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
