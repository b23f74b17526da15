//! Single partitions: creating them (CreatePartitions), what their leader proposes (AlterPartition, KIP-497), elections on request
//! (ElectLeaders, KIP-460) and log directories that brokers chose (KIP-858).

use super::brokers::check_epoch;
use super::command::Refusal;
use super::decide::Context;
use super::leadership::{self, Election, NO_LEADER_CHANGE};
use super::placement;
use super::soft::Soft;
use crate::image::{LeaderRecoveryState, PartitionImage, TopicImage, VersionedRecord};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResponsePartitionData,
    AlterPartitionResponseTopicData, PartitionData,
};
use wire::messages::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use wire::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult, TopicPartitions,
};
use wire::records::metadata::{MetadataRecord, PartitionChangeRecord};
use wire::{ErrorCode, Uuid};

/// The replicas of one partition, the preferred leader first.
pub(super) struct Assignment {
    pub replicas: Vec<i32>,
    /// The client chose them.
    pub by_hand: bool,
}

/// The record of a new partition: led by its first replica that is up, which with the others that are up is in sync.
pub(super) fn new_partition(
    context: &Context<'_>,
    topic_id: Uuid,
    index: i32,
    assignment: &Assignment,
) -> Result<VersionedRecord, Refusal> {
    let up = |id: &i32| context.image.cluster.is_active(*id);
    let isr: Vec<i32> = assignment.replicas.iter().copied().filter(up).collect();
    let Some(leader) = isr.first().copied() else {
        return Err(if assignment.by_hand {
            let what = format!(
                "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled shutdown."
            );
            Refusal::new(ErrorCode::InvalidReplicaAssignment, what)
        } else {
            let factor = assignment.replicas.len();
            let what = format!(
                "Unable to replicate the partition {factor} time(s): All brokers are currently fenced or in controlled shutdown."
            );
            Refusal::new(ErrorCode::InvalidReplicationFactor, what)
        });
    };
    let partition = PartitionImage {
        directories: assignment.replicas.iter().map(|id| default_directory(context, *id)).collect(),
        replicas: assignment.replicas.clone(),
        isr,
        leader,
        leader_recovery_state: LeaderRecoveryState::Recovered,
        ..PartitionImage::default()
    };
    let elr = context.image.features.elr_enabled();
    let record = MetadataRecord::Partition(partition.to_record(topic_id, index, elr));
    Ok(VersionedRecord { record, version: context.metadata_version().partition_record_version() })
}

/// A broker with one directory needs no choice; with several it says itself where the replica went.
fn default_directory(context: &Context<'_>, broker: i32) -> Uuid {
    match context.image.cluster.broker(broker).map(|registration| registration.directories.as_slice()) {
        Some([only]) => *only,
        Some([]) | None => Uuid::MIGRATING_DIRECTORY,
        Some(_) => Uuid::UNASSIGNED_DIRECTORY,
    }
}

/// The rules for replicas that a client chose; `factor` is the number of replicas of the partitions before.
pub(super) fn check_by_hand(
    context: &Context<'_>,
    replicas: &[i32],
    factor: Option<usize>,
) -> Result<(), Refusal> {
    let refuse = |what: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, what));
    if replicas.is_empty() {
        return refuse("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if let [a, b] = pair
            && a == b
        {
            return refuse(format!(
                "The manual partition assignment includes the broker {a} more than once."
            ));
        }
    }
    if let Some(unknown) = sorted.iter().find(|id| context.image.cluster.broker(**id).is_none()) {
        return refuse(format!(
            "The manual partition assignment includes broker {unknown}, but no such broker is registered."
        ));
    }
    match factor {
        Some(before) if before != replicas.len() => refuse(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with previous partitions, which have {before} replica(s).",
            replicas.len()
        )),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn create(
    context: &Context<'_>,
    soft: &mut Soft,
    request: &CreatePartitionsRequest,
    out: &mut Vec<VersionedRecord>,
) -> CreatePartitionsResponse {
    let mut seen = BTreeMap::new();
    for topic in &request.topics {
        *seen.entry(topic.name.as_str()).or_insert(0) += 1;
    }
    let mut results = Vec::new();
    for topic in &request.topics {
        let outcome = match seen.remove(topic.name.as_str()) {
            None => continue,
            Some(2..) => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
            Some(_) => grow(context, soft, topic),
        };
        let refusal = match outcome {
            Ok(records) => {
                if !request.validate_only {
                    out.extend(records);
                }
                None
            }
            Err(refusal) => Some(refusal),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
            error_message: refusal.as_ref().and_then(Refusal::text),
        });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

fn grow(
    context: &Context<'_>,
    soft: &mut Soft,
    wanted: &CreatePartitionsTopic,
) -> Result<Vec<VersionedRecord>, Refusal> {
    let Some(topic) = context.image.topics.by_name(&wanted.name) else {
        return Err(Refusal::plain(ErrorCode::UnknownTopicOrPartition));
    };
    let now = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let invalid = |what: String| Err(Refusal::new(ErrorCode::InvalidPartitions, what));
    if wanted.count == now {
        return invalid(format!("Topic already has {now} partition(s)."));
    }
    if wanted.count < now {
        return invalid(format!(
            "The topic {} currently has {now} partition(s); {} would not be an increase.",
            wanted.name, wanted.count
        ));
    }
    let factor = topic.partition(0).map_or(1, |partition| partition.replicas.len());
    let additional = wanted.count - now;
    let assignments = match &wanted.assignments {
        Some(given) => {
            if i32::try_from(given.len()) != Ok(additional) {
                let what = format!(
                    "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                    given.len()
                );
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, what));
            }
            for one in given {
                check_by_hand(context, &one.broker_ids, Some(factor))?;
            }
            given.iter().map(|one| Assignment { replicas: one.broker_ids.clone(), by_hand: true }).collect()
        }
        None => {
            let factor = i16::try_from(factor).unwrap_or(i16::MAX);
            let placed = placement::place(context.image, &mut soft.rng, now, additional, factor)?;
            placed.into_iter().map(|replicas| Assignment { replicas, by_hand: false }).collect::<Vec<_>>()
        }
    };
    (now..).zip(&assignments).map(|(index, one)| new_partition(context, topic.id, index, one)).collect()
}

