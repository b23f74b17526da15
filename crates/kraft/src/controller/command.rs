//! All that the controller can be asked, and all that it answers: closed enums around the wire's own messages, so that an
//! answer is ready to be sent. Decides nothing.

use std::collections::BTreeSet;
use std::fmt;
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use wire::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use wire::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
use wire::messages::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use wire::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use wire::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
use wire::messages::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
use wire::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use wire::messages::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};
use wire::messages::update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use wire::{ErrorCode, Str};

/// A request that was authorized and only needs deciding. Whoever is not allowed something has been taken out of the request
/// by the handler, which adds its own results to the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ControllerCommand {
    CreateTopics {
        request: CreateTopicsRequest,
        /// Topics whose configuration the answer may show; `None`: all.
        describable: Option<BTreeSet<Str>>,
    },
    DeleteTopics(DeleteTopicsRequest),
    CreatePartitions(CreatePartitionsRequest),
    /// BROKER_LOGGER resources are the receiving node's own business and must be taken out before.
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    AlterConfigs(AlterConfigsRequest),
    RegisterBroker {
        request: BrokerRegistrationRequest,
        /// From version 3 on, a broker says which epoch it last shut down cleanly with (KIP-966).
        api_version: i16,
    },
    BrokerHeartbeat(BrokerHeartbeatRequest),
    UnregisterBroker(UnregisterBrokerRequest),
    RegisterController(ControllerRegistrationRequest),
    UnregisterController(UnregisterControllerRequest),
    AllocateProducerIds(AllocateProducerIdsRequest),
    UpdateFeatures {
        request: UpdateFeaturesRequest,
        /// Up to version 1 the answer repeats every feature.
        api_version: i16,
    },
    AlterPartition {
        request: AlterPartitionRequest,
        /// Below version 3 the ISR comes without broker epochs.
        api_version: i16,
    },
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    ElectLeaders(ElectLeadersRequest),
    AssignReplicasToDirs(AssignReplicasToDirsRequest),
}

/// What a command answers; the variant is the command's.
#[derive(Clone, Debug, PartialEq)]
pub enum ControllerAnswer {
    CreateTopics(CreateTopicsResponse),
    DeleteTopics(DeleteTopicsResponse),
    CreatePartitions(CreatePartitionsResponse),
    IncrementalAlterConfigs(IncrementalAlterConfigsResponse),
    AlterConfigs(AlterConfigsResponse),
    RegisterBroker(BrokerRegistrationResponse),
    BrokerHeartbeat(BrokerHeartbeatResponse),
    UnregisterBroker(UnregisterBrokerResponse),
    RegisterController(ControllerRegistrationResponse),
    UnregisterController(UnregisterControllerResponse),
    AllocateProducerIds(AllocateProducerIdsResponse),
    UpdateFeatures(UpdateFeaturesResponse),
    AlterPartition(AlterPartitionResponse),
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse),
    ElectLeaders(ElectLeadersResponse),
    AssignReplicasToDirs(AssignReplicasToDirsResponse),
}

/// A whole command, or one part of it, was refused: what the client must read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub error: ErrorCode,
    /// Kafka's words; `None` where Kafka sends no message, or the error's own.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal in so many words.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { error, message: Some(message.into()) }
    }

    /// A refusal with the error's own words.
    pub fn plain(error: ErrorCode) -> Self {
        Refusal { error, message: Some(error.message().to_owned()) }
    }

    /// A refusal without words: what Kafka sends for an exception thrown without a message of its own.
    pub fn silent(error: ErrorCode) -> Self {
        Refusal { error, message: None }
    }

    /// This node does not lead the quorum; the message is what Kafka says where the leader is unknown.
    pub fn not_controller() -> Self {
        Refusal::new(ErrorCode::NotController, "No controller appears to be active.")
    }

    /// The message as answers carry it.
    pub fn text(&self) -> Option<Str> {
        self.message.as_deref().map(Str::from)
    }
}

/// Refuses what has no time left: a deadline that has passed before the controller looks at the request is its answer, and
/// nothing is changed.
pub(super) fn in_time(timeout_ms: i32) -> Result<(), Refusal> {
    if timeout_ms > 0 { Ok(()) } else { Err(Refusal::plain(ErrorCode::RequestTimedOut)) }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.error, self.message.as_deref().unwrap_or("-"))
    }
}
