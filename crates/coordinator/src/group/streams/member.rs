//! A member of a streams group: a thread of a streams application, what it says of itself, how far it is, what it has and what it still has to
//! give back. Plain data, and its form in records.

use super::super::records::GroupRecord;
use super::records::{StreamsGroupChange, StreamsGroupRecord};
use super::tasks::{Held, from_record, from_record_since, to_record, to_record_since};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::records::group::{
    Endpoint, KeyValue, StreamsGroupCurrentMemberAssignmentValue, StreamsGroupMemberMetadataValue,
};

/// The epoch of a member that leaves for good.
pub const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// The epoch of a static member that leaves for a while.
pub const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;

/// How far a member is on its way to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemberState {
    /// It has what it shall have, as far as its epoch knows.
    #[default]
    Stable,
    /// It has to give tasks back first.
    UnrevokedTasks,
    /// It waits for tasks that others still have.
    UnreleasedTasks,
    /// Written by a later version.
    Unknown,
}

impl MemberState {
    fn of_code(code: i8) -> MemberState {
        match code {
            1 => MemberState::Stable,
            2 => MemberState::UnrevokedTasks,
            3 => MemberState::UnreleasedTasks,
            _ => MemberState::Unknown,
        }
    }

    fn code(self) -> i8 {
        match self {
            MemberState::Stable => 1,
            MemberState::UnrevokedTasks => 2,
            MemberState::UnreleasedTasks => 3,
            MemberState::Unknown => 127,
        }
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamsMember {
    /// Chosen by itself.
    pub id: Str,
    /// That of the target it is at; [`LEAVE_GROUP_STATIC_MEMBER_EPOCH`] of a static member that is away for a while.
    pub epoch: i32,
    /// The one before: its answer may have been lost.
    pub previous_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// Of a static member.
    pub instance_id: Option<Str>,
    /// Where it runs.
    pub rack_id: Option<Str>,
    /// What its client calls itself.
    pub client_id: Str,
    /// Where it speaks from.
    pub client_host: Str,
    /// How long it may take to give something back.
    pub rebalance_timeout_ms: i32,
    /// Of the topology that it was built with.
    pub topology_epoch: i32,
    /// Members of one process share their disk.
    pub process_id: Str,
    /// Where others may ask it for its state.
    pub user_endpoint: Option<Endpoint>,
    /// What its operators say of where it runs.
    pub client_tags: BTreeMap<Str, Str>,
    /// What it has.
    pub assigned: Held,
    /// What it has and must give back.
    pub revoking: Held,
}

impl StreamsMember {
    /// One that has said nothing yet.
    pub fn new(id: Str) -> StreamsMember {
        StreamsMember {
            id,
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            client_id: Str::new(),
            client_host: Str::new(),
            rebalance_timeout_ms: -1,
            topology_epoch: -1,
            process_id: Str::new(),
            user_endpoint: None,
            client_tags: BTreeMap::new(),
            assigned: Held::default(),
            revoking: Held::default(),
        }
    }

    /// Nothing more is to be done for it until there is another target.
    pub fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    /// The epoch in which it was given an active task that it has, or has still to give back.
    pub fn has_since(&self, subtopology: &str, partition: i32) -> Option<i32> {
        let of = |held: &Held| held.active.get(subtopology).and_then(|tasks| tasks.get(&partition)).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    /// Of a static member: whether a change of what it says of itself makes the group divide its tasks anew.
    pub(super) fn is_to_be_assigned_as(&self, before: &StreamsMember) -> bool {
        self.topology_epoch == before.topology_epoch
            && self.rack_id == before.rack_id
            && self.client_tags == before.client_tags
            && self.process_id == before.process_id
    }

    pub(super) fn take_metadata(&mut self, value: &StreamsGroupMemberMetadataValue) {
        self.instance_id = value.instance_id.clone();
        self.rack_id = value.rack_id.clone();
        self.client_id = value.client_id.clone();
        self.client_host = value.client_host.clone();
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.topology_epoch = value.topology_epoch;
        self.process_id = value.process_id.clone();
        self.user_endpoint = value.user_endpoint.clone();
        let tags = value.client_tags.iter();
        self.client_tags = tags.map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    }

    /// `None`: it is about to go.
    pub(super) fn take_current(&mut self, value: Option<&StreamsGroupCurrentMemberAssignmentValue>) {
        let Some(value) = value else {
            (self.epoch, self.previous_epoch) = (LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_MEMBER_EPOCH);
            (self.assigned, self.revoking) = (Held::default(), Held::default());
            return;
        };
        (self.epoch, self.previous_epoch) = (value.member_epoch, value.previous_member_epoch);
        self.state = MemberState::of_code(value.state);
        self.assigned = Held {
            active: from_record_since(&value.active_tasks, value.member_epoch),
            standby: from_record(&value.standby_tasks),
            warmup: from_record(&value.warmup_tasks),
        };
        self.revoking = Held {
            active: from_record_since(&value.active_tasks_pending_revocation, value.member_epoch),
            standby: from_record(&value.standby_tasks_pending_revocation),
            warmup: from_record(&value.warmup_tasks_pending_revocation),
        };
    }

    pub(super) fn metadata_record(&self, group: &Str) -> GroupRecord {
        let tag = |(key, value): (&Str, &Str)| KeyValue { key: key.clone(), value: value.clone() };
        let value = StreamsGroupMemberMetadataValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            topology_epoch: self.topology_epoch,
            process_id: self.process_id.clone(),
            user_endpoint: self.user_endpoint.clone(),
            client_tags: self.client_tags.iter().map(tag).collect(),
        };
        record(group, StreamsGroupChange::Member { member_id: self.id.clone(), value: Some(Arc::new(value)) })
    }

    pub(super) fn current_record(&self, group: &Str) -> GroupRecord {
        let value = StreamsGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            active_tasks: to_record_since(&self.assigned.active),
            standby_tasks: to_record(&self.assigned.standby),
            warmup_tasks: to_record(&self.assigned.warmup),
            active_tasks_pending_revocation: to_record_since(&self.revoking.active),
            standby_tasks_pending_revocation: to_record(&self.revoking.standby),
            warmup_tasks_pending_revocation: to_record(&self.revoking.warmup),
        };
        record(
            group,
            StreamsGroupChange::Current { member_id: self.id.clone(), value: Some(Arc::new(value)) },
        )
    }
}

pub(super) fn record(group: &Str, of: StreamsGroupChange) -> GroupRecord {
    GroupRecord::Streams(StreamsGroupRecord { group: group.clone(), of })
}
