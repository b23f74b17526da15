//! A share partition: its name, which partition of `__share_group_state` it belongs to, and how that topic is made.

use crate::group;
use std::fmt;
use wire::{Str, Uuid};

/// A partition of a topic, as one group shares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharePartition {
    /// The share group.
    pub group: Str,
    /// The topic.
    pub topic_id: Uuid,
    /// Its partition.
    pub partition: i32,
}

/// The coordinator's key, as FindCoordinator wants it.
impl fmt::Display for SharePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.group, self.topic_id, self.partition)
    }
}

impl SharePartition {
    /// Reads a coordinator's key. A group's name may have colons in it.
    pub fn of_key(key: &str) -> Option<SharePartition> {
        // Java's split leaves out what is empty at the end.
        let mut parts = key.trim_end_matches(':').rsplitn(3, ':');
        let partition = parts.next()?.parse().ok()?;
        let topic_id = parts.next()?.parse().ok()?;
        let group = parts.next().filter(|group| !group.trim().is_empty())?;
        Some(SharePartition { group: Str::from(group), topic_id, partition })
    }
}

/// The partition that coordinates a share partition: the sum of its text, as of a group's. `partitions` is at least 1.
pub fn partition_for(of: &SharePartition, partitions: i32) -> i32 {
    group::partition_for(&of.to_string(), partitions)
}

/// The configuration that `__share_group_state` is created with; `segment_bytes` is `share.coordinator.state.topic.segment.bytes`,
/// `min_insync_replicas` is `share.coordinator.state.topic.min.isr`. It is never compacted and never grows old: the coordinator itself says
/// what is redundant.
pub fn topic_configs(segment_bytes: i32, min_insync_replicas: i32) -> Vec<(&'static str, String)> {
    vec![
        ("cleanup.policy", "delete".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", segment_bytes.to_string()),
        ("min.insync.replicas", min_insync_replicas.to_string()),
        ("retention.ms", "-1".to_owned()),
    ]
}
