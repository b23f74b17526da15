//! ShareAcknowledge (KIP-932, 1222): what a member says of records that it holds, and with the epoch -1 the end of its session.

use std::collections::BTreeMap;

use coordinator::share_partition::{AcknowledgementBatch, Refused};
use wire::messages::share_acknowledge::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
    ShareAcknowledgeTopicResponse,
};
use wire::{ErrorCode, Uuid};

use crate::call::Call;
use crate::endpoints::current_leader;
use crate::share::acknowledging::{Speaker, member_of, without_silent};
use crate::share::sessions::{FINAL_EPOCH, MemberKey, Partition};

pub(super) async fn handle(call: Call, request: ShareAcknowledgeRequest) -> ShareAcknowledgeResponse {
    let (key, epoch) = match entered(&call, &request) {
        Ok(entered) => entered,
        Err(why) => return refuse(why),
    };
    let mut said = Vec::new();
    {
        let (group, member) = &key;
        let speaker = Speaker { call: &call, group, member, is_renewal: request.is_renew_ack };
        for topic in request.topics {
            for partition in topic.partitions {
                let batch =
                    |batch: wire::messages::share_acknowledge::AcknowledgementBatch| AcknowledgementBatch {
                        first_offset: batch.first_offset,
                        last_offset: batch.last_offset,
                        types: batch.acknowledge_types,
                    };
                let batches = partition.acknowledgement_batches.into_iter().map(batch).collect();
                said.push(speaker.say((topic.topic_id, partition.partition_index), batches));
            }
        }
    }
    let mut heard = Vec::with_capacity(said.len());
    for said in without_silent(said) {
        heard.push(said.heard().await);
    }
    if epoch == FINAL_EPOCH {
        call.node.end_share_session(call.node.latest_ms(), &key, None);
    }
    answer(&call, &key.0, heard)
}

/// Whose session it is, if the request may have one.
fn entered(call: &Call, request: &ShareAcknowledgeRequest) -> Result<(MemberKey, i32), ErrorCode> {
    let key = member_of(call, request.group_id.as_ref(), request.member_id.as_ref())?;
    let epoch = request.share_session_epoch;
    call.node.share_sessions().acknowledge(&key, epoch)?;
    Ok((key, epoch))
}

/// Kafka has texts for some of these and never sends them.
fn refuse(error: ErrorCode) -> ShareAcknowledgeResponse {
    ShareAcknowledgeResponse { error_code: error.code(), ..ShareAcknowledgeResponse::default() }
}

fn answer(
    call: &Call,
    group: &str,
    heard: Vec<(Partition, Result<(), Refused>)>,
) -> ShareAcknowledgeResponse {
    let image = call.node.image();
    let mut topics: BTreeMap<Uuid, Vec<PartitionData>> = BTreeMap::new();
    let mut endpoints: BTreeMap<i32, NodeEndpoint> = BTreeMap::new();
    for ((topic_id, partition_index), outcome) in heard {
        let mut data = PartitionData { partition_index, ..PartitionData::default() };
        if let Err(Refused { error, why }) = outcome {
            data.error_code = error.code();
            data.error_message = (!why.is_empty()).then(|| why.into());
            if error == ErrorCode::NotLeaderOrFollower
                && let Some(leader) =
                    current_leader(&image, topic_id, partition_index, &call.connection.peer().listener)
            {
                data.current_leader =
                    LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
                if let Some(node) = leader.endpoint {
                    let endpoint = NodeEndpoint {
                        node_id: node.node_id,
                        host: node.host,
                        port: node.port,
                        rack: node.rack,
                    };
                    endpoints.insert(endpoint.node_id, endpoint);
                }
            }
        }
        topics.entry(topic_id).or_default().push(data);
    }
    let topic = |(topic_id, partitions)| ShareAcknowledgeTopicResponse { topic_id, partitions };
    let lock_ms = call.node.config().share.settings(&image, group).lock_duration_ms;
    ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
        responses: topics.into_iter().map(topic).collect(),
        node_endpoints: endpoints.into_values().collect(),
        ..ShareAcknowledgeResponse::default()
    }
}
