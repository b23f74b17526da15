//! The form of answers by API version: where an old version has no field for what a newer one says.
//!
//! Owns no decision. The handlers use these for refusals of their own (authorization), too.

use wire::messages::heartbeat::HeartbeatResponse;
use wire::messages::join_group::JoinGroupResponse;
use wire::messages::leave_group::LeaveGroupResponse;
use wire::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use wire::messages::sync_group::SyncGroupResponse;
use wire::{ErrorCode, Str};

/// The offset that says "none committed".
pub const INVALID_OFFSET: i64 = -1;

/// Before version 7 the protocol name cannot be null.
pub fn join_in_version(mut response: JoinGroupResponse, api_version: i16) -> JoinGroupResponse {
    response.protocol_name = match response.protocol_name {
        None if api_version < 7 => Some(Str::new()),
        Some(name) if api_version >= 7 && name.is_empty() => None,
        given => given,
    };
    response
}

/// A JoinGroup that is refused, in the form of its version: what newer clients read as null older ones read as empty.
pub fn join_refusal(member_id: Str, error: ErrorCode, api_version: i16) -> JoinGroupResponse {
    let response =
        JoinGroupResponse { member_id, error_code: error.code(), protocol_name: None, ..Default::default() };
    join_in_version(response, api_version)
}

/// A SyncGroup that is refused.
pub fn sync_refusal(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
}

/// A Heartbeat that is refused.
pub fn heartbeat_refusal(error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() }
}

/// Before version 3 one member leaves, and its error is the answer's.
pub fn leave_in_version(mut response: LeaveGroupResponse, api_version: i16) -> LeaveGroupResponse {
    if api_version >= 3 {
        return response;
    }
    let none = ErrorCode::None.code();
    if response.error_code == none {
        let failed = response.members.iter().map(|member| member.error_code).find(|code| *code != none);
        response.error_code = failed.unwrap_or(none);
    }
    response.members.clear();
    response
}

/// The answer for one group that cannot be read. Before version 2 there is no place for it but at each partition.
pub fn offset_fetch_refusal(
    group: &OffsetFetchRequestGroup,
    error: ErrorCode,
    api_version: i16,
) -> OffsetFetchResponseGroup {
    let group_id = group.group_id.clone();
    if api_version >= 2 {
        return OffsetFetchResponseGroup { group_id, error_code: error.code(), ..Default::default() };
    }
    let topics = group.topics.iter().flatten().map(|topic| OffsetFetchResponseTopics {
        name: topic.name.clone(),
        partitions: topic.partition_indexes.iter().map(|index| no_offset(*index, error)).collect(),
        ..OffsetFetchResponseTopics::default()
    });
    OffsetFetchResponseGroup { group_id, topics: topics.collect(), ..Default::default() }
}

/// A partition without a committed offset.
pub fn no_offset(partition_index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: INVALID_OFFSET,
        committed_leader_epoch: -1,
        metadata: Some(Str::new()),
        error_code: error.code(),
    }
}
