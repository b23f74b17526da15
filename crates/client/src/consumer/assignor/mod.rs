//! Client-side partition assignment of the classic group protocol: who gets what, decided by the group's leader
//! from everybody's subscription. Pure: no I/O, same answer for the same input. Rack-aware assignment (KIP-881)
//! is not done: racks are carried, not used.
//!
//! KIP-429 (cooperative rebalancing), KIP-54 (sticky), KIP-345 (static members sort by instance id).

mod assignment;
mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;

pub use assignment::{Assignment, Member, NO_GENERATION, PartitionCounts};

use bytes::Bytes;
use std::collections::BTreeSet;
use wire::topic::TopicPartition;

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

    /// Decides who gets what: a partition goes to one member at most.
    pub fn assign(self, members: &[Member], partitions: &PartitionCounts) -> Assignment {
        let assignment = match self {
            Assignor::Range => range::assign(members, partitions),
            Assignor::RoundRobin => round_robin::assign(members, partitions),
            Assignor::CooperativeSticky => {
                let mut assignment = sticky::assign(members, partitions);
                withhold_moving(members, &mut assignment);
                assignment
            }
        };
        check_disjoint(&assignment);
        assignment
    }
}

/// The protocol that a list of assignors can run: the most gradual one that all of them support (KIP-429).
pub fn common_protocol(assignors: &[Assignor]) -> RebalanceProtocol {
    assignors.iter().map(|assignor| assignor.protocol()).min().unwrap_or(RebalanceProtocol::Eager)
}

fn check_disjoint(assignment: &Assignment) {
    let mut given = BTreeSet::new();
    let once = assignment.values().flatten().all(|partition| given.insert(partition));
    assert!(once, "assignment: a partition is given to two members");
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
