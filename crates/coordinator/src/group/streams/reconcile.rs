//! One step of a member towards its target: first it gives back what it shall not have, then it is given what nobody else has any more. A task
//! that a member keeps a copy of and shall process changes its role in one step; two members of one process never have the same task, as they
//! share its directory. A pure function of the member, the target and who has what.

use super::group::StreamsGroup;
use super::member::{MemberState, StreamsMember};
use super::tasks::{Held, TaskSets, Tasks, TasksSince, each, has};
use std::collections::{BTreeMap, BTreeSet};
use wire::Str;

/// What a member is brought to.
pub struct Reconciliation<'a> {
    /// The epoch of the target.
    pub target_epoch: i32,
    /// What it shall have.
    pub target: &'a TaskSets,
    /// What the member says it has, if it says so.
    pub owned: Option<&'a TaskSets>,
    /// Who has what it shall have.
    pub owners: &'a Owners,
}

/// The member is in a state of a later version, and has tasks: it has to give them all up and come again.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownState;

/// The processes that have tasks, or have still to give them back.
#[derive(Debug, Default)]
pub struct Owners {
    active: BTreeMap<(Str, i32), Str>,
    standby: BTreeMap<(Str, i32), BTreeSet<Str>>,
    warmup: BTreeMap<(Str, i32), BTreeSet<Str>>,
}

impl Owners {
    /// Of the tasks of a target.
    pub fn of(group: &StreamsGroup, target: &TaskSets) -> Owners {
        let mut owners = Owners::default();
        let is_wanted = |id: &str, partition: i32| {
            [&target.active, &target.standby, &target.warmup].iter().any(|tasks| has(tasks, id, partition))
        };
        for member in group.members.values() {
            for held in [&member.assigned, &member.revoking] {
                for (id, partitions) in &held.active {
                    for partition in partitions.keys().filter(|partition| is_wanted(id, **partition)) {
                        owners.active.insert((id.clone(), *partition), member.process_id.clone());
                    }
                }
                for (tasks, of) in [(&held.standby, &mut owners.standby), (&held.warmup, &mut owners.warmup)]
                {
                    for (id, partition) in each(tasks).filter(|(id, partition)| is_wanted(id, **partition)) {
                        of.entry((id.clone(), *partition)).or_default().insert(member.process_id.clone());
                    }
                }
            }
        }
        owners
    }
}

/// What becomes of the tasks of one role: kept, to be given back, to be given; and whether somebody else still has one.
struct Split<T> {
    kept: T,
    revoked: T,
    added: T,
    unreleased: bool,
}

