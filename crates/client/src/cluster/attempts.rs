//! Trying again: a deadline, waits that grow, and the last failure for the final error. Decides nothing but that.

use crate::error::{Error, Result};
use crate::options::{ClientOptions, random_seed};
use net::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Attempts {
    deadline: Instant,
    after: Duration,
    doing: String,
    backoff: Backoff,
    last: Option<Error>,
}

impl Attempts {
    /// An operation that may take `after` in all.
    pub(crate) fn new(options: &ClientOptions, after: Duration, doing: impl Into<String>) -> Attempts {
        let backoff = Backoff::new(options.retry_backoff, options.retry_backoff_max, random_seed());
        Attempts { deadline: Instant::now() + after, after, doing: doing.into(), backoff, last: None }
    }

    /// What is left until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// After a failure: waits if another attempt makes sense, else gives the final error. Cancel-safe.
    pub(crate) async fn failed(&mut self, error: Error) -> Result<()> {
        if !error.is_retriable() {
            return Err(error);
        }
        tracing::debug!(doing = %self.doing, %error, "trying again");
        let wait = self.backoff.next_wait();
        if wait >= self.left() {
            self.last = Some(error);
            return Err(self.over());
        }
        self.last = Some(error);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The final error where the deadline passed in the middle of an attempt.
    pub(crate) fn over(&mut self) -> Error {
        let doing = std::mem::take(&mut self.doing);
        Error::Timeout { doing, after: self.after, last: self.last.take().map(Box::new) }
    }
}
