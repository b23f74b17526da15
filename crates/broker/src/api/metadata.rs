//! Metadata (KIP-4, KIP-430, KIP-516): brokers, topics, leaders, and topics that come into being by being asked for. The request is read
//! in place and answered from the image, topic by topic; a creation is sent on its way and not waited for, so the client asks again, as
//! with Kafka.

use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use kraft::image::{BrokerRegistration, Endpoint, MetadataImage, PartitionImage, TopicImage};
use smallvec::SmallVec;
use wire::codec::{DecodeError, Rope};
use wire::hash::StableSet;
use wire::messages::create_topics::CreatableTopic;
use wire::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use wire::metadata::{AskedTopic, MetadataAnswer, MetadataView, TopicHead};
use wire::topic::{is_internal, validate_name};
use wire::{ErrorCode, Str, Uuid};

use crate::call::{Call, IntoAnswer};
use crate::coordinators::internal_topics::creation_of;
use crate::endpoints::controller_for_clients;
use crate::limits::AUTO_CREATIONS_PER_REQUEST;
use crate::rim::{Handling, Outcome};
use crate::security::authorizer::{Operation, Resource};
use crate::views::Views;

pub(super) fn handle(call: Call, body: &Bytes) -> Result<Handling, DecodeError> {
    let request = MetadataView::parse(body, call.api_version)?;
    let asked = request.topics.as_deref().filter(|asked| call.api_version > 0 || !asked.is_empty());
    if let Some(error) = nonsense(asked.unwrap_or_default(), call.api_version) {
        let refused = refused(asked.unwrap_or_default(), error);
        return Ok(Handling::ready(refused.outcome(call.api_key, call.api_version, call.correlation_id)));
    }
    let image = call.node.image();
    let rope = match asked {
        None if call.is_guarded() => {
            let may_see =
                |topic: &&Arc<TopicImage>| call.may(Operation::Describe, Resource::Topic(&topic.name));
            let seen: Vec<_> = image.topics.iter_by_name().filter(may_see).collect();
            let mut telling = Telling::begin(&call, &image, &request, seen.len());
            seen.into_iter().for_each(|topic| telling.known(topic));
            telling.finish(&request)
        }
        None => {
            let mut telling = Telling::begin(&call, &image, &request, image.topics.len());
            image.topics.iter_by_name().for_each(|topic| telling.known(topic));
            telling.finish(&request)
        }
        Some(asked) => {
            let creates = request.allow_auto_topic_creation && call.node.config().auto_create_topics_enable;
            let mut told = told(call.node.views(), &image, asked);
            if call.is_guarded() {
                hide(&call, asked, creates, &mut told);
            }
            if creates {
                create_missing(&call, &told);
            }
            let mut telling = Telling::begin(&call, &image, &request, told.len());
            told.iter().for_each(|told| telling.tell(told));
            telling.finish(&request)
        }
    };
    Ok(Handling::ready(Outcome::Answer(rope)))
}

