//! Vote with and without pre-vote (KIP-595, 996), from both sides. Owns when a vote is granted and how votes are asked for and
//! counted; moves between roles are `transitions.rs`'s.

use super::leader_and_epoch::{Common, MAX_FOREIGN_EPOCH, is_metadata, known_id};
use super::offset_and_epoch::OffsetAndEpoch;
use super::quorum::{NEVER, Quorum};
use super::role::Role;
use super::voters::ReplicaKey;
use super::{RaftRequest, RaftResponse, RequestToken};
use wire::messages::vote;
use wire::planted::{self, Bug};
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str};

impl Quorum {
    // ---- The voter's side ----

    pub(super) fn vote_requested(&mut self, token: RequestToken, request: vote::VoteRequest, now_ms: i64) {
        let response = if self.is_other_cluster(request.cluster_id.as_ref()) {
            vote::VoteResponse { error_code: ErrorCode::InconsistentClusterId.code(), ..Default::default() }
        } else {
            let topic = request.topics.first();
            match topic
                .and_then(|topic| topic.partitions.first())
                .filter(|_| is_metadata(topic.map(|t| &t.topic_name)))
            {
                Some(partition) => {
                    let (error, granted) = self.decide_vote(request.voter_id, partition, now_ms);
                    self.vote_response(error, granted)
                }
                None => {
                    vote::VoteResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() }
                }
            }
        };
        self.answer(token, RaftResponse::Vote(response));
    }

    fn decide_vote(
        &mut self,
        voter_id: i32,
        partition: &vote::PartitionData,
        now_ms: i64,
    ) -> (ErrorCode, bool) {
        let (epoch, pre_vote) = (partition.replica_epoch, partition.pre_vote);
        let last = OffsetAndEpoch::new(partition.last_offset, partition.last_offset_epoch);
        let legal = if pre_vote { last.epoch <= epoch } else { last.epoch < epoch };
        if last.offset < 0
            || last.epoch < 0
            || !legal
            || epoch > MAX_FOREIGN_EPOCH
            || partition.replica_id < 0
        {
            return (ErrorCode::InvalidRequest, false);
        }
        if epoch < self.epoch {
            return (ErrorCode::FencedLeaderEpoch, false);
        }
        if epoch > self.epoch {
            self.become_unattached(epoch, None, now_ms);
        }
        if !self.is_addressed(voter_id, partition.voter_directory_id) {
            return (ErrorCode::InvalidVoterKey, false);
        }
        let candidate = ReplicaKey::new(partition.replica_id, partition.replica_directory_id);
        let granted = self.would_grant(&candidate, last >= self.end(), pre_vote);
        if granted && !pre_vote {
            let election_deadline_ms = now_ms + self.random_election_timeout();
            match &mut self.role {
                Role::Unattached(unattached) if unattached.voted.is_none() => {
                    unattached.voted = Some(candidate);
                    if unattached.election_deadline_ms != NEVER {
                        unattached.election_deadline_ms = election_deadline_ms;
                    }
                }
                Role::Prospective(prospective) if prospective.voted.is_none() => {
                    prospective.voted = Some(candidate);
                    prospective.election_deadline_ms = election_deadline_ms;
                }
                _ => {}
            }
        }
        (ErrorCode::None, granted)
    }

    fn would_grant(&self, candidate: &ReplicaKey, is_up_to_date: bool, pre_vote: bool) -> bool {
        let of_epoch = |voted: Option<ReplicaKey>, leader_id: Option<i32>| match (pre_vote, voted, leader_id)
        {
            (true, ..) => is_up_to_date,
            (false, Some(_), _) if planted::has(Bug::VotesTwice) => is_up_to_date,
            (false, Some(voted), _) => {
                voted.id == candidate.id
                    && (voted.directory_id.is_none() || voted.directory_id == candidate.directory_id)
            }
            (false, None, Some(_)) => false,
            (false, None, None) => is_up_to_date,
        };
        match &self.role {
            Role::Unattached(unattached) => of_epoch(unattached.voted, unattached.leader_id),
            Role::Prospective(prospective) => of_epoch(prospective.voted, prospective.leader_id),
            Role::Candidate(_) | Role::Resigned(_) => pre_vote && is_up_to_date,
            Role::Follower(follower) => pre_vote && is_up_to_date && !follower.has_fetched,
            Role::Leader(_) => false,
        }
    }

    fn vote_response(&self, error: ErrorCode, vote_granted: bool) -> vote::VoteResponse {
        let partition = vote::VoteResponsePartitionData {
            partition_index: 0,
            error_code: error.code(),
            leader_id: self.leader_id().unwrap_or(-1),
            leader_epoch: self.epoch,
            vote_granted,
        };
        let node = |(node_id, host, port)| vote::NodeEndpoint { node_id, host, port };
        vote::VoteResponse {
            error_code: 0,
            topics: vec![vote::VoteResponseTopicData {
                topic_name: Str::from(CLUSTER_METADATA),
                partitions: vec![partition],
            }],
            node_endpoints: self.leader_node().map(node).into_iter().collect(),
        }
    }

    // ---- The candidate's side ----

    pub(super) fn ask_for_votes(&mut self, now_ms: i64) {
        let (missing, pre_vote) = match &self.role {
            Role::Prospective(prospective) => (prospective.ballot.missing(), true),
            Role::Candidate(candidate) if !candidate.ballot.is_lost() => (candidate.ballot.missing(), false),
            _ => return,
        };
        for voter in missing {
            let endpoints = self.voters.latest().endpoints(voter.id);
            let Some(to) = self.destination(voter.id, &endpoints) else { continue };
            self.send_if_ready(to, now_ms, |quorum| RaftRequest::Vote(quorum.vote_request(&voter, pre_vote)));
        }
    }

    fn vote_request(&self, voter: &ReplicaKey, pre_vote: bool) -> vote::VoteRequest {
        let end = self.end();
        let partition = vote::PartitionData {
            partition_index: 0,
            replica_epoch: self.epoch,
            replica_id: self.options.node_id,
            replica_directory_id: self.options.directory_id,
            voter_directory_id: voter.directory_or_zero(),
            last_offset_epoch: end.epoch,
            last_offset: end.offset,
            pre_vote,
        };
        vote::VoteRequest {
            cluster_id: Some(self.options.cluster_id.clone()),
            voter_id: voter.id,
            topics: vec![vote::TopicData {
                topic_name: Str::from(CLUSTER_METADATA),
                partitions: vec![partition],
            }],
        }
    }

    pub(super) fn vote_answered(&mut self, from: i32, response: vote::VoteResponse, now_ms: i64) -> bool {
        let prospective = matches!(self.role, Role::Prospective(_));
        if prospective && response.error_code == ErrorCode::UnsupportedVersion.code() {
            // A voter older than KIP-996: pre-votes cannot be had from it.
            self.become_candidate(now_ms);
            return true;
        }
        let topic = response.topics.first();
        let Some(partition) = topic.and_then(|t| t.partitions.first()).filter(|_| response.error_code == 0)
        else {
            return false;
        };
        let leader_id = known_id(partition.leader_id);
        let endpoint = |e: &vote::NodeEndpoint| (e.node_id, e.host.detached(), e.port);
        let endpoints = self.answered_endpoints(leader_id, response.node_endpoints.iter().map(endpoint));
        match self.common(partition.error_code, leader_id, partition.leader_epoch, endpoints, now_ms) {
            Common::Done(well) => well,
            Common::GoOn if partition.error_code != 0 => false,
            Common::GoOn => {
                self.vote_counted(from, partition.vote_granted, now_ms);
                true
            }
        }
    }

    fn vote_counted(&mut self, from: i32, granted: bool, now_ms: i64) {
        match &mut self.role {
            Role::Prospective(prospective) => {
                prospective.ballot.record(from, granted);
                if prospective.ballot.is_won() {
                    self.become_candidate(now_ms);
                } else if prospective.ballot.is_lost() {
                    self.give_up_prospect(now_ms);
                }
            }
            // Winning is noticed by `poll`; a lost election waits for its timeout.
            Role::Candidate(candidate) => candidate.ballot.record(from, granted),
            Role::Unattached(_) | Role::Leader(_) | Role::Follower(_) | Role::Resigned(_) => {}
        }
    }
}
