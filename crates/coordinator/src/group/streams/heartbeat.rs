//! StreamsGroupHeartbeat: members come, say what the application consists of and what they have, and hear what they shall have (KIP-1071).
//!
//! One heartbeat is one decision: the member as it is and wants to be → the topology → its topics → the group's epoch → the target → one step of
//! the member towards it. What lives beside the records is changed once nothing can be refused any more.

use super::super::command::{Caller, GroupAnswer, GroupTimer};
use super::super::consumer::refusal::Refusal;
use super::super::events::GroupEvent;
use super::super::records::{GroupRecord, size_in_batch};
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::assignment::{Basis, Roster, Targets};
use super::endpoints::endpoints;
use super::group::{AssignmentConfigs, StreamsGroup, StreamsSoft, TaskOffsets, ToldOffsets};
use super::heard::{StatusCode, StreamsHeartbeatAnswer};
use super::known::{Heard, heard, is_no_streams_group, owned_tasks};
use super::member::{
    LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH, MemberState, StreamsMember, record,
};
use super::reconcile::{Owners, Reconciliation, UnknownState};
use super::records::StreamsGroupChange;
use super::settings::RACK_AWARE_ASSIGNMENT_TAGS;
use super::tasks::Tasks;
use super::topics::{Configured, ConfiguredSubtopology, configure};
use super::topology::{Topology, told};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::messages::streams_group_heartbeat::{
    Status, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
    StreamsGroupHeartbeatResponseTaskIds as TaskIds, TaskIds as OwnedTaskIds, TaskOffset,
};
use wire::records::group::Endpoint;
use wire::{ErrorCode, Str};

/// From this version on members can be told that they lack tags.
const MISSING_CLIENT_TAGS_SINCE: i16 = 1;

/// What a heartbeat has come to so far.
struct Progress {
    group_id: Str,
    joins: bool,
    /// The group is to have a new epoch.
    bump: bool,
    statuses: Vec<Status>,
    /// As they will be.
    soft: StreamsSoft,
}

impl GroupMachine {
    pub(crate) fn streams_heartbeat(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &StreamsGroupHeartbeatRequest,
    ) {
        let outcome = validate(request).and_then(|()| match request.member_epoch {
            LEAVE_GROUP_MEMBER_EPOCH | LEAVE_GROUP_STATIC_MEMBER_EPOCH => {
                self.streams_leave(soft, turn, request)
            }
            _ => {
                let (answer, next) = self.streams_beat(soft, turn, caller, request)?;
                let answer = turn.fitting(soft, answer)?;
                // Like Kafka: of a group that is only about to be made nothing but its records is kept.
                let is_known = matches!(self.groups.get(&request.group_id), Some(Group::Streams(_)));
                let kept = if is_known {
                    next
                } else {
                    StreamsSoft { is_delayed: next.is_delayed, ..StreamsSoft::default() }
                };
                soft.streams.insert(request.group_id.detached(), kept);
                Ok(answer)
            }
        });
        match outcome {
            Ok(answer) => turn.answer(GroupAnswer::StreamsHeartbeat(Box::new(answer))),
            Err(refusal) => {
                // Nothing of what was begun remains.
                turn.take_back();
                let answer = StreamsHeartbeatAnswer::refused(refusal);
                turn.refuse(GroupAnswer::StreamsHeartbeat(Box::new(answer)));
            }
        }
    }

    /// The streams group of this name; one that is to be made is empty, and an empty classic group makes way for it.
    fn streams_group_for(
        &self,
        soft: &GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        joins: bool,
    ) -> Result<Arc<StreamsGroup>, Refusal> {
        match self.groups.get(group_id) {
            Some(Group::Streams(group)) => return Ok(Arc::clone(group)),
            Some(Group::Consumer(_) | Group::Share(_)) => return Err(is_no_streams_group(group_id)),
            Some(Group::Classic(_)) | None => {}
        }
        match self.exists(soft, group_id) {
            false if joins => Ok(Arc::default()),
            false => {
                let message = format!("Streams group {group_id} not found.");
                Err(Refusal::new(ErrorCode::GroupIdNotFound, message))
            }
            true if joins && self.look(soft, group_id, |group| group.is_empty()).unwrap_or(true) => {
                turn.write(GroupRecord::group_tombstone(group_id));
                Ok(Arc::default())
            }
            true => Err(is_no_streams_group(group_id)),
        }
    }

