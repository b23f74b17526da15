//! OffsetCommit (KIP-211, KIP-320, KIP-345, KIP-848): topics are resolved here, by name or by id; the coordinator stores.

use std::sync::Arc;

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::ErrorCode;
use wire::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};

use crate::call::{Call, IntoAnswer};
use crate::coordinators::committed_topics::{CommittedTopic, answer, resolve};
use crate::coordinators::routing::{ask_promptly, passing_caller};
use crate::rim::Handling;
use crate::security::authorizer::{Operation, Resource};

/// From this version on topics are named by their id.
const BY_ID_SINCE: i16 = 10;

pub(super) fn handle(call: Call, mut request: OffsetCommitRequest) -> Handling {
    let mut refused = Vec::new();
    let topics = std::mem::take(&mut request.topics);
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        let topics = topics.iter().map(|topic| topic.failed(error)).collect();
        let response = OffsetCommitResponse { topics, ..OffsetCommitResponse::default() };
        return Handling::ready(response.outcome(call.api_key, call.api_version, call.correlation_id));
    }
    request.topics = resolve(&call, topics, call.api_version >= BY_ID_SINCE, &mut refused);
    if request.topics.is_empty() {
        let response = OffsetCommitResponse { topics: refused, ..OffsetCommitResponse::default() };
        return Handling::ready(response.outcome(call.api_key, call.api_version, call.correlation_id));
    }
    let request = Arc::new(request);
    let asked = Arc::clone(&request);
    let command = GroupCommand::CommitOffsets { caller: passing_caller(&call), request };
    ask_promptly::<GroupMachine, _>(&call, &asked.clone().group_id, command, move |answered| {
        let all = |error| asked.topics.iter().map(|topic| topic.failed(error)).collect();
        let topics = match answered {
            Ok(GroupAnswer::CommitOffsets(response)) => response.topics,
            Ok(_) => all(ErrorCode::UnknownServerError),
            Err(error) => all(error),
        };
        OffsetCommitResponse { topics: answer(refused, topics), ..OffsetCommitResponse::default() }
    })
}
