//! The targets of a streams group: the question that its members put to the assignor together, and when it is put.

use super::super::assignor::sticky::{self, Divisible, Runner, Share, Task};
use super::super::events::GroupEvent;
use super::super::state::GroupSoft;
use super::super::turn::Turn;
use super::group::{AssignmentConfigs, StreamsGroup, ToldOffsets};
use super::member::{StreamsMember, record};
use super::records::StreamsGroupChange;
use super::settings::standby_replicas;
use super::tasks::{TaskSets, Tasks, each, to_target_record};
use super::topics::Configured;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::Str;
use wire::records::group::{
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataValue,
};

/// The members of a group as a decision is about to leave them, and their targets until now.
pub(super) struct Roster<'a> {
    members: BTreeMap<&'a Str, &'a StreamsMember>,
    targets: BTreeMap<&'a Str, &'a Arc<TaskSets>>,
}

/// What is decided by, beside the members.
pub(super) struct Basis<'a> {
    pub group_id: &'a Str,
    /// The group's epoch from now on.
    pub epoch: i32,
    pub configured: &'a Configured,
    pub configs: &'a AssignmentConfigs,
}

/// Targets, and why they are not those of the group's epoch.
pub(super) struct Targets {
    pub epoch: i32,
    /// The one member's that asks.
    pub of_member: Arc<TaskSets>,
    pub delayed: Option<&'static str>,
}

impl<'a> Roster<'a> {
    /// As the group is.
    pub fn of(group: &'a StreamsGroup) -> Roster<'a> {
        Roster {
            members: group.members.iter().map(|(id, member)| (id, &**member)).collect(),
            targets: group.targets.iter().collect(),
        }
    }

    /// With this one as it will be, in the place of the one that it replaces.
    pub fn with(group: &'a StreamsGroup, member: &'a StreamsMember, replaces: Option<&Str>) -> Roster<'a> {
        let mut roster = Roster::of(group);
        if let Some(old) = replaces.filter(|old| **old != member.id) {
            roster.members.remove(old);
            if let Some(target) = roster.targets.remove(old) {
                roster.targets.insert(&member.id, target);
            }
        }
        roster.members.insert(&member.id, member);
        roster
    }

    fn target_of(&self, member_id: &Str) -> Arc<TaskSets> {
        self.targets.get(member_id).map(|target| Arc::clone(target)).unwrap_or_default()
    }

    /// New targets, unless they have to be waited for. Asked for where the group's epoch is ahead of them.
    pub fn targets(
        &self,
        soft: &GroupSoft,
        turn: &mut Turn,
        group: &StreamsGroup,
        basis: &Basis<'_>,
        told: &BTreeMap<Str, Arc<ToldOffsets>>,
        member_id: &Str,
    ) -> Targets {
        let interval_ms = i64::from(soft.streams_assignment_interval_ms(basis.group_id));
        let computed_ms = group.assignment_timestamp_ms;
        let rests = computed_ms != 0
            && turn.wall_ms >= computed_ms
            && turn.wall_ms < computed_ms.saturating_add(interval_ms);
        if rests {
            return Targets {
                epoch: group.assignment_epoch,
                of_member: self.target_of(member_id),
                delayed: Some("Assignment delayed due to the configured assignment interval."),
            };
        }
        let mut assigned = self.assign(basis, told);
        let none = TaskSets::default();
        for member_id in self.members.keys() {
            let own = assigned.get(*member_id).unwrap_or(&none);
            if self.targets.get(*member_id).is_none_or(|before| ***before != *own) {
                turn.write(target_record(basis.group_id, member_id, own));
            }
        }
        turn.write(target_epoch_record(basis.group_id, basis.epoch, turn.wall_ms));
        turn.tell(GroupEvent::TargetComputed {
            group: basis.group_id.clone(),
            epoch: basis.epoch,
            members: self.members.len(),
            assignor: super::ASSIGNOR,
        });
        let of_member = Arc::new(assigned.remove(member_id).unwrap_or_default());
        Targets { epoch: basis.epoch, of_member, delayed: None }
    }

    /// What each member shall have; nothing while the topology cannot run.
    fn assign(&self, basis: &Basis<'_>, told: &BTreeMap<Str, Arc<ToldOffsets>>) -> BTreeMap<Str, TaskSets> {
        let subtopologies = match &basis.configured.subtopologies {
            Some(subtopologies) if basis.configured.is_ready() => subtopologies,
            Some(_) | None => return BTreeMap::new(),
        };
        let ids: Vec<&Str> = subtopologies.keys().collect();
        let divisible: Vec<Divisible<'_>> = subtopologies
            .iter()
            .map(|(id, one)| Divisible {
                id,
                tasks: one.tasks,
                is_stateful: !one.state_changelog_topics.is_empty(),
            })
            .collect();
        let task = |id: &Str, partition: i32| Some((ids.binary_search(&id).ok()?, partition));
        let tasks = |tasks: &Tasks| {
            each(tasks).filter_map(|(id, partition)| task(id, *partition)).collect::<Vec<Task>>()
        };
        let runner = |(id, member): (&&'a Str, &&'a StreamsMember)| {
            let offsets = told.get(*id).into_iter().flat_map(|told| &told.offsets);
            let offsets = offsets.flat_map(|(id, of)| of.iter().map(move |(at, offset)| (id, at, offset)));
            Runner {
                id,
                process_id: &member.process_id,
                active: tasks(&member.assigned.active_tasks()),
                standby: tasks(&member.assigned.standby).into_iter().collect(),
                offsets: offsets.filter_map(|(id, at, offset)| Some((task(id, *at)?, *offset))).collect(),
            }
        };
        let runners: Vec<Runner<'_>> = self.members.iter().map(runner).collect();
        let shares = sticky::assign(&divisible, &runners, standby_replicas(basis.configs));
        let named = |tasks: &BTreeSet<Task>| {
            let mut named = Tasks::new();
            for (at, partition) in tasks {
                named.entry(ids[*at].clone()).or_default().insert(*partition);
            }
            named
        };
        let set = |share: &Share| TaskSets {
            active: named(&share.active),
            standby: named(&share.standby),
            warmup: Tasks::new(),
        };
        runners.iter().zip(&shares).map(|(runner, share)| (runner.id.clone(), set(share))).collect()
    }
}

pub(super) fn target_record(
    group: &Str,
    member_id: &Str,
    target: &TaskSets,
) -> super::super::records::GroupRecord {
    let value = StreamsGroupTargetAssignmentMemberValue {
        active_tasks: to_target_record(&target.active),
        standby_tasks: to_target_record(&target.standby),
        warmup_tasks: to_target_record(&target.warmup),
    };
    record(group, StreamsGroupChange::Target { member_id: member_id.clone(), value: Some(Arc::new(value)) })
}

pub(super) fn target_epoch_record(
    group: &Str,
    assignment_epoch: i32,
    assignment_timestamp: i64,
) -> super::super::records::GroupRecord {
    let value = StreamsGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp };
    record(group, StreamsGroupChange::TargetMetadata { value: Some(value) })
}
