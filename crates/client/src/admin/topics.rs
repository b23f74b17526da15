//! Topics: create and delete (KIP-4), grow (KIP-195), list, describe.

use super::{Admin, Each, Whom, item};
use crate::cluster::metadata::{Metadata, Topic};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use wire::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponsePartition, TopicRequest,
};
use wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use wire::{ErrorCode, Str, Uuid};

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: Str,
    /// `None` takes the cluster's `num.partitions`.
    pub partitions: Option<i32>,
    /// `None` takes the cluster's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Chosen replicas instead of the two counts: partition → node ids, the preferred leader first.
    pub assignments: BTreeMap<i32, Vec<i32>>,
    /// Configs that differ from the defaults.
    pub configs: BTreeMap<Str, Str>,
}

impl NewTopic {
    /// A topic with the cluster's defaults.
    pub fn new(name: impl Into<Str>) -> NewTopic {
        NewTopic { name: name.into(), ..NewTopic::default() }
    }

    /// With so many partitions.
    pub fn partitions(mut self, partitions: i32) -> NewTopic {
        self.partitions = Some(partitions);
        self
    }

    /// With so many replicas.
    pub fn replication_factor(mut self, replication_factor: i16) -> NewTopic {
        self.replication_factor = Some(replication_factor);
        self
    }

    /// With this config.
    pub fn config(mut self, key: impl Into<Str>, value: impl Into<Str>) -> NewTopic {
        self.configs.insert(key.into(), value.into());
        self
    }
}

/// A topic as it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; zero from brokers that do not say.
    pub id: Uuid,
    /// -1 from brokers that do not say.
    pub partitions: i32,
    /// -1 from brokers that do not say.
    pub replication_factor: i16,
}

/// So many partitions are asked for at once, as Kafka's tools do.
const PARTITIONS_IN_AN_ANSWER: i32 = 2000;

/// Who may lead a partition beyond those in sync (KIP-966).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionElr {
    /// Those that have every committed record.
    pub eligible: Vec<i32>,
    /// The last of whom that was known.
    pub last_known: Vec<i32>,
}

impl PartitionElr {
    fn of(told: DescribeTopicPartitionsResponsePartition) -> (i32, PartitionElr) {
        let eligible = told.eligible_leader_replicas.unwrap_or_default();
        let last_known = told.last_known_elr.unwrap_or_default();
        (told.partition_index, PartitionElr { eligible, last_known })
    }
}

/// A topic as the cluster knows it.
pub type TopicDescription = Arc<Topic>;

