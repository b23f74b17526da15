//! StreamsGroupHeartbeat (KIP-1071): to the group's coordinator; the topics that the application needs of its own are made afterwards, with the
//! client's rights, and why one is not made the next heartbeat tells.

use std::collections::BTreeSet;

use coordinator::group::streams::StatusCode;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::streams_group_heartbeat::{
    Status, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, Topology,
};
use wire::topic::{is_internal, validate_name};
use wire::{ApiKey, ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::{ask, caller, speaks_streams_protocol};
use crate::forwarding::{self, Here};
use crate::security::authorizer::{Operation, Resource};

pub(super) async fn handle(
    call: Call,
    request: StreamsGroupHeartbeatRequest,
    here: Here,
) -> StreamsGroupHeartbeatResponse {
    if !speaks_streams_protocol(&call) {
        return refused(ErrorCode::UnsupportedVersion, None);
    }
    if let Err(error) = call.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(error, None);
    }
    if let Some(topology) = &request.topology
        && let Err(response) = check_topics(&call, topology)
    {
        return *response;
    }
    let group_id = request.group_id.clone();
    let command = GroupCommand::StreamsHeartbeat { caller: caller(&call), request: Box::new(request) };
    let GroupAnswer::StreamsHeartbeat(answer) = ask::<GroupMachine>(&call, &group_id, command).await else {
        return refused(ErrorCode::UnknownServerError, None);
    };
    let mut response = answer.response;
    if !answer.to_create.is_empty() {
        let statuses = response.status.get_or_insert_default();
        create(&call, answer.to_create, answer.remembered_ms, here, statuses);
    }
    response
}

fn refused(error: ErrorCode, message: Option<String>) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code: error.code(),
        error_message: message.map(Str::from),
        ..StreamsGroupHeartbeatResponse::default()
    }
}

/// Every topic that a topology names must be one that it may name, and that the client may see.
fn check_topics(call: &Call, topology: &Topology) -> Result<(), Box<StreamsGroupHeartbeatResponse>> {
    let mut seen = BTreeSet::new();
    let mut names: Vec<&Str> = Vec::new();
    for one in &topology.subtopologies {
        let own = one.repartition_source_topics.iter().map(|topic| &topic.name);
        let changelogs = one.state_changelog_topics.iter().map(|topic| &topic.name);
        let all = one.source_topics.iter().chain(&one.repartition_sink_topics).chain(own).chain(changelogs);
        names.extend(all.filter(|name| seen.insert(*name)));
    }
    let list = |names: Vec<&str>| names.join(",");
    let internal: Vec<&str> =
        names.iter().map(|name| name.as_str()).filter(|name| is_internal(name)).collect();
    let invalid = |message| Err(Box::new(refused(ErrorCode::StreamsInvalidTopology, Some(message))));
    if !internal.is_empty() {
        let internal = list(internal);
        return invalid(format!(
            "Use of Kafka internal topics {internal} in a Kafka Streams topology is prohibited."
        ));
    }
    let odd = names.iter().map(|name| name.as_str()).filter(|name| validate_name(name).is_err());
    let odd: Vec<&str> = odd.collect();
    if !odd.is_empty() {
        return invalid(format!("Topic names {} are not valid topic names.", list(odd)));
    }
    let may_see = |name: &&Str| call.authorize(Operation::Describe, Resource::Topic(name)).is_ok();
    match call.is_guarded() && !names.iter().all(may_see) {
        true => Err(Box::new(refused(ErrorCode::TopicAuthorizationFailed, None))),
        false => Ok(()),
    }
}

/// Lets the topics be made, unless the client may not; the status says why they will not be there.
fn create(
    call: &Call,
    topics: Vec<CreatableTopic>,
    remembered_ms: i64,
    here: Here,
    statuses: &mut Vec<Status>,
) {
    let forbidden: Vec<&str> = match call.may(Operation::Create, Resource::Cluster) {
        true => Vec::new(),
        false => {
            let may_not = |name: &&Str| call.authorize(Operation::Create, Resource::Topic(name)).is_err();
            topics.iter().map(|topic| &topic.name).filter(may_not).map(Str::as_str).collect()
        }
    };
    if !forbidden.is_empty() {
        let list = forbidden.join(", ");
        return say_missing(statuses, &format!("Unauthorized to CREATE on topics {list}."), true);
    }
    let pending = call.node.streams_topics().begin(call.now_ms, &topics);
    if !pending.is_empty() {
        let versions = ApiKey::CreateTopics.versions();
        let call = Call {
            api_key: ApiKey::CreateTopics,
            api_version: *versions.end(),
            metered: None,
            ..call.clone()
        };
        call.node.clone().in_background(async move {
            let timeout_ms = i32::try_from(call.node.controller_patience_ms()).unwrap_or(i32::MAX);
            let request = CreateTopicsRequest { topics: pending.clone(), timeout_ms, validate_only: false };
            let answer = forwarding::ask::<_, CreateTopicsResponse>(&call, &request, here).await;
            let until_ms = call.node.latest_ms().saturating_add(remembered_ms);
            call.node.streams_topics().ended(&pending, answer.as_ref(), until_ms);
        });
    }
    if let Some(refusals) = call.node.streams_topics().refusals(call.now_ms, &topics) {
        say_missing(statuses, &refusals, false);
    }
}

/// Behind what the status of missing topics says already. `is_apart`: with a semicolon between, and as a status of its own if there is none.
fn say_missing(statuses: &mut Vec<Status>, detail: &str, is_apart: bool) {
    let code = StatusCode::MissingInternalTopics;
    let missing = statuses.iter_mut().find(|status| status.status_code == code as i8);
    match missing {
        Some(status) => {
            let between = if is_apart { "; " } else { "" };
            status.status_detail = Str::from(format!("{}{between}{detail}", status.status_detail));
        }
        None if is_apart => statuses.push(code.with(detail)),
        None => {}
    }
}
