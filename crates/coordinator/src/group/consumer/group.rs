//! A consumer group as its records leave it: epochs, members, targets, resolved patterns, and what is counted of them. Changed by records
//! alone; the rooms beside it decide them.

use super::super::assignor::Assignment;
use super::member::{ConsumerMember, Held};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::records::group::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberValue,
};
use wire::{Str, Uuid};

/// What a group is, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerGroupState {
    /// Nobody is a member.
    Empty,
    /// A target is to be computed.
    Assigning,
    /// Members are on their way to it.
    Reconciling,
    /// All are there.
    Stable,
}

impl ConsumerGroupState {
    /// The name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            ConsumerGroupState::Empty => "Empty",
            ConsumerGroupState::Assigning => "Assigning",
            ConsumerGroupState::Reconciling => "Reconciling",
            ConsumerGroupState::Stable => "Stable",
        }
    }
}

/// The topics that a pattern stood for when it was last looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResolvedRegex {
    /// By name.
    pub topics: BTreeSet<Str>,
    /// Of the metadata.
    pub version: i64,
    /// By the wall clock.
    pub timestamp_ms: i64,
}

/// A consumer group. Invariant, by `check_given`: nobody is given what somebody else has, or has still to give back.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroup {
    /// Grows with each change of members, subscriptions or topics.
    pub epoch: i32,
    /// Of the topics that are subscribed to; 0 of none.
    pub metadata_hash: i64,
    /// A version before 4.1 has written a record that is no longer needed.
    pub has_partition_metadata: bool,
    /// The epoch that the targets are of.
    pub assignment_epoch: i32,
    /// When they were computed, by the wall clock; 0 is never.
    pub assignment_timestamp_ms: i64,
    /// By id.
    pub members: BTreeMap<Str, Arc<ConsumerMember>>,
    /// Instance id → member id.
    pub static_members: BTreeMap<Str, Str>,
    /// What each member shall have.
    pub targets: BTreeMap<Str, Arc<Assignment>>,
    /// By pattern.
    pub regexes: BTreeMap<Str, Arc<ResolvedRegex>>,
    /// Who has a partition, or has still to give it back.
    owners: BTreeMap<Uuid, BTreeMap<i32, Str>>,
    /// How many members name a topic.
    pub names: BTreeMap<Str, usize>,
    /// How many members have a pattern.
    pub patterns: BTreeMap<Str, usize>,
    /// How many members want an assignor.
    pub assignors: BTreeMap<Str, usize>,
    /// How many members speak the classic protocol.
    pub classic_members: usize,
}

impl Default for ConsumerGroup {
    /// Before any record: its epochs begin with 1, as Kafka's do.
    fn default() -> ConsumerGroup {
        ConsumerGroup {
            epoch: 1,
            metadata_hash: 0,
            has_partition_metadata: false,
            assignment_epoch: 1,
            assignment_timestamp_ms: 0,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            targets: BTreeMap::new(),
            regexes: BTreeMap::new(),
            owners: BTreeMap::new(),
            names: BTreeMap::new(),
            patterns: BTreeMap::new(),
            assignors: BTreeMap::new(),
            classic_members: 0,
        }
    }
}

impl ConsumerGroup {
    /// Nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What it is. Looks at each member.
    pub fn state(&self) -> ConsumerGroupState {
        if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.epoch > self.assignment_epoch {
            ConsumerGroupState::Assigning
        } else if self.members.values().any(|member| !member.is_reconciled_to(self.assignment_epoch)) {
            ConsumerGroupState::Reconciling
        } else {
            ConsumerGroupState::Stable
        }
    }

    /// The member behind an instance.
    pub fn static_member(&self, instance_id: &str) -> Option<&Arc<ConsumerMember>> {
        self.members.get(self.static_members.get(instance_id)?)
    }

    /// What a member shall have; a static one what the one before it should.
    pub fn target(&self, member_id: &Str, instance_id: Option<&Str>) -> Arc<Assignment> {
        let before = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
        self.targets.get(before.unwrap_or(member_id)).cloned().unwrap_or_default()
    }

    /// Whether anybody has the partition, or has still to give it back.
    pub fn is_owned(&self, topic: Uuid, partition: i32) -> bool {
        self.owners.get(&topic).is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// Whether offsets of this topic are in use.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.names.contains_key(topic) || self.regexes.values().any(|regex| regex.topics.contains(topic))
    }

    /// Records of members.
    pub fn apply_member(&mut self, member_id: &Str, value: Option<&ConsumerGroupMemberMetadataValue>) {
        match value {
            Some(value) => self.change(member_id, |member| member.take_metadata(value)),
            None => {
                if let Some(member) = self.members.remove(member_id) {
                    self.uncount(&member);
                    self.targets.remove(member_id);
                }
            }
        }
    }

    /// Records of how far members are.
    pub fn apply_current(
        &mut self,
        member_id: &Str,
        value: Option<&ConsumerGroupCurrentMemberAssignmentValue>,
    ) {
        if value.is_some() || self.members.contains_key(member_id) {
            self.change(member_id, |member| member.take_current(value));
        }
    }

