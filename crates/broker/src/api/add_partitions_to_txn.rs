//! AddPartitionsToTxn (KIP-98, KIP-890): what a transaction is about to write to. Versions below 4 are a client's, of one transaction;
//! those from there on another broker's, of many, which may only ask whether a partition is in a transaction.

use coordinator::transaction::{TransactionAnswer, TransactionCommand, TransactionMachine};
use std::collections::BTreeSet;
use wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};
use wire::topic::is_internal;
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource};

/// From this version on it is another broker's.
const BROKERS_SINCE: i16 = 4;

pub(super) async fn handle(call: Call, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    if call.api_version < BROKERS_SINCE {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        let result = add(&call, transaction).await;
        return AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: result.topic_results,
            ..AddPartitionsToTxnResponse::default()
        };
    }
    if let Err(error) = call.authorize(Operation::ClusterAction, Resource::Cluster) {
        return AddPartitionsToTxnResponse {
            error_code: error.code(),
            ..AddPartitionsToTxnResponse::default()
        };
    }
    let mut results_by_transaction = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        results_by_transaction.push(add(&call, transaction).await);
    }
    AddPartitionsToTxnResponse { results_by_transaction, ..AddPartitionsToTxnResponse::default() }
}

async fn add(call: &Call, transaction: AddPartitionsToTxnTransaction) -> AddPartitionsToTxnResult {
    let exists = |topic: &str, partition: i32| {
        let image = call.node.image();
        image.topics.by_name(topic).is_some_and(|topic| topic.partition(partition).is_some())
    };
    // A client needs leave; another broker was asked for its own, and its client by that broker.
    let is_client = call.api_version < BROKERS_SINCE;
    if is_client {
        let resource = Resource::TransactionalId(&transaction.transactional_id);
        if let Err(error) = call.authorize(Operation::Write, resource) {
            return result(&transaction, |_, _| error);
        }
    }
    let mut forbidden: BTreeSet<Str> = BTreeSet::new();
    if is_client && call.is_guarded() {
        let may_not = |name: &&Str| {
            // Nobody writes to those by himself.
            is_internal(name) || call.authorize(Operation::Write, Resource::Topic(name)).is_err()
        };
        forbidden = transaction.topics.iter().map(|topic| &topic.name).filter(may_not).cloned().collect();
    }
    let all_exist =
        transaction.topics.iter().all(|topic| topic.partitions.iter().all(|&p| exists(&topic.name, p)));
    if !forbidden.is_empty() {
        return result(&transaction, |topic, partition| match exists(topic, partition) {
            _ if forbidden.contains(topic) => ErrorCode::TopicAuthorizationFailed,
            true => ErrorCode::OperationNotAttempted,
            false => ErrorCode::UnknownTopicOrPartition,
        });
    }
    if !all_exist {
        // All or nothing.
        return result(&transaction, |topic, partition| match exists(topic, partition) {
            true => ErrorCode::OperationNotAttempted,
            false => ErrorCode::UnknownTopicOrPartition,
        });
    }
    let unknown = result(&transaction, |_, _| ErrorCode::UnknownServerError);
    let transactional_id = transaction.transactional_id.clone();
    let command = TransactionCommand::AddPartitions { api_version: call.api_version, transaction };
    match ask::<TransactionMachine>(call, &transactional_id, command).await {
        TransactionAnswer::AddPartitions(result) => result,
        _ => unknown,
    }
}

fn result(
    transaction: &AddPartitionsToTxnTransaction,
    error: impl Fn(&str, i32) -> ErrorCode,
) -> AddPartitionsToTxnResult {
    let partition = |topic: &str, partition_index: i32| AddPartitionsToTxnPartitionResult {
        partition_index,
        partition_error_code: error(topic, partition_index).code(),
    };
    let topics = transaction.topics.iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic.partitions.iter().map(|&p| partition(&topic.name, p)).collect(),
    });
    AddPartitionsToTxnResult {
        transactional_id: transaction.transactional_id.clone(),
        topic_results: topics.collect(),
    }
}
