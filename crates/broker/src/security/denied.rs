//! What an API answers to whoever may not ask it at all: its error where the answer has a place for one, and nothing else.

use kraft::controller::Refusal;
use wire::codec::Message;
use wire::messages::add_raft_voter::AddRaftVoterResponse;
use wire::messages::begin_quorum_epoch::BeginQuorumEpochResponse;
use wire::messages::broker_heartbeat::BrokerHeartbeatResponse;
use wire::messages::describe_acls::DescribeAclsResponse;
use wire::messages::describe_client_quotas::DescribeClientQuotasResponse;
use wire::messages::describe_cluster::DescribeClusterResponse;
use wire::messages::describe_log_dirs::DescribeLogDirsResponse;
use wire::messages::describe_quorum::DescribeQuorumResponse;
use wire::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};
use wire::messages::end_quorum_epoch::EndQuorumEpochResponse;
use wire::messages::envelope::EnvelopeResponse;
use wire::messages::fetch::FetchResponse;
use wire::messages::fetch_snapshot::FetchSnapshotResponse;
use wire::messages::list_config_resources::ListConfigResourcesResponse;
use wire::messages::list_partition_reassignments::ListPartitionReassignmentsResponse;
use wire::messages::remove_raft_voter::RemoveRaftVoterResponse;
use wire::messages::update_raft_voter::UpdateRaftVoterResponse;
use wire::messages::vote::VoteResponse;
use wire::{ErrorCode, Str};

/// An answer that can say no to the whole request.
pub(crate) trait Denied: Message {
    /// No, and nothing else.
    fn denied(why: &Refusal) -> Self;
}

/// Answers with a code, and answers with words as well.
macro_rules! denied {
    ($($answer:ident)*; $($wordy:ident)*) => {
        $(impl Denied for $answer {
            fn denied(why: &Refusal) -> Self {
                $answer { error_code: why.error.code(), ..$answer::default() }
            }
        })*
        $(impl Denied for $wordy {
            fn denied(why: &Refusal) -> Self {
                let error_message = why.text();
                $wordy { error_code: why.error.code(), error_message, ..$wordy::default() }
            }
        })*
    };
}

denied! {
    BeginQuorumEpochResponse BrokerHeartbeatResponse DescribeLogDirsResponse EndQuorumEpochResponse FetchResponse
    FetchSnapshotResponse ListConfigResourcesResponse UpdateRaftVoterResponse VoteResponse;
    AddRaftVoterResponse DescribeAclsResponse DescribeClusterResponse
    ListPartitionReassignmentsResponse RemoveRaftVoterResponse
}

impl Denied for DescribeQuorumResponse {
    fn denied(why: &Refusal) -> Self {
        // Kafka has no other words for it here.
        let error_message = Some(Str::from_static(why.error.message()));
        DescribeQuorumResponse { error_code: why.error.code(), error_message, ..Self::default() }
    }
}

impl Denied for DescribeClientQuotasResponse {
    fn denied(why: &Refusal) -> Self {
        // Kafka does not say which permission is missing, here.
        let error_message = why.text().filter(|_| why.error != ErrorCode::ClusterAuthorizationFailed);
        DescribeClientQuotasResponse {
            error_code: why.error.code(),
            error_message,
            entries: None,
            ..Self::default()
        }
    }
}

impl Denied for DescribeUserScramCredentialsResponse {
    fn denied(why: &Refusal) -> Self {
        // As Kafka says no: of nobody, too.
        let nobody = DescribeUserScramCredentialsResult {
            error_code: why.error.code(),
            error_message: None,
            ..DescribeUserScramCredentialsResult::default()
        };
        DescribeUserScramCredentialsResponse {
            error_code: why.error.code(),
            error_message: None,
            results: vec![nobody],
            ..Self::default()
        }
    }
}

impl Denied for EnvelopeResponse {
    fn denied(why: &Refusal) -> Self {
        EnvelopeResponse { response_data: None, error_code: why.error.code() }
    }
}
