//! What the members of a share group subscribe to together, and the question that it puts to the assignor.

use super::super::assignor::simple::{self, Assignable};
use super::super::assignor::{Assignment, Wanted, WantingMember};
use super::super::consumer::ClusterView;
use super::super::state::GroupSoft;
use super::group::ShareGroup;
use super::member::ShareMember;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::{Str, Uuid};

/// The members of a group as a decision is about to leave them, in the order of their ids.
pub(super) struct Roster<'a>(BTreeMap<&'a Str, &'a ShareMember>);

impl<'a> Roster<'a> {
    /// With this one as it will be.
    pub fn with(group: &'a ShareGroup, member: &'a ShareMember) -> Roster<'a> {
        let mut members = Roster::without(group, &member.id).0;
        members.insert(&member.id, member);
        Roster(members)
    }

    /// Without this one.
    pub fn without(group: &'a ShareGroup, gone: &Str) -> Roster<'a> {
        let stay = group.members.iter().filter(|(id, _)| *id != gone);
        Roster(stay.map(|(id, member)| (id, &**member)).collect())
    }

    /// Who.
    pub fn ids(&self) -> impl Iterator<Item = &Str> {
        self.0.keys().copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The names of everything that is subscribed to, and by how many.
    pub fn topic_names(&self) -> BTreeMap<&Str, usize> {
        let mut names = BTreeMap::new();
        for name in self.0.values().flat_map(|member| &member.topic_names) {
            *names.entry(name).or_default() += 1;
        }
        names
    }

    /// The hash of all topics that are subscribed to and exist.
    pub fn metadata_hash(&self, soft: &mut GroupSoft) -> i64 {
        soft.hash_of_topics(self.topic_names().into_keys())
    }

    /// The target of each member.
    pub fn assign(&self, view: &dyn ClusterView, group: &ShareGroup) -> BTreeMap<Str, Assignment> {
        let none = Arc::new(Assignment::new());
        let mut wanted = Wanted { members: Vec::new(), partitions: BTreeMap::new(), all_alike: true };
        for member in self.0.values() {
            let topics = topics_of(view, member);
            for topic in &topics {
                let partitions = || view.topic_by_id(*topic).map_or(0, |topic| topic.partitions);
                wanted.partitions.entry(*topic).or_insert_with(partitions);
            }
            wanted.members.push(WantingMember {
                member_id: member.id.clone(),
                instance_id: None,
                topics,
                target: group.targets.get(&member.id).unwrap_or(&none),
            });
        }
        wanted.all_alike = self.topic_names().values().all(|count| *count == self.len());
        let topics = group.topics.as_deref();
        let initialized = topics.into_iter().flat_map(|topics| &topics.initialized);
        let assignable: Assignable =
            initialized.map(|(topic, shared)| (*topic, shared.partitions.clone())).collect();
        simple::assign(&wanted, &assignable)
    }
}

/// What a member subscribes to, of topics that exist.
pub(super) fn topics_of(view: &dyn ClusterView, member: &ShareMember) -> BTreeSet<Uuid> {
    member.topic_names.iter().filter_map(|name| view.topic(name)).map(|topic| topic.id).collect()
}
