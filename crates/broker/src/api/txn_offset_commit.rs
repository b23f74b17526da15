//! TxnOffsetCommit (KIP-98, KIP-447, KIP-890, KIP-1319): offsets that count when the transaction does. Topics are resolved here, by name or
//! by id; the group's coordinator stores, once the transaction's coordinator knows of its partition.

use std::sync::Arc;

use coordinator::ProducerIdentity;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use log::FirstWrite;
use wire::ErrorCode;
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponseTopic,
};
use wire::topic::CONSUMER_OFFSETS;

use crate::call::Call;
use crate::command::{BeginVerification, Command};
use crate::coordinators::committed_topics::{CommittedTopic, answer, resolve};
use crate::coordinators::routing::{ask_at, coordinator_of, passing_caller};
use crate::coordinators::verification::{Operation, Patience, verify};
use crate::mailbox::reply;
use crate::security::authorizer::{self, Resource};
use crate::views::PartitionCell;

/// From this version on topics are named by their id.
const BY_ID_SINCE: i16 = 6;
/// Clients before this version do not know COORDINATOR_LOAD_IN_PROGRESS.
const LOADING_SINCE: i16 = 2;

pub(super) async fn handle(call: Call, mut request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let allowed = call
        .authorize(authorizer::Operation::Write, Resource::TransactionalId(&request.transactional_id))
        .and_then(|()| call.authorize(authorizer::Operation::Read, Resource::Group(&request.group_id)));
    if let Err(error) = allowed {
        let topics = request.topics.iter().map(|topic| topic.failed(error)).collect();
        return TxnOffsetCommitResponse { topics, ..TxnOffsetCommitResponse::default() };
    }
    let mut refused = Vec::new();
    let topics = std::mem::take(&mut request.topics);
    request.topics = resolve(&call, topics, call.api_version >= BY_ID_SINCE, &mut refused);
    let committed = if request.topics.is_empty() { Vec::new() } else { commit(&call, request).await };
    let mut topics = answer(refused, committed);
    if call.api_version < LOADING_SINCE {
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions {
            if partition.error_code == ErrorCode::CoordinatorLoadInProgress.code() {
                partition.error_code = ErrorCode::CoordinatorNotAvailable.code();
            }
        }
    }
    TxnOffsetCommitResponse { topics, ..TxnOffsetCommitResponse::default() }
}

async fn commit(call: &Call, request: TxnOffsetCommitRequest) -> Vec<TxnOffsetCommitResponseTopic> {
    let all = |error| request.topics.iter().map(|topic| topic.failed(error)).collect::<Vec<_>>();
    if request.group_id.is_empty() {
        return all(ErrorCode::InvalidGroupId);
    }
    let Some(cell) = coordinator_of::<GroupMachine>(call, &request.group_id) else {
        return all(ErrorCode::NotCoordinator);
    };
    // Before the group is asked whether this member may: a producer that is not the transaction's hears no more.
    if let Err(error) = confirm(call, &cell, &request).await {
        return all(told(error));
    }
    ask_group(call, &cell, &request).await
}

async fn ask_group(
    call: &Call,
    cell: &Arc<PartitionCell>,
    request: &TxnOffsetCommitRequest,
) -> Vec<TxnOffsetCommitResponseTopic> {
    let command =
        GroupCommand::CommitTransactionalOffsets { caller: passing_caller(call), request: request.clone() };
    match ask_at::<GroupMachine>(call, Arc::clone(cell), command).await {
        GroupAnswer::CommitTransactionalOffsets(response) => response.topics,
        _ => request.topics.iter().map(|topic| topic.failed(ErrorCode::UnknownServerError)).collect(),
    }
}

/// Has the transaction's coordinator confirm the partition of the offsets topic to its log.
async fn confirm(
    call: &Call,
    cell: &Arc<PartitionCell>,
    request: &TxnOffsetCommitRequest,
) -> Result<(), ErrorCode> {
    let operation = Operation::of_txn_offset_commit(call.api_version);
    let &TxnOffsetCommitRequest { producer_id, producer_epoch, .. } = request;
    // Of nobody: no log could tell whose transaction it is.
    if producer_id < 0 {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    let mut patience = Patience::of(call, operation);
    let partition = (wire::Str::from_static(CONSUMER_OFFSETS), cell.key.partition);
    let producer = ProducerIdentity { producer_id, producer_epoch };
    loop {
        // None: it has written there already, its partition is confirmed, or nothing is verified.
        let Some(guard) = begin_verification(call, cell, operation, producer).await? else { return Ok(()) };
        let asked = std::slice::from_ref(&partition);
        let unverified = verify(call, operation, &request.transactional_id, producer, asked).await;
        match unverified.into_values().next() {
            None => {
                let confirmed = Command::Verified { cell: Arc::clone(cell), producer_id, guard };
                call.node.submit_to(call.node.latest_ms(), cell.shard, confirmed);
                if operation != Operation::Add {
                    return Ok(());
                }
                // The marker of the transaction before may have come first; then it is asked for once more.
                if begin_verification(call, cell, operation, producer).await?.is_none() {
                    return Ok(());
                }
                if !patience.pause(call).await {
                    return Err(ErrorCode::ConcurrentTransactions);
                }
            }
            Some(ErrorCode::ConcurrentTransactions) if patience.pause(call).await => {}
            Some(error) => return Err(error),
        }
    }
}

/// What the log has to be told before the producer may write to this partition.
async fn begin_verification(
    call: &Call,
    cell: &Arc<PartitionCell>,
    operation: Operation,
    producer: ProducerIdentity,
) -> Result<Option<u64>, ErrorCode> {
    let ProducerIdentity { producer_id, producer_epoch } = producer;
    let first = FirstWrite { producer_id, producer_epoch, base_sequence: 0 };
    let ((reply, confirmed), always) = (reply(), operation == Operation::Add);
    let begin = BeginVerification { cell: Arc::clone(cell), first, always, reply };
    call.node.submit(call.node.latest_ms(), cell, Command::BeginVerification(begin));
    confirmed.await.unwrap_or(Err(ErrorCode::NotCoordinator))
}

/// What the client is told of a coordinator that has not confirmed.
fn told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        error => error,
    }
}
