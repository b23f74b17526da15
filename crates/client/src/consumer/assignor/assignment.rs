//! What an assignor is given and what it makes of it, as plain data below them all: members, partition counts, assignments.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use wire::Str;
use wire::topic::TopicPartition;

/// The partition count of every subscribed topic that exists.
pub type PartitionCounts = BTreeMap<Str, i32>;

/// Member id → its partitions. Holds every member, also those that get nothing.
pub type Assignment = BTreeMap<Str, Vec<TopicPartition>>;

/// The generation of a member that has never been in the group, or whose generation is unknown.
pub const NO_GENERATION: i32 = -1;

/// One member as the leader sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Member {
    /// The member id that the coordinator gave.
    pub id: Str,
    /// Set for static members.
    pub instance_id: Option<Str>,
    /// Topics that it subscribes to.
    pub topics: Vec<Str>,
    /// Partitions that it held when it joined; empty with eager protocols.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it held them, or `NO_GENERATION`.
    pub generation: i32,
}

impl Member {
    /// It wants partitions of the topic.
    pub(super) fn subscribes(&self, topic: &str) -> bool {
        self.topics.iter().any(|subscribed| &**subscribed == topic)
    }

    /// Kafka's order: static members first, by instance id; then by member id.
    fn order(&self, other: &Member) -> Ordering {
        match (&self.instance_id, &other.instance_id) {
            (Some(mine), Some(theirs)) => mine.cmp(theirs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.id.cmp(&other.id),
        }
    }
}

/// Members in Kafka's order.
pub(super) fn in_order(members: &[Member]) -> Vec<&Member> {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by(|a, b| a.order(b));
    sorted
}

/// An assignment in which nobody has anything yet.
pub(super) fn empty_assignment(members: &[Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

/// Every partition of a topic.
pub(super) fn partitions_of(topic: &Str, count: i32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(move |partition| TopicPartition { topic: topic.clone(), partition })
}
