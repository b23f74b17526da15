//! What happens to transactions, for whoever tells people: the coordinator's node writes the lines. No part of the state, and nothing
//! that happens with every transaction.

use crate::machine::ProducerIdentity;
use wire::{ErrorCode, Str};

/// Something that happened, as it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionEvent {
    /// An open transaction was older than its timeout and is aborted; its producer is fenced.
    TimedOut {
        /// Whose.
        transactional_id: Str,
        /// Who may write no more.
        producer: ProducerIdentity,
        /// How long it might have been open.
        timeout_ms: i32,
        /// How many partitions it has written to.
        partitions: usize,
    },
    /// A new producer came while a transaction of the one before it was open: it is aborted.
    Fenced {
        /// Whose.
        transactional_id: Str,
        /// Who may write no more.
        producer: ProducerIdentity,
    },
    /// A partition says that it knows of a later producer or coordinator and takes no marker. Asked again, slowly.
    MarkerRefused {
        /// Whose.
        transactional_id: Str,
        /// Its topic.
        topic: Str,
        /// Its number.
        partition: i32,
        /// What it said.
        error: ErrorCode,
    },
    /// Transactional ids that nobody has used for `transactional.id.expiration.ms` were forgotten.
    Expired {
        /// How many in this piece of the scan.
        transactional_ids: usize,
    },
}
