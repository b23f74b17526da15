//! ConsumerGroupHeartbeat: members come, say what they want and what they have, and hear what they shall have (KIP-848).
//!
//! One heartbeat is one decision: the member as it is and wants to be → the group's epoch → the target → one step of the member towards
//! it. A heartbeat that changes nothing writes nothing.

use super::super::assignor::{Assignment, Assignor};
use super::super::command::{Caller, GroupAnswer, GroupTimer};
use super::super::events::GroupEvent;
use super::super::records::{self, GroupRecord};
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::beat::{Beat, epoch_record, target_record};
use super::group::ConsumerGroup;
use super::heard::ConsumerHeartbeatAnswer;
use super::member::{ConsumerMember, LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH, MemberState};
use super::reconcile::Reconciliation;
use super::refusal::Refusal;
use super::regexes::RegexUpdate;
use super::subscription::Roster;
use super::view::GroupSetting;
use std::sync::Arc;
use wire::messages::consumer_group_heartbeat::{
    Assignment as HeartbeatAssignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseTopicPartitions, TopicPartitions,
};
use wire::records::group::ConsumerGroupTargetAssignmentMetadataValue;
use wire::{ErrorCode, Str, Uuid};

/// From this version on members choose their ids themselves (KIP-1082).
const OWN_MEMBER_ID_SINCE: i16 = 1;

impl GroupMachine {
    pub(crate) fn consumer_heartbeat(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
    ) {
        let leaves =
            matches!(request.member_epoch, LEAVE_GROUP_MEMBER_EPOCH | LEAVE_GROUP_STATIC_MEMBER_EPOCH);
        let outcome = validate(soft, caller, request).and_then(|()| match leaves {
            true => self.consumer_leave(soft, turn, request),
            false => {
                self.consumer_beat(soft, turn, caller, request).and_then(|answer| turn.fitting(soft, answer))
            }
        });
        match outcome {
            Ok(answer) => {
                if turn.upgraded {
                    self.upgraded(soft, turn, &request.group_id);
                }
                turn.answer(GroupAnswer::ConsumerHeartbeat(Box::new(answer)));
            }
            Err(refusal) => {
                // Nothing of what was begun remains.
                turn.take_back();
                let answer = ConsumerHeartbeatAnswer { response: refusal.response(), resolve: None };
                turn.refuse(GroupAnswer::ConsumerHeartbeat(Box::new(answer)));
            }
        }
    }

    /// The consumer group of this name; one that is to be made is empty, and an empty classic group makes way for it.
    fn consumer_group_for(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        beat: &Beat<'_>,
    ) -> Result<Arc<ConsumerGroup>, Refusal> {
        match self.groups.get(&beat.group_id) {
            Some(Group::Consumer(group)) => return Ok(Arc::clone(group)),
            Some(Group::Share(_) | Group::Streams(_)) => {
                return Err(Refusal::new(
                    ErrorCode::GroupIdNotFound,
                    format!("Group {} is not a consumer group.", beat.group_id),
                ));
            }
            Some(Group::Classic(_)) | None => {}
        }
        if !beat.joins() {
            return Err(match self.exists(soft, &beat.group_id) {
                true => Refusal::new(
                    ErrorCode::GroupIdNotFound,
                    format!("Group {} is not a consumer group.", beat.group_id),
                ),
                false => Refusal::new(
                    ErrorCode::GroupIdNotFound,
                    format!("Consumer group {} not found.", beat.group_id),
                ),
            });
        }
        if !self.exists(soft, &beat.group_id) {
            return Ok(Arc::default());
        }
        if self.look(soft, &beat.group_id, |group| group.is_empty()).unwrap_or(true) {
            turn.write(GroupRecord::group_tombstone(&beat.group_id));
            soft.classic.remove(&beat.group_id);
            return Ok(Arc::default());
        }
        self.upgrade(soft, turn, &beat.group_id)
    }

