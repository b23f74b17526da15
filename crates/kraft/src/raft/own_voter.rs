//! What a follower tells its leader of itself as a voter (KIP-853, 1186): an observer that is to join asks to be added, once an earlier life
//! of its id is removed; a voter whose address or versions are not what the log says tells the new ones; a voter of a configured quorum
//! describes itself once to each leader. Owns when that is sent, in the place of a fetch.

use super::RaftRequest;
use super::leader_and_epoch::{Common, known_id};
use super::quorum::Quorum;
use super::role::Role;
use super::voters::Endpoints;
use crate::features::KRAFT_VERSIONS;
use wire::messages::add_raft_voter::{self, AddRaftVoterRequest, AddRaftVoterResponse};
use wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use wire::messages::update_raft_voter::{
    self, KRaftVersionFeature, UpdateRaftVoterRequest, UpdateRaftVoterResponse,
};
use wire::{ErrorCode, Str};

impl Quorum {
    /// What is to be told now instead of the next fetch. Looked at once in a while: nothing here is in a hurry, and the leader
    /// may have reasons to say no.
    pub(super) fn own_voter_request(&mut self, now_ms: i64) -> Option<RaftRequest> {
        let Role::Follower(follower) = &self.role else { return None };
        if self.shutting_down || now_ms < follower.own_voter_deadline_ms {
            return None;
        }
        let is_described = follower.is_described;
        let request =
            if self.is_observer() { self.join_request()? } else { self.update_request(is_described)? };
        self.put_off_own_voter(now_ms);
        Some(request)
    }

    /// From an observer that is to be a voter. While the log calls another directory a voter of this id, that has to go first.
    fn join_request(&self) -> Option<RaftRequest> {
        if !self.options.auto_join || self.voters.kraft_version() == 0 {
            return None;
        }
        let (local, cluster_id) = (self.local_key(), Some(self.options.cluster_id.clone()));
        Some(match self.voters.latest().voters.get(&local.id) {
            Some(earlier) => RaftRequest::RemoveRaftVoter(RemoveRaftVoterRequest {
                cluster_id,
                voter_id: earlier.key.id,
                voter_directory_id: earlier.key.directory_or_zero(),
            }),
            None => RaftRequest::AddRaftVoter(AddRaftVoterRequest {
                cluster_id,
                timeout_ms: i32::try_from(self.options.request_timeout_ms).unwrap_or(i32::MAX),
                voter_id: local.id,
                voter_directory_id: local.directory_or_zero(),
                listeners: self.options.local_endpoints.iter().map(add_listener).collect(),
                // It has to fetch the new voters for them to be committed, and does not fetch while it waits.
                ack_when_committed: false,
            }),
        })
    }

    /// From a voter.
    fn update_request(&self, is_described: bool) -> Option<RaftRequest> {
        let local = self.local_voter();
        let known = self.voters.latest().voters.get(&local.key.id);
        let is_news = if self.voters.kraft_version() == 0 { !is_described } else { known != Some(&local) };
        let request = UpdateRaftVoterRequest {
            cluster_id: Some(self.options.cluster_id.clone()),
            current_leader_epoch: self.epoch,
            voter_id: local.key.id,
            voter_directory_id: local.key.directory_or_zero(),
            listeners: self.options.local_endpoints.iter().map(update_listener).collect(),
            kraft_version_feature: KRaftVersionFeature {
                min_supported_version: KRAFT_VERSIONS.min,
                max_supported_version: KRAFT_VERSIONS.max,
            },
        };
        is_news.then_some(RaftRequest::UpdateRaftVoter(request))
    }

    fn put_off_own_voter(&mut self, now_ms: i64) {
        let period_ms = self.options.fetch_timeout_ms;
        if let Role::Follower(follower) = &mut self.role {
            follower.own_voter_deadline_ms = now_ms + period_ms;
        }
    }

    // ---- What the leader says to it ----

    pub(super) fn update_answered(&mut self, response: &UpdateRaftVoterResponse, now_ms: i64) -> bool {
        // From a leader that is too old to be told there is no word of its epoch either.
        if response.error_code != ErrorCode::UnsupportedVersion.code() {
            let leader = &response.current_leader;
            let leader_id = known_id(leader.leader_id);
            let port = u16::try_from(leader.port).ok().filter(|_| !leader.host.is_empty());
            let node = port.map(|port| (leader.leader_id, leader.host.detached(), port));
            let endpoints = match node {
                Some(node) => self.answered_endpoints(leader_id, std::iter::once(node)),
                None => Endpoints::new(),
            };
            match self.common(response.error_code, leader_id, leader.leader_epoch, endpoints, now_ms) {
                Common::Done(well) => return well,
                Common::GoOn if response.error_code != 0 => return false,
                Common::GoOn => {}
            }
        }
        if let Role::Follower(follower) = &mut self.role {
            follower.is_described = true;
            self.fetch_succeeded(now_ms);
        }
        true
    }

    pub(super) fn add_answered(&mut self, response: &AddRaftVoterResponse, now_ms: i64) -> bool {
        self.change_answered(response.error_code, ErrorCode::DuplicateVoter, now_ms)
    }

    pub(super) fn remove_answered(&mut self, response: &RemoveRaftVoterResponse, now_ms: i64) -> bool {
        self.change_answered(response.error_code, ErrorCode::VoterNotFound, now_ms)
    }

    /// It is done, or somebody has done it, or it will be tried again after a while: fetching shows which.
    fn change_answered(&mut self, error: i16, done_already: ErrorCode, now_ms: i64) -> bool {
        let expected = [ErrorCode::None, ErrorCode::RequestTimedOut, done_already];
        self.put_off_own_voter(now_ms);
        expected.iter().any(|code| code.code() == error)
    }
}

fn add_listener((name, (host, port)): (&Str, &(Str, u16))) -> add_raft_voter::Listener {
    add_raft_voter::Listener { name: name.clone(), host: host.clone(), port: *port }
}

fn update_listener((name, (host, port)): (&Str, &(Str, u16))) -> update_raft_voter::Listener {
    update_raft_voter::Listener { name: name.clone(), host: host.clone(), port: *port }
}
