//! UpdateRaftVoter as the leader serves it (KIP-853): where a voter listens and which kraft.versions it supports. In a configured quorum
//! the leader only keeps it in mind, for the day when the quorum becomes a dynamic one. Owns no directory: that is the voter's name.

use super::quorum::Quorum;
use super::role::Role;
use super::voters::{Endpoints, ReplicaKey, VoterNode};
use super::{RaftResponse, RequestToken, StorageFault};
use crate::features::VersionRange;
use wire::messages::update_raft_voter::{
    CurrentLeader, Listener, UpdateRaftVoterRequest, UpdateRaftVoterResponse,
};
use wire::{ErrorCode, Str};

impl Quorum {
    pub(super) fn update_requested(
        &mut self,
        token: RequestToken,
        request: &UpdateRaftVoterRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        let error = match self.checked_update(request, now_ms) {
            Ok(voter) => self.update_voter(voter, now_ms)?,
            Err(error) => error,
        };
        let (leader_id, host, port) = self.leader_node().unwrap_or((-1, Str::from_static(""), 0));
        // Who leads is told also where it is not known how to reach it.
        let leader_id = self.leader_id().unwrap_or(leader_id);
        let current_leader =
            CurrentLeader { leader_id, leader_epoch: self.epoch, host, port: i32::from(port) };
        let response =
            UpdateRaftVoterResponse { throttle_time_ms: 0, error_code: error.code(), current_leader };
        self.answer(token, RaftResponse::UpdateRaftVoter(response));
        Ok(())
    }

    /// The checks, in Kafka's order, as far as they do not depend on who is a voter.
    fn checked_update(
        &mut self,
        request: &UpdateRaftVoterRequest,
        now_ms: i64,
    ) -> Result<VoterNode, ErrorCode> {
        if self.is_other_cluster(request.cluster_id.as_ref()) {
            return Err(ErrorCode::InconsistentClusterId);
        }
        if let Some(error) = self.refuses_leader_request(request.current_leader_epoch) {
            return Err(error);
        }
        let key = ReplicaKey::new(request.voter_id, request.voter_directory_id);
        let endpoint = |l: &Listener| (l.name.detached(), (l.host.detached(), l.port));
        let endpoints: Endpoints = request.listeners.iter().map(endpoint).collect();
        let feature = &request.kraft_version_feature;
        let kraft_versions =
            VersionRange { min: feature.min_supported_version, max: feature.max_supported_version };
        let legal = key.id >= 0
            && key.directory_id.is_some()
            && endpoints.contains_key(self.options.listener_name.as_str())
            && kraft_versions.min >= 0
            && kraft_versions.min <= kraft_versions.max;
        if !legal {
            return Err(ErrorCode::InvalidRequest);
        }
        self.expire_change(now_ms);
        let high_watermark = self.high_watermark_of_epoch().filter(|_| !self.is_changing());
        let Some(high_watermark) = high_watermark else { return Err(ErrorCode::RequestTimedOut) };
        let level = self.voters.kraft_version();
        if level > 0 && !self.voters_are_committed(high_watermark) {
            return Err(ErrorCode::RequestTimedOut);
        }
        if !kraft_versions.contains(level) {
            return Err(ErrorCode::InvalidRequest);
        }
        Ok(VoterNode { key, endpoints, kraft_versions })
    }

    /// Answered as soon as it is in the log, as Kafka does: whoever leads next has it, or is told again.
    fn update_voter(&mut self, voter: VoterNode, now_ms: i64) -> Result<ErrorCode, StorageFault> {
        let key = voter.key;
        if self.voters.kraft_version() == 0 {
            if !self.describe_voter(voter) {
                return Ok(ErrorCode::VoterNotFound);
            }
        } else {
            let Some(voters) = self.voters.latest().updated(voter) else {
                return Ok(ErrorCode::VoterNotFound);
            };
            if self.append_voters(&voters, now_ms)?.is_err() {
                return Ok(ErrorCode::KafkaStorageError);
            }
        }
        let (local_id, next_check) = (self.options.node_id, now_ms + self.check_quorum_timeout());
        if let Role::Leader(leader) = &mut self.role
            && leader.voter_seen(key, local_id)
        {
            leader.check_quorum_deadline_ms = next_check;
        }
        Ok(ErrorCode::None)
    }
}
