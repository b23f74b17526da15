//! `range`: each topic by itself, members in the order of their names, the first ones a partition more where it does not divide evenly.

use super::{Assignment, Wanted, WantingMember};
use std::collections::BTreeMap;
use wire::{Str, Uuid};

/// How far the division of a topic is.
struct Division {
    partitions: i32,
    each: i32,
    /// Members that still get one more.
    extra: i32,
    next: i32,
}

pub(super) fn assign(wanted: &Wanted<'_>) -> BTreeMap<Str, Assignment> {
    let mut members: Vec<&WantingMember<'_>> = wanted.members.iter().collect();
    // Static members come first, by their instance; the others by their ids.
    members.sort_by(|left, right| match (&left.instance_id, &right.instance_id) {
        (Some(left), Some(right)) => left.cmp(right),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => left.member_id.cmp(&right.member_id),
    });
    let mut subscribers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in members.iter().flat_map(|member| &member.topics) {
        *subscribers.entry(*topic).or_default() += 1;
    }
    let mut divisions: BTreeMap<Uuid, Division> = subscribers
        .into_iter()
        .map(|(topic, subscribers)| {
            let partitions = wanted.partitions_of(topic);
            let (each, extra) = (partitions / subscribers, partitions % subscribers);
            (topic, Division { partitions, each, extra, next: 0 })
        })
        .collect();
    let mut assigned = BTreeMap::new();
    for member in members {
        let mut own = Assignment::new();
        for topic in &member.topics {
            let Some(division) = divisions.get_mut(topic) else { continue };
            let more = division.extra.min(1);
            division.extra -= more;
            let end = (division.next + division.each + more).min(division.partitions);
            if division.next < end {
                own.insert(*topic, (division.next..end).collect());
            }
            division.next = end;
        }
        assigned.insert(member.member_id.clone(), own);
    }
    assigned
}
