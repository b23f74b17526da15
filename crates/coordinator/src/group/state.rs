//! The replicated state of one `__consumer_offsets` partition, its soft state, and the working place of one decision.
//!
//! Owns `apply`: the only way in which groups come, change and go. Decisions live in the other rooms.

use super::classic::ClassicGroup;
use super::config::GroupConfig;
use super::consumer::{ClusterView, ConsumerGroup, ConsumerSoft, GroupSetting, NothingKnown, TopicHashes};
use super::events::GroupEvent;
use super::offsets::{CommittedOffset, Offsets};
use super::records::GroupRecord;
use super::share::records::{ShareGroupChange, ShareGroupRecord};
use super::share::{ShareGroup, ShareSoft};
use super::streams::records::{StreamsGroupChange, StreamsGroupRecord};
use super::streams::{StreamsGroup, StreamsSoft};
use crate::machine::Origin;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::random::SplitMix64;
use wire::records::group::GroupMetadataValue;
use wire::wall::Wall;

/// What the partition's records add up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupMachine {
    /// A group exists from its first record (metadata or offset) to its tombstone.
    pub(super) groups: BTreeMap<Str, Group>,
    pub(super) offsets: Offsets,
}

/// One group as it is persisted.
#[derive(Debug, Clone, PartialEq)]
pub enum Group {
    /// `None`: known by its offsets alone (a simple consumer that only commits).
    Classic(Option<Arc<GroupMetadataValue>>),
    /// Of the consumer protocol.
    Consumer(Arc<ConsumerGroup>),
    /// Of the share protocol.
    Share(Arc<ShareGroup>),
    /// Of the streams protocol.
    Streams(Arc<StreamsGroup>),
}

/// What dies with leadership.
#[derive(Debug)]
pub struct GroupSoft {
    /// As configured now.
    pub config: GroupConfig,
    pub(super) wall: Wall,
    pub(super) entropy: SplitMix64,
    /// Classic groups that have members, or had some in this term. A group of the machine that is not here is empty.
    pub(super) classic: BTreeMap<Str, ClassicGroup>,
    /// The cluster as it is known now.
    pub view: Arc<dyn ClusterView>,
    pub(super) consumer: BTreeMap<Str, ConsumerSoft>,
    pub(super) share: BTreeMap<Str, ShareSoft>,
    pub(super) streams: BTreeMap<Str, StreamsSoft>,
    pub(super) topic_hashes: TopicHashes,
    /// What happened and nobody was told of yet; whoever hosts the machine takes it after each step.
    pub events: Vec<GroupEvent>,
}

impl GroupSoft {
    /// What a group is held to: its own setting within the broker's bounds of now, or the broker's.
    pub(super) fn setting(
        &self,
        group: &str,
        setting: GroupSetting,
        brokers: i32,
        (min, max): (i32, i32),
    ) -> i32 {
        self.view.group_setting(group, setting).map_or(brokers, |value| value.max(min).min(max))
    }

    /// `seed` makes the member ids of this term.
    pub fn new(config: GroupConfig, seed: u64) -> Self {
        let (wall, classic) = (Wall::default(), BTreeMap::new());
        GroupSoft {
            config,
            wall,
            entropy: SplitMix64::new(seed),
            classic,
            view: Arc::new(NothingKnown),
            consumer: BTreeMap::new(),
            share: BTreeMap::new(),
            streams: BTreeMap::new(),
            topic_hashes: TopicHashes::default(),
            events: Vec::new(),
        }
    }

    /// What commits and their ages are counted in; timers are not.
    pub fn with_wall(self, wall: Wall) -> Self {
        GroupSoft { wall, ..self }
    }
}

impl GroupMachine {
    /// A partition without groups.
    pub fn new() -> Self {
        GroupMachine::default()
    }

