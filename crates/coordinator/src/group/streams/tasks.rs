//! Tasks of a streams application: a subtopology and a partition, in one of three roles. Plain data, and their form in records.

use std::collections::{BTreeMap, BTreeSet};
use wire::Str;
use wire::records::group::{StreamsGroupCurrentMemberAssignmentValueTaskIds as HeldTaskIds, TaskIds};

/// Tasks by subtopology.
pub type Tasks = BTreeMap<Str, BTreeSet<i32>>;

/// Tasks by subtopology, each with the epoch in which the member was given it.
pub type TasksSince = BTreeMap<Str, BTreeMap<i32, i32>>;

/// What a member shall have, or says that it has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskSets {
    /// It processes them.
    pub active: Tasks,
    /// It keeps a copy of their state.
    pub standby: Tasks,
    /// It restores their state, to process them afterwards.
    pub warmup: Tasks,
}

/// What a member has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Held {
    /// It processes them.
    pub active: TasksSince,
    /// It keeps a copy of their state.
    pub standby: Tasks,
    /// It restores their state.
    pub warmup: Tasks,
}

impl TaskSets {
    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether it has any of these in the same role.
    pub fn has_any_of(&self, held: &Held) -> bool {
        let actives = held.active.iter();
        let active = actives.flat_map(|(id, partitions)| partitions.keys().map(move |one| (id, one)));
        let of = |tasks: &Tasks, id: &Str, partition: &i32| {
            tasks.get(id).is_some_and(|partitions| partitions.contains(partition))
        };
        each(&held.standby).any(|(id, one)| of(&self.standby, id, one))
            || each(&held.warmup).any(|(id, one)| of(&self.warmup, id, one))
            || { active }.any(|(id, one)| of(&self.active, id, one))
    }
}

impl Held {
    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Without the epochs.
    pub fn active_tasks(&self) -> Tasks {
        self.active.iter().map(|(id, tasks)| (id.clone(), tasks.keys().copied().collect())).collect()
    }

    /// As it was, but given in an epoch that is before any other.
    pub fn of_no_epoch(&self) -> Held {
        let mut held = self.clone();
        held.active.values_mut().flat_map(BTreeMap::values_mut).for_each(|epoch| *epoch = 0);
        held
    }

    /// These, too.
    pub fn add(&mut self, more: Held) {
        for (id, tasks) in more.active {
            self.active.entry(id).or_default().extend(tasks);
        }
        for (own, more) in [(&mut self.standby, more.standby), (&mut self.warmup, more.warmup)] {
            more.into_iter().for_each(|(id, tasks)| own.entry(id).or_default().extend(tasks));
        }
    }
}

/// Every task, in order.
pub fn each(tasks: &Tasks) -> impl Iterator<Item = (&Str, &i32)> {
    tasks.iter().flat_map(|(id, partitions)| partitions.iter().map(move |one| (id, one)))
}

/// Whether it is among them.
pub fn has(tasks: &Tasks, id: &str, partition: i32) -> bool {
    tasks.get(id).is_some_and(|partitions| partitions.contains(&partition))
}

pub(super) fn to_target_record(tasks: &Tasks) -> Vec<TaskIds> {
    let of = |(id, partitions): (&Str, &BTreeSet<i32>)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
    };
    tasks.iter().map(of).collect()
}

pub(super) fn from_target_record(tasks: &[TaskIds]) -> Tasks {
    collect(tasks.iter().map(|ids| (&ids.subtopology_id, &ids.partitions)))
}

pub(super) fn to_record(tasks: &Tasks) -> Vec<HeldTaskIds> {
    let of = |(id, partitions): (&Str, &BTreeSet<i32>)| HeldTaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
        ..HeldTaskIds::default()
    };
    tasks.iter().map(of).collect()
}

pub(super) fn to_record_since(tasks: &TasksSince) -> Vec<HeldTaskIds> {
    let of = |(id, partitions): (&Str, &BTreeMap<i32, i32>)| HeldTaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    };
    tasks.iter().map(of).collect()
}

pub(super) fn from_record(tasks: &[HeldTaskIds]) -> Tasks {
    collect(tasks.iter().map(|ids| (&ids.subtopology_id, &ids.partitions)))
}

/// Older records have no epochs of their own for tasks.
pub(super) fn from_record_since(tasks: &[HeldTaskIds], member_epoch: i32) -> TasksSince {
    let mut since = TasksSince::new();
    for ids in tasks.iter().filter(|ids| !ids.partitions.is_empty()) {
        let told = ids.assignment_epochs.as_deref().unwrap_or_default();
        let epochs = Some(told).filter(|epochs| epochs.len() == ids.partitions.len());
        let own = since.entry(ids.subtopology_id.detached()).or_default();
        for (at, partition) in ids.partitions.iter().enumerate() {
            own.insert(*partition, epochs.map_or(member_epoch, |epochs| epochs[at]));
        }
    }
    since
}

/// Tasks as somebody names them; none of a subtopology is as good as not naming it.
pub(super) fn collect<'a>(named: impl Iterator<Item = (&'a Str, &'a Vec<i32>)>) -> Tasks {
    let mut tasks = Tasks::new();
    for (id, partitions) in named.filter(|(_, partitions)| !partitions.is_empty()) {
        tasks.entry(id.detached()).or_default().extend(partitions.iter().copied());
    }
    tasks
}
