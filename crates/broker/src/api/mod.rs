//! **The table**: which APIs this node answers, in which versions, who may ask, and who handles each. ApiVersions tells what stands here
//! and nothing else. One file per API; none knows another, none touches a log: views, shards and the quorum answer.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod add_raft_voter;
mod alter_client_quotas;
mod alter_configs;
mod alter_replica_log_dirs;
mod alter_share_group_offsets;
mod alter_user_scram_credentials;
mod api_versions;
mod broker_heartbeat;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_delegation_token;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_share_group_state;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_delegation_token;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod end_txn;
mod envelope;
mod expire_delegation_token;
mod fetch;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod initialize_share_group_state;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod push_telemetry;
mod read_share_group_state;
mod read_share_group_state_summary;
mod remove_raft_voter;
mod renew_delegation_token;
mod row;
mod sasl_authenticate;
mod sasl_handshake;
mod share_acknowledge;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod streams_group_describe;
mod streams_group_heartbeat;
mod streams_group_topology_description_update;
mod sync_group;
mod txn_offset_commit;
mod write_share_group_state;
mod write_txn_markers;

use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes};
use kraft::controller::{AlterPartition, ControllerCommand, RegisterBroker, UpdateFeatures};
use wire::codec::{Decoder, Message};
use wire::frame::{HeaderError, HeaderView};
use wire::messages::{
    add_raft_voter::AddRaftVoterRequest, add_raft_voter::AddRaftVoterResponse,
    alter_client_quotas::AlterClientQuotasRequest,
    alter_partition_reassignments::AlterPartitionReassignmentsRequest,
    alter_user_scram_credentials::AlterUserScramCredentialsRequest, api_versions::ApiVersion,
    api_versions::ApiVersionsRequest, begin_quorum_epoch::BeginQuorumEpochRequest,
    broker_heartbeat::BrokerHeartbeatResponse, create_acls::CreateAclsRequest,
    create_partitions::CreatePartitionsRequest, create_topics::CreateTopicsRequest,
    delete_acls::DeleteAclsRequest, delete_topics::DeleteTopicsRequest, describe_acls::DescribeAclsResponse,
    describe_client_quotas::DescribeClientQuotasResponse, describe_cluster::DescribeClusterResponse,
    describe_log_dirs::DescribeLogDirsResponse, describe_quorum::DescribeQuorumRequest,
    describe_quorum::DescribeQuorumResponse,
    describe_user_scram_credentials::DescribeUserScramCredentialsResponse,
    elect_leaders::ElectLeadersRequest, end_quorum_epoch::EndQuorumEpochRequest, envelope::EnvelopeResponse,
    fetch::FetchRequest, fetch_snapshot::FetchSnapshotRequest,
    list_config_resources::ListConfigResourcesResponse,
    list_partition_reassignments::ListPartitionReassignmentsRequest,
    list_partition_reassignments::ListPartitionReassignmentsResponse, metadata::MetadataRequest,
    produce::ProduceRequest, remove_raft_voter::RemoveRaftVoterRequest,
    remove_raft_voter::RemoveRaftVoterResponse, unregister_broker::UnregisterBrokerRequest,
    unregister_controller::UnregisterControllerRequest, update_features::UpdateFeaturesRequest,
    update_raft_voter::UpdateRaftVoterRequest, vote::VoteRequest,
};
use wire::{ApiKey, Str};

use row::Needs::{Cluster, Each, Forwarded, Nothing};
use row::{Api, Needs, close, direct, in_place, prompt, row, waiting};

use crate::call::{Call, IntoAnswer, Verdict};
use crate::connection::Connection;
use crate::forwarding::forward;
use crate::metered::{Metered, Request, metered};
use crate::node::Node;
use crate::quorum::errands::answer_frame;
use crate::quorum::protocol::QuorumRequest;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::security::authorizer::Operation;
use crate::security::denied::Denied;

/// What the administrators of Kafka's own tools call themselves: they may write to internal topics.
const ADMIN_CLIENT_ID: &[u8] = b"__admin_client";

/// All rows of one kind of listener, by key.
struct Apis(Vec<Option<Api>>);

