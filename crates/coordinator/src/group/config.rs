//! The settings of the group coordinator, one field per Kafka key. Values only; the table of keys is the broker's.

use super::assignor::Assignor;
use std::sync::Arc;

/// Which moves between the protocols a group makes while it has members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// None.
    Disabled,
    /// From classic to consumer.
    Upgrade,
    /// From consumer to classic.
    Downgrade,
    /// Both.
    Bidirectional,
}

impl MigrationPolicy {
    /// A classic group with members becomes a consumer group.
    pub fn upgrades(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    /// A consumer group whose last members of its own protocol leave becomes a classic group.
    pub fn downgrades(self) -> bool {
        matches!(self, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
    }
}

/// The settings of consumer groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// `group.consumer.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `group.consumer.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.consumer.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.min.heartbeat.interval.ms`
    pub min_heartbeat_interval_ms: i32,
    /// `group.consumer.max.heartbeat.interval.ms`
    pub max_heartbeat_interval_ms: i32,
    /// `group.consumer.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// `group.consumer.min.assignment.interval.ms`
    pub min_assignment_interval_ms: i32,
    /// `group.consumer.max.assignment.interval.ms`
    pub max_assignment_interval_ms: i32,
    /// `group.consumer.max.size`
    pub max_size: i32,
    /// `group.consumer.assignors`, the default first.
    pub assignors: [Option<Assignor>; 2],
    /// `group.consumer.regex.refresh.interval.ms`
    pub regex_refresh_interval_ms: i32,
    /// `group.consumer.migration.policy`
    pub migration_policy: MigrationPolicy,
}

impl ConsumerConfig {
    /// For groups whose members do not mind.
    pub fn default_assignor(&self) -> Assignor {
        self.assignors.iter().flatten().next().copied().unwrap_or(Assignor::Uniform)
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        ConsumerConfig {
            session_timeout_ms: 45_000,
            min_session_timeout_ms: 45_000,
            max_session_timeout_ms: 60_000,
            heartbeat_interval_ms: 5_000,
            min_heartbeat_interval_ms: 5_000,
            max_heartbeat_interval_ms: 15_000,
            assignment_interval_ms: 1_000,
            min_assignment_interval_ms: 0,
            max_assignment_interval_ms: 15_000,
            max_size: i32::MAX,
            assignors: [Some(Assignor::Uniform), Some(Assignor::Range)],
            regex_refresh_interval_ms: 600_000,
            migration_policy: MigrationPolicy::Bidirectional,
        }
    }
}

/// The settings of share groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareGroupConfig {
    /// `group.share.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `group.share.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.share.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.share.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `group.share.min.heartbeat.interval.ms`
    pub min_heartbeat_interval_ms: i32,
    /// `group.share.max.heartbeat.interval.ms`
    pub max_heartbeat_interval_ms: i32,
    /// `group.share.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// `group.share.min.assignment.interval.ms`
    pub min_assignment_interval_ms: i32,
    /// `group.share.max.assignment.interval.ms`
    pub max_assignment_interval_ms: i32,
    /// `group.share.max.size`
    pub max_size: i32,
    /// `group.share.initialize.retry.interval.ms`
    pub initialize_retry_interval_ms: i32,
}

impl Default for ShareGroupConfig {
    fn default() -> Self {
        ShareGroupConfig {
            session_timeout_ms: 45_000,
            min_session_timeout_ms: 45_000,
            max_session_timeout_ms: 60_000,
            heartbeat_interval_ms: 5_000,
            min_heartbeat_interval_ms: 5_000,
            max_heartbeat_interval_ms: 15_000,
            assignment_interval_ms: 1_000,
            min_assignment_interval_ms: 0,
            max_assignment_interval_ms: 15_000,
            max_size: 200,
            initialize_retry_interval_ms: 30_000,
        }
    }
}

/// The settings of streams groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsGroupConfig {
    /// `group.streams.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `group.streams.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.streams.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.streams.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `group.streams.min.heartbeat.interval.ms`
    pub min_heartbeat_interval_ms: i32,
    /// `group.streams.max.heartbeat.interval.ms`
    pub max_heartbeat_interval_ms: i32,
    /// `group.streams.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// `group.streams.min.assignment.interval.ms`
    pub min_assignment_interval_ms: i32,
    /// `group.streams.max.assignment.interval.ms`
    pub max_assignment_interval_ms: i32,
    /// `group.streams.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.streams.task.offset.interval.ms`
    pub task_offset_interval_ms: i32,
    /// `group.streams.min.task.offset.interval.ms`
    pub min_task_offset_interval_ms: i32,
    /// `group.streams.acceptable.recovery.lag`
    pub acceptable_recovery_lag: i64,
    /// `group.streams.num.standby.replicas`
    pub num_standby_replicas: i32,
    /// `group.streams.max.standby.replicas`
    pub max_standby_replicas: i32,
    /// `group.streams.rack.aware.assignment.tags`, with commas between them.
    pub rack_aware_assignment_tags: Arc<str>,
    /// `group.streams.max.size`
    pub max_size: i32,
}

impl Default for StreamsGroupConfig {
    fn default() -> Self {
        StreamsGroupConfig {
            session_timeout_ms: 45_000,
            min_session_timeout_ms: 45_000,
            max_session_timeout_ms: 60_000,
            heartbeat_interval_ms: 5_000,
            min_heartbeat_interval_ms: 5_000,
            max_heartbeat_interval_ms: 15_000,
            assignment_interval_ms: 1_000,
            min_assignment_interval_ms: 0,
            max_assignment_interval_ms: 15_000,
            initial_rebalance_delay_ms: 3_000,
            task_offset_interval_ms: 60_000,
            min_task_offset_interval_ms: 15_000,
            acceptable_recovery_lag: 10_000,
            num_standby_replicas: 0,
            max_standby_replicas: 2,
            rack_aware_assignment_tags: Arc::from(""),
            max_size: i32::MAX,
        }
    }
}

/// Times in milliseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub classic_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub classic_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub classic_initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub classic_max_size: i32,
    /// Of consumer groups.
    pub consumer: ConsumerConfig,
    /// Of share groups.
    pub share: ShareGroupConfig,
    /// Of streams groups.
    pub streams: StreamsGroupConfig,
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
            consumer: ConsumerConfig::default(),
            share: ShareGroupConfig::default(),
            streams: StreamsGroupConfig::default(),
            classic_new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            max_batch_bytes: 1_048_588,
        }
    }
}
