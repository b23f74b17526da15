//! Every group key of Kafka 4.4. A table and nothing else.

use super::key::{ConfigKey, Importance::*, KeyState::*, UpdateMode::*, Validator::*, key};
use super::value::ValueType::*;

/// One row per key, in name order: name, type, default, validator, importance, update mode, state, doc.
#[rustfmt::skip]
pub static GROUP_KEYS: &[ConfigKey] = &[
    key("consumer.assignment.interval.ms", Int, Some("1000"), AtLeast(0.0), Medium, PerResource, Implemented, "Least time between assignments."),
    key("consumer.assignor.offload.enable", Boolean, Some("true"), Any, Medium, PerResource, Accepted, "Compute assignments outside the coordinator's loop.").internal(),
    key("consumer.heartbeat.interval.ms", Int, Some("5000"), AtLeast(1.0), Medium, PerResource, Implemented, "Heartbeat interval given to members."),
    key("consumer.session.timeout.ms", Int, Some("45000"), AtLeast(1.0), Medium, PerResource, Implemented, "Session timeout of members."),
    key("errors.deadletterqueue.copy.record.enable", Boolean, Some("false"), Any, Medium, PerResource, Implemented, "Copy the record itself into the dead-letter topic."),
    key("errors.deadletterqueue.topic.name", Text, Some(""), Any, Medium, PerResource, Implemented, "Dead-letter topic of the group; empty is none."),
    key("share.assignment.interval.ms", Int, Some("1000"), AtLeast(0.0), Medium, PerResource, Implemented, "Least time between assignments."),
    key("share.assignor.offload.enable", Boolean, Some("true"), Any, Medium, PerResource, Accepted, "Compute assignments outside the coordinator's loop.").internal(),
    key("share.auto.offset.reset", Text, Some("latest"), ShareOffsetReset, Medium, PerResource, Implemented, "Where a new share group starts."),
    key("share.delivery.count.limit", Int, Some("5"), AtLeast(2.0), Medium, PerResource, Implemented, "Delivery attempts of a record."),
    key("share.heartbeat.interval.ms", Int, Some("5000"), AtLeast(1.0), Medium, PerResource, Implemented, "Heartbeat interval given to members."),
    key("share.isolation.level", Text, Some("read_uncommitted"), OneOf(&["read_committed", "read_uncommitted"]), Medium, PerResource, Implemented, "Whether members see records of open transactions."),
    key("share.partition.max.record.locks", Int, Some("2000"), AtLeast(100.0), Medium, PerResource, Implemented, "Most records of a partition that may be acquired at once."),
    key("share.record.lock.duration.ms", Int, Some("30000"), AtLeast(1000.0), Medium, PerResource, Implemented, "How long a member holds a record."),
    key("share.renew.acknowledge.enable", Boolean, Some("true"), Any, Medium, PerResource, Implemented, "Allow members to renew their hold on a record."),
    key("share.session.timeout.ms", Int, Some("45000"), AtLeast(1.0), Medium, PerResource, Implemented, "Session timeout of members."),
    key("streams.acceptable.recovery.lag", Long, Some("10000"), AtLeast(0.0), Medium, PerResource, Implemented, "Lag up to which a task counts as caught up.").internal(),
    key("streams.assignment.interval.ms", Int, Some("1000"), AtLeast(0.0), Medium, PerResource, Implemented, "Least time between assignments."),
    key("streams.assignor.name", Text, None, Any, Medium, PerResource, Accepted, "Server-side assignor of the group."),
    key("streams.assignor.offload.enable", Boolean, Some("true"), Any, Medium, PerResource, Accepted, "Compute assignments outside the coordinator's loop.").internal(),
    key("streams.heartbeat.interval.ms", Int, Some("5000"), AtLeast(1.0), Medium, PerResource, Implemented, "Heartbeat interval given to members."),
    key("streams.initial.rebalance.delay.ms", Int, Some("3000"), AtLeast(0.0), Medium, PerResource, Implemented, "Wait for more members before the first assignment."),
    key("streams.num.standby.replicas", Int, Some("0"), AtLeast(0.0), Medium, PerResource, Implemented, "Standby replicas per task."),
    key("streams.num.warmup.replicas", Int, Some("2"), AtLeast(0.0), Medium, PerResource, Accepted, "Warm-up replicas.").internal(),
    key("streams.rack.aware.assignment.tags", List, Some(""), AnyList, Low, PerResource, Implemented, "Client tags that spread standby tasks."),
    key("streams.session.timeout.ms", Int, Some("45000"), AtLeast(1.0), Medium, PerResource, Implemented, "Session timeout of members."),
    key("streams.task.offset.interval.ms", Int, Some("60000"), AtLeast(1.0), Medium, PerResource, Implemented, "Time between task offset reports.").internal(),
];
