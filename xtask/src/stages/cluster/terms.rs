//! What all parts of the stage have in common: the load's topics, settings and times.

use std::time::Duration;

/// How long the writers are left alone between two strikes.
pub const CALM: Duration = Duration::from_millis(1500);

/// How long a cluster may take to be whole again.
pub const WHOLE_LIMIT: Duration = Duration::from_secs(60);

/// How long a broker may be silent before the controller fences it, as it is set below.
pub const SESSION: Duration = Duration::from_secs(3);

/// The topics of the load, by their common beginning, and what they are.
pub const NAME: &str = "cluster";
pub const TOPICS: &[&str] = &["cluster-plain", "cluster-idempotent", "cluster-java", "__consumer_offsets"];

/// Quicker than by default to notice who is silent, so that a run takes no longer than it must.
pub const SETTINGS: &[(&str, &str)] = &[
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("replica.lag.time.max.ms", "5000"),
];
