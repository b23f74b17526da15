//! ShareGroupHeartbeat: members come, say what they want, and hear what they shall read from (KIP-932).
//!
//! One heartbeat is one decision: the member as it is and wants to be → the group's epoch → the target → the member has it. A heartbeat
//! that changes nothing writes nothing.

use super::super::assignor::Assignment;
use super::super::command::{Caller, GroupAnswer, GroupTimer};
use super::super::consumer::GroupSetting;
use super::super::consumer::refusal::Refusal;
use super::super::events::GroupEvent;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::ShareGroup;
use super::heard::ShareHeartbeatAnswer;
use super::member::{ShareMember, record};
use super::records::ShareGroupChange;
use super::roster::{Roster, topics_of};
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::messages::share_group_heartbeat::{
    Assignment as HeartbeatAssignment, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
    TopicPartitions,
};
use wire::records::group::{
    ShareGroupMetadataValue, ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataValue,
    TopicPartition,
};
use wire::{ErrorCode, Str, Uuid};

/// The epoch of a member that leaves.
const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;

impl GroupMachine {
    pub(crate) fn share_heartbeat(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &ShareGroupHeartbeatRequest,
    ) {
        let outcome = validate(request).and_then(|()| match request.member_epoch {
            LEAVE_GROUP_MEMBER_EPOCH => self.share_leave(soft, turn, request),
            _ => {
                let answer = self.share_beat(soft, turn, caller, request)?;
                turn.fitting(soft, answer)
            }
        });
        match outcome {
            Ok(answer) => turn.answer(GroupAnswer::ShareHeartbeat(Box::new(answer))),
            Err(refusal) => {
                // Nothing of what was begun remains.
                turn.take_back();
                turn.refuse(GroupAnswer::ShareHeartbeat(Box::new(refused(refusal))));
            }
        }
    }

    /// The share group of this name; one that is to be made is empty.
    pub(super) fn share_group_for(
        &self,
        soft: &GroupSoft,
        group_id: &Str,
        make: bool,
    ) -> Result<Arc<ShareGroup>, Refusal> {
        match self.groups.get(group_id) {
            Some(Group::Share(group)) => Ok(Arc::clone(group)),
            None if !self.exists(soft, group_id) => match make {
                true => Ok(Arc::default()),
                false => Err(Refusal::new(
                    ErrorCode::GroupIdNotFound,
                    format!("Share group {group_id} not found."),
                )),
            },
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Streams(_)) | None => {
                Err(is_no_share_group(group_id))
            }
        }
    }

    fn share_beat(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &ShareGroupHeartbeatRequest,
    ) -> Result<ShareHeartbeatAnswer, Refusal> {
        let (group_id, member_id) = (request.group_id.detached(), request.member_id.detached());
        let joins = request.member_epoch == 0;
        let group = &*self.share_group_for(soft, &group_id, joins)?;
        let member = known_member(soft, group, &group_id, &member_id, request)?;
        let mut updated = updated_member(&member, caller, request);
        let mut bump = false;
        if updated != member {
            turn.write(updated.metadata_record(&group_id));
            bump = updated.topic_names != member.topic_names;
        }
        if group.assignment_epoch >= group.epoch {
            bump |= has_unassigned(group);
        }
        let roster = Roster::with(group, &updated);
        let checked = soft.share.get(&group_id).and_then(|soft| soft.checked_version);
        let mut epoch = group.epoch;
        if bump || checked != Some(soft.view.version()) {
            let hash = roster.metadata_hash(soft);
            bump |= hash != group.metadata_hash;
            if bump {
                epoch = epoch.saturating_add(1);
                turn.write(epoch_record(&group_id, epoch, hash));
            }
            let version = soft.view.version();
            soft.share.entry(group_id.clone()).or_default().checked_version = Some(version);
        }
        let (target_epoch, target) = target_of(soft, turn, group, &group_id, epoch, &roster, &member_id);
        let names: BTreeSet<Str> = roster.topic_names().into_keys().cloned().collect();
        if bump || updated.epoch != target_epoch {
            reconcile(soft, turn, &group_id, &mut updated, target_epoch, &target);
        }
        let session_timeout_ms = i64::from(soft.share_session_timeout_ms(&group_id));
        let session = GroupTimer::Session { group: group_id.clone(), member_id: member_id.clone() };
        turn.set_timer(session, session_timeout_ms);
        if !group.members.contains_key(&member_id) {
            let (group, member_id) = (group_id.clone(), member_id.clone());
            turn.tell(GroupEvent::ConsumerJoined { group, member_id, epoch });
        }
        let tell = joins || request.subscribed_topic_names.is_some() || updated.assigned != member.assigned;
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(member_id),
            member_epoch: updated.epoch,
            heartbeat_interval_ms: soft.share_heartbeat_interval_ms(&group_id),
            assignment: tell.then(|| assignment_of(&updated)),
            ..ShareGroupHeartbeatResponse::default()
        };
        let initialize = group.begin_to_initialize(soft, turn, &group_id, epoch, &names);
        Ok(ShareHeartbeatAnswer { response, initialize })
    }
}