    fn consumer_beat(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerHeartbeatAnswer, Refusal> {
        let mut member_id = request.member_id.detached();
        if member_id.is_empty() {
            member_id =
                Str::from(Uuid::from_random(soft.entropy.next_u128()).unwrap_or_default().to_string());
        }
        let mut beat = Beat {
            caller,
            request,
            group_id: request.group_id.detached(),
            member_id,
            subscription_changed: false,
        };
        let group = self.consumer_group_for(soft, turn, &beat)?;
        let group = &*group;
        let member = known_member(soft, turn, group, &beat)?;
        let mut updated = updated_member(&member, &beat);
        let mut bump = false;
        if updated != member {
            turn.write(updated.metadata_record(&beat.group_id));
            bump = updated.topic_names != member.topic_names;
        }
        let (regex, resolve) = self.update_regexes(soft, turn, group, &beat, (&member, &updated))?;
        beat.subscription_changed = bump || regex != RegexUpdate::Unchanged;
        let roster = Roster::with(group, &updated);
        let default = soft.config.consumer.default_assignor();
        let wanted = |assignor: Option<Assignor>| assignor.unwrap_or(default);
        bump |= regex == RegexUpdate::Resolved;
        bump |= updated.server_assignor != member.server_assignor
            && wanted(group.preferred_assignor()) != wanted(roster.preferred_assignor());
        let checked = soft.consumer.get(&beat.group_id).and_then(|soft| soft.checked_version);
        let mut epoch = group.epoch;
        if bump || checked != Some(soft.view.version()) {
            epoch = bump_epoch(soft, turn, group, &beat.group_id, &roster, bump);
        }
        let (target_epoch, target) =
            target_of(soft, turn, group, &beat.group_id, epoch, &roster, &updated, wanted);
        let step = Step {
            target_epoch,
            target: &target,
            subscription_changed: beat.subscription_changed,
            owned: request.topic_partitions.as_deref(),
        };
        updated = reconcile_member(soft, turn, group, &beat.group_id, &updated, &step)?;
        let session_timeout_ms = i64::from(soft.consumer_session_timeout_ms(&beat.group_id));
        let session = GroupTimer::Session { group: beat.group_id.clone(), member_id: beat.member_id.clone() };
        turn.set_timer(session, session_timeout_ms);
        if !group.members.contains_key(&updated.id) {
            turn.tell(GroupEvent::ConsumerJoined {
                group: beat.group_id.clone(),
                member_id: updated.id.clone(),
                epoch,
            });
        }
        let response = response(soft, &beat, &member, &updated);
        Ok(ConsumerHeartbeatAnswer { response, resolve })
    }
}

/// What the member hears: all that it has where it comes, says all of itself, or has something else than before.
fn response(
    soft: &GroupSoft,
    beat: &Beat<'_>,
    before: &ConsumerMember,
    member: &ConsumerMember,
) -> ConsumerGroupHeartbeatResponse {
    let request = beat.request;
    let says_all = request.rebalance_timeout_ms != -1
        && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
        && request.topic_partitions.is_some();
    let tell = beat.joins() || says_all || member.assigned != before.assigned;
    ConsumerGroupHeartbeatResponse {
        member_id: Some(member.id.clone()),
        member_epoch: member.epoch,
        heartbeat_interval_ms: soft.consumer_heartbeat_interval_ms(&beat.group_id),
        assignment: tell.then(|| assignment_of(member)),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn assignment_of(member: &ConsumerMember) -> HeartbeatAssignment {
    let topic = |(topic_id, partitions): (&Uuid, &std::collections::BTreeMap<i32, i32>)| {
        ConsumerGroupHeartbeatResponseTopicPartitions {
            topic_id: *topic_id,
            partitions: partitions.keys().copied().collect(),
        }
    };
    HeartbeatAssignment { topic_partitions: member.assigned.iter().map(topic).collect() }
}

impl Turn {
    /// What does not fit into one batch is not written at all: half of a decision is none.
    pub(in super::super) fn fitting<T>(&self, soft: &GroupSoft, decided: T) -> Result<T, Refusal> {
        let is_large = records::size_in_batch(&self.decision.records) > soft.config.max_batch_bytes;
        match is_large && !self.decision.may_split {
            true => Err(Refusal {
                error: ErrorCode::UnknownServerError,
                message: Some(Str::from_static(
                    "What this changes does not fit into a batch of __consumer_offsets.",
                )),
            }),
            false => Ok(decided),
        }
    }

    /// The same, and what does not fit is several batches: it can be told in parts, the group's epoch first.
    pub(super) fn split_if_large(&mut self, soft: &GroupSoft) {
        if records::size_in_batch(&self.decision.records) > soft.config.max_batch_bytes {
            self.decision.may_split = true;
            let is_epoch = |record: &GroupRecord| {
                matches!(record, GroupRecord::ConsumerGroupMetadata { value: Some(_), .. })
            };
            self.decision.records.sort_by_key(|record| !is_epoch(record));
        }
    }
}

/// What no heartbeat may say, whoever says it.
fn validate(
    soft: &GroupSoft,
    caller: &Caller,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<(), Refusal> {
    let empty = |text: &Option<Str>| text.as_ref().is_some_and(|text| text.is_empty());
    let epoch = request.member_epoch;
    let must_have_id =
        caller.api_version >= OWN_MEMBER_ID_SINCE || epoch > 0 || epoch == LEAVE_GROUP_MEMBER_EPOCH;
    if must_have_id && is_blank(&request.member_id) {
        return Err(Refusal::invalid("MemberId can't be empty."));
    }
    if is_blank(&request.group_id) {
        return Err(Refusal::invalid("GroupId can't be empty."));
    }
    if empty(&request.instance_id) {
        return Err(Refusal::invalid("InstanceId can't be empty."));
    }
    if empty(&request.rack_id) {
        return Err(Refusal::invalid("RackId can't be empty."));
    }
    if epoch == 0 {
        if request.rebalance_timeout_ms == -1 {
            return Err(Refusal::invalid("RebalanceTimeoutMs must be provided in first request."));
        }
        if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return Err(Refusal::invalid("TopicPartitions must be empty when (re-)joining."));
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return Err(Refusal::invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            ));
        }
    } else if epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        if request.instance_id.is_none() {
            return Err(Refusal::invalid("InstanceId can't be null."));
        }
    } else if epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        return Err(Refusal::invalid("MemberEpoch is invalid."));
    }
    let assignors = &soft.config.consumer.assignors;
    if let Some(wanted) = &request.server_assignor
        && !assignors.iter().flatten().any(|known| known.name() == wanted.as_str())
    {
        let names: Vec<&str> = assignors.iter().flatten().map(|known| known.name()).collect();
        return Err(Refusal::new(
            ErrorCode::UnsupportedAssignor,
            format!("ServerAssignor {wanted} is not supported. Supported assignors: {}.", names.join(", ")),
        ));
    }
    Ok(())
}

