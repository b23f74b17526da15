//! EndTxn (KIP-98, KIP-890): a transaction is committed or aborted; answered when that is decided, the markers follow.

use coordinator::transaction::{TransactionAnswer, TransactionCommand, TransactionMachine};
use wire::ErrorCode;
use wire::messages::end_txn::{EndTxnRequest, EndTxnResponse};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: EndTxnRequest) -> EndTxnResponse {
    if let Err(error) = call.authorize(Operation::Write, Resource::TransactionalId(&request.transactional_id))
    {
        return EndTxnResponse { error_code: error.code(), ..EndTxnResponse::default() };
    }
    let transactional_id = request.transactional_id.clone();
    let command = TransactionCommand::EndTxn { api_version: call.api_version, request };
    match ask::<TransactionMachine>(&call, &transactional_id, command).await {
        TransactionAnswer::EndTxn(response) => response,
        _ => EndTxnResponse { error_code: ErrorCode::UnknownServerError.code(), ..EndTxnResponse::default() },
    }
}
