//! AlterReplicaLogDirs (KIP-113): replicas of this broker shall lie in other log directories. A wish for one that is not here (yet) is
//! kept: it decides where the replica will be made.

use std::collections::BTreeMap;

use wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::command::{Command, MoveReplica};
use crate::mailbox::{Answer, reply};
use crate::security::authorizer::{Operation, Resource};
use crate::views::Role;

pub(super) async fn handle(call: Call, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    // Named for two directories, a replica goes to the last of them, as in Kafka.
    let mut wanted: BTreeMap<(Str, i32), Str> = BTreeMap::new();
    for directory in request.dirs {
        for topic in directory.topics {
            for partition in topic.partitions {
                wanted.insert((topic.name.clone(), partition), directory.path.clone());
            }
        }
    }
    let allowed = call.authorize(Operation::Alter, Resource::Cluster);
    let asked: Vec<_> = wanted
        .into_iter()
        .map(|((topic, partition), path)| {
            let answer = allowed.and_then(|()| ask(&call, &topic, partition, &path));
            (topic, partition, answer)
        })
        .collect();
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for (topic_name, partition_index, answer) in asked {
        let error = match answer {
            Ok(answer) => answer.await.unwrap_or(ErrorCode::ReplicaNotAvailable),
            Err(error) => error,
        };
        let result = AlterReplicaLogDirPartitionResult { partition_index, error_code: error.code() };
        match results.last_mut().filter(|last| last.topic_name == topic_name) {
            Some(last) => last.partitions.push(result),
            None => results.push(AlterReplicaLogDirTopicResult { topic_name, partitions: vec![result] }),
        }
    }
    AlterReplicaLogDirsResponse { results, ..AlterReplicaLogDirsResponse::default() }
}

/// In the order in which Kafka looks: name, directory, replica.
fn ask(call: &Call, topic: &str, partition: i32, path: &str) -> Result<Answer<ErrorCode>, ErrorCode> {
    if !log::names::may_move(topic, partition) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let directories = call.node.directories();
    let target = directories.by_path(path).ok_or(ErrorCode::LogDirNotFound)?;
    let directory = directories.get(target).ok_or(ErrorCode::LogDirNotFound)?;
    if directory.is_failed() {
        return Err(ErrorCode::KafkaStorageError);
    }
    if directory.is_cordoned() {
        return Err(ErrorCode::InvalidReplicaAssignment);
    }
    let views = call.node.views().by_name(topic);
    let cell = views.as_ref().and_then(|views| views.partition(partition)).cloned();
    let (Some(topic), Some(cell)) = (views, cell) else {
        directories.prefer(topic, partition, target);
        return Err(ErrorCode::UnknownTopicOrPartition);
    };
    match cell.role() {
        Role::Offline => return Err(ErrorCode::KafkaStorageError),
        Role::Absent => {
            directories.prefer(&topic.name, partition, target);
            return Err(ErrorCode::ReplicaNotAvailable);
        }
        Role::Leader { .. } | Role::Follower { .. } => {}
    }
    let (reply, answer) = reply();
    let command = MoveReplica { cell: cell.clone(), topic, target, reply };
    call.node.submit(call.now_ms, &cell, Command::Move(command));
    Ok(answer)
}
