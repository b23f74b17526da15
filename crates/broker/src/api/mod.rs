//! **The table**: which APIs this node answers, in which versions, and who handles each. ApiVersions tells what stands here
//! and nothing else. One file per API; none knows another, none touches a log: views, shards and the quorum answer.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod add_raft_voter;
mod alter_configs;
mod alter_replica_log_dirs;
mod api_versions;
mod broker_heartbeat;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod envelope;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
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
mod remove_raft_voter;
mod sync_group;
mod txn_offset_commit;
mod write_txn_markers;

use std::future::Future;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use bytes::{Buf, Bytes};
use kraft::controller::{AlterPartition, ControllerCommand, CreateTopics, RegisterBroker, UpdateFeatures};
use wire::codec::{DecodeError, Decoder, Message};
use wire::frame::{HeaderError, HeaderView};
use wire::messages::add_raft_voter::AddRaftVoterRequest;
use wire::messages::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use wire::messages::api_versions::{ApiVersion, ApiVersionsRequest};
use wire::messages::begin_quorum_epoch::BeginQuorumEpochRequest;
use wire::messages::create_partitions::CreatePartitionsRequest;
use wire::messages::create_topics::CreateTopicsRequest;
use wire::messages::delete_topics::DeleteTopicsRequest;
use wire::messages::describe_quorum::DescribeQuorumRequest;
use wire::messages::elect_leaders::ElectLeadersRequest;
use wire::messages::end_quorum_epoch::EndQuorumEpochRequest;
use wire::messages::fetch::FetchRequest;
use wire::messages::fetch_snapshot::FetchSnapshotRequest;
use wire::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use wire::messages::metadata::MetadataRequest;
use wire::messages::produce::ProduceRequest;
use wire::messages::remove_raft_voter::RemoveRaftVoterRequest;
use wire::messages::unregister_broker::UnregisterBrokerRequest;
use wire::messages::unregister_controller::UnregisterControllerRequest;
use wire::messages::update_features::UpdateFeaturesRequest;
use wire::messages::update_raft_voter::UpdateRaftVoterRequest;
use wire::messages::vote::VoteRequest;
use wire::{ApiKey, Str};

use crate::call::{Call, IntoAnswer, Verdict};
use crate::connection::Connection;
use crate::forwarding::forward;
use crate::node::Node;
use crate::quorum::errands::answer_frame;
use crate::quorum::protocol::QuorumRequest;
use crate::rim::{CloseReason, Handling, Outcome};

/// What the administrators of Kafka's own tools call themselves: they may write to internal topics.
const ADMIN_CLIENT_ID: &[u8] = b"__admin_client";

/// Why a body was not read.
enum Unread {
    Malformed(DecodeError),
    /// A text that is no UTF-8 cannot be lent from where it lies: the same body with U+FFFD in its place, as Java reads it.
    NotText(Bytes),
}

impl From<DecodeError> for Unread {
    fn from(error: DecodeError) -> Unread {
        Unread::Malformed(error)
    }
}

type Run = dyn Fn(Call, Bytes) -> Result<Handling, Unread> + Send + Sync;

/// One row of the table.
struct Api {
    key: ApiKey,
    /// What is served.
    versions: RangeInclusive<i16>,
    /// What ApiVersions tells, if it is not the same.
    advertised: RangeInclusive<i16>,
    /// The handler may ask what the client calls itself.
    asks_client_id: bool,
    run: Box<Run>,
}

/// All rows of one kind of listener, by key.
struct Apis(Vec<Option<Api>>);

