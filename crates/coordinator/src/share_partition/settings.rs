//! What a share group is configured with, as far as its share partitions obey it.

/// What the group's configuration says, asked for each time: it may change while records are in flight (KIP-1240).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareSettings {
    /// `share.record.lock.duration.ms`
    pub lock_duration_ms: i64,
    /// `share.delivery.count.limit`
    pub delivery_count_limit: i16,
    /// `share.partition.max.record.locks`: between the first record that is not done with and the last that was handed out.
    pub max_record_locks: i64,
    /// `share.renew.acknowledge.enable` (KIP-1222)
    pub allows_renewal: bool,
    /// `errors.deadletterqueue.topic.name` is set (KIP-1191).
    pub has_dead_letters: bool,
}
