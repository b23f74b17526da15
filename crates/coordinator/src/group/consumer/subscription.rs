//! What the members of a group subscribe to together, by name and by pattern; the hash by which a change of it is noticed (KIP-1101); and
//! the question that it puts to an assignor.

use super::super::assignor::{Assignment, Assignor, Wanted, WantingMember};
use super::super::state::GroupSoft;
use super::group::ConsumerGroup;
use super::member::ConsumerMember;
use super::soft::TopicHashes;
use super::view::ClusterView;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::{Str, Uuid, xxh3_64};

/// The members of a group as a decision is about to leave them.
pub struct Roster<'a> {
    group: &'a ConsumerGroup,
    /// Members that come or change.
    changed: BTreeMap<&'a Str, &'a ConsumerMember>,
    /// Members that go.
    gone: BTreeSet<Str>,
}

impl<'a> Roster<'a> {
    /// The members with this one as it will be; a static one takes the place of the one before.
    pub fn with(group: &'a ConsumerGroup, member: &'a ConsumerMember) -> Roster<'a> {
        let before = member.instance_id.as_ref().and_then(|instance| group.static_members.get(instance));
        Roster {
            group,
            changed: BTreeMap::from([(&member.id, member)]),
            gone: before.filter(|before| **before != member.id).cloned().into_iter().collect(),
        }
    }

    /// The members without these.
    pub fn without(group: &'a ConsumerGroup, gone: BTreeSet<Str>) -> Roster<'a> {
        Roster { group, changed: BTreeMap::new(), gone }
    }

    /// Each once, in the order of their ids.
    pub fn members(&self) -> impl Iterator<Item = &ConsumerMember> {
        let stay = |id: &Str| !self.gone.contains(id) && !self.changed.contains_key(id);
        let unchanged = self.group.members.iter().filter(move |(id, _)| stay(id));
        let mut all: Vec<&ConsumerMember> = unchanged.map(|(_, member)| &**member).collect();
        all.extend(self.changed.values().copied());
        all.sort_by(|left, right| left.id.cmp(&right.id));
        all.into_iter()
    }

    /// Patterns, by how many members have them.
    pub fn patterns(&self) -> BTreeMap<&Str, usize> {
        let mut patterns = BTreeMap::new();
        for regex in self.members().filter_map(ConsumerMember::regex) {
            *patterns.entry(regex).or_default() += 1;
        }
        patterns
    }

    /// What a member subscribes to, of topics that exist.
    pub fn topics_of(&self, view: &dyn ClusterView, member: &ConsumerMember) -> BTreeSet<Uuid> {
        topics_of(self.group, view, member)
    }

    /// The names of everything that is subscribed to.
    fn topic_names(&self) -> BTreeSet<&Str> {
        let mut names: BTreeSet<&Str> = self.members().flat_map(|member| &member.topic_names).collect();
        for regex in self.patterns().keys() {
            names.extend(self.group.regexes.get(*regex).into_iter().flat_map(|resolved| &resolved.topics));
        }
        names
    }

    /// The hash of all topics that are subscribed to and exist.
    pub fn metadata_hash(&self, soft: &mut GroupSoft) -> i64 {
        soft.hash_of_topics(self.topic_names().into_iter())
    }

    /// Whether all members subscribe to the same, as Kafka tells it.
    fn all_alike(&self, members: usize) -> bool {
        let patterns = self.patterns();
        let mut names: BTreeMap<&Str, usize> = BTreeMap::new();
        for name in self.members().flat_map(|member| &member.topic_names) {
            *names.entry(name).or_default() += 1;
        }
        match patterns.values().next() {
            None => names.values().all(|count| *count == members),
            Some(count) => patterns.len() == 1 && *count == members && names.is_empty(),
        }
    }

    /// The target of every member.
    pub fn assign(&self, view: &dyn ClusterView, assignor: Assignor) -> BTreeMap<Str, Assignment> {
        let targets: BTreeMap<Str, Arc<Assignment>> = self
            .members()
            .map(|member| (member.id.clone(), self.group.target(&member.id, member.instance_id.as_ref())))
            .collect();
        let none = Assignment::new();
        let mut wanted = Wanted { members: Vec::new(), partitions: BTreeMap::new(), all_alike: false };
        for member in self.members() {
            let topics = self.topics_of(view, member);
            for topic in &topics {
                let partitions = || view.topic_by_id(*topic).map_or(0, |topic| topic.partitions);
                wanted.partitions.entry(*topic).or_insert_with(partitions);
            }
            wanted.members.push(WantingMember {
                member_id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                topics,
                target: targets.get(&member.id).map_or(&none, |target| target),
            });
        }
        wanted.all_alike = self.all_alike(wanted.members.len());
        assignor.assign(&wanted)
    }

    /// The assignor that most members want; `None` where nobody minds.
    pub fn preferred_assignor(&self) -> Option<Assignor> {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        let wishes = self.members().filter_map(|member| member.server_assignor.as_ref());
        for assignor in wishes.filter_map(|name| Assignor::of_name(name)) {
            *votes.entry(assignor).or_default() += 1;
        }
        preferred(votes.into_iter())
    }
}

