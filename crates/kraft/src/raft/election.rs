//! Who leads: Vote with and without pre-vote (KIP-595, 996), BeginQuorumEpoch, EndQuorumEpoch, from both sides. Owns when a
//! vote is granted; moves between roles are `quorum.rs`'s.

use super::quorum::Quorum;
use super::role::Role;
use super::storage::StorageFault;
use super::voters::{Endpoints, OffsetAndEpoch, ReplicaKey};
use super::{RaftRequest, RaftResponse, RequestToken};
use wire::messages::begin_quorum_epoch as begin;
use wire::messages::end_quorum_epoch as end;
use wire::messages::vote;
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str};

/// How an answer is to be dealt with after what all answers have in common.
pub(super) enum Common {
    /// Nothing more to do; whether the peer did well.
    Done(bool),
    /// Look at what is special about it.
    GoOn,
}

impl Quorum {
    // ---- Requests ----

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
        if last.offset < 0 || last.epoch < 0 || !legal || partition.replica_id < 0 {
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
                    if unattached.election_deadline_ms != super::quorum::NEVER {
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
        }
    }

    /// A leader speaks of its epoch, its beginning or its end.
    fn leader_says(&mut self, leader_id: i32, epoch: i32, endpoints: Endpoints, now_ms: i64) -> ErrorCode {
        if epoch < self.epoch {
            return ErrorCode::FencedLeaderEpoch;
        }
        let endpoints =
            if endpoints.is_empty() { self.voters.latest().endpoints(leader_id) } else { endpoints };
        if leader_id < 0 || !self.is_consistent(Some(leader_id), epoch) {
            return ErrorCode::InvalidRequest;
        }
        self.follow_if_new(Some(leader_id), epoch, endpoints, now_ms);
        ErrorCode::None
    }

    // ---- Answers ----

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

    /// What an answer says about epoch and leader, whatever it answers.
    pub(super) fn common(
        &mut self,
        error: i16,
        leader_id: Option<i32>,
        epoch: i32,
        endpoints: Endpoints,
        now_ms: i64,
    ) -> Common {
        let is = |code: ErrorCode| error == code.code();
        if epoch < self.epoch || is(ErrorCode::UnknownLeaderEpoch) || !self.is_consistent(leader_id, epoch) {
            return Common::Done(true);
        }
        if epoch > self.epoch || is(ErrorCode::FencedLeaderEpoch) || is(ErrorCode::NotLeaderOrFollower) {
            self.follow_if_new(leader_id, epoch, endpoints, now_ms);
            return Common::Done(true);
        }
        if let Some(leader_id) = leader_id
            && self.leader_id().is_none()
            && !endpoints.is_empty()
        {
            self.become_follower(epoch, leader_id, endpoints, now_ms);
            return if error == 0 { Common::GoOn } else { Common::Done(true) };
        }
        if is(ErrorCode::BrokerNotAvailable) {
            return Common::Done(false);
        }
        if is(ErrorCode::InvalidVoterKey) {
            return Common::Done(true);
        }
        Common::GoOn
    }

    /// No message may name two leaders of one epoch, nor this node as leader while it is not.
    fn is_consistent(&self, leader_id: Option<i32>, epoch: i32) -> bool {
        match leader_id {
            Some(id) if id == self.options.node_id => epoch == self.epoch && self.leader_id() == leader_id,
            Some(_) => epoch != self.epoch || self.leader_id().is_none_or(|known| Some(known) == leader_id),
            None => true,
        }
    }

    fn follow_if_new(&mut self, leader_id: Option<i32>, epoch: i32, endpoints: Endpoints, now_ms: i64) {
        let knows_more = match &self.role {
            Role::Follower(follower) => endpoints.len() > follower.leader_endpoints.len(),
            Role::Leader(_) | Role::Resigned(_) => false,
            Role::Prospective(prospective) => endpoints.len() > prospective.leader_endpoints.len(),
            Role::Unattached(_) | Role::Candidate(_) => !endpoints.is_empty(),
        };
        match leader_id {
            Some(id) if id == self.options.node_id => {}
            Some(id) if epoch > self.epoch && !endpoints.is_empty() => {
                self.become_follower(epoch, id, endpoints, now_ms)
            }
            Some(id) if epoch == self.epoch && knows_more => {
                self.become_follower(epoch, id, endpoints, now_ms)
            }
            Some(_) | None if epoch > self.epoch => self.become_unattached(epoch, leader_id, now_ms),
            Some(_) | None => {}
        }
    }

