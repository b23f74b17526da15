//! CreateTopics and DeleteTopics (KIP-4, 464, 516, 599): names, collisions, replica assignments, configurations, answers.
//! Refusals carry Kafka's codes and words. What a topic's configuration may be is the rules' business.

use super::decider::Decider;
use super::placement::place;
use super::refusal::{Refusal, in_time};
use crate::image::{ConfigResource, PartitionImage};
use crate::raft::MAX_BATCH_RECORDS;
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::records::metadata::{RemoveTopicRecord, TopicRecord};
use wire::topic::{CLUSTER_METADATA, validate_name};
use wire::{ErrorCode, Str, Uuid};

impl Decider<'_> {
    pub(super) fn create_topics(
        &mut self,
        request: &CreateTopicsRequest,
        describable: Option<&BTreeSet<Str>>,
    ) -> Result<CreateTopicsResponse, Refusal> {
        self.atomic = true;
        let (topics, duplicates) = without_duplicates(&request.topics);
        let creatable: Vec<&CreatableTopic> =
            topics.iter().copied().filter(|t| t.name != CLUSTER_METADATA).collect();
        if !creatable.is_empty() {
            in_time(request.timeout_ms)?;
        }
        self.check_partition_total(&creatable)?;
        let mut response = CreateTopicsResponse::default();
        for topic in creatable {
            let may_show = describable.is_none_or(|names| names.contains(&topic.name));
            response.topics.push(match self.create_topic(topic, may_show) {
                Ok(result) => result,
                Err(refusal) => refused(&topic.name, &refusal),
            });
        }
        for name in duplicates {
            response
                .topics
                .push(refused(name, &Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")));
        }
        if let Some(topic) = topics.iter().find(|topic| topic.name == CLUSTER_METADATA) {
            let what = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
            response.topics.push(refused(&topic.name, &Refusal::new(ErrorCode::InvalidRequest, what)));
        }
        if request.validate_only {
            self.records.clear();
        }
        response.throttle_time_ms = self.throttle_time_ms;
        Ok(response)
    }

    fn check_partition_total(&self, topics: &[&CreatableTopic]) -> Result<(), Refusal> {
        let mut total = 0i64;
        for topic in topics {
            total += match (topic.assignments.len(), topic.num_partitions) {
                (0, -1) => i64::from(self.options.default_num_partitions),
                (0, count) => i64::from(count.max(0)),
                (assigned, _) => assigned as i64,
            };
            if total > MAX_BATCH_RECORDS as i64 {
                let what = "Excessively large number of partitions per request.";
                return Err(Refusal::new(ErrorCode::PolicyViolation, what));
            }
        }
        Ok(())
    }

    fn create_topic(
        &mut self,
        topic: &CreatableTopic,
        may_show: bool,
    ) -> Result<CreatableTopicResult, Refusal> {
        self.check_new_name(&topic.name)?;
        let null_configs: Vec<&str> =
            topic.configs.iter().filter(|c| c.value.is_none()).map(|c| c.name.as_str()).collect();
        if !null_configs.is_empty() {
            let what = format!("Null value not supported for topic configs: {}", null_configs.join(","));
            return Err(Refusal::new(ErrorCode::InvalidConfig, what));
        }
        let configs: BTreeMap<Str, Str> =
            topic.configs.iter().filter_map(|c| Some((c.name.clone(), c.value.clone()?))).collect();
        let resource = ConfigResource::topic(topic.name.clone());
        let config_records = self.records_of_new_configs(&resource, &configs)?;
        let partitions = if topic.assignments.is_empty() {
            self.place_partitions(topic)?
        } else {
            self.assigned_partitions(topic)?
        };
        self.charge(partitions.len())?;
        let topic_id = self.soft.fresh_id();
        let replication_factor = partitions.first().map_or(0, |(_, partition)| partition.replicas.len());
        let mut result = CreatableTopicResult {
            name: topic.name.clone(),
            topic_id,
            error_message: None,
            ..Default::default()
        };
        if may_show {
            result.configs = Some(self.effective_configs(&configs));
            result.num_partitions = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
            result.replication_factor = i16::try_from(replication_factor).unwrap_or(i16::MAX);
        } else {
            result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
        }
        self.write(TopicRecord { name: topic.name.clone(), topic_id }, 0);
        self.records.extend(config_records);
        for (index, partition) in &partitions {
            let record = partition.to_record(topic_id, *index, self.elr);
            self.write(record, self.metadata_version.partition_record_version());
        }
        Ok(result)
    }

    fn check_new_name(&self, name: &Str) -> Result<(), Refusal> {
        let topics = &self.image().topics;
        if topics.by_name(name).is_some() {
            let what = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, what));
        }
        if let Some(existing) = topics.colliding(name) {
            let what = format!("Topic '{name}' collides with existing topic: {existing}");
            return Err(Refusal::new(ErrorCode::InvalidTopicException, what));
        }
        check_topic_name(name)
    }

    /// Partitions as the client assigned them.
    fn assigned_partitions(&self, topic: &CreatableTopic) -> Result<Vec<(i32, PartitionImage)>, Refusal> {
        let only = |what: &str| {
            let what = format!("A manual partition assignment was specified, but {what} was not set to -1.");
            Refusal::new(ErrorCode::InvalidRequest, what)
        };
        if topic.replication_factor != -1 {
            return Err(only("replication factor"));
        }
        if topic.num_partitions != -1 {
            return Err(only("numPartitions"));
        }
        let invalid = |what: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, what);
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                return Err(invalid(format!(
                    "Found multiple manual partition assignments for partition {index}"
                )));
            }
            self.check_assignment(&assignment.broker_ids, replication_factor)?;
            replication_factor = Some(assignment.broker_ids.len());
            let partition = self.new_partition(assignment.broker_ids.clone()).ok_or_else(|| {
                invalid(format!(
                    "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
                     controlled shutdown."
                ))
            })?;
            partitions.insert(index, partition);
        }
        if partitions.keys().zip(0..).any(|(index, expected)| *index != expected) {
            return Err(invalid("partitions should be a consecutive 0-based integer sequence".to_owned()));
        }
        Ok(partitions.into_iter().collect())
    }

    /// Partitions where the placer puts them.
    fn place_partitions(&mut self, topic: &CreatableTopic) -> Result<Vec<(i32, PartitionImage)>, Refusal> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let what = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, what));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            let what = "Number of partitions was set to an invalid non-positive value.";
            return Err(Refusal::new(ErrorCode::InvalidPartitions, what));
        }
        let or_default = |value, default| if value == -1 { default } else { value };
        let partitions = or_default(topic.num_partitions, self.options.default_num_partitions);
        let replication_factor = match topic.replication_factor {
            -1 => self.options.default_replication_factor,
            factor => factor,
        };
        let refuse = |why: &str| {
            let what = format!("Unable to replicate the partition {replication_factor} time(s): {why}");
            Refusal::new(ErrorCode::InvalidReplicationFactor, what)
        };
        let brokers = self.usable_brokers();
        let count = usize::try_from(partitions).unwrap_or(0);
        let placed =
            place(&mut self.soft.rng, &brokers, count, replication_factor).map_err(|why| refuse(&why))?;
        let mut result = Vec::with_capacity(placed.len());
        for (index, replicas) in (0..).zip(placed) {
            let partition = self.new_partition(replicas);
            let partition = partition
                .ok_or_else(|| refuse("All brokers are currently fenced or in controlled shutdown."))?;
            result.push((index, partition));
        }
        Ok(result)
    }

    fn effective_configs(&self, configs: &BTreeMap<Str, Str>) -> Vec<CreatableTopicConfigs> {
        let entries = self.rules.topic_values(configs, &self.image().configs);
        let entry = |entry: super::EffectiveConfig| CreatableTopicConfigs {
            name: entry.name,
            value: entry.value.filter(|_| !entry.sensitive),
            read_only: entry.read_only,
            config_source: entry.source,
            is_sensitive: entry.sensitive,
        };
        entries.into_iter().map(entry).collect()
    }

    // ---- DeleteTopics ----

    pub(super) fn delete_topics(
        &mut self,
        request: &DeleteTopicsRequest,
    ) -> Result<DeleteTopicsResponse, Refusal> {
        self.atomic = true;
        let mut deletion = Deletion::default();
        for name in &request.topic_names {
            deletion.provide_name(name);
        }
        for topic in &request.topics {
            match (&topic.name, topic.topic_id.is_zero()) {
                (None, true) => {
                    let what =
                        Refusal::new(ErrorCode::InvalidRequest, "Neither topic name nor id were specified.");
                    deletion.respond(None, Uuid::ZERO, Some(&what));
                }
                (None, false) => deletion.provide_id(topic.topic_id),
                (Some(name), true) => deletion.provide_name(name),
                (Some(name), false) => {
                    let what = "You may not specify both topic name and topic id.";
                    let refusal = Refusal::new(ErrorCode::InvalidRequest, what);
                    deletion.respond(Some(name), topic.topic_id, Some(&refusal));
                }
            }
        }
        if !deletion.names.is_empty() || !deletion.ids.is_empty() {
            in_time(request.timeout_ms)?;
        }
        for (id, name) in self.resolve(&mut deletion) {
            let partitions = self.image().topics.by_id(id).map_or(0, |topic| topic.partitions.len());
            let charged = self.charge(partitions);
            deletion.respond(Some(&name), id, charged.as_ref().err());
            if charged.is_ok() {
                self.write(RemoveTopicRecord { topic_id: id }, 0);
            }
        }
        let throttle_time_ms = self.throttle_time_ms;
        Ok(DeleteTopicsResponse { responses: deletion.responses, throttle_time_ms })
    }

    /// Answers what cannot be deleted; ids and names of what can.
    fn resolve(&self, deletion: &mut Deletion) -> Vec<(Uuid, Str)> {
        let invalid = |what: &str| Refusal::new(ErrorCode::InvalidRequest, what);
        for name in std::mem::take(&mut deletion.duplicate_names) {
            deletion.respond(Some(&name), Uuid::ZERO, Some(&invalid("Duplicate topic name.")));
        }
        for id in deletion.duplicate_ids.clone() {
            deletion.respond(None, id, Some(&invalid("Duplicate topic id.")));
        }
        let mut found: Vec<(Uuid, Str)> = Vec::new();
        for id in std::mem::take(&mut deletion.ids) {
            match self.image().topics.by_id(id) {
                Some(topic) => found.push((id, topic.name.clone())),
                None => deletion.respond(None, id, Some(&Refusal::plain(ErrorCode::UnknownTopicId))),
            }
        }
        for name in std::mem::take(&mut deletion.names) {
            let Some(topic) = self.image().topics.by_name(&name) else {
                deletion.respond(
                    Some(&name),
                    Uuid::ZERO,
                    Some(&Refusal::plain(ErrorCode::UnknownTopicOrPartition)),
                );
                continue;
            };
            let twice = found.iter().position(|(id, _)| *id == topic.id);
            if twice.is_some() || deletion.duplicate_ids.contains(&topic.id) {
                twice.map(|at| found.remove(at));
                deletion.duplicate_ids.push(topic.id);
                let what = invalid("The provided topic name maps to an ID that was already supplied.");
                deletion.respond(Some(&name), topic.id, Some(&what));
            } else {
                found.push((topic.id, name));
            }
        }
        found
    }
}