pub(super) fn is_no_share_group(group_id: &Str) -> Refusal {
    Refusal::new(ErrorCode::GroupIdNotFound, format!("Group {group_id} is not a share group."))
}

pub(super) fn refused(refusal: Refusal) -> ShareHeartbeatAnswer {
    let response = ShareGroupHeartbeatResponse {
        error_code: refusal.error.code(),
        error_message: refusal.message,
        ..ShareGroupHeartbeatResponse::default()
    };
    ShareHeartbeatAnswer { response, initialize: None }
}

/// What no heartbeat may say, whoever says it.
fn validate(request: &ShareGroupHeartbeatRequest) -> Result<(), Refusal> {
    let is_blank = |text: &str| text.chars().all(|letter| letter <= ' ');
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    if is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.rack_id.as_ref().is_some_and(|rack| is_blank(rack)) {
        return invalid("RackId can't be empty.");
    }
    if request.member_epoch == 0 && request.subscribed_topic_names.as_ref().is_none_or(Vec::is_empty) {
        return invalid("SubscribedTopicNames must be set in first request.");
    }
    if request.member_epoch < LEAVE_GROUP_MEMBER_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    Ok(())
}

/// The member as it is known; one that comes is new.
fn known_member(
    soft: &GroupSoft,
    group: &ShareGroup,
    group_id: &Str,
    member_id: &Str,
    request: &ShareGroupHeartbeatRequest,
) -> Result<ShareMember, Refusal> {
    let max_size = usize::try_from(soft.config.share.max_size).unwrap_or(0);
    let known = group.members.get(member_id);
    if group.members.len() >= max_size && known.is_none() {
        return Err(Refusal::new(
            ErrorCode::GroupMaxSizeReached,
            format!("The share group has reached its maximum capacity of {max_size} members."),
        ));
    }
    let received = request.member_epoch;
    let member = match known {
        Some(known) => ShareMember::clone(known),
        None if received == 0 => ShareMember::new(member_id.clone()),
        None => {
            return Err(Refusal::new(
                ErrorCode::UnknownMemberId,
                format!("Member {member_id} is not a member of group {group_id}."),
            ));
        }
    };
    let (epoch, previous) = (member.epoch, member.previous_epoch);
    let why = if received == 0 || received == epoch || received < epoch && received == previous {
        return Ok(member);
    } else if received > epoch {
        format!(
            "The share group member has a greater member epoch ({received}) than the one known by the group coordinator ({epoch}). The member must abandon all its partitions and rejoin."
        )
    } else {
        format!(
            "The share group member has a smaller member epoch ({received}) than the one known by the group coordinator ({epoch}), and it does not match the previous member epoch ({previous}). The member must abandon all its partitions and rejoin."
        )
    };
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, why))
}

/// The member with what the heartbeat says of it.
fn updated_member(
    member: &ShareMember,
    caller: &Caller,
    request: &ShareGroupHeartbeatRequest,
) -> ShareMember {
    let mut updated = member.clone();
    updated.rack_id = request.rack_id.as_ref().map(Str::detached).or(updated.rack_id);
    if let Some(names) = &request.subscribed_topic_names {
        updated.topic_names = names.iter().map(Str::detached).collect();
    }
    updated.client_id = caller.client_id.clone();
    updated.client_host = caller.client_host.clone();
    updated
}

