//! Committed offsets, and the offsets that open transactions have staged (KIP-98, KIP-447).
//!
//! Owns both maps and the rule of who wins when a transaction commits: the record with the higher log offset
//! (scenario S21). Compact on purpose: a broker holds each of them twice (docs/decisions/0004-twin-memory.md).

use std::collections::BTreeMap;
use wire::records::group::OffsetCommitValue;
use wire::{Str, Uuid};

/// One committed offset: 56 bytes, checked below, for there may be ten million of them, twice.
#[derive(Debug, Clone, PartialEq)]
pub struct CommittedOffset {
    /// The offset that will be read next.
    pub offset: i64,
    /// When it was committed, by the wall clock.
    pub commit_timestamp_ms: i64,
    /// Where the record stands in the log; decides between a plain and a transactional commit.
    pub record_offset: i64,
    /// What most commits do not have.
    rare: Option<Box<Rare>>,
    /// The partition.
    pub partition: i32,
    /// −1 when the client gave none.
    pub leader_epoch: i32,
    /// Zero when the record does not tell.
    pub topic_id: Uuid,
}

const _: () = assert!(size_of::<CommittedOffset>() == 56);

#[derive(Debug, Clone, PartialEq)]
struct Rare {
    metadata: Str,
    /// −1 when the retention of the broker decides.
    expire_timestamp_ms: i64,
}

impl CommittedOffset {
    /// What a record at an offset of the log says.
    pub fn from_record(record_offset: i64, partition: i32, value: &OffsetCommitValue) -> Self {
        let plain = value.metadata.is_empty() && value.expire_timestamp == -1;
        let rare = (!plain).then(|| {
            Box::new(Rare { metadata: value.metadata.clone(), expire_timestamp_ms: value.expire_timestamp })
        });
        CommittedOffset {
            offset: value.offset,
            commit_timestamp_ms: value.commit_timestamp,
            record_offset,
            rare,
            partition,
            leader_epoch: value.leader_epoch,
            topic_id: value.topic_id,
        }
    }

    /// What the client wrote beside it; usually empty.
    pub fn metadata(&self) -> Str {
        self.rare.as_ref().map(|rare| rare.metadata.clone()).unwrap_or_default()
    }

    /// When this offset expires by its own commit's retention, if the commit asked for one.
    pub fn expire_timestamp_ms(&self) -> Option<i64> {
        self.rare.as_ref().map(|rare| rare.expire_timestamp_ms).filter(|at_ms| *at_ms != -1)
    }
}

/// Partitions of one topic, sorted by number; a sorted vector is half the size of a tree.
pub type PartitionOffsets = Vec<CommittedOffset>;
/// By topic name.
pub type TopicOffsets = BTreeMap<Str, PartitionOffsets>;

/// All offsets of one `__consumer_offsets` partition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Offsets {
    /// By group. Invariant: no empty inner collection.
    committed: BTreeMap<Str, TopicOffsets>,
    /// By producer id, then as above.
    staged: BTreeMap<i64, BTreeMap<Str, TopicOffsets>>,
    /// How many producers have staged an offset for a partition: group → (topic, partition) → producer ids.
    /// Invariant: mirrors `staged`.
    open: BTreeMap<Str, BTreeMap<(Str, i32), Vec<i64>>>,
}

