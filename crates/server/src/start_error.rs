//! Why a node did not start: what happened, why, what to try.

use std::fmt;

/// Why a node did not start, and what to do about it.
#[derive(Debug)]
pub struct StartError {
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to try.
    pub hint: String,
}

impl StartError {
    /// From three texts.
    pub(crate) fn new(what: impl fmt::Display, why: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self { what: what.to_string(), why: why.to_string(), hint: hint.to_string() }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for StartError {}
