//! Which topics of a share group have share state, are getting or losing it. Whoever carries out the wishes says how they ended; what nobody
//! says anything of is wished for again after a while.

use super::super::command::GroupAnswer;
use super::super::consumer::ClusterView;
use super::super::records::GroupRecord;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::{ShareGroup, SharedTopic, SharedTopics};
use super::heard::{Partitions, ToInitialize};
use super::member::record;
use super::records::ShareGroupChange;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::records::group::{ShareGroupStatePartitionMetadataValue, TopicInfo, TopicPartitionsInfo};
use wire::{Str, Uuid};

/// Of a topic that is gone.
const UNKNOWN_NAME: &str = "<UNKNOWN>";

impl ShareGroup {
    /// What is subscribed to and has no share state yet, nor anybody who makes it: it is being made from now on.
    pub(super) fn begin_to_initialize(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        state_epoch: i32,
        names: &BTreeSet<Str>,
    ) -> Option<ToInitialize> {
        let known = self.topics();
        let retry_ms = i64::from(soft.config.share.initialize_retry_interval_ms);
        let since =
            soft.share.get(group_id).map(|soft| soft.initializing_since_ms.clone()).unwrap_or_default();
        let is_under_way =
            |id: &Uuid| since.get(id).is_some_and(|at_ms| turn.now_ms.saturating_sub(*at_ms) < retry_ms);
        let mut wanted: BTreeMap<Uuid, SharedTopic> = BTreeMap::new();
        for topic in names.iter().filter_map(|name| soft.view.topic(name)) {
            let initialized = known.initialized.get(&topic.id).map(|known| &known.partitions);
            let initializing = known.initializing.get(&topic.id).filter(|_| is_under_way(&topic.id));
            let has = |number: &i32| {
                initialized.is_some_and(|partitions| partitions.contains(number))
                    || initializing.is_some_and(|topic| topic.partitions.contains(number))
            };
            let partitions: BTreeSet<i32> = (0..topic.partitions).filter(|number| !has(number)).collect();
            if !partitions.is_empty() {
                wanted.insert(topic.id, SharedTopic { name: topic.name, partitions });
            }
        }
        if wanted.is_empty() {
            return None;
        }
        let mut start_offsets = BTreeMap::new();
        for (id, topic) in &wanted {
            // What a topic that is shared already grows by is read from its beginning.
            let start_offset = if known.initialized.contains_key(id) { 0 } else { -1 };
            start_offsets.extend(topic.partitions.iter().map(|number| ((*id, *number), start_offset)));
        }
        self.initializing(soft, turn, group_id, wanted);
        Some(ToInitialize { group: group_id.clone(), state_epoch, start_offsets })
    }

    /// Writes that share state of these is being made.
    pub(super) fn initializing(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        wanted: BTreeMap<Uuid, SharedTopic>,
    ) {
        if wanted.is_empty() {
            return;
        }
        let mut topics = self.topics();
        let soft_group = soft.share.entry(group_id.clone()).or_default();
        for (id, wanted) in wanted {
            topics.deleting.remove(&id);
            soft_group.initializing_since_ms.insert(id, turn.now_ms);
            let topic = topics.initializing.entry(id).or_default();
            topic.name = wanted.name;
            topic.partitions.extend(wanted.partitions);
        }
        turn.write(topics_record(group_id, &topics));
    }
}

impl GroupMachine {
    /// Share state of these partitions is there, or was not made and is wished for by the next heartbeat.
    pub(crate) fn share_topics_initialized(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        partitions: &Partitions,
        is_there: bool,
    ) {
        if let Some(Group::Share(group)) = self.groups.get(group_id)
            && let Some(known) = group.topics.as_deref()
        {
            let mut topics = known.clone();
            for (id, partitions) in partitions {
                let known = topics.initializing.get_mut(id);
                let name = known.map(|topic| {
                    topic.partitions.retain(|number| !partitions.contains(number));
                    topic.name.clone()
                });
                if topics.initializing.get(id).is_some_and(|topic| topic.partitions.is_empty()) {
                    topics.initializing.remove(id);
                }
                // A topic that was deleted meanwhile has no share state any more.
                if is_there && let Some(topic) = soft.view.topic_by_id(*id) {
                    let shared = topics.initialized.entry(*id).or_default();
                    shared.name = name.unwrap_or(topic.name);
                    shared.partitions.extend(partitions.iter().copied());
                }
                if let Some(soft) = soft.share.get_mut(group_id) {
                    soft.initializing_since_ms.remove(id);
                }
            }
            if topics != *known {
                turn.write(topics_record(group_id, &topics));
            }
        }
        turn.answer(GroupAnswer::Done);
    }

    /// Topics were deleted: groups have nothing to do with them any more.
    pub(in super::super) fn share_topics_deleted(&self, turn: &mut Turn, deleted: &BTreeSet<Uuid>) {
        for (group_id, group) in &self.groups {
            let Group::Share(group) = group else { continue };
            let Some(known) = group.topics.as_deref() else { continue };
            let mut topics = known.clone();
            topics.initializing.retain(|id, _| !deleted.contains(id));
            topics.initialized.retain(|id, _| !deleted.contains(id));
            topics.deleting.retain(|id, _| !deleted.contains(id));
            if topics != *known {
                turn.write(topics_record(group_id, &topics));
            }
        }
    }

    /// The partitions of a group that have share state; none of a group that is none.
    pub(in super::super) fn share_partitions(&self, group_id: &str) -> Partitions {
        let Some(Group::Share(group)) = self.groups.get(group_id) else { return Partitions::new() };
        let topics = group.topics.as_deref().into_iter().flat_map(|topics| &topics.initialized);
        topics.map(|(id, topic)| (*id, topic.partitions.clone())).collect()
    }
}

/// What all of a group has to do with, but what is being made at the moment, with every partition of what is being deleted.
pub(super) fn all_of(topics: &SharedTopics, view: &dyn ClusterView) -> BTreeMap<Uuid, (Str, BTreeSet<i32>)> {
    let mut all: BTreeMap<Uuid, (Str, BTreeSet<i32>)> = BTreeMap::new();
    for (id, topic) in topics.initialized.iter().chain(&topics.initializing) {
        let (name, partitions) = all.entry(*id).or_default();
        *name = topic.name.clone();
        partitions.extend(topic.partitions.iter().copied());
    }
    for id in topics.deleting.keys() {
        if let Some(topic) = view.topic_by_id(*id) {
            let (name, partitions) = all.entry(*id).or_default();
            *name = topic.name;
            partitions.extend(0..topic.partitions);
        }
    }
    all
}

pub(super) fn topics_record(group: &Str, topics: &SharedTopics) -> GroupRecord {
    let infos = |topics: &BTreeMap<Uuid, SharedTopic>| {
        let info = |(topic_id, topic): (&Uuid, &SharedTopic)| TopicPartitionsInfo {
            topic_id: *topic_id,
            topic_name: topic.name.clone(),
            partitions: topic.partitions.iter().copied().collect(),
        };
        topics.iter().map(info).collect()
    };
    let gone = |(topic_id, name): (&Uuid, &Str)| TopicInfo {
        topic_id: *topic_id,
        topic_name: if name.is_empty() { Str::from_static(UNKNOWN_NAME) } else { name.clone() },
    };
    let value = ShareGroupStatePartitionMetadataValue {
        initializing_topics: infos(&topics.initializing),
        initialized_topics: infos(&topics.initialized),
        deleting_topics: topics.deleting.iter().map(gone).collect(),
    };
    record(group, ShareGroupChange::Topics { value: Some(Arc::new(value)) })
}