pub(super) fn alter(
    context: &Context<'_>,
    request: &AlterPartitionRequest,
    api_version: i16,
    out: &mut Vec<VersionedRecord>,
) -> AlterPartitionResponse {
    if let Err(error) = check_epoch(context, request.broker_id, request.broker_epoch) {
        return AlterPartitionResponse { error_code: error.code(), ..AlterPartitionResponse::default() };
    }
    let topics = request.topics.iter().map(|topic| AlterPartitionResponseTopicData {
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|wanted| {
                let found = context.image.topics.by_id(topic.topic_id);
                alter_one(context, request.broker_id, found, wanted, api_version, out)
            })
            .collect(),
    });
    AlterPartitionResponse { topics: topics.collect(), ..AlterPartitionResponse::default() }
}

fn alter_one(
    context: &Context<'_>,
    broker: i32,
    topic: Option<&Arc<TopicImage>>,
    wanted: &PartitionData,
    api_version: i16,
    out: &mut Vec<VersionedRecord>,
) -> AlterPartitionResponsePartitionData {
    let refused = |error: ErrorCode| AlterPartitionResponsePartitionData {
        partition_index: wanted.partition_index,
        error_code: error.code(),
        ..AlterPartitionResponsePartitionData::default()
    };
    let Some(topic) = topic else { return refused(ErrorCode::UnknownTopicId) };
    let Some(partition) = topic.partition(wanted.partition_index) else {
        return refused(ErrorCode::UnknownTopicOrPartition);
    };
    let isr = match check_proposal(context, broker, partition, wanted, api_version) {
        Ok(isr) => isr,
        Err(error) => return refused(error),
    };
    let mut record = PartitionChangeRecord {
        partition_id: wanted.partition_index,
        topic_id: topic.id,
        ..PartitionChangeRecord::default()
    };
    if isr != partition.isr {
        record.isr = Some(isr);
    }
    if LeaderRecoveryState::from_id(wanted.leader_recovery_state) != Some(partition.leader_recovery_state) {
        record.leader_recovery_state = wanted.leader_recovery_state;
    }
    let changed = record.isr.is_some() || record.leader_recovery_state != -1;
    let merged = if changed { partition.merged(&record).ok() } else { None };
    let after = merged.as_ref().unwrap_or(partition);
    let answer = AlterPartitionResponsePartitionData {
        partition_index: wanted.partition_index,
        leader_id: after.leader,
        leader_epoch: after.leader_epoch,
        isr: after.isr.clone(),
        leader_recovery_state: after.leader_recovery_state.id(),
        partition_epoch: after.partition_epoch,
        ..AlterPartitionResponsePartitionData::default()
    };
    if merged.is_some() {
        out.push(leadership::versioned(context, record));
    }
    answer
}

/// Kafka's order of checks; the in-sync set that is wanted.
fn check_proposal(
    context: &Context<'_>,
    broker: i32,
    partition: &PartitionImage,
    wanted: &PartitionData,
    api_version: i16,
) -> Result<Vec<i32>, ErrorCode> {
    if wanted.leader_epoch > partition.leader_epoch || wanted.partition_epoch > partition.partition_epoch {
        return Err(ErrorCode::NotController);
    }
    if wanted.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if broker != partition.leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if wanted.partition_epoch < partition.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let with_epochs = || wanted.new_isr_with_epochs.iter().map(|state| state.broker_id).collect();
    let isr: Vec<i32> = if api_version >= 3 { with_epochs() } else { wanted.new_isr.clone() };
    let recovery =
        LeaderRecoveryState::from_id(wanted.leader_recovery_state).ok_or(ErrorCode::InvalidRequest)?;
    let valid = leadership::all_distinct(&isr)
        && isr.iter().all(|id| partition.replicas.contains(id))
        && isr.contains(&partition.leader);
    let recovering = recovery == LeaderRecoveryState::Recovering;
    if !valid || (recovering && (isr.len() > 1 || partition.leader_recovery_state != recovery)) {
        return Err(ErrorCode::InvalidRequest);
    }
    let stale = wanted.new_isr_with_epochs.iter().any(|state| {
        let known = context.image.cluster.broker(state.broker_id).map(|registration| registration.epoch);
        state.broker_epoch != -1 && known != Some(state.broker_epoch)
    });
    if stale || isr.iter().any(|id| !context.image.cluster.is_active(*id)) {
        return Err(ErrorCode::IneligibleReplica);
    }
    Ok(isr)
}

