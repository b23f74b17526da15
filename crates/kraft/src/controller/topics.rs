//! CreateTopics and DeleteTopics: what a new topic may be called, how many partitions and replicas it gets, where they go, and in
//! whose words a request is refused (Kafka's). Configurations are judged by the rules, placement by `placement`.

use super::command::Refusal;
use super::decide::Context;
use super::partitions::{self, Assignment};
use super::placement;
use super::soft::Soft;
use crate::image::{ConfigResource, ResourceConfigs, VersionedRecord};
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use wire::records::metadata::{ConfigRecord, MetadataRecord, RemoveTopicRecord, TopicRecord};
use wire::topic::{CLUSTER_METADATA, InvalidName, MAX_NAME_LENGTH, names_collide, validate_name};
use wire::{ErrorCode, Str, Uuid};

/// Partitions that one request may create: more would make one record batch too large.
const MAX_PARTITIONS: i64 = 10_000;

pub(super) fn create(
    context: &Context<'_>,
    soft: &mut Soft,
    request: &CreateTopicsRequest,
    describable: Option<&BTreeSet<Str>>,
    out: &mut Vec<VersionedRecord>,
) -> CreateTopicsResponse {
    let mut seen = BTreeMap::new();
    for topic in &request.topics {
        *seen.entry(topic.name.as_str()).or_insert(0) += 1;
    }
    let total: i64 = request.topics.iter().map(|topic| wanted_partitions(context, topic)).sum();
    let mut results = Vec::with_capacity(request.topics.len());
    let mut created: Vec<Str> = Vec::new();
    for topic in &request.topics {
        let times = seen.remove(topic.name.as_str());
        let outcome = match times {
            None => continue,
            Some(2..) => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
            Some(_) if total > MAX_PARTITIONS => Err(Refusal::new(
                ErrorCode::PolicyViolation,
                "Excessively large number of partitions per request.",
            )),
            Some(_) => check_name(context, &topic.name, &created)
                .and_then(|()| create_one(context, soft, topic, describable)),
        };
        results.push(match outcome {
            Ok((result, records)) => {
                if !request.validate_only {
                    out.extend(records);
                }
                created.push(topic.name.clone());
                result
            }
            Err(refusal) => refused(topic, &refusal),
        });
    }
    CreateTopicsResponse { topics: results, ..CreateTopicsResponse::default() }
}

fn refused(topic: &CreatableTopic, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: topic.name.clone(),
        error_code: refusal.error.code(),
        error_message: refusal.text(),
        ..CreatableTopicResult::default()
    }
}

fn wanted_partitions(context: &Context<'_>, topic: &CreatableTopic) -> i64 {
    match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => i64::from(context.options.default_num_partitions),
        (0, many) => i64::from(many.max(0)),
        (many, _) => i64::try_from(many).unwrap_or(i64::MAX),
    }
}

/// Kafka's words for an illegal topic name.
pub fn check_topic_name(name: &str) -> Result<(), Refusal> {
    let invalid = |why: String| {
        Err(Refusal::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {why}")))
    };
    match validate_name(name) {
        Ok(()) => Ok(()),
        Err(InvalidName::Empty) => invalid("the empty string is not allowed".to_owned()),
        Err(InvalidName::Dots) => invalid(format!("'{name}' is not allowed")),
        Err(InvalidName::TooLong) => {
            invalid(format!("the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"))
        }
        Err(InvalidName::Character) => invalid(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )),
    }
}

fn check_name(context: &Context<'_>, name: &str, created: &[Str]) -> Result<(), Refusal> {
    check_topic_name(name)?;
    if name == CLUSTER_METADATA {
        let what = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, what));
    }
    if context.image.topics.by_name(name).is_some() {
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
    }
    let has_colliding_sign = name.contains(['.', '_']);
    let earlier = created.iter().find(|other| has_colliding_sign && names_collide(other, name));
    match context.image.topics.colliding(name).or(earlier) {
        Some(other) => {
            let what = format!("Topic '{name}' collides with existing topic: {other}");
            Err(Refusal::new(ErrorCode::InvalidTopicException, what))
        }
        None => Ok(()),
    }
}

fn create_one(
    context: &Context<'_>,
    soft: &mut Soft,
    topic: &CreatableTopic,
    describable: Option<&BTreeSet<Str>>,
) -> Result<(CreatableTopicResult, Vec<VersionedRecord>), Refusal> {
    let overrides = checked_configs(context, topic)?;
    let assignments = assign(context, soft, topic)?;
    let topic_id = soft.new_uuid();
    let record = TopicRecord { name: topic.name.clone(), topic_id };
    let mut records = vec![VersionedRecord::v0(MetadataRecord::Topic(record))];
    for (name, value) in &overrides {
        records.push(VersionedRecord::v0(MetadataRecord::Config(ConfigRecord {
            resource_type: crate::image::ResourceType::Topic.id(),
            resource_name: topic.name.clone(),
            name: name.clone(),
            value: Some(value.clone()),
        })));
    }
    let first = assignments.first().map_or(0, |assignment| assignment.replicas.len());
    for (index, assignment) in (0..).zip(&assignments) {
        records.push(partitions::new_partition(context, topic_id, index, assignment)?);
    }
    let mut result = CreatableTopicResult {
        name: topic.name.clone(),
        topic_id,
        error_message: None,
        ..CreatableTopicResult::default()
    };
    if describable.is_none_or(|names| names.contains(topic.name.as_str())) {
        result.num_partitions = i32::try_from(assignments.len()).unwrap_or(i32::MAX);
        result.replication_factor = i16::try_from(first).unwrap_or(i16::MAX);
        result.configs = Some(effective(context, &overrides));
    } else {
        result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
        result.num_partitions = -1;
        result.replication_factor = -1;
        result.configs = None;
    }
    Ok((result, records))
}

