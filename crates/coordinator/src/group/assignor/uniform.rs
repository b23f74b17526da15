//! `uniform` where all members subscribe to the same: each has as many partitions as any other or one more, and keeps what it had as far
//! as that goes.

use super::{Assignment, Wanted, order};
use std::collections::{BTreeMap, BTreeSet};
use wire::{Str, Uuid};

pub(super) fn assign(wanted: &Wanted<'_>) -> BTreeMap<Str, Assignment> {
    let members = wanted.members_in_order();
    let Some(first) = members.first() else { return BTreeMap::new() };
    let subscribed = &first.topics;
    if subscribed.is_empty() {
        return BTreeMap::new();
    }
    let taken: BTreeSet<(Uuid, i32)> = members
        .iter()
        .flat_map(|member| member.target.iter())
        .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
        .collect();
    let topics = order::ids(subscribed.iter().copied(), order::copied(subscribed.len()));
    let all = |topic: &Uuid| 0..wanted.partitions_of(*topic);
    let free = topics.iter().flat_map(|topic| all(topic).map(|partition| (*topic, partition)));
    let mut free: Vec<(Uuid, i32)> = free.filter(|one| !taken.contains(one)).collect();
    let total: usize = topics.iter().map(|topic| all(topic).len()).sum();
    let (each, mut extra) = (total / members.len(), total % members.len());
    let mut assigned = BTreeMap::new();
    let mut unfilled = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let mut more = extra.min(1);
        let mut quota = each + more;
        let own = kept(member.target, subscribed, &mut quota, &mut free);
        // One more is for those who have it already, as long as enough members are left to take the others.
        if quota > 0 && more > 0 && members.len() - index > extra {
            quota -= 1;
            more = 0;
        }
        extra -= more;
        if quota > 0 {
            unfilled.push((member.member_id.clone(), quota));
        }
        assigned.insert(member.member_id.clone(), own);
    }
    let mut free = free.into_iter();
    for (member_id, quota) in unfilled {
        let Some(own) = assigned.get_mut(&member_id) else { continue };
        for (topic, partition) in free.by_ref().take(quota) {
            own.entry(topic).or_default().insert(partition);
        }
    }
    assigned
}

/// What a member keeps of what it had; what is beyond its quota is free.
fn kept(
    target: &Assignment,
    subscribed: &BTreeSet<Uuid>,
    quota: &mut usize,
    free: &mut Vec<(Uuid, i32)>,
) -> Assignment {
    let mut own = Assignment::new();
    for topic in order::ids(target.keys().copied(), order::grown(target.len())) {
        let Some(partitions) = target.get(&topic).filter(|_| subscribed.contains(&topic)) else { continue };
        if partitions.len() <= *quota {
            *quota -= partitions.len();
            own.insert(topic, partitions.clone());
            continue;
        }
        let mut kept = BTreeSet::new();
        for partition in order::partitions(partitions.iter().copied()) {
            if *quota > 0 {
                *quota -= 1;
                kept.insert(partition);
            } else {
                free.push((topic, partition));
            }
        }
        if !kept.is_empty() {
            own.insert(topic, kept);
        }
    }
    own
}