/// As Java trims: nothing but spaces and control characters.
fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter <= ' ')
}

/// The member as it is known; one that comes is new, or takes a static member's place.
fn known_member(
    soft: &GroupSoft,
    turn: &mut Turn,
    group: &ConsumerGroup,
    beat: &Beat<'_>,
) -> Result<ConsumerMember, Refusal> {
    let (group_id, member_id) = (&beat.group_id, &beat.member_id);
    let request = beat.request;
    let before = request.instance_id.as_ref().and_then(|instance| group.static_member(instance));
    let max_size = usize::try_from(soft.config.consumer.max_size).unwrap_or(0);
    if before.is_none() && group.members.len() >= max_size && !group.members.contains_key(member_id) {
        return Err(Refusal::new(
            ErrorCode::GroupMaxSizeReached,
            format!("The consumer group has reached its maximum capacity of {max_size} members."),
        ));
    }
    let known = group.members.get(member_id);
    let Some(instance) = &request.instance_id else {
        let member = match known {
            Some(known) => ConsumerMember::clone(known),
            None if beat.joins() => ConsumerMember::new(member_id.clone()),
            None => return Err(Refusal::unknown_member(group_id, member_id)),
        };
        validate_epoch(&member, request)?;
        return Ok(member);
    };
    if !beat.joins() {
        let Some(before) = before else {
            let message = format!("Instance id {instance} is unknown.");
            return Err(Refusal::new(ErrorCode::UnknownMemberId, message));
        };
        if before.id != *member_id {
            return Err(Refusal::fenced_instance(member_id, instance, &before.id));
        }
        validate_epoch(before, request)?;
        return Ok(ConsumerMember::clone(before));
    }
    let Some(before) = before else {
        return Ok(
            known.map_or_else(|| ConsumerMember::new(member_id.clone()), |known| known.as_ref().clone())
        );
    };
    if !before.uses_classic_protocol() && before.epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        return Err(Refusal::unreleased_instance(member_id, instance, &before.id));
    }
    Ok(replace_member(turn, group, group_id, before, member_id))
}

