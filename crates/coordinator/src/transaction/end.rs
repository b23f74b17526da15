//! EndTxn by both protocols, and the ends that no client asks for: a producer that is fenced, a transaction that is too old.
//!
//! Owns what is a retry and what is the next transaction's end. What was decided is persisted before anybody hears of it; the markers
//! follow in `markers.rs` once that is committed.
//!
//! Protocol 1 knows a transaction by its producer and epoch alone, which stay. Protocol 2 (KIP-890) gives every end the next epoch, so
//! that a late request of the transaction before can be told from one of this: current is the epoch that is known here, and the one
//! before it is a retry.
//!
//! ```text
//!                     abort                  commit
//!                 retry    current       retry    current
//! Empty           fenced   is aborted    fenced   INVALID_TXN_STATE
//! CompleteAbort   NONE     is aborted    INVALID_TXN_STATE
//! CompleteCommit  INVALID  is aborted    NONE     INVALID_TXN_STATE
//! ```

use super::command::{TransactionAnswer, TransactionCommand, TransactionTimer};
use super::coordinator::{TransactionMachine, TransactionSoft};
use super::events::TransactionEvent;
use super::refuse;
use super::state::{EPOCH_BUMP_SINCE, NO_PRODUCER_ID, Transaction, TransactionState};
use super::turn::Turn;
use crate::machine::ProducerIdentity;
use wire::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use wire::{ErrorCode, Str};

/// EndTxn from this version on speaks protocol 2.
const EPOCH_BUMP_VERSION: i16 = 5;
/// What Kafka says while the next block of producer ids is on its way: clients come again.
pub(super) const NO_PRODUCER_ID_LEFT: ErrorCode = ErrorCode::CoordinatorLoadInProgress;
/// An abort that needs a producer id and finds none tries again after this.
const TIMEOUT_AGAIN_MS: i64 = 200;

/// What a client's request comes to.
enum End {
    /// It was done before: a retry.
    Already,
    /// Now.
    Now,
}

impl TransactionMachine {
    pub(super) fn end_transaction(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        api_version: i16,
        request: &EndTxnRequest,
    ) {
        if request.transactional_id.is_empty() {
            return turn.refuse(refuse::end_transaction(api_version, ErrorCode::InvalidRequest));
        }
        let answer = match self.end(soft, turn, api_version, request) {
            Ok(producer) => TransactionAnswer::EndTxn(EndTxnResponse {
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                ..EndTxnResponse::default()
            }),
            Err(error) => refuse::end_transaction(api_version, error),
        };
        turn.answer(answer);
    }

    /// Answers who the producer is from now on; protocol 1 does not say.
    fn end(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        api_version: i16,
        request: &EndTxnRequest,
    ) -> Result<ProducerIdentity, ErrorCode> {
        let nobody = ProducerIdentity { producer_id: NO_PRODUCER_ID, producer_epoch: -1 };
        let transactional_id = &request.transactional_id;
        let known = self.transactions.get(transactional_id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        if api_version < EPOCH_BUMP_VERSION {
            if let End::Now = end_by_protocol_1(known, request)? {
                let ended = known.ended_with_same_epoch(request.committed, turn.wall_ms);
                prepare(turn, transactional_id, ended);
            }
            return Ok(nobody);
        }
        match end_by_protocol_2(known, request)? {
            End::Already => Ok(known.producer()),
            End::Now => {
                let ended = with_next_epoch(soft, turn, known, request.committed)?;
                soft.set_before(transactional_id, Some(known.producer()));
                Ok(prepare(turn, transactional_id, ended))
            }
        }
    }

    /// Aborts the open transaction, with an epoch that is nobody's.
    pub(super) fn abort_and_fence(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        transactional_id: &Str,
        known: &Transaction,
    ) -> Result<(), ErrorCode> {
        if soft.config.transaction_version >= EPOCH_BUMP_SINCE {
            let ended = with_next_epoch(soft, turn, known, false)?;
            soft.set_before(transactional_id, Some(known.producer()));
            prepare(turn, transactional_id, ended);
        } else {
            let mut ended = known.ended_with_same_epoch(false, turn.wall_ms);
            ended.producer_epoch = known.producer_epoch.saturating_add(1);
            soft.set_before(transactional_id, None);
            prepare(turn, transactional_id, ended);
        }
        Ok(())
    }

    /// The timer of an open transaction has fired.
    pub(super) fn timed_out(&self, soft: &mut TransactionSoft, turn: &mut Turn, transactional_id: Str) {
        let Some(known) = self.transactions.get(&transactional_id) else { return };
        if known.state != TransactionState::Ongoing || known.is_two_phase() {
            return;
        }
        if self.abort_and_fence(soft, turn, &transactional_id, known).is_err() {
            return turn.set_timer(TransactionTimer::Timeout { transactional_id }, TIMEOUT_AGAIN_MS);
        }
        soft.events.push(TransactionEvent::TimedOut {
            transactional_id,
            producer: known.producer(),
            timeout_ms: known.timeout_ms,
            partitions: known.partitions.len(),
        });
    }

    /// What is left of a transaction's timeout, for one that was loaded. A wall clock that jumped makes it no longer than it was.
    pub(super) fn timeout_left_ms(known: &Transaction, wall_ms: i64) -> i64 {
        let timeout_ms = i64::from(known.timeout_ms).max(0);
        known.start_ms.saturating_add(timeout_ms).saturating_sub(wall_ms).clamp(0, timeout_ms)
    }
}

fn end_by_protocol_1(known: &Transaction, request: &EndTxnRequest) -> Result<End, ErrorCode> {
    if known.producer_id != request.producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if known.producer_epoch != request.producer_epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    match known.state {
        TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
            Err(ErrorCode::ConcurrentTransactions)
        }
        TransactionState::Ongoing => Ok(End::Now),
        TransactionState::CompleteCommit if request.committed => Ok(End::Already),
        TransactionState::CompleteAbort if !request.committed => Ok(End::Already),
        TransactionState::CompleteCommit
        | TransactionState::CompleteAbort
        | TransactionState::Empty
        | TransactionState::Dead
        | TransactionState::PrepareEpochFence => Err(ErrorCode::InvalidTxnState),
    }
}

