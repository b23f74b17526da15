//! The settings of the share coordinator, one field per Kafka key. Values only; the table of keys is the broker's.

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareConfig {
    /// `share.coordinator.snapshot.update.records.per.snapshot`: after so many updates the next write is a snapshot.
    pub updates_per_snapshot: i32,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`: what has not been snapshotted for so long is, so that older records become
    /// redundant.
    pub cold_snapshot_interval_ms: i64,
    /// `share.coordinator.state.topic.prune.interval.ms`: between two looks for records that nobody needs.
    pub prune_interval_ms: i64,
}

impl Default for ShareConfig {
    fn default() -> Self {
        ShareConfig {
            updates_per_snapshot: 500,
            cold_snapshot_interval_ms: 300_000,
            prune_interval_ms: 300_000,
        }
    }
}
