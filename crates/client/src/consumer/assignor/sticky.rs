//! Sticky assignment: everybody keeps what it holds, free partitions go to the least loaded subscriber, and then
//! single partitions move from the fuller to the emptier member while that evens them out. With equal subscriptions
//! the result is balanced to one partition with the fewest possible moves. Same goals as Kafka's sticky assignor
//! (KIP-54), another algorithm: only the leader's answer counts in a group, so they need not agree.

use super::assignment::{Assignment, Member, PartitionCounts, in_order, partitions_of};
use std::collections::{BTreeMap, BTreeSet};
use wire::topic::TopicPartition;

pub(super) fn assign(members: &[Member], partitions: &PartitionCounts) -> Assignment {
    let sorted = in_order(members);
    let mut shares = Shares { members: &sorted, held: keep_owned(&sorted, partitions) };
    let mut free = free_partitions(&shares, partitions);
    // The partition with the fewest takers first, so that the others can still even out the load.
    free.sort_by_key(|partition| sorted.iter().filter(|member| member.subscribes(&partition.topic)).count());
    for partition in free {
        if let Some(taker) = shares.emptiest_subscriber(&partition) {
            shares.held[taker].insert(partition);
        }
    }
    while shares.even_out() {}
    let ids = sorted.iter().map(|member| member.id.clone());
    ids.zip(shares.held).map(|(id, held)| (id, held.into_iter().collect())).collect()
}

/// What each member holds while the assignment is being made; both lists have the same order.
struct Shares<'a> {
    members: &'a [&'a Member],
    held: Vec<BTreeSet<TopicPartition>>,
}

impl Shares<'_> {
    fn emptiest_subscriber(&self, partition: &TopicPartition) -> Option<usize> {
        let subscribers = (0..self.members.len()).filter(|&at| self.members[at].subscribes(&partition.topic));
        subscribers.min_by_key(|&at| (self.held[at].len(), at))
    }

    /// One pass over the members, fullest first. True if anything moved. Every move makes the sum of squared loads
    /// smaller, so passes come to an end.
    fn even_out(&mut self) -> bool {
        let mut by_load: Vec<usize> = (0..self.members.len()).collect();
        by_load.sort_by_key(|&at| std::cmp::Reverse(self.held[at].len()));
        let mut moved = false;
        for giver in by_load {
            // Last first: what came latest in the topic leaves first.
            let candidates: Vec<TopicPartition> = self.held[giver].iter().rev().cloned().collect();
            for partition in candidates {
                let Some(taker) = self.emptiest_subscriber(&partition) else { continue };
                if self.held[taker].len() + 1 < self.held[giver].len() {
                    self.held[giver].remove(&partition);
                    self.held[taker].insert(partition);
                    moved = true;
                }
            }
        }
        moved
    }
}

/// Valid claims: the partition exists, its holder still subscribes, and nobody claims it from a newer generation.
/// Two claims from the same generation cancel each other.
fn keep_owned(members: &[&Member], partitions: &PartitionCounts) -> Vec<BTreeSet<TopicPartition>> {
    let mut claims: BTreeMap<&TopicPartition, (i32, Option<usize>)> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        for partition in &member.owned {
            let exists = partitions.get(&partition.topic).is_some_and(|&count| partition.partition < count);
            if !exists || !member.subscribes(&partition.topic) {
                continue;
            }
            let claim = claims.entry(partition).or_insert((member.generation, Some(at)));
            if claim.1 != Some(at) && member.generation >= claim.0 {
                let winner = (member.generation > claim.0).then_some(at);
                *claim = (member.generation, winner);
            }
        }
    }
    let mut held = vec![BTreeSet::new(); members.len()];
    for (partition, (_generation, holder)) in claims {
        if let Some(at) = holder {
            held[at].insert(partition.clone());
        }
    }
    held
}

fn free_partitions(shares: &Shares<'_>, partitions: &PartitionCounts) -> Vec<TopicPartition> {
    let held: BTreeSet<&TopicPartition> = shares.held.iter().flatten().collect();
    let all = partitions.iter().flat_map(|(topic, &count)| partitions_of(topic, count));
    all.filter(|partition| !held.contains(partition)).collect()
}