/// The tables themselves: they know no node.
struct Tables {
    broker: Apis,
    controller: Apis,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let broker = [data_rows(), group_rows(), transaction_rows(), cluster_rows(), forwarded_rows()];
    let tables = Tables {
        broker: Apis::new(broker.into_iter().flatten()),
        controller: Apis::new(quorum_rows().into_iter().chain(controller_rows())),
    };
    let keys = |apis: &Apis, is_on: fn(ApiKey) -> bool| apis.0.iter().flatten().all(|row| is_on(row.key));
    assert!(keys(&tables.broker, ApiKey::is_on_broker), "a broker answers what is not a broker's");
    assert!(keys(&tables.controller, ApiKey::is_on_controller), "a controller answers what is not its own");
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
        waiting(ApiKey::DeleteRecords, delete_records::handle),
        waiting(ApiKey::DescribeProducers, describe_producers::handle),
        in_place::<FetchRequest>(ApiKey::Fetch, fetch::handle),
        waiting(ApiKey::InitProducerId, init_producer_id::handle),
        direct(ApiKey::ListOffsets, list_offsets::handle),
        in_place::<MetadataRequest>(ApiKey::Metadata, metadata::handle),
        direct(ApiKey::OffsetForLeaderEpoch, offset_for_leader_epoch::handle),
        in_place::<ProduceRequest>(ApiKey::Produce, produce::handle),
    ]
}

/// Consumer groups and their offsets.
fn group_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::DeleteGroups, delete_groups::handle),
        waiting(ApiKey::DescribeGroups, describe_groups::handle),
        direct(ApiKey::FindCoordinator, find_coordinator::handle),
        prompt(ApiKey::Heartbeat, heartbeat::handle),
        waiting(ApiKey::JoinGroup, join_group::handle),
        waiting(ApiKey::LeaveGroup, leave_group::handle),
        waiting(ApiKey::ListGroups, list_groups::handle),
        prompt(ApiKey::OffsetCommit, offset_commit::handle),
        waiting(ApiKey::OffsetDelete, offset_delete::handle),
        waiting(ApiKey::OffsetFetch, offset_fetch::handle),
        waiting(ApiKey::SyncGroup, sync_group::handle),
    ]
}

/// Transactions.
fn transaction_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::AddOffsetsToTxn, add_offsets_to_txn::handle),
        waiting(ApiKey::AddPartitionsToTxn, add_partitions_to_txn::handle),
        waiting(ApiKey::DescribeTransactions, describe_transactions::handle),
        waiting(ApiKey::EndTxn, end_txn::handle),
        waiting(ApiKey::ListTransactions, list_transactions::handle),
        waiting(ApiKey::TxnOffsetCommit, txn_offset_commit::handle),
        waiting(ApiKey::WriteTxnMarkers, write_txn_markers::handle),
    ]
}

/// What a broker knows of the cluster and of itself.
fn cluster_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::AlterReplicaLogDirs, alter_replica_log_dirs::handle),
        direct(ApiKey::DescribeCluster, describe_cluster::handle),
        direct(ApiKey::DescribeConfigs, describe_configs::handle),
        direct(ApiKey::DescribeLogDirs, describe_log_dirs::handle),
        direct(ApiKey::DescribeTopicPartitions, describe_topic_partitions::handle),
        direct(ApiKey::ListConfigResources, list_config_resources::handle),
    ]
}

/// What a broker passes on to the active controller.
fn forwarded_rows() -> Vec<Api> {
    vec![
        forwarded::<AddRaftVoterRequest>(ApiKey::AddRaftVoter),
        waiting(ApiKey::AlterConfigs, |call, request| alter_configs::handle(call, request, Some(here))),
        forwarded::<AlterPartitionReassignmentsRequest>(ApiKey::AlterPartitionReassignments),
        forwarded::<CreatePartitionsRequest>(ApiKey::CreatePartitions),
        forwarded::<CreateTopicsRequest>(ApiKey::CreateTopics),
        forwarded::<DeleteTopicsRequest>(ApiKey::DeleteTopics),
        forwarded::<DescribeQuorumRequest>(ApiKey::DescribeQuorum),
        forwarded::<ElectLeadersRequest>(ApiKey::ElectLeaders),
        waiting(ApiKey::IncrementalAlterConfigs, |call, request| {
            incremental_alter_configs::handle(call, request, Some(here))
        }),
        forwarded::<ListPartitionReassignmentsRequest>(ApiKey::ListPartitionReassignments),
        forwarded::<RemoveRaftVoterRequest>(ApiKey::RemoveRaftVoter),
        forwarded::<UnregisterBrokerRequest>(ApiKey::UnregisterBroker),
        forwarded::<UnregisterControllerRequest>(ApiKey::UnregisterController),
        forwarded::<UpdateFeaturesRequest>(ApiKey::UpdateFeatures),
    ]
}

