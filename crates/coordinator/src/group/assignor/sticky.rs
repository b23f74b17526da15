//! The assignor of streams groups, `sticky` (KIP-1071): tasks stay where they are as far as nobody has more than the others; what has to move goes to
//! whoever has its state. A pure function of what members have and told; the same answer as Kafka's for the same question.

use super::order;
use super::queue::Queue;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use wire::Str;

/// A task: the position of its subtopology among all of them in order of their ids, and its partition.
pub type Task = (usize, i32);

/// A subtopology.
#[derive(Debug, Clone)]
pub struct Divisible<'a> {
    /// Its id; the list is in their order.
    pub id: &'a Str,
    /// How many tasks it has.
    pub tasks: i32,
    /// It keeps state, which standby tasks copy.
    pub is_stateful: bool,
}

/// A member.
#[derive(Debug, Clone)]
pub struct Runner<'a> {
    /// Its id.
    pub id: &'a Str,
    /// The process that it is a thread of.
    pub process_id: &'a Str,
    /// What it processes now.
    pub active: Vec<Task>,
    /// What it keeps a copy of now.
    pub standby: BTreeSet<Task>,
    /// How much of a task's state it told that it has.
    pub offsets: BTreeMap<Task, i64>,
}

/// What a member shall have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Share {
    /// To process.
    pub active: BTreeSet<Task>,
    /// To copy.
    pub standby: BTreeSet<Task>,
}

