//! What is asked of the active controller, as messages: which API carries a command, how its answer is read and written, and whether that
//! answer says that somebody else is the controller. Owns nothing.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::codec::Rope;
use wire::frame::encode_response;
use wire::messages::allocate_producer_ids::AllocateProducerIdsResponse;
use wire::messages::alter_client_quotas::AlterClientQuotasResponse;
use wire::messages::alter_configs::AlterConfigsResponse;
use wire::messages::alter_partition::AlterPartitionResponse;
use wire::messages::alter_partition_reassignments::AlterPartitionReassignmentsResponse;
use wire::messages::alter_user_scram_credentials::AlterUserScramCredentialsResponse;
use wire::messages::assign_replicas_to_dirs::AssignReplicasToDirsResponse;
use wire::messages::broker_heartbeat::BrokerHeartbeatResponse;
use wire::messages::broker_registration::BrokerRegistrationResponse;
use wire::messages::controller_registration::ControllerRegistrationResponse;
use wire::messages::create_acls::CreateAclsResponse;
use wire::messages::create_delegation_token::CreateDelegationTokenResponse;
use wire::messages::create_partitions::CreatePartitionsResponse;
use wire::messages::create_topics::CreateTopicsResponse;
use wire::messages::delete_acls::DeleteAclsResponse;
use wire::messages::delete_topics::DeleteTopicsResponse;
use wire::messages::elect_leaders::ElectLeadersResponse;
use wire::messages::envelope::EnvelopeRequest;
use wire::messages::expire_delegation_token::ExpireDelegationTokenResponse;
use wire::messages::incremental_alter_configs::IncrementalAlterConfigsResponse;
use wire::messages::renew_delegation_token::RenewDelegationTokenResponse;
use wire::messages::unregister_broker::UnregisterBrokerResponse;
use wire::messages::unregister_controller::UnregisterControllerResponse;
use wire::messages::update_features::UpdateFeaturesResponse;
use wire::{ApiKey, ErrorCode};

use crate::peers::{NoAnswer, PeerAnswer, PeerRequest};

/// Brought to the controller, wherever it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Errand {
    /// Of this broker itself.
    Command(Box<ControllerCommand>),
    /// Of a client (KIP-590).
    Envelope(EnvelopeRequest),
}

impl Errand {
    /// The request that carries it to another node.
    pub fn request(
        &self,
        deadline_ms: i64,
        done: impl FnOnce(i64, Result<PeerAnswer, NoAnswer>) + Send + 'static,
    ) -> PeerRequest {
        match self {
            Errand::Command(command) => command_request(command, deadline_ms, done),
            Errand::Envelope(envelope) => {
                PeerRequest::new(ApiKey::Envelope, envelope.clone(), deadline_ms, done)
            }
        }
    }
}

macro_rules! commands {
    ($($name:ident by $key:ident: |$command:ident| $request:expr, |$answer:ident: $response:ty| $errors:expr;)*) => {
        fn command_request(
            command: &ControllerCommand,
            deadline_ms: i64,
            done: impl FnOnce(i64, Result<PeerAnswer, NoAnswer>) + Send + 'static,
        ) -> PeerRequest {
            match command {
                $(ControllerCommand::$name($command) => {
                    PeerRequest::new(ApiKey::$key, $request.clone(), deadline_ms, done)
                })*
            }
        }

        /// The answer to a command; `None` if it cannot be read.
        pub(crate) fn command_answer(
            command: &ControllerCommand,
            answer: PeerAnswer,
        ) -> Option<ControllerAnswer> {
            match command {
                $(ControllerCommand::$name(_) => {
                    answer.read::<$response>().ok().map(ControllerAnswer::$name)
                })*
            }
        }

        /// The answer as it goes back to whoever asked in that version.
        pub(crate) fn answer_frame(answer: &ControllerAnswer, version: i16, correlation_id: i32) -> Rope {
            match answer {
                $(ControllerAnswer::$name(answer) => {
                    encode_response(ApiKey::$key, version, correlation_id, answer)
                })*
            }
        }

        /// Whoever answered is not the controller: it is asked again elsewhere.
        pub(crate) fn is_not_controller(answer: &ControllerAnswer) -> bool {
            let not_controller = ErrorCode::NotController.code();
            match answer {
                $(ControllerAnswer::$name($answer) => $errors.into_iter().any(|code| code == not_controller),)*
            }
        }
    };
}

