//! What an assignor is asked: who wants what, and what each was meant to have before.

use super::order;
use std::collections::{BTreeMap, BTreeSet};
use wire::{Str, Uuid};

/// Partitions by topic. Never an empty set.
pub type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

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
    pub(super) fn partitions_of(&self, topic: Uuid) -> i32 {
        self.partitions.get(&topic).copied().unwrap_or(0)
    }

    /// The members in the order in which Kafka visits them.
    pub(super) fn members_in_order(&self) -> Vec<&WantingMember<'_>> {
        let mut members: Vec<&WantingMember<'_>> = self.members.iter().collect();
        let buckets = order::grown(members.len());
        members.sort_by_cached_key(|member| {
            (order::bucket(order::text(&member.member_id), buckets), member.member_id.clone())
        });
        members
    }
}
