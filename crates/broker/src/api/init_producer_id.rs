//! InitProducerId (KIP-98, KIP-360) for idempotent producers: an id from this broker's block. Transactional ids are for a
//! coordinator that does not exist yet.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match initialize(&call, &request).await {
        Ok(producer_id) => {
            InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
        }
        Err(error) => InitProducerIdResponse {
            error_code: error.code(),
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}

async fn initialize(call: &Call, request: &InitProducerIdRequest) -> Result<i64, ErrorCode> {
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    match request.transactional_id.as_deref() {
        None => {}
        Some("") => return Err(ErrorCode::InvalidRequest),
        Some(_) => return Err(refuse_transactional(call, request)),
    }
    match call.node.producer_ids().take() {
        Some(id) => Ok(id),
        None => allocate(call).await,
    }
}

/// What a transactional producer hears while there is no coordinator for it.
fn refuse_transactional(call: &Call, request: &InitProducerIdRequest) -> ErrorCode {
    let most = call.node.config().file().number("transaction.max.timeout.ms");
    let timeout = i64::from(request.transaction_timeout_ms);
    if timeout <= 0 || timeout > most {
        return ErrorCode::InvalidTransactionTimeout;
    }
    ErrorCode::CoordinatorNotAvailable
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