/// A static member comes back under a new id and has what the one before it had.
pub(super) fn replace_member(
    turn: &mut Turn,
    group: &ConsumerGroup,
    group_id: &Str,
    before: &ConsumerMember,
    member_id: &Str,
) -> ConsumerMember {
    let member = ConsumerMember {
        id: member_id.clone(),
        epoch: 0,
        previous_epoch: 0,
        ..ConsumerMember::clone(before)
    };
    turn.remove_consumer_member(group_id, &before.id);
    turn.write(member.metadata_record(group_id));
    let target = group.target(&before.id, None);
    turn.write(target_record(group_id, &member.id, &target));
    turn.write(member.current_record(group_id));
    member
}

fn validate_epoch(member: &ConsumerMember, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    let received = request.member_epoch;
    if received == 0 || received == member.epoch {
        return Ok(());
    }
    // The answer with its new epoch may have been lost.
    let behind = received == member.previous_epoch && received < member.epoch;
    let owned = request.topic_partitions.as_ref();
    let has_no_more = owned.is_some_and(|owned| {
        owned.iter().all(|topic| {
            let held = member.assigned.get(&topic.topic_id);
            held.is_some_and(|held| topic.partitions.iter().all(|partition| held.contains_key(partition)))
        })
    });
    match behind && has_no_more {
        true => Ok(()),
        false => Err(Refusal::fenced(received, member.epoch)),
    }
}

/// The member with what the heartbeat says of it.
fn updated_member(member: &ConsumerMember, beat: &Beat<'_>) -> ConsumerMember {
    let request = beat.request;
    let mut updated = member.clone();
    let detached = |text: &Option<Str>| text.as_ref().map(Str::detached);
    updated.instance_id = detached(&request.instance_id).or(updated.instance_id);
    updated.rack_id = detached(&request.rack_id).or(updated.rack_id);
    if request.rebalance_timeout_ms != -1 {
        updated.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    updated.server_assignor = detached(&request.server_assignor).or(updated.server_assignor);
    if let Some(names) = &request.subscribed_topic_names {
        updated.topic_names = names.iter().map(Str::detached).collect();
    }
    updated.topic_regex = detached(&request.subscribed_topic_regex).or(updated.topic_regex);
    updated.client_id = beat.caller.client_id.clone();
    updated.client_host = beat.caller.client_host.clone();
    updated.classic = None;
    updated
}

/// The epoch of the group from now on: the next one where something has changed.
pub(super) fn bump_epoch(
    soft: &mut GroupSoft,
    turn: &mut Turn,
    group: &ConsumerGroup,
    group_id: &Str,
    roster: &Roster<'_>,
    bump: bool,
) -> i32 {
    let hash = roster.metadata_hash(soft);
    let mut epoch = group.epoch;
    if bump || hash != group.metadata_hash {
        epoch = epoch.saturating_add(1);
        turn.write(epoch_record(group_id, epoch, hash));
    }
    if group.has_partition_metadata {
        turn.write(GroupRecord::ConsumerPartitionMetadata { group: group_id.clone(), value: None });
    }
    let version = soft.view.version();
    soft.consumer.entry(group_id.clone()).or_default().checked_version = Some(version);
    epoch
}

/// The target of a member and its epoch: a new one where the group's epoch is ahead and the last one is not too young.
#[allow(clippy::too_many_arguments, reason = "what a target is made of")]
pub(super) fn target_of(
    soft: &GroupSoft,
    turn: &mut Turn,
    group: &ConsumerGroup,
    group_id: &Str,
    epoch: i32,
    roster: &Roster<'_>,
    member: &ConsumerMember,
    wanted: impl Fn(Option<Assignor>) -> Assignor,
) -> (i32, Arc<Assignment>) {
    let last = || (group.assignment_epoch, group.target(&member.id, member.instance_id.as_ref()));
    let interval_ms = i64::from(soft.consumer_assignment_interval_ms(group_id));
    let computed_ms = group.assignment_timestamp_ms;
    let rests = computed_ms != 0
        && turn.wall_ms >= computed_ms
        && turn.wall_ms < computed_ms.saturating_add(interval_ms);
    if epoch <= group.assignment_epoch || rests {
        return last();
    }
    let assignor = wanted(roster.preferred_assignor());
    let assigned = roster.assign(&*soft.view, assignor);
    let none = Assignment::new();
    for one in roster.members() {
        let own = assigned.get(&one.id).unwrap_or(&none);
        if group.targets.get(&one.id).is_none_or(|before| **before != *own) {
            turn.write(target_record(group_id, &one.id, own));
        }
    }
    let value = ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: turn.wall_ms,
    };
    turn.write(GroupRecord::ConsumerTargetMetadata { group: group_id.clone(), value: Some(value) });
    turn.tell(GroupEvent::TargetComputed {
        group: group_id.clone(),
        epoch,
        members: roster.members().count(),
        assignor: assignor.name(),
    });
    (epoch, Arc::new(assigned.get(&member.id).cloned().unwrap_or_default()))
}

