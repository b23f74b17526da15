//! DeleteRecords (KIP-107): everything below an offset goes, here first, then on every follower that is alive.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::by_topic::{Partitions, grouped};
use crate::call::Call;
use crate::command::{Command, DeleteRecords, LowWatermark};
use crate::mailbox::{Answer, reply};
use crate::security::authorizer::{Operation, Resource};
use crate::views::PartitionCell;

pub(super) async fn handle(call: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut wanted = Partitions::default();
    for topic in &request.topics {
        let allowed = call.authorize(Operation::Delete, Resource::Topic(&topic.name));
        for partition in &topic.partitions {
            wanted.put(&topic.name, partition.partition_index, (allowed, partition.offset));
        }
    }
    // All shards are asked before the first answer is awaited.
    let asked: Vec<_> = wanted
        .into_iter()
        .map(|(topic, partition_index, (allowed, offset))| {
            let answer = allowed.and_then(|()| ask(&call, &topic, partition_index, offset));
            (topic, partition_index, answer)
        })
        .collect();
    let deadline_ms = call.now_ms.saturating_add(i64::from(request.timeout_ms.max(0)));
    let mut deleted = Vec::with_capacity(asked.len());
    for (topic, partition_index, answer) in asked {
        let result = match answer {
            Ok((cell, answer)) => match answer.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower)) {
                Ok(offset) => Ok((offset, everywhere(&call, deadline_ms, cell, offset))),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        deleted.push((topic, partition_index, result));
    }
    let mut results = Vec::with_capacity(deleted.len());
    for (topic, partition_index, result) in deleted {
        // Who lost patience hears how far this leader came.
        let (low_watermark, error) = match result {
            Ok((offset, answer)) => match answer.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower)) {
                Ok(low_watermark) => (low_watermark, ErrorCode::None),
                Err(ErrorCode::RequestTimedOut) => (offset, ErrorCode::RequestTimedOut),
                Err(error) => (-1, error),
            },
            Err(error) => (-1, error),
        };
        let result =
            DeleteRecordsPartitionResult { partition_index, low_watermark, error_code: error.code() };
        results.push((topic, result));
    }
    let topic = |(name, partitions)| DeleteRecordsTopicResult { name, partitions };
    let topics = grouped(results.into_iter()).into_iter().map(topic).collect();
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

/// A low watermark, or why there is none.
type Answered = Answer<Result<i64, ErrorCode>>;

fn ask(
    call: &Call,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<(Arc<PartitionCell>, Answered), ErrorCode> {
    let topic = call.node.views().by_name(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let cell = topic.partition(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic.internal {
        return Err(ErrorCode::InvalidTopicException);
    }
    let (reply, answer) = reply();
    let delete = DeleteRecords { offset, cell: Arc::clone(cell), reply };
    call.node.submit(call.now_ms, cell, Command::DeleteRecords(delete));
    Ok((Arc::clone(cell), answer))
}

/// Waits until all live replicas have let go of what is below the offset.
fn everywhere(call: &Call, deadline_ms: i64, cell: Arc<PartitionCell>, offset: i64) -> Answered {
    let (reply, answer) = reply();
    let waiting = LowWatermark { cell: Arc::clone(&cell), offset, deadline_ms, reply };
    call.node.submit(call.node.latest_ms(), &cell, Command::LowWatermark(waiting));
    answer
}
