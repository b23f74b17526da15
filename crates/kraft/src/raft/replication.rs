//! Replication by fetching (KIP-595): the leader's side with parked fetches and the high watermark, and the follower's side with
//! divergence and truncation. A fetch acknowledges everything below its offset, so it is sent only when that is durable.

use super::election::{Common, is_metadata, known_id};
use super::quorum::{NEVER, Quorum};
use super::role::{Download, Role};
use super::storage::StorageFault;
use super::voters::{OffsetAndEpoch, ReplicaKey};
use super::{Destination, Effect, RaftRequest, RaftResponse, RequestToken};
use bytes::Bytes;
use wire::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ReplicaState, SnapshotId,
};
use wire::record_batch::RecordBatch;
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str, Uuid};

/// `controller.quorum.fetch.max.bytes`: what a follower asks for at once.
const FETCH_MAX_BYTES: i32 = 1 << 20;
/// How long a leader may keep a follower's fetch that finds nothing.
const FETCH_MAX_WAIT_MS: i32 = 500;
/// The most that a fetch is answered with, whatever it asks for.
const FETCH_ANSWER_BYTES: usize = 8 << 20;
/// Fetches that wait at once; beyond, they are answered empty at once.
const MAX_PARKED_FETCHES: usize = 10_000;

/// A fetch that waits for records or for a higher watermark.
#[derive(Debug)]
pub(super) struct ParkedFetch {
    token: RequestToken,
    replica: ReplicaKey,
    partition: FetchPartition,
    max_bytes: i32,
    pub(super) deadline_ms: i64,
}

/// How a follower's log relates to the leader's.
enum Position {
    Valid,
    /// The follower must cut its log to the end of this epoch.
    Diverging(OffsetAndEpoch),
    /// The follower must fetch this snapshot first.
    Snapshot(OffsetAndEpoch),
}

impl Quorum {
    // ---- The leader's side ----

    pub(super) fn fetch_requested(
        &mut self,
        token: RequestToken,
        request: &FetchRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        if self.is_other_cluster(request.cluster_id.as_ref()) {
            let response =
                FetchResponse { error_code: ErrorCode::InconsistentClusterId.code(), ..Default::default() };
            self.answer(token, RaftResponse::Fetch(response));
            return Ok(());
        }
        let topic = request.topics.first();
        let known = |t: &FetchTopic| t.topic_id == Uuid::METADATA_TOPIC_ID || is_metadata(Some(&t.topic));
        let Some(partition) = topic.filter(|t| known(t)).and_then(|t| t.partitions.first()) else {
            let response =
                FetchResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
            self.answer(token, RaftResponse::Fetch(response));
            return Ok(());
        };
        let legal = request.max_wait_ms >= 0
            && partition.fetch_offset >= 0
            && partition.last_fetched_epoch >= 0
            && partition.last_fetched_epoch <= partition.current_leader_epoch;
        if !legal {
            let response = self.fetch_error(ErrorCode::InvalidRequest);
            self.answer(token, response);
            return Ok(());
        }
        let id = if request.replica_state.replica_id >= 0 {
            request.replica_state.replica_id
        } else {
            request.replica_id
        };
        let fetch = ParkedFetch {
            token,
            replica: ReplicaKey::new(id, partition.replica_directory_id),
            partition: partition.clone(),
            max_bytes: request.max_bytes,
            deadline_ms: now_ms + i64::from(request.max_wait_ms),
        };
        let (response, worth_waiting) = self.answer_fetch(&fetch, now_ms)?;
        if worth_waiting && request.max_wait_ms > 0 && self.parked_fetches.len() < MAX_PARKED_FETCHES {
            self.parked_fetches.push(fetch);
        } else {
            self.answer(token, RaftResponse::Fetch(response));
        }
        Ok(())
    }

