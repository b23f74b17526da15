//! What a streams application consists of, as its first member told it: subtopologies, the topics they read and write, the state they keep.
//! Plain data of the topology's record.

use super::super::consumer::refusal::Refusal;
use super::records::detached_topology;
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::streams_group_heartbeat as heartbeat;
use wire::records::group::{
    CopartitionGroup, StreamsGroupTopologyValue, StreamsGroupTopologyValueTopicInfo as TopicInfo,
    Subtopology, TopicConfig,
};
use wire::{ErrorCode, Str};

/// A topology.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Grows with each version of the application.
    pub epoch: i32,
    /// By id.
    pub subtopologies: BTreeMap<Str, Subtopology>,
    /// The subtopology that reads a topic.
    readers: BTreeMap<Str, Str>,
}

impl Topology {
    /// As it was written.
    pub fn of_record(value: &StreamsGroupTopologyValue) -> Topology {
        let by_id = |one: &Subtopology| (one.subtopology_id.clone(), one.clone());
        let subtopologies: BTreeMap<Str, Subtopology> = value.subtopologies.iter().map(by_id).collect();
        let mut readers = BTreeMap::new();
        for (id, subtopology) in &subtopologies {
            sources(subtopology).for_each(|topic| drop(readers.insert(topic.clone(), id.clone())));
        }
        Topology { epoch: value.epoch, subtopologies, readers }
    }

    /// The id of the subtopology that reads from a topic.
    pub fn reader_of(&self, topic: &str) -> Option<&Str> {
        self.readers.get(topic)
    }

    /// Every topic that must be there before it can run.
    pub fn required_topics(&self) -> BTreeSet<&Str> {
        let of = |one| sources(one).chain(one.state_changelog_topics.iter().map(|topic| &topic.name));
        self.subtopologies.values().flat_map(of).collect()
    }
}

/// What a subtopology reads: topics of others, and those that the application repartitions for itself.
pub(super) fn sources(subtopology: &Subtopology) -> impl Iterator<Item = &Str> {
    let own = subtopology.repartition_source_topics.iter().map(|topic| &topic.name);
    subtopology.source_topics.iter().chain(own)
}

/// The record of a topology that a member tells; what can be no topology is refused as by Kafka.
pub(super) fn told(topology: &heartbeat::Topology) -> Result<StreamsGroupTopologyValue, Refusal> {
    let ids: BTreeSet<&Str> = topology.subtopologies.iter().map(|one| &one.subtopology_id).collect();
    if topology.epoch < 0 || ids.len() != topology.subtopologies.len() {
        return Err(Refusal { error: ErrorCode::UnknownServerError, message: None });
    }
    let info = |topic: &heartbeat::TopicInfo| TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic
            .topic_configs
            .iter()
            .map(|config| TopicConfig { key: config.key.clone(), value: config.value.clone() })
            .collect(),
    };
    let group = |group: &heartbeat::CopartitionGroup| CopartitionGroup {
        source_topics: group.source_topics.clone(),
        source_topic_regex: group.source_topic_regex.clone(),
        repartition_source_topics: group.repartition_source_topics.clone(),
    };
    let subtopology = |one: &heartbeat::Subtopology| Subtopology {
        subtopology_id: one.subtopology_id.clone(),
        source_topics: one.source_topics.clone(),
        source_topic_regex: one.source_topic_regex.clone(),
        state_changelog_topics: one.state_changelog_topics.iter().map(info).collect(),
        repartition_sink_topics: one.repartition_sink_topics.clone(),
        repartition_source_topics: one.repartition_source_topics.iter().map(info).collect(),
        copartition_groups: one.copartition_groups.iter().map(group).collect(),
    };
    Ok(detached_topology(StreamsGroupTopologyValue {
        epoch: topology.epoch,
        subtopologies: topology.subtopologies.iter().map(subtopology).collect(),
    }))
}
