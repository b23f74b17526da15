//! Commands about topics: CreateTopics, DeleteTopics, CreatePartitions.

use crate::controller::Decider;
use crate::controller::command::{ControllerAnswer, Half, Refusal, Refused};
use std::collections::BTreeSet;
use wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use wire::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::{Str, Uuid};

impl Half for (&CreateTopicsRequest, Option<&BTreeSet<Str>>) {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.create_topics(self.0, self.1).map(ControllerAnswer::CreateTopics)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        let result = |topic: &wire::messages::create_topics::CreatableTopic| CreatableTopicResult {
            name: topic.name.clone(),
            error_code: no.error_code,
            error_message: no.message.clone(),
            ..Default::default()
        };
        let topics = self.0.topics.iter().map(result).collect();
        ControllerAnswer::CreateTopics(CreateTopicsResponse { topics, ..Default::default() })
    }
}

impl Half for &DeleteTopicsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.delete_topics(self).map(ControllerAnswer::DeleteTopics)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        let by_state = self.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
        let by_name = self.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO));
        let result = |(name, topic_id)| DeletableTopicResult {
            name,
            topic_id,
            error_code: no.error_code,
            ..Default::default()
        };
        let responses = by_state.chain(by_name).map(result).collect();
        ControllerAnswer::DeleteTopics(DeleteTopicsResponse { responses, ..Default::default() })
    }
}

impl Half for &CreatePartitionsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.create_partitions(self).map(ControllerAnswer::CreatePartitions)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        let result =
            |topic: &wire::messages::create_partitions::CreatePartitionsTopic| CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code: no.error_code,
                error_message: no.message.clone(),
            };
        let results = self.topics.iter().map(result).collect();
        ControllerAnswer::CreatePartitions(CreatePartitionsResponse { results, ..Default::default() })
    }
}
