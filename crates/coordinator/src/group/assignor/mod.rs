//! Server-side assignors (KIP-848): who of a group shall have which partitions. Pure functions of what members want and what they were
//! last meant to have; the same answer as Kafka's for the same question, which is why the order of Java's hash tables matters here.
//!
//! Owns no state and knows neither epochs nor who has what by now: that is reconciliation's.

mod heterogeneous;
mod order;
mod range;
#[cfg(test)]
mod tests;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use wire::{Str, Uuid};

/// Partitions by topic. Never an empty set.
pub type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// How the partitions of a group are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// As many for each as for any other; what a member has it keeps if that can be.
    Uniform,
    /// Of each topic a range; the same range of topics that are divided alike.
    Range,
}

impl Assignor {
    /// By the name that members ask for.
    pub fn of_name(name: &str) -> Option<Assignor> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|known| known.name() == name)
    }

    /// The name that members ask for.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// What each member shall have. A member without partitions may be missing.
    pub fn assign(self, wanted: &Wanted<'_>) -> BTreeMap<Str, Assignment> {
        if wanted.members.is_empty() {
            return BTreeMap::new();
        }
        match self {
            Assignor::Range => range::assign(wanted),
            Assignor::Uniform if wanted.all_alike => uniform::assign(wanted),
            Assignor::Uniform => heterogeneous::assign(wanted),
        }
    }
}

/// A member as an assignor sees it.
#[derive(Debug, Clone)]
pub struct WantingMember<'a> {
    /// Its id.
    pub member_id: Str,
    /// Of a static member.
    pub instance_id: Option<Str>,
    /// What it subscribes to, of topics that exist.
    pub topics: BTreeSet<Uuid>,
    /// What it was meant to have before.
    pub target: &'a Assignment,
}

/// What is to be divided among whom.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Each once.
    pub members: Vec<WantingMember<'a>>,
    /// How many partitions each topic has; every topic that a member subscribes to is here.
    pub partitions: BTreeMap<Uuid, i32>,
    /// All members subscribe to the same.
    pub all_alike: bool,
}

impl Wanted<'_> {
    /// Of a topic that nobody knows there are none.
    fn partitions_of(&self, topic: Uuid) -> i32 {
        self.partitions.get(&topic).copied().unwrap_or(0)
    }

    /// The members in the order in which Kafka visits them.
    fn members_in_order(&self) -> Vec<&WantingMember<'_>> {
        let mut members: Vec<&WantingMember<'_>> = self.members.iter().collect();
        let buckets = order::grown(members.len());
        members.sort_by_cached_key(|member| {
            (order::bucket(order::text(&member.member_id), buckets), member.member_id.clone())
        });
        members
    }
}