/// The tables themselves: they know no node.
struct Tables {
    broker: Apis,
    controller: Apis,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let broker = [
        data_rows(),
        group_rows(),
        share_rows(),
        streams_rows(),
        share_record_rows(),
        transaction_rows(),
        cluster_rows(),
        forwarded_rows(),
    ];
    let controller = [quorum_rows(), controller_rows(), security_rows()];
    let tables = Tables {
        broker: Apis::new(broker.into_iter().flatten()),
        controller: Apis::new(controller.into_iter().flatten()),
    };
    let keys = |apis: &Apis, is_on: fn(ApiKey) -> bool| apis.0.iter().flatten().all(|row| is_on(row.key));
    assert!(keys(&tables.broker, ApiKey::is_on_broker), "a broker answers what is not a broker's");
    assert!(keys(&tables.controller, ApiKey::is_on_controller), "a controller answers what is not its own");
    let rows = [&tables.broker, &tables.controller].into_iter().flat_map(|apis| apis.0.iter().flatten());
    for row in rows {
        assert!(!matches!(row.needs, Cluster(_)) || row.deny.is_some(), "nobody says no: {:?}", row.key);
    }
    tables
});

impl Tables {
    fn of(&self, controller: bool) -> &Apis {
        if controller { &self.controller } else { &self.broker }
    }
}

/// Records, where they are, who writes them.
fn data_rows() -> Vec<Api> {
    vec![
        greeting(),
        waiting(ApiKey::DeleteRecords, Each("Delete each topic"), delete_records::handle),
        waiting(ApiKey::DescribeProducers, Each("Read each topic"), describe_producers::handle),
        in_place::<FetchRequest>(
            ApiKey::Fetch,
            Each("Read each topic; ClusterAction the cluster for a replica"),
            fetch::handle,
        ),
        waiting(
            ApiKey::InitProducerId,
            Each("Write the transactional id, or any topic, or IdempotentWrite the cluster"),
            init_producer_id::handle,
        ),
        direct(ApiKey::ListOffsets, Each("Describe each topic"), list_offsets::handle),
        in_place::<MetadataRequest>(
            ApiKey::Metadata,
            Each("Describe each topic; Create it, or the cluster"),
            metadata::handle,
        ),
        direct(
            ApiKey::OffsetForLeaderEpoch,
            Each("ClusterAction the cluster, or Describe each topic"),
            offset_for_leader_epoch::handle,
        ),
        in_place::<ProduceRequest>(
            ApiKey::Produce,
            Each("Write each topic and the transactional id"),
            produce::handle,
        ),
        direct(ApiKey::SaslAuthenticate, Nothing, sasl_authenticate::handle),
        direct(ApiKey::SaslHandshake, Nothing, sasl_handshake::handle),
    ]
}

/// Consumer groups and their offsets.
fn group_rows() -> Vec<Api> {
    vec![
        waiting(
            ApiKey::ConsumerGroupDescribe,
            Each("Describe each group, Describe each topic of its members"),
            consumer_group_describe::handle,
        ),
        waiting(
            ApiKey::ConsumerGroupHeartbeat,
            Each("Read the group, Describe each topic; patterns find what the client may describe"),
            consumer_group_heartbeat::handle,
        ),
        waiting(ApiKey::DeleteGroups, Each("Delete each group"), delete_groups::handle),
        waiting(ApiKey::DescribeGroups, Each("Describe each group"), describe_groups::handle),
        direct(
            ApiKey::FindCoordinator,
            Each("Describe each group or transactional id; ClusterAction for share groups"),
            find_coordinator::handle,
        ),
        prompt(ApiKey::Heartbeat, Each("Read the group"), heartbeat::handle),
        waiting(ApiKey::JoinGroup, Each("Read the group"), join_group::handle),
        waiting(ApiKey::LeaveGroup, Each("Read the group"), leave_group::handle),
        waiting(
            ApiKey::ListGroups,
            Each("Describe the cluster, or what it may describe of groups"),
            list_groups::handle,
        ),
        prompt(ApiKey::OffsetCommit, Each("Read the group, Read each topic"), offset_commit::handle),
        waiting(ApiKey::OffsetDelete, Each("Delete the group, Read each topic"), offset_delete::handle),
        waiting(ApiKey::OffsetFetch, Each("Describe each group, Describe each topic"), offset_fetch::handle),
        waiting(ApiKey::SyncGroup, Each("Read the group"), sync_group::handle),
    ]
}

