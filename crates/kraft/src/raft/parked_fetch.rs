//! A fetch of the metadata log that waits for news, as data. When it is answered is `leader_fetch.rs`'s business.

use super::RequestToken;
use super::voters::ReplicaKey;
use wire::messages::fetch::FetchPartition;

/// Fetches that wait at once; beyond, they are answered empty at once.
pub(super) const MAX_PARKED_FETCHES: usize = 10_000;

/// A fetch that waits for records or for a higher watermark.
#[derive(Debug)]
pub(super) struct ParkedFetch {
    /// Of the request, for its answer.
    pub token: RequestToken,
    /// Who asked; an id below 0 is no replica.
    pub replica: ReplicaKey,
    /// What was asked.
    pub partition: FetchPartition,
    /// The most that the answer may hold.
    pub max_bytes: i32,
    /// Then it is answered, with whatever there is.
    pub deadline_ms: i64,
}