    /// The answer as of now, and whether it would be better to wait for a fuller one.
    fn answer_fetch(
        &mut self,
        fetch: &ParkedFetch,
        now_ms: i64,
    ) -> Result<(FetchResponse, bool), StorageFault> {
        let request = &fetch.partition;
        if let Some(error) = self.refuses_leader_request(request.current_leader_epoch) {
            return Ok((self.fetch_response(error, Position::Valid, Bytes::new()), false));
        }
        let at = OffsetAndEpoch::new(request.fetch_offset, request.last_fetched_epoch);
        let position = self.position_of(at);
        if !matches!(position, Position::Valid) {
            return Ok((self.fetch_response(ErrorCode::None, position, Bytes::new()), false));
        }
        let max_bytes = usize::try_from(fetch.max_bytes).unwrap_or(0).min(FETCH_ANSWER_BYTES);
        let records = self.log.read(at.offset, max_bytes)?;
        if fetch.replica.id >= 0 && fetch.replica.id != self.options.node_id {
            self.replica_fetched(fetch.replica, at.offset, now_ms)?;
        }
        let news = !records.is_empty() || request.high_watermark < self.high_watermark.unwrap_or(-1);
        Ok((self.fetch_response(ErrorCode::None, Position::Valid, records), !news))
    }

    fn replica_fetched(&mut self, replica: ReplicaKey, offset: i64, now_ms: i64) -> Result<(), StorageFault> {
        let local_id = self.options.node_id;
        let next_check = now_ms + self.check_quorum_timeout();
        if let Role::Leader(leader) = &mut self.role {
            leader.replica_fetched(replica, local_id, offset, now_ms);
            if leader.voter_seen(replica, local_id) {
                leader.check_quorum_deadline_ms = next_check;
            }
        }
        self.advance_high_watermark(now_ms)
    }

    /// The flush reached the disk: the leader has everything too.
    pub(super) fn local_log_flushed(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let (local_id, end) = (self.options.node_id, self.log.end_offset());
        let voters = self.voters.latest().clone();
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        leader.update_voters(&voters);
        if let Some(local) = leader.voters.get_mut(&local_id) {
            local.end_offset = Some(end);
        }
        self.advance_high_watermark(now_ms)?;
        self.wake_parked_fetches(now_ms, |fetch| fetch.partition.fetch_offset < end)
    }

    fn advance_high_watermark(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let Role::Leader(leader) = &self.role else { return Ok(()) };
        let Some(offset) = leader.majority_offset() else { return Ok(()) };
        // A smaller one can follow from a change of voters; what was committed stays committed.
        if self.high_watermark.is_some_and(|current| offset <= current) {
            return Ok(());
        }
        self.set_high_watermark(offset);
        self.announce();
        self.wake_parked_fetches(now_ms, |_| true)
    }

    fn set_high_watermark(&mut self, offset: i64) {
        assert!(
            self.high_watermark.is_none_or(|current| current < offset) && offset <= self.log.end_offset()
        );
        self.high_watermark = Some(offset);
        self.log.advance_high_watermark(offset);
        self.effects.push(Effect::Committed { high_watermark: offset });
    }

    /// Answers the parked fetches for which there is news.
    fn wake_parked_fetches(
        &mut self,
        now_ms: i64,
        wanted: impl Fn(&ParkedFetch) -> bool,
    ) -> Result<(), StorageFault> {
        let (woken, parked) =
            std::mem::take(&mut self.parked_fetches).into_iter().partition(|fetch| wanted(fetch));
        self.parked_fetches = parked;
        let woken: Vec<ParkedFetch> = woken;
        for fetch in woken {
            let (response, _) = self.answer_fetch(&fetch, now_ms)?;
            self.answer(fetch.token, RaftResponse::Fetch(response));
        }
        Ok(())
    }

    pub(super) fn expire_parked_fetches(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        if self.parked_fetches.iter().any(|fetch| fetch.deadline_ms <= now_ms) {
            self.wake_parked_fetches(now_ms, |fetch| fetch.deadline_ms <= now_ms)?;
        }
        Ok(())
    }

    /// This replica stopped leading: those who wait must look for the new leader.
    pub(super) fn fail_parked_fetches(&mut self) {
        for fetch in std::mem::take(&mut self.parked_fetches) {
            let response = self.fetch_error(ErrorCode::NotLeaderOrFollower);
            self.answer(fetch.token, response);
        }
    }

