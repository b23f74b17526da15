//! The working place of one decision: the two times, who asked, and what has been decided so far.

use super::command::{TransactionAnswer, TransactionTimer};
use super::coordinator::{TransactionMachine, TransactionSoft};
use super::records::{TransactionRecord, size_in_batch};
use super::state::Transaction;
use crate::machine::{Decision, ReplyToken};
use std::sync::Arc;
use wire::{ErrorCode, Str};

/// The working place of one decision.
pub(crate) struct Turn {
    /// The node's own time: timers.
    pub now_ms: i64,
    /// The wall clock's: what is written, and what is compared with it.
    pub wall_ms: i64,
    token: Option<ReplyToken>,
    /// Of the values that are written.
    log_version: i16,
    max_batch_bytes: usize,
    pub decision: Decision<TransactionMachine>,
}

impl Turn {
    pub fn new(soft: &TransactionSoft, now_ms: i64, token: Option<ReplyToken>) -> Self {
        Turn {
            now_ms,
            wall_ms: soft.wall.at(now_ms),
            token,
            log_version: soft.config.log_version(),
            max_batch_bytes: soft.config.max_batch_bytes,
            decision: Decision::default(),
        }
    }

    /// To the one who asked; waits for everything that was decided so far, for it may rest on it: who is told that it is fenced
    /// believes it for good.
    pub fn answer(&mut self, answer: TransactionAnswer) {
        if let Some(token) = self.token {
            self.decision.answer(token, answer);
        }
    }

    /// To the one who asked; leaves at once.
    pub fn refuse(&mut self, answer: TransactionAnswer) {
        if let Some(token) = self.token {
            self.decision.refuse(token, answer);
        }
    }

    pub fn set_timer(&mut self, timer: TransactionTimer, delay_ms: i64) {
        self.decision.set_timer(timer, self.now_ms.saturating_add(delay_ms));
    }

    pub fn cancel_timer(&mut self, timer: TransactionTimer) {
        self.decision.cancel_timer(timer);
    }

    /// Refuses a transaction that would not fit into a batch: UNKNOWN_SERVER_ERROR, as Kafka's coordinator says when its log refuses it.
    /// What follows from one that fits is not larger.
    pub fn check_size(&self, transactional_id: &str, transaction: &Transaction) -> Result<(), ErrorCode> {
        if size_in_batch(transactional_id, &transaction.partitions) > self.max_batch_bytes {
            return Err(ErrorCode::UnknownServerError);
        }
        Ok(())
    }

    /// Answers what stands in the record.
    pub fn write(&mut self, transactional_id: &Str, transaction: Transaction) -> Arc<Transaction> {
        let value = Arc::new(transaction.in_version(self.log_version));
        let (transactional_id, version) = (transactional_id.detached(), self.log_version);
        self.decision.records.push(TransactionRecord {
            transactional_id,
            value: Some(value.clone()),
            version,
        });
        value
    }

    pub fn write_tombstone(&mut self, transactional_id: &Str) {
        self.decision.records.push(TransactionRecord::tombstone(transactional_id));
    }
}