/// What members of share groups read, and what they say of it.
fn share_record_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::ShareAcknowledge, Each("Read the group, Read each topic"), share_acknowledge::handle),
        waiting(ApiKey::ShareFetch, Each("Read the group, Read each topic"), share_fetch::handle),
    ]
}

/// Share groups, and the state of what they share.
fn share_rows() -> Vec<Api> {
    let for_brokers = || Each("ClusterAction the cluster");
    vec![
        waiting(
            ApiKey::AlterShareGroupOffsets,
            Each("Read the group, Read each topic"),
            alter_share_group_offsets::handle,
        ),
        waiting(
            ApiKey::DeleteShareGroupOffsets,
            Each("Delete the group, Read each topic"),
            delete_share_group_offsets::handle,
        ),
        waiting(
            ApiKey::DescribeShareGroupOffsets,
            Each("Describe each group, Describe each topic"),
            describe_share_group_offsets::handle,
        ),
        waiting(
            ApiKey::ShareGroupDescribe,
            Each("Describe each group, Describe each topic of its members"),
            share_group_describe::handle,
        ),
        waiting(
            ApiKey::ShareGroupHeartbeat,
            Each("Read the group, Describe each topic"),
            share_group_heartbeat::handle,
        ),
        waiting(ApiKey::DeleteShareGroupState, for_brokers(), delete_share_group_state::handle),
        waiting(ApiKey::InitializeShareGroupState, for_brokers(), initialize_share_group_state::handle),
        waiting(ApiKey::ReadShareGroupState, for_brokers(), read_share_group_state::handle),
        waiting(ApiKey::ReadShareGroupStateSummary, for_brokers(), read_share_group_state_summary::handle),
        waiting(ApiKey::WriteShareGroupState, for_brokers(), write_share_group_state::handle),
    ]
}

/// Streams groups.
fn streams_rows() -> Vec<Api> {
    vec![
        waiting(
            ApiKey::StreamsGroupDescribe,
            Each("Describe each group, Describe each topic of its topology"),
            streams_group_describe::handle,
        ),
        waiting(
            ApiKey::StreamsGroupHeartbeat,
            Each("Read the group, Describe each topic; Create the topics that are made, or the cluster"),
            |call, request| streams_group_heartbeat::handle(call, request, here),
        ),
        direct(
            ApiKey::StreamsGroupTopologyDescriptionUpdate,
            Each("Read the group"),
            streams_group_topology_description_update::handle,
        ),
    ]
}

/// Transactions.
fn transaction_rows() -> Vec<Api> {
    vec![
        waiting(
            ApiKey::AddOffsetsToTxn,
            Each("Write the transactional id, Read the group"),
            add_offsets_to_txn::handle,
        ),
        waiting(
            ApiKey::AddPartitionsToTxn,
            Each("Write the transactional id and each topic; ClusterAction for brokers"),
            add_partitions_to_txn::handle,
        ),
        waiting(
            ApiKey::DescribeTransactions,
            Each("Describe each transactional id, and the topics that are told"),
            describe_transactions::handle,
        ),
        waiting(ApiKey::EndTxn, Each("Write the transactional id"), end_txn::handle),
        waiting(
            ApiKey::ListTransactions,
            Each("Describe the transactional ids that are told"),
            list_transactions::handle,
        ),
        waiting(
            ApiKey::TxnOffsetCommit,
            Each("Write the transactional id, Read the group, Read each topic"),
            txn_offset_commit::handle,
        ),
        waiting(
            ApiKey::WriteTxnMarkers,
            Each("Alter or ClusterAction the cluster"),
            write_txn_markers::handle,
        ),
    ]
}