    /// Why a request that only the leader of this epoch can serve is refused.
    pub(super) fn refuses_leader_request(&self, epoch: i32) -> Option<ErrorCode> {
        if epoch < self.epoch {
            Some(ErrorCode::FencedLeaderEpoch)
        } else if epoch > self.epoch {
            Some(ErrorCode::UnknownLeaderEpoch)
        } else if !self.is_leader() {
            Some(ErrorCode::NotLeaderOrFollower)
        } else if self.shutting_down {
            Some(ErrorCode::BrokerNotAvailable)
        } else {
            None
        }
    }

    fn position_of(&self, at: OffsetAndEpoch) -> Position {
        let snapshots = self.log.snapshots();
        let start = self.log.start_offset();
        let latest = snapshots.last().map(|file| file.id).filter(|id| *id != OffsetAndEpoch::BOOTSTRAP);
        if let (0, Some(latest)) = (at.offset, latest) {
            // Nothing yet: a snapshot is the shorter way.
            return Position::Snapshot(latest);
        }
        if start == 0 && at.offset == 0 {
            return Position::Valid;
        }
        if let (Some(earliest), Some(latest)) = (snapshots.first().map(|file| file.id), snapshots.last()) {
            let before = at.offset < start
                || (at.offset == start && at.epoch != earliest.epoch)
                || at.epoch < earliest.epoch;
            if before {
                return Position::Snapshot(latest.id);
            }
        }
        let end = self.end_offset_for_epoch(at.epoch);
        if end.epoch == at.epoch && end.offset >= at.offset {
            Position::Valid
        } else {
            Position::Diverging(end)
        }
    }

    /// Where an epoch ends in this log; for an epoch before the log, where the snapshot before it ends.
    fn end_offset_for_epoch(&self, epoch: i32) -> OffsetAndEpoch {
        self.log.end_offset_for_epoch(epoch).unwrap_or_else(|| match self.log.snapshots().first() {
            Some(file) if file.id.epoch <= epoch && file.id.offset == self.log.start_offset() => file.id,
            Some(_) | None => OffsetAndEpoch::new(self.log.start_offset(), 0),
        })
    }

    fn fetch_error(&self, error: ErrorCode) -> RaftResponse {
        RaftResponse::Fetch(self.fetch_response(error, Position::Valid, Bytes::new()))
    }

