//! Committed offsets of groups: commit, read, both for members and for admins (who act as nobody). Finds the
//! coordinator again when it has moved. KIP-709 (batches), KIP-848 (topic ids in v10), KIP-447 (stable offsets).

use crate::cluster::{Cluster, CoordinatorKind};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str, Uuid};

/// The last OffsetCommit and OffsetFetch version that names topics by name.
const LAST_BY_NAME: i16 = 9;
const _: () =
    assert!(LAST_BY_NAME < *ApiKey::OffsetCommit.versions().end(), "a later one names topics by id");
const _: () = assert!(LAST_BY_NAME < *ApiKey::OffsetFetch.versions().end(), "a later one names topics by id");

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the record before it, -1 if unknown.
    pub leader_epoch: i32,
    /// The committer's own note.
    pub metadata: Str,
}

impl CommittedOffset {
    /// An offset without epoch and note.
    pub fn new(offset: i64) -> CommittedOffset {
        CommittedOffset { offset, leader_epoch: -1, metadata: Str::new() }
    }
}

/// On whose behalf offsets are committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committer {
    pub(crate) group_id: Str,
    pub(crate) generation: i32,
    pub(crate) member_id: Str,
    pub(crate) instance_id: Option<Str>,
}

impl Committer {
    /// No member: allowed while the group has none.
    pub(crate) fn nobody(group_id: Str) -> Committer {
        Committer { group_id, generation: -1, member_id: Str::new(), instance_id: None }
    }
}

/// A result per partition.
pub(crate) type PerPartition<T> = BTreeMap<TopicPartition, Result<T>>;

/// Commits, and again while the coordinator is moving. The outer error is the group's, the inner ones are the
/// partitions'. Cancel-safe: a dropped commit may still happen.
pub(crate) async fn commit(
    cluster: &Cluster,
    committer: &Committer,
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    within: Duration,
) -> Result<PerPartition<()>> {
    if offsets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let doing = format!("commit offsets of group {:?}", committer.group_id);
    let mut attempts = cluster.attempts(within, doing);
    loop {
        let error = match commit_once(cluster, committer, offsets).await {
            Ok(committed) => {
                match committed.values().find_map(|one| one.as_ref().err().filter(|e| e.is_retriable())) {
                    None => return Ok(committed),
                    Some(error) => error.clone(),
                }
            }
            Err(error) => error,
        };
        attempts.failed(error).await?;
    }
}

