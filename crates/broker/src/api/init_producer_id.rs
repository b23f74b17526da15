//! InitProducerId (KIP-98, KIP-360): idempotent producers get an id from this broker's block, those with a transactional id are their
//! coordinator's.

use coordinator::transaction::{TransactionAnswer, TransactionCommand, TransactionMachine};
use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource, ResourceKind};

pub(super) async fn handle(call: Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    if let Err(error) = authorized(&call, &request) {
        return refused(error);
    }
    if let Some(transactional_id) = request.transactional_id.clone() {
        let command = TransactionCommand::InitProducerId { api_version: call.api_version, request };
        return match ask::<TransactionMachine>(&call, &transactional_id, command).await {
            TransactionAnswer::InitProducerId(response) => response,
            _ => refused(ErrorCode::UnknownServerError),
        };
    }
    match initialize(&call, &request).await {
        Ok(producer_id) => {
            InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
        }
        Err(error) => refused(error),
    }
}

fn refused(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}

/// Whoever may write to any topic may do so idempotently (KIP-679).
fn authorized(call: &Call, request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    match request.transactional_id.as_deref() {
        Some(id) => call.authorize(Operation::Write, Resource::TransactionalId(id)),
        None if call.may_any(Operation::Write, ResourceKind::Topic) => Ok(()),
        None => call.authorize(Operation::IdempotentWrite, Resource::Cluster),
    }
}

async fn initialize(call: &Call, request: &InitProducerIdRequest) -> Result<i64, ErrorCode> {
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    match call.node.producer_ids().take() {
        Some(id) => Ok(id),
        None => allocate(call).await,
    }
}

/// A new block from the controller, and its first id.
async fn allocate(call: &Call) -> Result<i64, ErrorCode> {
    let request =
        AllocateProducerIdsRequest { broker_id: call.node.node_id(), broker_epoch: call.node.broker_epoch() };
    let answer = call.node.propose(ControllerCommand::AllocateProducerIds(request)).await;
    match answer {
        Ok(ControllerAnswer::AllocateProducerIds(block)) if block.error_code == ErrorCode::None.code() => {
            Ok(call.node.producer_ids().refill(block.producer_id_start, block.producer_id_len))
        }
        // Whatever the reason (no controller, a stale epoch): the producer tries again.
        _ => Err(ErrorCode::CoordinatorLoadInProgress),
    }
}
