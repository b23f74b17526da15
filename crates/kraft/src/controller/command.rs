//! All that the controller can be asked, and all that it answers: closed enums around the wire's own messages, so that an
//! answer is ready to be sent. Who decides a command, and how it is refused as a whole, stands in its noun's file beneath this one.

mod configs;
mod features;
mod nodes;
mod partitions;
mod producer_ids;
mod security;
mod topics;

pub use features::UpdateFeatures;
pub use nodes::RegisterBroker;
pub use partitions::AlterPartition;
pub use security::TokenAsked;
pub use topics::{CreatePartitions, CreateTopics, DeleteTopics};

use super::decide::{Decide, Refused};
use super::decider::Decider;
use super::refusal::Refusal;
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use wire::messages::alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use wire::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use wire::messages::alter_partition::AlterPartitionResponse;
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
};
use wire::messages::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::messages::broker_registration::BrokerRegistrationResponse;
use wire::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use wire::messages::create_acls::{CreateAclsRequest, CreateAclsResponse};
use wire::messages::create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use wire::messages::create_partitions::CreatePartitionsResponse;
use wire::messages::create_topics::CreateTopicsResponse;
use wire::messages::delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
use wire::messages::delete_topics::DeleteTopicsResponse;
use wire::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
use wire::messages::expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
use wire::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use wire::messages::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};
use wire::messages::update_features::UpdateFeaturesResponse;

/// From one row for each command: its variant in both enums, and the way to its decision and its refusal.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($command:ty) => $answer:ty;)*) => {
        /// A request that was authorized and only needs deciding. Whoever is not allowed something has been taken out of the request
        /// by the handler, which adds its own results to the answer.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ControllerCommand {
            $($(#[$doc])* $name($command),)*
        }

        /// What a command answers; the variant is the command's.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // each is called as the command it answers
        pub enum ControllerAnswer {
            $($name($answer),)*
        }

        impl ControllerCommand {
            /// The answer, in a decision in the making.
            pub(super) fn decide(&self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
                match self {
                    $(Self::$name(command) => command.decide(decider).map(ControllerAnswer::$name),)*
                }
            }

            /// The answer that says no to everything that was asked.
            pub fn refused(&self, refusal: &Refusal) -> ControllerAnswer {
                let no = Refused::by(refusal);
                match self {
                    $(Self::$name(command) => ControllerAnswer::$name(command.refused(no)),)*
                }
            }

            /// What it writes must fit into one batch.
            pub(super) fn is_bounded(&self) -> bool {
                match self {
                    $(Self::$name(command) => command.is_bounded(),)*
                }
            }
        }
    };
}

commands! {
    /// CreateTopics (KIP-4).
    CreateTopics(CreateTopics) => CreateTopicsResponse;
    /// DeleteTopics (KIP-4, 516): by name or by id.
    DeleteTopics(DeleteTopics) => DeleteTopicsResponse;
    /// CreatePartitions (KIP-195).
    CreatePartitions(CreatePartitions) => CreatePartitionsResponse;
    /// BROKER_LOGGER resources are the receiving node's own business and must be taken out before.
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest) => IncrementalAlterConfigsResponse;
    /// AlterConfigs: replaces everything that is set on a resource.
    AlterConfigs(AlterConfigsRequest) => AlterConfigsResponse;
    /// BrokerRegistration (KIP-631).
    RegisterBroker(RegisterBroker) => BrokerRegistrationResponse;
    /// BrokerHeartbeat (KIP-631): alive, how far it has read, whether it leaves.
    BrokerHeartbeat(BrokerHeartbeatRequest) => BrokerHeartbeatResponse;
    /// UnregisterBroker (KIP-631).
    UnregisterBroker(UnregisterBrokerRequest) => UnregisterBrokerResponse;
    /// ControllerRegistration (KIP-919).
    RegisterController(ControllerRegistrationRequest) => ControllerRegistrationResponse;
    /// UnregisterController.
    UnregisterController(UnregisterControllerRequest) => UnregisterControllerResponse;
    /// AllocateProducerIds (KIP-730): a block of ids for a broker.
    AllocateProducerIds(AllocateProducerIdsRequest) => AllocateProducerIdsResponse;
    /// UpdateFeatures (KIP-584, 1022).
    UpdateFeatures(UpdateFeatures) => UpdateFeaturesResponse;
    /// AlterPartition (KIP-497): a leader proposes its ISR.
    AlterPartition(AlterPartition) => AlterPartitionResponse;
    /// AlterPartitionReassignments (KIP-455): begins or cancels.
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest) => AlterPartitionReassignmentsResponse;
    /// ElectLeaders (KIP-183, 460).
    ElectLeaders(ElectLeadersRequest) => ElectLeadersResponse;
    /// AssignReplicasToDirs (KIP-858).
    AssignReplicasToDirs(AssignReplicasToDirsRequest) => AssignReplicasToDirsResponse;
    /// CreateAcls (KIP-140, 290).
    CreateAcls(CreateAclsRequest) => CreateAclsResponse;
    /// DeleteAcls (KIP-140, 290).
    DeleteAcls(DeleteAclsRequest) => DeleteAclsResponse;
    /// AlterUserScramCredentials (KIP-554).
    AlterUserScramCredentials(AlterUserScramCredentialsRequest) => AlterUserScramCredentialsResponse;
    /// AlterClientQuotas (KIP-546).
    AlterClientQuotas(AlterClientQuotasRequest) => AlterClientQuotasResponse;
    /// CreateDelegationToken (KIP-48, 373).
    CreateDelegationToken(TokenAsked<CreateDelegationTokenRequest>) => CreateDelegationTokenResponse;
    /// RenewDelegationToken (KIP-48).
    RenewDelegationToken(TokenAsked<RenewDelegationTokenRequest>) => RenewDelegationTokenResponse;
    /// ExpireDelegationToken (KIP-48).
    ExpireDelegationToken(TokenAsked<ExpireDelegationTokenRequest>) => ExpireDelegationTokenResponse;
}
