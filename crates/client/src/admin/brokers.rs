//! The cluster and its brokers: who there is (KIP-700, 1073), what they speak (KIP-511), their disks (KIP-113, 827).

use super::{Admin, Each, Whom, non_empty};
use crate::cluster::connection::Connection;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use tokio::task::JoinSet;
use wire::messages::describe_cluster::DescribeClusterRequest;
use wire::messages::describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest};
use wire::messages::describe_producers::ProducerState;
use wire::messages::unregister_broker::UnregisterBrokerRequest;
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

/// The cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: Str,
    /// The node that controller requests go to.
    pub controller_id: Option<i32>,
    /// Its brokers.
    pub nodes: Vec<ClusterNode>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// Its id.
    pub id: i32,
    /// Where clients reach it.
    pub host: Str,
    /// Where clients reach it.
    pub port: i32,
    /// `broker.rack`.
    pub rack: Option<Str>,
    /// True while the controller keeps it from leading anything.
    pub fenced: bool,
}

/// The versions that a broker speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerVersions {
    /// Its id.
    pub node: i32,
    /// HOST:PORT.
    pub address: String,
    /// Every API that it offers.
    pub apis: Vec<ApiRange>,
}

/// One API of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRange {
    /// The key.
    pub key: i16,
    /// The API, if this client knows it.
    pub api: Option<ApiKey>,
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

/// One log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path on the broker.
    pub path: Str,
    /// Why it is offline, if it is.
    pub error: Option<ErrorCode>,
    /// The file system's size, -1 if unknown.
    pub total_bytes: i64,
    /// The file system's free space, -1 if unknown.
    pub usable_bytes: i64,
    /// It gets no new replicas (KIP-1066); false from brokers that do not say.
    pub is_cordoned: bool,
    /// The replicas in it.
    pub replicas: Vec<LogDirReplica>,
}

/// One replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// The partition.
    pub partition: TopicPartition,
    /// Bytes on disk.
    pub size_bytes: i64,
    /// Records that it is behind: the leader's high watermark or, being moved, the replica that it will replace.
    pub offset_lag: i64,
    /// It is being moved here from another directory.
    pub is_future: bool,
}

/// A producer that a partition's leader remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerDescription {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i32,
    /// The last sequence it wrote, -1 for none.
    pub last_sequence: i32,
    /// When, in milliseconds since the epoch.
    pub last_timestamp_ms: i64,
    /// The epoch of the coordinator that ended its last transaction.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins, if one is open.
    pub transaction_start_offset: Option<i64>,
}

impl ProducerDescription {
    pub(super) fn from_wire(state: ProducerState) -> ProducerDescription {
        ProducerDescription {
            producer_id: state.producer_id,
            epoch: state.producer_epoch,
            last_sequence: state.last_sequence,
            last_timestamp_ms: state.last_timestamp,
            coordinator_epoch: state.coordinator_epoch,
            transaction_start_offset: Some(state.current_txn_start_offset).filter(|&offset| offset >= 0),
        }
    }
}

impl Admin {
    /// The cluster and its brokers, with `include_fenced` also those that lead nothing. Cancel-safe.
    pub async fn describe_cluster(&self, include_fenced: bool) -> Result<ClusterDescription> {
        let request = DescribeClusterRequest {
            include_fenced_brokers: include_fenced,
            ..DescribeClusterRequest::default()
        };
        self.ask(Whom::Anybody, &request, "describe the cluster", |answer| {
            let doing = || "describe the cluster".to_owned();
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let node = |broker: &wire::messages::describe_cluster::DescribeClusterBroker| ClusterNode {
                id: broker.broker_id,
                host: broker.host.detached(),
                port: broker.port,
                rack: non_empty(&broker.rack),
                fenced: broker.is_fenced,
            };
            Ok(ClusterDescription {
                cluster_id: answer.cluster_id.detached(),
                controller_id: Some(answer.controller_id).filter(|&id| id >= 0),
                nodes: answer.brokers.iter().map(node).collect(),
            })
        })
        .await
    }

    /// Takes a broker that is gone for good out of the cluster (KIP-631): nothing is placed on it any more, and it is not waited for.
    /// Cancel-safe: a dropped call may still be carried out.
    pub async fn unregister_broker(&self, broker_id: i32) -> Result<()> {
        self.ask(
            Whom::Controller,
            &UnregisterBrokerRequest { broker_id },
            "unregister the broker",
            |answer| {
                let doing = || format!("unregister broker {broker_id}");
                Error::check(answer.error_code, answer.error_message.as_deref(), doing)
            },
        )
        .await
    }