    /// Records of targets.
    pub fn apply_target(
        &mut self,
        member_id: &Str,
        value: Option<&ConsumerGroupTargetAssignmentMemberValue>,
    ) {
        let Some(value) = value else {
            self.targets.remove(member_id);
            return;
        };
        let mut target = Assignment::new();
        for topic in value.topic_partitions.iter().filter(|topic| !topic.partitions.is_empty()) {
            target.entry(topic.topic_id).or_default().extend(topic.partitions.iter().copied());
        }
        self.targets.insert(member_id.clone(), Arc::new(target));
    }

    /// Records of patterns.
    pub fn apply_regex(&mut self, regex: &Str, value: Option<&ConsumerGroupRegularExpressionValue>) {
        match value {
            Some(value) => {
                let resolved = ResolvedRegex {
                    topics: value.topics.iter().cloned().collect(),
                    version: value.version,
                    timestamp_ms: value.timestamp,
                };
                self.regexes.insert(regex.clone(), Arc::new(resolved));
            }
            None => drop(self.regexes.remove(regex)),
        }
    }

    /// A member that no record speaks of yet.
    pub fn put(&mut self, member: ConsumerMember) {
        self.count(&member);
        self.members.insert(member.id.clone(), Arc::new(member));
    }

    fn change(&mut self, member_id: &Str, change: impl FnOnce(&mut ConsumerMember)) {
        let before = self.members.remove(member_id);
        if let Some(member) = &before {
            self.uncount(member);
        }
        let mut member = match &before {
            Some(before) => ConsumerMember::clone(before),
            None => ConsumerMember::new(member_id.clone()),
        };
        change(&mut member);
        self.count(&member);
        self.members.insert(member_id.clone(), Arc::new(member));
    }

    fn count(&mut self, member: &ConsumerMember) {
        for held in [&member.assigned, &member.revoking] {
            for (topic, partitions) in held {
                let owners = self.owners.entry(*topic).or_default();
                partitions.keys().for_each(|partition| drop(owners.insert(*partition, member.id.clone())));
            }
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        member.topic_names.iter().for_each(|name| more(&mut self.names, name));
        member.regex().into_iter().for_each(|regex| more(&mut self.patterns, regex));
        member.server_assignor.iter().for_each(|name| more(&mut self.assignors, name));
        self.classic_members += usize::from(member.uses_classic_protocol());
    }

    fn uncount(&mut self, member: &ConsumerMember) {
        self.release(&member.id, &member.assigned);
        self.release(&member.id, &member.revoking);
        if let Some(instance_id) = &member.instance_id
            && self.static_members.get(instance_id) == Some(&member.id)
        {
            self.static_members.remove(instance_id);
        }
        member.topic_names.iter().for_each(|name| fewer(&mut self.names, name));
        member.regex().into_iter().for_each(|regex| fewer(&mut self.patterns, regex));
        member.server_assignor.iter().for_each(|name| fewer(&mut self.assignors, name));
        self.classic_members -= usize::from(member.uses_classic_protocol());
    }

    /// What another has been given since stays with it: compaction may keep what is long over.
    fn release(&mut self, member_id: &Str, held: &Held) {
        for (topic, partitions) in held {
            let Some(owners) = self.owners.get_mut(topic) else { continue };
            for partition in partitions.keys() {
                if owners.get(partition) == Some(member_id) {
                    owners.remove(partition);
                }
            }
            if owners.is_empty() {
                self.owners.remove(topic);
            }
        }
    }

    /// Panics with the name of the invariant that a step of a member is about to break: what it is given nobody else has.
    pub fn check_given(&self, group: &str, before: &ConsumerMember, next: &ConsumerMember) {
        let had = |topic: &Uuid, partition: &i32| {
            before.assigned.get(topic).is_some_and(|partitions| partitions.contains_key(partition))
        };
        for (topic, partitions) in &next.assigned {
            for partition in partitions.keys().filter(|partition| !had(topic, partition)) {
                let owner = self.owners.get(topic).and_then(|owners| owners.get(partition));
                assert!(
                    owner.is_none_or(|owner| *owner == next.id),
                    "owner: two members of {group} would have partition {partition} of {topic}"
                );
            }
        }
    }

    /// Everything that is counted beside the members is counted again.
    #[cfg(test)]
    pub fn check_members(&self) {
        let mut again = ConsumerGroup {
            epoch: self.epoch,
            metadata_hash: self.metadata_hash,
            has_partition_metadata: self.has_partition_metadata,
            assignment_epoch: self.assignment_epoch,
            assignment_timestamp_ms: self.assignment_timestamp_ms,
            targets: self.targets.clone(),
            regexes: self.regexes.clone(),
            ..ConsumerGroup::default()
        };
        for (member_id, member) in &self.members {
            again.count(member);
            again.members.insert(member_id.clone(), member.clone());
        }
        assert_eq!(*self, again, "a consumer group is miscounted");
    }
}

fn more(counts: &mut BTreeMap<Str, usize>, key: &Str) {
    *counts.entry(key.clone()).or_default() += 1;
}

fn fewer(counts: &mut BTreeMap<Str, usize>, key: &Str) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
