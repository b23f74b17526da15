//! Which partition of `__consumer_offsets` a group belongs to, and how that topic is made.

use super::java;

/// The partition that coordinates a group: `Utils.abs(groupId.hashCode()) % partitions` in Kafka's words.
/// `partitions` is at least 1.
pub fn partition_for(group_id: &str, partitions: i32) -> i32 {
    // Kafka's absolute value of the smallest number is zero.
    java::string_hash(group_id).checked_abs().unwrap_or(0) % partitions.max(1)
}

/// The configuration that `__consumer_offsets` is created with; `segment_bytes` is `offsets.topic.segment.bytes`.
pub fn topic_configs(segment_bytes: i32) -> Vec<(&'static str, String)> {
    vec![
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", segment_bytes.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_where_kafka_looks_for_them() {
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("range", 50), 25);
        assert_eq!(partition_for("console-consumer-1", 1), 0);
    }
}
