//! The cluster and its brokers: who there is (KIP-700, 1073), what they speak (KIP-511), their disks (KIP-113, 827), the metadata
//! quorum (KIP-595, 836, 853).

use super::{Admin, Each, Whom, non_empty};
use crate::error::{Error, Result};
use wire::messages::describe_cluster::DescribeClusterRequest;
use wire::messages::describe_log_dirs::DescribeLogDirsRequest;
use wire::messages::describe_producers::ProducerState;
use wire::messages::describe_quorum::{DescribeQuorumRequest, PartitionData, ReplicaState, TopicData};
use wire::topic::{CLUSTER_METADATA, TopicPartition};
use wire::{ApiKey, ErrorCode, Str, Uuid};

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

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The active controller.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Everything before this is committed.
    pub high_watermark: i64,
    /// Those who vote.
    pub voters: Vec<QuorumReplica>,
    /// Those who only follow.
    pub observers: Vec<QuorumReplica>,
}

/// One follower or voter of the metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its node id.
    pub id: i32,
    /// Its directory; zero if unknown.
    pub directory_id: Uuid,
    /// The offset that it writes next: it has everything below.
    pub log_end_offset: i64,
    /// When it fetched last, in milliseconds since the epoch; -1 if unknown.
    pub last_fetch_ms: i64,
    /// When it was caught up last, in milliseconds since the epoch; -1 if unknown.
    pub last_caught_up_ms: i64,
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

    /// The log directories of every live broker, by its id. Cancel-safe.
    pub async fn describe_log_dirs(&self) -> Result<Each<i32, Vec<LogDir>>> {
        let request = DescribeLogDirsRequest { topics: None };
        let mut each = Each::new();
        for node in self.nodes().await? {
            let dirs = self
                .ask(Whom::Node(node), &request, "describe log directories", |answer| {
                    Error::check(answer.error_code, None, || "describe log directories".to_owned())?;
                    Ok(answer.results.into_iter().map(log_dir).collect())
                })
                .await;
            each.insert(node, dirs);
        }
        Ok(each)
    }

    /// The metadata quorum, as its leader knows it. Cancel-safe.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription> {
        let partition = PartitionData { partition_index: 0 };
        let topic = TopicData { topic_name: CLUSTER_METADATA.into(), partitions: vec![partition] };
        let request = DescribeQuorumRequest { topics: vec![topic] };
        let doing = || "describe the metadata quorum".to_owned();
        self.ask(Whom::Anybody, &request, "describe the metadata quorum", |answer| {
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
            let partition =
                partition.ok_or_else(|| Error::refused(ErrorCode::UnknownServerError, doing()))?;
            Error::check(partition.error_code, partition.error_message.as_deref(), doing)?;
            Ok(QuorumDescription {
                leader_id: partition.leader_id,
                leader_epoch: partition.leader_epoch,
                high_watermark: partition.high_watermark,
                voters: partition.current_voters.into_iter().map(quorum_replica).collect(),
                observers: partition.observers.into_iter().map(quorum_replica).collect(),
            })
        })
        .await
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
    }
}

fn quorum_replica(replica: ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: replica.replica_id,
        directory_id: replica.replica_directory_id,
        log_end_offset: replica.log_end_offset,
        last_fetch_ms: replica.last_fetch_timestamp,
        last_caught_up_ms: replica.last_caught_up_timestamp,
    }
}
