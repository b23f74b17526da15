//! Which request belongs to which API and answer: the one table behind typed calls.

use wire::ApiKey;
use wire::codec::Message;
use wire::messages as m;

/// A request that has an answer.
pub(crate) trait Call: Message {
    /// Its API.
    const API: ApiKey;
    /// The message that answers it.
    type Answer: Message;
}

macro_rules! calls {
    ($($api:ident: $module:ident :: $request:ident => $answer:ident;)*) => {$(
        impl Call for m::$module::$request {
            const API: ApiKey = ApiKey::$api;
            type Answer = m::$module::$answer;
        }
    )*};
}

calls! {
    Produce: produce::ProduceRequest => ProduceResponse;
    Fetch: fetch::FetchRequest => FetchResponse;
    ListOffsets: list_offsets::ListOffsetsRequest => ListOffsetsResponse;
    Metadata: metadata::MetadataRequest => MetadataResponse;
    OffsetCommit: offset_commit::OffsetCommitRequest => OffsetCommitResponse;
    OffsetFetch: offset_fetch::OffsetFetchRequest => OffsetFetchResponse;
    FindCoordinator: find_coordinator::FindCoordinatorRequest => FindCoordinatorResponse;
    JoinGroup: join_group::JoinGroupRequest => JoinGroupResponse;
    Heartbeat: heartbeat::HeartbeatRequest => HeartbeatResponse;
    LeaveGroup: leave_group::LeaveGroupRequest => LeaveGroupResponse;
    SyncGroup: sync_group::SyncGroupRequest => SyncGroupResponse;
    DescribeGroups: describe_groups::DescribeGroupsRequest => DescribeGroupsResponse;
    ListGroups: list_groups::ListGroupsRequest => ListGroupsResponse;
    DeleteGroups: delete_groups::DeleteGroupsRequest => DeleteGroupsResponse;
    OffsetDelete: offset_delete::OffsetDeleteRequest => OffsetDeleteResponse;
    ApiVersions: api_versions::ApiVersionsRequest => ApiVersionsResponse;
    SaslHandshake: sasl_handshake::SaslHandshakeRequest => SaslHandshakeResponse;
    SaslAuthenticate: sasl_authenticate::SaslAuthenticateRequest => SaslAuthenticateResponse;
    CreateTopics: create_topics::CreateTopicsRequest => CreateTopicsResponse;
    DeleteTopics: delete_topics::DeleteTopicsRequest => DeleteTopicsResponse;
    CreatePartitions: create_partitions::CreatePartitionsRequest => CreatePartitionsResponse;
    DeleteRecords: delete_records::DeleteRecordsRequest => DeleteRecordsResponse;
    InitProducerId: init_producer_id::InitProducerIdRequest => InitProducerIdResponse;
    EndTxn: end_txn::EndTxnRequest => EndTxnResponse;
    TxnOffsetCommit: txn_offset_commit::TxnOffsetCommitRequest => TxnOffsetCommitResponse;
    DescribeConfigs: describe_configs::DescribeConfigsRequest => DescribeConfigsResponse;
    IncrementalAlterConfigs:
        incremental_alter_configs::IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
    DescribeTopicPartitions:
        describe_topic_partitions::DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse;
    ListConfigResources: list_config_resources::ListConfigResourcesRequest => ListConfigResourcesResponse;
    DescribeClientQuotas: describe_client_quotas::DescribeClientQuotasRequest => DescribeClientQuotasResponse;
    AlterClientQuotas: alter_client_quotas::AlterClientQuotasRequest => AlterClientQuotasResponse;
    DescribeLogDirs: describe_log_dirs::DescribeLogDirsRequest => DescribeLogDirsResponse;
    DescribeQuorum: describe_quorum::DescribeQuorumRequest => DescribeQuorumResponse;
    DescribeCluster: describe_cluster::DescribeClusterRequest => DescribeClusterResponse;
    ElectLeaders: elect_leaders::ElectLeadersRequest => ElectLeadersResponse;
    AlterPartitionReassignments: alter_partition_reassignments::AlterPartitionReassignmentsRequest
        => AlterPartitionReassignmentsResponse;
    ListPartitionReassignments: list_partition_reassignments::ListPartitionReassignmentsRequest
        => ListPartitionReassignmentsResponse;
    AddRaftVoter: add_raft_voter::AddRaftVoterRequest => AddRaftVoterResponse;
    RemoveRaftVoter: remove_raft_voter::RemoveRaftVoterRequest => RemoveRaftVoterResponse;
    DescribeAcls: describe_acls::DescribeAclsRequest => DescribeAclsResponse;
    CreateAcls: create_acls::CreateAclsRequest => CreateAclsResponse;
    DeleteAcls: delete_acls::DeleteAclsRequest => DeleteAclsResponse;
    DescribeUserScramCredentials: describe_user_scram_credentials::DescribeUserScramCredentialsRequest
        => DescribeUserScramCredentialsResponse;
    AlterUserScramCredentials: alter_user_scram_credentials::AlterUserScramCredentialsRequest
        => AlterUserScramCredentialsResponse;
    CreateDelegationToken: create_delegation_token::CreateDelegationTokenRequest => CreateDelegationTokenResponse;
    DescribeDelegationToken:
        describe_delegation_token::DescribeDelegationTokenRequest => DescribeDelegationTokenResponse;
    RenewDelegationToken: renew_delegation_token::RenewDelegationTokenRequest => RenewDelegationTokenResponse;
    ExpireDelegationToken: expire_delegation_token::ExpireDelegationTokenRequest => ExpireDelegationTokenResponse;
    UnregisterBroker: unregister_broker::UnregisterBrokerRequest => UnregisterBrokerResponse;
    DescribeProducers: describe_producers::DescribeProducersRequest => DescribeProducersResponse;
    ListTransactions: list_transactions::ListTransactionsRequest => ListTransactionsResponse;
    DescribeTransactions:
        describe_transactions::DescribeTransactionsRequest => DescribeTransactionsResponse;
    WriteTxnMarkers: write_txn_markers::WriteTxnMarkersRequest => WriteTxnMarkersResponse;
    ConsumerGroupDescribe:
        consumer_group_describe::ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse;
    ShareGroupHeartbeat: share_group_heartbeat::ShareGroupHeartbeatRequest => ShareGroupHeartbeatResponse;
    ShareGroupDescribe: share_group_describe::ShareGroupDescribeRequest => ShareGroupDescribeResponse;
    StreamsGroupDescribe: streams_group_describe::StreamsGroupDescribeRequest => StreamsGroupDescribeResponse;
    ShareFetch: share_fetch::ShareFetchRequest => ShareFetchResponse;
    ShareAcknowledge: share_acknowledge::ShareAcknowledgeRequest => ShareAcknowledgeResponse;
    DescribeShareGroupOffsets:
        describe_share_group_offsets::DescribeShareGroupOffsetsRequest => DescribeShareGroupOffsetsResponse;
    AlterShareGroupOffsets:
        alter_share_group_offsets::AlterShareGroupOffsetsRequest => AlterShareGroupOffsetsResponse;
    DeleteShareGroupOffsets:
        delete_share_group_offsets::DeleteShareGroupOffsetsRequest => DeleteShareGroupOffsetsResponse;
}