    /// What every live broker speaks, by its id; an item's error is why it cannot be reached. Cancel-safe.
    pub async fn api_versions(&self) -> Result<Each<i32, BrokerVersions>> {
        let mut each = Each::new();
        for node in self.nodes().await? {
            let versions = self.cluster.node_connection(node).await.map(|connection| BrokerVersions {
                node,
                address: connection.address().to_owned(),
                apis: connection.versions().iter().map(|(&key, &(min, max))| range(key, min, max)).collect(),
            });
            each.insert(node, versions);
        }
        Ok(each)
    }

    /// The log directories of every live broker, by its id; all are asked at once. Cancel-safe.
    pub async fn describe_log_dirs(&self) -> Result<Each<i32, Vec<LogDir>>> {
        Ok(self.log_dirs_of(self.nodes().await?, None).await)
    }

    /// The same of one broker. Cancel-safe.
    pub async fn describe_log_dirs_of(&self, node: i32) -> Result<Vec<LogDir>> {
        self.log_dirs(node, None).await
    }

    /// The log directories of every live broker without the replicas in them: an answer that stays small. Cancel-safe.
    pub async fn list_log_dirs(&self) -> Result<Each<i32, Vec<LogDir>>> {
        Ok(self.log_dirs_of(self.nodes().await?, Some(Vec::new())).await)
    }

    async fn log_dirs_of(
        &self,
        nodes: Vec<i32>,
        topics: Option<Vec<DescribableLogDirTopic>>,
    ) -> Each<i32, Vec<LogDir>> {
        let mut asked = JoinSet::new();
        for node in nodes {
            let (admin, topics) = (self.clone(), topics.clone());
            asked.spawn(async move { (node, admin.log_dirs(node, topics).await) });
        }
        asked.join_all().await.into_iter().collect()
    }

    async fn log_dirs(&self, node: i32, topics: Option<Vec<DescribableLogDirTopic>>) -> Result<Vec<LogDir>> {
        let request = DescribeLogDirsRequest { topics };
        self.ask(Whom::Node(node), &request, "describe log directories", |answer| {
            Error::check(answer.error_code, None, || "describe log directories".to_owned())?;
            Ok(answer.results.into_iter().map(log_dir).collect())
        })
        .await
    }

    /// Tries once to connect to every address that is known, those the client began with and those the cluster names, all at once: an
    /// item's error says why nobody speaks there. Cancel-safe.
    pub async fn reach(&self) -> Each<String, ()> {
        let options = self.cluster.options();
        let metadata = self.cluster.metadata();
        let known = metadata.brokers.values().map(|broker| broker.address());
        let addresses: BTreeSet<String> = options.bootstrap.iter().cloned().chain(known).collect();
        let mut tried = JoinSet::new();
        for address in addresses {
            let (admin, options) = (self.clone(), options.clone());
            tried.spawn(async move {
                let opened = Connection::open(&address, &options);
                let opened = tokio::time::timeout(admin.within, opened).await;
                let silent = || {
                    let doing = format!("speak to {address}");
                    Err(Error::Timeout { doing, after: admin.within, last: None })
                };
                let outcome = opened.unwrap_or_else(|_elapsed| silent()).map(drop);
                (address, outcome)
            });
        }
        tried.join_all().await.into_iter().collect()
    }
}

fn range(key: i16, min: i16, max: i16) -> ApiRange {
    ApiRange { key, api: ApiKey::from_i16(key), min, max }
}

fn log_dir(dir: wire::messages::describe_log_dirs::DescribeLogDirsResult) -> LogDir {
    let error = Some(ErrorCode::from_code(dir.error_code)).filter(|code| *code != ErrorCode::None);
    let replicas = dir.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|one| LogDirReplica {
            partition: TopicPartition::new(topic.name.detached(), one.partition_index),
            size_bytes: one.partition_size,
            offset_lag: one.offset_lag,
            is_future: one.is_future_key,
        })
    });
    LogDir {
        error,
        replicas: replicas.collect(),
        path: dir.log_dir.detached(),
        total_bytes: dir.total_bytes,
        usable_bytes: dir.usable_bytes,
        is_cordoned: dir.is_cordoned,
    }
}
