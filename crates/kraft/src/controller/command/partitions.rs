//! Commands about partitions: AlterPartition, AlterPartitionReassignments, ElectLeaders, AssignReplicasToDirs.

use crate::controller::Decider;
use crate::controller::command::{ControllerAnswer, Half, Refusal, Refused};
use wire::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use wire::messages::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use wire::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult, TopicPartitions,
};

impl Half for (&AlterPartitionRequest, i16) {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.alter_partition(self.0, self.1).map(ControllerAnswer::AlterPartition)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::AlterPartition(AlterPartitionResponse {
            error_code: no.error_code,
            ..Default::default()
        })
    }
}

impl Half for &AlterPartitionReassignmentsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.alter_partition_reassignments(self).map(ControllerAnswer::AlterPartitionReassignments)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        let partition = |partition: &ReassignablePartition| ReassignablePartitionResponse {
            partition_index: partition.partition_index,
            error_code: no.error_code,
            error_message: no.message.clone(),
        };
        let topic = |topic: &ReassignableTopic| ReassignableTopicResponse {
            name: topic.name.clone(),
            partitions: topic.partitions.iter().map(partition).collect(),
        };
        ControllerAnswer::AlterPartitionReassignments(AlterPartitionReassignmentsResponse {
            error_code: no.error_code,
            error_message: no.message.clone(),
            responses: self.topics.iter().map(topic).collect(),
            ..Default::default()
        })
    }
}

impl Half for &ElectLeadersRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.elect_leaders(self).map(ControllerAnswer::ElectLeaders)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
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
        ControllerAnswer::ElectLeaders(ElectLeadersResponse {
            error_code: no.error_code,
            replica_election_results,
            ..Default::default()
        })
    }
}

impl Half for &AssignReplicasToDirsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.assign_replicas_to_dirs(self).map(ControllerAnswer::AssignReplicasToDirs)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::AssignReplicasToDirs(AssignReplicasToDirsResponse {
            error_code: no.error_code,
            ..Default::default()
        })
    }
}
