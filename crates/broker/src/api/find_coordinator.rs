//! FindCoordinator (KIP-699): which broker coordinates a group, a transactional id or a share partition. Their topics come into being with the first question.

use coordinator::share::SharePartition;
use wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::internal_topics::creation_of;
use crate::coordinators::routing::{KeyType, partition_of};
use crate::endpoints::{BrokerEndpoint, alive_broker};
use crate::security::authorizer::{Operation, Resource};

pub(super) fn handle(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if call.api_version >= 4 {
        let coordinator = |key: Str| {
            let found = find(call, request.key_type, &key);
            let error = found.as_ref().err().copied().unwrap_or(ErrorCode::None);
            let (node_id, host, port) = address(found.ok());
            // Only a kind that there is not is explained.
            let message = match KeyType::of_code(request.key_type) {
                Some(_) => Str::new(),
                None => Str::from_static(error.message()),
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
    let key_type = KeyType::of_code(key_type).ok_or(ErrorCode::InvalidRequest)?;
    // Only who knows of share groups asks for them.
    if key_type == KeyType::Share && call.api_version < 6 {
        return Err(ErrorCode::InvalidRequest);
    }
    match key_type {
        KeyType::Group => call.authorize(Operation::Describe, Resource::Group(key))?,
        KeyType::Transaction => call.authorize(Operation::Describe, Resource::TransactionalId(key))?,
        KeyType::Share => call.authorize(Operation::ClusterAction, Resource::Cluster)?,
    }
    if key_type == KeyType::Share {
        let of = SharePartition::of_key(key).ok_or(ErrorCode::InvalidRequest)?;
        return find_in(call, key_type.topic(), &of.to_string());
    }
    find_in(call, key_type.topic(), key)
}

fn find_in(call: &Call, name: &'static str, key: &str) -> Result<BrokerEndpoint, ErrorCode> {
    let image = call.node.image();
    let Some(topic) = image.topics.by_name(name) else {
        call.node.create_unasked(vec![creation_of(name, call.node.config())]);
        return Err(ErrorCode::CoordinatorNotAvailable);
    };
    topic
        .partition(partition_of(key, topic.partitions.len()))
        .and_then(|partition| alive_broker(&image, partition.leader, &call.connection.peer().listener))
        .ok_or(ErrorCode::CoordinatorNotAvailable)
}
