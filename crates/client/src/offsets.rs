//! Offsets of partitions by time, from their leaders: grouping by leader, retrying what moved. Used by consumers and
//! admins alike. KIP-79, KIP-734 (max timestamp), KIP-405 and KIP-1023 (local and tiered ends).

use crate::cluster::Cluster;
use crate::cluster::metadata::Metadata;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode};

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first one that can be read.
    Earliest,
    /// The one that the next record will get (with read_committed: the last stable offset).
    Latest,
    /// The one of the record with the greatest timestamp.
    MaxTimestamp,
    /// The first one on the leader's own disk.
    EarliestLocal,
    /// The last one in tiered storage.
    LatestTiered,
    /// The first one not yet in tiered storage.
    EarliestPendingUpload,
    /// The first record at or after this time, in milliseconds since the epoch.
    Timestamp(i64),
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::EarliestPendingUpload => -6,
            OffsetSpec::Timestamp(ms) => ms,
        }
    }

    /// The first ListOffsets version that knows it.
    fn since(self) -> i16 {
        match self {
            OffsetSpec::Latest | OffsetSpec::Earliest | OffsetSpec::Timestamp(_) => 1,
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
            OffsetSpec::EarliestPendingUpload => 11,
        }
    }
}

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All.
    #[default]
    ReadUncommitted = 0,
    /// Those of committed transactions, and all without a transaction.
    ReadCommitted = 1,
}

/// An answer to an [`OffsetSpec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// -1 where there is none, such as for a time after the last record.
    pub offset: i64,
    /// The record's timestamp, -1 for ends.
    pub timestamp_ms: i64,
    /// The epoch it was written in, -1 if unknown.
    pub leader_epoch: i32,
}

pub(crate) type Listed = BTreeMap<TopicPartition, Result<ListedOffset>>;

/// Asks each partition's leader, again and again until `within` has passed for those that are between leaders. A
/// partition that stays without an answer has an error of its own. Cancel-safe.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    isolation: IsolationLevel,
    within: Duration,
) -> Listed {
    list(cluster, wanted, isolation, within, Enough::All).await
}

/// The same, but what is known is not kept back for what is not: as soon as some have an answer, the others are left out.
pub(crate) async fn list_what_is_known(
    cluster: &Cluster,
    wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    isolation: IsolationLevel,
    within: Duration,
) -> Listed {
    list(cluster, wanted, isolation, within, Enough::Some).await
}

/// When to stop asking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Enough {
    All,
    Some,
}

async fn list(
    cluster: &Cluster,
    wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    isolation: IsolationLevel,
    within: Duration,
    enough: Enough,
) -> Listed {
    let mut attempts = cluster.attempts(within, "list offsets");
    let mut listed = Listed::new();
    let mut open: BTreeMap<TopicPartition, OffsetSpec> = wanted.clone();
    cluster.add_interest(wanted.keys().map(|target| &target.topic), false);
    loop {
        let seen = cluster.metadata().version;
        let mut failure = None;
        for (target, answer) in list_once(cluster, &open, isolation).await {
            match answer {
                Err(error) if error.is_retriable() => failure = Some((target, error)),
                decided => {
                    open.remove(&target);
                    listed.insert(target, decided);
                }
            }
        }
        let Some((_target, error)) = failure else { return listed };
        if enough == Enough::Some && !listed.is_empty() {
            return listed;
        }
        if let Err(error) = attempts.failed(error).await {
            listed.extend(open.into_keys().map(|target| (target, Err(error.clone()))));
            return listed;
        }
        if let Err(error) = cluster.refresh(seen).await {
            tracing::debug!(%error, "no metadata while listing offsets");
        }
    }
}

/// One try, with an answer for each partition.
async fn list_once(
    cluster: &Cluster,
    wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    isolation: IsolationLevel,
) -> Listed {
    let metadata = cluster.metadata();
    let mut listed = Listed::new();
    let mut by_leader: BTreeMap<i32, Vec<(&TopicPartition, OffsetSpec)>> = BTreeMap::new();
    for (target, spec) in wanted {
        match metadata.leader(&target.topic, target.partition) {
            Some((leader, _epoch)) => by_leader.entry(leader).or_default().push((target, *spec)),
            None => {
                listed.insert(target.clone(), Err(no_leader(&metadata, target)));
            }
        }
    }
    for (leader, targets) in by_leader {
        match ask_leader(cluster, &metadata, leader, &targets, isolation).await {
            Ok(answer) => listed.extend(read_answer(answer)),
            Err(error) => {
                listed.extend(targets.iter().map(|(target, _)| ((*target).clone(), Err(error.clone()))));
            }
        }
        for (target, _) in targets {
            let missing =
                || Err(Error::refused(ErrorCode::UnknownServerError, format!("list offsets of {target}")));
            listed.entry(target.clone()).or_insert_with(missing);
        }
    }
    listed
}

fn no_leader(metadata: &Metadata, target: &TopicPartition) -> Error {
    let doing = format!("list offsets of {target}");
    let code = match (metadata.topics.get(&target.topic), metadata.topic_errors.get(&target.topic)) {
        (Some(topic), _) if topic.partition(target.partition).is_some() => ErrorCode::LeaderNotAvailable,
        (None, Some(code)) => *code,
        (Some(_) | None, _) => ErrorCode::UnknownTopicOrPartition,
    };
    Error::refused(code, doing)
}

async fn ask_leader(
    cluster: &Cluster,
    metadata: &Metadata,
    leader: i32,
    targets: &[(&TopicPartition, OffsetSpec)],
    isolation: IsolationLevel,
) -> Result<ListOffsetsResponse> {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (target, spec) in targets {
        if topics.last().is_none_or(|topic| topic.name != target.topic) {
            topics.push(ListOffsetsTopic { name: target.topic.clone(), ..ListOffsetsTopic::default() });
        }
        let epoch = metadata.leader(&target.topic, target.partition).map_or(-1, |(_leader, epoch)| epoch);
        let partition = ListOffsetsPartition {
            partition_index: target.partition,
            current_leader_epoch: epoch,
            timestamp: spec.timestamp(),
        };
        topics.last_mut().expect("pushed above").partitions.push(partition);
    }
    let timeout = cluster.options().request_timeout;
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation as i8,
        topics,
        timeout_ms: timeout.as_millis() as i32,
    };
    let connection = cluster.node_connection(leader).await?;
    let version = connection.version(ApiKey::ListOffsets, i16::MAX)?;
    let needed = targets.iter().map(|(_, spec)| spec.since()).max().unwrap_or(1);
    if version < needed {
        let address = connection.address().to_owned();
        let why = format!("the offset asked for needs version {needed}, the broker speaks {version}");
        return Err(Error::Unsupported { api: ApiKey::ListOffsets, address, why });
    }
    connection.send(&request, version, timeout).await
}

fn read_answer(answer: ListOffsetsResponse) -> Listed {
    let mut listed = Listed::new();
    for topic in answer.topics {
        for partition in topic.partitions {
            let target = TopicPartition::new(topic.name.detached(), partition.partition_index);
            let checked = Error::check(partition.error_code, None, || format!("list offsets of {target}"));
            let found = checked.map(|()| ListedOffset {
                offset: partition.offset,
                timestamp_ms: partition.timestamp,
                leader_epoch: partition.leader_epoch,
            });
            listed.insert(target, found);
        }
    }
    listed
}