/// Of as many votes the first in the order of Kafka's table: uniform.
fn preferred(votes: impl Iterator<Item = (Assignor, usize)>) -> Option<Assignor> {
    let most = votes.max_by(|left, right| left.1.cmp(&right.1).then(right.0.cmp(&left.0)));
    most.map(|(assignor, _)| assignor)
}

impl ConsumerGroup {
    /// The assignor that most members want now; `None` where nobody minds.
    pub fn preferred_assignor(&self) -> Option<Assignor> {
        let known = |(name, count): (&Str, &usize)| Assignor::of_name(name).map(|known| (known, *count));
        preferred(self.assignors.iter().filter_map(known))
    }
}

/// What a member subscribes to, of topics that exist.
fn topics_of(group: &ConsumerGroup, view: &dyn ClusterView, member: &ConsumerMember) -> BTreeSet<Uuid> {
    let resolved = member.regex().and_then(|regex| group.regexes.get(regex));
    let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
    let names = member.topic_names.iter().chain(by_regex);
    names.filter_map(|name| view.topic(name)).map(|topic| topic.id).collect()
}

impl GroupSoft {
    /// The hash of these topics, as far as they exist; 0 of none.
    pub(in super::super) fn hash_of_topics<'a>(&mut self, names: impl Iterator<Item = &'a Str>) -> i64 {
        let version = self.view.version();
        if self.topic_hashes.version != version {
            self.topic_hashes = TopicHashes { version, by_name: BTreeMap::new() };
        }
        let mut bytes = Vec::new();
        for name in names {
            let hash = match self.topic_hashes.by_name.get(name) {
                Some(hash) => *hash,
                None => {
                    let Some(hash) = topic_hash(&*self.view, name) else { continue };
                    self.topic_hashes.by_name.insert(name.detached(), hash);
                    hash
                }
            };
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        if bytes.is_empty() { 0 } else { xxh3_64(&bytes).cast_signed() }
    }
}

/// Id, name, partitions and their racks; `None` of a topic that does not exist.
fn topic_hash(view: &dyn ClusterView, name: &str) -> Option<u64> {
    let topic = view.topic(name)?;
    let mut bytes = vec![0];
    let mut halves = topic.id.0.chunks_exact(8);
    for half in [halves.next(), halves.next()].into_iter().flatten() {
        bytes.extend(half.iter().rev());
    }
    put_text(&mut bytes, &topic.name);
    bytes.extend(topic.partitions.to_le_bytes());
    for partition in 0..topic.partitions {
        bytes.extend(partition.to_le_bytes());
        for rack in view.racks(name, partition) {
            bytes.extend(utf16_length(&rack).to_le_bytes());
            put_text(&mut bytes, &rack);
        }
    }
    Some(xxh3_64(&bytes))
}

/// A text as the hash stream of Kafka's library takes it: its UTF-16, and then how long that is.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    text.encode_utf16().for_each(|unit| bytes.extend(unit.to_le_bytes()));
    bytes.extend(utf16_length(text).to_le_bytes());
}

fn utf16_length(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::GroupConfig;
    use crate::group::tests::consumer::Cluster;

    /// Told by the library that Kafka 4.4.0 uses, of the same ids, names, partitions and racks.
    #[test]
    fn topics_have_the_hash_that_kafka_gives_them() {
        let mut soft = GroupSoft::new(GroupConfig::default(), 1);
        let (first, second) = (Str::from("tøpic"), Str::from("u"));
        let topics = BTreeMap::from([(first.clone(), 2), (second.clone(), 1)]);
        soft.view = Arc::new(Cluster { version: 1, topics });
        assert_eq!(topic_hash(&*soft.view, &first), Some(8_361_235_398_719_268_891));
        assert_eq!(topic_hash(&*soft.view, &second), Some(5_742_674_616_147_695_887));
        let unknown = Str::from("x");
        assert_eq!(soft.hash_of_topics([&first, &second, &unknown].into_iter()), -8_668_053_926_365_802_407);
        assert_eq!(soft.hash_of_topics([&unknown].into_iter()), 0);
    }
}
