//! The settings of the group coordinator, one field per Kafka key. Values only; the table of keys is the broker's.

/// Times in milliseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub classic_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub classic_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub classic_initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub classic_max_size: i32,
    /// How long a new member may wait in the join phase before it counts as gone; Kafka has no key for it.
    pub classic_new_member_join_timeout_ms: i32,
    /// `offset.metadata.max.bytes`
    pub offset_metadata_max_bytes: i32,
    /// `offsets.retention.minutes`
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: i64,
    /// `max.message.bytes` of the offsets topic: what one decision may write.
    pub max_batch_bytes: usize,
}

impl Default for GroupConfig {
    fn default() -> Self {
        GroupConfig {
            classic_min_session_timeout_ms: 6_000,
            classic_max_session_timeout_ms: 1_800_000,
            classic_initial_rebalance_delay_ms: 3_000,
            classic_max_size: i32::MAX,
            classic_new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            max_batch_bytes: 1_048_588,
        }
    }
}
