//! Everything a group coordinator can be asked, and every answer. Closed enums: a new command asks every room.

use super::consumer::refusal::Refusal;
use super::consumer::{ConsumerHeartbeatAnswer, Resolved};
use super::share::{Partitions, ShareHeartbeatAnswer, ToDelete, ToInitialize};
use super::streams::StreamsHeartbeatAnswer;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse,
};
use wire::messages::consumer_group_describe::DescribedGroup as DescribedConsumerGroup;
use wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use wire::messages::delete_groups::DeletableGroupResult;
use wire::messages::delete_share_group_offsets::DeleteShareGroupOffsetsRequest;
use wire::messages::describe_groups::DescribedGroup;
use wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use wire::messages::list_groups::ListedGroup;
use wire::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use wire::messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use wire::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponseGroup};
use wire::messages::share_group_describe::DescribedGroup as DescribedShareGroup;
use wire::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;
use wire::messages::streams_group_describe::DescribedGroup as DescribedStreamsGroup;
use wire::messages::streams_group_heartbeat::StreamsGroupHeartbeatRequest;
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use wire::messages::txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use wire::{ErrorCode, Str, Uuid};

/// Who asks, and in which version of the API; answers take that version's form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caller {
    /// The version of the request.
    pub api_version: i16,
    /// The connection's `client.id`.
    pub client_id: Str,
    /// As Java prints an address without a host name: `/127.0.0.1`.
    pub client_host: Str,
}

/// A topic that has left the image.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletedTopic {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Str,
}

/// What a group coordinator is asked, by clients (the requests as they came, where not said otherwise) and by itself (inner). Every one
/// names groups of this partition only.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are who asks, what came, and what the line above names
pub enum GroupCommand {
    /// JoinGroup: becomes a member, or takes part in a rebalance.
    Join { caller: Caller, request: JoinGroupRequest },
    /// SyncGroup: brings the assignment, or waits for it.
    Sync { caller: Caller, request: SyncGroupRequest },
    /// Heartbeat: stays a member.
    Heartbeat { caller: Caller, request: HeartbeatRequest },
    /// The request as it came: `member_id` below version 3, `members` from there on.
    Leave { caller: Caller, request: LeaveGroupRequest },
    /// ConsumerGroupHeartbeat: becomes a member of a consumer group, stays one, or leaves.
    ConsumerHeartbeat { caller: Caller, request: Box<ConsumerGroupHeartbeatRequest> },
    /// ConsumerGroupDescribe: distinct groups of this partition.
    ConsumerDescribe { groups: Vec<Str> },
    /// What was asked with an answer to a heartbeat. Answered with [`GroupAnswer::Done`].
    RegexesResolved { resolved: Resolved },
    /// ShareGroupHeartbeat: becomes a member of a share group, stays one, or leaves.
    ShareHeartbeat { caller: Caller, request: Box<ShareGroupHeartbeatRequest> },
    /// ShareGroupDescribe: distinct groups of this partition.
    ShareDescribe { groups: Vec<Str> },
    /// StreamsGroupHeartbeat: becomes a member of a streams group, stays one, or leaves.
    StreamsHeartbeat { caller: Caller, request: Box<StreamsGroupHeartbeatRequest> },
    /// StreamsGroupDescribe: distinct groups of this partition.
    StreamsDescribe { groups: Vec<Str> },
    /// DescribeShareGroupOffsets of everything: the partitions that have share state.
    SharePartitions { group: Str },
    /// What was asked with an answer to a heartbeat or an alteration: the share state of these is there, or was not made. Answered with
    /// [`GroupAnswer::Done`].
    ShareTopicsInitialized { group: Str, partitions: Partitions, is_there: bool },
    /// AlterShareGroupOffsets of topics that may be read.
    AlterShareOffsets { request: Box<AlterShareGroupOffsetsRequest> },
    /// DeleteShareGroupOffsets of topics that may be read.
    BeginDeletingShareOffsets { request: Box<DeleteShareGroupOffsetsRequest> },
    /// DeleteGroups, before it: a share group's state goes first.
    BeginDeletingShareGroup { group: Str },
    /// The share state of these topics is gone. Answered with [`GroupAnswer::Done`].
    ShareStateDeleted { group: Str, topics: BTreeSet<Uuid> },
    /// Topics that exist and may be read, each with both its name and its id.
    CommitOffsets {
        caller: Caller,
        /// Shared with the handler, which has to tell the same topics if nobody answers.
        request: Arc<OffsetCommitRequest>,
    },
    /// Topics that exist and may be read, each with its name and, where known, its id.
    CommitTransactionalOffsets { caller: Caller, request: TxnOffsetCommitRequest },
    /// One group of a request; below version 8 the handler makes the one group of the request's own fields. Topics
    /// have names; no topics at all asks for every offset.
    FetchOffsets { caller: Caller, group: OffsetFetchRequestGroup, require_stable: bool },
    /// OffsetDelete (KIP-496): refused for topics that the group subscribes to.
    DeleteOffsets { request: OffsetDeleteRequest },
    /// Distinct groups of this partition.
    Describe { caller: Caller, groups: Vec<Str> },
    /// Filters as they came; none given means all.
    List { states: Vec<Str>, types: Vec<Str> },
    /// All groups of this partition, for those who measure.
    Figures,
    /// Distinct groups of this partition.
    Delete { groups: Vec<Str> },
    /// Topics were deleted: their offsets go. Answered with [`GroupAnswer::Done`].
    TopicsDeleted { topics: Vec<DeletedTopic> },
    /// Inner: the leader's assignment is committed.
    AssignmentPersisted { group: Str, generation: i32, assignment: BTreeMap<Str, Bytes> },
    /// Inner: a static member's new member id is committed.
    StaticMemberPersisted { group: Str, member_id: Str, leader_before: Option<Str> },
    /// Inner: a deadline has come.
    Fired(GroupTimer),
}

