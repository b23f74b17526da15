//! Fetch as the leader serves it (KIP-595): where a follower's log departs from ours, and when those that wait are answered.

use super::control::MAX_BATCH_BYTES;
use super::leader_and_epoch::is_metadata;
use super::offset_and_epoch::OffsetAndEpoch;
use super::parked_fetch::{MAX_PARKED_FETCHES, ParkedFetch};
use super::quorum::Quorum;
use super::role::Role;
use super::voters::ReplicaKey;
use super::{RaftResponse, RequestToken, StorageFault};
use bytes::Bytes;
use wire::messages::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, LeaderIdAndEpoch,
    NodeEndpoint, PartitionData, SnapshotId,
};
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str, Uuid};

/// The most that a fetch is answered with, whatever it asks for.
pub(super) const FETCH_ANSWER_BYTES: usize = 8 << 20;
const _: () = assert!(FETCH_ANSWER_BYTES >= MAX_BATCH_BYTES, "an answer has room for any batch");

/// How a follower's log relates to the leader's.
enum Position {
    Valid,
    /// The follower must cut its log to the end of this epoch.
    Diverging(OffsetAndEpoch),
    /// The follower must fetch this snapshot first.
    Snapshot(OffsetAndEpoch),
}

impl Quorum {
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

    /// Answers the parked fetches for which there is news.
    pub(super) fn wake_parked_fetches(
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
    pub(super) fn end_offset_for_epoch(&self, epoch: i32) -> OffsetAndEpoch {
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
}
