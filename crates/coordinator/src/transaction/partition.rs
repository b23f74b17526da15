//! Which partition of `__transaction_state` a transactional id belongs to, and how that topic is made.

use crate::group;

/// The partition that coordinates a transactional id: the same sum as a group's. `partitions` is at least 1.
pub fn partition_for(transactional_id: &str, partitions: i32) -> i32 {
    group::partition_for(transactional_id, partitions)
}

/// The configuration that `__transaction_state` is created with; `segment_bytes` is `transaction.state.log.segment.bytes`,
/// `min_insync_replicas` is `transaction.state.log.min.isr`.
pub fn topic_configs(segment_bytes: i32, min_insync_replicas: i32) -> Vec<(&'static str, String)> {
    vec![
        ("unclean.leader.election.enable", "false".to_owned()),
        ("compression.type", "uncompressed".to_owned()),
        ("cleanup.policy", "compact".to_owned()),
        ("min.insync.replicas", min_insync_replicas.to_string()),
        ("segment.bytes", segment_bytes.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked of `Utils.abs(id.hashCode()) % partitions`.
    #[test]
    fn transactional_ids_go_where_kafka_looks_for_them() {
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("range", 50), 25);
    }
}
