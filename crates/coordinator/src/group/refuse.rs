//! How every command is refused as a whole, and what an answer becomes when its state was not kept.
//!
//! Owns the shapes only; which error it is comes from whoever refuses.

use super::answers;
use super::command::{GroupAnswer, GroupCommand};
use super::consumer::refusal::Refusal;
use super::consumer::{self, ConsumerHeartbeatAnswer};
use super::share::{self, ShareHeartbeatAnswer};
use super::streams::{self, StreamsHeartbeatAnswer};
use wire::ErrorCode;
use wire::messages::delete_groups::DeletableGroupResult;
use wire::messages::describe_groups::DescribedGroup;
use wire::messages::leave_group::LeaveGroupResponse;
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::messages::offset_delete::OffsetDeleteResponse;
use wire::messages::share_group_heartbeat::ShareGroupHeartbeatResponse;
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};
use wire::{Str, Uuid};

pub fn command(command: &GroupCommand, error: ErrorCode) -> GroupAnswer {
    match command {
        GroupCommand::Join { caller, request } => {
            let response = answers::join_refusal(request.member_id.clone(), error, caller.api_version);
            GroupAnswer::Join(response)
        }
        GroupCommand::Sync { .. } => GroupAnswer::Sync(answers::sync_refusal(error)),
        GroupCommand::Heartbeat { .. } => {
            // A member must not leave its group because the coordinator is still loading.
            let loading = error == ErrorCode::CoordinatorLoadInProgress;
            let error = if loading { ErrorCode::None } else { error };
            GroupAnswer::Heartbeat(answers::heartbeat_refusal(error))
        }
        GroupCommand::Leave { .. } => {
            GroupAnswer::Leave(LeaveGroupResponse { error_code: error.code(), ..Default::default() })
        }
        GroupCommand::ConsumerHeartbeat { .. } => consumer_heartbeat(error),
        GroupCommand::ConsumerDescribe { groups } => GroupAnswer::ConsumerDescribe(
            groups.iter().map(|group| consumer::describe::refused(group, error, None)).collect(),
        ),
        GroupCommand::ShareHeartbeat { .. } => share_heartbeat(error),
        GroupCommand::ShareDescribe { groups } => GroupAnswer::ShareDescribe(
            groups.iter().map(|group| share::describe_refused(group, error, None)).collect(),
        ),
        GroupCommand::StreamsHeartbeat { .. } => streams_heartbeat(error),
        GroupCommand::StreamsDescribe { groups } => GroupAnswer::StreamsDescribe(
            groups.iter().map(|group| streams::describe_refused(group, error, None)).collect(),
        ),
        GroupCommand::SharePartitions { .. } => GroupAnswer::SharePartitions(Err(error)),
        GroupCommand::AlterShareOffsets { .. } => {
            GroupAnswer::AlterShareOffsets(Box::new(Err(Refusal::new(error, error.message()))))
        }
        GroupCommand::BeginDeletingShareOffsets { .. } | GroupCommand::BeginDeletingShareGroup { .. } => {
            GroupAnswer::DeletingShareState(Box::new(Err(Refusal::new(error, error.message()))))
        }
        GroupCommand::CommitOffsets { request, .. } => {
            GroupAnswer::CommitOffsets(offset_commit(request, error))
        }
        GroupCommand::CommitTransactionalOffsets { request, .. } => {
            GroupAnswer::CommitTransactionalOffsets(txn_offset_commit(request, error))
        }
        GroupCommand::FetchOffsets { caller, group, .. } => {
            GroupAnswer::FetchOffsets(answers::offset_fetch_refusal(group, error, caller.api_version))
        }
        GroupCommand::DeleteOffsets { .. } => GroupAnswer::DeleteOffsets(OffsetDeleteResponse {
            error_code: error.code(),
            ..OffsetDeleteResponse::default()
        }),
        GroupCommand::Describe { groups, .. } => {
            GroupAnswer::Describe(groups.iter().map(|group| described(group, error)).collect())
        }
        GroupCommand::List { .. } => GroupAnswer::List(Err(error)),
        GroupCommand::Figures => GroupAnswer::Figures(Vec::new()),
        GroupCommand::Delete { groups } => {
            GroupAnswer::Delete(groups.iter().map(|group| deleted(group, error)).collect())
        }
        GroupCommand::TopicsDeleted { .. }
        | GroupCommand::RegexesResolved { .. }
        | GroupCommand::ShareTopicsInitialized { .. }
        | GroupCommand::ShareStateDeleted { .. }
        | GroupCommand::AssignmentPersisted { .. }
        | GroupCommand::StaticMemberPersisted { .. }
        | GroupCommand::Fired(_) => GroupAnswer::Done,
    }
}

fn share_heartbeat(error: ErrorCode) -> GroupAnswer {
    let response = ShareGroupHeartbeatResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..ShareGroupHeartbeatResponse::default()
    };
    GroupAnswer::ShareHeartbeat(Box::new(ShareHeartbeatAnswer { response, initialize: None }))
}

fn streams_heartbeat(error: ErrorCode) -> GroupAnswer {
    let refusal = Refusal::new(error, error.message());
    GroupAnswer::StreamsHeartbeat(Box::new(StreamsHeartbeatAnswer::refused(refusal)))
}

