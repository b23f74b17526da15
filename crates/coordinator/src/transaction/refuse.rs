//! The shape of errors: how every command is refused as a whole, and what an answer becomes when its state was not kept.
//!
//! Owns the shapes and what each version calls a fenced producer; which error it is comes from whoever refuses.

use super::command::{TransactionAnswer, TransactionCommand};
use super::state::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID};
use wire::messages::add_offsets_to_txn::AddOffsetsToTxnResponse;
use wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
};
use wire::messages::describe_transactions::TransactionState as DescribedTransaction;
use wire::messages::end_txn::EndTxnResponse;
use wire::messages::init_producer_id::InitProducerIdResponse;
use wire::messages::list_transactions::ListTransactionsResponse;
use wire::{ErrorCode, Str};

/// The first versions whose clients know PRODUCER_FENCED; before, it was INVALID_PRODUCER_EPOCH (KIP-588).
const INIT_FENCED_SINCE: i16 = 4;
const ADD_FENCED_SINCE: i16 = 2;
const END_FENCED_SINCE: i16 = 2;

fn in_version(error: ErrorCode, api_version: i16, fenced_since: i16) -> i16 {
    if error == ErrorCode::ProducerFenced && api_version < fenced_since {
        return ErrorCode::InvalidProducerEpoch.code();
    }
    error.code()
}

pub fn init_producer_id(api_version: i16, error: ErrorCode) -> TransactionAnswer {
    TransactionAnswer::InitProducerId(InitProducerIdResponse {
        error_code: in_version(error, api_version, INIT_FENCED_SINCE),
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        ..InitProducerIdResponse::default()
    })
}

/// The same error, or none, at every partition.
pub fn add_partitions(
    api_version: i16,
    transaction: &AddPartitionsToTxnTransaction,
    error: ErrorCode,
) -> TransactionAnswer {
    let code = in_version(error, api_version, ADD_FENCED_SINCE);
    TransactionAnswer::AddPartitions(add_partitions_result(transaction, |_, _| ErrorCode::from_code(code)))
}

/// An error, or none, at each partition.
pub fn add_partitions_result(
    transaction: &AddPartitionsToTxnTransaction,
    error: impl Fn(&Str, i32) -> ErrorCode,
) -> AddPartitionsToTxnResult {
    let topic_results = transaction.topics.iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|partition| AddPartitionsToTxnPartitionResult {
                partition_index: *partition,
                partition_error_code: error(&topic.name, *partition).code(),
            })
            .collect(),
    });
    AddPartitionsToTxnResult {
        transactional_id: transaction.transactional_id.clone(),
        topic_results: topic_results.collect(),
    }
}

pub fn add_offsets(api_version: i16, error: ErrorCode) -> TransactionAnswer {
    TransactionAnswer::AddOffsets(AddOffsetsToTxnResponse {
        error_code: in_version(error, api_version, ADD_FENCED_SINCE),
        ..AddOffsetsToTxnResponse::default()
    })
}

pub fn end_transaction(api_version: i16, error: ErrorCode) -> TransactionAnswer {
    TransactionAnswer::EndTxn(EndTxnResponse {
        error_code: in_version(error, api_version, END_FENCED_SINCE),
        ..EndTxnResponse::default()
    })
}

pub fn described(transactional_id: &Str, error: ErrorCode) -> DescribedTransaction {
    DescribedTransaction {
        error_code: error.code(),
        transactional_id: transactional_id.clone(),
        ..DescribedTransaction::default()
    }
}

fn listed(error: ErrorCode) -> TransactionAnswer {
    let error_code = error.code();
    TransactionAnswer::List(ListTransactionsResponse { error_code, ..ListTransactionsResponse::default() })
}

pub fn command(command: &TransactionCommand, error: ErrorCode) -> TransactionAnswer {
    match command {
        TransactionCommand::InitProducerId { api_version, .. } => init_producer_id(*api_version, error),
        TransactionCommand::AddPartitions { api_version, transaction } => {
            add_partitions(*api_version, transaction, error)
        }
        TransactionCommand::AddOffsets { api_version, .. } => add_offsets(*api_version, error),
        TransactionCommand::EndTxn { api_version, .. } => end_transaction(*api_version, error),
        TransactionCommand::Describe { transactional_ids } => {
            TransactionAnswer::Describe(transactional_ids.iter().map(|id| described(id, error)).collect())
        }
        TransactionCommand::List { .. } => listed(error),
        TransactionCommand::ProducerIdsGranted { .. }
        | TransactionCommand::MarkersAnswered(_)
        | TransactionCommand::OutcomeCommitted { .. }
        | TransactionCommand::Fired(_) => TransactionAnswer::Done(error),
    }
}

/// None of these errors is one that versions call by different names.
pub fn answer(answer: TransactionAnswer, error: ErrorCode) -> TransactionAnswer {
    match answer {
        TransactionAnswer::InitProducerId(_) => init_producer_id(INIT_FENCED_SINCE, error),
        TransactionAnswer::AddPartitions(mut result) => {
            let partitions =
                result.topic_results.iter_mut().flat_map(|topic| &mut topic.results_by_partition);
            partitions.for_each(|partition| partition.partition_error_code = error.code());
            TransactionAnswer::AddPartitions(result)
        }
        TransactionAnswer::AddOffsets(_) => add_offsets(ADD_FENCED_SINCE, error),
        TransactionAnswer::EndTxn(_) => end_transaction(END_FENCED_SINCE, error),
        TransactionAnswer::Describe(described_all) => TransactionAnswer::Describe(
            described_all.iter().map(|one| described(&one.transactional_id, error)).collect(),
        ),
        TransactionAnswer::List(_) => listed(error),
        TransactionAnswer::Marker(_) => TransactionAnswer::Marker(error),
        TransactionAnswer::Done(_) => TransactionAnswer::Done(error),
    }
}
