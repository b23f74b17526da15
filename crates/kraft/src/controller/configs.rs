//! AlterConfigs and IncrementalAlterConfigs (KIP-133, 226, 339): which configuration records a change deserves. What a key is
//! and which values it takes is the rules' business; what eligible leader replicas forbid is here (KIP-966).

use super::decider::Decider;
use super::election_terms::MIN_INSYNC_REPLICAS;
use super::refusal::Refusal;
use crate::image::{ConfigResource, ResourceConfigs, ResourceType, VersionedRecord};
use crate::raft::MAX_BATCH_BYTES;
use std::collections::BTreeMap;
use wire::messages::alter_configs::{self, AlterConfigsRequest, AlterConfigsResponse};
use wire::messages::incremental_alter_configs::{
    self, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::records::metadata::{ClearElrRecord, ConfigRecord, MetadataRecord};
use wire::{ErrorCode, Str};

/// The longest value, in UTF-16 units as Java counts them.
const MAX_VALUE_LENGTH: usize = 32_767;
const _: () =
    assert!(MAX_VALUE_LENGTH * 3 < MAX_BATCH_BYTES / 2, "a batch has room for the longest value in UTF-8");

/// One change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_id(id: i8) -> Option<Operation> {
        match id {
            0 => Some(Operation::Set),
            1 => Some(Operation::Delete),
            2 => Some(Operation::Append),
            3 => Some(Operation::Subtract),
            _ => None,
        }
    }
}

type Outcome = Result<Vec<VersionedRecord>, Refusal>;