fn checked_configs(context: &Context<'_>, topic: &CreatableTopic) -> Result<ResourceConfigs, Refusal> {
    let mut overrides = ResourceConfigs::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let what = format!("Null value not supported for topic configs: {}", config.name);
            return Err(Refusal::new(ErrorCode::InvalidConfig, what));
        };
        overrides.insert(config.name.clone(), value.clone());
    }
    let resource = ConfigResource::topic(topic.name.clone());
    context.rules.validate(&resource, &overrides, &ResourceConfigs::new())?;
    Ok(overrides)
}

fn effective(context: &Context<'_>, overrides: &ResourceConfigs) -> Vec<CreatableTopicConfigs> {
    let shown = |config: super::EffectiveConfig| CreatableTopicConfigs {
        name: config.name,
        value: config.value.filter(|_| !config.sensitive),
        read_only: config.read_only,
        config_source: config.source,
        is_sensitive: config.sensitive,
    };
    context.rules.topic_values(overrides, &context.image.configs).into_iter().map(shown).collect()
}

fn assign(
    context: &Context<'_>,
    soft: &mut Soft,
    topic: &CreatableTopic,
) -> Result<Vec<Assignment>, Refusal> {
    if !topic.assignments.is_empty() {
        return assign_by_hand(context, topic);
    }
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        return Err(Refusal::new(
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ));
    }
    if topic.num_partitions < -1 || topic.num_partitions == 0 {
        return Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ));
    }
    let or_default = |given: i32, default: i32| if given == -1 { default } else { given };
    let many = or_default(topic.num_partitions, context.options.default_num_partitions);
    let factor = match topic.replication_factor {
        -1 => context.options.default_replication_factor,
        given => given,
    };
    let placed = placement::place(context.image, &mut soft.rng, 0, many, factor)?;
    Ok(placed.into_iter().map(|replicas| Assignment { replicas, by_hand: false }).collect())
}

fn assign_by_hand(context: &Context<'_>, topic: &CreatableTopic) -> Result<Vec<Assignment>, Refusal> {
    let refuse = |error, what: String| Err(Refusal::new(error, what));
    if topic.replication_factor != -1 {
        let what = "A manual partition assignment was specified, but replication factor was not set to -1.";
        return refuse(ErrorCode::InvalidRequest, what.to_owned());
    }
    if topic.num_partitions != -1 {
        let what = "A manual partition assignment was specified, but numPartitions was not set to -1.";
        return refuse(ErrorCode::InvalidRequest, what.to_owned());
    }
    let mut by_index: BTreeMap<i32, Assignment> = BTreeMap::new();
    let mut factor = None;
    for given in &topic.assignments {
        let index = given.partition_index;
        let assignment = Assignment { replicas: given.broker_ids.clone(), by_hand: true };
        partitions::check_by_hand(context, &assignment.replicas, factor)?;
        factor = Some(assignment.replicas.len());
        if by_index.insert(index, assignment).is_some() {
            let what = format!("Found multiple manual partition assignments for partition {index}");
            return refuse(ErrorCode::InvalidReplicaAssignment, what);
        }
    }
    let consecutive = (0..).zip(by_index.keys()).all(|(expected, index)| expected == *index);
    if !consecutive {
        let what = "partitions should be a consecutive 0-based integer sequence";
        return refuse(ErrorCode::InvalidReplicaAssignment, what.to_owned());
    }
    Ok(by_index.into_values().collect())
}

pub(super) fn delete(
    context: &Context<'_>,
    request: &DeleteTopicsRequest,
    out: &mut Vec<VersionedRecord>,
) -> DeleteTopicsResponse {
    let by_name = request
        .topic_names
        .iter()
        .map(|name| DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() });
    let wanted: Vec<DeleteTopicState> = request.topics.iter().cloned().chain(by_name).collect();
    let mut gone: BTreeSet<Uuid> = BTreeSet::new();
    let mut responses = Vec::with_capacity(wanted.len());
    for topic in &wanted {
        let twice = wanted.iter().filter(|other| *other == topic).count() > 1;
        let found = find_for_deletion(context, topic, twice);
        responses.push(match found {
            Ok((name, topic_id)) => {
                if gone.insert(topic_id) {
                    let record = RemoveTopicRecord { topic_id };
                    out.push(VersionedRecord::v0(MetadataRecord::RemoveTopic(record)));
                }
                DeletableTopicResult { name: Some(name), topic_id, ..DeletableTopicResult::default() }
            }
            Err(refusal) => DeletableTopicResult {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                error_code: refusal.error.code(),
                error_message: refusal.text(),
            },
        });
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn find_for_deletion(
    context: &Context<'_>,
    topic: &DeleteTopicState,
    twice: bool,
) -> Result<(Str, Uuid), Refusal> {
    let invalid = |what: &str| Err(Refusal::new(ErrorCode::InvalidRequest, what));
    match (&topic.name, topic.topic_id.is_zero()) {
        (None, true) => invalid("Neither topic name nor id were specified."),
        (Some(_), false) => invalid("You may not specify both topic name and topic id."),
        (Some(_), true) if twice => invalid("Duplicate topic name."),
        (None, false) if twice => invalid("Duplicate topic id."),
        (Some(name), true) => match context.image.topics.by_name(name) {
            Some(found) => Ok((found.name.clone(), found.id)),
            None => Err(Refusal::plain(ErrorCode::UnknownTopicOrPartition)),
        },
        (None, false) => match context.image.topics.by_id(topic.topic_id) {
            Some(found) => Ok((found.name.clone(), found.id)),
            None => Err(Refusal::plain(ErrorCode::UnknownTopicId)),
        },
    }
}
