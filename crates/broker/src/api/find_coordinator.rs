//! FindCoordinator (KIP-699): which broker coordinates a group. The offsets topic comes into being with the first question.

use kraft::image::MetadataImage;
use wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use wire::topic::CONSUMER_OFFSETS;
use wire::{ErrorCode, Str};

use super::Call;
use crate::endpoints::{BrokerEndpoint, alive_broker};
use crate::internal_topics::creation_of;

/// What a key can be of.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(super) fn handle(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if call.api_version >= 4 {
        let coordinator = |key: Str| {
            let found = find(call, request.key_type, &key);
            let error = found.as_ref().err().copied().unwrap_or(ErrorCode::None);
            let (node_id, host, port) = address(found.ok());
            // Only a kind that there is not is explained.
            let message = match request.key_type {
                GROUP | TRANSACTION | SHARE => Str::new(),
                _ => Str::from_static(error.message()),
            };
            Coordinator { key, node_id, host, port, error_code: error.code(), error_message: Some(message) }
        };
        let coordinators = request.coordinator_keys.into_iter().map(coordinator).collect();
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let found = find(call, request.key_type, &request.key);
    let error = found.as_ref().err().copied().unwrap_or(ErrorCode::None);
    let (node_id, host, port) = address(found.ok());
    FindCoordinatorResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        node_id,
        host,
        port,
        ..FindCoordinatorResponse::default()
    }
}

fn address(broker: Option<BrokerEndpoint>) -> (i32, Str, i32) {
    broker.map_or((-1, Str::new(), -1), |broker| (broker.node_id, broker.host, broker.port))
}

fn find(call: &Call, key_type: i8, key: &str) -> Result<BrokerEndpoint, ErrorCode> {
    let image = call.node.image();
    match key_type {
        GROUP => find_group(call, &image, key),
        // There are no transactions here yet; clients go on asking until they give up.
        TRANSACTION => Err(ErrorCode::CoordinatorNotAvailable),
        // DIVERGES: there are no share groups here yet, so their keys are refused in every version, not only in those before 6.
        SHARE => Err(ErrorCode::InvalidRequest),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

fn find_group(call: &Call, image: &MetadataImage, group: &str) -> Result<BrokerEndpoint, ErrorCode> {
    let Some(topic) = image.topics.by_name(CONSUMER_OFFSETS) else {
        call.node.create_unasked(vec![creation_of(CONSUMER_OFFSETS, call.node.config())]);
        return Err(ErrorCode::CoordinatorNotAvailable);
    };
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let partition = coordinator::group::partition_for(group, partitions);
    topic
        .partition(partition)
        .and_then(|partition| alive_broker(image, partition.leader, &call.connection.peer().listener))
        .ok_or(ErrorCode::CoordinatorNotAvailable)
}
