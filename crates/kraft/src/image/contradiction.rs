//! What a record is that does not fit the image it meets. Lies below all the nouns of the image, since each of them may find one.

use std::fmt;

/// A record contradicts the image it meets: the log is damaged or was not written by a correct controller. Nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction(pub String);

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Contradiction {}

/// Refuses a record.
pub(super) fn contradiction<T>(what: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction(what.into()))
}
