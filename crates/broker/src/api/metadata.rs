//! Metadata (KIP-4, KIP-430, KIP-516): brokers, topics, leaders, and topics that come into being by being asked for. Answered
//! from the image; a creation is sent on its way and not waited for, so the client asks again, as with Kafka.

use kraft::image::{MetadataImage, PartitionImage, TopicImage};
use wire::messages::create_topics::CreatableTopic;
use wire::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use wire::topic::{is_internal, validate_name};
use wire::{ErrorCode, Str, Uuid};

use super::Call;
use crate::endpoints::{alive, alive_broker};
use crate::internal_topics::creation_of;
use crate::limits::AUTO_CREATIONS_PER_REQUEST;
use crate::operations;

pub(super) fn handle(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let version = call.api_version;
    let asked = match request.topics {
        Some(topics) if version == 0 && topics.is_empty() => None,
        other => other,
    };
    let malformed =
        |topic: &MetadataRequestTopic| version < 12 && (topic.name.is_none() || !topic.topic_id.is_zero());
    if asked.iter().flatten().any(malformed) {
        return refused(asked, ErrorCode::InvalidRequest);
    }
    if asked.iter().flatten().any(|topic| topic.name.is_none() && topic.topic_id.is_zero()) {
        return refused(asked, ErrorCode::UnknownServerError);
    }
    let image = call.node.image();
    let mut answer = Topics { call, image: &image, version, topics: Vec::new(), missing: Vec::new() };
    match asked {
        None => image.topics.iter_by_name().for_each(|topic| answer.known(topic)),
        Some(asked) if asked.iter().any(|topic| !topic.topic_id.is_zero()) => answer.by_id(&asked),
        Some(asked) => answer.by_name(asked),
    }
    let create = request.allow_auto_topic_creation && call.node.config().auto_create_topics_enable;
    answer.missing(create);
    let mut topics = answer.topics;
    if request.include_topic_authorized_operations {
        topics.iter_mut().for_each(|topic| topic.topic_authorized_operations = operations::TOPIC);
    }
    MetadataResponse {
        brokers: brokers(&image, &call.connection.peer().listener),
        cluster_id: Some(Str::from(call.node.cluster_id())),
        // Any broker will do: it passes on to the controller what is the controller's (KIP-590).
        controller_id: if image.cluster.is_active(call.node.node_id()) { call.node.node_id() } else { -1 },
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            operations::CLUSTER
        } else {
            i32::MIN
        },
        ..MetadataResponse::default()
    }
}

/// A request that makes no sense: every topic carries the error, nothing else is told.
fn refused(asked: Option<Vec<MetadataRequestTopic>>, error: ErrorCode) -> MetadataResponse {
    let topic = |topic: MetadataRequestTopic| MetadataResponseTopic {
        error_code: error.code(),
        name: Some(topic.name.unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    };
    let topics = asked.into_iter().flatten().map(topic).collect();
    MetadataResponse { topics, ..MetadataResponse::default() }
}

fn brokers(image: &MetadataImage, listener: &str) -> Vec<MetadataResponseBroker> {
    let broker = |broker: crate::endpoints::BrokerEndpoint| MetadataResponseBroker {
        node_id: broker.node_id,
        host: broker.host,
        port: broker.port,
        rack: broker.rack,
    };
    alive(image, listener).into_iter().map(broker).collect()
}

struct Topics<'a> {
    call: &'a Call,
    image: &'a MetadataImage,
    version: i16,
    topics: Vec<MetadataResponseTopic>,
    /// Asked for by name and not there.
    missing: Vec<Str>,
}

impl Topics<'_> {
    fn by_id(&mut self, asked: &[MetadataRequestTopic]) {
        let mut seen = wire::hash::StableSet::default();
        for topic in asked.iter().filter(|topic| !topic.topic_id.is_zero()) {
            if !seen.insert(topic.topic_id) {
                continue;
            }
            match self.image.topics.by_id(topic.topic_id) {
                Some(topic) => self.known(topic),
                None => self.topics.push(MetadataResponseTopic {
                    error_code: ErrorCode::UnknownTopicId.code(),
                    name: None,
                    topic_id: topic.topic_id,
                    ..MetadataResponseTopic::default()
                }),
            }
        }
    }

    fn by_name(&mut self, asked: Vec<MetadataRequestTopic>) {
        let mut seen = wire::hash::StableSet::default();
        for name in asked.into_iter().filter_map(|topic| topic.name) {
            if !seen.insert(name.clone()) {
                continue;
            }
            match self.image.topics.by_name(&name) {
                Some(topic) => self.known(topic),
                None => self.missing.push(name),
            }
        }
    }

    fn known(&mut self, topic: &TopicImage) {
        let partitions = topic.partitions.iter();
        self.topics.push(MetadataResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            is_internal: is_internal(&topic.name),
            partitions: partitions.map(|(&index, partition)| self.partition(index, partition)).collect(),
            ..MetadataResponseTopic::default()
        });
    }

    fn partition(&self, index: i32, partition: &PartitionImage) -> MetadataResponsePartition {
        let listener = &self.call.connection.peer().listener;
        let reachable = |id: &i32| alive_broker(self.image, *id, listener).is_some();
        // Version 0 leaves unreachable replicas out and says so; later ones list them all.
        let shown = |ids: &[i32]| -> Vec<i32> {
            ids.iter().copied().filter(|id| self.version > 0 || reachable(id)).collect()
        };
        let (replica_nodes, isr_nodes) = (shown(&partition.replicas), shown(&partition.isr));
        let registered = self.image.cluster.broker(partition.leader);
        let has_leader = registered.is_some_and(|broker| broker.endpoint(listener).is_some());
        let error = if !has_leader {
            match registered {
                Some(_) if self.version >= 6 => ErrorCode::ListenerNotFound,
                Some(_) | None => ErrorCode::LeaderNotAvailable,
            }
        } else if replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len() {
            ErrorCode::ReplicaNotAvailable
        } else {
            ErrorCode::None
        };
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id: if has_leader { partition.leader } else { -1 },
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: self.offline(partition),
        }
    }

    fn offline(&self, partition: &PartitionImage) -> Vec<i32> {
        let listener = &self.call.connection.peer().listener;
        let is_offline = |id: &i32| match self.image.cluster.broker(*id) {
            None => true,
            Some(broker) => {
                broker.fenced
                    || broker.endpoint(listener).is_none()
                    || !broker.has_online_directory(partition.directory(*id).unwrap_or(Uuid::ZERO))
            }
        };
        partition.replicas.iter().copied().filter(is_offline).collect()
    }

    /// Names that nobody knows: created if that is wanted and they are legal, refused otherwise.
    fn missing(&mut self, create: bool) {
        let mut creations: Vec<CreatableTopic> = Vec::new();
        for name in std::mem::take(&mut self.missing) {
            let legal = validate_name(&name).is_ok();
            let error =
                if legal { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
            if create && legal && creations.len() < AUTO_CREATIONS_PER_REQUEST {
                creations.push(creation_of(&name, self.call.node.config()));
            }
            self.topics.push(MetadataResponseTopic {
                error_code: error.code(),
                is_internal: is_internal(&name),
                name: Some(name),
                ..MetadataResponseTopic::default()
            });
        }
        if !creations.is_empty() {
            self.call.node.create_unasked(creations);
        }
    }
}
