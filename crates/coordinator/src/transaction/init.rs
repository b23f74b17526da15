//! InitProducerId: a producer begins, or goes on after an error (KIP-98, KIP-360; the fields of KIP-939 that 4.4 answers).
//!
//! Owns who is fenced and which epoch follows. A transaction that is open is aborted first, and the producer is told to come again.

use super::command::TransactionAnswer;
use super::coordinator::{TransactionMachine, TransactionSoft};
use super::end;
use super::events::TransactionEvent;
use super::refuse;
use super::state::{NEVER_MS, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction, is_exhausted};
use super::turn::Turn;
use crate::machine::ProducerIdentity;
use std::borrow::Cow;
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::{ErrorCode, Str};

/// Where a producer that comes has to begin.
struct Beginning {
    producer: ProducerIdentity,
    /// Who a retry would name.
    before: Option<ProducerIdentity>,
}

impl TransactionMachine {
    pub(super) fn init_producer_id(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        api_version: i16,
        request: &InitProducerIdRequest,
    ) {
        let (transactional_id, timeout_ms) = match arguments(soft, request) {
            Ok(arguments) => arguments,
            Err(error) => return turn.refuse(refuse::init_producer_id(api_version, error)),
        };
        let expected = expected(request);
        let known = match self.transactions.get(transactional_id) {
            Some(known) => Cow::Borrowed(known.as_ref()),
            None => match soft.producer_ids.take() {
                Some(producer_id) => Cow::Owned(Transaction::unused(producer_id, timeout_ms, turn.wall_ms)),
                None => return turn.refuse(refuse::init_producer_id(api_version, end::NO_PRODUCER_ID_LEFT)),
            },
        };
        let answer = match self.initialize(soft, turn, transactional_id, &known, expected, timeout_ms) {
            Ok(producer) => TransactionAnswer::InitProducerId(InitProducerIdResponse {
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                ..InitProducerIdResponse::default()
            }),
            Err(error) => refuse::init_producer_id(api_version, error),
        };
        turn.answer(answer);
    }

    /// Writes the producer that begins, or the abort that has to come first.
    fn initialize(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        transactional_id: &Str,
        known: &Transaction,
        expected: Option<ProducerIdentity>,
        timeout_ms: i32,
    ) -> Result<ProducerIdentity, ErrorCode> {
        if known.state.prepared().is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let before = soft.befores.get(transactional_id).copied();
        if expected.is_some_and(|expected| Some(expected) != before && !may_go_on(known, expected)) {
            return Err(ErrorCode::ProducerFenced);
        }
        if !known.state.is_settled() {
            self.abort_and_fence(soft, turn, transactional_id, known)?;
            let (transactional_id, producer) = (transactional_id.detached(), known.producer());
            soft.events.push(TransactionEvent::Fenced { transactional_id, producer });
            // The epoch of the abort is nobody's: who comes again gets the next one.
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let beginning = beginning(soft, known, expected, before)?;
        let transaction = known.initialized(beginning.producer, timeout_ms, turn.wall_ms);
        turn.check_size(transactional_id, &transaction)?;
        soft.set_before(transactional_id, beginning.before);
        turn.write(transactional_id, transaction);
        Ok(beginning.producer)
    }
}

/// The transactional id and the timeout, if the request makes sense.
fn arguments<'a>(
    soft: &TransactionSoft,
    request: &'a InitProducerIdRequest,
) -> Result<(&'a Str, i32), ErrorCode> {
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_PRODUCER_EPOCH) {
        return Err(ErrorCode::InvalidRequest);
    }
    // Without a transactional id no coordinator is asked.
    let transactional_id = match &request.transactional_id {
        Some(id) if !id.is_empty() => id,
        Some(_) | None => return Err(ErrorCode::InvalidRequest),
    };
    if request.enable2_pc && !soft.config.two_phase_commit {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if request.keep_prepared_txn {
        return Err(ErrorCode::UnsupportedVersion);
    }
    if request.enable2_pc {
        return Ok((transactional_id, NEVER_MS));
    }
    let timeout_ms = request.transaction_timeout_ms;
    if timeout_ms <= 0 || timeout_ms > soft.config.max_timeout_ms {
        return Err(ErrorCode::InvalidTransactionTimeout);
    }
    Ok((transactional_id, timeout_ms))
}

/// Who the producer says that it was.
fn expected(request: &InitProducerIdRequest) -> Option<ProducerIdentity> {
    let producer =
        ProducerIdentity { producer_id: request.producer_id, producer_epoch: request.producer_epoch };
    (producer.producer_id != NO_PRODUCER_ID).then_some(producer)
}

/// Whether it may be the producer that it says: of an id that is new here, of this producer id, or of the one before, if its epochs are
/// used up and it may not have heard of this one.
fn may_go_on(known: &Transaction, expected: ProducerIdentity) -> bool {
    known.producer_epoch == NO_PRODUCER_EPOCH
        || expected.producer_id == known.producer_id
        || expected.producer_id == known.previous_producer_id && is_exhausted(expected.producer_epoch)
}

fn beginning(
    soft: &mut TransactionSoft,
    known: &Transaction,
    expected: Option<ProducerIdentity>,
    before: Option<ProducerIdentity>,
) -> Result<Beginning, ErrorCode> {
    let is_new = known.producer_epoch == NO_PRODUCER_EPOCH;
    let is_current = expected.is_some_and(|expected| expected.producer_epoch == known.producer_epoch);
    // Who comes anew fences the one before, whose retries are none any more.
    let if_current = expected.filter(|_| is_current && !is_new);
    if known.is_exhausted() && (expected.is_none() || is_current) {
        let producer_id = soft.producer_ids.take().ok_or(end::NO_PRODUCER_ID_LEFT)?;
        let producer = ProducerIdentity { producer_id, producer_epoch: 0 };
        return Ok(Beginning { producer, before: if_current });
    }
    if let Some(producer_epoch) = known.producer_epoch.checked_add(1).filter(|_| !known.is_exhausted())
        && (expected.is_none() || is_current || is_new)
    {
        let producer = ProducerIdentity { producer_id: known.producer_id, producer_epoch };
        return Ok(Beginning { producer, before: if_current });
    }
    if known.is_exhausted() {
        // What Kafka's coordinator says of this case, which it does not expect.
        return Err(ErrorCode::UnknownServerError);
    }
    match before {
        // A retry of what was answered, and the answer was lost.
        Some(_) if expected == before => Ok(Beginning { producer: known.producer(), before }),
        Some(_) | None => Err(ErrorCode::ProducerFenced),
    }
}
