//! How members of a consumer group go: they leave, for good or for a while, or they are not heard of, or do not give back in time what
//! they must. Whoever goes makes the group's next epoch.

use super::super::command::GroupTimer;
use super::super::events::{Departure, GroupEvent};
use super::super::records::GroupRecord;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::beat::epoch_record;
use super::group::ConsumerGroup;
use super::heard::ConsumerHeartbeatAnswer;
use super::member::{ConsumerMember, Held, LEAVE_GROUP_STATIC_MEMBER_EPOCH, MemberState};
use super::refusal::Refusal;
use super::regexes::regex_tombstone;
use super::subscription::Roster;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use wire::records::group::ConsumerGroupTargetAssignmentMetadataValue;
use wire::{ErrorCode, Str};

impl GroupMachine {
    /// The consumer group of this name.
    pub(super) fn consumer_group(
        &self,
        soft: &GroupSoft,
        group_id: &Str,
    ) -> Result<&Arc<ConsumerGroup>, Refusal> {
        match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => Ok(group),
            Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None
                if self.exists(soft, group_id) =>
            {
                Err(Refusal::new(
                    ErrorCode::GroupIdNotFound,
                    format!("Group {group_id} is not a consumer group."),
                ))
            }
            Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None => {
                Err(Refusal::group_not_found(group_id))
            }
        }
    }

    pub(super) fn consumer_leave(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerHeartbeatAnswer, Refusal> {
        let group_id = request.group_id.detached();
        let group = self.consumer_group(soft, &group_id)?;
        let member_id = &request.member_id;
        let member = match &request.instance_id {
            None => {
                group.members.get(member_id).ok_or_else(|| Refusal::unknown_member(&group_id, member_id))?
            }
            Some(instance) => {
                let unknown = || {
                    Refusal::new(ErrorCode::UnknownMemberId, format!("Instance id {instance} is unknown."))
                };
                let member = group.static_member(instance).ok_or_else(unknown)?;
                if member.id != *member_id {
                    return Err(Refusal::fenced_instance(member_id, instance, &member.id));
                }
                member
            }
        };
        if request.instance_id.is_some() && request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
            turn.write(gone_for_a_while(member).current_record(&group_id));
        } else {
            self.fence_members(soft, turn, &group_id, BTreeSet::from([member.id.clone()]), Departure::Left);
        }
        let response = ConsumerGroupHeartbeatResponse {
            member_id: Some(member.id.clone()),
            member_epoch: request.member_epoch,
            ..ConsumerGroupHeartbeatResponse::default()
        };
        Ok(ConsumerHeartbeatAnswer { response, resolve: None })
    }

    /// Members go: their records, the group's next epoch without them.
    pub(super) fn fence_members(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        gone: BTreeSet<Str>,
        how: Departure,
    ) {
        let Some(Group::Consumer(group)) = self.groups.get(group_id) else { return };
        if gone.is_empty() {
            return;
        }
        for member_id in &gone {
            let departed =
                GroupEvent::Departed { group: group_id.clone(), member_id: member_id.clone(), how };
            turn.tell(departed);
            turn.cancel_consumer_timers(group_id, member_id);
        }
        if self.downgrade(soft, turn, group_id, group, &gone, None) {
            return;
        }
        for member_id in &gone {
            turn.remove_consumer_member(group_id, member_id);
        }
        let everybody = gone.len() == group.members.len();
        let roster = Roster::without(group, gone);
        let patterns = roster.patterns();
        for regex in group.regexes.keys().filter(|regex| !patterns.contains_key(regex)) {
            turn.write(regex_tombstone(group_id, regex));
        }
        let hash = roster.metadata_hash(soft);
        let epoch = group.epoch.saturating_add(1);
        turn.write(epoch_record(group_id, epoch, hash));
        if everybody {
            // The next member does not wait for the interval between assignments.
            let value = ConsumerGroupTargetAssignmentMetadataValue {
                assignment_epoch: epoch,
                assignment_timestamp: 0,
            };
            turn.write(GroupRecord::ConsumerTargetMetadata { group: group_id.clone(), value: Some(value) });
            turn.tell(GroupEvent::Emptied { group: group_id.clone(), generation: epoch });
        }
        turn.split_if_large(soft);
    }

    /// A member was not heard of for its session timeout.
    pub(crate) fn consumer_session_over(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
    ) {
        self.fence_known(soft, turn, group_id, member_id, Departure::SessionEnded);
    }

    /// A member has not given back in time what it must.
    pub(crate) fn revocation_over(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
    ) {
        let Some(Group::Consumer(group)) = self.groups.get(group_id) else { return };
        let member = group.members.get(member_id);
        let must_give_back = |member: &Arc<ConsumerMember>| {
            member.state == MemberState::UnrevokedPartitions
                && member.epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH
        };
        if member.is_some_and(must_give_back) {
            self.fence_known(soft, turn, group_id, member_id, Departure::NeverRevoked);
        }
    }

    pub(crate) fn fence_known(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
        how: Departure,
    ) {
        let Some(Group::Consumer(group)) = self.groups.get(group_id) else { return };
        if group.members.contains_key(member_id) {
            self.fence_members(soft, turn, group_id, BTreeSet::from([member_id.clone()]), how);
        }
    }

    /// After a load: every member has a session again, and what must be given back its deadline.
    pub(crate) fn open_consumer_groups(&self, soft: &mut GroupSoft, turn: &mut Turn) {
        for (group_id, group) in &self.groups {
            let Group::Consumer(group) = group else { continue };
            for (member_id, member) in &group.members {
                let session_timeout_ms = match &member.classic {
                    Some(classic) => classic.session_timeout_ms,
                    None => soft.consumer_session_timeout_ms(group_id),
                };
                let (group, member_id) = (group_id.clone(), member_id.clone());
                if member.state == MemberState::UnrevokedPartitions && !member.uses_classic_protocol() {
                    let timer = GroupTimer::Revocation { group: group.clone(), member_id: member_id.clone() };
                    turn.set_timer(timer, i64::from(member.rebalance_timeout_ms));
                }
                turn.set_timer(GroupTimer::Session { group, member_id }, i64::from(session_timeout_ms));
            }
        }
    }
}

