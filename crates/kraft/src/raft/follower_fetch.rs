//! Fetch as a follower sends it (KIP-595): from the leader or whoever knows it, appending, and cutting where the logs depart. A
//! fetch acknowledges everything below its offset, so it is sent only when that is durable.

use super::leader_and_epoch::{Common, known_id};
use super::leader_fetch::FETCH_ANSWER_BYTES;
use super::offset_and_epoch::OffsetAndEpoch;
use super::quorum::{NEVER, Quorum};
use super::role::{Download, OBSERVER_SESSION_MS, Role};
use super::{Destination, Effect, RaftRequest, RefusedCut, StorageFault};
use bytes::Bytes;
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, ReplicaState};
use wire::record_batch::RecordBatch;
use wire::topic::CLUSTER_METADATA;
use wire::{Str, Uuid};

/// `controller.quorum.fetch.max.bytes`: what a follower asks for at once.
const FETCH_MAX_BYTES: i32 = 1 << 20;
/// How long a leader may keep a follower's fetch that finds nothing, and never longer than half of the fetch timeout: what comes when
/// that is over comes too late.
const FETCH_MAX_WAIT_MS: i32 = 500;
const _: () = assert!((FETCH_MAX_WAIT_MS as i64) < OBSERVER_SESSION_MS, "who waits is not forgotten");
const _: () = assert!(FETCH_MAX_BYTES as usize <= FETCH_ANSWER_BYTES, "a leader gives what is asked for");

impl Quorum {
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
            let of_itself = self.own_voter_request(now_ms);
            let Role::Follower(follower) = &self.role else { return };
            let snapshot = follower.download.as_ref().map(|download| (download.id, download.position));
            self.send_if_ready(to, now_ms, |quorum| match (of_itself, snapshot) {
                (Some(request), _) => request,
                (None, Some((id, position))) => {
                    RaftRequest::FetchSnapshot(quorum.snapshot_request(id, position))
                }
                (None, None) => RaftRequest::Fetch(quorum.fetch_request()),
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
        if self.shutting_down {
            return NEVER;
        }
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
        let half_ms = i32::try_from(self.options.fetch_timeout_ms / 2).unwrap_or(i32::MAX);
        FetchRequest {
            max_wait_ms: half_ms.clamp(0, FETCH_MAX_WAIT_MS),
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
            if !self.truncate_to_end_of(OffsetAndEpoch::new(diverging.end_offset, diverging.epoch))? {
                return Ok(false);
            }
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
        if let Role::Follower(follower) = &mut self.role
            && !follower.leader_has_ended
        {
            follower.fetch_deadline_ms = fetch_deadline_ms;
            follower.has_fetched = true;
        }
    }

    /// DIVERGES: Kafka ends the process where it is asked to cut what is committed. One spoiled answer would end a voter; here it is
    /// refused, told to the owner, and the fetch is asked again after the pause that follows a failure. False if it was refused.
    fn truncate_to_end_of(&mut self, leader_end: OffsetAndEpoch) -> Result<bool, StorageFault> {
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
        if let Some(high_watermark) = self.high_watermark.filter(|committed| offset < *committed) {
            let leader_id = self.leader_id();
            self.effects.push(Effect::Refused(RefusedCut { leader_id, offset, high_watermark }));
            return Ok(false);
        }
        self.log.truncate_to(offset)?;
        self.log_truncated(offset);
        Ok(true)
    }

    /// Appends what continues the log, up to the first batch that does not; that one was damaged or overtaken and is fetched again
    /// (KAFKA-18723).
    fn append_fetched(&mut self, records: Bytes, now_ms: i64) -> Result<(), StorageFault> {
        let (mut next, mut epoch, mut length) = (self.log.end_offset(), self.last_epoch(), 0);
        let mut rest = records.clone();
        while let Ok(batch) = RecordBatch::take(&mut rest) {
            let follows =
                batch.base_offset == next && (epoch..=self.epoch).contains(&batch.partition_leader_epoch);
            if !follows || batch.verify_crc().is_err() {
                break;
            }
            (next, epoch) = (batch.next_offset(), batch.partition_leader_epoch);
            length = records.len() - rest.len();
        }
        if length == 0 {
            return Ok(());
        }
        self.log.append_as_follower(records.slice(..length), self.wall_ms(now_ms))?;
        self.log_changed()
    }

    fn begin_download(&mut self, id: OffsetAndEpoch) {
        let has_it = self.log.snapshots().iter().any(|file| file.id == id);
        if let Role::Follower(follower) = &mut self.role {
            follower.download = (!has_it).then(|| Download { id, parts: Vec::new(), position: 0 });
        }
    }
}