impl Reconciliation<'_> {
    /// The member after the step.
    pub fn step(&self, member: &StreamsMember) -> Result<StreamsMember, UnknownState> {
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => {
                Ok(self.towards_target(member, member.epoch))
            }
            MemberState::Stable => Ok(member.clone()),
            MemberState::UnrevokedTasks if self.still_has(&member.revoking) => Ok(member.clone()),
            MemberState::UnrevokedTasks => Ok(self.towards_target(member, member.epoch.saturating_add(1))),
            MemberState::UnreleasedTasks => Ok(self.towards_target(member, member.epoch)),
            MemberState::Unknown if self.owned.is_some_and(TaskSets::is_empty) => {
                Ok(self.towards_target(member, self.target_epoch))
            }
            MemberState::Unknown => Err(UnknownState),
        }
    }

    /// Who does not say what it has may have all of it.
    fn still_has(&self, revoking: &Held) -> bool {
        self.owned.is_none_or(|owned| owned.has_any_of(revoking))
    }

    /// `epoch`: that of the member as long as it has something to give back.
    fn towards_target(&self, member: &StreamsMember, epoch: i32) -> StreamsMember {
        let has = &member.assigned;
        let mut active = self.split_active(member);
        let mut standby = split(&has.standby, &self.target.standby, |id, partition| {
            self.is_standby_unreleased(member, id, partition)
        });
        let mut warmup = split(&has.warmup, &self.target.warmup, |id, partition| {
            self.is_warmup_unreleased(member, id, partition)
        });
        let unreleased = active.unreleased || standby.unreleased || warmup.unreleased;
        // Its state stays where it is, whatever its role.
        for (id, partition) in each(&has.active_tasks()) {
            move_task(&mut standby.added, &mut standby.kept, id, *partition);
        }
        change_role(&has.standby, &mut standby.revoked, &mut warmup);
        change_role(&has.warmup, &mut warmup.revoked, &mut standby);
        let is_promoted = |id: &str, partition: i32| super::tasks::has(&self.target.active, id, partition);
        for (tasks, revoked) in [(&has.standby, &mut standby.revoked), (&has.warmup, &mut warmup.revoked)] {
            for (id, partition) in each(tasks).filter(|(id, partition)| is_promoted(id, **partition)) {
                remove(revoked, id, *partition);
            }
        }
        let revoking = Held { active: active.revoked, standby: standby.revoked, warmup: warmup.revoked };
        let must_revoke = !revoking.is_empty() && self.still_has(&revoking);
        // What it shall process it goes on copying until it may.
        let is_granted = |id: &Str, partition: i32| {
            !must_revoke && active.added.get(id).is_some_and(|tasks| tasks.contains_key(&partition))
        };
        for (tasks, kept) in [(&has.standby, &mut standby.kept), (&has.warmup, &mut warmup.kept)] {
            for (id, partition) in each(tasks).filter(|(id, partition)| is_promoted(id, **partition)) {
                if !is_granted(id, *partition) {
                    kept.entry(id.clone()).or_default().insert(*partition);
                }
            }
        }
        let kept =
            Held { active: std::mem::take(&mut active.kept), standby: standby.kept, warmup: warmup.kept };
        let added = Held { active: active.added, standby: standby.added, warmup: warmup.added };
        let mut next = StreamsMember { previous_epoch: member.epoch, assigned: kept, ..member.clone() };
        if must_revoke {
            (next.state, next.epoch, next.revoking) = (MemberState::UnrevokedTasks, epoch, revoking);
            return next;
        }
        next.assigned.add(added);
        next.state = if unreleased { MemberState::UnreleasedTasks } else { MemberState::Stable };
        (next.epoch, next.revoking) = (self.target_epoch, Held::default());
        next
    }

    fn split_active(&self, member: &StreamsMember) -> Split<TasksSince> {
        let mut split = Split {
            kept: TasksSince::new(),
            revoked: TasksSince::new(),
            added: TasksSince::new(),
            unreleased: false,
        };
        let held = &member.assigned.active;
        for (id, partitions) in held {
            for (partition, epoch) in partitions {
                let wanted = has(&self.target.active, id, *partition);
                let into = if wanted { &mut split.kept } else { &mut split.revoked };
                into.entry(id.clone()).or_default().insert(*partition, *epoch);
            }
        }
        for (id, partition) in each(&self.target.active) {
            if held.get(id).is_some_and(|tasks| tasks.contains_key(partition)) {
                continue;
            }
            if self.is_active_unreleased(member, id, *partition) {
                split.unreleased = true;
            } else {
                split.added.entry(id.clone()).or_default().insert(*partition, self.target_epoch);
            }
        }
        split
    }

    fn is_active_unreleased(&self, member: &StreamsMember, id: &Str, partition: i32) -> bool {
        let key = (id.clone(), partition);
        self.owners.active.contains_key(&key)
            || self.is_on_same_process(&self.owners.standby, member, &member.assigned.standby, &key)
            || self.is_on_same_process(&self.owners.warmup, member, &member.assigned.warmup, &key)
    }

    fn is_standby_unreleased(&self, member: &StreamsMember, id: &Str, partition: i32) -> bool {
        let key = (id.clone(), partition);
        let processes_it = || {
            let own = member.assigned.active.get(id);
            own.is_some_and(|tasks| tasks.contains_key(&partition))
        };
        self.owners.active.get(&key) == Some(&member.process_id) && !processes_it()
            || self.owners.standby.get(&key).is_some_and(|by| by.contains(&member.process_id))
            || self.is_on_same_process(&self.owners.warmup, member, &member.assigned.warmup, &key)
    }

    fn is_warmup_unreleased(&self, member: &StreamsMember, id: &Str, partition: i32) -> bool {
        let key = (id.clone(), partition);
        self.owners.active.get(&key) == Some(&member.process_id)
            || self.is_on_same_process(&self.owners.standby, member, &member.assigned.standby, &key)
            || self.owners.warmup.get(&key).is_some_and(|by| by.contains(&member.process_id))
    }

    /// Another member of its process has it in this role.
    fn is_on_same_process(
        &self,
        owners: &BTreeMap<(Str, i32), BTreeSet<Str>>,
        member: &StreamsMember,
        own: &Tasks,
        key: &(Str, i32),
    ) -> bool {
        owners.get(key).is_some_and(|by| by.contains(&member.process_id)) && !has(own, &key.0, key.1)
    }
}

fn split(held: &Tasks, target: &Tasks, is_unreleased: impl Fn(&Str, i32) -> bool) -> Split<Tasks> {
    let mut split =
        Split { kept: Tasks::new(), revoked: Tasks::new(), added: Tasks::new(), unreleased: false };
    for (id, partition) in each(held) {
        let into = if has(target, id, *partition) { &mut split.kept } else { &mut split.revoked };
        into.entry(id.clone()).or_default().insert(*partition);
    }
    for (id, partition) in each(target).filter(|(id, partition)| !has(held, id, **partition)) {
        if is_unreleased(id, *partition) {
            split.unreleased = true;
        } else {
            split.added.entry(id.clone()).or_default().insert(*partition);
        }
    }
    split
}

/// What it has in one role and is about to be given in the other it has in the other from now on.
fn change_role(held: &Tasks, revoked: &mut Tasks, other: &mut Split<Tasks>) {
    for (id, partition) in each(held) {
        if move_task(&mut other.added, &mut other.kept, id, *partition) {
            remove(revoked, id, *partition);
        }
    }
}

/// Whether it was there to be moved.
fn move_task(from: &mut Tasks, to: &mut Tasks, id: &Str, partition: i32) -> bool {
    let moves = remove(from, id, partition);
    if moves {
        to.entry(id.clone()).or_default().insert(partition);
    }
    moves
}

fn remove(tasks: &mut Tasks, id: &Str, partition: i32) -> bool {
    let Some(partitions) = tasks.get_mut(id) else { return false };
    let was_there = partitions.remove(&partition);
    if partitions.is_empty() {
        tasks.remove(id);
    }
    was_there
}