/// Why a request makes no sense.
fn nonsense(asked: &[AskedTopic<'_>], version: i16) -> Option<ErrorCode> {
    if version < 12 && asked.iter().any(|topic| topic.name.is_none() || !topic.id.is_zero()) {
        return Some(ErrorCode::InvalidRequest);
    }
    // DIVERGES: Kafka answers UNKNOWN_SERVER_ERROR, because it stumbles over a topic with neither name nor id.
    let nameless = asked.iter().any(|topic| topic.name.is_none() && topic.id.is_zero());
    nameless.then_some(ErrorCode::InvalidRequest)
}

/// Every topic carries the error, nothing else is told.
fn refused(asked: &[AskedTopic<'_>], error: ErrorCode) -> MetadataResponse {
    let topic = |topic: &AskedTopic<'_>| MetadataResponseTopic {
        error_code: error.code(),
        name: Some(Str::from(topic.name.unwrap_or_default())),
        topic_id: topic.id,
        ..MetadataResponseTopic::default()
    };
    let topics = asked.iter().map(topic).collect();
    MetadataResponse { topics, error_code: error.code(), ..MetadataResponse::default() }
}

/// What is told of a topic that was asked for.
enum Told<'a> {
    Known(&'a TopicImage),
    /// No topic has this id.
    NoSuchId(Uuid),
    /// No topic bears this name.
    NoSuchName(&'a str),
    /// A topic that was asked for by its id, and that the client may not see.
    HiddenId(Uuid),
    /// Whether there is such a topic is not told.
    HiddenName(&'a str),
    /// There is none, and the client may not have it made.
    NotToBeMade(&'a str),
}

/// Puts a refusal in the place of what the client may not see, or not have made; refusals last, as in Kafka.
fn hide<'a>(call: &Call, asked: &[AskedTopic<'a>], creates: bool, told: &mut SmallVec<[Told<'a>; 1]>) {
    let by_id = asked.iter().any(|topic| !topic.id.is_zero());
    let may_make_all = creates && call.may(Operation::Create, Resource::Cluster);
    let judged = |one: Told<'a>| {
        let name = match &one {
            Told::Known(topic) => topic.name.as_str(),
            Told::NoSuchName(name) => name,
            Told::NoSuchId(_) | Told::HiddenId(_) | Told::HiddenName(_) | Told::NotToBeMade(_) => return one,
        };
        let resource = Resource::Topic(name);
        match one {
            _ if call.authorize(Operation::Describe, resource).is_ok() => match one {
                Told::NoSuchName(name) if creates && !may_make_all => {
                    match call.authorize(Operation::Create, resource) {
                        Ok(()) => Told::NoSuchName(name),
                        Err(_) => Told::NotToBeMade(name),
                    }
                }
                one => one,
            },
            Told::Known(topic) if by_id => Told::HiddenId(topic.id),
            Told::Known(topic) => Told::HiddenName(topic.name.as_str()),
            Told::NoSuchName(name) => Told::HiddenName(name),
            one => one,
        }
    };
    let mut judged: Vec<Told<'a>> = told.drain(..).map(judged).collect();
    judged.sort_by_key(|one| match one {
        Told::Known(_) | Told::NoSuchId(_) | Told::NoSuchName(_) => 0,
        Told::NotToBeMade(_) => 1,
        Told::HiddenId(_) | Told::HiddenName(_) => 2,
    });
    told.extend(judged);
}

/// Each topic once, in the order of the answer: as they were asked for, but names that nobody knows last. Where one is asked for by
/// its id, all are.
fn told<'a>(views: &Views, image: &'a MetadataImage, asked: &[AskedTopic<'a>]) -> SmallVec<[Told<'a>; 1]> {
    let ids = asked.iter().map(|topic| topic.id).filter(|id| !id.is_zero());
    let find_id = |id| image.topics.by_id(id).map_or(Told::NoSuchId(id), |topic| Told::Known(topic));
    let found_ids: SmallVec<[Told<'a>; 1]> = once_each(asked.len(), ids).map(find_id).collect();
    if !found_ids.is_empty() {
        return found_ids;
    }
    let mut found = SmallVec::with_capacity(asked.len());
    let mut missing: SmallVec<[Told<'a>; 1]> = SmallVec::new();
    for name in once_each(asked.len(), asked.iter().filter_map(|topic| topic.name)) {
        // The views find a name by its hash. They may be of another moment than the image, which has the word.
        let viewed = views.by_name(name).and_then(|topic| image.topics.by_id(topic.id));
        match viewed.or_else(|| image.topics.by_name(name)) {
            Some(topic) => found.push(Told::Known(topic)),
            None => missing.push(Told::NoSuchName(name)),
        }
    }
    found.extend(missing);
    found
}

/// Keys of so many topics, without repetitions.
fn once_each<K: Hash + Eq + Copy>(topics: usize, keys: impl Iterator<Item = K>) -> impl Iterator<Item = K> {
    let mut seen = (topics > 1).then(StableSet::default);
    keys.filter(move |key| seen.as_mut().is_none_or(|seen| seen.insert(*key)))
}

/// Has the topics created that nobody knows, if their names are legal.
fn create_missing(call: &Call, told: &[Told<'_>]) {
    let creation = |told: &Told<'_>| match told {
        Told::NoSuchName(name) if validate_name(name).is_ok() => Some(creation_of(name, call.node.config())),
        Told::NoSuchName(_)
        | Told::NoSuchId(_)
        | Told::Known(_)
        | Told::HiddenId(_)
        | Told::HiddenName(_)
        | Told::NotToBeMade(_) => None,
    };
    let creations: Vec<CreatableTopic> =
        told.iter().filter_map(creation).take(AUTO_CREATIONS_PER_REQUEST).collect();
    if !creations.is_empty() {
        call.node.create_unasked(creations);
    }
}

/// An answer on its way.
struct Telling<'a> {
    version: i16,
    /// By their ids: a leader and each replica are looked up for every partition.
    brokers: SmallVec<[Seen<'a>; 3]>,
    call: &'a Call,
    /// Whether the client asked what it may do to each topic.
    tells_operations: bool,
    answer: MetadataAnswer,
    /// One line's lists are the next one's.
    line: MetadataResponsePartition,
}

/// A broker as seen through the client's listener.
struct Seen<'a> {
    broker: &'a BrokerRegistration,
    endpoint: Option<&'a Endpoint>,
}

impl Seen<'_> {
    fn is_alive(&self) -> bool {
        self.endpoint.is_some() && !self.broker.fenced
    }
}

impl<'a> Telling<'a> {
    fn begin(
        call: &'a Call,
        image: &'a MetadataImage,
        request: &MetadataView<'_>,
        topics: usize,
    ) -> Telling<'a> {
        let listener = &call.connection.peer().listener;
        let node_id = call.node.node_id();
        let seen = |broker: &'a Arc<BrokerRegistration>| Seen { broker, endpoint: broker.endpoint(listener) };
        let brokers: SmallVec<[Seen<'a>; 3]> = image.cluster.brokers().map(seen).collect();
        let alive = || brokers.iter().filter(|seen| seen.is_alive());
        let mut answer = MetadataAnswer::new(call.api_version, call.correlation_id, alive().count(), topics);
        for Seen { broker, endpoint } in alive() {
            let Some(endpoint) = endpoint else { continue };
            answer.broker(&MetadataResponseBroker {
                node_id: broker.id,
                host: endpoint.host.clone(),
                port: i32::from(endpoint.port),
                rack: broker.rack.clone(),
            });
        }
        let controller_id = controller_for_clients(image, node_id);
        answer.cluster(Some(call.node.cluster_id()), controller_id, topics);
        Telling {
            version: call.api_version,
            brokers,
            call,
            tells_operations: request.include_topic_authorized_operations,
            answer,
            line: MetadataResponsePartition::default(),
        }
    }

    fn tell(&mut self, told: &Told<'_>) {
        match told {
            Told::Known(topic) => self.known(topic),
            Told::NoSuchId(id) => {
                let head =
                    TopicHead { error: ErrorCode::UnknownTopicId, name: None, id: *id, is_internal: false };
                self.answer.topic(&head, 0);
                // Operations are allowed by name.
                self.answer.end_topic(i32::MIN);
            }
            Told::HiddenId(id) => self.hidden(None, *id, false),
            Told::HiddenName(name) => self.hidden(Some(name), Uuid::ZERO, false),
            Told::NotToBeMade(name) => self.hidden(Some(name), Uuid::ZERO, is_internal(name)),
            Told::NoSuchName(name) => {
                let head = TopicHead {
                    error: match validate_name(name) {
                        Ok(()) => ErrorCode::UnknownTopicOrPartition,
                        Err(_) => ErrorCode::InvalidTopicException,
                    },
                    name: Some(name),
                    id: Uuid::ZERO,
                    is_internal: is_internal(name),
                };
                self.answer.topic(&head, 0);
                let operations = self.operations(name);
                self.answer.end_topic(operations);
            }
        }
    }

    fn known(&mut self, topic: &TopicImage) {
        let head = TopicHead {
            error: ErrorCode::None,
            name: Some(&topic.name),
            id: topic.id,
            is_internal: is_internal(&topic.name),
        };
        self.answer.topic(&head, topic.partitions.len());
        for (&index, partition) in topic.partitions.iter() {
            self.partition(index, partition);
        }
        let operations = self.operations(&topic.name);
        self.answer.end_topic(operations);
    }

    fn hidden(&mut self, name: Option<&str>, id: Uuid, is_internal: bool) {
        let head = TopicHead { error: ErrorCode::TopicAuthorizationFailed, name, id, is_internal };
        self.answer.topic(&head, 0);
        self.answer.end_topic(i32::MIN);
    }

    /// What the client may do to a topic, if it asked; Kafka's number for nothing asked otherwise.
    fn operations(&self, name: &str) -> i32 {
        match self.tells_operations {
            true => self.call.operations(Resource::Topic(name)),
            false => i32::MIN,
        }
    }

    fn partition(&mut self, index: i32, partition: &PartitionImage) {
        let Telling { version, brokers, answer, line, .. } = self;
        let seen = |id: i32| {
            let at = brokers.binary_search_by_key(&id, |seen| seen.broker.id).ok()?;
            brokers.get(at)
        };
        // Version 0 leaves unreachable replicas out and says so; later ones list them all.
        let shows = |id: &i32| *version > 0 || seen(*id).is_some_and(Seen::is_alive);
        let is_offline = |id: &i32| {
            seen(*id).is_none_or(|seen| {
                let directory = partition.directory(*id).unwrap_or(Uuid::ZERO);
                !seen.is_alive() || !seen.broker.has_online_directory(directory)
            })
        };
        show(&mut line.replica_nodes, &partition.replicas, shows);
        show(&mut line.isr_nodes, &partition.isr, shows);
        show(&mut line.offline_replicas, &partition.replicas, is_offline);
        let leader = seen(partition.leader);
        let listens = leader.is_some_and(|leader| leader.endpoint.is_some());
        let error = match leader {
            Some(_) if listens && hides(line, partition) => ErrorCode::ReplicaNotAvailable,
            Some(_) if listens => ErrorCode::None,
            Some(_) if *version >= 6 => ErrorCode::ListenerNotFound,
            Some(_) | None => ErrorCode::LeaderNotAvailable,
        };
        line.error_code = error.code();
        line.partition_index = index;
        line.leader_id = if listens { partition.leader } else { -1 };
        line.leader_epoch = partition.leader_epoch;
        answer.partition(line);
    }

    fn finish(self, request: &MetadataView<'_>) -> Rope {
        let operations = match request.include_cluster_authorized_operations {
            true => self.call.cluster_operations(),
            false => i32::MIN,
        };
        self.answer.finish(operations)
    }
}

fn show(list: &mut Vec<i32>, ids: &[i32], shows: impl Fn(&i32) -> bool) {
    list.clear();
    list.extend(ids.iter().filter(|id| shows(id)));
}

/// Some replica of the partition is not in its line.
fn hides(line: &MetadataResponsePartition, partition: &PartitionImage) -> bool {
    line.replica_nodes.len() < partition.replicas.len() || line.isr_nodes.len() < partition.isr.len()
}
