//! Whether a transaction may write to a partition (KIP-890): the partition's leader asks the transaction's coordinator, here or on another
//! broker, which says so or, for clients of protocol 2, adds the partition to the transaction.
//!
//! Owns whom to ask and what the answer means for the client; what is open is the coordinator's to know, what waits for its word the log's.

use std::collections::BTreeMap;

use coordinator::ProducerIdentity;
use coordinator::transaction::{TransactionAnswer, TransactionCommand, TransactionMachine, partition_for};
use wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnResult, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
};
use wire::topic::TRANSACTION_STATE;
use wire::{ApiKey, ErrorCode, Str};

use super::routing::ask;
use crate::call::Call;
use crate::peers::{NoAnswer, Purpose};

/// What the version of a client's request lets its broker do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The client does not know TRANSACTION_ABORTABLE.
    VerifyForOld,
    Verify,
    /// Protocol 2: the partition becomes one of the transaction's.
    Add,
}

impl Operation {
    pub fn of_produce(version: i16) -> Operation {
        Operation::since(version, 11, 12)
    }

    pub fn of_txn_offset_commit(version: i16) -> Operation {
        Operation::since(version, 4, 5)
    }

    fn since(version: i16, generic_error: i16, add: i16) -> Operation {
        match version {
            version if version >= add => Operation::Add,
            version if version >= generic_error => Operation::Verify,
            _ => Operation::VerifyForOld,
        }
    }
}

/// Why each partition may not be written to; those that may are not in it.
pub(crate) type Unverified = BTreeMap<(Str, i32), ErrorCode>;

/// How long whoever adds waits for the end of the transaction before, whose markers are on their way. Each time all is begun anew: a marker that
/// comes to the log makes what it was told before void.
pub(crate) struct Patience {
    pause_ms: i64,
    left_ms: i64,
}

impl Patience {
    pub fn of(call: &Call, operation: Operation) -> Patience {
        let file = call.node.config().file();
        Patience {
            pause_ms: file.number("add.partitions.to.txn.retry.backoff.ms"),
            left_ms: match operation {
                Operation::Add => file.number("add.partitions.to.txn.retry.backoff.max.ms"),
                Operation::Verify | Operation::VerifyForOld => 0,
            },
        }
    }

    /// Waits a little; false at once if it has waited enough.
    pub async fn pause(&mut self, call: &Call) -> bool {
        if self.left_ms < self.pause_ms.max(1) {
            return false;
        }
        self.left_ms -= self.pause_ms.max(1);
        let now_ms = call.node.latest_ms();
        call.node.at(now_ms, now_ms.saturating_add(self.pause_ms)).await.is_ok()
    }
}

/// Asks the coordinator of a transaction about partitions of this node.
pub(crate) async fn verify(
    call: &Call,
    operation: Operation,
    transactional_id: &Str,
    producer: ProducerIdentity,
    partitions: &[(Str, i32)],
) -> Unverified {
    let mut topics: BTreeMap<&Str, Vec<i32>> = BTreeMap::new();
    for (topic, number) in partitions {
        topics.entry(topic).or_default().push(*number);
    }
    let topic =
        |(name, partitions): (&Str, Vec<i32>)| AddPartitionsToTxnTopic { name: name.clone(), partitions };
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: transactional_id.clone(),
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        verify_only: operation != Operation::Add,
        topics: topics.into_iter().map(topic).collect(),
    };
    let result = ask_coordinator(call, transaction).await;
    unverified(partitions, operation, result)
}

async fn ask_coordinator(
    call: &Call,
    transaction: AddPartitionsToTxnTransaction,
) -> Result<AddPartitionsToTxnResult, ErrorCode> {
    let api_version = *ApiKey::AddPartitionsToTxn.versions().end();
    let leader = coordinator_node(call, &transaction.transactional_id)?;
    if leader == call.node.node_id() {
        let key = transaction.transactional_id.clone();
        let command = TransactionCommand::AddPartitions { api_version, transaction };
        return match ask::<TransactionMachine>(call, &key, command).await {
            TransactionAnswer::AddPartitions(result) => Ok(result),
            _ => Err(ErrorCode::UnknownServerError),
        };
    }
    let request =
        AddPartitionsToTxnRequest { transactions: vec![transaction], ..AddPartitionsToTxnRequest::default() };
    let now_ms = call.node.latest_ms();
    let answer = call.node.question_broker::<AddPartitionsToTxnResponse>(
        now_ms,
        leader,
        Purpose::Transactions,
        ApiKey::AddPartitionsToTxn,
        request,
    );
    match answer.await {
        Ok(Ok(response)) if response.error_code == ErrorCode::None.code() => {
            response.results_by_transaction.into_iter().next().ok_or(ErrorCode::UnknownServerError)
        }
        // Who may not ask is not the client's business.
        Ok(Ok(response)) if response.error_code == ErrorCode::ClusterAuthorizationFailed.code() => {
            Err(ErrorCode::InvalidTxnState)
        }
        Ok(Ok(response)) => Err(ErrorCode::from_code(response.error_code)),
        Ok(Err(
            NoAnswer::Unreachable
            | NoAnswer::Refused
            | NoAnswer::Lost
            | NoAnswer::TimedOut
            | NoAnswer::Unsupported
            | NoAnswer::Malformed,
        ))
        | Err(_) => Err(ErrorCode::NetworkException),
    }
}

/// The broker that coordinates a transactional id.
fn coordinator_node(call: &Call, transactional_id: &str) -> Result<i32, ErrorCode> {
    let image = call.node.image();
    let topic = image.topics.by_name(TRANSACTION_STATE).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let partition = topic.partition(partition_for(transactional_id, count.max(1)));
    let leader = partition.map(|partition| partition.leader).filter(|leader| *leader >= 0);
    leader.ok_or(ErrorCode::CoordinatorNotAvailable)
}

fn unverified(
    partitions: &[(Str, i32)],
    operation: Operation,
    result: Result<AddPartitionsToTxnResult, ErrorCode>,
) -> Unverified {
    let result = match result {
        Err(error) => return partitions.iter().map(|key| (key.clone(), error)).collect(),
        Ok(result) => result,
    };
    let mut unverified = Unverified::new();
    let mut said = BTreeMap::new();
    for topic in &result.topic_results {
        for partition in &topic.results_by_partition {
            said.insert((&topic.name, partition.partition_index), partition.partition_error_code);
        }
    }
    for (topic, number) in partitions {
        // A coordinator that says nothing of it has confirmed nothing.
        let code = said.get(&(topic, *number)).copied();
        let error = code.map_or(ErrorCode::UnknownServerError, ErrorCode::from_code);
        let error = match error {
            ErrorCode::None => continue,
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if operation == Operation::VerifyForOld => {
                ErrorCode::InvalidTxnState
            }
            error => error,
        };
        unverified.insert((topic.clone(), *number), error);
    }
    unverified
}