/// What each of the members shall have, in their order.
pub fn assign(
    subtopologies: &[Divisible<'_>],
    members: &[Runner<'_>],
    standby_replicas: usize,
) -> Vec<Share> {
    if members.is_empty() {
        return Vec::new();
    }
    let mut state = State::new(subtopologies, members, standby_replicas);
    let tasks_of = |stateful_only: bool| {
        let wanted = subtopologies.iter().enumerate();
        let wanted = wanted.filter(move |(_, one)| one.is_stateful || !stateful_only);
        wanted
            .flat_map(|(at, one)| (0..one.tasks).map(move |partition| (at, partition)))
            .collect::<Vec<Task>>()
    };
    state.assign_active(tasks_of(false));
    if standby_replicas > 0 {
        state.assign_standby(tasks_of(true));
    }
    state.shares
}

/// A process: what its members have together.
struct Process {
    members: Vec<usize>,
    count: usize,
    tasks: BTreeSet<Task>,
    /// Its members by how much they have, while nobody else gives them anything.
    by_load: Option<Queue<(usize, usize)>>,
}

impl Process {
    fn load(&self) -> f64 {
        self.count as f64 / self.members.len() as f64
    }
}

/// How many tasks are still to be given, and how many each of those who have room may have.
struct Quota {
    tasks: usize,
    members: usize,
    each: usize,
}

impl Quota {
    fn of(tasks: usize, members: usize) -> Quota {
        Quota { tasks, members, each: tasks.div_ceil(members) }
    }

    /// Somebody has so many now.
    fn given(&mut self, count: usize) {
        if count == self.each && self.members > 0 {
            self.members -= 1;
            self.tasks = self.tasks.saturating_sub(count);
            self.each = if self.members == 0 { 0 } else { self.tasks.div_ceil(self.members) };
        }
    }
}

struct State {
    standby_replicas: usize,
    /// The process of each member.
    process_of: Vec<usize>,
    /// How many tasks each member has.
    counts: Vec<usize>,
    shares: Vec<Share>,
    processes: Vec<Process>,
    /// Who processes a task until now.
    active_before: BTreeMap<Task, usize>,
    /// Who has state of a task, the best first.
    standby_before: BTreeMap<Task, Vec<usize>>,
    active: Quota,
    all: Quota,
}

impl State {
    fn new(subtopologies: &[Divisible<'_>], members: &[Runner<'_>], standby_replicas: usize) -> State {
        let (mut active, mut all) = (0, 0);
        for one in subtopologies {
            let tasks = usize::try_from(one.tasks).unwrap_or(0);
            active += tasks;
            all += tasks * if one.is_stateful { 1 + standby_replicas } else { 1 };
        }
        let mut at: Vec<usize> = (0..members.len()).collect();
        let buckets = order::grown(members.len());
        at.sort_by_key(|at| order::bucket(order::text(members[*at].id), buckets));
        let (process_of, processes) = processes_of(members, &at);
        let mut active_before = BTreeMap::new();
        let mut holders: BTreeMap<Task, Vec<(bool, i64, usize)>> = BTreeMap::new();
        for member in at {
            let runner = &members[member];
            active_before.extend(runner.active.iter().map(|task| (*task, member)));
            let told = |task: &Task| runner.offsets.get(task).copied().unwrap_or(0);
            for task in &runner.standby {
                holders.entry(*task).or_default().push((true, told(task), member));
            }
            for (task, offset) in runner.offsets.iter().filter(|(task, _)| !runner.standby.contains(*task)) {
                holders.entry(*task).or_default().push((false, *offset, member));
            }
        }
        let ranked = |(task, mut holders): (Task, Vec<(bool, i64, usize)>)| {
            holders.sort_by_key(|(is_standby, offset, _)| (!is_standby, std::cmp::Reverse(*offset)));
            (task, holders.into_iter().map(|(_, _, member)| member).collect())
        };
        State {
            standby_replicas,
            process_of,
            counts: vec![0; members.len()],
            shares: vec![Share::default(); members.len()],
            processes,
            active_before,
            standby_before: holders.into_iter().map(ranked).collect(),
            active: Quota::of(active, members.len()),
            all: Quota::of(all, members.len()),
        }
    }

    fn assign_active(&mut self, mut tasks: Vec<Task>) {
        tasks.sort_by_key(|(subtopology, partition)| (*partition, *subtopology));
        tasks.retain(|task| match self.active_before.get(task) {
            Some(member) if self.counts[*member] < self.active.each => {
                let member = *member;
                self.give_active(member, *task);
                false
            }
            Some(_) | None => true,
        });
        tasks.retain(|task| match self.least_loaded_holder(*task, None) {
            Some(member) if self.counts[member] < self.active.each => {
                self.give_active(member, *task);
                false
            }
            Some(_) | None => true,
        });
        tasks.sort_unstable();
        let mut queue = self.processes_by_load();
        for task in tasks {
            let Some((_, process)) = queue.poll() else { return };
            let member = self.least_loaded_member(process);
            let count = self.give(member, task, true);
            self.requeue(process, member, count);
            self.active.given(count);
            self.all.given(count);
            queue.add((self.processes[process].load(), process));
        }
    }

    fn assign_standby(&mut self, mut tasks: Vec<Task>) {
        let mut rest: Vec<(Task, usize)> = Vec::new();
        tasks.sort_by_key(|(subtopology, partition)| std::cmp::Reverse((*partition, *subtopology)));
        for task in tasks {
            for given in 0..self.standby_replicas {
                let Some(member) = self.holder_with_room(task) else {
                    rest.push((task, self.standby_replicas - given));
                    break;
                };
                let count = self.give(member, task, false);
                self.processes[self.process_of[member]].by_load = None;
                self.all.given(count);
            }
        }
        rest.sort_by_key(|(task, _)| std::cmp::Reverse(*task));
        let mut queue = self.processes_by_load();
        for (task, wanted) in rest {
            for _ in 0..wanted {
                if !self.give_standby_to_least_loaded(&mut queue, task) {
                    break;
                }
            }
        }
    }

    /// Who processed a task before and does not any more, otherwise who has its state; if they may have more.
    fn holder_with_room(&self, task: Task) -> Option<usize> {
        let has_room = |member: &usize| self.counts[*member] < self.all.each;
        let is_without = |member: &usize| !self.processes[self.process_of[*member]].tasks.contains(&task);
        let active = self.active_before.get(&task).copied();
        let standby = || self.least_loaded_holder(task, Some(task));
        active.filter(is_without).filter(has_room).or_else(|| standby().filter(has_room))
    }

    fn give_standby_to_least_loaded(&mut self, queue: &mut Queue<(f64, usize)>, task: Task) -> bool {
        let mut passed = Vec::new();
        let mut found = false;
        while let Some((_, process)) = queue.poll() {
            passed.push(process);
            if !self.processes[process].tasks.contains(&task) {
                let member = self.least_loaded_member(process);
                let count = self.give(member, task, false);
                self.requeue(process, member, count);
                self.all.given(count);
                found = true;
                break;
            }
        }
        passed.into_iter().rev().for_each(|process| queue.add((self.processes[process].load(), process)));
        found
    }

    fn give_active(&mut self, member: usize, task: Task) {
        let count = self.give(member, task, true);
        self.processes[self.process_of[member]].by_load = None;
        self.active.given(count);
        self.all.given(count);
    }

    /// How many it has with this one.
    fn give(&mut self, member: usize, task: Task, is_active: bool) -> usize {
        let process = &mut self.processes[self.process_of[member]];
        process.count += 1;
        process.tasks.insert(task);
        let share = &mut self.shares[member];
        let own = if is_active { &mut share.active } else { &mut share.standby };
        own.insert(task);
        self.counts[member] += 1;
        self.counts[member]
    }

    /// The member with the least is taken out of the queue of its process, and comes back by `requeue`.
    fn least_loaded_member(&mut self, process: usize) -> usize {
        let process = &mut self.processes[process];
        let only = process.members[0];
        if process.members.len() == 1 {
            return only;
        }
        let counts = &self.counts;
        let members = &process.members;
        let queue = process.by_load.get_or_insert_with(|| {
            Queue::of(members.iter().map(|member| (counts[*member], *member)), |one, other| {
                one.0.cmp(&other.0)
            })
        });
        queue.poll().map_or(only, |(_, member)| member)
    }

    fn requeue(&mut self, process: usize, member: usize, count: usize) {
        if let Some(queue) = &mut self.processes[process].by_load {
            queue.add((count, member));
        }
    }

    fn processes_by_load(&self) -> Queue<(f64, usize)> {
        let by_load = |one: &(f64, usize), other: &(f64, usize)| -> Ordering { one.0.total_cmp(&other.0) };
        let loads = self.processes.iter().enumerate().map(|(at, process)| (process.load(), at));
        Queue::of(loads, by_load)
    }

    /// Of those who have state of a task; not one whose process has this one.
    fn least_loaded_holder(&self, task: Task, without: Option<Task>) -> Option<usize> {
        let mut least: Option<(usize, f64, usize)> = None;
        for member in self.standby_before.get(&task)? {
            let process = &self.processes[self.process_of[*member]];
            if without.is_some_and(|task| process.tasks.contains(&task)) {
                continue;
            }
            let (load, count) = (process.load(), self.counts[*member]);
            if least.is_none_or(|(_, least_load, least_count)| load < least_load && count < least_count) {
                least = Some((*member, load, count));
            }
        }
        least.map(|(member, _, _)| member)
    }
}

/// The process of each member, and all processes, as Java's tables list them.
fn processes_of(members: &[Runner<'_>], at: &[usize]) -> (Vec<usize>, Vec<Process>) {
    let mut found: BTreeMap<&Str, Vec<usize>> = BTreeMap::new();
    for member in at {
        found.entry(members[*member].process_id).or_default().push(*member);
    }
    let mut buckets = members.len().next_power_of_two();
    while found.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let mut processes: Vec<(&Str, Vec<usize>)> = found.into_iter().collect();
    processes.sort_by_key(|(id, _)| order::bucket(order::text(id), buckets));
    let mut process_of = vec![0; members.len()];
    for (process, (_, own)) in processes.iter_mut().enumerate() {
        own.iter().for_each(|member| process_of[*member] = process);
        let buckets = order::grown(own.len());
        own.sort_by_key(|member| order::bucket(order::text(members[*member].id), buckets));
    }
    let process = |(_, members)| Process { members, count: 0, tasks: BTreeSet::new(), by_load: None };
    (process_of, processes.into_iter().map(process).collect())
}
