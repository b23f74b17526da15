//! AddPartitionsToTxn and AddOffsetsToTxn: what a transaction is about to write to; and whether it may (KIP-98, KIP-890).
//!
//! An answer waits until the addition is committed: no record of a transaction lies in a partition that its coordinator does not know of.

use super::command::{TransactionAnswer, TransactionTimer};
use super::coordinator::TransactionMachine;
use super::partitions::Partitions;
use super::refuse;
use super::state::{EPOCH_BUMP_SINCE, Transaction};
use super::turn::Turn;
use crate::machine::ProducerIdentity;
use wire::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use wire::messages::add_partitions_to_txn::{AddPartitionsToTxnResult, AddPartitionsToTxnTransaction};
use wire::topic::CONSUMER_OFFSETS;
use wire::{ErrorCode, Str};

/// AddPartitionsToTxn from this version on is a broker's, for a client of protocol 2.
const BROKERS_SINCE: i16 = 4;

impl TransactionMachine {
    pub(super) fn add_partitions(
        &self,
        turn: &mut Turn,
        api_version: i16,
        transaction: &AddPartitionsToTxnTransaction,
    ) {
        let transactional_id = &transaction.transactional_id;
        if transactional_id.is_empty() {
            return turn.refuse(refuse::add_partitions(api_version, transaction, ErrorCode::InvalidRequest));
        }
        if transaction.verify_only {
            // Asked of what is committed; here only if somebody decides what could have been queried.
            let answer = TransactionAnswer::AddPartitions(self.verify_partitions(transaction));
            return turn.answer(answer);
        }
        let mut added = Partitions::default();
        for topic in &transaction.topics {
            for partition in &topic.partitions {
                added.insert(&topic.name, *partition);
            }
        }
        let client_version = if api_version >= BROKERS_SINCE { EPOCH_BUMP_SINCE } else { 0 };
        let error = self.add(turn, transactional_id, producer_of(transaction), &added, client_version).err();
        let answer = refuse::add_partitions(api_version, transaction, error.unwrap_or(ErrorCode::None));
        turn.answer(answer);
    }

    pub(super) fn add_offsets(
        &self,
        turn: &mut Turn,
        api_version: i16,
        request: &AddOffsetsToTxnRequest,
        partition: i32,
    ) {
        if request.transactional_id.is_empty() {
            return turn.refuse(refuse::add_offsets(api_version, ErrorCode::InvalidRequest));
        }
        let producer =
            ProducerIdentity { producer_id: request.producer_id, producer_epoch: request.producer_epoch };
        let mut added = Partitions::default();
        added.insert(&Str::from_static(CONSUMER_OFFSETS), partition);
        let error = self.add(turn, &request.transactional_id, producer, &added, 0).err();
        turn.answer(refuse::add_offsets(api_version, error.unwrap_or(ErrorCode::None)));
    }

    fn add(
        &self,
        turn: &mut Turn,
        transactional_id: &Str,
        producer: ProducerIdentity,
        added: &Partitions,
        client_version: i16,
    ) -> Result<(), ErrorCode> {
        let known = self.transactions.get(transactional_id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        // Before anything else: it may be between two producer ids.
        if known.state.prepared().is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        check_producer(known, producer)?;
        if !known.state.is_settled() && known.partitions.contains_all(added) {
            return Ok(());
        }
        let transaction = known.extended(added, client_version, turn.wall_ms);
        turn.check_size(transactional_id, &transaction)?;
        if known.state.is_settled() && !transaction.is_two_phase() {
            let timer = TransactionTimer::Timeout { transactional_id: transactional_id.detached() };
            turn.set_timer(timer, i64::from(transaction.timeout_ms));
        }
        turn.write(transactional_id, transaction);
        Ok(())
    }

    /// Whether each partition is in the open transaction of this producer: TRANSACTION_ABORTABLE where it is not.
    pub(super) fn verify_partitions(
        &self,
        transaction: &AddPartitionsToTxnTransaction,
    ) -> AddPartitionsToTxnResult {
        if transaction.transactional_id.is_empty() {
            return refuse::add_partitions_result(transaction, |_, _| ErrorCode::InvalidRequest);
        }
        let Some(known) = self.transactions.get(&transaction.transactional_id) else {
            return refuse::add_partitions_result(transaction, |_, _| ErrorCode::InvalidProducerIdMapping);
        };
        let error = match check_producer(known, producer_of(transaction)) {
            Ok(()) if known.state.prepared().is_some() => Some(ErrorCode::ConcurrentTransactions),
            Ok(()) => None,
            Err(error) => Some(error),
        };
        refuse::add_partitions_result(transaction, |topic, partition| match error {
            Some(error) => error,
            None if known.partitions.contains(topic, partition) => ErrorCode::None,
            None => ErrorCode::TransactionAbortable,
        })
    }
}

fn producer_of(transaction: &AddPartitionsToTxnTransaction) -> ProducerIdentity {
    ProducerIdentity { producer_id: transaction.producer_id, producer_epoch: transaction.producer_epoch }
}

fn check_producer(known: &Transaction, producer: ProducerIdentity) -> Result<(), ErrorCode> {
    if known.producer_id != producer.producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if known.producer_epoch != producer.producer_epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    Ok(())
}