/// What a DeleteTopics names, each thing once, and the answers so far.
#[derive(Default)]
struct Deletion {
    names: Vec<Str>,
    duplicate_names: Vec<Str>,
    ids: Vec<Uuid>,
    duplicate_ids: Vec<Uuid>,
    responses: Vec<DeletableTopicResult>,
}

impl Deletion {
    fn provide_name(&mut self, name: &Str) {
        if self.duplicate_names.contains(name) {
            return;
        }
        match self.names.iter().position(|known| known == name) {
            Some(at) => self.duplicate_names.push(self.names.remove(at)),
            None => self.names.push(name.clone()),
        }
    }

    fn provide_id(&mut self, id: Uuid) {
        if self.duplicate_ids.contains(&id) {
            return;
        }
        match self.ids.iter().position(|known| *known == id) {
            Some(at) => self.duplicate_ids.push(self.ids.remove(at)),
            None => self.ids.push(id),
        }
    }

    fn respond(&mut self, name: Option<&Str>, topic_id: Uuid, refusal: Option<&Refusal>) {
        self.responses.push(DeletableTopicResult {
            name: name.cloned(),
            topic_id,
            error_code: refusal.map_or(0, |refusal| refusal.error.code()),
            error_message: refusal.and_then(Refusal::text),
        });
    }
}

/// The topics named once, and the names given more than once.
fn without_duplicates(topics: &[CreatableTopic]) -> (Vec<&CreatableTopic>, Vec<&Str>) {
    let mut count: BTreeMap<&Str, usize> = BTreeMap::new();
    for topic in topics {
        *count.entry(&topic.name).or_default() += 1;
    }
    let once = topics.iter().filter(|topic| count.get(&topic.name) == Some(&1)).collect();
    let repeated = count.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name).collect();
    (once, repeated)
}

fn refused(name: &Str, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: refusal.error.code(),
        error_message: refusal.text(),
        ..Default::default()
    }
}

/// Kafka's words for an illegal topic name.
pub fn check_topic_name(name: &str) -> Result<(), Refusal> {
    validate_name(name).map_err(|why| {
        let what = format!("Topic name is invalid: {}", why.of(name));
        Refusal::new(ErrorCode::InvalidTopicException, what)
    })
}