/// What a group coordinator answers; the variant is the command's.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each is called as the command it answers
pub enum GroupAnswer {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    Leave(LeaveGroupResponse),
    ConsumerHeartbeat(Box<ConsumerHeartbeatAnswer>),
    ConsumerDescribe(Vec<DescribedConsumerGroup>),
    ShareHeartbeat(Box<ShareHeartbeatAnswer>),
    ShareDescribe(Vec<DescribedShareGroup>),
    StreamsHeartbeat(Box<StreamsHeartbeatAnswer>),
    StreamsDescribe(Vec<DescribedStreamsGroup>),
    SharePartitions(Result<Partitions, ErrorCode>),
    /// And what is to be initialised before it is told.
    AlterShareOffsets(Box<Result<(AlterShareGroupOffsetsResponse, ToInitialize), Refusal>>),
    /// To both that begin to delete.
    DeletingShareState(Box<Result<ToDelete, Refusal>>),
    CommitOffsets(OffsetCommitResponse),
    CommitTransactionalOffsets(TxnOffsetCommitResponse),
    FetchOffsets(OffsetFetchResponseGroup),
    DeleteOffsets(OffsetDeleteResponse),
    Describe(Vec<DescribedGroup>),
    List(Result<Vec<ListedGroup>, ErrorCode>),
    Figures(Vec<GroupFigures>),
    Delete(Vec<DeletableGroupResult>),
    /// To the end of a transaction (WriteTxnMarkers).
    Marker(ErrorCode),
    Done,
}

/// One group as it is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFigures {
    /// Its id.
    pub group_id: Str,
    /// `classic`, `consumer`, `share` or `streams`.
    pub group_type: &'static str,
    /// As ListGroups calls it.
    pub state: &'static str,
    /// How many there are.
    pub members: usize,
    /// By topic and partition: the offset that will be read next.
    pub offsets: Vec<(Str, i32, i64)>,
}

/// Deadlines; a group or member has at most one of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the fields say whose it is
pub enum GroupTimer {
    /// A member's session, and how long a member id is kept for someone who was told to come back with it.
    Session { group: Str, member_id: Str },
    /// The join phase: the initial delay, or the rebalance timeout.
    Join { group: Str },
    /// Members that have not asked for their assignment.
    Sync { group: Str },
    /// What a member of a consumer or streams group must give back.
    Revocation { group: Str, member_id: Str },
    /// A classic member of a consumer group that was told to come again.
    ClassicJoin { group: Str, member_id: Str },
    /// A classic member of a consumer group that has come and not asked for its assignment.
    ClassicSync { group: Str, member_id: Str },
    /// The first members of a streams group wait for others to come.
    InitialRebalance { group: Str },
    /// Old offsets and empty groups, scanned in pieces: the groups after `after`.
    Expiry { after: Option<Str> },
}
