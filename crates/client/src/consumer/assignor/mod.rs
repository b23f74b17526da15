//! Client-side partition assignment of the classic group protocol: who gets what, decided by the group's leader
//! from everybody's subscription. Pure: no I/O, same answer for the same input. Rack-aware assignment (KIP-881)
//! is not done: racks are carried, not used.
//!
//! KIP-429 (cooperative rebalancing), KIP-54 (sticky), KIP-345 (static members sort by instance id).

mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
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
    fn subscribes(&self, topic: &str) -> bool {
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

/// How partitions change hands in a rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RebalanceProtocol {
    /// Everybody gives up everything before joining.
    Eager,
    /// Members keep what they hold and give up only what moves, in a second round.
    Cooperative,
}

/// The assignors that this client knows, by the names that Java clients use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Topic by topic, contiguous ranges.
    Range,
    /// All partitions dealt in turn.
    RoundRobin,
    /// Balanced with as few moves as possible, handed over in two rounds.
    CooperativeSticky,
}

impl Assignor {
    /// The name in JoinGroup.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The assignor of a protocol name or of a Java class name.
    pub fn from_name(name: &str) -> Option<Assignor> {
        match name.trim().strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name.trim()) {
            "range" | "RangeAssignor" => Some(Assignor::Range),
            "roundrobin" | "RoundRobinAssignor" => Some(Assignor::RoundRobin),
            "cooperative-sticky" | "CooperativeStickyAssignor" => Some(Assignor::CooperativeSticky),
            _unknown => None,
        }
    }

    /// The most gradual protocol that it supports.
    pub fn protocol(self) -> RebalanceProtocol {
        match self {
            Assignor::Range | Assignor::RoundRobin => RebalanceProtocol::Eager,
            Assignor::CooperativeSticky => RebalanceProtocol::Cooperative,
        }
    }

    /// What it adds to the subscription: cooperative-sticky says its generation, for leaders that do not read
    /// version 2 of the subscription.
    pub fn user_data(self, generation: i32) -> Option<Bytes> {
        match self {
            Assignor::Range | Assignor::RoundRobin => None,
            Assignor::CooperativeSticky => Some(Bytes::copy_from_slice(&generation.to_be_bytes())),
        }
    }

    /// The generation in another member's user data, if this assignor puts one there.
    pub fn generation_in(self, user_data: Option<&Bytes>) -> Option<i32> {
        match self {
            Assignor::Range | Assignor::RoundRobin => None,
            Assignor::CooperativeSticky => {
                user_data.and_then(|data| data.first_chunk::<4>()).map(|chunk| i32::from_be_bytes(*chunk))
            }
        }
    }

    /// Decides who gets what.
    pub fn assign(self, members: &[Member], partitions: &PartitionCounts) -> Assignment {
        match self {
            Assignor::Range => range::assign(members, partitions),
            Assignor::RoundRobin => round_robin::assign(members, partitions),
            Assignor::CooperativeSticky => {
                let mut assignment = sticky::assign(members, partitions);
                withhold_moving(members, &mut assignment);
                assignment
            }
        }
    }
}

/// The protocol that a list of assignors can run: the most gradual one that all of them support (KIP-429).
pub fn common_protocol(assignors: &[Assignor]) -> RebalanceProtocol {
    assignors.iter().map(|assignor| assignor.protocol()).min().unwrap_or(RebalanceProtocol::Eager)
}

/// Members in Kafka's order.
fn in_order(members: &[Member]) -> Vec<&Member> {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by(|a, b| a.order(b));
    sorted
}

/// An assignment in which nobody has anything yet.
fn empty_assignment(members: &[Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

/// Every partition of a topic.
fn partitions_of(topic: &Str, count: i32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(move |partition| TopicPartition { topic: topic.clone(), partition })
}

/// A partition that moves goes to nobody in this round: its new owner gets it in the next, after the old one has
/// given it up (KIP-429).
fn withhold_moving(members: &[Member], assignment: &mut Assignment) {
    let mut revoked: BTreeSet<TopicPartition> = BTreeSet::new();
    for member in members {
        let kept: BTreeSet<&TopicPartition> = assignment.get(&member.id).into_iter().flatten().collect();
        revoked.extend(member.owned.iter().filter(|owned| !kept.contains(owned)).cloned());
    }
    for member in members {
        let owned: BTreeSet<&TopicPartition> = member.owned.iter().collect();
        if let Some(assigned) = assignment.get_mut(&member.id) {
            assigned.retain(|partition| owned.contains(partition) || !revoked.contains(partition));
        }
    }
}
