//! ListTransactions (KIP-664, KIP-994, KIP-1152): all transactional ids that this broker coordinates.

use coordinator::transaction::{
    TransactionAnswer, TransactionCommand, TransactionMachine, keep_matching, pattern_of,
};
use wire::ErrorCode;
use wire::messages::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};

use crate::call::Call;
use crate::coordinators::routing::{ask_at, local_coordinators};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(call: Call, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let refused = |error: ErrorCode| ListTransactionsResponse {
        error_code: error.code(),
        ..ListTransactionsResponse::default()
    };
    let pattern = match pattern_of(&request) {
        Ok(pattern) => pattern,
        Err(error) => return refused(error),
    };
    let command = || TransactionCommand::List {
        states: request.state_filters.clone(),
        producer_ids: request.producer_id_filters.clone(),
        duration_ms: request.duration_filter,
    };
    // Also where nobody has a transaction it is told which filters make no sense.
    let known = TransactionMachine::new().unknown_states(&request.state_filters);
    let mut all = ListTransactionsResponse { unknown_state_filters: known, ..Default::default() };
    let homes = local_coordinators::<TransactionMachine>(&call).into_iter();
    let answers: Vec<_> = homes.map(|cell| ask_at::<TransactionMachine>(&call, cell, command())).collect();
    for answer in answers {
        match answer.await {
            TransactionAnswer::List(listed) => match ErrorCode::from_code(listed.error_code) {
                ErrorCode::None => all.transaction_states.extend(listed.transaction_states),
                // It moved away a moment ago: its new coordinator lists it.
                ErrorCode::NotCoordinator => {}
                error => return refused(error),
            },
            _ => return refused(ErrorCode::UnknownServerError),
        }
    }
    let may_see = |id: &str| call.may(Operation::Describe, Resource::TransactionalId(id));
    all.transaction_states.retain(|state| may_see(&state.transactional_id));
    keep_matching(&mut all, pattern.as_ref());
    all
}