impl Offsets {
    /// The committed offset of one partition.
    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        find(self.committed.get(group)?.get(topic)?, partition)
    }

    /// Every committed offset of a group.
    pub fn of_group(&self, group: &str) -> Option<&TopicOffsets> {
        self.committed.get(group)
    }

    /// Whether a transaction that is still open has staged an offset for this partition.
    pub fn is_unstable(&self, group: &str, topic: &Str, partition: i32) -> bool {
        self.open.get(group).is_some_and(|open| open.contains_key(&(topic.clone(), partition)))
    }

    /// Whether any transaction that is still open has staged offsets for this group.
    pub fn has_open_transactions(&self, group: &str) -> bool {
        self.open.contains_key(group)
    }

    /// The partitions of a group for which open transactions have staged offsets.
    pub fn unstable_partitions(&self, group: &str) -> impl Iterator<Item = &(Str, i32)> {
        self.open.get(group).into_iter().flat_map(|open| open.keys())
    }

    /// Offsets committed for this topic, over all groups, and those staged for it.
    pub fn of_topic<'a>(
        &'a self,
        topic: &'a str,
    ) -> impl Iterator<Item = (&'a Str, &'a CommittedOffset)> + 'a {
        let all = self.staged.values().chain(std::iter::once(&self.committed));
        all.flat_map(|groups| groups.iter()).flat_map(move |(group, topics)| {
            let partitions = topics.get(topic).map(Vec::as_slice).unwrap_or_default();
            partitions.iter().map(move |offset| (group, offset))
        })
    }

    /// A plain commit: replaces what was committed.
    pub fn put(&mut self, group: &Str, topic: &Str, offset: CommittedOffset) {
        insert(&mut self.committed, group, topic, offset);
    }

    /// Keeps a transactional commit until its marker comes.
    pub fn stage(&mut self, producer_id: i64, group: &Str, topic: &Str, offset: CommittedOffset) {
        let partition = offset.partition;
        insert(self.staged.entry(producer_id).or_default(), group, topic, offset);
        if !self.open.contains_key(group) {
            self.open.insert(group.clone(), BTreeMap::new());
        }
        if let Some(open) = self.open.get_mut(group) {
            let producers = open.entry((topic.clone(), partition)).or_default();
            if !producers.contains(&producer_id) {
                producers.push(producer_id);
            }
        }
    }

    /// A tombstone: the offset goes, and whatever open transactions have staged for it.
    pub fn remove(&mut self, group: &Str, topic: &Str, partition: i32) {
        take(&mut self.committed, group, topic, partition);
        let Some(open) = self.open.get_mut(group) else { return };
        let producers = open.remove(&(topic.clone(), partition)).unwrap_or_default();
        if open.is_empty() {
            self.open.remove(group);
        }
        for producer_id in producers {
            if let Some(staged) = self.staged.get_mut(&producer_id) {
                take(staged, group, topic, partition);
            }
        }
    }

    /// A marker: what the producer has staged becomes committed, or is forgotten.
    pub fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        let Some(groups) = self.staged.remove(&producer_id) else { return };
        for (group, topics) in groups {
            for (topic, partitions) in topics {
                for offset in partitions {
                    self.close(producer_id, &group, &topic, offset.partition);
                    let newer = self
                        .get(&group, &topic, offset.partition)
                        .is_none_or(|existing| offset.record_offset > existing.record_offset);
                    if commit && newer {
                        self.put(&group, &topic, offset);
                    }
                }
            }
        }
        let stable = self.open.is_empty();
        assert!(stable || !self.staged.is_empty(), "offsets: unstable without a transaction");
    }

    /// As far as the sizes of the collections tell.
    pub(super) fn resembles(&self, twin: &Offsets) -> bool {
        let sizes = |offsets: &Offsets| (offsets.committed.len(), offsets.staged.len(), offsets.open.len());
        sizes(self) == sizes(twin)
    }

    fn close(&mut self, producer_id: i64, group: &Str, topic: &Str, partition: i32) {
        let Some(open) = self.open.get_mut(group) else { return };
        let key = (topic.clone(), partition);
        if let Some(producers) = open.get_mut(&key) {
            producers.retain(|id| *id != producer_id);
            if producers.is_empty() {
                open.remove(&key);
            }
        }
        if open.is_empty() {
            self.open.remove(group);
        }
    }

    /// Offsets committed, for metrics and tests.
    pub fn count(&self) -> usize {
        self.committed.values().flat_map(|topics| topics.values()).map(Vec::len).sum()
    }
}

fn find(partitions: &PartitionOffsets, partition: i32) -> Option<&CommittedOffset> {
    let at = partitions.binary_search_by_key(&partition, |offset| offset.partition).ok()?;
    partitions.get(at)
}

fn insert(groups: &mut BTreeMap<Str, TopicOffsets>, group: &Str, topic: &Str, offset: CommittedOffset) {
    if !groups.contains_key(group) {
        groups.insert(group.clone(), BTreeMap::new());
    }
    let Some(topics) = groups.get_mut(group) else { return };
    if !topics.contains_key(topic) {
        topics.insert(topic.clone(), Vec::new());
    }
    let Some(partitions) = topics.get_mut(topic) else { return };
    match partitions.binary_search_by_key(&offset.partition, |known| known.partition) {
        Ok(at) => {
            if let Some(slot) = partitions.get_mut(at) {
                *slot = offset;
            }
        }
        Err(at) => {
            // Doubling would leave a third of the memory unused: grow by an eighth.
            if partitions.len() == partitions.capacity() {
                partitions.reserve_exact(1 + partitions.len() / 8);
            }
            partitions.insert(at, offset);
        }
    }
}

fn take(groups: &mut BTreeMap<Str, TopicOffsets>, group: &Str, topic: &Str, partition: i32) {
    let Some(topics) = groups.get_mut(group) else { return };
    let Some(partitions) = topics.get_mut(topic) else { return };
    if let Ok(at) = partitions.binary_search_by_key(&partition, |offset| offset.partition) {
        partitions.remove(at);
    }
    if partitions.is_empty() {
        topics.remove(topic);
    }
    if topics.is_empty() {
        groups.remove(group);
    }
}
