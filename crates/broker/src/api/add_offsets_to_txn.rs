//! AddOffsetsToTxn (KIP-98): the partition of the offsets topic that a group's offsets go to becomes one of the transaction's.

use coordinator::transaction::{TransactionAnswer, TransactionCommand, TransactionMachine};
use wire::ErrorCode;
use wire::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use wire::topic::CONSUMER_OFFSETS;

use crate::call::Call;
use crate::coordinators::routing::{ask, partition_of};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let refused = |error: ErrorCode| AddOffsetsToTxnResponse {
        error_code: error.code(),
        ..AddOffsetsToTxnResponse::default()
    };
    let allowed = call
        .authorize(Operation::Write, Resource::TransactionalId(&request.transactional_id))
        .and_then(|()| call.authorize(Operation::Read, Resource::Group(&request.group_id)));
    if let Err(error) = allowed {
        return refused(error);
    }
    let Some(offsets) = call.node.views().by_name(CONSUMER_OFFSETS) else {
        // Nobody has asked for a group's coordinator yet.
        return refused(ErrorCode::CoordinatorNotAvailable);
    };
    let partition = partition_of(&request.group_id, offsets.partitions.len());
    let transactional_id = request.transactional_id.clone();
    let command = TransactionCommand::AddOffsets { api_version: call.api_version, request, partition };
    match ask::<TransactionMachine>(&call, &transactional_id, command).await {
        TransactionAnswer::AddOffsets(response) => response,
        _ => refused(ErrorCode::UnknownServerError),
    }
}