/// What a broker knows of the cluster and of itself.
fn cluster_rows() -> Vec<Api> {
    vec![
        waiting(
            ApiKey::AlterReplicaLogDirs,
            Each("Alter the cluster; refused partition by partition"),
            alter_replica_log_dirs::handle,
        ),
        describing_acls(),
        direct(
            ApiKey::DescribeClientQuotas,
            Cluster(Operation::DescribeConfigs),
            describe_client_quotas::handle,
        )
        .denied::<DescribeClientQuotasResponse>(),
        direct(ApiKey::DescribeCluster, Nothing, describe_cluster::handle),
        direct(
            ApiKey::DescribeConfigs,
            Each("DescribeConfigs each topic, group, or the cluster"),
            describe_configs::handle,
        ),
        direct(
            ApiKey::DescribeDelegationToken,
            Each("to own the token or to renew it; Describe the token, or DescribeTokens its owner"),
            describe_delegation_token::handle,
        ),
        direct(ApiKey::DescribeLogDirs, Cluster(Operation::Describe), describe_log_dirs::handle)
            .denied::<DescribeLogDirsResponse>(),
        direct(
            ApiKey::DescribeTopicPartitions,
            Each("Describe each topic"),
            describe_topic_partitions::handle,
        ),
        direct(
            ApiKey::DescribeUserScramCredentials,
            Cluster(Operation::Describe),
            describe_user_scram_credentials::handle,
        )
        .denied::<DescribeUserScramCredentialsResponse>(),
        waiting(ApiKey::GetTelemetrySubscriptions, Nothing, get_telemetry_subscriptions::handle),
        waiting(ApiKey::PushTelemetry, Nothing, push_telemetry::handle),
        direct(
            ApiKey::ListConfigResources,
            Cluster(Operation::DescribeConfigs),
            list_config_resources::handle,
        )
        .denied::<ListConfigResourcesResponse>(),
    ]
}

/// What a broker passes on to the active controller.
fn forwarded_rows() -> Vec<Api> {
    vec![
        forwarded::<AddRaftVoterRequest>(ApiKey::AddRaftVoter),
        forwarded::<AlterClientQuotasRequest>(ApiKey::AlterClientQuotas),
        waiting(ApiKey::AlterConfigs, Forwarded, |call, request| {
            alter_configs::handle(call, request, Some(here))
        }),
        forwarded::<AlterPartitionReassignmentsRequest>(ApiKey::AlterPartitionReassignments),
        forwarded::<AlterUserScramCredentialsRequest>(ApiKey::AlterUserScramCredentials),
        forwarded::<CreateAclsRequest>(ApiKey::CreateAcls),
        waiting(ApiKey::CreateDelegationToken, Forwarded, |call, request| {
            create_delegation_token::handle(call, request, Some(here))
        }),
        forwarded::<CreatePartitionsRequest>(ApiKey::CreatePartitions),
        forwarded::<CreateTopicsRequest>(ApiKey::CreateTopics),
        forwarded::<DeleteAclsRequest>(ApiKey::DeleteAcls),
        forwarded::<DeleteTopicsRequest>(ApiKey::DeleteTopics),
        forwarded::<DescribeQuorumRequest>(ApiKey::DescribeQuorum),
        forwarded::<ElectLeadersRequest>(ApiKey::ElectLeaders),
        waiting(ApiKey::ExpireDelegationToken, Forwarded, |call, request| {
            expire_delegation_token::handle(call, request, Some(here))
        }),
        waiting(ApiKey::IncrementalAlterConfigs, Forwarded, |call, request| {
            incremental_alter_configs::handle(call, request, Some(here))
        }),
        forwarded::<ListPartitionReassignmentsRequest>(ApiKey::ListPartitionReassignments),
        forwarded::<RemoveRaftVoterRequest>(ApiKey::RemoveRaftVoter),
        waiting(ApiKey::RenewDelegationToken, Forwarded, |call, request| {
            renew_delegation_token::handle(call, request, Some(here))
        }),
        forwarded::<UnregisterBrokerRequest>(ApiKey::UnregisterBroker),
        forwarded::<UnregisterControllerRequest>(ApiKey::UnregisterController),
        forwarded::<UpdateFeaturesRequest>(ApiKey::UpdateFeatures),
    ]
}

