//! A member of a consumer group: what it wants, how far it is, what it has and what it still has to give back. Plain data, and its form
//! in records.

use super::super::assignor::Assignment;
use super::super::records::GroupRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::records::group::{
    ClassicMemberMetadata, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    TopicPartitions,
};
use wire::{ErrorCode, Str, Uuid};

/// The epoch of a member that leaves for good, and of a static one that will be back.
pub const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// See above.
pub const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;

/// Partitions by topic, each with the epoch in which the member was given it (KIP-1251).
pub type Held = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// How far a member is on its way to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemberState {
    /// It has what it shall have, as far as its epoch knows.
    #[default]
    Stable,
    /// It has to give something back first.
    UnrevokedPartitions,
    /// It waits for what others still have.
    UnreleasedPartitions,
    /// Written by a later version.
    Unknown,
}

impl MemberState {
    fn of_code(code: i8) -> MemberState {
        match code {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Unknown,
        }
    }

    fn code(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown => 127,
        }
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerMember {
    /// Its id.
    pub id: Str,
    /// Of the target that it is at. [`LEAVE_GROUP_STATIC_MEMBER_EPOCH`] of a static member that is away for a while.
    pub epoch: i32,
    /// The one before: its answer may have been lost.
    pub previous_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// Of a static member.
    pub instance_id: Option<Str>,
    /// Where it runs.
    pub rack_id: Option<Str>,
    /// What it calls itself.
    pub client_id: Str,
    /// Where it speaks from.
    pub client_host: Str,
    /// How long it may take to give something back.
    pub rebalance_timeout_ms: i32,
    /// What it subscribes to by name.
    pub topic_names: BTreeSet<Str>,
    /// What it subscribes to by pattern; empty is nothing.
    pub topic_regex: Option<Str>,
    /// The assignor that it would like.
    pub server_assignor: Option<Str>,
    /// What it has.
    pub assigned: Held,
    /// What it has and must give back.
    pub revoking: Held,
    /// Of a member that speaks the classic protocol.
    pub classic: Option<Arc<ClassicMemberMetadata>>,
}

impl ConsumerMember {
    /// One that has said nothing yet.
    pub fn new(id: Str) -> ConsumerMember {
        ConsumerMember {
            id,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            client_id: Str::new(),
            client_host: Str::new(),
            rebalance_timeout_ms: -1,
            topic_names: BTreeSet::new(),
            topic_regex: Some(Str::new()),
            server_assignor: None,
            assigned: Held::new(),
            revoking: Held::new(),
            classic: None,
        }
    }

    /// It speaks JoinGroup and SyncGroup.
    pub fn uses_classic_protocol(&self) -> bool {
        self.classic.is_some()
    }

    /// Its pattern, where it has one.
    pub fn regex(&self) -> Option<&Str> {
        self.topic_regex.as_ref().filter(|regex| !regex.is_empty())
    }

    /// What it hears when it asks in an epoch that is not its own.
    pub fn stale_epoch(&self) -> ErrorCode {
        match self.uses_classic_protocol() {
            true => ErrorCode::IllegalGeneration,
            false => ErrorCode::StaleMemberEpoch,
        }
    }

    /// Whether it may commit for a partition in this epoch: not in one of before it was given the partition (KIP-1251).
    pub fn may_commit(&self, epoch: i32, topic: Uuid, partition: i32) -> bool {
        let held = |held: &Held| held.get(&topic).and_then(|partitions| partitions.get(&partition)).copied();
        epoch == self.epoch
            || held(&self.assigned).or_else(|| held(&self.revoking)).is_some_and(|given| epoch >= given)
    }

    /// Nothing more is to be done for it until there is another target.
    pub fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    /// It goes to this epoch.
    pub fn advance_to(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }

    /// What it wants, as a record.
    pub fn metadata_record(&self, group: &Str) -> GroupRecord {
        let value = ConsumerGroupMemberMetadataValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topic_names.iter().cloned().collect(),
            subscribed_topic_regex: self.topic_regex.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.server_assignor.clone(),
            classic_member_metadata: self.classic.as_deref().cloned(),
        };
        GroupRecord::ConsumerMember {
            group: group.clone(),
            member_id: self.id.clone(),
            value: Some(Arc::new(value)),
        }
    }

    /// How far it is, as a record.
    pub fn current_record(&self, group: &Str) -> GroupRecord {
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: to_record(&self.assigned),
            partitions_pending_revocation: to_record(&self.revoking),
        };
        GroupRecord::ConsumerCurrentAssignment {
            group: group.clone(),
            member_id: self.id.clone(),
            value: Some(Arc::new(value)),
        }
    }

    /// The record says what it wants.
    pub fn take_metadata(&mut self, value: &ConsumerGroupMemberMetadataValue) {
        self.instance_id = value.instance_id.clone();
        self.rack_id = value.rack_id.clone();
        self.client_id = value.client_id.clone();
        self.client_host = value.client_host.clone();
        self.topic_names = value.subscribed_topic_names.iter().cloned().collect();
        self.topic_regex = value.subscribed_topic_regex.clone();
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.server_assignor = value.server_assignor.clone();
        self.classic = value.classic_member_metadata.clone().map(Arc::new);
    }

    /// The record says how far it is; none: it is nowhere.
    pub fn take_current(&mut self, value: Option<&ConsumerGroupCurrentMemberAssignmentValue>) {
        match value {
            Some(value) => {
                self.epoch = value.member_epoch;
                self.previous_epoch = value.previous_member_epoch;
                self.state = MemberState::of_code(value.state);
                self.assigned = from_record(&value.assigned_partitions, value.member_epoch);
                self.revoking = from_record(&value.partitions_pending_revocation, value.member_epoch);
            }
            None => {
                self.epoch = LEAVE_GROUP_MEMBER_EPOCH;
                self.previous_epoch = LEAVE_GROUP_MEMBER_EPOCH;
                self.state = MemberState::Stable;
                self.assigned = Held::new();
                self.revoking = Held::new();
            }
        }
    }
}

/// Without the epochs.
pub fn partitions_of(held: &Held) -> Assignment {
    held.iter().map(|(topic, partitions)| (*topic, partitions.keys().copied().collect())).collect()
}

fn to_record(held: &Held) -> Vec<TopicPartitions> {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeMap<i32, i32>)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    };
    held.iter().map(topic).collect()
}

/// Older records have no epochs of their own for partitions.
fn from_record(topics: &[TopicPartitions], member_epoch: i32) -> Held {
    let mut held = Held::new();
    for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
        let own = held.entry(topic.topic_id).or_default();
        for (at, partition) in topic.partitions.iter().enumerate() {
            own.insert(*partition, epochs.get(at).copied().unwrap_or(member_epoch));
        }
    }
    held
}