/// Whether partitions have share state, are subscribed to and nobody's, or are somebody's without it.
fn has_unassigned(group: &ShareGroup) -> bool {
    let Some(topics) = group.topics.as_deref().filter(|_| !group.is_empty()) else { return false };
    let is_subscribed = |name: &Str| group.members.values().any(|member| member.topic_names.contains(name));
    let mut subscribed = topics.initialized.iter().filter(|(_, topic)| is_subscribed(&topic.name));
    subscribed.any(|(id, topic)| {
        let assigned = group.targets.values().filter_map(|target| target.get(id)).flatten();
        assigned.collect::<BTreeSet<_>>() != topic.partitions.iter().collect()
    })
}

pub(super) fn epoch_record(
    group: &Str,
    epoch: i32,
    metadata_hash: i64,
) -> super::super::records::GroupRecord {
    let value = Some(ShareGroupMetadataValue { epoch, metadata_hash });
    record(group, ShareGroupChange::Group { value })
}

/// The target of a member and its epoch: a new one where the group's epoch is ahead and the last one is not too young.
fn target_of(
    soft: &GroupSoft,
    turn: &mut Turn,
    group: &ShareGroup,
    group_id: &Str,
    epoch: i32,
    roster: &Roster<'_>,
    member_id: &Str,
) -> (i32, Assignment) {
    let interval_ms = i64::from(soft.share_assignment_interval_ms(group_id));
    let computed_ms = group.assignment_timestamp_ms;
    let rests = computed_ms != 0
        && turn.wall_ms >= computed_ms
        && turn.wall_ms < computed_ms.saturating_add(interval_ms);
    if epoch <= group.assignment_epoch || rests {
        let last = group.targets.get(member_id).map(|target| Assignment::clone(target));
        return (group.assignment_epoch, last.unwrap_or_default());
    }
    let assigned = roster.assign(&*soft.view, group);
    let none = Assignment::new();
    for member_id in roster.ids() {
        let own = assigned.get(member_id).unwrap_or(&none);
        if group.targets.get(member_id).is_none_or(|before| **before != *own) {
            turn.write(target_record(group_id, member_id, own));
        }
    }
    let value = ShareGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: turn.wall_ms,
    };
    turn.write(record(group_id, ShareGroupChange::TargetMetadata { value: Some(value) }));
    turn.tell(GroupEvent::TargetComputed {
        group: group_id.clone(),
        epoch,
        members: roster.len(),
        assignor: "simple",
    });
    (epoch, assigned.get(member_id).cloned().unwrap_or_default())
}

fn target_record(group: &Str, member_id: &Str, target: &Assignment) -> super::super::records::GroupRecord {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    let value =
        ShareGroupTargetAssignmentMemberValue { topic_partitions: target.iter().map(topic).collect() };
    record(group, ShareGroupChange::Target { member_id: member_id.clone(), value: Some(Arc::new(value)) })
}

/// The member has its target, as far as it still wants it: others may have the same partitions, so there is nothing to wait for.
fn reconcile(
    soft: &GroupSoft,
    turn: &mut Turn,
    group_id: &Str,
    member: &mut ShareMember,
    target_epoch: i32,
    target: &Assignment,
) {
    let before = member.clone();
    let subscribed = topics_of(&*soft.view, member);
    let wanted = target.iter().filter(|(topic, _)| subscribed.contains(topic));
    member.assigned = wanted.map(|(topic, partitions)| (*topic, partitions.clone())).collect();
    if target_epoch != member.epoch {
        (member.previous_epoch, member.epoch) = (member.epoch, target_epoch);
    }
    if *member != before {
        turn.write(member.current_record(group_id));
    }
}

fn assignment_of(member: &ShareMember) -> HeartbeatAssignment {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    HeartbeatAssignment { topic_partitions: member.assigned.iter().map(topic).collect() }
}

impl GroupSoft {
    pub(super) fn share_session_timeout_ms(&self, group: &str) -> i32 {
        let config = &self.config.share;
        let bounds = (config.min_session_timeout_ms, config.max_session_timeout_ms);
        self.setting(group, GroupSetting::ShareSessionTimeoutMs, config.session_timeout_ms, bounds)
    }

    fn share_heartbeat_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.share;
        let bounds = (config.min_heartbeat_interval_ms, config.max_heartbeat_interval_ms);
        self.setting(group, GroupSetting::ShareHeartbeatIntervalMs, config.heartbeat_interval_ms, bounds)
    }

    fn share_assignment_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.share;
        let bounds = (config.min_assignment_interval_ms, config.max_assignment_interval_ms);
        self.setting(group, GroupSetting::ShareAssignmentIntervalMs, config.assignment_interval_ms, bounds)
    }
}
