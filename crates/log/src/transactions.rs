//! Transactions as the log sees them: the aborted index (`.txnindex`) and the last stable offset. Never talks to a coordinator.

/// One aborted transaction (34 bytes in `.txnindex`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    pub last_stable_offset: i64,
}