    fn fetch_response(&self, error: ErrorCode, position: Position, records: Bytes) -> FetchResponse {
        let leads = error == ErrorCode::None;
        let mut partition = PartitionData {
            partition_index: 0,
            error_code: error.code(),
            high_watermark: self.high_watermark.filter(|_| leads).unwrap_or(-1),
            log_start_offset: self.log.start_offset(),
            records: Some(records),
            current_leader: LeaderIdAndEpoch {
                leader_id: self.leader_id().unwrap_or(-1),
                leader_epoch: self.epoch,
            },
            ..Default::default()
        };
        match position {
            Position::Valid => {}
            Position::Diverging(end) => {
                partition.diverging_epoch = EpochEndOffset { epoch: end.epoch, end_offset: end.offset };
            }
            Position::Snapshot(id) => {
                partition.snapshot_id = SnapshotId { end_offset: id.offset, epoch: id.epoch }
            }
        }
        let node = |(node_id, host, port): (i32, Str, u16)| NodeEndpoint {
            node_id,
            host,
            port: i32::from(port),
            rack: None,
        };
        FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: Str::from(CLUSTER_METADATA),
                topic_id: Uuid::METADATA_TOPIC_ID,
                partitions: vec![partition],
            }],
            node_endpoints: self.leader_node().map(node).into_iter().collect(),
            ..Default::default()
        }
    }

    // ---- The follower's side ----

    pub(super) fn fetch_from_leader(&mut self, now_ms: i64) {
        let Role::Follower(follower) = &self.role else { return };
        let leader_id = follower.leader_id;
        let Some(to) = self.destination(leader_id, &follower.leader_endpoints) else {
            self.fetch_from_anyone(now_ms);
            return;
        };
        if self.connections.has_timed_out(leader_id, now_ms) {
            self.connections.reset(leader_id);
            self.fetch_from_anyone(now_ms);
        } else if self.connections.is_backing_off(leader_id, now_ms) {
            self.fetch_from_anyone(now_ms);
        } else if !self.connections.is_busy(now_ms) {
            let snapshot = follower.download.as_ref().map(|download| (download.id, download.position));
            self.send_if_ready(to, now_ms, |quorum| match snapshot {
                Some((id, position)) => RaftRequest::FetchSnapshot(quorum.snapshot_request(id, position)),
                None => RaftRequest::Fetch(quorum.fetch_request()),
            });
        }
    }

    /// Without a leader that can be reached, ask any of the configured servers: its answer names the leader.
    pub(super) fn fetch_from_anyone(&mut self, now_ms: i64) {
        if self.shutting_down || self.connections.is_busy(now_ms) {
            return;
        }
        let servers = self.bootstrap_servers();
        if servers.is_empty() {
            return;
        }
        let start = self.rng.below(servers.len() as u64) as usize;
        let mut around = servers.iter().cycle().skip(start).take(servers.len());
        let ready = around.find(|server| self.connections.is_ready(server.id, now_ms)).cloned();
        if let Some(to) = ready {
            self.send_if_ready(to, now_ms, |quorum| RaftRequest::Fetch(quorum.fetch_request()));
        }
    }

    /// When `fetch_from_anyone` could do something.
    pub(super) fn next_bootstrap_attempt_ms(&self) -> i64 {
        let ready_at = |server: &Destination| self.connections.ready_at(server.id);
        self.bootstrap_servers()
            .iter()
            .map(ready_at)
            .min()
            .unwrap_or(NEVER)
            .max(self.connections.busy_until())
    }

    /// The other nodes one may begin with: the bootstrap servers, or the configured voters.
    fn bootstrap_servers(&self) -> Vec<Destination> {
        let local = self.options.local_endpoints.get(self.options.listener_name.as_str());
        let bootstrap =
            self.options.bootstrap_servers.iter().zip(2..).filter(|(server, _)| Some(*server) != local);
        let mut servers: Vec<Destination> = bootstrap
            .map(|((host, port), id): (_, i32)| Destination { id: -id, host: host.clone(), port: *port })
            .collect();
        if servers.is_empty() {
            let voters = self
                .options
                .fixed_voters
                .voters
                .values()
                .filter(|voter| voter.key.id != self.options.node_id);
            servers.extend(voters.filter_map(|voter| self.destination(voter.key.id, &voter.endpoints)));
        }
        servers
    }

    fn fetch_request(&self) -> FetchRequest {
        let end = self.end();
        let partition = FetchPartition {
            partition: 0,
            current_leader_epoch: self.epoch,
            fetch_offset: end.offset,
            last_fetched_epoch: end.epoch,
            replica_directory_id: self.options.directory_id,
            high_watermark: self.high_watermark.unwrap_or(-1),
            ..Default::default()
        };
        FetchRequest {
            max_wait_ms: FETCH_MAX_WAIT_MS,
            max_bytes: FETCH_MAX_BYTES,
            cluster_id: Some(self.options.cluster_id.clone()),
            replica_state: ReplicaState { replica_id: self.options.node_id, ..Default::default() },
            topics: vec![FetchTopic {
                topic: Str::from(CLUSTER_METADATA),
                topic_id: Uuid::METADATA_TOPIC_ID,
                partitions: vec![partition],
            }],
            ..Default::default()
        }
    }

    pub(super) fn fetch_answered(
        &mut self,
        response: FetchResponse,
        now_ms: i64,
    ) -> Result<bool, StorageFault> {
        let topic = response.responses.first();
        let Some(partition) = topic.and_then(|t| t.partitions.first()).filter(|_| response.error_code == 0)
        else {
            return Ok(false);
        };
        let leader_id = known_id(partition.current_leader.leader_id);
        let port = |port: i32| u16::try_from(port).unwrap_or(0);
        let nodes = response.node_endpoints.iter().map(|e| (e.node_id, e.host.detached(), port(e.port)));
        let endpoints = self.answered_endpoints(leader_id, nodes);
        let epoch = partition.current_leader.leader_epoch;
        match self.common(partition.error_code, leader_id, epoch, endpoints, now_ms) {
            Common::Done(well) => return Ok(well),
            Common::GoOn if partition.error_code != 0 || !matches!(self.role, Role::Follower(_)) => {
                return Ok(false);
            }
            Common::GoOn => {}
        }
        let (diverging, snapshot) = (&partition.diverging_epoch, &partition.snapshot_id);
        if diverging.epoch >= 0 {
            self.truncate_to_end_of(OffsetAndEpoch::new(diverging.end_offset, diverging.epoch))?;
        } else if snapshot.epoch >= 0 || snapshot.end_offset >= 0 {
            if snapshot.epoch < 0 || snapshot.end_offset < 0 {
                return Ok(false);
            }
            self.begin_download(OffsetAndEpoch::new(snapshot.end_offset, snapshot.epoch));
        } else {
            self.append_fetched(partition.records.clone().unwrap_or_default(), now_ms)?;
            self.follow_high_watermark(partition.high_watermark);
        }
        self.fetch_succeeded(now_ms);
        Ok(true)
    }

    pub(super) fn fetch_succeeded(&mut self, now_ms: i64) {
        let fetch_deadline_ms = now_ms + self.options.fetch_timeout_ms;
        if let Role::Follower(follower) = &mut self.role {
            follower.fetch_deadline_ms = fetch_deadline_ms;
            follower.has_fetched = true;
        }
    }

    fn truncate_to_end_of(&mut self, leader_end: OffsetAndEpoch) -> Result<(), StorageFault> {
        let offset = if leader_end.epoch == 0 {
            leader_end.offset.min(self.log.end_offset())
        } else {
            let local_end = self.end_offset_for_epoch(leader_end.epoch);
            if local_end.epoch == leader_end.epoch {
                local_end.offset.min(leader_end.offset)
            } else {
                local_end.offset
            }
        };
        if self.high_watermark.is_some_and(|committed| offset < committed) {
            let what = format!(
                "the leader asks to cut the log at {offset}, below the high watermark {:?}",
                self.high_watermark
            );
            return Err(StorageFault::new("follow the leader", what));
        }
        self.log.truncate_to(offset)?;
        self.log_truncated(offset);
        Ok(())
    }

    /// Appends what continues the log; anything else was damaged or overtaken and is fetched again.
    fn append_fetched(&mut self, records: Bytes, now_ms: i64) -> Result<(), StorageFault> {
        if records.is_empty() {
            return Ok(());
        }
        let Ok(batches) = RecordBatch::split(records.clone()) else { return Ok(()) };
        let (mut next, mut epoch) = (self.log.end_offset(), self.last_epoch());
        for batch in &batches {
            let follows =
                batch.base_offset == next && (epoch..=self.epoch).contains(&batch.partition_leader_epoch);
            if !follows || batch.verify_crc().is_err() {
                return Ok(());
            }
            (next, epoch) = (batch.next_offset(), batch.partition_leader_epoch);
        }
        self.log.append_as_follower(records, self.options.wall.at(now_ms))?;
        self.log_changed()
    }

    pub(super) fn follow_high_watermark(&mut self, leaders: i64) {
        let offset = leaders.min(self.log.end_offset());
        if offset >= 0 && self.high_watermark.is_none_or(|current| current < offset) {
            self.set_high_watermark(offset);
        }
    }

    fn begin_download(&mut self, id: OffsetAndEpoch) {
        let has_it = self.log.snapshots().iter().any(|file| file.id == id);
        if let Role::Follower(follower) = &mut self.role {
            follower.download = (!has_it).then(|| Download { id, parts: Vec::new(), position: 0 });
        }
    }
}