fn end_by_protocol_2(known: &Transaction, request: &EndTxnRequest) -> Result<End, ErrorCode> {
    // Before anything else: the producer may be between two producer ids.
    if known.state.prepared().is_some() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    // It ended with the last epoch of the producer id before, and its answer was lost.
    let retry_of_last_epoch = known.previous_producer_id == request.producer_id
        && request.producer_epoch == i16::MAX - 1
        && known.producer_epoch == 0;
    let is_retry = retry_of_last_epoch || request.producer_epoch.checked_add(1) == Some(known.producer_epoch);
    let is_current = request.producer_epoch == known.producer_epoch;
    if known.producer_id != request.producer_id && !retry_of_last_epoch {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    match known.state {
        TransactionState::Ongoing if is_current => Ok(End::Now),
        TransactionState::Empty if is_current && !request.committed => Ok(End::Now),
        TransactionState::Empty if is_current => Err(ErrorCode::InvalidTxnState),
        TransactionState::CompleteCommit | TransactionState::CompleteAbort if is_retry => {
            let was_committed = known.state == TransactionState::CompleteCommit;
            if was_committed == request.committed {
                Ok(End::Already)
            } else {
                Err(ErrorCode::InvalidTxnState)
            }
        }
        TransactionState::CompleteCommit | TransactionState::CompleteAbort if is_current => {
            if request.committed { Err(ErrorCode::InvalidTxnState) } else { Ok(End::Now) }
        }
        TransactionState::Ongoing
        | TransactionState::Empty
        | TransactionState::CompleteCommit
        | TransactionState::CompleteAbort
        | TransactionState::PrepareCommit
        | TransactionState::PrepareAbort
        | TransactionState::Dead
        | TransactionState::PrepareEpochFence => Err(ErrorCode::ProducerFenced),
    }
}

/// Ended by protocol 2; where there is no next epoch, with a producer id for the time after.
fn with_next_epoch(
    soft: &mut TransactionSoft,
    turn: &Turn,
    known: &Transaction,
    commit: bool,
) -> Result<Transaction, ErrorCode> {
    let next_producer_id = if known.is_exhausted() {
        soft.producer_ids.take().ok_or(NO_PRODUCER_ID_LEFT)?
    } else {
        NO_PRODUCER_ID
    };
    Ok(known.ended_with_next_epoch(commit, next_producer_id, turn.wall_ms))
}

/// Persists the outcome; the markers go when it is committed. Answers who the producer is when they are written.
fn prepare(turn: &mut Turn, transactional_id: &Str, ended: Transaction) -> ProducerIdentity {
    let transactional_id = transactional_id.detached();
    turn.cancel_timer(TransactionTimer::Timeout { transactional_id: transactional_id.clone() });
    let producer_after = turn.write(&transactional_id, ended).producer_after();
    turn.decision.after_commit.push(TransactionCommand::OutcomeCommitted { transactional_id });
    producer_after
}
