//! DeleteRecords (KIP-107): everything below an offset goes.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::by_topic::{Partitions, grouped};
use crate::call::Call;
use crate::command::{Command, DeleteRecords};
use crate::mailbox::{Answer, reply};

pub(super) async fn handle(call: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut wanted = Partitions::default();
    for topic in &request.topics {
        for partition in &topic.partitions {
            wanted.put(&topic.name, partition.partition_index, partition.offset);
        }
    }
    // All shards are asked before the first answer is awaited.
    let asked: Vec<_> = wanted
        .into_iter()
        .map(|(topic, partition_index, offset)| {
            let answer = ask(&call, &topic, partition_index, offset);
            (topic, partition_index, answer)
        })
        .collect();
    let mut results = Vec::with_capacity(asked.len());
    for (topic, partition_index, answer) in asked {
        let result = match answer {
            Ok(answer) => answer.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower)),
            Err(error) => Err(error),
        };
        let result = DeleteRecordsPartitionResult {
            partition_index,
            low_watermark: result.unwrap_or(-1),
            error_code: result.err().unwrap_or(ErrorCode::None).code(),
        };
        results.push((topic, result));
    }
    let topic = |(name, partitions)| DeleteRecordsTopicResult { name, partitions };
    let topics = grouped(results.into_iter()).into_iter().map(topic).collect();
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

fn ask(
    call: &Call,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Answer<Result<i64, ErrorCode>>, ErrorCode> {
    let topic = call.node.views().by_name(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let cell = topic.partition(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic.internal {
        return Err(ErrorCode::InvalidTopicException);
    }
    let (reply, answer) = reply();
    let delete = DeleteRecords { offset, cell: Arc::clone(cell), reply };
    call.node.submit(call.now_ms, cell, Command::DeleteRecords(delete));
    Ok(answer)
}
