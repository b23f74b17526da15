//! All that the controller can be asked, and all that it answers: closed enums around the wire's own messages, so that an
//! answer is ready to be sent. Who decides a command, and how it is refused as a whole, stands in its noun's file beneath this one.

mod configs;
mod features;
mod nodes;
mod partitions;
mod producer_ids;
mod topics;

use super::Decider;
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
    /// CreateTopics (KIP-4).
    CreateTopics {
        /// Topics the client may create.
        request: CreateTopicsRequest,
        /// Topics whose configuration the answer may show; `None`: all.
        describable: Option<BTreeSet<Str>>,
    },
    /// DeleteTopics (KIP-4, 516): by name or by id.
    DeleteTopics(DeleteTopicsRequest),
    /// CreatePartitions (KIP-195).
    CreatePartitions(CreatePartitionsRequest),
    /// BROKER_LOGGER resources are the receiving node's own business and must be taken out before.
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    /// AlterConfigs: replaces everything that is set on a resource.
    AlterConfigs(AlterConfigsRequest),
    /// BrokerRegistration (KIP-631).
    RegisterBroker {
        /// As the broker sent it.
        request: BrokerRegistrationRequest,
        /// From version 3 on, a broker says which epoch it last shut down cleanly with (KIP-966).
        api_version: i16,
    },
    /// BrokerHeartbeat (KIP-631): alive, how far it has read, whether it leaves.
    BrokerHeartbeat(BrokerHeartbeatRequest),
    /// UnregisterBroker (KIP-631).
    UnregisterBroker(UnregisterBrokerRequest),
    /// ControllerRegistration (KIP-919).
    RegisterController(ControllerRegistrationRequest),
    /// UnregisterController.
    UnregisterController(UnregisterControllerRequest),
    /// AllocateProducerIds (KIP-730): a block of ids for a broker.
    AllocateProducerIds(AllocateProducerIdsRequest),
    /// UpdateFeatures (KIP-584, 1022).
    UpdateFeatures {
        /// Features and levels.
        request: UpdateFeaturesRequest,
        /// Up to version 1 the answer repeats every feature.
        api_version: i16,
    },
    /// AlterPartition (KIP-497): a leader proposes its ISR.
    AlterPartition {
        /// As the leader sent it.
        request: AlterPartitionRequest,
        /// Below version 3 the ISR comes without broker epochs.
        api_version: i16,
    },
    /// AlterPartitionReassignments (KIP-455): begins or cancels.
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    /// ElectLeaders (KIP-183, 460).
    ElectLeaders(ElectLeadersRequest),
    /// AssignReplicasToDirs (KIP-858).
    AssignReplicasToDirs(AssignReplicasToDirsRequest),
}

/// The two halves of a command: the decision, and the answer that says no to everything that was asked (Kafka's `getErrorResponse` of
/// each request). A command is a pair of them in its noun's file, and a row in each table of [`ControllerCommand`].
trait Half {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal>;

    fn refused(self, no: Refused) -> ControllerAnswer;
}

/// What the answer to a command that was refused as a whole says.
struct Refused {
    error_code: i16,
    /// `None` where it would only repeat the error.
    message: Option<Str>,
}

impl ControllerCommand {
    /// The answer, in a decision in the making.
    pub(super) fn decide(&self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        match self {
            Self::CreateTopics { request, describable } => (request, describable.as_ref()).decide(decider),
            Self::DeleteTopics(request) => request.decide(decider),
            Self::CreatePartitions(request) => request.decide(decider),
            Self::IncrementalAlterConfigs(request) => request.decide(decider),
            Self::AlterConfigs(request) => request.decide(decider),
            Self::RegisterBroker { request, api_version } => (request, *api_version).decide(decider),
            Self::BrokerHeartbeat(request) => request.decide(decider),
            Self::UnregisterBroker(request) => request.decide(decider),
            Self::RegisterController(request) => request.decide(decider),
            Self::UnregisterController(request) => request.decide(decider),
            Self::AllocateProducerIds(request) => request.decide(decider),
            Self::UpdateFeatures { request, api_version } => (request, *api_version).decide(decider),
            Self::AlterPartition { request, api_version } => (request, *api_version).decide(decider),
            Self::AlterPartitionReassignments(request) => request.decide(decider),
            Self::ElectLeaders(request) => request.decide(decider),
            Self::AssignReplicasToDirs(request) => request.decide(decider),
        }
    }

    /// The answer that says no to everything that was asked.
    pub fn refused(&self, refusal: &Refusal) -> ControllerAnswer {
        let message = refusal.text().filter(|text| *text != refusal.error.message());
        let no = Refused { error_code: refusal.error.code(), message };
        match self {
            Self::CreateTopics { request, describable } => (request, describable.as_ref()).refused(no),
            Self::DeleteTopics(request) => request.refused(no),
            Self::CreatePartitions(request) => request.refused(no),
            Self::IncrementalAlterConfigs(request) => request.refused(no),
            Self::AlterConfigs(request) => request.refused(no),
            Self::RegisterBroker { request, api_version } => (request, *api_version).refused(no),
            Self::BrokerHeartbeat(request) => request.refused(no),
            Self::UnregisterBroker(request) => request.refused(no),
            Self::RegisterController(request) => request.refused(no),
            Self::UnregisterController(request) => request.refused(no),
            Self::AllocateProducerIds(request) => request.refused(no),
            Self::UpdateFeatures { request, api_version } => (request, *api_version).refused(no),
            Self::AlterPartition { request, api_version } => (request, *api_version).refused(no),
            Self::AlterPartitionReassignments(request) => request.refused(no),
            Self::ElectLeaders(request) => request.refused(no),
            Self::AssignReplicasToDirs(request) => request.refused(no),
        }
    }

    /// What it writes must fit into one batch. A broker with very many partitions writes more when it comes or goes.
    pub(super) fn is_bounded(&self) -> bool {
        !matches!(self, Self::BrokerHeartbeat(_) | Self::RegisterBroker { .. })
    }
}

/// What a command answers; the variant is the command's.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is called as the command it answers
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
    /// The code.
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
