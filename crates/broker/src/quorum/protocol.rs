//! The quorum's own protocol as messages (KIP-595, 630, 853): which request asks what, in which versions it leaves this node, and what
//! became of it. Owns no connection and no belief: `kraft` says what is sent, and checks what comes back.

use std::ops::RangeInclusive;

use kraft::raft::{RaftRequest, RaftResponse};
use wire::codec::Message;
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
use wire::{ApiKey, ErrorCode};

use crate::peers::{NoAnswer, PeerAnswer, PeerRequest};

/// A request that the quorum itself answers.
pub(crate) trait QuorumRequest: Message + Send + 'static {
    /// What it is answered with.
    type Answer: Message + Send + 'static;
    /// As the quorum takes it.
    fn question(self) -> RaftRequest;
    /// The answer, out of what the quorum gives.
    fn answer(response: RaftResponse) -> Option<Self::Answer>;
}

macro_rules! quorum_requests {
    ($($name:ident($request:ty) => $answer:ty;)*) => {
        $(impl QuorumRequest for $request {
            type Answer = $answer;
            fn question(self) -> RaftRequest {
                RaftRequest::$name(self)
            }
            fn answer(response: RaftResponse) -> Option<$answer> {
                match response {
                    RaftResponse::$name(answer) => Some(answer),
                    _ => None,
                }
            }
        })*

        /// The request as it leaves this node; `done` hears what came back, or why nothing did that can be read.
        pub(crate) fn peer_request(
            request: RaftRequest,
            deadline_ms: i64,
            done: impl FnOnce(Result<RaftResponse, NoAnswer>) + Send + 'static,
        ) -> PeerRequest {
            let versions = versions(&request);
            let unsupported = unsupported(&request);
            match request {
                $(RaftRequest::$name(message) => {
                    let heard = move |_, outcome: Result<PeerAnswer, NoAnswer>| done(match outcome {
                        Ok(answer) => match answer.read::<$answer>() {
                            Ok(answer) => Ok(RaftResponse::$name(answer)),
                            Err(_) => Err(NoAnswer::Malformed),
                        },
                        Err(NoAnswer::Unsupported) => unsupported.ok_or(NoAnswer::Unsupported),
                        Err(why) => Err(why),
                    });
                    let request = PeerRequest::new(ApiKey::$name, message, deadline_ms, heard);
                    request.in_versions(versions)
                })*
            }
        }
    };
}

quorum_requests! {
    Vote(VoteRequest) => VoteResponse;
    BeginQuorumEpoch(BeginQuorumEpochRequest) => BeginQuorumEpochResponse;
    EndQuorumEpoch(EndQuorumEpochRequest) => EndQuorumEpochResponse;
    Fetch(FetchRequest) => FetchResponse;
    FetchSnapshot(FetchSnapshotRequest) => FetchSnapshotResponse;
    DescribeQuorum(DescribeQuorumRequest) => DescribeQuorumResponse;
    AddRaftVoter(AddRaftVoterRequest) => AddRaftVoterResponse;
    RemoveRaftVoter(RemoveRaftVoterRequest) => RemoveRaftVoterResponse;
    UpdateRaftVoter(UpdateRaftVoterRequest) => UpdateRaftVoterResponse;
    ApiVersions(ApiVersionsRequest) => ApiVersionsResponse;
}

/// Whoever answers so belongs to another cluster.
pub(crate) fn is_of_another_cluster(response: &RaftResponse) -> bool {
    let error_code = match response {
        RaftResponse::Vote(answer) => answer.error_code,
        RaftResponse::BeginQuorumEpoch(answer) => answer.error_code,
        RaftResponse::EndQuorumEpoch(answer) => answer.error_code,
        RaftResponse::Fetch(answer) => answer.error_code,
        RaftResponse::FetchSnapshot(answer) => answer.error_code,
        RaftResponse::DescribeQuorum(answer) => answer.error_code,
        RaftResponse::AddRaftVoter(answer) => answer.error_code,
        RaftResponse::RemoveRaftVoter(answer) => answer.error_code,
        RaftResponse::UpdateRaftVoter(answer) => answer.error_code,
        RaftResponse::ApiVersions(answer) => answer.error_code,
    };
    error_code == ErrorCode::InconsistentClusterId.code()
}

/// Versions that can say what the request means: before Fetch 15 a replica names itself elsewhere, a voter that reads no pre-votes would
/// take one for a vote, and before AddRaftVoter 1 every answer waits for the commit.
fn versions(request: &RaftRequest) -> RangeInclusive<i16> {
    let (key, least) = match request {
        RaftRequest::Vote(vote) => (ApiKey::Vote, if asks_before_voting(vote) { 2 } else { 0 }),
        RaftRequest::BeginQuorumEpoch(_) => (ApiKey::BeginQuorumEpoch, 0),
        RaftRequest::EndQuorumEpoch(_) => (ApiKey::EndQuorumEpoch, 0),
        RaftRequest::Fetch(_) => (ApiKey::Fetch, 15),
        RaftRequest::FetchSnapshot(_) => (ApiKey::FetchSnapshot, 0),
        RaftRequest::DescribeQuorum(_) => (ApiKey::DescribeQuorum, 0),
        RaftRequest::AddRaftVoter(add) => (ApiKey::AddRaftVoter, if add.ack_when_committed { 0 } else { 1 }),
        RaftRequest::RemoveRaftVoter(_) => (ApiKey::RemoveRaftVoter, 0),
        RaftRequest::UpdateRaftVoter(_) => (ApiKey::UpdateRaftVoter, 0),
        RaftRequest::ApiVersions(_) => (ApiKey::ApiVersions, 3),
    };
    least..=*key.versions().end()
}

/// What a peer that is too old for the request amounts to: one that is asked before a vote, and knows no such question, is simply asked
/// to vote (KIP-996); a leader that cannot be told what a voter is does not want to know.
fn unsupported(request: &RaftRequest) -> Option<RaftResponse> {
    match request {
        RaftRequest::Vote(vote) if asks_before_voting(vote) => Some(RaftResponse::Vote(VoteResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..VoteResponse::default()
        })),
        RaftRequest::UpdateRaftVoter(_) => Some(RaftResponse::UpdateRaftVoter(UpdateRaftVoterResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..UpdateRaftVoterResponse::default()
        })),
        _ => None,
    }
}

fn asks_before_voting(vote: &VoteRequest) -> bool {
    vote.topics.iter().flat_map(|topic| &topic.partitions).any(|partition| partition.pre_vote)
}
