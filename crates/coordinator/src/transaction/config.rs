//! The settings of the transaction coordinator, one field per Kafka key. Values only; the table of keys is the broker's.

/// Times in milliseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expiration_interval_ms: i64,
    /// `transaction.two.phase.commit.enable`
    pub two_phase_commit: bool,
    /// The finalized level of the feature `transaction.version`: 0, 1 (records with tagged fields) or 2 (KIP-890).
    pub transaction_version: i16,
    /// `max.message.bytes` of the transaction topic: what one decision may write.
    pub max_batch_bytes: usize,
}

impl TransactionConfig {
    /// The version of the values that are written.
    pub fn log_version(&self) -> i16 {
        i16::from(self.transaction_version >= 1)
    }
}

impl Default for TransactionConfig {
    fn default() -> Self {
        TransactionConfig {
            max_timeout_ms: 900_000,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            expiration_interval_ms: 3_600_000,
            two_phase_commit: false,
            transaction_version: 2,
            max_batch_bytes: 1_048_588,
        }
    }
}
