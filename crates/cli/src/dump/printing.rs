//! What is to be printed, where to, and the words that several kinds of files share.

use std::io::{BufWriter, StdoutLock};

/// What the readers need to know.
pub struct Wanted {
    /// Every record, not only batches.
    pub deep: bool,
    /// Keys and values of records.
    pub contents: bool,
    /// What records have beside keys and values.
    pub metadata: bool,
    /// Batches up to so many bytes of the file.
    pub max_bytes: u64,
    /// JSON in place of text.
    pub json: bool,
    /// Of indexes, whether they look sound and nothing else.
    pub sanity_only: bool,
    /// Of indexes, whether they agree with their logs and nothing else.
    pub verify_only: bool,
}

/// Where everything is printed: one lock for the whole run.
pub type Out = BufWriter<StdoutLock<'static>>;

/// `OptionalLong` as Java prints it.
pub fn optional(value: Option<i64>) -> String {
    value.map_or_else(|| "OptionalLong.empty".to_owned(), |value| format!("OptionalLong[{value}]"))
}
