//! New partitions: CreatePartitions (KIP-195), what a manual assignment must look like, and a partition's first state.

use super::decider::Decider;
use super::placement::{UsableBroker, place};
use super::refusal::{Refusal, in_time};
use crate::image::{PartitionImage, TopicImage};
use crate::raft::MAX_BATCH_RECORDS;
use std::sync::Arc;
use wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use wire::{ErrorCode, Str, Uuid};

impl Decider<'_> {
    pub(super) fn create_partitions(
        &mut self,
        request: &CreatePartitionsRequest,
    ) -> Result<CreatePartitionsResponse, Refusal> {
        self.atomic = true;
        let mut seen: Vec<&Str> = Vec::new();
        let mut duplicates: Vec<&Str> = Vec::new();
        for topic in &request.topics {
            let list = if seen.contains(&&topic.name) { &mut duplicates } else { &mut seen };
            if !list.contains(&&topic.name) {
                list.push(&topic.name);
            }
        }
        let topics: Vec<_> =
            request.topics.iter().filter(|topic| !duplicates.contains(&&topic.name)).collect();
        if !topics.is_empty() {
            in_time(request.timeout_ms)?;
        }
        self.check_additional_total(&topics)?;
        let mut response = CreatePartitionsResponse::default();
        for name in duplicates {
            let refusal = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
            response.results.push(result_of(name, Err(refusal)));
        }
        for topic in topics {
            let outcome = self.extend_topic(topic);
            response.results.push(result_of(&topic.name, outcome));
        }
        if request.validate_only {
            self.records.clear();
        }
        response.throttle_time_ms = self.throttle_time_ms;
        Ok(response)
    }

    fn check_additional_total(&self, topics: &[&CreatePartitionsTopic]) -> Result<(), Refusal> {
        let mut total = 0;
        for topic in topics {
            let existing =
                self.image().topics.by_name(&topic.name).map_or(i64::MAX, |t| t.partitions.len() as i64);
            total += i64::from(topic.count).saturating_sub(existing).max(0);
            if total > MAX_BATCH_RECORDS as i64 {
                let what = "Excessively large number of additional partitions per request.";
                return Err(Refusal::new(ErrorCode::PolicyViolation, what));
            }
        }
        Ok(())
    }

    fn extend_topic(&mut self, request: &CreatePartitionsTopic) -> Result<(), Refusal> {
        let Some(topic) = self.image().topics.by_name(&request.name) else {
            return Err(Refusal::silent(ErrorCode::UnknownTopicOrPartition));
        };
        let (existing, count) = (topic.partitions.len(), i64::from(request.count));
        if count == existing as i64 {
            let what = format!("Topic already has {existing} partition(s).");
            return Err(Refusal::new(ErrorCode::InvalidPartitions, what));
        }
        if count < existing as i64 {
            let what = format!(
                "The topic {} currently has {existing} partition(s); {count} would not be an increase.",
                request.name
            );
            return Err(Refusal::new(ErrorCode::InvalidPartitions, what));
        }
        let additional = usize::try_from(count).unwrap_or(0) - existing;
        if let Some(assignments) = &request.assignments
            && assignments.len() != additional
        {
            let what = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, what));
        }
        self.charge(additional)?;
        let new = self.additional_partitions(request, topic, additional)?;
        for (index, partition) in (i32::try_from(existing).unwrap_or(i32::MAX)..).zip(new) {
            let record = partition.to_record(topic.id, index, self.elr);
            self.write(record, self.metadata_version.partition_record_version());
        }
        Ok(())
    }

    fn additional_partitions(
        &mut self,
        request: &CreatePartitionsTopic,
        topic: &Arc<TopicImage>,
        additional: usize,
    ) -> Result<Vec<PartitionImage>, Refusal> {
        let factor = topic.partitions.values().next().map_or(0, |partition| partition.replicas.len());
        let Some(assignments) = &request.assignments else {
            let brokers = self.usable_brokers();
            let replication_factor = i16::try_from(factor).unwrap_or(i16::MAX);
            let invalid = |what: String| Refusal::new(ErrorCode::InvalidReplicationFactor, what);
            let placed =
                place(&mut self.soft.rng, &brokers, additional, replication_factor).map_err(invalid)?;
            let partition = |replicas| {
                self.new_partition(replicas).ok_or_else(|| {
                    invalid(format!(
                        "Unable to replicate the partition {replication_factor} time(s): All brokers are currently fenced or \
                         in controlled shutdown."
                    ))
                })
            };
            return placed.into_iter().map(partition).collect();
        };
        let mut partitions = Vec::with_capacity(additional);
        for (index, assignment) in (topic.partitions.len()..).zip(assignments) {
            self.check_assignment(&assignment.broker_ids, Some(factor))?;
            let partition = self.new_partition(assignment.broker_ids.clone()).ok_or_else(|| {
                let what = format!(
                    "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
                     controlled shutdown."
                );
                Refusal::new(ErrorCode::InvalidReplicaAssignment, what)
            })?;
            partitions.push(partition);
        }
        Ok(partitions)
    }

    /// Registered brokers, none twice, none with all its directories cordoned, as many as the partitions before.
    pub(super) fn check_assignment(
        &self,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), Refusal> {
        let invalid = |what: String| {
            Err(Refusal::new(
                ErrorCode::InvalidReplicaAssignment,
                format!("The manual partition assignment includes {what}"),
            ))
        };
        if replicas.is_empty() {
            return invalid("an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for id in sorted {
            match self.image().cluster.broker(id) {
                None => return invalid(format!("broker {id}, but no such broker is registered.")),
                Some(broker) if !broker.has_uncordoned_directory() => {
                    return invalid(format!("broker {id}, but all its log directories are cordoned."));
                }
                Some(_) if previous == Some(id) => {
                    return invalid(format!("the broker {id} more than once."));
                }
                Some(_) => previous = Some(id),
            }
        }
        match replication_factor {
            Some(factor) if factor != replicas.len() => invalid(format!(
                "a partition with {} replica(s), but this is not consistent with previous partitions, which have {factor} \
                 replica(s).",
                replicas.len()
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// A partition that has just been created: its active replicas are in sync, the first of them leads. `None` if none is.
    pub(super) fn new_partition(&self, replicas: Vec<i32>) -> Option<PartitionImage> {
        let cluster = &self.image().cluster;
        let isr: Vec<i32> = replicas.iter().copied().filter(|id| cluster.is_active(*id)).collect();
        let leader = *isr.first()?;
        let directories = replicas.iter().map(|id| self.default_directory(*id)).collect();
        Some(PartitionImage { replicas, directories, isr, leader, ..PartitionImage::default() })
    }

    /// Where a broker puts a new replica, if there is no choice.
    pub(super) fn default_directory(&self, broker_id: i32) -> Uuid {
        if !self.metadata_version.has_directories() {
            return Uuid::MIGRATING_DIRECTORY;
        }
        match self.image().cluster.broker(broker_id).map(|broker| broker.directories.as_slice()) {
            Some([]) => Uuid::MIGRATING_DIRECTORY,
            Some([only]) => *only,
            Some(_) | None => Uuid::UNASSIGNED_DIRECTORY,
        }
    }

    /// Brokers that may get new replicas: not leaving, and with a directory that takes some.
    pub(super) fn usable_brokers(&self) -> Vec<UsableBroker> {
        let usable = |(id, heartbeat): (&i32, &super::soft::Heartbeat)| {
            let broker =
                self.image().cluster.broker(*id).filter(|broker| broker.has_uncordoned_directory())?;
            let usable = UsableBroker { id: *id, rack: broker.rack.clone(), fenced: heartbeat.fenced };
            (!heartbeat.is_leaving()).then_some(usable)
        };
        self.soft.brokers.iter().filter_map(usable).collect()
    }
}

fn result_of(name: &Str, outcome: Result<(), Refusal>) -> CreatePartitionsTopicResult {
    let refusal = outcome.err();
    CreatePartitionsTopicResult {
        name: name.clone(),
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
        error_message: refusal.as_ref().and_then(Refusal::text),
    }
}
