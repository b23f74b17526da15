//! Answers that list partitions below their topics, made of questions that may name a topic or a partition more than once: each topic
//! stands once, each partition once, topics without partitions not at all, all in the order in which they were named first.

use std::collections::BTreeMap;

use wire::Str;

/// Partitions with what was asked of each. What is asked later of the same partition takes the place of what was asked before.
pub(crate) struct Partitions<T> {
    asked: Vec<(Str, i32, T)>,
    places: BTreeMap<(Str, i32), usize>,
}

impl<T> Default for Partitions<T> {
    fn default() -> Self {
        Partitions { asked: Vec::new(), places: BTreeMap::new() }
    }
}

impl<T> Partitions<T> {
    /// True if the partition was not named before.
    pub fn put(&mut self, topic: &Str, partition: i32, what: T) -> bool {
        let next = self.asked.len();
        let place = *self.places.entry((topic.clone(), partition)).or_insert(next);
        match self.asked.get_mut(place) {
            Some(before) => before.2 = what,
            None => self.asked.push((topic.clone(), partition, what)),
        }
        place == next
    }

    /// Topic, partition, and what was asked.
    pub fn into_iter(self) -> impl Iterator<Item = (Str, i32, T)> {
        self.asked.into_iter()
    }
}

/// Puts answers together that are of one topic.
pub(crate) fn grouped<A>(answers: impl Iterator<Item = (Str, A)>) -> Vec<(Str, Vec<A>)> {
    let mut topics: Vec<(Str, Vec<A>)> = Vec::new();
    let mut places: BTreeMap<Str, usize> = BTreeMap::new();
    for (topic, answer) in answers {
        let place = *places.entry(topic.clone()).or_insert(topics.len());
        match topics.get_mut(place) {
            Some((_, known)) => known.push(answer),
            None => topics.push((topic, vec![answer])),
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_and_each_topic_stands_once() {
        let (a, b) = (Str::from("a"), Str::from("b"));
        let mut partitions = Partitions::default();
        assert!(partitions.put(&b, 1, 10));
        assert!(partitions.put(&a, 0, 20));
        assert!(!partitions.put(&b, 1, 30));
        assert!(partitions.put(&b, 0, 40));
        let answers = partitions.into_iter().map(|(topic, index, what)| (topic, (index, what)));
        assert_eq!(grouped(answers), [(b, vec![(1, 30), (0, 40)]), (a, vec![(0, 20)])]);
    }
}