/// What the members of the quorum, and brokers that observe it, ask each other.
fn quorum_rows() -> Vec<Api> {
    vec![
        waiting(ApiKey::AddRaftVoter, add_raft_voter::handle),
        quorum::<BeginQuorumEpochRequest>(ApiKey::BeginQuorumEpoch),
        waiting(ApiKey::DescribeQuorum, describe_quorum::handle),
        quorum::<EndQuorumEpochRequest>(ApiKey::EndQuorumEpoch),
        quorum::<FetchRequest>(ApiKey::Fetch),
        quorum::<FetchSnapshotRequest>(ApiKey::FetchSnapshot),
        waiting(ApiKey::RemoveRaftVoter, remove_raft_voter::handle),
        quorum::<UpdateRaftVoterRequest>(ApiKey::UpdateRaftVoter),
        quorum::<VoteRequest>(ApiKey::Vote),
    ]
}

/// What the controller decides.
fn controller_rows() -> Vec<Api> {
    vec![
        decided(ApiKey::AllocateProducerIds, |request, _| ControllerCommand::AllocateProducerIds(request)),
        waiting(ApiKey::AlterConfigs, |call, request| alter_configs::handle(call, request, None)),
        decided(ApiKey::AlterPartition, |request, api_version| {
            ControllerCommand::AlterPartition(AlterPartition { request, api_version })
        }),
        decided(ApiKey::AlterPartitionReassignments, |request, _| {
            ControllerCommand::AlterPartitionReassignments(request)
        }),
        greeting(),
        decided(ApiKey::AssignReplicasToDirs, |request, _| ControllerCommand::AssignReplicasToDirs(request)),
        waiting(ApiKey::BrokerHeartbeat, broker_heartbeat::handle),
        decided(ApiKey::BrokerRegistration, |request, api_version| {
            ControllerCommand::RegisterBroker(RegisterBroker { request, api_version })
        }),
        decided(ApiKey::ControllerRegistration, |request, _| ControllerCommand::RegisterController(request)),
        decided(ApiKey::CreatePartitions, |request, _| ControllerCommand::CreatePartitions(request)),
        decided(ApiKey::CreateTopics, |request, _| {
            ControllerCommand::CreateTopics(CreateTopics { request, describable: None })
        }),
        waiting(ApiKey::DeleteTopics, delete_topics::handle),
        direct(ApiKey::DescribeCluster, describe_cluster::handle),
        direct(ApiKey::DescribeConfigs, describe_configs::handle),
        decided(ApiKey::ElectLeaders, |request, _| ControllerCommand::ElectLeaders(request)),
        waiting(ApiKey::Envelope, |call, request| envelope::handle(call, request, here)),
        waiting(ApiKey::IncrementalAlterConfigs, |call, request| {
            incremental_alter_configs::handle(call, request, None)
        }),
        direct(ApiKey::ListPartitionReassignments, list_partition_reassignments::handle),
        decided(ApiKey::UnregisterBroker, |request, _| ControllerCommand::UnregisterBroker(request)),
        decided(ApiKey::UnregisterController, |request, _| ControllerCommand::UnregisterController(request)),
        decided(ApiKey::UpdateFeatures, |request, api_version| {
            ControllerCommand::UpdateFeatures(UpdateFeatures { request, api_version })
        }),
    ]
}

/// The first request of every connection.
fn greeting() -> Api {
    in_place::<ApiVersionsRequest>(ApiKey::ApiVersions, |call, body| {
        api_versions::handle(call, body, advertised)
    })
}

/// A request that the quorum itself answers.
fn quorum<Q: QuorumRequest>(key: ApiKey) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        Ok(Handling::running(async move {
            match call.node.ask_quorum(request).await {
                Some(answer) => answer.outcome(call.api_key, call.api_version, call.correlation_id),
                None => call.is_gone(),
            }
        }))
    };
    row(key, run)
}

/// A request that is a command for the controller, and nothing besides.
fn decided<Q: Message + Send + 'static>(key: ApiKey, command: fn(Q, i16) -> ControllerCommand) -> Api {
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
    row(key, run)
}

