//! Commands about partitions: AlterPartition, AlterPartitionReassignments, ElectLeaders, AssignReplicasToDirs.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use wire::messages::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use wire::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult, TopicPartitions,
};

/// AlterPartition (KIP-497): a leader proposes its ISR.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPartition {
    /// As the leader sent it.
    pub request: AlterPartitionRequest,
    /// Below version 3 the ISR comes without broker epochs.
    pub api_version: i16,
}

impl Decide for AlterPartition {
    type Answer = AlterPartitionResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.alter_partition(&self.request, self.api_version)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        AlterPartitionResponse { error_code: no.error_code, ..Default::default() }
    }
}

impl Decide for AlterPartitionReassignmentsRequest {
    type Answer = AlterPartitionReassignmentsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.alter_partition_reassignments(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let partition = |partition: &ReassignablePartition| ReassignablePartitionResponse {
            partition_index: partition.partition_index,
            error_code: no.error_code,
            error_message: no.message.clone(),
        };
        let topic = |topic: &ReassignableTopic| ReassignableTopicResponse {
            name: topic.name.clone(),
            partitions: topic.partitions.iter().map(partition).collect(),
        };
        AlterPartitionReassignmentsResponse {
            error_code: no.error_code,
            error_message: no.message.clone(),
            responses: self.topics.iter().map(topic).collect(),
            ..Default::default()
        }
    }
}

impl Decide for ElectLeadersRequest {
    type Answer = ElectLeadersResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.elect_leaders(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let partition = |partition_id: &i32| PartitionResult {
            partition_id: *partition_id,
            error_code: no.error_code,
            error_message: no.message.clone(),
        };
        let topic = |topic: &TopicPartitions| ReplicaElectionResult {
            topic: topic.topic.clone(),
            partition_result: topic.partitions.iter().map(partition).collect(),
        };
        let replica_election_results = self.topic_partitions.iter().flatten().map(topic).collect();
        ElectLeadersResponse { error_code: no.error_code, replica_election_results, ..Default::default() }
    }
}

impl Decide for AssignReplicasToDirsRequest {
    type Answer = AssignReplicasToDirsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.assign_replicas_to_dirs(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        AssignReplicasToDirsResponse { error_code: no.error_code, ..Default::default() }
    }
}
