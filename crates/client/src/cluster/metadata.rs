//! What the client believes about the cluster: an immutable snapshot, made from Metadata answers. Pure.
//!
//! KIP-320: a partition never goes back to an older leader epoch of the same topic id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use wire::messages::metadata::{MetadataResponse, MetadataResponsePartition, MetadataResponseTopic};
use wire::{ErrorCode, Str, Uuid};

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its node id.
    pub id: i32,
    /// Where clients reach it.
    pub host: Str,
    /// Where clients reach it.
    pub port: i32,
    /// `broker.rack`.
    pub rack: Option<Str>,
}

impl Broker {
    /// HOST:PORT, with brackets around IPv6 addresses.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The leader's node id; `None` while there is none.
    pub leader: Option<i32>,
    /// The leader's epoch, -1 if the broker did not say.
    pub leader_epoch: i32,
    /// Node ids of all replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Node ids of the replicas in sync.
    pub isr: Vec<i32>,
    /// Node ids of the replicas that are offline.
    pub offline: Vec<i32>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Str,
    /// Its id; `Uuid::ZERO` from brokers that do not say.
    pub id: Uuid,
    /// True for `__consumer_offsets` and its like.
    pub internal: bool,
    /// All partitions; the index is the partition number.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// One partition, if it exists.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        usize::try_from(index).ok().and_then(|index| self.partitions.get(index))
    }

    /// The count of partitions.
    pub fn partition_count(&self) -> i32 {
        self.partitions.len() as i32
    }
}

/// A snapshot of the cluster.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Grows with every snapshot: who saw a failure under version N wants one with a greater version.
    pub version: u64,
    /// When it was received.
    pub received: Instant,
    /// The cluster's id.
    pub cluster_id: Option<Str>,
    /// The node to send controller requests to.
    pub controller_id: Option<i32>,
    /// All live brokers by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that somebody here is interested in.
    pub topics: BTreeMap<Str, Arc<Topic>>,
    /// Why a topic of interest is not in `topics`.
    pub topic_errors: BTreeMap<Str, ErrorCode>,
}

impl Metadata {
    /// Nothing known yet.
    pub(crate) fn empty(now: Instant) -> Metadata {
        Metadata {
            version: 0,
            received: now,
            cluster_id: None,
            controller_id: None,
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            topic_errors: BTreeMap::new(),
        }
    }

    /// The name of a topic id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.values().find(|topic| topic.id == id)
    }

    /// The leader of a partition and its epoch.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topics.get(topic)?.partition(partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// The next snapshot: brokers are replaced, topics of the answer too; with `complete` (all topics of interest
    /// were asked for) other topics are forgotten.
    pub(crate) fn absorb(&self, answer: MetadataResponse, complete: bool, now: Instant) -> Metadata {
        let brokers = answer.brokers.into_iter().map(|broker| {
            let rack = broker.rack.map(|rack| rack.detached());
            (
                broker.node_id,
                Broker { id: broker.node_id, host: broker.host.detached(), port: broker.port, rack },
            )
        });
        let (mut topics, mut topic_errors) = if complete {
            (BTreeMap::new(), BTreeMap::new())
        } else {
            (self.topics.clone(), self.topic_errors.clone())
        };
        for topic in answer.topics {
            let Some(name) = topic.name.as_ref().map(Str::detached) else { continue };
            let error = ErrorCode::from_code(topic.error_code);
            topic_errors.remove(&name);
            topics.remove(&name);
            if error == ErrorCode::None {
                let known = self.topics.get(&name);
                topics.insert(name.clone(), Arc::new(convert_topic(name, topic, known)));
            } else {
                topic_errors.insert(name, error);
            }
        }
        Metadata {
            version: self.version + 1,
            received: now,
            cluster_id: answer.cluster_id.map(|id| id.detached()).or_else(|| self.cluster_id.clone()),
            controller_id: Some(answer.controller_id).filter(|&id| id >= 0),
            brokers: brokers.collect(),
            topics,
            topic_errors,
        }
    }
}

fn convert_topic(name: Str, mut topic: MetadataResponseTopic, known: Option<&Arc<Topic>>) -> Topic {
    topic.partitions.sort_by_key(|partition| partition.partition_index);
    let known = known.filter(|known| known.id == topic.topic_id);
    let mut partitions: Vec<Partition> = Vec::with_capacity(topic.partitions.len());
    for partition in topic.partitions {
        // The list is dense by contract; a gap would break the numbering, so the rest is left for the next answer.
        if partition.partition_index != partitions.len() as i32 {
            break;
        }
        partitions.push(newest(convert_partition(partition), known));
    }
    Topic { name, id: topic.topic_id, internal: topic.is_internal, partitions }
}

/// The partition as just told, unless an earlier answer told of a newer leader.
fn newest(told: Partition, known: Option<&Arc<Topic>>) -> Partition {
    match known.and_then(|known| known.partition(told.index)) {
        Some(known) if told.leader_epoch >= 0 && known.leader_epoch > told.leader_epoch => known.clone(),
        Some(_) | None => told,
    }
}

fn convert_partition(partition: MetadataResponsePartition) -> Partition {
    Partition {
        index: partition.partition_index,
        leader: Some(partition.leader_id).filter(|&id| id >= 0),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        offline: partition.offline_replicas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: u8, epoch: i32, leader: i32) -> MetadataResponse {
        let partition = MetadataResponsePartition {
            partition_index: 0,
            leader_id: leader,
            leader_epoch: epoch,
            ..MetadataResponsePartition::default()
        };
        let topic = MetadataResponseTopic {
            name: Some(Str::from("t")),
            topic_id: Uuid([id; 16]),
            partitions: vec![partition],
            ..MetadataResponseTopic::default()
        };
        MetadataResponse { topics: vec![topic], ..MetadataResponse::default() }
    }

    fn leader_after(answers: &[MetadataResponse]) -> Option<(i32, i32)> {
        let now = Instant::now();
        let last =
            answers.iter().fold(Metadata::empty(now), |known, told| known.absorb(told.clone(), true, now));
        last.leader("t", 0)
    }

    #[test]
    fn an_older_epoch_does_not_bring_back_an_old_leader() {
        assert_eq!(leader_after(&[answer(1, 5, 2), answer(1, 4, 1)]), Some((2, 5)));
        assert_eq!(leader_after(&[answer(1, 5, 2), answer(1, 6, 1)]), Some((1, 6)));
    }

    #[test]
    fn a_topic_made_anew_starts_its_epochs_again() {
        assert_eq!(leader_after(&[answer(1, 5, 2), answer(2, 0, 1)]), Some((1, 0)));
    }

    #[test]
    fn a_partition_without_a_leader_has_none() {
        assert_eq!(leader_after(&[answer(1, 5, -1)]), None);
    }

    #[test]
    fn errors_replace_topics_and_partial_answers_keep_the_others() {
        let now = Instant::now();
        let first = Metadata::empty(now).absorb(answer(1, 1, 1), true, now);
        let mut gone = answer(1, 1, 1);
        gone.topics[0].error_code = ErrorCode::UnknownTopicOrPartition.code();
        let second = first.absorb(gone, true, now);
        assert_eq!(second.topic_errors.get("t"), Some(&ErrorCode::UnknownTopicOrPartition));
        let other = first.absorb(MetadataResponse::default(), false, now);
        assert!(other.topics.contains_key("t") && other.version == 2);
    }
}
