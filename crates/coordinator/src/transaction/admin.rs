//! DescribeTransactions and ListTransactions (KIP-664, KIP-994, KIP-1152): what is committed, and of markers on their way what is left.

use super::coordinator::{TransactionMachine, TransactionSoft};
use super::refuse;
use super::state::{Transaction, TransactionState};
use crate::pattern::Pattern;
use wire::messages::describe_transactions::{TopicData, TransactionState as DescribedTransaction};
use wire::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionState as ListedTransaction,
};
use wire::{ErrorCode, Str};

/// What a ListTransactions filters transactional ids by, if by anything; INVALID_REGULAR_EXPRESSION if it makes no sense (KIP-1152).
/// For the handler, before it asks.
pub fn pattern_of(request: &ListTransactionsRequest) -> Result<Option<Pattern>, ErrorCode> {
    match &request.transactional_id_pattern {
        Some(text) if !text.is_empty() => {
            Pattern::parse(text).map(Some).map_err(|_| ErrorCode::InvalidRegularExpression)
        }
        Some(_) | None => Ok(None),
    }
}

/// Leaves those in an answer that the pattern is of. For the handler, with the answer in hand: it takes as long as it takes.
pub fn keep_matching(listed: &mut ListTransactionsResponse, pattern: Option<&Pattern>) {
    if let Some(pattern) = pattern {
        listed.transaction_states.retain(|one| pattern.matches(&one.transactional_id));
    }
}

impl TransactionMachine {
    pub(super) fn describe(
        &self,
        soft: &TransactionSoft,
        transactional_ids: &[Str],
    ) -> Vec<DescribedTransaction> {
        let one = |transactional_id: &Str| {
            if transactional_id.is_empty() {
                return refuse::described(transactional_id, ErrorCode::InvalidRequest);
            }
            match self.transactions.get(transactional_id) {
                Some(known) => described(soft, transactional_id, known),
                None => refuse::described(transactional_id, ErrorCode::TransactionalIdNotFound),
            }
        };
        transactional_ids.iter().map(one).collect()
    }

    /// State filters of a ListTransactions that name no state.
    pub fn unknown_states(&self, states: &[Str]) -> Vec<Str> {
        states.iter().filter(|name| TransactionState::from_name(name).is_none()).cloned().collect()
    }

    pub(super) fn list(
        &self,
        wall_ms: i64,
        states: &[Str],
        producer_ids: &[i64],
        duration_ms: i64,
    ) -> ListTransactionsResponse {
        let wanted: Vec<_> = states.iter().filter_map(|name| TransactionState::from_name(name)).collect();
        let is_asked_for = |known: &Transaction| {
            (states.is_empty() || wanted.contains(&known.state))
                && (producer_ids.is_empty() || producer_ids.contains(&known.producer_id))
                && (duration_ms < 0 || wall_ms.saturating_sub(known.start_ms) > duration_ms)
        };
        let listed = self.transactions.iter().filter(|(_, known)| is_asked_for(known));
        ListTransactionsResponse {
            unknown_state_filters: self.unknown_states(states),
            transaction_states: listed
                .map(|(transactional_id, known)| ListedTransaction {
                    transactional_id: transactional_id.clone(),
                    producer_id: known.producer_id,
                    transaction_state: Str::from_static(known.state.name()),
                })
                .collect(),
            ..ListTransactionsResponse::default()
        }
    }
}

fn described(soft: &TransactionSoft, transactional_id: &Str, known: &Transaction) -> DescribedTransaction {
    let sending = soft.sending.get(transactional_id).filter(|sending| sending.producer == known.producer());
    let partitions = sending.map_or(&known.partitions, |sending| &sending.left);
    let topics = partitions.topics().map(|(topic, numbers)| TopicData {
        topic: topic.clone(),
        partitions: numbers.iter().copied().collect(),
    });
    DescribedTransaction {
        error_code: ErrorCode::None.code(),
        transactional_id: transactional_id.clone(),
        transaction_state: Str::from_static(known.state.name()),
        transaction_timeout_ms: known.timeout_ms,
        transaction_start_time_ms: known.start_ms,
        producer_id: known.producer_id,
        producer_epoch: known.producer_epoch,
        topics: topics.collect(),
    }
}
