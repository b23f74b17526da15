//! A share group as its records leave it, and what it has besides them. Changed by records alone; the rooms beside it decide them.

use super::super::assignor::Assignment;
use super::member::ShareMember;
use super::records::ShareGroupChange;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::records::group::{
    ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberValue, TopicPartitionsInfo,
};
use wire::{Str, Uuid};

/// A topic of which partitions have share state, or are about to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SharedTopic {
    /// Its name.
    pub name: Str,
    /// Which of its partitions.
    pub partitions: BTreeSet<i32>,
}

/// Which topics of a group have share state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SharedTopics {
    /// It is being made.
    pub initializing: BTreeMap<Uuid, SharedTopic>,
    /// It is there.
    pub initialized: BTreeMap<Uuid, SharedTopic>,
    /// It is being deleted.
    pub deleting: BTreeMap<Uuid, Str>,
}

/// A share group.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareGroup {
    /// Grows with each change of members, subscriptions or topics.
    pub epoch: i32,
    /// Of the topics that are subscribed to; 0 of none.
    pub metadata_hash: i64,
    /// The epoch that the targets are of.
    pub assignment_epoch: i32,
    /// When they were computed, by the wall clock; 0 is never.
    pub assignment_timestamp_ms: i64,
    /// By id.
    pub members: BTreeMap<Str, Arc<ShareMember>>,
    /// What each member shall have.
    pub targets: BTreeMap<Str, Arc<Assignment>>,
    /// `None` before the first.
    pub topics: Option<Arc<SharedTopics>>,
}

impl Default for ShareGroup {
    /// Before any record: its epochs begin with 1, as Kafka's do.
    fn default() -> ShareGroup {
        ShareGroup {
            epoch: 1,
            metadata_hash: 0,
            assignment_epoch: 1,
            assignment_timestamp_ms: 0,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            topics: None,
        }
    }
}

/// What a group has besides its records: it dies with leadership.
#[derive(Debug, Clone, Default)]
pub struct ShareSoft {
    /// The version of the cluster that its topics were last looked at.
    pub checked_version: Option<i64>,
    /// When somebody last went to make the share state of a topic.
    pub initializing_since_ms: BTreeMap<Uuid, i64>,
}

impl ShareGroup {
    /// Nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// For those who ask.
    pub fn state(&self) -> &'static str {
        if self.is_empty() { "Empty" } else { "Stable" }
    }

    /// The topics that have share state, are getting or losing it.
    pub fn topics(&self) -> SharedTopics {
        self.topics.as_deref().cloned().unwrap_or_default()
    }

    /// A record of it, but for its end.
    pub fn apply(&mut self, change: &ShareGroupChange) {
        match change {
            ShareGroupChange::Group { value } => {
                if let Some(value) = value {
                    (self.epoch, self.metadata_hash) = (value.epoch, value.metadata_hash);
                }
            }
            ShareGroupChange::Member { member_id, value: Some(value) } => {
                self.member_mut(member_id).take_metadata(value);
            }
            ShareGroupChange::Member { member_id, value: None } => {
                self.members.remove(member_id);
                self.targets.remove(member_id);
            }
            ShareGroupChange::TargetMetadata { value } => {
                let of = value.as_ref().map(|value| (value.assignment_epoch, value.assignment_timestamp));
                (self.assignment_epoch, self.assignment_timestamp_ms) = of.unwrap_or((-1, 0));
            }
            ShareGroupChange::Target { member_id, value: Some(value) } => {
                self.targets.insert(member_id.clone(), Arc::new(target_of(value)));
            }
            ShareGroupChange::Target { member_id, value: None } => drop(self.targets.remove(member_id)),
            ShareGroupChange::Current { member_id, value } => {
                if value.is_some() || self.members.contains_key(member_id) {
                    self.member_mut(member_id).take_current(value.as_deref());
                }
            }
            ShareGroupChange::Topics { value } => {
                self.topics = value.as_deref().map(|value| Arc::new(SharedTopics::of_record(value)));
            }
        }
    }

    fn member_mut(&mut self, member_id: &Str) -> &mut ShareMember {
        let make = || Arc::new(ShareMember::new(member_id.clone()));
        Arc::make_mut(self.members.entry(member_id.clone()).or_insert_with(make))
    }
}

fn target_of(value: &ShareGroupTargetAssignmentMemberValue) -> Assignment {
    let mut target = Assignment::new();
    for topic in value.topic_partitions.iter().filter(|topic| !topic.partitions.is_empty()) {
        target.entry(topic.topic_id).or_default().extend(topic.partitions.iter().copied());
    }
    target
}

impl SharedTopics {
    fn of_record(value: &ShareGroupStatePartitionMetadataValue) -> SharedTopics {
        let topics = |infos: &[TopicPartitionsInfo]| {
            let mut topics: BTreeMap<Uuid, SharedTopic> = BTreeMap::new();
            for info in infos {
                let topic = topics.entry(info.topic_id).or_default();
                topic.name = info.topic_name.clone();
                topic.partitions.extend(info.partitions.iter().copied());
            }
            topics
        };
        let deleting = value.deleting_topics.iter();
        SharedTopics {
            initializing: topics(&value.initializing_topics),
            initialized: topics(&value.initialized_topics),
            deleting: deleting.map(|topic| (topic.topic_id, topic.topic_name.clone())).collect(),
        }
    }
}
