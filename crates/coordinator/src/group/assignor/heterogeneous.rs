//! `uniform` where members subscribe to different things: what they had they keep, what is free goes to whoever has least, and then the
//! topics are evened out one after the other, for a bounded number of rounds.

use super::{Assignment, Wanted};
use std::collections::BTreeMap;
use wire::{Str, Uuid};

/// Rounds over all topics.
const MAX_ROUNDS: usize = 16;
const NOBODY: usize = usize::MAX;

/// A division on its way.
struct Division {
    /// Partitions that each member has, by its index.
    sizes: Vec<usize>,
    /// Who has each partition.
    owners: BTreeMap<Uuid, Vec<usize>>,
    /// Indexes of those who subscribe to a topic.
    subscribers: BTreeMap<Uuid, Vec<usize>>,
}

pub(super) fn assign(wanted: &Wanted<'_>) -> BTreeMap<Str, Assignment> {
    let members = wanted.members_in_order();
    let mut division =
        Division { sizes: vec![0; members.len()], owners: BTreeMap::new(), subscribers: BTreeMap::new() };
    for (index, member) in members.iter().enumerate() {
        for topic in &member.topics {
            division.subscribers.entry(*topic).or_default().push(index);
            let partitions = usize::try_from(wanted.partitions_of(*topic)).unwrap_or(0);
            division.owners.entry(*topic).or_insert_with(|| vec![NOBODY; partitions]);
        }
    }
    if division.owners.is_empty() {
        return BTreeMap::new();
    }
    for (index, member) in members.iter().enumerate() {
        for (topic, partitions) in member.target.iter().filter(|(topic, _)| member.topics.contains(topic)) {
            let Some(owners) = division.owners.get_mut(topic) else { continue };
            for partition in partitions {
                let place = usize::try_from(*partition).ok().and_then(|at| owners.get_mut(at));
                // What two were meant to have stays with the first: nobody may have it twice.
                if let Some(owner) = place.filter(|owner| **owner == NOBODY) {
                    *owner = index;
                    if let Some(size) = division.sizes.get_mut(index) {
                        *size += 1;
                    }
                }
            }
        }
    }
    division.give_out_what_is_free();
    division.even_out();
    let mut assigned: BTreeMap<Str, Assignment> =
        members.iter().map(|member| (member.member_id.clone(), Assignment::new())).collect();
    for (topic, owners) in &division.owners {
        for (partition, owner) in (0i32..).zip(owners) {
            let own = members.get(*owner).and_then(|member| assigned.get_mut(&member.member_id));
            if let Some(own) = own {
                own.entry(*topic).or_default().insert(partition);
            }
        }
    }
    assigned
}

impl Division {
    /// Topics with most partitions for each subscriber first, then those with fewest subscribers.
    fn sorted(&self, topics: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
        let mut topics: Vec<Uuid> = topics.collect();
        let counts = |topic: &Uuid| {
            let partitions = self.owners.get(topic).map_or(0, Vec::len);
            (partitions, self.subscribers.get(topic).map_or(1, Vec::len))
        };
        topics.sort_by(|left, right| {
            let ((left_partitions, left_count), (right_partitions, right_count)) =
                (counts(left), counts(right));
            let by_share = (right_partitions * left_count).cmp(&(left_partitions * right_count));
            by_share.then(left_count.cmp(&right_count)).then(left.cmp(right))
        });
        topics
    }

    fn size(&self, member: usize) -> usize {
        self.sizes.get(member).copied().unwrap_or(0)
    }

    fn give(&mut self, topic: Uuid, partition: usize, member: usize) {
        let Some(owner) = self.owners.get_mut(&topic).and_then(|owners| owners.get_mut(partition)) else {
            return;
        };
        let before = std::mem::replace(owner, member);
        if let Some(size) = self.sizes.get_mut(before) {
            *size -= 1;
        }
        if let Some(size) = self.sizes.get_mut(member) {
            *size += 1;
        }
    }

    fn give_out_what_is_free(&mut self) {
        let has_free = |owners: &Vec<usize>| owners.contains(&NOBODY);
        let free: Vec<Uuid> =
            self.owners.iter().filter(|(_, owners)| has_free(owners)).map(|(topic, _)| *topic).collect();
        for topic in self.sorted(free.into_iter()) {
            let mut balance = Balance::of(self, topic);
            let count = self.owners.get(&topic).map_or(0, Vec::len);
            for partition in 0..count {
                let owner = self.owners.get(&topic).and_then(|owners| owners.get(partition)).copied();
                if owner == Some(NOBODY)
                    && let Some(member) = balance.next_least_loaded(self)
                {
                    self.give(topic, partition, member);
                }
            }
        }
    }

