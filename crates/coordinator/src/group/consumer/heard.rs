//! What a heartbeat comes to, and what passes between a group and whoever looks at its patterns. Plain data.

use super::view::Seen;
use std::collections::{BTreeMap, BTreeSet};
use wire::Str;
use wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;

/// What a heartbeat comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerHeartbeatAnswer {
    /// For the member.
    pub response: ConsumerGroupHeartbeatResponse,
    /// For whoever asked in its name: to be looked at with the member's eyes, and told as [`Resolved`].
    pub resolve: Option<ToResolve>,
}

/// Patterns to be looked at for a group.
#[derive(Debug, Clone, PartialEq)]
pub struct ToResolve {
    /// Whose.
    pub group: Str,
    /// The patterns.
    pub patterns: Vec<Str>,
    /// Where their topics are to be looked for.
    pub seen: Seen,
}

/// What the patterns of a group stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Whose.
    pub group: Str,
    /// The names of topics, by pattern.
    pub topics: BTreeMap<Str, BTreeSet<Str>>,
    /// Of the cluster as it was looked at.
    pub version: i64,
}
