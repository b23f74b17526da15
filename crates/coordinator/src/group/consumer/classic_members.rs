//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup of classic members in a consumer group: the coordinator assigns, they come again whenever
//! there is something to give back or to get.

use super::super::answers;
use super::super::classic::{Protocol, protocols_of};
use super::super::command::{Caller, GroupAnswer, GroupTimer};
use super::super::config::MigrationPolicy;
use super::super::events::{Departure, GroupEvent};
use super::super::state::{GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::embedded::{self, Subscription};
use super::group::ConsumerGroup;
use super::heartbeat::{Step, bump_epoch, reconcile_member, replace_member, target_of};
use super::member::{ConsumerMember, MemberState};
use super::migration::{assignment_for, classic_metadata};
use super::refusal::Refusal;
use super::subscription::Roster;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::messages::consumer_group_heartbeat::TopicPartitions;
use wire::messages::heartbeat::HeartbeatRequest;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use wire::{ErrorCode, Str};

const PROTOCOL_TYPE: &str = super::super::classic::CONSUMER_PROTOCOL_TYPE;

impl GroupMachine {
    /// A member of the classic protocol comes to a consumer group, or comes again.
    pub(crate) fn join_consumer_group(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &JoinGroupRequest,
        (group, member_id_required): (&ConsumerGroup, bool),
    ) {
        let joined = self.try_join(soft, turn, caller, request, (group, member_id_required));
        let fits = |joined| {
            turn.fitting(soft, joined).map_err(|refusal| (refusal.error, request.member_id.detached()))
        };
        match joined.and_then(fits) {
            Ok(response) => {
                turn.answer(GroupAnswer::Join(answers::join_in_version(response, caller.api_version)))
            }
            Err((error, member_id)) => {
                turn.take_back();
                turn.refuse(GroupAnswer::Join(answers::join_refusal(member_id, error, caller.api_version)));
            }
        }
    }

    fn try_join(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &JoinGroupRequest,
        (group, member_id_required): (&ConsumerGroup, bool),
    ) -> Result<JoinGroupResponse, (ErrorCode, Str)> {
        let refused = |error: ErrorCode| (error, request.member_id.detached());
        let group_id = request.group_id.detached();
        let protocols = protocols_of(&request.protocols);
        let subscription = admit(soft, request, group, &protocols).map_err(refused)?;
        let is_unknown = request.member_id.is_empty();
        let member_id =
            if is_unknown { Str::from(soft.entropy.uuid_text()) } else { request.member_id.detached() };
        if is_unknown && request.group_instance_id.is_none() && member_id_required {
            return Err((ErrorCode::MemberIdRequired, member_id));
        }
        let (member, gone) = joining(turn, request, group, &member_id).map_err(refused)?;
        let mut updated = member.clone();
        updated.instance_id = request.group_instance_id.as_ref().map(Str::detached).or(updated.instance_id);
        updated.rack_id = subscription.rack_id.clone().or(updated.rack_id);
        if request.rebalance_timeout_ms != -1 {
            updated.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        updated.topic_names = subscription.topics.clone();
        updated.client_id = caller.client_id.clone();
        updated.client_host = caller.client_host.clone();
        updated.classic = Some(Arc::new(classic_metadata(request.session_timeout_ms, &protocols)));
        let changed = updated.topic_names != member.topic_names;
        if updated != member {
            turn.write(updated.metadata_record(&group_id));
        }
        updated = towards_target(soft, turn, group, &group_id, &updated, changed, &subscription)
            .map_err(|refusal| refused(refusal.error))?;
        let downgraded =
            !gone.is_empty() && self.downgrade(soft, turn, &group_id, group, &gone, Some(&updated));
        if !downgraded {
            has_joined(turn, &group_id, &updated, request.session_timeout_ms);
        }
        if !group.members.contains_key(&updated.id) {
            let (member_id, epoch) = (updated.id.clone(), group.epoch);
            turn.tell(GroupEvent::ConsumerJoined { group: group_id, member_id, epoch });
        }
        Ok(JoinGroupResponse {
            member_id: updated.id.clone(),
            generation_id: updated.epoch,
            protocol_type: Some(Str::from_static(PROTOCOL_TYPE)),
            protocol_name: protocols.first().map(|first| first.name.clone()),
            ..JoinGroupResponse::default()
        })
    }

    pub(crate) fn sync_consumer_group(
        &self,
        soft: &GroupSoft,
        turn: &mut Turn,
        request: &SyncGroupRequest,
        group: &ConsumerGroup,
    ) {
        match try_sync(turn, request, group) {
            Ok(member) => {
                let (own_group, member_id) = (request.group_id.detached(), member.id.clone());
                let timeout_ms = member.classic.as_ref().map_or(0, |classic| classic.session_timeout_ms);
                turn.cancel_timer(GroupTimer::ClassicSync {
                    group: own_group.clone(),
                    member_id: member_id.clone(),
                });
                turn.set_timer(GroupTimer::Session { group: own_group, member_id }, i64::from(timeout_ms));
                turn.answer(GroupAnswer::Sync(SyncGroupResponse {
                    protocol_type: request.protocol_type.clone(),
                    protocol_name: request.protocol_name.clone(),
                    assignment: assignment_for(member, &*soft.view),
                    ..SyncGroupResponse::default()
                }));
            }
            Err(error) => turn.refuse(GroupAnswer::Sync(answers::sync_refusal(error))),
        }
    }

    pub(crate) fn heartbeat_consumer_group(
        &self,
        turn: &mut Turn,
        request: &HeartbeatRequest,
        group: &ConsumerGroup,
    ) -> Result<(), ErrorCode> {
        let member = group.classic_member(&request.member_id, request.group_instance_id.as_ref())?;
        if member.epoch != request.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        let group_id = request.group_id.detached();
        let timeout_ms = member.classic.as_ref().map_or(0, |classic| classic.session_timeout_ms);
        let session = GroupTimer::Session { group: group_id.clone(), member_id: member.id.clone() };
        turn.set_timer(session, i64::from(timeout_ms));
        let comes_again = member.epoch < group.epoch
            || member.state == MemberState::UnrevokedPartitions
            || (member.state == MemberState::UnreleasedPartitions && !group.waits_for_others(member));
        if comes_again {
            come_again(turn, &group_id, member);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    pub(crate) fn leave_consumer_group(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &LeaveGroupRequest,
        group: &ConsumerGroup,
    ) {
        let mut gone = BTreeSet::new();
        let mut members = Vec::new();
        for MemberIdentity { member_id, group_instance_id, .. } in &request.members {
            // An administrator removes a static member by its instance id alone.
            let by_instance =
                group_instance_id.as_ref().and_then(|instance| group.static_members.get(instance));
            let named = if member_id.is_empty() { by_instance.unwrap_or(member_id) } else { member_id };
            // Members of both protocols can be removed so.
            let found = group.member(named, group_instance_id.as_ref());
            let found = found.and_then(|member| match gone.insert(member.id.clone()) {
                true => Ok(member.id.clone()),
                false => Err(ErrorCode::UnknownMemberId),
            });
            members.push(MemberResponse {
                member_id: found.clone().unwrap_or_else(|_| member_id.clone()),
                group_instance_id: group_instance_id.clone(),
                error_code: found.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        self.fence_members(soft, turn, &request.group_id.detached(), gone, Departure::Left);
        let response = LeaveGroupResponse { members, ..LeaveGroupResponse::default() };
        turn.answer(GroupAnswer::Leave(answers::leave_in_version(response, caller.api_version)));
    }
}

/// Whether somebody with these protocols may come; what it subscribes to.
fn admit(
    soft: &GroupSoft,
    request: &JoinGroupRequest,
    group: &ConsumerGroup,
    protocols: &[Protocol],
) -> Result<Subscription, ErrorCode> {
    if soft.config.consumer.migration_policy == MigrationPolicy::Disabled {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    let instance = request.group_instance_id.as_ref();
    let takes_a_place = instance.is_some_and(|instance| group.static_member(instance).is_some());
    let max_size = usize::try_from(soft.config.consumer.max_size).unwrap_or(0);
    if !takes_a_place && group.members.len() >= max_size && !group.members.contains_key(&request.member_id) {
        return Err(ErrorCode::GroupMaxSizeReached);
    }
    if !group.supports_classic(&request.protocol_type, protocols.iter().map(|own| &own.name)) {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    let first = protocols.first().and_then(|first| embedded::subscription(&first.metadata));
    first.ok_or(ErrorCode::InconsistentGroupProtocol)
}

/// The member as it is known, or a new one, or one that takes a static member's place; and whose place that was.
fn joining(
    turn: &mut Turn,
    request: &JoinGroupRequest,
    group: &ConsumerGroup,
    member_id: &Str,
) -> Result<(ConsumerMember, BTreeSet<Str>), ErrorCode> {
    let is_unknown = request.member_id.is_empty();
    let instance = request.group_instance_id.as_ref();
    let before = instance.and_then(|instance| group.static_member(instance));
    let nobody = BTreeSet::new();
    match (instance, before) {
        (Some(_), Some(before)) if is_unknown => {
            let member = replace_member(turn, group, &request.group_id.detached(), before, member_id);
            Ok((member, BTreeSet::from([before.id.clone()])))
        }
        (Some(_), Some(before)) if before.id != *member_id => Err(ErrorCode::FencedInstanceId),
        (Some(_), None) if !is_unknown => Err(ErrorCode::UnknownMemberId),
        (Some(_) | None, _) => match group.members.get(member_id) {
            Some(known) => Ok((ConsumerMember::clone(known), nobody)),
            None => Ok((ConsumerMember::new(member_id.clone()), nobody)),
        },
    }
}

/// The group's epoch and target with this member, and one step of it.
fn towards_target(
    soft: &mut GroupSoft,
    turn: &mut Turn,
    group: &ConsumerGroup,
    group_id: &Str,
    member: &ConsumerMember,
    changed: bool,
    subscription: &Subscription,
) -> Result<ConsumerMember, Refusal> {
    let roster = Roster::with(group, member);
    let default = soft.config.consumer.default_assignor();
    let wanted = |assignor: Option<_>| assignor.unwrap_or(default);
    let checked = soft.consumer.get(group_id).and_then(|soft| soft.checked_version);
    let mut epoch = group.epoch;
    if changed || checked != Some(soft.view.version()) {
        epoch = bump_epoch(soft, turn, group, group_id, &roster, changed);
    }
    let (target_epoch, target) = target_of(soft, turn, group, group_id, epoch, &roster, member, wanted);
    let owned = subscription.owned.iter().filter_map(|(name, partitions)| {
        let topic_id = soft.view.topic(name)?.id;
        Some(TopicPartitions { topic_id, partitions: partitions.clone() })
    });
    let owned: Vec<TopicPartitions> = owned.collect();
    let step = Step { target_epoch, target: &target, subscription_changed: changed, owned: Some(&owned) };
    reconcile_member(soft, turn, group, group_id, member, &step)
}

/// It has a session, and its rebalance timeout to ask for its assignment.
fn has_joined(turn: &mut Turn, group_id: &Str, member: &ConsumerMember, session_timeout_ms: i32) {
    let (group, member_id) = (group_id.clone(), member.id.clone());
    let session = GroupTimer::Session { group: group.clone(), member_id: member_id.clone() };
    turn.set_timer(session, i64::from(session_timeout_ms));
    turn.cancel_timer(GroupTimer::ClassicJoin { group: group.clone(), member_id: member_id.clone() });
    let sync = GroupTimer::ClassicSync { group, member_id };
    turn.set_timer(sync, i64::from(member.rebalance_timeout_ms));
}

fn try_sync<'a>(
    turn: &mut Turn,
    request: &SyncGroupRequest,
    group: &'a ConsumerGroup,
) -> Result<&'a ConsumerMember, ErrorCode> {
    let member = group.classic_member(&request.member_id, request.group_instance_id.as_ref())?;
    if member.epoch != request.generation_id {
        return Err(ErrorCode::IllegalGeneration);
    }
    let first = member.classic.as_ref().and_then(|classic| classic.supported_protocols.first());
    let other =
        |asked: &Option<Str>, own: Option<&str>| asked.as_ref().is_some_and(|asked| Some(&**asked) != own);
    if other(&request.protocol_type, Some(PROTOCOL_TYPE))
        || other(&request.protocol_name, first.map(|first| first.name.as_str()))
    {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    // Who has still to give back is in the middle of it already.
    if group.epoch > member.epoch && member.state != MemberState::UnrevokedPartitions {
        come_again(turn, &request.group_id.detached(), member);
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(member)
}

/// It has its rebalance timeout to come again. Told again it has no more.
fn come_again(turn: &mut Turn, group_id: &Str, member: &ConsumerMember) {
    let timer = GroupTimer::ClassicJoin { group: group_id.clone(), member_id: member.id.clone() };
    turn.set_timer_if_absent(timer, i64::from(member.rebalance_timeout_ms));
}

impl ConsumerGroup {
    /// A member that speaks the classic protocol.
    fn classic_member(
        &self,
        member_id: &Str,
        instance_id: Option<&Str>,
    ) -> Result<&ConsumerMember, ErrorCode> {
        let member = self.member(member_id, instance_id)?;
        if member.uses_classic_protocol() { Ok(member) } else { Err(ErrorCode::UnknownMemberId) }
    }

    fn member(&self, member_id: &Str, instance_id: Option<&Str>) -> Result<&ConsumerMember, ErrorCode> {
        let member = match instance_id {
            None => self.members.get(member_id),
            Some(instance) => {
                let member = self.static_member(instance);
                if member.is_some_and(|member| member.id != *member_id) {
                    return Err(ErrorCode::FencedInstanceId);
                }
                member
            }
        };
        member.map(|member| &**member).ok_or(ErrorCode::UnknownMemberId)
    }

    /// Whether a member with these protocols fits in.
    fn supports_classic<'a>(&self, protocol_type: &str, mut names: impl Iterator<Item = &'a Str>) -> bool {
        let knows = |member: &ConsumerMember, name: &Str| {
            let classic = member.classic.as_deref();
            classic.is_none_or(|classic| classic.supported_protocols.iter().any(|own| own.name == *name))
        };
        protocol_type == PROTOCOL_TYPE
            && names.any(|name| self.members.values().all(|member| knows(member, name)))
    }

    /// Something that the member shall have is still with others.
    fn waits_for_others(&self, member: &ConsumerMember) -> bool {
        let target = self.target(&member.id, None);
        target.iter().any(|(topic, partitions)| {
            let has = member.assigned.get(topic);
            partitions.iter().any(|partition| {
                !has.is_some_and(|has| has.contains_key(partition)) && self.is_owned(*topic, *partition)
            })
        })
    }
}