/// What the members of the quorum, and brokers that observe it, ask each other.
fn quorum_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::AddRaftVoter, Cluster(Operation::Alter), add_raft_voter::handle)
            .denied::<AddRaftVoterResponse>(),
        quorum::<BeginQuorumEpochRequest>(ApiKey::BeginQuorumEpoch, Cluster(Operation::ClusterAction)),
        waiting(ApiKey::DescribeQuorum, Cluster(Operation::Describe), describe_quorum::handle)
            .denied::<DescribeQuorumResponse>(),
        quorum::<EndQuorumEpochRequest>(ApiKey::EndQuorumEpoch, Cluster(Operation::ClusterAction)),
        quorum::<FetchRequest>(ApiKey::Fetch, Cluster(Operation::ClusterAction)),
        quorum::<FetchSnapshotRequest>(ApiKey::FetchSnapshot, Cluster(Operation::ClusterAction)),
        waiting(ApiKey::RemoveRaftVoter, Cluster(Operation::Alter), remove_raft_voter::handle)
            .denied::<RemoveRaftVoterResponse>(),
        quorum::<UpdateRaftVoterRequest>(ApiKey::UpdateRaftVoter, Cluster(Operation::ClusterAction)),
        quorum::<VoteRequest>(ApiKey::Vote, Cluster(Operation::ClusterAction)),
    ]
}

/// What the controller decides.
fn controller_rows() -> Vec<Api> {
    vec![
        decided(ApiKey::AllocateProducerIds, Cluster(Operation::ClusterAction), |request, _| {
            ControllerCommand::AllocateProducerIds(request)
        }),
        waiting(
            ApiKey::AlterConfigs,
            Each("AlterConfigs each topic, group, or the cluster"),
            |call, request| alter_configs::handle(call, request, None),
        ),
        decided(ApiKey::AlterPartition, Cluster(Operation::ClusterAction), |request, api_version| {
            ControllerCommand::AlterPartition(AlterPartition { request, api_version })
        }),
        decided(ApiKey::AlterPartitionReassignments, Cluster(Operation::Alter), |request, _| {
            ControllerCommand::AlterPartitionReassignments(request)
        }),
        greeting(),
        decided(ApiKey::AssignReplicasToDirs, Cluster(Operation::ClusterAction), |request, _| {
            ControllerCommand::AssignReplicasToDirs(request)
        }),
        waiting(ApiKey::BrokerHeartbeat, Cluster(Operation::ClusterAction), broker_heartbeat::handle)
            .denied::<BrokerHeartbeatResponse>(),
        decided(ApiKey::BrokerRegistration, Cluster(Operation::ClusterAction), |request, api_version| {
            ControllerCommand::RegisterBroker(RegisterBroker { request, api_version })
        }),
        decided(ApiKey::ControllerRegistration, Cluster(Operation::ClusterAction), |request, _| {
            ControllerCommand::RegisterController(request)
        }),
        waiting(ApiKey::CreatePartitions, Each("Alter each topic"), create_partitions::handle),
        waiting(ApiKey::CreateTopics, Each("Create the cluster, or each topic"), create_topics::handle),
        waiting(ApiKey::DeleteTopics, Each("Delete the cluster, or each topic"), delete_topics::handle),
        direct(ApiKey::DescribeCluster, Cluster(Operation::Alter), describe_cluster::handle)
            .denied::<DescribeClusterResponse>(),
        direct(
            ApiKey::DescribeConfigs,
            Each("DescribeConfigs each topic, group, or the cluster"),
            describe_configs::handle,
        ),
        decided(ApiKey::ElectLeaders, Cluster(Operation::Alter), |request, _| {
            ControllerCommand::ElectLeaders(request)
        }),
        waiting(ApiKey::Envelope, Cluster(Operation::ClusterAction), |call, request| {
            envelope::handle(call, request, here)
        })
        .denied::<EnvelopeResponse>(),
        waiting(
            ApiKey::IncrementalAlterConfigs,
            Each("AlterConfigs each topic, group, or the cluster"),
            |call, request| incremental_alter_configs::handle(call, request, None),
        ),
        direct(
            ApiKey::ListPartitionReassignments,
            Cluster(Operation::Describe),
            list_partition_reassignments::handle,
        )
        .denied::<ListPartitionReassignmentsResponse>(),
        direct(ApiKey::SaslAuthenticate, Nothing, sasl_authenticate::handle),
        direct(ApiKey::SaslHandshake, Nothing, sasl_handshake::handle),
        decided(ApiKey::UnregisterBroker, Cluster(Operation::Alter), |request, _| {
            ControllerCommand::UnregisterBroker(request)
        }),
        decided(ApiKey::UnregisterController, Cluster(Operation::Alter), |request, _| {
            ControllerCommand::UnregisterController(request)
        }),
        decided(ApiKey::UpdateFeatures, Cluster(Operation::Alter), |request, api_version| {
            ControllerCommand::UpdateFeatures(UpdateFeatures { request, api_version })
        }),
    ]
}

