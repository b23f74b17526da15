//! Which partition of `__share_group_state` a share partition belongs to, and how that topic is made.

use super::state::SharePartition;
use crate::group;

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
