//! The controller (KIP-500, 631): decides which records a command deserves. `decide` reads the pending image and cannot change
//! it; what it remembers beside the image (heartbeats, timers) is soft state that dies with leadership.

mod activation;
mod brokers;
mod command;
mod configs;
mod decide;
mod feature_levels;
mod leadership;
mod partitions;
mod placement;
mod producer_ids;
mod refuse;
mod rules;
#[cfg(test)]
pub(crate) mod rules_for_tests;
mod soft;
mod topics;

#[cfg(test)]
mod tests;

pub use activation::{bootstrap_records, registration_records};
pub use command::{ControllerAnswer, ControllerCommand, Refusal};
pub use decide::{Context, Decision, decide, next_deadline_ms, tick};
pub use refuse::refuse;
pub use rules::{ConfigRules, EffectiveConfig};
pub use soft::Soft;
pub use topics::check_topic_name;

use wire::Str;

/// What a controller is configured with; the names of the keys in the comments.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    pub node_id: i32,
    pub cluster_id: Str,
    /// `default.replication.factor`
    pub default_replication_factor: i16,
    /// `num.partitions`
    pub default_num_partitions: i32,
    /// `broker.session.timeout.ms`
    pub session_timeout_ms: i64,
    /// `metadata.max.idle.interval.ms`; 0 writes no NoOpRecords.
    pub max_idle_interval_ms: i64,
    /// `leader.imbalance.check.interval.seconds`, or `None` without `auto.leader.rebalance.enable`.
    pub leader_imbalance_check_interval_ms: Option<i64>,
    /// `unclean.leader.election.interval.ms`
    pub unclean_election_check_interval_ms: i64,
}
