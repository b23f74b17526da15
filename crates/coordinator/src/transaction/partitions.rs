//! A set of partitions by topic, sorted: what a transaction has written to, and where its markers still have to go.

use std::collections::{BTreeMap, BTreeSet};
use wire::Str;

/// Partitions by topic. Two that hold the same are equal, whatever came first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partitions {
    /// Invariant: no empty set.
    topics: BTreeMap<Str, BTreeSet<i32>>,
}

impl Partitions {
    /// Adds one; false if it was there.
    pub fn insert(&mut self, topic: &Str, partition: i32) -> bool {
        if let Some(partitions) = self.topics.get_mut(topic) {
            return partitions.insert(partition);
        }
        // State outlives the request that a name comes in.
        self.topics.insert(topic.detached(), BTreeSet::from([partition]));
        true
    }

    /// Takes one out; false if it was not there.
    pub fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.topics.get_mut(topic) else { return false };
        let was_there = partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        was_there
    }

    /// Whether it is in the set.
    pub fn contains(&self, topic: &str, partition: i32) -> bool {
        self.topics.get(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// Whether all of the other set are in this one.
    pub fn contains_all(&self, others: &Partitions) -> bool {
        others.topics.iter().all(|(topic, partitions)| {
            self.topics.get(topic).is_some_and(|mine| mine.is_superset(partitions))
        })
    }

    /// Adds all of another set.
    pub fn extend(&mut self, others: &Partitions) {
        for (topic, partitions) in &others.topics {
            self.topics.entry(topic.clone()).or_default().extend(partitions);
        }
    }

    /// Topics in the order of their names, each with its partitions, ascending.
    pub fn topics(&self) -> impl Iterator<Item = (&Str, &BTreeSet<i32>)> {
        self.topics.iter()
    }

    /// Each partition, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, i32)> {
        self.topics
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |number| (topic, *number)))
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// How many partitions.
    pub fn len(&self) -> usize {
        self.topics.values().map(BTreeSet::len).sum()
    }
}