/// A request that is answered by the active controller, wherever it is.
fn forwarded<Q: Message + 'static>(key: ApiKey) -> Api {
    let run = move |call: Call, body: Bytes| {
        // What cannot be read is not passed on.
        Q::decode(&mut Decoder::of(body.clone()), call.api_version)?;
        Ok(Handling::running(forward(call, body, here)))
    };
    Api { asks_client_id: true, ..row(key, run) }
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

fn row(key: ApiKey, run: impl Fn(Call, Bytes) -> Result<Handling, Unread> + Send + Sync + 'static) -> Api {
    let (versions, advertised) = (key.versions(), key.advertised_versions());
    Api { key, versions, advertised, asks_client_id: false, run: Box::new(run) }
}

/// A handler that needs to wait for nobody.
fn direct<Q: Message + 'static, A: IntoAnswer + 'static>(key: ApiKey, handler: fn(&Call, Q) -> A) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        let answer = handler(&call, request);
        Ok(Handling::ready(answer.outcome(call.api_key, call.api_version, call.correlation_id)))
    };
    row(key, run)
}

/// A handler that may wait for a shard, the quorum or bytes.
fn waiting<Q, A, F>(key: ApiKey, handler: fn(Call, Q) -> F) -> Api
where
    Q: Message + Send + 'static,
    A: IntoAnswer + 'static,
    F: Future<Output = A> + Send + 'static,
{
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        let (api_key, api_version, correlation_id) = (call.api_key, call.api_version, call.correlation_id);
        let answer = handler(call, request);
        Ok(Handling::running(async move { answer.await.outcome(api_key, api_version, correlation_id) }))
    };
    Api { asks_client_id: true, ..row(key, run) }
}

/// A handler that mostly has its answer at once, and else says what it waits for.
fn prompt<Q: Message + 'static>(key: ApiKey, handler: fn(Call, Q) -> Handling) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        Ok(handler(call, request))
    };
    row(key, run)
}

/// A handler that reads its request where it lies.
fn in_place<Q: Message + 'static>(
    key: ApiKey,
    handler: fn(Call, &Bytes) -> Result<Handling, DecodeError>,
) -> Api {
    let run = move |call: Call, body: Bytes| {
        let version = call.api_version;
        handler(call, &body).map_err(|error| match error {
            DecodeError::InvalidUtf8 => as_text::<Q>(body, version),
            error => Unread::Malformed(error),
        })
    };
    row(key, run)
}

#[cold]
fn as_text<Q: Message>(body: Bytes, version: i16) -> Unread {
    match Q::decode(&mut Decoder::of(body), version) {
        Ok(request) => Unread::NotText(request.to_bytes(version)),
        Err(error) => Unread::Malformed(error),
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
        let call = |client_id| Call {
            node: self.clone(),
            connection: connection.clone(),
            api_key,
            api_version,
            correlation_id,
            client_id,
            is_admin_client,
            now_ms,
            verdict: Verdict::Final,
        };
        if !row.versions.contains(&api_version) {
            if api_key == ApiKey::ApiVersions {
                return Handling::ready(api_versions::unsupported_version(&call(None)));
            }
            return close(unsupported);
        }
        frame.advance(length);
        row.handle(call, asked_client_id, frame)
    }
}

impl Api {
    /// Handlers hold no state: a panic costs its connection, not the node.
    fn handle(&self, call: impl Fn(Option<Str>) -> Call, client_id: Option<Str>, body: Bytes) -> Handling {
        let run = |call, body| catch_unwind(AssertUnwindSafe(|| (self.run)(call, body)));
        let outcome = match run(call(client_id), body) {
            // Who reads in place does not ask what the client calls itself.
            Ok(Err(Unread::NotText(body))) => run(call(None), body),
            outcome => outcome,
        };
        match outcome {
            Ok(Ok(handling)) => handling,
            Ok(Err(Unread::Malformed(error))) => close(CloseReason::Malformed(error.to_string())),
            Ok(Err(Unread::NotText(_))) => {
                close(CloseReason::Malformed(DecodeError::InvalidUtf8.to_string()))
            }
            Err(_) => close(CloseReason::Panicked),
        }
    }
}

fn close(reason: CloseReason) -> Handling {
    Handling::ready(Outcome::Close(reason))
}
