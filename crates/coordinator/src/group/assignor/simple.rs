//! `simple`, the assignor of share groups (KIP-932): every partition goes to as many members as it takes for everybody to have something, and
//! everybody has about as many; what a member has it keeps as far as that goes. Pure, and the same answer as Kafka's for the same question.

use super::table::{Table, number};
use super::{Assignment, Wanted, order};
use std::collections::{BTreeMap, BTreeSet};
use wire::{Str, Uuid};

/// The partitions of a topic that may be shared yet.
pub type Assignable = BTreeMap<Uuid, BTreeSet<i32>>;

type Partition = (Uuid, i32);

fn partition_hash(partition: &Partition) -> i32 {
    order::id(partition.0).wrapping_mul(31).wrapping_add(partition.1)
}

/// What each member shall have; a member without partitions may be missing.
pub fn assign(wanted: &Wanted<'_>, assignable: &Assignable) -> BTreeMap<Str, Assignment> {
    let members = wanted.members_in_order();
    let mut own: Vec<Assignment> = members.iter().map(|member| member.target.clone()).collect();
    if wanted.all_alike {
        let Some(topics) = members.first().map(|member| &member.topics).filter(|topics| !topics.is_empty())
        else {
            return BTreeMap::new();
        };
        let topics_in_order = order::ids(topics.iter().copied(), order::copied(topics.len()));
        let targets = topics_in_order.iter().flat_map(|topic| targets(wanted, assignable, *topic));
        let all: Vec<usize> = (0..members.len()).collect();
        divide(&mut own, &all, &targets.collect::<Vec<_>>(), Scope::Topics(topics));
    } else {
        let mut subscribed = Table::<Uuid, Vec<usize>>::new(|topic| order::id(*topic));
        for (index, member) in members.iter().enumerate() {
            for topic in order::ids(member.topics.iter().copied(), order::copied(member.topics.len())) {
                subscribed.entry(topic, Vec::new).push(index);
            }
        }
        if subscribed.len() == 0 {
            return BTreeMap::new();
        }
        for topic in subscribed.keys() {
            let subscribers = subscribed.get(&topic).map_or(&[][..], Vec::as_slice);
            let targets = targets(wanted, assignable, topic);
            divide(&mut own, subscribers, &targets, Scope::Topic(topic));
        }
    }
    own.iter_mut().for_each(|own| own.retain(|_, partitions| !partitions.is_empty()));
    members.iter().map(|member| member.member_id.clone()).zip(own).collect()
}

/// The partitions of a topic that are to be divided, in their order.
fn targets(wanted: &Wanted<'_>, assignable: &Assignable, topic: Uuid) -> Vec<Partition> {
    let may = assignable.get(&topic);
    let there = 0..wanted.partitions_of(topic);
    there.filter(|number| may.is_some_and(|may| may.contains(number))).map(|number| (topic, number)).collect()
}

/// What is divided at once.
#[derive(Clone, Copy)]
enum Scope<'a> {
    /// All topics, to which all members subscribe. What a member has of others it gives back.
    Topics(&'a BTreeSet<Uuid>),
    /// One of several, each to its own subscribers.
    Topic(Uuid),
}

impl Scope<'_> {
    fn hash(self) -> fn(&Partition) -> i32 {
        match self {
            Scope::Topics(_) => partition_hash,
            // Of one topic Kafka's tables hold the numbers alone.
            Scope::Topic(_) => |partition| partition.1,
        }
    }
}

/// A division on its way. `by_partition` and `by_member` say the same of what is held.
struct Division {
    by_partition: Table<Partition, Table<usize, ()>>,
    by_member: Table<usize, Table<Partition, ()>>,
    /// How many members each partition goes to.
    sharing: usize,
    /// How many partitions each member shall have.
    desired: Vec<usize>,
}

fn divide(own: &mut [Assignment], subscribers: &[usize], targets: &[Partition], scope: Scope<'_>) {
    let sharing = match targets.len() {
        0 => 0,
        many => subscribers.len().div_ceil(many),
    };
    let each = (sharing * targets.len()) as f64 / subscribers.len() as f64;
    let up_to = |members: usize| (each * members as f64).ceil() as usize;
    let mut desired = vec![0; own.len()];
    for (at, member) in subscribers.iter().enumerate() {
        if let Some(desired) = desired.get_mut(*member) {
            *desired = up_to(at + 1) - up_to(at);
        }
    }
    let mut division = Division {
        by_partition: Table::for_keys(scope.hash(), targets.len()).newest_first(),
        by_member: Table::for_keys(number, own.len()),
        sharing,
        desired,
    };
    division.take_up(own, scope);
    division.revoke_from_overfilled(own);
    division.revoke_overshared(own);
    for target in targets {
        division.by_partition.entry(*target, || Table::new(number));
    }
    division.assign_the_rest(own, subscribers);
}