pub(super) fn elect(
    context: &Context<'_>,
    request: &ElectLeadersRequest,
    out: &mut Vec<VersionedRecord>,
) -> ElectLeadersResponse {
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        _ => {
            let error_code = ErrorCode::InvalidRequest.code();
            return ElectLeadersResponse { error_code, ..ElectLeadersResponse::default() };
        }
    };
    let all = || {
        let of_topic = |topic: &Arc<TopicImage>| TopicPartitions {
            topic: topic.name.clone(),
            partitions: topic.partitions.iter().map(|(index, _)| *index).collect(),
        };
        context.image.topics.iter_by_name().map(of_topic).collect()
    };
    let wanted = request.topic_partitions.clone().unwrap_or_else(all);
    let everything = request.topic_partitions.is_none();
    let mut results = Vec::with_capacity(wanted.len());
    for topic in wanted {
        let mut partition_result = Vec::new();
        for index in topic.partitions {
            let error = elect_one(context, &topic.topic, index, election, out);
            // Asked for all, Kafka names only those that needed something.
            if everything && error == Err(ErrorCode::ElectionNotNeeded) {
                continue;
            }
            let refusal = error.err().map(Refusal::plain);
            partition_result.push(PartitionResult {
                partition_id: index,
                error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
                error_message: refusal.as_ref().and_then(Refusal::text),
            });
        }
        results.push(ReplicaElectionResult { topic: topic.topic, partition_result });
    }
    ElectLeadersResponse { replica_election_results: results, ..ElectLeadersResponse::default() }
}

fn elect_one(
    context: &Context<'_>,
    topic: &str,
    index: i32,
    election: Election,
    out: &mut Vec<VersionedRecord>,
) -> Result<(), ErrorCode> {
    let found = context.image.topics.by_name(topic).and_then(|t| t.partition(index).map(|p| (t, p)));
    let (topic, partition) = found.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let needed = match election {
        Election::Preferred => !partition.has_preferred_leader(),
        Election::Unclean | Election::Online => !partition.has_leader(),
    };
    if !needed {
        return Err(ErrorCode::ElectionNotNeeded);
    }
    let Some(record) = leadership::change(context, topic.id, index, partition, None, election) else {
        return Err(match election {
            Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
            Election::Unclean | Election::Online => ErrorCode::EligibleLeadersNotAvailable,
        });
    };
    let elected = match &record.record {
        MetadataRecord::PartitionChange(change) => change.leader != NO_LEADER_CHANGE,
        _ => false,
    };
    let preferred = partition.replicas.first().is_some_and(|id| context.image.cluster.is_active(*id));
    if !elected || (election == Election::Preferred && !preferred) {
        return Err(ErrorCode::PreferredLeaderNotAvailable);
    }
    out.push(record);
    Ok(())
}

pub(super) fn assign_directories(
    context: &Context<'_>,
    request: &AssignReplicasToDirsRequest,
    out: &mut Vec<VersionedRecord>,
) -> AssignReplicasToDirsResponse {
    use wire::messages::assign_replicas_to_dirs as api;
    if let Err(error) = check_epoch(context, request.broker_id, request.broker_epoch) {
        let error_code = error.code();
        return AssignReplicasToDirsResponse { error_code, ..AssignReplicasToDirsResponse::default() };
    }
    let mut assign = |topic_id: Uuid, index: i32, directory: Uuid| -> Result<(), ErrorCode> {
        let topic = context.image.topics.by_id(topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let replica = partition.replicas.iter().position(|id| *id == request.broker_id);
        let mut directories = partition.directories.clone();
        let slot = replica.and_then(|at| directories.get_mut(at)).ok_or(ErrorCode::NotLeaderOrFollower)?;
        *slot = directory;
        let mut record =
            PartitionChangeRecord { partition_id: index, topic_id, ..PartitionChangeRecord::default() };
        record.directories = Some(directories);
        out.push(leadership::versioned(context, record));
        Ok(())
    };
    let mut directories = Vec::new();
    for directory in &request.directories {
        let mut topics = Vec::new();
        for topic in &directory.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let outcome = assign(topic.topic_id, index, directory.id);
                let error_code = outcome.err().map_or(0, |error| error.code());
                api::AssignReplicasToDirsResponsePartitionData { partition_index: index, error_code }
            });
            let partitions = partitions.collect();
            topics.push(api::AssignReplicasToDirsResponseTopicData { topic_id: topic.topic_id, partitions });
        }
        directories.push(api::AssignReplicasToDirsResponseDirectoryData { id: directory.id, topics });
    }
    AssignReplicasToDirsResponse { directories, ..AssignReplicasToDirsResponse::default() }
}
