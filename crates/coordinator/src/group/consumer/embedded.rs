//! The embedded protocol of Kafka's own classic consumers, for their time in a consumer group: what they subscribe to and own, and what
//! they are told to have. Reads what it needs; what cannot be read is none.

use super::super::assignor::Assignment;
use super::view::ClusterView;
use bytes::Bytes;
use std::collections::BTreeSet;
use wire::{Str, Uuid};

/// From these versions on a subscription tells what is owned, and where the member runs.
const OWNED_SINCE: i16 = 1;
const GENERATION_SINCE: i16 = 2;
const RACK_SINCE: i16 = 3;
/// The last version of an assignment; all look the same.
const ASSIGNMENT_VERSION: i16 = 3;

/// What a classic consumer says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subscription {
    /// Of the protocol, and so of the answer.
    pub version: i16,
    /// By name.
    pub topics: BTreeSet<Str>,
    /// What it has.
    pub owned: Vec<(Str, Vec<i32>)>,
    /// Where it runs.
    pub rack_id: Option<Str>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    /// A count of things that take so many bytes at least: one beyond what is left is a lie.
    fn count(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(self.i32()?).ok()?;
        (count <= self.0.len() / each).then_some(count)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn text(&mut self) -> Option<Str> {
        let length = usize::try_from(self.i16()?).ok()?;
        self.bytes(length).map(|bytes| Str::from(String::from_utf8_lossy(bytes).as_ref()))
    }

    fn nullable_text(&mut self) -> Option<Option<Str>> {
        let mut ahead = Reader(self.0);
        if ahead.i16()? < 0 {
            *self = ahead;
            return Some(None);
        }
        self.text().map(Some)
    }

    fn nullable_bytes(&mut self) -> Option<()> {
        match usize::try_from(self.i32()?) {
            Ok(length) => self.bytes(length).map(drop),
            Err(_) => Some(()),
        }
    }

    fn partitions(&mut self) -> Option<Vec<(Str, Vec<i32>)>> {
        let count = self.count(6)?;
        let mut topics = Vec::new();
        for _ in 0..count {
            let name = self.text()?;
            let partitions = self.count(4)?;
            topics.push((name, (0..partitions).map(|_| self.i32()).collect::<Option<Vec<i32>>>()?));
        }
        Some(topics)
    }
}

/// `None` of bytes that are no subscription.
pub fn subscription(metadata: &Bytes) -> Option<Subscription> {
    let mut reader = Reader(metadata);
    let version = reader.i16().filter(|version| *version >= 0)?;
    let mut subscription = Subscription { version, ..Subscription::default() };
    for _ in 0..reader.count(2)? {
        subscription.topics.insert(reader.text()?);
    }
    reader.nullable_bytes()?;
    if version >= OWNED_SINCE {
        subscription.owned = reader.partitions()?;
    }
    if version >= GENERATION_SINCE {
        reader.i32()?;
    }
    if version >= RACK_SINCE {
        subscription.rack_id = reader.nullable_text()?;
    }
    Some(subscription)
}

/// What an assignment names, of topics that exist; nothing in no bytes, `None` of what is no assignment.
pub fn assignment(bytes: &Bytes, view: &dyn ClusterView) -> Option<Assignment> {
    let mut assignment = Assignment::new();
    if bytes.is_empty() {
        return Some(assignment);
    }
    let mut reader = Reader(bytes);
    reader.i16().filter(|version| *version >= 0)?;
    for (name, partitions) in reader.partitions()? {
        if let Some(topic) = view.topic(&name).filter(|_| !partitions.is_empty()) {
            assignment.entry(topic.id).or_default().extend(partitions);
        }
    }
    Some(assignment)
}

/// An assignment as the member reads it; topics that are gone have no name to be told by.
pub fn assignment_bytes<'a>(
    version: i16,
    topics: impl Iterator<Item = (Uuid, Vec<&'a i32>)>,
    view: &dyn ClusterView,
) -> Bytes {
    let known: Vec<(Str, Vec<&i32>)> =
        topics.filter_map(|(id, partitions)| Some((view.topic_by_id(id)?.name, partitions))).collect();
    let count = |length: usize| i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes();
    let mut bytes = version.min(ASSIGNMENT_VERSION).to_be_bytes().to_vec();
    bytes.extend(count(known.len()));
    for (name, partitions) in known {
        bytes.extend(i16::try_from(name.len()).unwrap_or(i16::MAX).to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(count(partitions.len()));
        partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
    }
    // No user data.
    bytes.extend((-1i32).to_be_bytes());
    Bytes::from(bytes)
}
