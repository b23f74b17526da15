//! Who is meant: the member of a heartbeat as the group knows it, by its id or its instance, and in which epoch it may speak.

use super::super::consumer::refusal::Refusal;
use super::super::state::GroupSoft;
use super::super::turn::Turn;
use super::assignment::target_record;
use super::group::StreamsGroup;
use super::member::{LEAVE_GROUP_STATIC_MEMBER_EPOCH, StreamsMember};
use super::tasks::{TaskSets, Tasks, collect, each, has};
use std::sync::Arc;
use wire::messages::streams_group_heartbeat::{StreamsGroupHeartbeatRequest, TaskIds as OwnedTaskIds};
use wire::{ErrorCode, Str};

/// A member that is heard of, and the one in whose place it comes.
pub(super) struct Heard {
    pub member: StreamsMember,
    pub replaces: Option<Str>,
}

pub(super) fn is_no_streams_group(group_id: &Str) -> Refusal {
    Refusal::new(ErrorCode::GroupIdNotFound, format!("Group {group_id} is not a streams group."))
}

pub(super) fn unknown_member(group_id: &Str, member_id: &Str) -> Refusal {
    let message = format!("Member {member_id} is not a member of group {group_id}.");
    Refusal::new(ErrorCode::UnknownMemberId, message)
}

/// The member of an instance, if it is this one.
pub(super) fn known_instance<'a>(
    group: &'a StreamsGroup,
    instance_id: &Str,
    member_id: &Str,
) -> Result<&'a StreamsMember, Refusal> {
    let Some(member) = group.static_member(instance_id) else {
        let message = format!("Instance id {instance_id} is unknown.");
        return Err(Refusal::new(ErrorCode::UnknownMemberId, message));
    };
    match member.id == *member_id {
        true => Ok(member),
        false => Err(Refusal::fenced_instance(member_id, instance_id, &member.id)),
    }
}

/// The member as it is known; one that comes is new, or has the place of its instance.
pub(super) fn heard(
    soft: &GroupSoft,
    turn: &mut Turn,
    group: &StreamsGroup,
    group_id: &Str,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<Heard, Refusal> {
    let (joins, member_id) = (request.member_epoch == 0, request.member_id.detached());
    let of_instance = request.instance_id.as_ref().and_then(|id| group.static_member(id));
    let max_size = usize::try_from(soft.config.streams.max_size).unwrap_or(0);
    let is_known = of_instance.is_some() || group.members.contains_key(&member_id);
    if joins && !is_known && group.members.len() >= max_size {
        return Err(Refusal::new(
            ErrorCode::GroupMaxSizeReached,
            format!("The streams group has reached its maximum capacity of {max_size} members."),
        ));
    }
    let known = |id: &Str| group.members.get(id).map(|member| StreamsMember::clone(member));
    let Some(instance_id) = &request.instance_id else {
        let new = || Some(StreamsMember::new(member_id.clone())).filter(|_| joins);
        let member = known(&member_id).or_else(new).ok_or_else(|| unknown_member(group_id, &member_id))?;
        check_epoch(&member, request)?;
        return Ok(Heard { member, replaces: None });
    };
    if !joins {
        let member = known_instance(group, instance_id, &member_id)?;
        check_epoch(member, request)?;
        return Ok(Heard { member: member.clone(), replaces: None });
    }
    let Some(old) = of_instance else {
        let member = known(&member_id).unwrap_or_else(|| StreamsMember::new(member_id.clone()));
        return Ok(Heard { member, replaces: None });
    };
    if old.epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        return Err(Refusal::unreleased_instance(&member_id, instance_id, &old.id));
    }
    let member = StreamsMember { id: member_id, epoch: 0, previous_epoch: 0, ..StreamsMember::clone(old) };
    turn.remove_streams_member(group_id, &old.id);
    turn.write(member.metadata_record(group_id));
    let none = Arc::default();
    turn.write(target_record(group_id, &member.id, group.targets.get(&old.id).unwrap_or(&none)));
    turn.write(member.current_record(group_id));
    Ok(Heard { member, replaces: Some(old.id.clone()) })
}

/// Its epoch must be the one it has, or the one before, where its last answer was lost.
fn check_epoch(member: &StreamsMember, request: &StreamsGroupHeartbeatRequest) -> Result<(), Refusal> {
    let (received, known) = (request.member_epoch, member.epoch);
    let lost_an_answer = || {
        let Some(owned) = owned_tasks(request) else { return false };
        let is_within =
            |owned: &Tasks, held: &Tasks| each(owned).all(|(id, partition)| has(held, id, *partition));
        received == member.previous_epoch
            && is_within(&owned.active, &member.assigned.active_tasks())
            && is_within(&owned.standby, &member.assigned.standby)
            && is_within(&owned.warmup, &member.assigned.warmup)
    };
    if received == 0 || received == known || received < known && lost_an_answer() {
        return Ok(());
    }
    let than = if received > known { "greater" } else { "smaller" };
    Err(Refusal::new(
        ErrorCode::FencedMemberEpoch,
        format!(
            "The streams group member has a {than} member epoch ({received}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
        ),
    ))
}

/// What the member says it has, if it says so.
pub(super) fn owned_tasks(request: &StreamsGroupHeartbeatRequest) -> Option<TaskSets> {
    let tasks = |tasks: &Option<Vec<OwnedTaskIds>>| {
        let tasks = tasks.as_ref()?;
        Some(collect(tasks.iter().map(|ids| (&ids.subtopology_id, &ids.partitions))))
    };
    Some(TaskSets {
        active: tasks(&request.active_tasks)?,
        standby: tasks(&request.standby_tasks)?,
        warmup: tasks(&request.warmup_tasks)?,
    })
}