async fn commit_once(
    cluster: &Cluster,
    committer: &Committer,
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Result<PerPartition<()>> {
    let metadata = cluster.metadata();
    let id_of = |name: &str| metadata.topics.get(name).map_or(Uuid::ZERO, |topic| topic.id);
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (target, committed) in offsets {
        if topics.last().is_none_or(|topic| topic.name != target.topic) {
            let (name, topic_id) = (target.topic.clone(), id_of(&target.topic));
            topics.push(OffsetCommitRequestTopic { name, topic_id, ..OffsetCommitRequestTopic::default() });
        }
        let partition = OffsetCommitRequestPartition {
            partition_index: target.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            committed_metadata: Some(committed.metadata.clone()),
        };
        topics.last_mut().expect("pushed above").partitions.push(partition);
    }
    let by_id = topics.iter().all(|topic| !topic.topic_id.is_zero());
    let names: BTreeMap<Uuid, Str> =
        topics.iter().map(|topic| (topic.topic_id, topic.name.clone())).collect();
    let request = OffsetCommitRequest {
        group_id: committer.group_id.clone(),
        generation_id_or_member_epoch: committer.generation,
        member_id: committer.member_id.clone(),
        group_instance_id: committer.instance_id.clone(),
        topics,
        ..OffsetCommitRequest::default()
    };
    let coordinator = cluster.find_coordinator(CoordinatorKind::Group, &committer.group_id).await?;
    let connection = cluster.node_connection(coordinator).await?;
    let version = connection.version(ApiKey::OffsetCommit, if by_id { i16::MAX } else { LAST_BY_NAME })?;
    let answer = connection.send(&request, version, cluster.options().request_timeout).await?;
    Ok(read_commit(answer, &names))
}

fn read_commit(answer: OffsetCommitResponse, names: &BTreeMap<Uuid, Str>) -> PerPartition<()> {
    let mut committed = PerPartition::new();
    for topic in answer.topics {
        let name = names.get(&topic.topic_id).filter(|_| !topic.topic_id.is_zero()).cloned();
        let name = name.unwrap_or_else(|| topic.name.detached());
        for partition in topic.partitions {
            let target = TopicPartition::new(name.clone(), partition.partition_index);
            let checked =
                Error::check(partition.error_code, None, || format!("commit the offset of {target}"));
            committed.insert(target, checked);
        }
    }
    committed
}

/// Reads committed offsets; `None` reads all that the group has. Partitions without one are absent. Cancel-safe.
pub(crate) async fn committed(
    cluster: &Cluster,
    group_id: &Str,
    wanted: Option<&[TopicPartition]>,
    stable: bool,
    within: Duration,
) -> Result<PerPartition<CommittedOffset>> {
    let mut attempts = cluster.attempts(within, format!("read committed offsets of group {group_id:?}"));
    loop {
        let error = match committed_once(cluster, group_id, wanted, stable).await {
            Ok(found) => match found.values().find_map(|one| one.as_ref().err().filter(|e| e.is_retriable()))
            {
                None => return Ok(found),
                Some(error) => error.clone(),
            },
            Err(error) => error,
        };
        attempts.failed(error).await?;
    }
}

async fn committed_once(
    cluster: &Cluster,
    group_id: &Str,
    wanted: Option<&[TopicPartition]>,
    stable: bool,
) -> Result<PerPartition<CommittedOffset>> {
    let mut by_topic: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
    for target in wanted.into_iter().flatten() {
        by_topic.entry(target.topic.clone()).or_default().push(target.partition);
    }
    let in_group = by_topic.iter().map(|(name, partitions)| OffsetFetchRequestTopics {
        name: name.clone(),
        partition_indexes: partitions.clone(),
        ..OffsetFetchRequestTopics::default()
    });
    let single = by_topic.iter().map(|(name, partitions)| OffsetFetchRequestTopic {
        name: name.clone(),
        partition_indexes: partitions.clone(),
    });
    let request = OffsetFetchRequest {
        group_id: group_id.clone(),
        topics: wanted.map(|_| single.collect()),
        groups: vec![OffsetFetchRequestGroup {
            group_id: group_id.clone(),
            topics: wanted.map(|_| in_group.collect()),
            ..OffsetFetchRequestGroup::default()
        }],
        require_stable: stable,
    };
    let coordinator = cluster.find_coordinator(CoordinatorKind::Group, group_id).await?;
    let connection = cluster.node_connection(coordinator).await?;
    // By name: an admin asks for groups whose topics nobody here knows the ids of.
    let version = connection.version(ApiKey::OffsetFetch, LAST_BY_NAME)?;
    let answer = connection.send(&request, version, cluster.options().request_timeout).await?;
    read_committed(answer, group_id)
}

fn read_committed(answer: OffsetFetchResponse, group_id: &Str) -> Result<PerPartition<CommittedOffset>> {
    let doing = || format!("read committed offsets of group {group_id:?}");
    Error::check(answer.error_code, None, doing)?;
    let mut found = PerPartition::new();
    let mut add = |topic: &Str, partition: i32, code: i16, committed: CommittedOffset| {
        let target = TopicPartition::new(topic.detached(), partition);
        match Error::check(code, None, || format!("read the committed offset of {target}")) {
            Ok(()) if committed.offset < 0 => {}
            Ok(()) => {
                found.insert(target, Ok(committed));
            }
            Err(error) => {
                found.insert(target, Err(error));
            }
        }
    };
    for topic in &answer.topics {
        for one in &topic.partitions {
            let committed =
                committed_offset(one.committed_offset, one.committed_leader_epoch, one.metadata.as_ref());
            add(&topic.name, one.partition_index, one.error_code, committed);
        }
    }
    for group in &answer.groups {
        Error::check(group.error_code, None, doing)?;
        for topic in &group.topics {
            for one in &topic.partitions {
                let committed =
                    committed_offset(one.committed_offset, one.committed_leader_epoch, one.metadata.as_ref());
                add(&topic.name, one.partition_index, one.error_code, committed);
            }
        }
    }
    Ok(found)
}

fn committed_offset(offset: i64, leader_epoch: i32, metadata: Option<&Str>) -> CommittedOffset {
    CommittedOffset { offset, leader_epoch, metadata: metadata.map_or_else(Str::new, Str::detached) }
}

/// True where a refusal says that the coordinator is elsewhere or not ready.
pub(crate) fn coordinator_moved(error: &Error) -> bool {
    match error {
        Error::Network { .. } | Error::NoBroker { .. } | Error::NoSuchNode { .. } => true,
        Error::Refused { code, .. } => matches!(
            code,
            ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::CoordinatorLoadInProgress
        ),
        Error::Timeout { .. }
        | Error::Unsupported { .. }
        | Error::Malformed { .. }
        | Error::Configuration { .. }
        | Error::Closed => false,
    }
}
