//! AlterPartitionReassignments (KIP-455): new replicas for a partition, or an end to replacing them. Owns what a target must look
//! like and what a reassignment in progress goes back to; how it completes is `partition_change.rs`'s. Moves no bytes.

use super::decider::Decider;
use super::partition_change::Election;
use super::refusal::{Refusal, in_time};
use crate::image::{PartitionImage, TopicImage};
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use wire::{ErrorCode, Str};

impl Decider<'_> {
    pub(super) fn alter_partition_reassignments(
        &mut self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Result<AlterPartitionReassignmentsResponse, Refusal> {
        self.atomic = true;
        if request.topics.is_empty() {
            return Ok(AlterPartitionReassignmentsResponse::default());
        }
        in_time(request.timeout_ms)?;
        let factor_may_change = request.allow_replication_factor_change;
        let mut response = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: factor_may_change,
            error_message: None,
            ..Default::default()
        };
        let mut named = BTreeSet::new();
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for wanted in &topic.partitions {
                // DIVERGES: Kafka decides a partition that is named twice on the same state twice, and its two records may contradict
                // each other, which ends the controller.
                let outcome = if named.insert((&topic.name, wanted.partition_index)) {
                    self.reassign(&topic.name, wanted, factor_may_change)
                } else {
                    Err(Refusal::new(ErrorCode::InvalidRequest, "The partition is named more than once."))
                };
                partitions.push(result_of(wanted.partition_index, outcome));
            }
            response.responses.push(ReassignableTopicResponse { name: topic.name.clone(), partitions });
        }
        Ok(response)
    }

    fn reassign(
        &mut self,
        name: &Str,
        wanted: &ReassignablePartition,
        factor_may_change: bool,
    ) -> Result<(), Refusal> {
        let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
        let index = wanted.partition_index;
        let topic = self.image().topics.by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partition(index);
        let partition =
            partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        match &wanted.replicas {
            None => self.cancel_reassignment(topic, index, partition),
            Some(target) => self.begin_reassignment(topic, index, partition, target, factor_may_change),
        }
    }

    /// The target's replicas first, then those that are to go: they stay until all that come are in sync. A target that only
    /// orders the replicas anew, or takes some away, is reached at once.
    fn begin_reassignment(
        &mut self,
        topic: &Arc<TopicImage>,
        index: i32,
        partition: &PartitionImage,
        target: &[i32],
        factor_may_change: bool,
    ) -> Result<(), Refusal> {
        self.check_assignment(target, None)?;
        let factor = present_factor(partition);
        if !factor_may_change && factor != target.len() {
            let what = format!("The replication factor is changed from {factor} to {}", target.len());
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, what));
        }
        let removing = difference(&partition.replicas, target);
        let adding = difference(target, &partition.replicas);
        let cluster = &self.image().cluster;
        let alive = |id: i32| cluster.is_active(id);
        self.change_partition(topic, index, partition, &alive, |change| {
            change.replicas = [target, &removing].concat();
            // Where the new target adds or removes nobody, Kafka keeps what the reassignment in progress said. DIVERGES: whoever was being
            // added and is not wanted any more is not waited for. Kafka waits for it to be in sync and takes it out of the ISR at once, so
            // that the reassignment never ends.
            change.adding.retain(|id| target.contains(id));
            if !removing.is_empty() {
                change.removing = removing;
            }
            if !adding.is_empty() {
                change.adding = adding;
            }
        });
        Ok(())
    }

    /// Whoever was being added leaves again, whoever was being removed stays.
    fn cancel_reassignment(
        &mut self,
        topic: &Arc<TopicImage>,
        index: i32,
        partition: &PartitionImage,
    ) -> Result<(), Refusal> {
        if !partition.is_reassigning() {
            return Err(Refusal::silent(ErrorCode::NoReassignmentInProgress));
        }
        let was_there = |id: &i32| !partition.adding_replicas.contains(id);
        let replicas: Vec<i32> = partition.replicas.iter().copied().filter(was_there).collect();
        let mut isr: Vec<i32> = partition.isr.iter().copied().filter(was_there).collect();
        let unclean_election = self.unclean_election_enabled(topic);
        if isr.is_empty() {
            let Some(first) = replicas.first() else {
                let what = "Invalid replica assignment: addingReplicas contains all replicas.";
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, what));
            };
            if !unclean_election {
                let what = format!(
                    "Unable to revert partition assignment for {}:{index} because it would require an unclean leader election.",
                    topic.name
                );
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, what));
            }
            isr.push(*first);
        }
        let cluster = &self.image().cluster;
        let alive = |id: i32| cluster.is_active(id);
        self.change_partition(topic, index, partition, &alive, |change| {
            change.election = if unclean_election { Election::Unclean } else { Election::Online };
            change.isr = isr;
            change.replicas = replicas;
            change.removing.clear();
            change.adding.clear();
        });
        Ok(())
    }
}

/// How many replicas there will be when the reassignment in progress, if there is one, is complete.
fn present_factor(partition: &PartitionImage) -> usize {
    partition.replicas.iter().filter(|id| !partition.removing_replicas.contains(id)).count()
}

/// Those of `of` that are not in `without`, in ascending order.
fn difference(of: &[i32], without: &[i32]) -> Vec<i32> {
    let mut left: Vec<i32> = of.iter().copied().filter(|id| !without.contains(id)).collect();
    left.sort_unstable();
    left
}

fn result_of(partition_index: i32, outcome: Result<(), Refusal>) -> ReassignablePartitionResponse {
    let refusal = outcome.err();
    ReassignablePartitionResponse {
        partition_index,
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
        error_message: refusal.as_ref().and_then(Refusal::text),
    }
}
