//! What must hold of transactional ids whenever a decision is made, in release too. A few comparisons for each record that is about to be
//! written; the list stands at [`Transaction`] and below.
//!
//! - `move`: a state follows from the one before it, by the table of moves;
//! - `epoch`: for one producer id it never falls, and another producer id begins with 0;
//! - `producer`: who is persisted has an id and an epoch;
//! - `partitions`: an open transaction loses none, its outcome is about all of them, and a settled one has none;
//! - `next`: a producer id for the time after belongs to a decided transaction;
//! - `markers`: they go for what is decided, and never for what is not.

use super::coordinator::{TransactionMachine, TransactionSoft};
use super::state::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction, TransactionState};
use crate::machine::Decision;
use wire::Str;

impl TransactionMachine {
    /// Panics with the name of the invariant that a decision is about to break.
    pub(super) fn check_decision(&self, soft: &TransactionSoft, decision: &Decision<TransactionMachine>) {
        for record in &decision.records {
            let id = &record.transactional_id;
            let before = self.transactions.get(id).map(AsRef::as_ref);
            match &record.value {
                Some(after) => {
                    check_move(id, before, after);
                    let is_sent = soft.sending.contains_key(id);
                    assert!(!is_sent, "markers: those of {id} are on their way and it moves");
                }
                None => assert!(
                    before.is_some_and(|before| before.state.is_settled()),
                    "move: {id} would be forgotten in the middle of a transaction"
                ),
            }
        }
    }
}

fn check_move(id: &Str, before: Option<&Transaction>, after: &Transaction) {
    let (state, before_state) = (after.state, before.map_or(TransactionState::Empty, |before| before.state));
    assert!(
        state.may_follow(before_state) && (before.is_some() || state == TransactionState::Empty),
        "move: {id} would go from {} to {}",
        before_state.name(),
        state.name()
    );
    assert!(
        after.producer_id > NO_PRODUCER_ID && after.producer_epoch > NO_PRODUCER_EPOCH,
        "producer: {id} would have none"
    );
    assert!(
        after.next_producer_id == NO_PRODUCER_ID || state.prepared().is_some(),
        "next: {id} would have a producer id for the time after"
    );
    assert!(
        !state.is_settled() || after.partitions.is_empty(),
        "partitions: {id} would have some and no transaction"
    );
    let Some(before) = before else { return };
    if after.producer_id == before.producer_id {
        assert!(after.producer_epoch >= before.producer_epoch, "epoch: that of {id} would go back");
    } else {
        assert!(after.producer_epoch == 0, "epoch: another producer id of {id} would not begin with 0");
    }
    match state {
        TransactionState::Ongoing => assert!(
            after.partitions.contains_all(&before.partitions),
            "partitions: {id} would lose some while it is open"
        ),
        TransactionState::PrepareCommit | TransactionState::PrepareAbort => assert!(
            after.partitions == before.partitions,
            "partitions: the outcome of {id} would be about others than it has written to"
        ),
        TransactionState::Empty
        | TransactionState::CompleteCommit
        | TransactionState::CompleteAbort
        | TransactionState::Dead
        | TransactionState::PrepareEpochFence => {}
    }
}

#[cfg(test)]
mod tests;