    fn even_out(&mut self) {
        let shared = self.subscribers.iter().filter(|(_, members)| members.len() >= 2);
        let topics: Vec<Uuid> = shared.map(|(topic, _)| *topic).collect();
        let topics = self.sorted(topics.into_iter());
        let mut last_evened = None;
        for _ in 0..MAX_ROUNDS {
            for (index, topic) in topics.iter().enumerate() {
                if last_evened == Some(index) {
                    return;
                }
                if self.even_out_topic(*topic) > 0 || last_evened.is_none() {
                    last_evened = Some(index);
                }
            }
        }
    }

    /// How many partitions have moved from those with most to those with least.
    fn even_out_topic(&mut self, topic: Uuid) -> usize {
        let mut balance = Balance::of(self, topic);
        if balance.spread <= 1 {
            return 0;
        }
        // Of each member what it has of this topic, the last of it to be given away first.
        let mut of_member: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in self.owners.get(&topic).into_iter().flatten().enumerate() {
            of_member.entry(*owner).or_default().push(partition);
        }
        let mut moved = 0;
        while !balance.is_even() {
            let Some(from) = balance.next_most_loaded(self) else { break };
            let Some(partition) = of_member.get_mut(&from).and_then(Vec::pop) else {
                balance.exclude_most_loaded();
                continue;
            };
            let Some(to) = balance.next_least_loaded(self) else { break };
            if balance.is_even() {
                break;
            }
            self.give(topic, partition, to);
            moved += 1;
        }
        moved
    }
}

/// The subscribers of a topic by how much they have, with a range of those with least at the left and of those with most at the right.
/// Both widen as they are used up; once their levels differ by one at most, moving anything would gain nothing.
struct Balance {
    sorted: Vec<usize>,
    least_end: usize,
    least_level: isize,
    next_least: usize,
    most_start: usize,
    most_end: usize,
    most_level: isize,
    /// One beyond the next one.
    next_most: usize,
    spread: usize,
}

impl Balance {
    fn of(division: &Division, topic: Uuid) -> Balance {
        let mut sorted = division.subscribers.get(&topic).cloned().unwrap_or_default();
        sorted.sort_by_key(|member| (division.size(*member), *member));
        let size = |member: Option<&usize>| member.map_or(0, |member| division.size(*member));
        let (least, most) = (size(sorted.first()), size(sorted.last()));
        Balance {
            least_end: 0,
            least_level: level(least) - 1,
            next_least: 0,
            most_start: sorted.len(),
            most_end: sorted.len(),
            most_level: level(most) + 1,
            next_most: sorted.len(),
            spread: most - least,
            sorted,
        }
    }

    fn next_least_loaded(&mut self, division: &Division) -> Option<usize> {
        if self.next_least >= self.least_end {
            self.least_level += 1;
            while let Some(member) = self.sorted.get(self.least_end)
                && level(division.size(*member)) == self.least_level
            {
                self.least_end += 1;
            }
            self.next_least = 0;
        }
        let member = self.sorted.get(self.next_least).copied();
        self.next_least += 1;
        member
    }

    fn next_most_loaded(&mut self, division: &Division) -> Option<usize> {
        if self.next_most <= self.most_start {
            let before = |start: usize| start.checked_sub(1).and_then(|at| self.sorted.get(at)).copied();
            match before(self.most_start) {
                // All of the range were excluded: it widens whatever the next one has.
                Some(member) if self.most_end <= self.most_start => {
                    self.most_level = level(division.size(member));
                }
                Some(_) | None => self.most_level -= 1,
            }
            while let Some(member) = before(self.most_start)
                && level(division.size(member)) == self.most_level
            {
                self.most_start -= 1;
            }
            self.next_most = self.most_end;
        }
        let at = self.next_most.checked_sub(1)?;
        self.next_most = at;
        self.sorted.get(at).copied()
    }

    /// The one that was last named has nothing to give.
    fn exclude_most_loaded(&mut self) {
        if let Some(last) = self.most_end.checked_sub(1) {
            self.sorted.swap(self.next_most, last);
            self.most_end = last;
        }
    }

    fn is_even(&self) -> bool {
        self.most_level - self.least_level <= 1
    }
}

fn level(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}
