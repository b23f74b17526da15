//! The answer to a command that was refused as a whole: Kafka's `getErrorResponse` of each request.

use super::command::{ControllerAnswer, ControllerCommand, Refusal};
use wire::messages::alter_configs::AlterConfigsResponse;
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use wire::messages::create_partitions::{CreatePartitionsResponse, CreatePartitionsTopicResult};
use wire::messages::create_topics::{CreatableTopicResult, CreateTopicsResponse};
use wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicsResponse};
use wire::messages::elect_leaders::{
    self, ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use wire::messages::incremental_alter_configs::IncrementalAlterConfigsResponse;
use wire::messages::{
    allocate_producer_ids, alter_configs, alter_partition, assign_replicas_to_dirs, broker_heartbeat,
    broker_registration, controller_registration, incremental_alter_configs, unregister_broker,
    unregister_controller, update_features,
};
use wire::{Str, Uuid};

impl ControllerCommand {
    /// The answer that says no to everything that was asked.
    pub fn refused(&self, refusal: &Refusal) -> ControllerAnswer {
        let error_code = refusal.error.code();
        // Words that only repeat the error are not sent.
        let message = refusal.text().filter(|text| *text != refusal.error.message());
        match self {
            ControllerCommand::CreateTopics { request, .. } => {
                let names = request.topics.iter().map(|topic| &topic.name);
                ControllerAnswer::CreateTopics(refused_topics(names, error_code, &message))
            }
            ControllerCommand::DeleteTopics(request) => {
                let by_state = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
                let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO));
                let result = |(name, topic_id)| DeletableTopicResult {
                    name,
                    topic_id,
                    error_code,
                    ..Default::default()
                };
                let responses = by_state.chain(by_name).map(result).collect();
                ControllerAnswer::DeleteTopics(DeleteTopicsResponse { responses, ..Default::default() })
            }
            ControllerCommand::CreatePartitions(request) => {
                let result = |topic: &wire::messages::create_partitions::CreatePartitionsTopic| {
                    CreatePartitionsTopicResult {
                        name: topic.name.clone(),
                        error_code,
                        error_message: message.clone(),
                    }
                };
                let results = request.topics.iter().map(result).collect();
                ControllerAnswer::CreatePartitions(CreatePartitionsResponse { results, ..Default::default() })
            }
            ControllerCommand::IncrementalAlterConfigs(request) => ControllerAnswer::IncrementalAlterConfigs(
                refused_incrementally(request, error_code, &message),
            ),
            ControllerCommand::AlterConfigs(request) => {
                ControllerAnswer::AlterConfigs(refused_configs(request, error_code, &message))
            }
            ControllerCommand::AlterPartitionReassignments(request) => {
                ControllerAnswer::AlterPartitionReassignments(refused_reassignments(
                    request, error_code, &message,
                ))
            }
            ControllerCommand::ElectLeaders(request) => {
                ControllerAnswer::ElectLeaders(refused_elections(request, error_code, &message))
            }
            ControllerCommand::UpdateFeatures { .. } => {
                let response = update_features::UpdateFeaturesResponse {
                    error_code,
                    error_message: message,
                    ..Default::default()
                };
                ControllerAnswer::UpdateFeatures(response)
            }
            other => other.refused_by_code(error_code, message),
        }
    }

    /// Those whose answer is a code, with or without words.
    fn refused_by_code(&self, error_code: i16, message: Option<Str>) -> ControllerAnswer {
        match self {
            ControllerCommand::RegisterBroker { .. } => {
                ControllerAnswer::RegisterBroker(broker_registration::BrokerRegistrationResponse {
                    error_code,
                    ..Default::default()
                })
            }
            ControllerCommand::BrokerHeartbeat(_) => {
                ControllerAnswer::BrokerHeartbeat(broker_heartbeat::BrokerHeartbeatResponse {
                    error_code,
                    ..Default::default()
                })
            }
            ControllerCommand::UnregisterBroker(_) => {
                ControllerAnswer::UnregisterBroker(unregister_broker::UnregisterBrokerResponse {
                    error_code,
                    error_message: message,
                    ..Default::default()
                })
            }
            ControllerCommand::RegisterController(_) => ControllerAnswer::RegisterController(
                controller_registration::ControllerRegistrationResponse {
                    error_code,
                    error_message: message,
                    ..Default::default()
                },
            ),
            ControllerCommand::UnregisterController(_) => {
                ControllerAnswer::UnregisterController(unregister_controller::UnregisterControllerResponse {
                    error_code,
                    error_message: message,
                    ..Default::default()
                })
            }
            ControllerCommand::AllocateProducerIds(_) => {
                ControllerAnswer::AllocateProducerIds(allocate_producer_ids::AllocateProducerIdsResponse {
                    error_code,
                    ..Default::default()
                })
            }
            ControllerCommand::AlterPartition { .. } => {
                ControllerAnswer::AlterPartition(alter_partition::AlterPartitionResponse {
                    error_code,
                    ..Default::default()
                })
            }
            ControllerCommand::AssignReplicasToDirs(_) => ControllerAnswer::AssignReplicasToDirs(
                assign_replicas_to_dirs::AssignReplicasToDirsResponse { error_code, ..Default::default() },
            ),
            ControllerCommand::CreateTopics { .. }
            | ControllerCommand::DeleteTopics(_)
            | ControllerCommand::CreatePartitions(_)
            | ControllerCommand::IncrementalAlterConfigs(_)
            | ControllerCommand::AlterConfigs(_)
            | ControllerCommand::AlterPartitionReassignments(_)
            | ControllerCommand::ElectLeaders(_)
            | ControllerCommand::UpdateFeatures { .. } => unreachable!("answered by `refused`"),
        }
    }
}