impl Division {
    fn hold(&mut self, member: usize, partition: Partition, hash: fn(&Partition) -> i32) {
        self.by_partition.entry(partition, || Table::new(number)).entry(member, || ());
        self.by_member.entry(member, || Table::new(hash)).entry(partition, || ());
    }

    /// What members have of what is divided; the rest they give back.
    fn take_up(&mut self, own: &mut [Assignment], scope: Scope<'_>) {
        for (member, own) in own.iter_mut().enumerate() {
            for topic in order::ids(own.keys().copied(), order::grown(own.len())) {
                let is_divided = match scope {
                    Scope::Topics(topics) => topics.contains(&topic),
                    Scope::Topic(divided) => topic == divided,
                };
                if is_divided {
                    let partitions = own.get(&topic).into_iter().flatten().copied();
                    let partitions: Vec<i32> = partitions.collect();
                    for partition in order::partitions(partitions.into_iter()) {
                        self.hold(member, (topic, partition), scope.hash());
                    }
                } else if matches!(scope, Scope::Topics(_)) {
                    own.remove(&topic);
                }
            }
        }
    }

    fn desired_of(&self, member: usize) -> usize {
        self.desired.get(member).copied().unwrap_or(0)
    }

    fn held_by(&self, member: usize) -> usize {
        self.by_member.get(&member).map_or(0, Table::len)
    }

    fn revoke_from_overfilled(&mut self, own: &mut [Assignment]) {
        for member in self.by_member.keys() {
            let desired = self.desired_of(member);
            let Some(held) = self.by_member.get_mut(&member) else { continue };
            for partition in held.keys() {
                if held.len() <= desired {
                    break;
                }
                held.remove(&partition);
                take(own, member, partition);
                if let Some(members) = self.by_partition.get_mut(&partition) {
                    members.remove(&member);
                }
            }
        }
    }

    fn revoke_overshared(&mut self, own: &mut [Assignment]) {
        for partition in self.by_partition.keys() {
            let Some(members) = self.by_partition.get_mut(&partition) else { continue };
            for member in members.keys() {
                if members.len() <= self.sharing {
                    break;
                }
                members.remove(&member);
                take(own, member, partition);
                if let Some(held) = self.by_member.get_mut(&member) {
                    held.remove(&partition);
                }
            }
        }
    }

    /// Goes round those that have too little, partition by partition.
    fn assign_the_rest(&mut self, own: &mut [Assignment], subscribers: &[usize]) {
        let has_too_little = |member: &&usize| self.held_by(**member) < self.desired_of(**member);
        // Tables of numbers as large as these are visited in their order.
        let unfilled: BTreeSet<usize> = subscribers.iter().filter(has_too_little).copied().collect();
        let mut round: Vec<usize> = unfilled.into_iter().collect();
        let (mut at, mut assigned_in_round) = (0, false);
        for partition in self.by_partition.keys() {
            if round.is_empty() {
                break;
            }
            let shared = self.by_partition.get(&partition).map_or(0, Table::len);
            let mut left = self.sharing.saturating_sub(shared);
            while left > 0 {
                if at >= round.len() {
                    if !assigned_in_round {
                        break;
                    }
                    (at, assigned_in_round) = (0, false);
                }
                let Some(member) = round.get(at).copied() else { break };
                at += 1;
                if self.by_partition.get(&partition).is_some_and(|members| members.get(&member).is_some()) {
                    continue;
                }
                if let Some(own) = own.get_mut(member) {
                    own.entry(partition.0).or_default().insert(partition.1);
                }
                // Of what is assigned here only the number counts from now on.
                self.by_member.entry(member, || Table::new(partition_hash)).entry(partition, || ());
                left -= 1;
                assigned_in_round = true;
                if self.held_by(member) >= self.desired_of(member) {
                    at -= 1;
                    round.remove(at);
                }
            }
        }
    }
}

fn take(own: &mut [Assignment], member: usize, (topic, partition): Partition) {
    if let Some(partitions) = own.get_mut(member).and_then(|own| own.get_mut(&topic)) {
        partitions.remove(&partition);
    }
}