/// What a step of a member depends on.
pub(super) struct Step<'a> {
    pub target_epoch: i32,
    pub target: &'a Assignment,
    /// It subscribes to something else than before.
    pub subscription_changed: bool,
    /// What it says it has, if it says so.
    pub owned: Option<&'a [TopicPartitions]>,
}

/// One step of a member, and its record and deadline.
pub(super) fn reconcile_member(
    soft: &GroupSoft,
    turn: &mut Turn,
    group: &ConsumerGroup,
    group_id: &Str,
    member: &ConsumerMember,
    step: &Step<'_>,
) -> Result<ConsumerMember, Refusal> {
    if !step.subscription_changed && member.is_reconciled_to(step.target_epoch) {
        return Ok(member.clone());
    }
    let subscribed = Roster::with(group, member).topics_of(&*soft.view, member);
    let is_owned = |topic, partition| group.is_owned(topic, partition);
    let reconciliation = Reconciliation {
        target_epoch: step.target_epoch,
        target: step.target,
        subscribed: &subscribed,
        subscription_changed: step.subscription_changed,
        owned: step.owned,
        is_owned: &is_owned,
    };
    let next = reconciliation.step(member).map_err(|_| {
        Refusal::new(
            ErrorCode::FencedMemberEpoch,
            "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
        )
    })?;
    if next != *member {
        group.check_given(group_id, member, &next);
        turn.write(next.current_record(group_id));
        if !next.uses_classic_protocol() {
            let timer = GroupTimer::Revocation { group: group_id.clone(), member_id: next.id.clone() };
            match next.state == MemberState::UnrevokedPartitions {
                true => turn.set_timer(timer, i64::from(next.rebalance_timeout_ms)),
                false => turn.cancel_timer(timer),
            }
        }
    }
    Ok(next)
}

impl GroupSoft {
    pub(super) fn consumer_session_timeout_ms(&self, group: &str) -> i32 {
        let config = &self.config.consumer;
        let bounds = (config.min_session_timeout_ms, config.max_session_timeout_ms);
        self.setting(group, GroupSetting::SessionTimeoutMs, config.session_timeout_ms, bounds)
    }

    pub(super) fn consumer_heartbeat_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.consumer;
        let bounds = (config.min_heartbeat_interval_ms, config.max_heartbeat_interval_ms);
        self.setting(group, GroupSetting::HeartbeatIntervalMs, config.heartbeat_interval_ms, bounds)
    }

    fn consumer_assignment_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.consumer;
        let bounds = (config.min_assignment_interval_ms, config.max_assignment_interval_ms);
        self.setting(group, GroupSetting::AssignmentIntervalMs, config.assignment_interval_ms, bounds)
    }
}
