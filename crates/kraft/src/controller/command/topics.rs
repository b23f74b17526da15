//! Commands about topics: CreateTopics, DeleteTopics, CreatePartitions.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::mutations::MutationQuota;
use crate::controller::refusal::Refusal;
use std::collections::BTreeSet;
use wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use wire::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::{Str, Uuid};

/// CreateTopics (KIP-4).
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTopics {
    /// Topics the client may create.
    pub request: CreateTopicsRequest,
    /// Topics whose configuration the answer may show; `None`: all.
    pub describable: Option<BTreeSet<Str>>,
    /// What the client is held to.
    pub quota: Option<MutationQuota>,
}

/// DeleteTopics (KIP-4, 516).
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteTopics {
    /// Topics the client may delete.
    pub request: DeleteTopicsRequest,
    /// What the client is held to.
    pub quota: Option<MutationQuota>,
}

/// CreatePartitions (KIP-195).
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePartitions {
    /// Topics the client may alter.
    pub request: CreatePartitionsRequest,
    /// What the client is held to.
    pub quota: Option<MutationQuota>,
}

impl Decide for CreateTopics {
    type Answer = CreateTopicsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.quota = self.quota.clone();
        decider.create_topics(&self.request, self.describable.as_ref())
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let result = |topic: &wire::messages::create_topics::CreatableTopic| CreatableTopicResult {
            name: topic.name.clone(),
            error_code: no.error_code,
            error_message: no.message.clone(),
            ..Default::default()
        };
        let topics = self.request.topics.iter().map(result).collect();
        CreateTopicsResponse { topics, ..Default::default() }
    }
}

impl Decide for DeleteTopics {
    type Answer = DeleteTopicsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.quota = self.quota.clone();
        decider.delete_topics(&self.request)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let by_state = self.request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
        let by_name = self.request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO));
        let result = |(name, topic_id)| DeletableTopicResult {
            name,
            topic_id,
            error_code: no.error_code,
            ..Default::default()
        };
        let responses = by_state.chain(by_name).map(result).collect();
        DeleteTopicsResponse { responses, ..Default::default() }
    }
}

impl Decide for CreatePartitions {
    type Answer = CreatePartitionsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.quota = self.quota.clone();
        decider.create_partitions(&self.request)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let result =
            |topic: &wire::messages::create_partitions::CreatePartitionsTopic| CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code: no.error_code,
                error_message: no.message.clone(),
            };
        let results = self.request.topics.iter().map(result).collect();
        CreatePartitionsResponse { results, ..Default::default() }
    }
}
