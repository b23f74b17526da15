//! How members of a streams group go: they leave, for good or for a while, or they are not heard of, or do not give back in time what they must.
//! Whoever goes makes the group's next epoch. And how a group ends.

use super::super::command::GroupTimer;
use super::super::consumer::refusal::Refusal;
use super::super::events::{Departure, GroupEvent};
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::assignment::target_epoch_record;
use super::group::StreamsGroup;
use super::heard::StreamsHeartbeatAnswer;
use super::known::{is_no_streams_group, known_instance, unknown_member};
use super::member::{LEAVE_GROUP_STATIC_MEMBER_EPOCH, MemberState, StreamsMember, record};
use super::records::StreamsGroupChange;
use super::tasks::Held;
use std::sync::Arc;
use wire::Str;
use wire::messages::streams_group_heartbeat::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};

impl GroupMachine {
    pub(super) fn streams_leave(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<StreamsHeartbeatAnswer, Refusal> {
        let group_id = request.group_id.detached();
        let group = match self.groups.get(&group_id) {
            Some(Group::Streams(group)) => Arc::clone(group),
            None if !self.exists(soft, &group_id) => return Err(Refusal::group_not_found(&group_id)),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Share(_)) | None => {
                return Err(is_no_streams_group(&group_id));
            }
        };
        let member = leaving_member(&group, &group_id, request)?;
        if request.shutdown_application {
            let soft = soft.streams.entry(group_id.clone()).or_default();
            soft.shutdown_by.get_or_insert_with(|| request.member_id.detached());
        }
        if request.instance_id.is_some() && request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
            turn.write(gone_for_a_while(member).current_record(&group_id));
        } else {
            fence_member(soft, turn, &group, &group_id, &member.id, Departure::Left);
        }
        Ok(StreamsHeartbeatAnswer::of(StreamsGroupHeartbeatResponse {
            member_id: member.id.clone(),
            member_epoch: request.member_epoch,
            ..StreamsGroupHeartbeatResponse::default()
        }))
    }

    /// A member was not heard of for its session timeout.
    pub(in super::super) fn streams_session_over(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
    ) {
        if let Some(Group::Streams(group)) = self.groups.get(group_id)
            && group.members.contains_key(member_id)
        {
            fence_member(soft, turn, group, group_id, member_id, Departure::SessionEnded);
        }
    }

    /// A member had time enough to give back what it must.
    pub(in super::super) fn streams_revocation_over(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
    ) {
        let Some(Group::Streams(group)) = self.groups.get(group_id) else { return };
        let must_give_back = |member: &Arc<StreamsMember>| {
            member.state == MemberState::UnrevokedTasks && member.epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH
        };
        if group.members.get(member_id).is_some_and(must_give_back) {
            fence_member(soft, turn, group, group_id, member_id, Departure::NeverRevoked);
        }
    }

    /// Every member of a group that was loaded has its whole session before it, and whoever must give something back its whole time.
    pub(in super::super) fn open_streams_groups(&self, soft: &GroupSoft, turn: &mut Turn) {
        for (group_id, group) in &self.groups {
            let Group::Streams(group) = group else { continue };
            let timeout_ms = i64::from(soft.streams_session_timeout_ms(group_id));
            for (member_id, member) in &group.members {
                let (group, member_id) = (group_id.clone(), member_id.clone());
                if member.state == MemberState::UnrevokedTasks {
                    let timer = GroupTimer::Revocation { group: group.clone(), member_id: member_id.clone() };
                    turn.set_timer(timer, i64::from(member.rebalance_timeout_ms.max(0)));
                }
                turn.set_timer(GroupTimer::Session { group, member_id }, timeout_ms);
            }
        }
    }
}

fn leaving_member<'a>(
    group: &'a StreamsGroup,
    group_id: &Str,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<&'a StreamsMember, Refusal> {
    match &request.instance_id {
        None => {
            let member = group.members.get(&request.member_id);
            member.map(|member| &**member).ok_or_else(|| unknown_member(group_id, &request.member_id))
        }
        Some(instance_id) => known_instance(group, instance_id, &request.member_id),
    }
}

fn gone_for_a_while(member: &StreamsMember) -> StreamsMember {
    StreamsMember {
        epoch: LEAVE_GROUP_STATIC_MEMBER_EPOCH,
        revoking: Held::default(),
        assigned: member.assigned.of_no_epoch(),
        ..member.clone()
    }
}

fn fence_member(
    soft: &mut GroupSoft,
    turn: &mut Turn,
    group: &StreamsGroup,
    group_id: &Str,
    member_id: &Str,
    how: Departure,
) {
    turn.remove_streams_member(group_id, member_id);
    let epoch = group.epoch.saturating_add(1);
    let value = Some(Arc::new(group.epoch_value(epoch)));
    turn.write(record(group_id, StreamsGroupChange::Group { value }));
    turn.tell(GroupEvent::Departed { group: group_id.clone(), member_id: member_id.clone(), how });
    let known = soft.streams.get_mut(group_id);
    if group.members.len() == 1 {
        // The next member does not wait for the interval between assignments.
        turn.write(target_epoch_record(group_id, epoch, 0));
        turn.tell(GroupEvent::Emptied { group: group_id.clone(), generation: epoch });
        known.into_iter().for_each(|soft| {
            soft.shutdown_by = None;
            soft.told.clear();
        });
    } else if let Some(soft) = known {
        soft.told.remove(member_id);
    }
}

impl Turn {
    /// The member's records go, and its deadlines.
    pub(super) fn remove_streams_member(&mut self, group_id: &Str, member_id: &Str) {
        let own = || member_id.clone();
        for change in [
            StreamsGroupChange::Current { member_id: own(), value: None },
            StreamsGroupChange::Target { member_id: own(), value: None },
            StreamsGroupChange::Member { member_id: own(), value: None },
        ] {
            self.write(record(group_id, change));
        }
        self.cancel_timer(GroupTimer::Session { group: group_id.clone(), member_id: own() });
        self.cancel_timer(GroupTimer::Revocation { group: group_id.clone(), member_id: own() });
    }

    /// The end of a streams group without members.
    pub(in super::super) fn write_streams_tombstones(&mut self, soft: &mut GroupSoft, group_id: &Str) {
        for change in [
            StreamsGroupChange::TargetMetadata { value: None },
            StreamsGroupChange::Group { value: None },
            StreamsGroupChange::Topology { value: None },
        ] {
            self.write(record(group_id, change));
        }
        self.cancel_timer(GroupTimer::InitialRebalance { group: group_id.clone() });
        soft.streams.remove(group_id);
    }
}
