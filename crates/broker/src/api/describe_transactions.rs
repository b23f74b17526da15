//! DescribeTransactions (KIP-664): the transactional ids of one request may have several coordinators here.

use std::collections::BTreeMap;

use coordinator::Machine;
use coordinator::transaction::{TransactionAnswer, TransactionCommand, TransactionMachine};
use wire::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TransactionState,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::{ask_at, coordinator_of};
use crate::security::authorizer::{Operation, Resource};

/// As in Kafka an id that is named again is told of again. DIVERGES: not more often than this, or a few bytes would bring a long answer.
const TIMES_TOLD: usize = 16;

pub(super) async fn handle(call: Call, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let mut described: BTreeMap<Str, (usize, Vec<TransactionState>)> = BTreeMap::new();
    let mut transaction_states = Vec::new();
    for transactional_id in request.transactional_ids {
        if !described.contains_key(&transactional_id) {
            let known = describe(&call, &transactional_id).await;
            described.insert(transactional_id.clone(), (0, known));
        }
        if let Some((times, known)) = described.get_mut(&transactional_id)
            && *times < TIMES_TOLD
        {
            *times += 1;
            transaction_states.extend(known.iter().cloned());
        }
    }
    DescribeTransactionsResponse { transaction_states, ..DescribeTransactionsResponse::default() }
}

async fn describe(call: &Call, transactional_id: &Str) -> Vec<TransactionState> {
    if let Err(error) = call.authorize(Operation::Describe, Resource::TransactionalId(transactional_id)) {
        let transactional_id = transactional_id.clone();
        let error_code = error.code();
        return vec![TransactionState { error_code, transactional_id, ..TransactionState::default() }];
    }
    let command = TransactionCommand::Describe { transactional_ids: vec![transactional_id.clone()] };
    let answer = match coordinator_of::<TransactionMachine>(call, transactional_id) {
        Some(cell) => ask_at::<TransactionMachine>(call, cell, command).await,
        None => TransactionMachine::refuse(&command, ErrorCode::NotCoordinator),
    };
    match answer {
        TransactionAnswer::Describe(mut described) => {
            // Topics that the client may not see are not told.
            let may_see = |name: &str| call.may(Operation::Describe, Resource::Topic(name));
            described.iter_mut().for_each(|state| state.topics.retain(|topic| may_see(&topic.topic)));
            described
        }
        _ => Vec::new(),
    }
}