/// What the controller decides of who may do what, who is who, and who may use how much.
fn security_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::AlterClientQuotas, Cluster(Operation::AlterConfigs), alter_client_quotas::handle)
            .refused(|request, _| ControllerCommand::AlterClientQuotas(request)),
        waiting(
            ApiKey::AlterUserScramCredentials,
            Cluster(Operation::Alter),
            alter_user_scram_credentials::handle,
        )
        .refused(|request, _| ControllerCommand::AlterUserScramCredentials(request)),
        waiting(ApiKey::CreateAcls, Cluster(Operation::Alter), create_acls::handle)
            .refused(|request, _| ControllerCommand::CreateAcls(request)),
        waiting(
            ApiKey::CreateDelegationToken,
            Each("CreateTokens the owner, unless it is the client itself"),
            |call, request| create_delegation_token::handle(call, request, None),
        ),
        waiting(ApiKey::DeleteAcls, Cluster(Operation::Alter), delete_acls::handle)
            .refused(|request, _| ControllerCommand::DeleteAcls(request)),
        describing_acls(),
        waiting(
            ApiKey::ExpireDelegationToken,
            Each("to own the token, or to be one of its renewers"),
            |call, request| expire_delegation_token::handle(call, request, None),
        ),
        waiting(
            ApiKey::RenewDelegationToken,
            Each("to own the token, or to be one of its renewers"),
            |call, request| renew_delegation_token::handle(call, request, None),
        ),
    ]
}

/// Asked of brokers and of controllers.
fn describing_acls() -> Api {
    direct(ApiKey::DescribeAcls, Cluster(Operation::Describe), describe_acls::handle)
        .denied::<DescribeAclsResponse>()
}

/// The first request of every connection.
fn greeting() -> Api {
    in_place::<ApiVersionsRequest>(ApiKey::ApiVersions, Nothing, |call, body| {
        api_versions::handle(call, body, advertised)
    })
}

/// A request that the quorum itself answers.
fn quorum<Q: QuorumRequest<Answer: Denied>>(key: ApiKey, needs: Needs) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        Ok(Handling::running(async move {
            match call.node.ask_quorum(request).await {
                Some(answer) => answer.outcome(call.api_key, call.api_version, call.correlation_id),
                None => call.is_gone(),
            }
        }))
    };
    row(key, needs, run).denied::<Q::Answer>()
}

/// A request that is a command for the controller, and nothing besides.
fn decided<Q: Message + Send + 'static>(
    key: ApiKey,
    needs: Needs,
    command: fn(Q, i16) -> ControllerCommand,
) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        let command = command(request, call.api_version);
        Ok(Handling::running(async move {
            match call.decided(command).await {
                Some(answer) => Outcome::Answer(answer_frame(&answer, call.api_version, call.correlation_id)),
                None => call.is_gone(),
            }
        }))
    };
    row(key, needs, run).refused(command)
}

/// A request that is answered by the active controller, wherever it is.
fn forwarded<Q: Message + 'static>(key: ApiKey) -> Api {
    let run = move |call: Call, body: Bytes| {
        // What cannot be read is not passed on.
        Q::decode(&mut Decoder::of(body.clone()), call.api_version)?;
        Ok(Handling::running(forward(call, body, here)))
    };
    Api { asks_client_id: true, ..row(key, Forwarded, run) }
}

