//! DescribeProducers (KIP-664): who writes to a partition, and which of them have a transaction open.

use std::sync::Arc;

use kraft::controller::check_topic_name;
use wire::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::command::{Command, DescribeProducers};
use crate::mailbox::reply;
use crate::security::authorizer::{Operation, Resource};
use crate::views::TopicViews;

pub(super) async fn handle(call: Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let views = call.node.views().by_name(&topic.name);
        let allowed = call.authorize(Operation::Read, Resource::Topic(&topic.name));
        let refusal = match (&views, check_topic_name(&topic.name)) {
            _ if allowed.is_err() => allowed.err().map(|error| (error, Str::from_static(error.message()))),
            (_, Err(refusal)) => Some((refusal.error, refusal.text().unwrap_or_default())),
            (None, Ok(())) => {
                let error = ErrorCode::UnknownTopicOrPartition;
                Some((error, Str::from_static(error.message())))
            }
            (Some(_), Ok(())) => None,
        };
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let mut answer = PartitionResponse { partition_index, ..PartitionResponse::default() };
            match (&refusal, &views) {
                (Some((error, message)), _) => {
                    answer.error_code = error.code();
                    answer.error_message = Some(message.clone());
                }
                (None, Some(views)) => match producers(&call, views, partition_index).await {
                    Ok(producers) => answer.active_producers = producers.iter().map(state).collect(),
                    Err(error) => answer.error_code = error.code(),
                },
                (None, None) => answer.error_code = ErrorCode::UnknownTopicOrPartition.code(),
            }
            partitions.push(answer);
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    DescribeProducersResponse { topics, ..DescribeProducersResponse::default() }
}

async fn producers(
    call: &Call,
    topic: &TopicViews,
    partition: i32,
) -> Result<Vec<log::ActiveProducer>, ErrorCode> {
    let cell = topic.partition(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let (reply, answer) = reply();
    let describe = DescribeProducers { cell: Arc::clone(cell), reply };
    call.node.submit(call.now_ms, cell, Command::DescribeProducers(describe));
    answer.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
}

fn state(producer: &log::ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.current_transaction_start_offset,
    }
}
