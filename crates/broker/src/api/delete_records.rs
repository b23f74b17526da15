//! DeleteRecords (KIP-107): everything below an offset goes.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use super::Call;
use crate::command::{Command, DeleteRecords};
use crate::mailbox::{Answer, reply};
use crate::views::TopicViews;

pub(super) async fn handle(call: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    // All shards are asked before the first answer is awaited.
    let mut pending = Vec::new();
    for topic in request.topics {
        let views = call.node.views().by_name(&topic.name);
        let asked: Vec<_> = topic
            .partitions
            .iter()
            .map(|partition| (partition.partition_index, ask(&call, views.as_ref(), partition)))
            .collect();
        pending.push((topic.name, asked));
    }
    let mut topics = Vec::with_capacity(pending.len());
    for (name, asked) in pending {
        let mut partitions = Vec::with_capacity(asked.len());
        for (partition_index, answer) in asked {
            let result = match answer {
                Ok(answer) => answer.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower)),
                Err(error) => Err(error),
            };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index,
                low_watermark: result.unwrap_or(-1),
                error_code: result.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        topics.push(DeleteRecordsTopicResult { name, partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

fn ask(
    call: &Call,
    topic: Option<&Arc<TopicViews>>,
    partition: &DeleteRecordsPartition,
) -> Result<Answer<Result<i64, ErrorCode>>, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let cell = topic.partition(partition.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic.internal {
        return Err(ErrorCode::InvalidTopicException);
    }
    let (reply, answer) = reply();
    let delete = DeleteRecords { offset: partition.offset, cell: Arc::clone(cell), reply };
    call.node.submit(call.now_ms, cell, Command::DeleteRecords(delete));
    Ok(answer)
}