    /// Groups known to this partition.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Committed and staged offsets.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    pub(super) fn apply_record(&mut self, origin: Origin, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { group, topic, partition, value: Some(value) } => {
                if !self.groups.contains_key(group) {
                    self.groups.insert(group.clone(), Group::Classic(None));
                }
                let committed = CommittedOffset::from_record(origin.offset, *partition, value);
                match origin.producer {
                    None => self.offsets.put(group, topic, committed),
                    Some(producer) => self.offsets.stage(producer.producer_id, group, topic, committed),
                }
            }
            GroupRecord::OffsetCommit { group, topic, partition, value: None } => {
                self.offsets.remove(group, topic, *partition);
            }
            GroupRecord::GroupMetadata { group, value: Some(value) } => {
                self.groups.insert(group.clone(), Group::Classic(Some(value.clone())));
            }
            // What a compaction has kept of an upgrade is no end of the consumer group.
            GroupRecord::GroupMetadata { group, value: None } => {
                if matches!(self.groups.get(group), Some(Group::Classic(_))) {
                    self.groups.remove(group);
                }
            }
            GroupRecord::ConsumerGroupMetadata { group, value: None } => {
                if matches!(self.groups.get(group), Some(Group::Consumer(_))) {
                    self.groups.remove(group);
                }
            }
            GroupRecord::ConsumerGroupMetadata { group, value: Some(value) } => {
                let group = self.consumer_mut(group);
                (group.epoch, group.metadata_hash) = (value.epoch, value.metadata_hash);
            }
            GroupRecord::ConsumerPartitionMetadata { group, value } => {
                if let Some(group) = self.consumer_for(group, value.is_some()) {
                    group.has_partition_metadata = value.is_some();
                }
            }
            GroupRecord::ConsumerMember { group, member_id, value } => {
                if let Some(group) = self.consumer_for(group, value.is_some()) {
                    group.apply_member(member_id, value.as_deref());
                }
            }
            GroupRecord::ConsumerTargetMetadata { group, value } => {
                if let Some(group) = self.consumer_for(group, value.is_some()) {
                    let value = value.clone().unwrap_or_default();
                    group.assignment_epoch = value.assignment_epoch;
                    group.assignment_timestamp_ms = value.assignment_timestamp;
                }
            }
            GroupRecord::ConsumerTarget { group, member_id, value } => {
                if let Some(group) = self.consumer_for(group, value.is_some()) {
                    group.apply_target(member_id, value.as_deref());
                }
            }
            GroupRecord::ConsumerCurrentAssignment { group, member_id, value } => {
                if let Some(group) = self.consumer_for(group, value.is_some()) {
                    group.apply_current(member_id, value.as_deref());
                }
            }
            GroupRecord::ConsumerRegex { group, regex, value } => {
                if let Some(group) = self.consumer_for(group, value.is_some()) {
                    group.apply_regex(regex, value.as_deref());
                }
            }
            GroupRecord::Share(record) => self.apply_share_record(record),
            GroupRecord::Streams(record) => self.apply_streams_record(record),
        }
    }

    /// As with share groups. What a compaction has kept of a group that became another one is no end of that one.
    fn apply_streams_record(&mut self, StreamsGroupRecord { group, of }: &StreamsGroupRecord) {
        let is_streams = matches!(self.groups.get(group), Some(Group::Streams(_)));
        match of {
            StreamsGroupChange::Group { value: None } if is_streams => drop(self.groups.remove(group)),
            change if is_streams || change.has_value() => {
                if !is_streams {
                    self.groups.insert(group.clone(), Group::Streams(Arc::default()));
                }
                if let Some(Group::Streams(group)) = self.groups.get_mut(group) {
                    Arc::make_mut(group).apply(change);
                }
            }
            _ => {}
        }
    }

    /// A tombstone makes no group. A group of another type of the same name makes way for what is written of this one.
    fn apply_share_record(&mut self, ShareGroupRecord { group, of }: &ShareGroupRecord) {
        let is_share = matches!(self.groups.get(group), Some(Group::Share(_)));
        match of {
            ShareGroupChange::Group { value: None } if is_share => drop(self.groups.remove(group)),
            change if is_share || change.has_value() => {
                if !is_share {
                    self.groups.insert(group.clone(), Group::Share(Arc::default()));
                }
                if let Some(Group::Share(group)) = self.groups.get_mut(group) {
                    Arc::make_mut(group).apply(change);
                }
            }
            _ => {}
        }
    }

    /// A tombstone makes no group.
    fn consumer_for(&mut self, group: &Str, make: bool) -> Option<&mut ConsumerGroup> {
        match self.groups.get(group) {
            Some(Group::Consumer(_)) => Some(self.consumer_mut(group)),
            Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None => {
                make.then(|| self.consumer_mut(group))
            }
        }
    }

    /// The consumer group of this name, made if there is none.
    fn consumer_mut(&mut self, group: &Str) -> &mut ConsumerGroup {
        if !matches!(self.groups.get(group), Some(Group::Consumer(_))) {
            self.groups.insert(group.clone(), Group::Consumer(Arc::default()));
        }
        match self.groups.get_mut(group) {
            Some(Group::Consumer(group)) => Arc::make_mut(group),
            Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None => {
                unreachable!("it was made above")
            }
        }
    }

    /// The classic group to work on: the live one, or one made of what is persisted, or a new empty one.
    pub(super) fn live<'a>(
        &self,
        soft: &'a mut GroupSoft,
        group_id: &Str,
        wall_ms: i64,
    ) -> &'a mut ClassicGroup {
        if !soft.classic.contains_key(group_id) {
            let group = match self.groups.get(group_id) {
                Some(Group::Classic(Some(value))) => ClassicGroup::from_record(group_id.clone(), value),
                Some(Group::Classic(None) | Group::Consumer(_) | Group::Share(_) | Group::Streams(_))
                | None => ClassicGroup::new(group_id.detached(), wall_ms),
            };
            soft.classic.insert(group.id.clone(), group);
        }
        soft.classic.get_mut(group_id).expect("inserted above")
    }

    /// Looks at a classic group without making it live: `None` if it does not exist, or is none.
    pub(super) fn look<T>(
        &self,
        soft: &GroupSoft,
        group_id: &Str,
        see: impl FnOnce(&ClassicGroup) -> T,
    ) -> Option<T> {
        match (soft.classic.get(group_id), self.groups.get(group_id)) {
            (Some(live), _) => Some(see(live)),
            (None, Some(Group::Classic(Some(value)))) => {
                Some(see(&ClassicGroup::from_record(group_id.clone(), value)))
            }
            (None, Some(Group::Classic(None))) => Some(see(&ClassicGroup::new(group_id.clone(), -1))),
            (None, Some(Group::Consumer(_) | Group::Share(_) | Group::Streams(_)) | None) => None,
        }
    }

    /// Whether the group exists for commands: persisted, or alive and not persisted yet.
    pub(super) fn exists(&self, soft: &GroupSoft, group_id: &Str) -> bool {
        soft.classic.contains_key(group_id) || self.groups.contains_key(group_id)
    }
}