impl Decider<'_> {
    pub(super) fn incremental_alter_configs(
        &mut self,
        request: &IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let named: Vec<(i8, &Str)> =
            request.resources.iter().map(|r| (r.resource_type, &r.resource_name)).collect();
        let mut responses = Vec::new();
        for (resource, outcome) in self.for_each_resource(&named, |decider, index, resource| {
            let changes = request.resources.get(index).map_or(&[][..], |r| &r.configs);
            decider.change_incrementally(resource, changes)
        }) {
            responses.push(incremental_alter_configs::AlterConfigsResourceResponse {
                error_code: outcome.as_ref().map_or(0, |refusal| refusal.error.code()),
                error_message: outcome.as_ref().and_then(Refusal::text),
                resource_type: resource.0,
                resource_name: resource.1.clone(),
            });
        }
        if request.validate_only {
            self.records.clear();
        }
        IncrementalAlterConfigsResponse { responses, ..Default::default() }
    }

    pub(super) fn alter_configs(&mut self, request: &AlterConfigsRequest) -> AlterConfigsResponse {
        let named: Vec<(i8, &Str)> =
            request.resources.iter().map(|r| (r.resource_type, &r.resource_name)).collect();
        let mut responses = Vec::new();
        for (resource, outcome) in self.for_each_resource(&named, |decider, index, resource| {
            let wanted = request.resources.get(index).map_or(&[][..], |r| &r.configs);
            decider.replace_configs(resource, wanted)
        }) {
            responses.push(alter_configs::AlterConfigsResourceResponse {
                error_code: outcome.as_ref().map_or(0, |refusal| refusal.error.code()),
                error_message: outcome.as_ref().and_then(Refusal::text),
                resource_type: resource.0,
                resource_name: resource.1.clone(),
            });
        }
        if request.validate_only {
            self.records.clear();
        }
        AlterConfigsResponse { responses, ..Default::default() }
    }

    /// Deals with each resource once; those of unknown types and those named twice are refused, before the others.
    fn for_each_resource<'r>(
        &mut self,
        named: &[(i8, &'r Str)],
        mut change: impl FnMut(&mut Self, usize, &ConfigResource) -> Outcome,
    ) -> Vec<((i8, &'r Str), Option<Refusal>)> {
        self.atomic = true;
        let mut refused = Vec::new();
        let mut done = Vec::new();
        let mut records = Vec::new();
        for (index, named_resource) in named.iter().enumerate() {
            let Some(resource_type) = ResourceType::from_id(named_resource.0) else {
                let what = format!("Unknown resource type {}.", named_resource.0);
                refused.push((*named_resource, Some(Refusal::new(ErrorCode::UnsupportedVersion, what))));
                continue;
            };
            if named.iter().filter(|other| *other == named_resource).count() > 1 {
                if !refused.iter().any(|(other, _)| other == named_resource) {
                    refused.push((
                        *named_resource,
                        Some(Refusal::new(ErrorCode::InvalidRequest, "Duplicate resource.")),
                    ));
                }
                continue;
            }
            let resource = ConfigResource::new(resource_type, named_resource.1.clone());
            match change(self, index, &resource) {
                Ok(changed) => {
                    records.extend(changed);
                    done.push((*named_resource, None));
                }
                Err(refusal) => done.push((*named_resource, Some(refusal))),
            }
        }
        let cleared = self.clear_elr_records(&records);
        self.records.extend(records);
        self.records.extend(cleared);
        refused.into_iter().chain(done).collect()
    }

    fn change_incrementally(
        &mut self,
        resource: &ConfigResource,
        changes: &[incremental_alter_configs::AlterableConfig],
    ) -> Outcome {
        // The last word on a key counts.
        let changes: BTreeMap<&Str, (i8, Option<&Str>)> = changes
            .iter()
            .map(|change| (&change.name, (change.config_operation, change.value.as_ref())))
            .collect();
        let existing = self.image().configs.of(resource);
        let mut records = Vec::new();
        for (key, (operation, value)) in changes {
            let current = existing.get(key.as_str());
            let new = match Operation::from_id(operation) {
                Some(Operation::Set) => value.cloned(),
                Some(Operation::Delete) => None,
                Some(operation @ (Operation::Append | Operation::Subtract)) => {
                    Some(self.change_list(resource, key, operation, current, value)?)
                }
                None => {
                    // DIVERGES: Kafka's controller falls over its own feet (UNKNOWN_SERVER_ERROR).
                    let what = format!("Unknown operation {operation} on key {key}.");
                    return Err(Refusal::new(ErrorCode::InvalidRequest, what));
                }
            };
            if current != new.as_ref() || resource.resource_type == ResourceType::Broker {
                records.push(config_record(resource, key, new));
            }
        }
        self.check_change(resource, &records, &[], false)?;
        Ok(records)
    }

    fn change_list(
        &self,
        resource: &ConfigResource,
        key: &Str,
        operation: Operation,
        current: Option<&Str>,
        value: Option<&Str>,
    ) -> Result<Str, Refusal> {
        let name = if operation == Operation::Append { "APPEND" } else { "SUBTRACT" };
        let default = self.rules.list_default(resource.resource_type, key, name)?;
        let current = current.cloned().unwrap_or(default);
        let mut parts: Vec<&str> = current.split(',').filter(|part| !part.is_empty()).collect();
        for part in value.map_or("", |value| value.as_str()).split(',') {
            let at = parts.iter().position(|known| *known == part);
            match (operation, at) {
                (Operation::Append, None) => parts.push(part),
                (Operation::Subtract, Some(at)) => {
                    parts.remove(at);
                }
                _ => {}
            }
        }
        Ok(Str::from(parts.join(",")))
    }

    fn replace_configs(
        &mut self,
        resource: &ConfigResource,
        wanted: &[alter_configs::AlterableConfig],
    ) -> Outcome {
        let wanted: BTreeMap<&Str, Option<&Str>> =
            wanted.iter().map(|config| (&config.name, config.value.as_ref())).collect();
        let existing = self.image().configs.of(resource);
        let differs = |(key, value): &(&&Str, &Option<&Str>)| {
            existing.get(key.as_str()) != **value || resource.resource_type == ResourceType::Broker
        };
        let altered: Vec<VersionedRecord> = wanted
            .iter()
            .filter(differs)
            .map(|(key, value)| config_record(resource, key, value.cloned()))
            .collect();
        let absent = existing.keys().filter(|key| !wanted.contains_key(key));
        let deleted: Vec<VersionedRecord> = absent.map(|key| config_record(resource, key, None)).collect();
        self.check_change(resource, &altered, &deleted, false)?;
        Ok(altered.into_iter().chain(deleted).collect())
    }

    /// The configuration of a topic that is being created.
    pub(super) fn records_of_new_configs(
        &self,
        resource: &ConfigResource,
        configs: &ResourceConfigs,
    ) -> Outcome {
        if configs.is_empty() {
            return Ok(Vec::new());
        }
        let mut records: Vec<VersionedRecord> =
            configs.iter().map(|(key, value)| config_record(resource, key, Some(value.clone()))).collect();
        self.check_change(resource, &records, &[], true)?;
        let cleared = self.clear_elr_records(&records);
        records.extend(cleared);
        Ok(records)
    }

    fn check_change(
        &self,
        resource: &ConfigResource,
        altered: &[VersionedRecord],
        deleted: &[VersionedRecord],
        new_resource: bool,
    ) -> Result<(), Refusal> {
        let existing = self.image().configs.of(resource);
        let mut configs = existing.clone();
        for record in altered.iter().chain(deleted) {
            let MetadataRecord::Config(record) = &record.record else { continue };
            match &record.value {
                Some(value) if value.encode_utf16().count() > MAX_VALUE_LENGTH => {
                    let what = "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.";
                    return Err(Refusal::new(ErrorCode::InvalidConfig, what));
                }
                Some(value) => configs.insert(record.name.clone(), value.clone()),
                None => configs.remove(record.name.as_str()),
            };
        }
        self.rules.validate(resource, &configs, &self.image().configs)?;
        for record in altered.iter().chain(deleted) {
            if let MetadataRecord::Config(record) = &record.record {
                self.check_elr(resource, record)?;
            }
        }
        if new_resource { Ok(()) } else { self.check_exists(resource) }
    }

    /// With eligible leader replicas, the minimum ISR must be the same for all brokers, or none could say who is eligible.
    fn check_elr(&self, resource: &ConfigResource, record: &ConfigRecord) -> Result<(), Refusal> {
        let invalid = |what: &str| Err(Refusal::new(ErrorCode::InvalidConfig, what));
        let broker = resource.resource_type == ResourceType::Broker;
        if self.elr && broker && record.name == MIN_INSYNC_REPLICAS {
            if !resource.name.is_empty() {
                return invalid("Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
            }
            if record.value.is_none() {
                return invalid("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
            }
        }
        if broker && record.name == "cordoned.log.dirs" && !self.metadata_version.has_cordoned_directories() {
            return invalid(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0",
            );
        }
        Ok(())
    }

    fn check_exists(&self, resource: &ConfigResource) -> Result<(), Refusal> {
        let image = self.image();
        match resource.resource_type {
            ResourceType::Topic if image.topics.by_name(&resource.name).is_none() => {
                let what = format!("The topic '{}' does not exist.", resource.name);
                Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, what))
            }
            ResourceType::Broker if !resource.name.is_empty() => {
                let Ok(id) = resource.name.parse::<i32>() else {
                    let what = format!("Invalid broker name {}", resource.name);
                    return Err(Refusal::new(ErrorCode::InvalidRequest, what));
                };
                let known = image.cluster.broker(id).is_some()
                    || image.cluster.controller(id).is_some()
                    || self.at.voter_ids.contains(&id);
                let what =
                    || Refusal::new(ErrorCode::BrokerIdNotRegistered, format!("No node with id {id} found."));
                if known { Ok(()) } else { Err(what()) }
            }
            ResourceType::Topic
            | ResourceType::Broker
            | ResourceType::BrokerLogger
            | ResourceType::ClientMetrics
            | ResourceType::Group => Ok(()),
        }
    }

    /// Another minimum ISR makes what was eligible by the old one meaningless.
    fn clear_elr_records(&self, records: &[VersionedRecord]) -> Vec<VersionedRecord> {
        let cleared = |record: &VersionedRecord| match &record.record {
            MetadataRecord::Config(config) if self.elr && config.name == MIN_INSYNC_REPLICAS => {
                let of_topic = config.resource_type == ResourceType::Topic.id();
                let topic_name = if of_topic { config.resource_name.clone() } else { Str::default() };
                Some(VersionedRecord::v0(ClearElrRecord { topic_name }.into()))
            }
            _ => None,
        };
        records.iter().filter_map(cleared).collect()
    }
}

pub(super) fn config_record(resource: &ConfigResource, key: &str, value: Option<Str>) -> VersionedRecord {
    let record = ConfigRecord {
        resource_type: resource.resource_type.id(),
        resource_name: resource.name.clone(),
        name: Str::from(key),
        value,
    };
    VersionedRecord::v0(record.into())
}
