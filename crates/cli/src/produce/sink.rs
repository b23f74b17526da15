//! Where the records of `ottla produce` go: to a producer, each for itself, or into one transaction, all or none.

use crate::failure::{Exit, Failure};
use crate::refusal::{exit_of, split};
use client::{Delivery, Error, Handling, Producer, Record, Result, Standstill, Transaction};

/// See the module.
pub enum Sink<'a> {
    Each(Producer),
    Together(Transaction<'a>),
}

impl Sink<'_> {
    pub async fn enqueue(&self, record: Record) -> Result<Delivery> {
        match self {
            Sink::Each(producer) => producer.enqueue(record).await,
            Sink::Together(transaction) => transaction.enqueue(record).await,
        }
    }

    /// Waits until everything that was enqueued is decided.
    pub async fn flush(&self) {
        match self {
            Sink::Each(producer) => producer.flush().await,
            Sink::Together(transaction) => transaction.flush().await,
        }
    }

    pub fn standstill(&self) -> Option<Standstill> {
        match self {
            Sink::Each(producer) => producer.standstill(),
            Sink::Together(transaction) => transaction.standstill(),
        }
    }

    /// True where one lost record makes the others worth nothing.
    pub fn is_all_or_none(&self) -> bool {
        matches!(self, Sink::Together(_))
    }

    /// After the last record: what counts, counts now.
    pub async fn commit(self) -> std::result::Result<(), Failure> {
        match self {
            Sink::Each(_) => Ok(()),
            Sink::Together(transaction) => transaction.commit().await.map_err(|error| none_counts(&error)),
        }
    }

    /// After the first loss: nothing counts. Where even that cannot be told, the coordinator finds out by itself.
    pub async fn give_up(self) {
        if let Sink::Together(transaction) = self
            && let Err(error) = transaction.abort().await
        {
            tracing::debug!(%error, "the transaction could not be aborted");
        }
    }
}

/// Why a transaction came to nothing.
pub fn none_counts(error: &Error) -> Failure {
    if matches!(error, Error::Timeout { .. }) {
        let why = format!("{}; whether the transaction counts is not known", split(error).1);
        return Failure::new("the end of the transaction was not confirmed", why)
            .exit(Exit::Partial)
            .try_this("ottla txn list");
    }
    let hint = match error.handling() {
        Handling::ApplicationRecoverable => {
            "is another program using this --transactional-id? ottla txn list"
        }
        Handling::Retriable | Handling::Abortable => "the same again, once the cause is gone",
        Handling::InvalidConfiguration => "ottla cluster info",
    };
    Failure::new("no record counts: the transaction was aborted", split(error).1)
        .exit(exit_of(error))
        .try_this(hint)
}