commands! {
    CreateTopics by CreateTopics: |command| command.request,
        |answer: CreateTopicsResponse| answer.topics.iter().map(|topic| topic.error_code);
    DeleteTopics by DeleteTopics: |command| command.request,
        |answer: DeleteTopicsResponse| answer.responses.iter().map(|topic| topic.error_code);
    CreatePartitions by CreatePartitions: |command| command.request,
        |answer: CreatePartitionsResponse| answer.results.iter().map(|topic| topic.error_code);
    IncrementalAlterConfigs by IncrementalAlterConfigs: |command| command,
        |answer: IncrementalAlterConfigsResponse| answer.responses.iter().map(|resource| resource.error_code);
    AlterConfigs by AlterConfigs: |command| command,
        |answer: AlterConfigsResponse| answer.responses.iter().map(|resource| resource.error_code);
    RegisterBroker by BrokerRegistration: |command| command.request,
        |answer: BrokerRegistrationResponse| [answer.error_code];
    BrokerHeartbeat by BrokerHeartbeat: |command| command,
        |answer: BrokerHeartbeatResponse| [answer.error_code];
    UnregisterBroker by UnregisterBroker: |command| command,
        |answer: UnregisterBrokerResponse| [answer.error_code];
    RegisterController by ControllerRegistration: |command| command,
        |answer: ControllerRegistrationResponse| [answer.error_code];
    UnregisterController by UnregisterController: |command| command,
        |answer: UnregisterControllerResponse| [answer.error_code];
    AllocateProducerIds by AllocateProducerIds: |command| command,
        |answer: AllocateProducerIdsResponse| [answer.error_code];
    UpdateFeatures by UpdateFeatures: |command| command.request,
        |answer: UpdateFeaturesResponse| [answer.error_code];
    AlterPartition by AlterPartition: |command| command.request,
        |answer: AlterPartitionResponse| [answer.error_code];
    AlterPartitionReassignments by AlterPartitionReassignments: |command| command,
        |answer: AlterPartitionReassignmentsResponse| [answer.error_code];
    ElectLeaders by ElectLeaders: |command| command,
        |answer: ElectLeadersResponse| [answer.error_code];
    AssignReplicasToDirs by AssignReplicasToDirs: |command| command,
        |answer: AssignReplicasToDirsResponse| [answer.error_code];
    CreateAcls by CreateAcls: |command| command,
        |answer: CreateAclsResponse| answer.results.iter().map(|acl| acl.error_code);
    DeleteAcls by DeleteAcls: |command| command,
        |answer: DeleteAclsResponse| answer.filter_results.iter().map(|filter| filter.error_code);
    AlterUserScramCredentials by AlterUserScramCredentials: |command| command,
        |answer: AlterUserScramCredentialsResponse| answer.results.iter().map(|user| user.error_code);
    AlterClientQuotas by AlterClientQuotas: |command| command,
        |answer: AlterClientQuotasResponse| answer.entries.iter().map(|entry| entry.error_code);
    CreateDelegationToken by CreateDelegationToken: |command| command.request,
        |answer: CreateDelegationTokenResponse| [answer.error_code];
    RenewDelegationToken by RenewDelegationToken: |command| command.request,
        |answer: RenewDelegationTokenResponse| [answer.error_code];
    ExpireDelegationToken by ExpireDelegationToken: |command| command.request,
        |answer: ExpireDelegationTokenResponse| [answer.error_code];
}