    /// Where the leader of an answer is: what it says itself, else what the voters' record says.
    pub(super) fn answered_endpoints(
        &self,
        leader_id: Option<i32>,
        mut nodes: impl Iterator<Item = (i32, Str, u16)>,
    ) -> Endpoints {
        let Some(leader_id) = leader_id else { return Endpoints::new() };
        match nodes.find(|(id, ..)| *id == leader_id) {
            Some((_, host, port)) => Endpoints::from([(self.options.listener_name.clone(), (host, port))]),
            None => self.voters.latest().endpoints(leader_id),
        }
    }

    // ---- What is sent ----

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

    // ---- What is answered ----

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

    /// The leader and where it listens, for answers that help the asker on.
    pub(super) fn leader_node(&self) -> Option<(i32, Str, u16)> {
        let endpoints = match &self.role {
            Role::Leader(_) | Role::Resigned(_) => &self.options.local_endpoints,
            Role::Follower(follower) => &follower.leader_endpoints,
            Role::Prospective(prospective) => &prospective.leader_endpoints,
            Role::Unattached(_) | Role::Candidate(_) => return None,
        };
        let (host, port) = endpoints.get(self.options.listener_name.as_str())?;
        Some((self.leader_id()?, host.clone(), *port))
    }

    pub(super) fn is_other_cluster(&self, cluster_id: Option<&Str>) -> bool {
        cluster_id.is_some_and(|id| *id != self.options.cluster_id)
    }

    /// The request means this replica, as far as it says whom it means.
    fn is_addressed(&self, voter_id: i32, directory_id: wire::Uuid) -> bool {
        let id_fits = voter_id < 0 || voter_id == self.options.node_id;
        id_fits && (directory_id.is_zero() || directory_id == self.options.directory_id)
    }

    // ---- Dispatch ----

    pub(super) fn handle_request(
        &mut self,
        token: RequestToken,
        request: RaftRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        match request {
            RaftRequest::Vote(request) => self.vote_requested(token, request, now_ms),
            RaftRequest::BeginQuorumEpoch(request) => self.begin_requested(token, request, now_ms),
            RaftRequest::EndQuorumEpoch(request) => self.end_requested(token, request, now_ms),
            RaftRequest::Fetch(request) => {
                self.prove()?;
                self.fetch_requested(token, &request, now_ms)?;
            }
            RaftRequest::FetchSnapshot(request) => {
                self.prove()?;
                self.snapshot_requested(token, &request, now_ms)?;
            }
            RaftRequest::DescribeQuorum(request) => {
                let response = self.describe(&request, now_ms);
                self.answer(token, RaftResponse::DescribeQuorum(response));
            }
        }
        Ok(())
    }

    pub(super) fn handle_response(
        &mut self,
        from: i32,
        correlation_id: u64,
        response: Option<RaftResponse>,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        if !self.connections.is_expected(from, correlation_id) {
            return Ok(());
        }
        let well = match response {
            Some(RaftResponse::Vote(response)) => self.vote_answered(from, response, now_ms),
            Some(RaftResponse::BeginQuorumEpoch(response)) => self.begin_answered(from, response, now_ms),
            Some(RaftResponse::EndQuorumEpoch(response)) => self.end_answered(from, response, now_ms),
            Some(RaftResponse::Fetch(response)) => self.fetch_answered(response, now_ms)?,
            Some(RaftResponse::FetchSnapshot(response)) => self.snapshot_answered(response, now_ms)?,
            // Never asked for by a replica.
            Some(RaftResponse::DescribeQuorum(_)) | None => false,
        };
        self.connections.answered(from, correlation_id, well, now_ms);
        Ok(())
    }
}

/// -1 stands for nobody.
pub(super) fn known_id(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}

pub(super) fn is_metadata(topic: Option<&Str>) -> bool {
    topic.is_some_and(|name| *name == CLUSTER_METADATA)
}
