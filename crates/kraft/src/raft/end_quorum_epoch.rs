//! EndQuorumEpoch (KIP-595, 853), from both sides: a leader that resigned names its successors, so that nobody need wait for a
//! timeout.

use super::leader_and_epoch::{Common, is_metadata, known_id};
use super::quorum::Quorum;
use super::role::Role;
use super::voters::ReplicaKey;
use super::{RaftRequest, RaftResponse, RequestToken};
use wire::messages::end_quorum_epoch as end;
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str};

impl Quorum {
    // ---- The voter's side ----

    pub(super) fn end_requested(
        &mut self,
        token: RequestToken,
        request: end::EndQuorumEpochRequest,
        now_ms: i64,
    ) {
        let topic = request.topics.first();
        let partition =
            topic.and_then(|t| t.partitions.first()).filter(|_| is_metadata(topic.map(|t| &t.topic_name)));
        let response = if self.is_other_cluster(request.cluster_id.as_ref()) {
            end::EndQuorumEpochResponse {
                error_code: ErrorCode::InconsistentClusterId.code(),
                ..Default::default()
            }
        } else if let Some(partition) = partition {
            let endpoints =
                request.leader_endpoints.iter().map(|e| (e.name.detached(), (e.host.detached(), e.port)));
            let (leader_id, epoch) = (partition.leader_id, partition.leader_epoch);
            let error = self.leader_says(leader_id, epoch, endpoints.collect(), now_ms);
            if error == ErrorCode::None {
                self.stand_in_turn(partition, now_ms);
            }
            self.end_response(error)
        } else {
            end::EndQuorumEpochResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() }
        };
        self.answer(token, RaftResponse::EndQuorumEpoch(response));
    }

    /// The leader resigned and named its successors: the first stands at once, the others a little later each.
    fn stand_in_turn(&mut self, partition: &end::PartitionData, now_ms: i64) {
        let candidates: Vec<ReplicaKey> = if partition.preferred_candidates.is_empty() {
            partition
                .preferred_successors
                .iter()
                .map(|id| ReplicaKey { id: *id, directory_id: None })
                .collect()
        } else {
            let key = |c: &end::ReplicaInfo| ReplicaKey::new(c.candidate_id, c.candidate_directory_id);
            partition.preferred_candidates.iter().map(key).collect()
        };
        let local = self.local_key();
        let is_local = |key: &ReplicaKey| key.id == local.id && (key.directory_id.is_none() || *key == local);
        let max = self.options.election_backoff_max_ms;
        let backoff = match (candidates.iter().position(is_local), candidates.len()) {
            (Some(0), _) => 0,
            (Some(position), total) => {
                let base = max >> (total - 1).min(32);
                max.min(base << (position - 1).min(32))
            }
            (None, _) => max,
        };
        if let Role::Follower(follower) = &mut self.role
            && follower.leader_id == partition.leader_id
        {
            follower.fetch_deadline_ms = now_ms + backoff;
            // DIVERGES: Kafka's voters refuse pre-votes until they have tried themselves. This leader says itself that it is done, so
            // nobody disturbs it: the first who stands has a majority also where the leader is no voter any more.
            follower.has_fetched = false;
            follower.leader_has_ended = true;
        }
    }

    fn end_response(&self, error: ErrorCode) -> end::EndQuorumEpochResponse {
        let partition = end::EndQuorumEpochResponsePartitionData {
            partition_index: 0,
            error_code: error.code(),
            leader_id: self.leader_id().unwrap_or(-1),
            leader_epoch: self.epoch,
        };
        let node = |(node_id, host, port)| end::NodeEndpoint { node_id, host, port };
        end::EndQuorumEpochResponse {
            error_code: 0,
            topics: vec![end::EndQuorumEpochResponseTopicData {
                topic_name: Str::from(CLUSTER_METADATA),
                partitions: vec![partition],
            }],
            node_endpoints: self.leader_node().map(node).into_iter().collect(),
        }
    }

    // ---- The resigned leader's side ----

    /// A leader that stopped leading tells the voters, so that they need not wait for their timeouts.
    pub(super) fn tell_resignation(&mut self, now_ms: i64) {
        let Role::Resigned(resigned) = &self.role else { return };
        let candidate = |key: &ReplicaKey| end::ReplicaInfo {
            candidate_id: key.id,
            candidate_directory_id: key.directory_or_zero(),
        };
        let partition = end::PartitionData {
            partition_index: 0,
            leader_id: self.options.node_id,
            leader_epoch: self.epoch,
            preferred_successors: resigned.preferred_successors.iter().map(|key| key.id).collect(),
            preferred_candidates: resigned.preferred_successors.iter().map(candidate).collect(),
        };
        let endpoint = |(name, (host, port)): (&Str, &(Str, u16))| end::LeaderEndpoint {
            name: name.clone(),
            host: host.clone(),
            port: *port,
        };
        let request = end::EndQuorumEpochRequest {
            cluster_id: Some(self.options.cluster_id.clone()),
            topics: vec![end::TopicData {
                topic_name: Str::from(CLUSTER_METADATA),
                partitions: vec![partition],
            }],
            leader_endpoints: self.options.local_endpoints.iter().map(endpoint).collect(),
        };
        for id in resigned.unacknowledged.clone() {
            let endpoints = self.voters.latest().endpoints(id);
            let Some(to) = self.destination(id, &endpoints) else { continue };
            self.send_if_ready(to, now_ms, |_| RaftRequest::EndQuorumEpoch(request.clone()));
        }
    }

    pub(super) fn end_answered(
        &mut self,
        from: i32,
        response: end::EndQuorumEpochResponse,
        now_ms: i64,
    ) -> bool {
        let topic = response.topics.first();
        let Some(partition) = topic.and_then(|t| t.partitions.first()).filter(|_| response.error_code == 0)
        else {
            return false;
        };
        let leader_id = known_id(partition.leader_id);
        let endpoint = |e: &end::NodeEndpoint| (e.node_id, e.host.detached(), e.port);
        let endpoints = self.answered_endpoints(leader_id, response.node_endpoints.iter().map(endpoint));
        match self.common(partition.error_code, leader_id, partition.leader_epoch, endpoints, now_ms) {
            Common::Done(well) => well,
            Common::GoOn => {
                if let Role::Resigned(resigned) = &mut self.role {
                    resigned.unacknowledged.remove(&from);
                }
                partition.error_code == 0
            }
        }
    }
}
