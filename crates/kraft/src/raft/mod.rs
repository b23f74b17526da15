//! The quorum of the metadata log: KRaft (KIP-595, 630, 853, 996) as a state machine over `MetadataLog`. Sees opaque batches,
//! control records apart; never an image, a controller, a socket or a clock.

mod begin_quorum_epoch;
mod change_voters;
mod connections;
pub mod control;
mod describe;
mod end_quorum_epoch;
mod follower_fetch;
mod high_watermark;
mod invariants;
mod kraft_version;
mod leader_and_epoch;
mod leader_fetch;
mod memory_log;
mod offset_and_epoch;
mod opening;
mod own_log;
mod own_voter;
mod parked_fetch;
mod quorum;
pub mod quorum_state;
mod role;
mod snapshots;
pub mod storage;
mod timers;
mod transitions;
mod update_voter;
mod vote;
mod voter_change;
mod voter_history;
mod voters;

pub use control::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS, SnapshotHead, Unreadable};
pub use kraft_version::UpgradeRefused;
pub use memory_log::{MemoryLog, SharedLog};
pub use offset_and_epoch::OffsetAndEpoch;
pub use opening::{KnownVoters, QuorumOpenError, ReadFiles};
pub use own_log::NotLeader;
pub use quorum::Quorum;
pub use storage::{MetadataLog, SnapshotFile, StorageFault};
pub use voter_history::VoterHistory;
pub use voters::{Endpoints, ReplicaKey, VoterNode, VoterSet};

use wire::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::messages::begin_quorum_epoch::{BeginQuorumEpochRequest, BeginQuorumEpochResponse};
use wire::messages::describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};
use wire::messages::end_quorum_epoch::{EndQuorumEpochRequest, EndQuorumEpochResponse};
use wire::messages::fetch::{FetchRequest, FetchResponse};
use wire::messages::fetch_snapshot::{FetchSnapshotRequest, FetchSnapshotResponse};
use wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use wire::messages::update_raft_voter::{UpdateRaftVoterRequest, UpdateRaftVoterResponse};
use wire::messages::vote::{VoteRequest, VoteResponse};
use wire::wall::Wall;
use wire::{Str, Uuid};

/// What a replica of the metadata log is configured with; the names of the keys in the comments.
#[derive(Clone, Debug)]
pub struct RaftOptions {
    /// This replica's id.
    pub node_id: i32,
    /// The id of the metadata directory, from its meta.properties.
    pub directory_id: Uuid,
    /// Requests of other clusters are refused.
    pub cluster_id: Str,
    /// The name of the controller listener that peers use: the first of `controller.listener.names`.
    pub listener_name: Str,
    /// Where this node's controller listeners are; empty on a node without the controller role.
    pub local_endpoints: Endpoints,
    /// `controller.quorum.voters`; empty with a dynamic quorum.
    pub fixed_voters: VoterSet,
    /// `controller.quorum.bootstrap.servers`
    pub bootstrap_servers: Vec<(Str, u16)>,
    /// `controller.quorum.auto.join.enable`: a controller that observes asks to become a voter (KIP-1186).
    pub auto_join: bool,
    /// `controller.quorum.election.timeout.ms`
    pub election_timeout_ms: i64,
    /// `controller.quorum.fetch.timeout.ms`
    pub fetch_timeout_ms: i64,
    /// `controller.quorum.election.backoff.max.ms`
    pub election_backoff_max_ms: i64,
    /// `controller.quorum.request.timeout.ms`
    pub request_timeout_ms: i64,
    /// `controller.quorum.retry.backoff.ms`
    pub retry_backoff_ms: i64,
    /// What the times in the log are; timers are not.
    pub wall: Wall,
}

/// A request of the quorum's protocol, from a peer, a broker that observes, or an admin client.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is called as the message it is
pub enum RaftRequest {
    Vote(VoteRequest),
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    EndQuorumEpoch(EndQuorumEpochRequest),
    Fetch(FetchRequest),
    FetchSnapshot(FetchSnapshotRequest),
    DescribeQuorum(DescribeQuorumRequest),
    AddRaftVoter(AddRaftVoterRequest),
    RemoveRaftVoter(RemoveRaftVoterRequest),
    UpdateRaftVoter(UpdateRaftVoterRequest),
    ApiVersions(ApiVersionsRequest),
}

/// The answer to a [`RaftRequest`] of the same variant.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is called as the message it is
pub enum RaftResponse {
    Vote(VoteResponse),
    BeginQuorumEpoch(BeginQuorumEpochResponse),
    EndQuorumEpoch(EndQuorumEpochResponse),
    Fetch(FetchResponse),
    FetchSnapshot(FetchSnapshotResponse),
    DescribeQuorum(DescribeQuorumResponse),
    AddRaftVoter(AddRaftVoterResponse),
    RemoveRaftVoter(RemoveRaftVoterResponse),
    UpdateRaftVoter(UpdateRaftVoterResponse),
    ApiVersions(ApiVersionsResponse),
}

/// A peer to send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The node's id; negative for a bootstrap server whose id is not known.
    pub id: i32,
    /// As its listener is advertised.
    pub host: Str,
    /// As its listener is advertised.
    pub port: u16,
}

/// A request to be sent. Its answer, or the lack of one, comes back with the same correlation id.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Whom to.
    pub to: Destination,
    /// Comes back with the answer.
    pub correlation_id: u64,
    /// What.
    pub request: RaftRequest,
}

/// Identifies a request whose answer comes as an effect; the caller's own numbering.
pub type RequestToken = u64;

/// What can happen to a replica.
#[derive(Debug)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// Somebody asks.
    Request {
        /// Comes back with the answer.
        token: RequestToken,
        /// What is asked.
        request: RaftRequest,
    },
    /// The answer to an [`Outgoing`], or that there is none.
    Response {
        /// The peer that was asked.
        from: i32,
        /// Of the request.
        correlation_id: u64,
        /// `None`: the connection failed or the answer was unreadable.
        response: Option<RaftResponse>,
    },
    /// Nobody listens any more where this node listened: its process has ended.
    PeerGone {
        /// The node.
        peer: i32,
    },
    /// Stop leading, if it leads: the controller cannot go on.
    Resign,
    /// The node is leaving.
    BeginShutdown,
}

/// An answer of the leader that asks to cut the log below what is known to be committed: spoiled on its way, or the leader lost its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedCut {
    /// Who answered.
    pub leader_id: Option<i32>,
    /// Where the log would end.
    pub offset: i64,
    /// Everything below is committed.
    pub high_watermark: i64,
}

/// What a replica wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// To a peer.
    Send(Outgoing),
    /// To whoever asked.
    Answer {
        /// As it came with the request.
        token: RequestToken,
        /// What is answered.
        response: RaftResponse,
    },
    /// Everything below is committed.
    Committed {
        /// The offset after the last committed record.
        high_watermark: i64,
    },
    /// Who leads; this node itself only once it may act as controller.
    LeaderChanged {
        /// In this epoch.
        epoch: i32,
        /// `None` while nobody is known.
        leader: Option<i32>,
    },
    /// Uncommitted records at and after this offset are gone.
    Truncated {
        /// Where the log ends now.
        end_offset: i64,
    },
    /// The leader's answer asked for what no leader may ask for; nothing of it was done.
    Refused(RefusedCut),
    /// A fetched snapshot has replaced the log.
    SnapshotInstalled {
        /// Its name: where the log begins now.
        id: OffsetAndEpoch,
    },
}

#[cfg(test)]
mod tests;
