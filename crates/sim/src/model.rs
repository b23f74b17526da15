//! What clients were promised and what anybody has read: the oracle. Knows what a power loss may take away and what not.
//! Judges nothing; `invariants` does.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::hash::StableMap;
use wire::topic::{TopicIdPartition, TopicPartition};
use wire::{Str, Uuid};

/// How firmly a record is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Somebody read it.
    Read,
    /// acks=1: the leader has it.
    Leader,
    /// It outlives a power loss.
    Durable,
}

/// One known record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub value: Bytes,
    pub promise: Promise,
}

/// What is known of one partition.
#[derive(Debug, Default)]
pub struct PartitionModel {
    /// By offset.
    pub known: BTreeMap<i64, Known>,
    /// Values whose ack told no offset (a duplicate of long ago).
    pub somewhere: BTreeSet<Bytes>,
    /// The highest offset that somebody asked to delete up to: the log start lies at most here.
    pub delete_asked: i64,
    /// The highest low watermark that a DeleteRecords was answered with.
    pub deleted: i64,
    /// Everything below is durable.
    pub floor: i64,
}

/// One group's committed offset of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The last acknowledged one.
    pub acked: Option<i64>,
    /// Sent since then; nobody knows what became of them.
    pub unknown: Vec<i64>,
    /// A power loss without flushes: anything goes until the next ack.
    pub is_open: bool,
}

/// What became of a topic as far as clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicFate {
    Created(Uuid),
    /// Its deletion was asked for.
    Doomed,
    Deleted,
}

/// The oracle.
#[derive(Debug)]
pub struct Model {
    durable: bool,
    /// Of a cluster.
    is_plural: bool,
    pub partitions: BTreeMap<TopicPartition, PartitionModel>,
    pub topics: BTreeMap<Str, TopicFate>,
    /// Who owns a partition in a generation of a group.
    pub owners: BTreeMap<(Str, i32, TopicPartition), Str>,
    pub committed: BTreeMap<(Str, TopicPartition), Committed>,
    /// High watermarks of this life of the node.
    pub high_watermarks: StableMap<TopicIdPartition, i64>,
    pub acked_records: u64,
    pub read_records: u64,
    /// Topic names, ids, partitions, replicas and configurations when the node went down.
    pub image: Option<BTreeSet<String>>,
}

impl Model {
    /// `durable`: acks=all outlives a power loss. `is_plural`: there are several nodes.
    pub fn new(durable: bool, is_plural: bool) -> Model {
        Model {
            durable,
            is_plural,
            partitions: BTreeMap::new(),
            topics: BTreeMap::new(),
            owners: BTreeMap::new(),
            committed: BTreeMap::new(),
            high_watermarks: StableMap::default(),
            acked_records: 0,
            read_records: 0,
            image: None,
        }
    }

    pub fn partition(&mut self, partition: &TopicPartition) -> &mut PartitionModel {
        self.partitions.entry(partition.clone()).or_default()
    }

    /// Topics that exist for sure, with their ids.
    pub fn standing_topics(&self) -> impl Iterator<Item = (&Str, Uuid)> {
        self.topics.iter().filter_map(|(name, fate)| match fate {
            TopicFate::Created(id) => Some((name, *id)),
            TopicFate::Doomed | TopicFate::Deleted => None,
        })
    }

    /// A batch was acknowledged: its records and the promise of their ack.
    pub fn acked(&mut self, partition: &TopicPartition, base_offset: i64, values: &[Bytes], all: bool) {
        let promise = if all && self.durable { Promise::Durable } else { Promise::Leader };
        self.acked_records += values.len() as u64;
        let model = self.partition(partition);
        if base_offset < 0 {
            if promise == Promise::Durable {
                model.somewhere.extend(values.iter().cloned());
            }
            return;
        }
        for (offset, value) in (base_offset..).zip(values) {
            let known = model.known.entry(offset).or_insert_with(|| Known { value: value.clone(), promise });
            known.promise = known.promise.max(promise);
        }
        if promise == Promise::Durable {
            model.floor = model.floor.max(base_offset + values.len() as i64);
        }
    }

    /// A record was read that was not known.
    pub fn read(&mut self, partition: &TopicPartition, offset: i64, value: &Bytes) {
        self.read_records += 1;
        let known = Known { value: value.clone(), promise: Promise::Read };
        self.partition(partition).known.entry(offset).or_insert(known);
    }

    /// The power went: what was not durable may be gone. A flush covers all below it, hence the floor.
    pub fn power_lost(&mut self) {
        for model in self.partitions.values_mut() {
            let floor = model.floor;
            model.known.retain(|offset, _| *offset < floor);
        }
        if !self.durable {
            self.owners.clear();
            self.partitions.values_mut().for_each(|model| model.somewhere.clear());
            self.committed.values_mut().for_each(|committed| committed.is_open = true);
        }
    }

    /// The node closed everything in order: all that is known is durable.
    pub fn closed(&mut self) {
        for model in self.partitions.values_mut() {
            let end = model.known.last_key_value().map_or(0, |(offset, _)| offset + 1);
            model.floor = model.floor.max(end);
        }
    }

    /// A commit is on its way. Answers its place among the unknown.
    pub fn commit_sent(&mut self, group: &Str, partition: &TopicPartition, offset: i64) {
        self.committed.entry((group.clone(), partition.clone())).or_default().unknown.push(offset);
    }

    /// The newest commit sent was acknowledged: on one node those before it are in the log before it, or nowhere. Of several, one that
    /// stood still may still take an older one that its client has given up.
    pub fn commit_acked(&mut self, group: &Str, partition: &TopicPartition, offset: i64) {
        let committed = self.committed.entry((group.clone(), partition.clone())).or_default();
        let mut unknown = std::mem::take(&mut committed.unknown);
        if self.is_plural {
            if let Some(place) = unknown.iter().rposition(|unknown| *unknown == offset) {
                unknown.remove(place);
            }
        } else {
            unknown.clear();
        }
        *committed = Committed { acked: Some(offset), unknown, is_open: false };
    }

    /// The commit was refused: it never happened.
    pub fn commit_refused(&mut self, group: &Str, partition: &TopicPartition, offset: i64) {
        let committed = self.committed.entry((group.clone(), partition.clone())).or_default();
        if let Some(index) = committed.unknown.iter().rposition(|unknown| *unknown == offset) {
            committed.unknown.remove(index);
        }
    }
}
