//! What AlterConfigs and IncrementalAlterConfigs refuse without asking the controller: resources and keys named twice, values
//! that are null, brokers that are not this one. Owns the order of these checks and Kafka's words for them.

use kraft::image::ResourceType;
use std::collections::{BTreeMap, BTreeSet};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};

/// What somebody must be allowed something to who describes or changes a configuration.
pub(crate) fn resource_of(kind: ResourceType, name: &str) -> Resource<'_> {
    match kind {
        ResourceType::Topic => Resource::Topic(name),
        ResourceType::Group => Resource::Group(name),
        ResourceType::Broker | ResourceType::BrokerLogger | ResourceType::ClientMetrics => Resource::Cluster,
    }
}

/// Why the client may not change the configuration of a resource, if it may not. A broker asks for what is its own, brokers and loggers,
/// and has no words for it: for the others the controller asks.
pub(crate) fn forbidden(call: &Call, is_broker: bool, asked: &AskedResource<'_>) -> Option<Refused> {
    let kind = ResourceType::from_id(asked.resource_type)?;
    let operation = match kind {
        ResourceType::BrokerLogger if !is_broker => Operation::ClusterAction,
        ResourceType::Topic | ResourceType::Group | ResourceType::ClientMetrics if is_broker => return None,
        _ => Operation::AlterConfigs,
    };
    let error = call.authorize(operation, resource_of(kind, asked.name)).err()?;
    Some((error, if is_broker { String::new() } else { error.message().to_owned() }))
}

/// A change of a configuration for the audit: which keys of what, and no values.
pub(crate) fn shown_change<'a>(resource_type: i8, name: &str, keys: impl Iterator<Item = &'a Str>) -> String {
    let keys: Vec<&str> = keys.map(|key| &**key).collect();
    let kind = ResourceType::from_id(resource_type).map_or_else(String::new, |kind| format!("{kind:?}"));
    format!("configuration of {kind} {name:?} changed: {}", keys.join(", "))
}

/// Notes those of the changes that were carried out; the codes are in their order.
pub(crate) fn note_changes(call: &Call, changes: &[String], codes: impl Iterator<Item = i16>) {
    let done = changes.iter().zip(codes).filter(|(_, code)| *code == ErrorCode::None.code());
    done.for_each(|(change, _)| call.note_change(|| change.clone()));
}

/// One resource of either request.
pub(crate) struct AskedResource<'a> {
    pub resource_type: i8,
    pub name: &'a Str,
    pub keys: Vec<&'a Str>,
    /// Keys without the value that they need.
    pub nulls: Vec<&'a Str>,
}

/// What may be named where the request came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    /// Loggers of this node.
    loggers: bool,
    /// A broker speaks for no other, while the controller changes what is set on any.
    other_brokers: bool,
}

impl Takes {
    pub fn from_door(is_broker: bool, loggers: bool) -> Takes {
        Takes { loggers, other_brokers: !is_broker }
    }
}

/// Why a resource is refused; without words where Kafka has none.
pub(crate) type Refused = (ErrorCode, String);

/// For each resource, why it is refused, if it is.
pub(crate) fn refusals(asked: &[AskedResource<'_>], node_id: i32, takes: Takes) -> Vec<Option<Refused>> {
    let mut counts: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for one in asked {
        *counts.entry((one.resource_type, one.name)).or_default() += 1;
    }
    let refusal = |one: &AskedResource<'_>| {
        let what = if counts.get(&(one.resource_type, &**one.name)).is_some_and(|count| *count > 1) {
            // DIVERGES: to AlterConfigs Kafka gives no answer at all.
            Some("Each resource must appear at most once.".to_owned())
        } else {
            malformed(one, node_id, takes)
        };
        what.map(|what| (ErrorCode::InvalidRequest, what))
    };
    asked.iter().map(refusal).collect()
}

fn malformed(asked: &AskedResource<'_>, node_id: i32, takes: Takes) -> Option<String> {
    let AskedResource { name, keys, nulls, .. } = asked;
    if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
        return Some("Error due to duplicate config keys".to_owned());
    }
    if !nulls.is_empty() {
        let names: Vec<&str> = nulls.iter().map(|name| name.as_str()).collect();
        return Some(format!("Null value not supported for : {}", names.join(", ")));
    }
    let of_this_node = |unexpected: &str| match name.parse::<i32>() {
        Ok(id) if id == node_id => None,
        Ok(id) => Some(format!("Unexpected {unexpected} {node_id}, but received {id}")),
        Err(_) => Some(format!("Node id must be an integer, but it is: {name}")),
    };
    match ResourceType::from_id(asked.resource_type) {
        Some(ResourceType::BrokerLogger) if takes.loggers => of_this_node("node id. Expected"),
        None | Some(ResourceType::BrokerLogger) => {
            Some(format!("Unknown resource type {}", asked.resource_type))
        }
        Some(ResourceType::Broker) if !name.is_empty() && !takes.other_brokers => {
            of_this_node("broker id, expected")
        }
        Some(
            ResourceType::Topic | ResourceType::Broker | ResourceType::ClientMetrics | ResourceType::Group,
        ) => None,
    }
}

/// The answers in the order of the questions: those known at once, and what the controller says of the others.
pub(crate) fn in_order<A>(
    known: Vec<Option<A>>,
    decided: Vec<A>,
    asked: &[(i8, Str)],
    of: impl Fn(&A) -> (i8, Str),
    missing: impl Fn(&(i8, Str)) -> A,
) -> Vec<A> {
    let mut decided: BTreeMap<(i8, Str), A> =
        decided.into_iter().map(|answer| (of(&answer), answer)).collect();
    let answer = |(known, asked): (Option<A>, &(i8, Str))| {
        known.or_else(|| decided.remove(asked)).unwrap_or_else(|| missing(asked))
    };
    known.into_iter().zip(asked).map(answer).collect()
}