/// Has the controller in this node handle a request.
fn here(call: Call, body: Bytes) -> Handling {
    match TABLES.controller.row(call.api_key) {
        Some(row) => {
            let client_id = call.client_id.clone();
            row.handle(|client_id| Call { client_id, ..call.clone() }, client_id, body)
        }
        None => {
            let (api_key, api_version) = (call.api_key.key(), call.api_version);
            close(CloseReason::Unsupported { api_key, api_version })
        }
    }
}

impl Apis {
    fn new(rows: impl IntoIterator<Item = Api>) -> Apis {
        let mut table: Vec<Option<Api>> = Vec::new();
        for row in rows {
            let index = usize::from(row.key.key().unsigned_abs());
            table.resize_with(table.len().max(index + 1), || None);
            table[index] = Some(row);
        }
        Apis(table)
    }

    /// The row of a key.
    fn row(&self, key: ApiKey) -> Option<&Api> {
        self.0.get(usize::from(key.key().unsigned_abs()))?.as_ref()
    }
}

/// What ApiVersions tells on a listener, in the order of the keys.
fn advertised(controller: bool) -> Vec<ApiVersion> {
    let rows = TABLES.of(controller).0.iter().flatten();
    rows.map(|row| ApiVersion {
        api_key: row.key.key(),
        min_version: *row.advertised.start(),
        max_version: *row.advertised.end(),
    })
    .collect()
}

/// The door for requests.
impl Node {
    /// Begins to handle one request (the frame without its length prefix): reads header and body and hands them to their handler. What
    /// cannot be read closes the connection, as in Kafka.
    pub fn handle(&self, connection: &Connection, mut frame: Bytes, now_ms: i64) -> Handling {
        if self.may_stop() {
            return close(CloseReason::Stopping);
        }
        self.note_time(now_ms);
        let header = match HeaderView::parse(&frame) {
            Ok(header) => header,
            Err(HeaderError::UnknownApiKey(api_key)) => {
                return close(CloseReason::Unsupported { api_key, api_version: -1 });
            }
            Err(HeaderError::Malformed(error)) => return close(CloseReason::Malformed(error.to_string())),
        };
        let HeaderView { api_key, api_version, correlation_id, client_id, length } = header;
        let unsupported = CloseReason::Unsupported { api_key: api_key.key(), api_version };
        let Some(row) = TABLES.of(connection.peer().controller).row(api_key) else {
            return close(unsupported);
        };
        let text = |id| Str::from(String::from_utf8_lossy(id).as_ref());
        let asked_client_id = client_id.filter(|_| row.asks_client_id).map(text);
        let is_admin_client = client_id == Some(ADMIN_CLIENT_ID);
        let cost = if self.quotas().are_on() { self.cost(connection, client_id, now_ms) } else { None };
        let bytes = frame.len();
        let call = |client_id| Call {
            node: self.clone(),
            connection: connection.clone(),
            api_key,
            api_version,
            correlation_id,
            client_id,
            is_admin_client,
            now_ms,
            metered: cost.clone(),
            verdict: Verdict::Final,
        };
        if !row.versions.contains(&api_version) {
            if api_key == ApiKey::ApiVersions {
                return Handling::ready(api_versions::unsupported_version(&call(None)));
            }
            return close(unsupported);
        }
        frame.advance(length);
        let handling = row.handle(call, asked_client_id, frame);
        let Some(cost) = &cost else { return handling };
        let is_at_controller = connection.peer().controller;
        let request = Request { api_key, api_version, bytes, now_ms, is_at_controller };
        metered(self, cost, request, handling)
    }

    /// What a request of this client will have cost, if the client is held to anything.
    #[cold]
    fn cost(&self, connection: &Connection, client_id: Option<&[u8]>, now_ms: i64) -> Option<Arc<Metered>> {
        let user = &connection.peer().principal.name;
        let meters = self.quotas().of(&mut connection.seat(), user, client_id.unwrap_or_default(), now_ms)?;
        let cost = Metered::new(meters);
        cost.begin(self);
        Some(Arc::new(cost))
    }
}
