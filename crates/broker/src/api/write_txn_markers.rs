//! WriteTxnMarkers (KIP-98): a coordinator ends transactions in partitions that this broker leads. Answered when the markers are
//! committed there; of a partition of the offsets topic it is the group coordinator that writes.

use std::collections::BTreeMap;

use coordinator::{ProducerIdentity, TransactionMarker};
use wire::ErrorCode;
use wire::messages::write_txn_markers::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use crate::call::Call;
use crate::mailbox::reply;
use crate::node::Mark;
use crate::security::authorizer::{Operation, Resource};
use crate::views::Role;

pub(super) async fn handle(call: Call, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let allowed = match call.may(Operation::Alter, Resource::Cluster) {
        true => Ok(()),
        false => call.authorize(Operation::ClusterAction, Resource::Cluster),
    };
    let mut answers = Vec::new();
    for marker in &request.markers {
        let mark = Mark {
            marker: TransactionMarker {
                producer: ProducerIdentity {
                    producer_id: marker.producer_id,
                    producer_epoch: marker.producer_epoch,
                },
                commit: marker.transaction_result,
                coordinator_epoch: marker.coordinator_epoch,
            },
            transaction_version: marker.transaction_version,
        };
        for topic in &marker.topics {
            for &number in &topic.partition_indexes {
                let (reply, answer) = reply();
                if let Err(error) = allowed {
                    reply.send(error);
                } else if is_here(&call, &topic.name, number) {
                    call.node.mark(call.now_ms, &topic.name, number, &mark, reply);
                } else {
                    reply.send(ErrorCode::UnknownTopicOrPartition);
                }
                answers.push((marker.producer_id, topic.name.clone(), number, answer));
            }
        }
    }
    // Told by producer, as Kafka's broker gathers them.
    let mut said: BTreeMap<i64, BTreeMap<_, BTreeMap<i32, ErrorCode>>> = BTreeMap::new();
    for (producer_id, topic, number, answer) in answers {
        let error = answer.await.unwrap_or(ErrorCode::NotLeaderOrFollower);
        said.entry(producer_id).or_default().entry(topic).or_default().insert(number, error);
    }
    let partition = |(partition_index, error): (i32, ErrorCode)| WritableTxnMarkerPartitionResult {
        partition_index,
        error_code: error.code(),
    };
    let markers = said.into_iter().map(|(producer_id, topics)| WritableTxnMarkerResult {
        producer_id,
        topics: topics
            .into_iter()
            .map(|(name, partitions)| WritableTxnMarkerTopicResult {
                name,
                partitions: partitions.into_iter().map(partition).collect(),
            })
            .collect(),
    });
    WriteTxnMarkersResponse { markers: markers.collect() }
}

fn is_here(call: &Call, topic: &str, number: i32) -> bool {
    let views = call.node.views().by_name(topic);
    views.is_some_and(|views| views.partition(number).is_some_and(|cell| cell.role() != Role::Absent))
}
