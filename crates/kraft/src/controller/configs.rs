//! Dynamic configurations: incremental changes (KIP-339) and the older replacement of everything. Owns how operations combine; what
//! a value may be is the rules' business.

use super::command::Refusal;
use super::decide::Context;
use crate::image::{ConfigResource, ResourceConfigs, ResourceType, VersionedRecord};
use std::collections::BTreeMap;
use wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse as ReplacedResource, AlterConfigsResponse,
};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use wire::records::metadata::{ConfigRecord, MetadataRecord};
use wire::{ErrorCode, Str};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) fn alter_incrementally(
    context: &Context<'_>,
    request: &IncrementalAlterConfigsRequest,
    out: &mut Vec<VersionedRecord>,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    let mut seen: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for resource in &request.resources {
        *seen.entry((resource.resource_type, resource.resource_name.as_str())).or_insert(0) += 1;
    }
    for wanted in &request.resources {
        let outcome = match seen.remove(&(wanted.resource_type, wanted.resource_name.as_str())) {
            None => continue,
            Some(2..) => Err(twice()),
            Some(_) => combine(context, wanted),
        };
        let refusal = settle(outcome, request.validate_only, out);
        responses.push(AlterConfigsResourceResponse {
            error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
            error_message: refusal.as_ref().and_then(Refusal::text),
            resource_type: wanted.resource_type,
            resource_name: wanted.resource_name.clone(),
        });
    }
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

pub(super) fn replace(
    context: &Context<'_>,
    request: &AlterConfigsRequest,
    out: &mut Vec<VersionedRecord>,
) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    let mut seen: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for resource in &request.resources {
        *seen.entry((resource.resource_type, resource.resource_name.as_str())).or_insert(0) += 1;
    }
    for wanted in &request.resources {
        let outcome = match seen.remove(&(wanted.resource_type, wanted.resource_name.as_str())) {
            None => continue,
            Some(2..) => Err(twice()),
            Some(_) => existing(context, wanted.resource_type, &wanted.resource_name).and_then(|resource| {
                let mut after = ResourceConfigs::new();
                for config in &wanted.configs {
                    let value = config.value.clone().ok_or_else(|| null_value(&config.name))?;
                    after.insert(config.name.clone(), value);
                }
                records(context, &resource, after)
            }),
        };
        let refusal = settle(outcome, request.validate_only, out);
        responses.push(ReplacedResource {
            error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
            error_message: refusal.as_ref().and_then(Refusal::text),
            resource_type: wanted.resource_type,
            resource_name: wanted.resource_name.clone(),
        });
    }
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

fn settle(
    outcome: Result<Vec<VersionedRecord>, Refusal>,
    validate_only: bool,
    out: &mut Vec<VersionedRecord>,
) -> Option<Refusal> {
    match outcome {
        Ok(records) => {
            if !validate_only {
                out.extend(records);
            }
            None
        }
        Err(refusal) => Some(refusal),
    }
}

fn twice() -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, "Each resource must appear at most once.")
}

fn null_value(name: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {name}"))
}

/// The resource, if it is of a kind that the controller configures, and there.
fn existing(context: &Context<'_>, resource_type: i8, name: &Str) -> Result<ConfigResource, Refusal> {
    let kind = match ResourceType::from_id(resource_type) {
        Some(ResourceType::BrokerLogger) => {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "Unexpected resource type BROKER_LOGGER."));
        }
        Some(kind) => kind,
        None => {
            let what = format!(
                "Unexpected resource type {}.",
                if resource_type == 0 { "UNKNOWN".to_owned() } else { resource_type.to_string() }
            );
            return Err(Refusal::new(ErrorCode::InvalidRequest, what));
        }
    };
    if kind == ResourceType::Topic && context.image.topics.by_name(name).is_none() {
        let what = format!("The topic '{name}' does not exist.");
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, what));
    }
    Ok(ConfigResource { resource_type: kind, name: name.clone() })
}

fn combine(context: &Context<'_>, wanted: &AlterConfigsResource) -> Result<Vec<VersionedRecord>, Refusal> {
    let resource = existing(context, wanted.resource_type, &wanted.resource_name)?;
    let mut after = context.image.configs.of(&resource).clone();
    let mut names: Vec<&str> = Vec::with_capacity(wanted.configs.len());
    for config in &wanted.configs {
        if names.contains(&config.name.as_str()) {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "Error due to duplicate config keys"));
        }
        names.push(config.name.as_str());
        operate(context, &resource, &mut after, config)?;
    }
    records(context, &resource, after)
}

fn operate(
    context: &Context<'_>,
    resource: &ConfigResource,
    after: &mut ResourceConfigs,
    config: &AlterableConfig,
) -> Result<(), Refusal> {
    if config.config_operation == DELETE {
        after.remove(config.name.as_str());
        return Ok(());
    }
    let value = config.value.clone().ok_or_else(|| null_value(&config.name))?;
    match config.config_operation {
        SET => {
            after.insert(config.name.clone(), value);
        }
        operation @ (APPEND | SUBTRACT) => {
            let word = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
            if !context.rules.is_list(resource.resource_type, &config.name) {
                let what = format!("Can't {word} to key {} because its type is not LIST.", config.name);
                return Err(Refusal::new(ErrorCode::InvalidConfig, what));
            }
            let inherited = || match resource.resource_type {
                ResourceType::Topic => context.rules.topic_value(&config.name, after, &context.image.configs),
                kind => context.rules.default_value(kind, &config.name),
            };
            let current = after.get(config.name.as_str()).cloned().or_else(inherited).unwrap_or_default();
            let changed =
                if operation == APPEND { appended(&current, &value) } else { without(&current, &value) };
            after.insert(config.name.clone(), Str::from(changed));
        }
        other => {
            let what = format!("Unknown operation type {other}.");
            return Err(Refusal::new(ErrorCode::InvalidRequest, what));
        }
    }
    Ok(())
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn appended(current: &str, more: &str) -> String {
    let mut all: Vec<&str> = entries(current).collect();
    for entry in entries(more) {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all.join(",")
}

fn without(current: &str, less: &str) -> String {
    let gone: Vec<&str> = entries(less).collect();
    entries(current).filter(|entry| !gone.contains(entry)).collect::<Vec<_>>().join(",")
}

/// What leads from the present configuration to the wanted one, if the rules allow that.
fn records(
    context: &Context<'_>,
    resource: &ConfigResource,
    after: ResourceConfigs,
) -> Result<Vec<VersionedRecord>, Refusal> {
    let before = context.image.configs.of(resource);
    context.rules.validate(resource, &after, before)?;
    let record = |name: &Str, value: Option<Str>| {
        VersionedRecord::v0(MetadataRecord::Config(ConfigRecord {
            resource_type: resource.resource_type.id(),
            resource_name: resource.name.clone(),
            name: name.clone(),
            value,
        }))
    };
    let removed =
        before.keys().filter(|name| !after.contains_key(name.as_str())).map(|name| record(name, None));
    let set = after
        .iter()
        .filter(|(name, value)| before.get(name.as_str()) != Some(value))
        .map(|(name, value)| record(name, Some(value.clone())));
    Ok(removed.chain(set).collect())
}