    fn streams_beat(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<(StreamsHeartbeatAnswer, StreamsSoft), Refusal> {
        let (group_id, joins) = (request.group_id.detached(), request.member_epoch == 0);
        let group = &*self.streams_group_for(soft, turn, &group_id, joins)?;
        let known = soft.streams.get(&group_id).cloned().unwrap_or_default();
        let mut progress = Progress { group_id, joins, bump: false, statuses: Vec::new(), soft: known };
        let heard = heard(soft, turn, group, &progress.group_id, request)?;
        let mut updated = updated_member(&heard.member, caller, request)?;
        if updated != heard.member {
            turn.write(updated.metadata_record(&progress.group_id));
            progress.bump = request.instance_id.is_none() || !updated.is_to_be_assigned_as(&heard.member);
        }
        let topology = progress.topology(soft, turn, group, request)?;
        progress.stale_topology(group, &updated);
        let (configured, hash) = progress.configure(soft, group, &topology)?;
        let configs = soft.streams_assignment_configs(&progress.group_id);
        progress.check_tasks(&configured, request)?;
        progress.take_offsets(&configured, request)?;
        let validated_epoch = if configured.is_ready() { topology.epoch } else { -1 };
        progress.bump |=
            validated_epoch != group.validated_topology_epoch || configs != group.last_assignment_configs;
        let mut epoch = group.epoch;
        if progress.bump {
            epoch = epoch.saturating_add(1);
            let value = Some(Arc::new(group.epoch_value_for(epoch, hash, validated_epoch, &configs)));
            turn.write(record(&progress.group_id, StreamsGroupChange::Group { value }));
        }
        progress.soft.checked_version = Some(soft.view.version());
        progress.delay(soft, turn, group);
        let replaces = heard.replaces.as_ref();
        replaces.into_iter().for_each(|old| drop(progress.soft.told.remove(old)));
        let basis = Basis { group_id: &progress.group_id, epoch, configured: &configured, configs: &configs };
        let targets = if progress.soft.is_delayed {
            Targets {
                epoch: group.assignment_epoch,
                of_member: Arc::default(),
                delayed: Some("Assignment delayed due to the configured initial rebalance delay."),
            }
        } else if group.assignment_epoch < epoch {
            let roster = Roster::with(group, &updated, replaces);
            roster.targets(soft, turn, group, &basis, &progress.soft.told, &updated.id)
        } else {
            let target = group.targets.get(replaces.unwrap_or(&updated.id));
            Targets {
                epoch: group.assignment_epoch,
                of_member: target.cloned().unwrap_or_default(),
                delayed: None,
            }
        };
        progress.statuses.extend(targets.delayed.map(|why| StatusCode::AssignmentDelayed.with(why)));
        reconcile(turn, group, &progress.group_id, &mut updated, &targets, request)?;
        progress.tell(soft, turn, group, &updated, epoch);
        if request.shutdown_application {
            progress.soft.shutdown_by.get_or_insert_with(|| updated.id.clone());
        }
        let answer = progress.answer(soft, caller, request, group, &heard, &updated, (&configured, &configs));
        Ok((answer, progress.soft))
    }

    /// The first members of a group have waited for others long enough.
    pub(in super::super) fn streams_delay_over(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) {
        let Some(known) = soft.streams.get_mut(group_id) else { return };
        known.is_delayed = false;
        let (configured, told) = (known.configured.clone(), known.told.clone());
        let Some(Group::Streams(group)) = self.groups.get(group_id) else { return };
        // As in Kafka a group whose topology was not looked at since is assigned by its next heartbeat.
        let is_due = !group.is_empty() && group.assignment_epoch < group.epoch;
        let Some(configured) = configured.filter(|_| is_due) else { return };
        let configs = &group.last_assignment_configs;
        let basis = Basis { group_id, epoch: group.epoch, configured: &configured, configs };
        Roster::of(group).targets(soft, turn, group, &basis, &told, &Str::new());
        if size_in_batch(&turn.decision.records) > soft.config.max_batch_bytes {
            // The next heartbeat says that it does not fit.
            turn.take_back();
        }
    }
}

impl Progress {
    /// The topology of the group; the first member brings it, and nobody another one.
    fn topology(
        &self,
        soft: &GroupSoft,
        turn: &mut Turn,
        group: &StreamsGroup,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<Arc<Topology>, Refusal> {
        let Some(brought) = &request.topology else {
            let absurd = Refusal { error: ErrorCode::UnknownServerError, message: None };
            return group.topology.clone().ok_or(absurd);
        };
        let value = told(brought)?;
        let topology = Topology::of_record(&value);
        match &group.topology {
            None => {
                let value = Some(Arc::new(value));
                turn.write(record(&self.group_id, StreamsGroupChange::Topology { value }));
                // What could not be kept anyway is not looked at any further.
                turn.fitting(soft, Arc::new(topology))
            }
            Some(known) if known.epoch > topology.epoch || **known == topology => Ok(Arc::clone(known)),
            Some(_) => Err(invalid("Topology updates are not supported yet.")),
        }
    }

    fn stale_topology(&mut self, group: &StreamsGroup, member: &StreamsMember) {
        if let Some(topology) = &group.topology
            && member.topology_epoch < topology.epoch
        {
            self.statuses.push(StatusCode::StaleTopology.with(format!(
                "The member's topology epoch {} is behind the group's topology epoch {}.",
                member.topology_epoch, topology.epoch
            )));
        }
    }

    /// What the topology comes to in the cluster, and the hash of its topics: looked at again where the cluster is another one.
    fn configure(
        &mut self,
        soft: &mut GroupSoft,
        group: &StreamsGroup,
        topology: &Arc<Topology>,
    ) -> Result<(Arc<Configured>, i64), Refusal> {
        let is_new = group.topology.is_none();
        let known = self.soft.configured.clone().filter(|_| !is_new);
        if let Some(known) = &known
            && self.soft.checked_version == Some(soft.view.version())
        {
            return Ok((Arc::clone(known), group.metadata_hash));
        }
        let hash = soft.hash_of_topics(topology.required_topics().into_iter());
        let is_other = hash != group.metadata_hash;
        self.bump |= is_other;
        let configured = match known.filter(|_| !is_other) {
            Some(known) => known,
            None => Arc::new(configure(topology, &*soft.view)?),
        };
        self.soft.configured = Some(Arc::clone(&configured));
        Ok((configured, hash))
    }

    /// Whoever has a task that there cannot be has another topology.
    fn check_tasks(
        &self,
        configured: &Configured,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<(), Refusal> {
        let Some(subtopologies) = configured.subtopologies.as_ref().filter(|_| configured.is_ready()) else {
            return Ok(());
        };
        let roles = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
        let mut owned = roles.into_iter().flatten().flatten();
        owned.try_for_each(|tasks| check_subtopology(subtopologies, tasks))
    }

    /// What the member told of its tasks; of tasks that there are, so that nobody fills the memory with others.
    fn take_offsets(
        &mut self,
        configured: &Configured,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<(), Refusal> {
        let known = self.soft.told.get(&request.member_id);
        let mut told = known.map(|told| ToldOffsets::clone(told)).unwrap_or_default();
        let none = BTreeMap::new();
        let subtopologies = configured.subtopologies.as_ref().unwrap_or(&none);
        if let Some(offsets) = &request.task_offsets {
            told.offsets = task_offsets(subtopologies, offsets)?;
        }
        if let Some(offsets) = &request.task_end_offsets {
            told.end_offsets = task_offsets(subtopologies, offsets)?;
        }
        if request.task_offsets.is_some() || request.task_end_offsets.is_some() {
            self.soft.told.insert(request.member_id.detached(), Arc::new(told));
        }
        Ok(())
    }

    /// The first member of a group waits for others for a while.
    fn delay(&mut self, soft: &GroupSoft, turn: &mut Turn, group: &StreamsGroup) {
        let delay_ms = i64::from(soft.streams_initial_rebalance_delay_ms(&self.group_id));
        if group.is_empty() && delay_ms > 0 && !self.soft.is_delayed {
            self.soft.is_delayed = true;
            turn.set_timer(GroupTimer::InitialRebalance { group: self.group_id.clone() }, delay_ms);
        }
    }

    fn tell(
        &self,
        soft: &GroupSoft,
        turn: &mut Turn,
        group: &StreamsGroup,
        member: &StreamsMember,
        epoch: i32,
    ) {
        let timeout_ms = i64::from(soft.streams_session_timeout_ms(&self.group_id));
        let (group_id, member_id) = (self.group_id.clone(), member.id.clone());
        turn.set_timer(GroupTimer::Session { group: group_id, member_id }, timeout_ms);
        if !group.members.contains_key(&member.id) {
            let (group, member_id) = (self.group_id.clone(), member.id.clone());
            turn.tell(GroupEvent::ConsumerJoined { group, member_id, epoch });
        }
    }

    #[allow(clippy::too_many_arguments)] // everything that was found out
    fn answer(
        &mut self,
        soft: &GroupSoft,
        caller: &Caller,
        request: &StreamsGroupHeartbeatRequest,
        group: &StreamsGroup,
        heard: &Heard,
        updated: &StreamsMember,
        (configured, configs): (&Configured, &AssignmentConfigs),
    ) -> StreamsHeartbeatAnswer {
        let (member, group_id) = (&heard.member, &self.group_id);
        let has_changed = updated.assigned != member.assigned;
        let endpoint_changed = updated.user_endpoint != member.user_endpoint;
        if endpoint_changed || has_changed && updated.user_endpoint.is_some() {
            self.soft.endpoint_epoch = self.soft.endpoint_epoch.wrapping_add(1);
        }
        let tell_endpoints = self.soft.endpoint_epoch != request.endpoint_information_epoch;
        let tell_tasks = self.joins || has_changed;
        let is_there = group.topology.is_some();
        self.statuses.extend(configured.trouble.clone());
        self.statuses.extend(self.soft.shutdown_by.as_ref().map(|by| {
            StatusCode::ShutdownApplication.with(format!(
                "Streams group member {by} encountered a fatal error and requested a shutdown for the entire application."
            ))
        }));
        if caller.api_version >= MISSING_CLIENT_TAGS_SINCE {
            self.statuses.extend(missing_tags(configs, updated));
        }
        let heartbeat_interval_ms = soft.streams_heartbeat_interval_ms(group_id);
        let gone = heard.replaces.as_ref();
        let response = StreamsGroupHeartbeatResponse {
            member_id: updated.id.clone(),
            member_epoch: updated.epoch,
            heartbeat_interval_ms,
            task_offset_interval_ms: soft.streams_task_offset_interval_ms(group_id),
            acceptable_recovery_lag: soft.streams_acceptable_recovery_lag(group_id),
            status: Some(std::mem::take(&mut self.statuses)),
            active_tasks: tell_tasks.then(|| task_ids(&updated.assigned.active_tasks())),
            standby_tasks: tell_tasks.then(|| task_ids(&updated.assigned.standby)),
            warmup_tasks: tell_tasks.then(|| task_ids(&updated.assigned.warmup)),
            endpoint_information_epoch: if is_there { self.soft.endpoint_epoch } else { 0 },
            partitions_by_user_endpoint: tell_endpoints
                .then(|| endpoints(&*soft.view, group, configured, updated, gone)),
            ..StreamsGroupHeartbeatResponse::default()
        };
        StreamsHeartbeatAnswer {
            response,
            to_create: configured.to_create.clone(),
            remembered_ms: 2 * i64::from(heartbeat_interval_ms),
        }
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

/// What no heartbeat may say, whoever says it.
fn validate(request: &StreamsGroupHeartbeatRequest) -> Result<(), Refusal> {
    let subtopologies = || request.topology.iter().flat_map(|topology| &topology.subtopologies);
    if subtopologies().any(|one| !one.source_topic_regex.is_empty()) {
        return Err(invalid("Regular expressions for source topics are not supported yet."));
    }
    let is_blank = |text: &Str| text.chars().all(|letter| letter <= ' ');
    let named = [
        (Some(&request.member_id), "MemberId can't be empty."),
        (Some(&request.group_id), "GroupId can't be empty."),
        (request.instance_id.as_ref(), "InstanceId can't be empty."),
        (request.rack_id.as_ref(), "RackId can't be empty."),
    ];
    if let Some((_, message)) = named.iter().find(|(text, _)| text.is_some_and(is_blank)) {
        return Err(invalid(*message));
    }
    let roles = [
        (&request.active_tasks, "ActiveTasks must be empty when (re-)joining."),
        (&request.standby_tasks, "StandbyTasks must be empty when (re-)joining."),
        (&request.warmup_tasks, "WarmupTasks must be empty when (re-)joining."),
    ];
    match request.member_epoch {
        0 => {
            if request.rebalance_timeout_ms == -1 {
                return Err(invalid("RebalanceTimeoutMs must be provided in first request."));
            }
            let is_empty = |tasks: &Option<Vec<OwnedTaskIds>>| tasks.as_ref().is_some_and(Vec::is_empty);
            if let Some((_, message)) = roles.iter().find(|(tasks, _)| !is_empty(tasks)) {
                return Err(invalid(*message));
            }
            if request.topology.is_none() {
                return Err(invalid("Topology must be non-null when (re-)joining."));
            }
            let mut changelogs = subtopologies().flat_map(|one| &one.state_changelog_topics);
            if let Some(topic) = changelogs.find(|topic| topic.partitions != 0) {
                return Err(Refusal::new(
                    ErrorCode::StreamsInvalidTopology,
                    format!(
                        "Changelog topic {} must have an undefined partition count, but it is set to {}.",
                        topic.name, topic.partitions
                    ),
                ));
            }
        }
        LEAVE_GROUP_STATIC_MEMBER_EPOCH if request.instance_id.is_none() => {
            return Err(invalid("InstanceId can't be null."));
        }
        epoch if epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH => {
            let message = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
            return Err(invalid(message));
        }
        _ => {}
    }
    let told = roles.iter().filter(|(tasks, _)| tasks.is_some()).count();
    if told != 0 && told != roles.len() {
        return Err(invalid("If one task-type is non-null, all must be non-null."));
    }
    if request.member_epoch != 0 && request.topology.is_some() {
        return Err(invalid("Topology can only be provided when (re-)joining."));
    }
    Ok(())
}

/// The member with what the heartbeat says of it.
fn updated_member(
    member: &StreamsMember,
    caller: &Caller,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<StreamsMember, Refusal> {
    let mut updated = member.clone();
    let text = |text: &Option<Str>| text.as_ref().map(Str::detached);
    updated.instance_id = text(&request.instance_id).or(updated.instance_id);
    updated.rack_id = text(&request.rack_id).or(updated.rack_id);
    if request.rebalance_timeout_ms != -1 {
        updated.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(topology) = &request.topology {
        updated.topology_epoch = topology.epoch;
    }
    updated.client_id = caller.client_id.clone();
    updated.client_host = caller.client_host.clone();
    updated.process_id = text(&request.process_id).unwrap_or(updated.process_id);
    if let Some(tags) = &request.client_tags {
        let of = tags.iter().map(|tag| (tag.key.detached(), tag.value.detached()));
        updated.client_tags = of.collect();
        if updated.client_tags.len() != tags.len() {
            return Err(Refusal { error: ErrorCode::UnknownServerError, message: None });
        }
    }
    let endpoint = request.user_endpoint.as_ref();
    let endpoint = endpoint.map(|one| Endpoint { host: one.host.detached(), port: one.port });
    if endpoint.is_some() || request.member_epoch == 0 {
        updated.user_endpoint = endpoint;
    }
    Ok(updated)
}

fn check_subtopology(
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    owned: &OwnedTaskIds,
) -> Result<(), Refusal> {
    let id = &owned.subtopology_id;
    let Some(subtopology) = subtopologies.get(id) else {
        return Err(invalid(format!("Subtopology {id} does not exist in the topology.")));
    };
    let tasks = subtopology.tasks;
    match owned.partitions.iter().find(|partition| !(0..tasks).contains(*partition)) {
        Some(partition) => Err(invalid(format!(
            "Task {partition} for subtopology {id} is invalid. Number of tasks for this subtopology: {tasks}"
        ))),
        None => Ok(()),
    }
}

fn task_offsets(
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    told: &[TaskOffset],
) -> Result<TaskOffsets, Refusal> {
    let mut offsets = TaskOffsets::new();
    for one in told {
        let is_there = |known: &ConfiguredSubtopology| (0..known.tasks).contains(&one.partition);
        if !subtopologies.get(&one.subtopology_id).is_some_and(is_there) {
            continue;
        }
        let of = offsets.entry(one.subtopology_id.detached()).or_default();
        if of.insert(one.partition, one.offset).is_some() {
            return Err(invalid(format!(
                "Task offsets contain a duplicate entry for subtopology {} and partition {}.",
                one.subtopology_id, one.partition
            )));
        }
    }
    Ok(offsets)
}

/// One step towards the target, and the time it has for giving something back.
fn reconcile(
    turn: &mut Turn,
    group: &StreamsGroup,
    group_id: &Str,
    member: &mut StreamsMember,
    targets: &Targets,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<(), Refusal> {
    if member.is_reconciled_to(targets.epoch) {
        return Ok(());
    }
    let owned = owned_tasks(request);
    let reconciliation = Reconciliation {
        target_epoch: targets.epoch,
        target: &targets.of_member,
        owned: owned.as_ref(),
        owners: &Owners::of(group, &targets.of_member),
    };
    let next = reconciliation.step(member).map_err(|UnknownState| {
        Refusal::new(
            ErrorCode::FencedMemberEpoch,
            "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.",
        )
    })?;
    if next == *member {
        return Ok(());
    }
    turn.write(next.current_record(group_id));
    let timer = GroupTimer::Revocation { group: group_id.clone(), member_id: next.id.clone() };
    match next.state {
        MemberState::UnrevokedTasks => turn.set_timer(timer, i64::from(next.rebalance_timeout_ms.max(0))),
        MemberState::Stable | MemberState::UnreleasedTasks | MemberState::Unknown => turn.cancel_timer(timer),
    }
    *member = next;
    Ok(())
}

fn task_ids(tasks: &Tasks) -> Vec<TaskIds> {
    let of = |(id, partitions): (&Str, &std::collections::BTreeSet<i32>)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
    };
    tasks.iter().map(of).collect()
}

fn missing_tags(configs: &AssignmentConfigs, member: &StreamsMember) -> Option<Status> {
    let required = configs.get(RACK_AWARE_ASSIGNMENT_TAGS)?;
    let missing: Vec<&str> =
        required.split(',').filter(|tag| !member.client_tags.contains_key(*tag)).collect();
    let list = missing.join(", ");
    (!missing.is_empty()).then(|| {
        StatusCode::MissingClientTags.with(format!(
            "Missing required client tags for rack-aware standby assignment: [{list}]. Configure them via 'client.tag.<tagKey>' in your Streams config."
        ))
    })
}
