//! What of the cluster the coordinator of consumer groups looks at: topics, where their replicas are, and what groups are configured with.
//! Lent by whoever hosts it, and never kept beyond a decision.

use std::fmt::Debug;
use std::sync::Arc;
use wire::{Str, Uuid};

/// A topic, as far as groups mind.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicView {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Str,
    /// How many it has.
    pub partitions: i32,
}

/// The cluster as it is known now.
pub trait ClusterView: Debug + Send + Sync {
    /// Grows whenever a topic comes, changes or goes.
    fn version(&self) -> i64;

    /// A topic by its name.
    fn topic(&self, name: &str) -> Option<TopicView>;

    /// A topic by its id.
    fn topic_by_id(&self, id: Uuid) -> Option<TopicView>;

    /// Every topic's name.
    fn each_topic(&self, see: &mut dyn FnMut(&Str));

    /// The racks of a partition's replicas, sorted, each as often as it has one.
    fn racks(&self, topic: &str, partition: i32) -> Vec<Str>;

    /// What a group is configured with instead of the coordinator's own value, as it was written.
    fn group_text(&self, group: &str, setting: GroupSetting) -> Option<String>;

    /// The same where it is a number.
    fn group_setting(&self, group: &str, setting: GroupSetting) -> Option<i32> {
        self.group_text(group, setting)?.parse().ok()
    }
}

/// What a group may be configured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupSetting {
    /// `consumer.session.timeout.ms`
    SessionTimeoutMs,
    /// `consumer.heartbeat.interval.ms`
    HeartbeatIntervalMs,
    /// `consumer.assignment.interval.ms`
    AssignmentIntervalMs,
    /// `share.session.timeout.ms`
    ShareSessionTimeoutMs,
    /// `share.heartbeat.interval.ms`
    ShareHeartbeatIntervalMs,
    /// `share.assignment.interval.ms`
    ShareAssignmentIntervalMs,
    /// `streams.session.timeout.ms`
    StreamsSessionTimeoutMs,
    /// `streams.heartbeat.interval.ms`
    StreamsHeartbeatIntervalMs,
    /// `streams.assignment.interval.ms`
    StreamsAssignmentIntervalMs,
    /// `streams.task.offset.interval.ms`
    StreamsTaskOffsetIntervalMs,
    /// `streams.initial.rebalance.delay.ms`
    StreamsInitialRebalanceDelayMs,
    /// `streams.num.standby.replicas`
    StreamsNumStandbyReplicas,
    /// `streams.acceptable.recovery.lag`
    StreamsAcceptableRecoveryLag,
    /// `streams.rack.aware.assignment.tags`
    StreamsRackAwareAssignmentTags,
}

impl GroupSetting {
    /// Its name in the configuration of a group.
    pub fn key(self) -> &'static str {
        match self {
            GroupSetting::SessionTimeoutMs => "consumer.session.timeout.ms",
            GroupSetting::HeartbeatIntervalMs => "consumer.heartbeat.interval.ms",
            GroupSetting::AssignmentIntervalMs => "consumer.assignment.interval.ms",
            GroupSetting::ShareSessionTimeoutMs => "share.session.timeout.ms",
            GroupSetting::ShareHeartbeatIntervalMs => "share.heartbeat.interval.ms",
            GroupSetting::ShareAssignmentIntervalMs => "share.assignment.interval.ms",
            GroupSetting::StreamsSessionTimeoutMs => "streams.session.timeout.ms",
            GroupSetting::StreamsHeartbeatIntervalMs => "streams.heartbeat.interval.ms",
            GroupSetting::StreamsAssignmentIntervalMs => "streams.assignment.interval.ms",
            GroupSetting::StreamsTaskOffsetIntervalMs => "streams.task.offset.interval.ms",
            GroupSetting::StreamsInitialRebalanceDelayMs => "streams.initial.rebalance.delay.ms",
            GroupSetting::StreamsNumStandbyReplicas => "streams.num.standby.replicas",
            GroupSetting::StreamsAcceptableRecoveryLag => "streams.acceptable.recovery.lag",
            GroupSetting::StreamsRackAwareAssignmentTags => "streams.rack.aware.assignment.tags",
        }
    }
}

/// The cluster as it was at a moment: two of one version show the same topics.
#[derive(Debug, Clone)]
pub struct Seen(pub Arc<dyn ClusterView>);

impl PartialEq for Seen {
    fn eq(&self, other: &Seen) -> bool {
        self.0.version() == other.0.version()
    }
}

/// A cluster of which nothing is known yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingKnown;

impl ClusterView for NothingKnown {
    fn version(&self) -> i64 {
        0
    }

    fn topic(&self, _name: &str) -> Option<TopicView> {
        None
    }

    fn topic_by_id(&self, _id: Uuid) -> Option<TopicView> {
        None
    }

    fn each_topic(&self, _see: &mut dyn FnMut(&Str)) {}

    fn racks(&self, _topic: &str, _partition: i32) -> Vec<Str> {
        Vec::new()
    }

    fn group_text(&self, _group: &str, _setting: GroupSetting) -> Option<String> {
        None
    }
}
