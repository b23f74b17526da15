//! The answer to a command that nobody decided: this node does not lead, or stopped leading before the records were committed.
//! Every item of the request hears it, as Kafka's clients expect.

use super::command::{ControllerAnswer, ControllerCommand, Refusal};
use wire::ErrorCode;
use wire::messages::alter_configs::{AlterConfigsResourceResponse, AlterConfigsResponse};
use wire::messages::create_partitions::{CreatePartitionsResponse, CreatePartitionsTopicResult};
use wire::messages::create_topics::{CreatableTopicResult, CreateTopicsResponse};
use wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicsResponse};
use wire::messages::incremental_alter_configs as incremental;

/// Refuses a whole command.
pub fn refuse(command: &ControllerCommand, refusal: &Refusal) -> ControllerAnswer {
    let mut answer = match command {
        ControllerCommand::CreateTopics { request, .. } => {
            let topic = |topic: &wire::messages::create_topics::CreatableTopic| CreatableTopicResult {
                name: topic.name.clone(),
                ..CreatableTopicResult::default()
            };
            let topics = request.topics.iter().map(topic).collect();
            ControllerAnswer::CreateTopics(CreateTopicsResponse { topics, ..CreateTopicsResponse::default() })
        }
        ControllerCommand::DeleteTopics(request) => {
            let by_state = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
            let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), wire::Uuid::ZERO));
            let result =
                |(name, topic_id)| DeletableTopicResult { name, topic_id, ..DeletableTopicResult::default() };
            let responses = by_state.chain(by_name).map(result).collect();
            ControllerAnswer::DeleteTopics(DeleteTopicsResponse {
                responses,
                ..DeleteTopicsResponse::default()
            })
        }
        ControllerCommand::CreatePartitions(request) => {
            let result = |topic: &wire::messages::create_partitions::CreatePartitionsTopic| {
                CreatePartitionsTopicResult {
                    name: topic.name.clone(),
                    ..CreatePartitionsTopicResult::default()
                }
            };
            let results = request.topics.iter().map(result).collect();
            ControllerAnswer::CreatePartitions(CreatePartitionsResponse {
                results,
                ..CreatePartitionsResponse::default()
            })
        }
        ControllerCommand::IncrementalAlterConfigs(request) => {
            let result =
                |resource: &incremental::AlterConfigsResource| incremental::AlterConfigsResourceResponse {
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone(),
                    ..incremental::AlterConfigsResourceResponse::default()
                };
            let responses = request.resources.iter().map(result).collect();
            ControllerAnswer::IncrementalAlterConfigs(incremental::IncrementalAlterConfigsResponse {
                responses,
                ..incremental::IncrementalAlterConfigsResponse::default()
            })
        }
        ControllerCommand::AlterConfigs(request) => {
            let result = |resource: &wire::messages::alter_configs::AlterConfigsResource| {
                AlterConfigsResourceResponse {
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone(),
                    ..AlterConfigsResourceResponse::default()
                }
            };
            let responses = request.resources.iter().map(result).collect();
            ControllerAnswer::AlterConfigs(AlterConfigsResponse {
                responses,
                ..AlterConfigsResponse::default()
            })
        }
        ControllerCommand::RegisterBroker { .. } => ControllerAnswer::RegisterBroker(Default::default()),
        ControllerCommand::BrokerHeartbeat(_) => ControllerAnswer::BrokerHeartbeat(Default::default()),
        ControllerCommand::UnregisterBroker(_) => ControllerAnswer::UnregisterBroker(Default::default()),
        ControllerCommand::RegisterController(_) => ControllerAnswer::RegisterController(Default::default()),
        ControllerCommand::UnregisterController(_) => {
            ControllerAnswer::UnregisterController(Default::default())
        }
        ControllerCommand::AllocateProducerIds(_) => {
            ControllerAnswer::AllocateProducerIds(Default::default())
        }
        ControllerCommand::UpdateFeatures { .. } => ControllerAnswer::UpdateFeatures(Default::default()),
        ControllerCommand::AlterPartition { .. } => ControllerAnswer::AlterPartition(Default::default()),
        ControllerCommand::ElectLeaders(_) => ControllerAnswer::ElectLeaders(Default::default()),
        ControllerCommand::AssignReplicasToDirs(_) => {
            ControllerAnswer::AssignReplicasToDirs(Default::default())
        }
    };
    answer.set_refusal(refusal);
    answer
}

impl ControllerAnswer {
    /// The same answer after its records were lost with the term.
    pub(crate) fn as_not_controller(mut self) -> ControllerAnswer {
        self.set_refusal(&Refusal::not_controller());
        self
    }

    fn set_refusal(&mut self, refusal: &Refusal) {
        let (code, text): (i16, _) = (refusal.error.code(), refusal.text());
        match self {
            ControllerAnswer::CreateTopics(answer) => {
                for topic in &mut answer.topics {
                    (topic.error_code, topic.error_message) = (code, text.clone());
                }
            }
            ControllerAnswer::DeleteTopics(answer) => {
                for topic in &mut answer.responses {
                    (topic.error_code, topic.error_message) = (code, text.clone());
                }
            }
            ControllerAnswer::CreatePartitions(answer) => {
                for topic in &mut answer.results {
                    (topic.error_code, topic.error_message) = (code, text.clone());
                }
            }
            ControllerAnswer::IncrementalAlterConfigs(answer) => {
                for resource in &mut answer.responses {
                    (resource.error_code, resource.error_message) = (code, text.clone());
                }
            }
            ControllerAnswer::AlterConfigs(answer) => {
                for resource in &mut answer.responses {
                    (resource.error_code, resource.error_message) = (code, text.clone());
                }
            }
            ControllerAnswer::RegisterBroker(answer) => answer.error_code = code,
            ControllerAnswer::BrokerHeartbeat(answer) => answer.error_code = code,
            ControllerAnswer::UnregisterBroker(answer) => answer.error_code = code,
            ControllerAnswer::RegisterController(answer) => answer.error_code = code,
            ControllerAnswer::UnregisterController(answer) => answer.error_code = code,
            ControllerAnswer::AllocateProducerIds(answer) => answer.error_code = code,
            ControllerAnswer::UpdateFeatures(answer) => {
                (answer.error_code, answer.error_message) = (code, text);
            }
            ControllerAnswer::AlterPartition(answer) => answer.error_code = code,
            ControllerAnswer::ElectLeaders(answer) => answer.error_code = code,
            ControllerAnswer::AssignReplicasToDirs(answer) => answer.error_code = code,
        }
        debug_assert_ne!(code, ErrorCode::None.code());
    }
}