fn consumer_heartbeat(error: ErrorCode) -> GroupAnswer {
    let response = consumer::refusal::Refusal { error, message: None }.response();
    GroupAnswer::ConsumerHeartbeat(Box::new(ConsumerHeartbeatAnswer { response, resolve: None }))
}

/// The same error at every partition.
pub fn offset_commit(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        offset_commit_topic(topic.topic_id, &topic.name, indexes, error)
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}

fn offset_commit_topic(
    topic_id: Uuid,
    name: &Str,
    partitions: impl Iterator<Item = i32>,
    error: ErrorCode,
) -> OffsetCommitResponseTopic {
    let partitions = partitions
        .map(|partition_index| OffsetCommitResponsePartition { partition_index, error_code: error.code() });
    OffsetCommitResponseTopic { topic_id, name: name.clone(), partitions: partitions.collect() }
}

/// The same error at every partition.
pub fn txn_offset_commit(request: &TxnOffsetCommitRequest, error: ErrorCode) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| TxnOffsetCommitResponseTopic {
        topic_id: topic.topic_id,
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            })
            .collect(),
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..TxnOffsetCommitResponse::default() }
}

fn described(group: &Str, error: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id: group.clone(), error_code: error.code(), ..DescribedGroup::default() }
}

pub fn deleted(group: &Str, error: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult { group_id: group.clone(), error_code: error.code(), ..Default::default() }
}

/// What an answer becomes when the state that it tells of may be lost.
pub fn answer(answer: GroupAnswer, error: ErrorCode) -> GroupAnswer {
    let code = error.code();
    match answer {
        GroupAnswer::Join(response) => {
            // The version's form of "no protocol" is in the answer already.
            let protocol_name = response.protocol_name.map(|_| Str::new());
            let mut refusal = answers::join_refusal(response.member_id, error, 7);
            refusal.protocol_name = protocol_name;
            GroupAnswer::Join(refusal)
        }
        GroupAnswer::Sync(_) => GroupAnswer::Sync(answers::sync_refusal(error)),
        GroupAnswer::Heartbeat(_) => GroupAnswer::Heartbeat(answers::heartbeat_refusal(error)),
        GroupAnswer::Leave(_) => {
            GroupAnswer::Leave(LeaveGroupResponse { error_code: code, ..Default::default() })
        }
        GroupAnswer::ConsumerHeartbeat(_) => consumer_heartbeat(error),
        GroupAnswer::ConsumerDescribe(groups) => GroupAnswer::ConsumerDescribe(
            groups.iter().map(|group| consumer::describe::refused(&group.group_id, error, None)).collect(),
        ),
        GroupAnswer::ShareHeartbeat(_) => share_heartbeat(error),
        GroupAnswer::ShareDescribe(groups) => GroupAnswer::ShareDescribe(
            groups.iter().map(|group| share::describe_refused(&group.group_id, error, None)).collect(),
        ),
        GroupAnswer::StreamsHeartbeat(_) => streams_heartbeat(error),
        GroupAnswer::StreamsDescribe(groups) => GroupAnswer::StreamsDescribe(
            groups.iter().map(|group| streams::describe_refused(&group.group_id, error, None)).collect(),
        ),
        GroupAnswer::SharePartitions(_) => GroupAnswer::SharePartitions(Err(error)),
        GroupAnswer::AlterShareOffsets(_) => {
            GroupAnswer::AlterShareOffsets(Box::new(Err(Refusal::new(error, error.message()))))
        }
        GroupAnswer::DeletingShareState(_) => {
            GroupAnswer::DeletingShareState(Box::new(Err(Refusal::new(error, error.message()))))
        }
        GroupAnswer::CommitOffsets(mut response) => {
            let partitions = response.topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut());
            partitions.for_each(|partition| partition.error_code = code);
            GroupAnswer::CommitOffsets(response)
        }
        GroupAnswer::CommitTransactionalOffsets(mut response) => {
            let partitions = response.topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut());
            partitions.for_each(|partition| partition.error_code = code);
            GroupAnswer::CommitTransactionalOffsets(response)
        }
        GroupAnswer::FetchOffsets(mut response) => {
            response.error_code = code;
            response.topics.clear();
            GroupAnswer::FetchOffsets(response)
        }
        GroupAnswer::DeleteOffsets(_) => GroupAnswer::DeleteOffsets(OffsetDeleteResponse {
            error_code: code,
            ..OffsetDeleteResponse::default()
        }),
        GroupAnswer::Describe(groups) => {
            GroupAnswer::Describe(groups.iter().map(|group| described(&group.group_id, error)).collect())
        }
        GroupAnswer::List(_) => GroupAnswer::List(Err(error)),
        GroupAnswer::Delete(results) => {
            GroupAnswer::Delete(results.iter().map(|result| deleted(&result.group_id, error)).collect())
        }
        GroupAnswer::Marker(_) => GroupAnswer::Marker(error),
        GroupAnswer::Figures(figures) => GroupAnswer::Figures(figures),
        GroupAnswer::Done => GroupAnswer::Done,
    }
}