impl Admin {
    /// Creates topics, by name; `validate_only` only checks whether it would work. An item's error is `TOPIC_ALREADY_EXISTS`,
    /// `INVALID_TOPIC_EXCEPTION`, `INVALID_CONFIG` and the like. Cancel-safe: a dropped call may still create.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Each<Str, CreatedTopic>> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: self.request_timeout_ms(),
            validate_only,
        };
        self.ask(Whom::Controller, &request, "create topics", |answer| {
            let mut each = Each::new();
            for topic in answer.topics {
                let doing = || format!("create topic {:?}", topic.name);
                let checked = Error::check(topic.error_code, topic.error_message.as_deref(), doing);
                let created = checked.map(|()| CreatedTopic {
                    id: topic.topic_id,
                    partitions: topic.num_partitions,
                    replication_factor: topic.replication_factor,
                });
                item(&mut each, topic.name.detached(), created)?;
            }
            Ok(each)
        })
        .await
    }

    /// Deletes topics, by name; `UNKNOWN_TOPIC_OR_PARTITION` is told at once. Cancel-safe: a dropped call may still delete.
    pub async fn delete_topics(&self, names: &[Str]) -> Result<Each<Str, ()>> {
        let request = DeleteTopicsRequest {
            topics: names
                .iter()
                .map(|name| DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() })
                .collect(),
            topic_names: names.to_vec(),
            timeout_ms: self.request_timeout_ms(),
        };
        self.ask(Whom::Controller, &request, "delete topics", |answer| {
            let mut each = Each::new();
            for topic in answer.responses {
                let name = topic.name.unwrap_or_default().detached();
                let doing = || format!("delete topic {name:?}");
                let code = ErrorCode::from_code(topic.error_code);
                let checked = Error::check(topic.error_code, topic.error_message.as_deref(), doing);
                // Kafka calls an unknown topic retriable; for a deletion it is the answer.
                if code == ErrorCode::UnknownTopicOrPartition {
                    each.insert(name, checked);
                } else {
                    item(&mut each, name, checked)?;
                }
            }
            Ok(each)
        })
        .await
    }

    /// Gives topics more partitions: name → new total, which must be above the present one (`INVALID_PARTITIONS`). Cancel-safe: a
    /// dropped call may still grow them.
    pub async fn create_partitions(
        &self,
        totals: &BTreeMap<Str, i32>,
        validate_only: bool,
    ) -> Result<Each<Str, ()>> {
        self.create_partitions_on(totals, &BTreeMap::new(), validate_only).await
    }

    /// The same with chosen replicas: name → node ids of each partition that is new, for the topics that stand there. Cancel-safe: a
    /// dropped call may still grow them.
    pub async fn create_partitions_on(
        &self,
        totals: &BTreeMap<Str, i32>,
        replicas: &BTreeMap<Str, Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<Each<Str, ()>> {
        let chosen = |partitions: &Vec<Vec<i32>>| {
            let of = |ids: &Vec<i32>| CreatePartitionsAssignment { broker_ids: ids.clone() };
            partitions.iter().map(of).collect()
        };
        let topics = totals.iter().map(|(name, &count)| CreatePartitionsTopic {
            name: name.clone(),
            count,
            assignments: replicas.get(name).map(chosen),
        });
        let request = CreatePartitionsRequest {
            topics: topics.collect(),
            timeout_ms: self.request_timeout_ms(),
            validate_only,
        };
        self.ask(Whom::Controller, &request, "add partitions", |answer| {
            let mut each = Each::new();
            for topic in answer.results {
                let doing = || format!("add partitions to {:?}", topic.name);
                let code = ErrorCode::from_code(topic.error_code);
                let checked = Error::check(topic.error_code, topic.error_message.as_deref(), doing);
                if code == ErrorCode::UnknownTopicOrPartition {
                    each.insert(topic.name.detached(), checked);
                } else {
                    item(&mut each, topic.name.detached(), checked)?;
                }
            }
            Ok(each)
        })
        .await
    }

    /// Every topic, internal ones included. Cancel-safe.
    pub async fn list_topics(&self) -> Result<BTreeMap<Str, TopicDescription>> {
        let request =
            MetadataRequest { topics: None, allow_auto_topic_creation: false, ..MetadataRequest::default() };
        let found = self.ask_metadata(&request, "list topics").await?;
        Ok(found.topics)
    }

    /// These topics. Cancel-safe.
    pub async fn describe_topics(&self, names: &[Str]) -> Result<Each<Str, TopicDescription>> {
        let topics =
            names.iter().map(|name| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(name.clone()) });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let mut found = self.ask_metadata(&request, "describe topics").await?;
        let one = |name: &Str| {
            let described = found.topics.remove(name).ok_or_else(|| {
                let code =
                    found.topic_errors.get(name).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition);
                Error::refused(code, format!("describe topic {name:?}"))
            });
            (name.clone(), described)
        };
        Ok(names.iter().map(one).collect())
    }

    /// Who may lead partitions beyond those in sync (KIP-966), by topic and partition; `None` from a cluster that does not tell.
    /// Cancel-safe.
    pub async fn describe_elr(
        &self,
        names: &[Str],
    ) -> Result<Option<BTreeMap<Str, BTreeMap<i32, PartitionElr>>>> {
        let mut all: BTreeMap<Str, BTreeMap<i32, PartitionElr>> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let request = DescribeTopicPartitionsRequest {
                topics: names.iter().map(|name| TopicRequest { name: name.clone() }).collect(),
                response_partition_limit: PARTITIONS_IN_AN_ANSWER,
                cursor: cursor.take(),
            };
            let asked = self.ask(Whom::Anybody, &request, "describe topics", |answer| {
                let next = answer.next_cursor.map(|next| Cursor {
                    topic_name: next.topic_name.detached(),
                    partition_index: next.partition_index,
                });
                let topics = answer.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.into_iter().map(PartitionElr::of);
                    (topic.name.unwrap_or_default().detached(), partitions.collect::<Vec<_>>())
                });
                Ok((topics.collect::<Vec<_>>(), next))
            });
            let (topics, next) = match asked.await {
                Err(Error::Unsupported { .. }) => return Ok(None),
                other => other?,
            };
            // An answer without partitions that points onward would never end.
            let empty = topics.iter().all(|(_, partitions)| partitions.is_empty());
            for (name, partitions) in topics {
                all.entry(name).or_default().extend(partitions);
            }
            match next.filter(|_| !empty) {
                Some(next) => cursor = Some(next),
                None => return Ok(Some(all)),
            }
        }
    }

    async fn ask_metadata(&self, request: &MetadataRequest, doing: &str) -> Result<Metadata> {
        self.ask(Whom::Anybody, request, doing, |answer| {
            let now = Instant::now();
            let found = Metadata::empty(now).absorb(answer, true, now);
            // A topic between leaders is worth another look; one that does not exist is an answer.
            match found.topic_errors.iter().find(|(_, code)| **code == ErrorCode::LeaderNotAvailable) {
                Some((name, code)) => Err(Error::refused(*code, format!("describe topic {name:?}"))),
                None => Ok(found),
            }
        })
        .await
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let assignments = topic.assignments.iter().map(|(&partition_index, broker_ids)| {
        CreatableReplicaAssignment { partition_index, broker_ids: broker_ids.clone() }
    });
    let configs = topic
        .configs
        .iter()
        .map(|(name, value)| CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) });
    // With chosen replicas both counts must be absent.
    CreatableTopic {
        name: topic.name.clone(),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}