/// It keeps what it has, and need give nothing back.
fn gone_for_a_while(member: &ConsumerMember) -> ConsumerMember {
    let mut away = ConsumerMember { epoch: LEAVE_GROUP_STATIC_MEMBER_EPOCH, ..member.clone() };
    away.revoking = Held::new();
    away.assigned.values_mut().flat_map(|partitions| partitions.values_mut()).for_each(|epoch| *epoch = 0);
    away
}

impl Turn {
    /// Everything that records say of a member ends.
    pub(super) fn remove_consumer_member(&mut self, group_id: &Str, member_id: &Str) {
        let (group, member_id) = (group_id.clone(), member_id.clone());
        let (again, for_it) = (group.clone(), member_id.clone());
        self.write(GroupRecord::ConsumerCurrentAssignment { group, member_id, value: None });
        let (group, member_id) = (again.clone(), for_it.clone());
        self.write(GroupRecord::ConsumerTarget { group, member_id, value: None });
        self.write(GroupRecord::ConsumerMember { group: again, member_id: for_it, value: None });
    }

    /// Everything that records say of a consumer group ends.
    pub(crate) fn write_consumer_tombstones(&mut self, group_id: &Str, group: &ConsumerGroup) {
        let of_each = |what: fn(Str, Str) -> GroupRecord, turn: &mut Turn| {
            group.members.keys().for_each(|member_id| turn.write(what(group_id.clone(), member_id.clone())));
        };
        of_each(
            |group, member_id| GroupRecord::ConsumerCurrentAssignment { group, member_id, value: None },
            self,
        );
        of_each(|group, member_id| GroupRecord::ConsumerTarget { group, member_id, value: None }, self);
        self.write(GroupRecord::ConsumerTargetMetadata { group: group_id.clone(), value: None });
        of_each(|group, member_id| GroupRecord::ConsumerMember { group, member_id, value: None }, self);
        for regex in group.regexes.keys() {
            self.write(regex_tombstone(group_id, regex));
        }
        self.write(GroupRecord::ConsumerPartitionMetadata { group: group_id.clone(), value: None });
        self.write(GroupRecord::ConsumerGroupMetadata { group: group_id.clone(), value: None });
    }

    pub(super) fn cancel_consumer_timers(&mut self, group_id: &Str, member_id: &Str) {
        let (group, member_id) = (group_id.clone(), member_id.clone());
        self.cancel_timer(GroupTimer::Session { group: group.clone(), member_id: member_id.clone() });
        self.cancel_timer(GroupTimer::Revocation { group: group.clone(), member_id: member_id.clone() });
        self.cancel_timer(GroupTimer::ClassicJoin { group: group.clone(), member_id: member_id.clone() });
        self.cancel_timer(GroupTimer::ClassicSync { group, member_id });
    }
}
