//! Why the controller says no: a code and Kafka's words, of a whole command or of one part of it.

use std::fmt;
use wire::{ErrorCode, Str};

/// A whole command, or one part of it, was refused: what the client must read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub error: ErrorCode,
    /// Kafka's words; `None` where Kafka sends no message, or the error's own.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal in so many words.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { error, message: Some(message.into()) }
    }

    /// A refusal with the error's own words.
    pub fn plain(error: ErrorCode) -> Self {
        Refusal { error, message: Some(error.message().to_owned()) }
    }

    /// A refusal without words: what Kafka sends for an exception thrown without a message of its own.
    pub fn silent(error: ErrorCode) -> Self {
        Refusal { error, message: None }
    }

    /// This node does not lead the quorum; the message is what Kafka says where the leader is unknown.
    pub fn not_controller() -> Self {
        Refusal::new(ErrorCode::NotController, "No controller appears to be active.")
    }

    /// The message as answers carry it.
    pub fn text(&self) -> Option<Str> {
        self.message.as_deref().map(Str::from)
    }
}

/// Refuses what has no time left: a deadline that has passed before the controller looks at the request is its answer, and
/// nothing is changed.
pub(super) fn in_time(timeout_ms: i32) -> Result<(), Refusal> {
    if timeout_ms > 0 { Ok(()) } else { Err(Refusal::plain(ErrorCode::RequestTimedOut)) }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.error, self.message.as_deref().unwrap_or("-"))
    }
}
