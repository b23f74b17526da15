//! BeginQuorumEpoch (KIP-595), from both sides: a leader tells voters that do not fetch from it that it leads.

use super::leader_and_epoch::{Common, is_metadata, known_id};
use super::quorum::Quorum;
use super::role::Role;
use super::voters::ReplicaKey;
use super::{RaftRequest, RaftResponse, RequestToken};
use wire::messages::begin_quorum_epoch as begin;
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str};

impl Quorum {
    // ---- The voter's side ----

    pub(super) fn begin_requested(
        &mut self,
        token: RequestToken,
        request: begin::BeginQuorumEpochRequest,
        now_ms: i64,
    ) {
        let topic = request.topics.first();
        let partition =
            topic.and_then(|t| t.partitions.first()).filter(|_| is_metadata(topic.map(|t| &t.topic_name)));
        let response = if self.is_other_cluster(request.cluster_id.as_ref()) {
            begin::BeginQuorumEpochResponse {
                error_code: ErrorCode::InconsistentClusterId.code(),
                ..Default::default()
            }
        } else if let Some(partition) = partition {
            let endpoints =
                request.leader_endpoints.iter().map(|e| (e.name.detached(), (e.host.detached(), e.port)));
            let (leader_id, epoch) = (partition.leader_id, partition.leader_epoch);
            let mut error = self.leader_says(leader_id, epoch, endpoints.collect(), now_ms);
            if error == ErrorCode::None && !self.is_addressed(request.voter_id, partition.voter_directory_id)
            {
                error = ErrorCode::InvalidVoterKey;
            }
            self.begin_response(error)
        } else {
            begin::BeginQuorumEpochResponse {
                error_code: ErrorCode::InvalidRequest.code(),
                ..Default::default()
            }
        };
        self.answer(token, RaftResponse::BeginQuorumEpoch(response));
    }

    fn begin_response(&self, error: ErrorCode) -> begin::BeginQuorumEpochResponse {
        let partition = begin::BeginQuorumEpochResponsePartitionData {
            partition_index: 0,
            error_code: error.code(),
            leader_id: self.leader_id().unwrap_or(-1),
            leader_epoch: self.epoch,
        };
        let node = |(node_id, host, port)| begin::NodeEndpoint { node_id, host, port };
        begin::BeginQuorumEpochResponse {
            error_code: 0,
            topics: vec![begin::BeginQuorumEpochResponseTopicData {
                topic_name: Str::from(CLUSTER_METADATA),
                partitions: vec![partition],
            }],
            node_endpoints: self.leader_node().map(node).into_iter().collect(),
        }
    }

    // ---- The leader's side ----

    /// The leader tells voters that do not fetch that it leads.
    pub(super) fn remind_voters(&mut self, now_ms: i64) {
        let interval = self.options.fetch_timeout_ms / 2;
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.begin_quorum_deadline_ms > now_ms {
            return;
        }
        leader.begin_quorum_deadline_ms = now_ms + interval;
        let local_id = self.options.node_id;
        let silent =
            leader.voters.values().filter(|v| v.key.id != local_id && now_ms - v.last_fetch_ms >= interval);
        let silent: Vec<ReplicaKey> = silent.map(|voter| voter.key).collect();
        for voter in silent {
            let endpoints = self.voters.latest().endpoints(voter.id);
            let Some(to) = self.destination(voter.id, &endpoints) else { continue };
            self.send_if_ready(to, now_ms, |quorum| {
                RaftRequest::BeginQuorumEpoch(quorum.begin_request(&voter))
            });
        }
    }

    fn begin_request(&self, voter: &ReplicaKey) -> begin::BeginQuorumEpochRequest {
        let partition = begin::PartitionData {
            partition_index: 0,
            voter_directory_id: voter.directory_or_zero(),
            leader_id: self.options.node_id,
            leader_epoch: self.epoch,
        };
        let endpoint = |(name, (host, port)): (&Str, &(Str, u16))| begin::LeaderEndpoint {
            name: name.clone(),
            host: host.clone(),
            port: *port,
        };
        begin::BeginQuorumEpochRequest {
            cluster_id: Some(self.options.cluster_id.clone()),
            voter_id: voter.id,
            topics: vec![begin::TopicData {
                topic_name: Str::from(CLUSTER_METADATA),
                partitions: vec![partition],
            }],
            leader_endpoints: self.options.local_endpoints.iter().map(endpoint).collect(),
        }
    }

    pub(super) fn begin_answered(
        &mut self,
        from: i32,
        response: begin::BeginQuorumEpochResponse,
        now_ms: i64,
    ) -> bool {
        let topic = response.topics.first();
        let Some(partition) = topic.and_then(|t| t.partitions.first()).filter(|_| response.error_code == 0)
        else {
            return false;
        };
        let leader_id = known_id(partition.leader_id);
        let endpoint = |e: &begin::NodeEndpoint| (e.node_id, e.host.detached(), e.port);
        let endpoints = self.answered_endpoints(leader_id, response.node_endpoints.iter().map(endpoint));
        match self.common(partition.error_code, leader_id, partition.leader_epoch, endpoints, now_ms) {
            Common::Done(well) => well,
            Common::GoOn => {
                if let Role::Leader(leader) = &mut self.role
                    && let Some(voter) = leader.voters.get_mut(&from)
                {
                    voter.acknowledged = true;
                }
                partition.error_code == 0
            }
        }
    }
}