fn refused_topics<'a>(
    names: impl Iterator<Item = &'a Str>,
    error_code: i16,
    message: &Option<Str>,
) -> CreateTopicsResponse {
    let result = |name: &Str| CreatableTopicResult {
        name: name.clone(),
        error_code,
        error_message: message.clone(),
        ..Default::default()
    };
    CreateTopicsResponse { topics: names.map(result).collect(), ..Default::default() }
}

fn refused_elections(
    request: &ElectLeadersRequest,
    error_code: i16,
    message: &Option<Str>,
) -> ElectLeadersResponse {
    let partition = |partition_id: &i32| PartitionResult {
        partition_id: *partition_id,
        error_code,
        error_message: message.clone(),
    };
    let topic = |topic: &elect_leaders::TopicPartitions| ReplicaElectionResult {
        topic: topic.topic.clone(),
        partition_result: topic.partitions.iter().map(partition).collect(),
    };
    let replica_election_results = request.topic_partitions.iter().flatten().map(topic).collect();
    ElectLeadersResponse { error_code, replica_election_results, ..Default::default() }
}

fn refused_reassignments(
    request: &AlterPartitionReassignmentsRequest,
    error_code: i16,
    message: &Option<Str>,
) -> AlterPartitionReassignmentsResponse {
    let partition = |partition: &ReassignablePartition| ReassignablePartitionResponse {
        partition_index: partition.partition_index,
        error_code,
        error_message: message.clone(),
    };
    let topic = |topic: &ReassignableTopic| ReassignableTopicResponse {
        name: topic.name.clone(),
        partitions: topic.partitions.iter().map(partition).collect(),
    };
    AlterPartitionReassignmentsResponse {
        error_code,
        error_message: message.clone(),
        responses: request.topics.iter().map(topic).collect(),
        ..Default::default()
    }
}

fn refused_incrementally(
    request: &incremental_alter_configs::IncrementalAlterConfigsRequest,
    error_code: i16,
    message: &Option<Str>,
) -> IncrementalAlterConfigsResponse {
    let result = |resource: &incremental_alter_configs::AlterConfigsResource| {
        incremental_alter_configs::AlterConfigsResourceResponse {
            error_code,
            error_message: message.clone(),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        }
    };
    let responses = request.resources.iter().map(result).collect();
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

fn refused_configs(
    request: &alter_configs::AlterConfigsRequest,
    error_code: i16,
    message: &Option<Str>,
) -> AlterConfigsResponse {
    let result =
        |resource: &alter_configs::AlterConfigsResource| alter_configs::AlterConfigsResourceResponse {
            error_code,
            error_message: message.clone(),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        };
    let responses = request.resources.iter().map(result).collect();
    AlterConfigsResponse { responses, ..Default::default() }
}
