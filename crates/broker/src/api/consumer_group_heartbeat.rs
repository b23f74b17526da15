//! ConsumerGroupHeartbeat (KIP-848): to the group's coordinator; the patterns that it wants to know more of are looked at by a worker, with the
//! eyes of the member whose heartbeat it was.

use std::collections::{BTreeMap, BTreeSet};

use coordinator::group::consumer::{Resolved, ToResolve};
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use coordinator::pattern::Pattern;
use wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::{ask, ask_at, caller, coordinator_of, speaks_consumer_protocol};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(
    call: Call,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let refused = |error: ErrorCode| ConsumerGroupHeartbeatResponse {
        error_code: error.code(),
        ..ConsumerGroupHeartbeatResponse::default()
    };
    if !speaks_consumer_protocol(&call) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(error);
    }
    let mut names = request.subscribed_topic_names.iter().flatten();
    if let Some(Err(error)) = names.find_map(|name| {
        Some(call.authorize(Operation::Describe, Resource::Topic(name))).filter(Result::is_err)
    }) {
        return refused(error);
    }
    let group_id = request.group_id.clone();
    let command = GroupCommand::ConsumerHeartbeat { caller: caller(&call), request: Box::new(request) };
    match ask::<GroupMachine>(&call, &group_id, command).await {
        GroupAnswer::ConsumerHeartbeat(answer) => {
            if let Some(to_resolve) = answer.resolve {
                look_at_patterns(&call, to_resolve);
            }
            answer.response
        }
        _ => refused(ErrorCode::UnknownServerError),
    }
}

/// Lets a worker find the topics of each pattern and tell the coordinator.
fn look_at_patterns(call: &Call, ToResolve { group, patterns, seen }: ToResolve) {
    let node = call.node.clone();
    let call = call.clone();
    node.work_later(move |now_ms| {
        let call = Call { now_ms, ..call };
        let mut topics: BTreeMap<Str, BTreeSet<Str>> = BTreeMap::new();
        for text in patterns {
            let found = match Pattern::parse(&text) {
                Ok(pattern) => {
                    let mut found = BTreeSet::new();
                    seen.0.each_topic(&mut |name| {
                        let visible = || call.may(Operation::Describe, Resource::Topic(name));
                        if pattern.matches(name) && visible() {
                            found.insert(name.clone());
                        }
                    });
                    found
                }
                // Of another version's making: it stands for nothing.
                Err(_) => BTreeSet::new(),
            };
            topics.insert(text, found);
        }
        let version = seen.0.version();
        let Some(cell) = coordinator_of::<GroupMachine>(&call, &group) else { return };
        let command = GroupCommand::RegexesResolved { resolved: Resolved { group, topics, version } };
        drop(ask_at::<GroupMachine>(&call, cell, command));
    });
}
