//! Snapshots between replicas and on disk (KIP-630): FetchSnapshot from both sides, writing one, and deleting old ones with
//! the log before them.

use super::control::{SnapshotHead, encode_snapshot};
use super::leader_and_epoch::{Common, is_metadata, known_id};
use super::offset_and_epoch::OffsetAndEpoch;
use super::quorum::Quorum;
use super::role::Role;
use super::storage::{SnapshotFile, StorageFault};
use super::voters::ReplicaKey;
use super::{Effect, RaftResponse, RequestToken};
use bytes::Bytes;
use wire::messages::fetch_snapshot::{
    FetchSnapshotRequest, FetchSnapshotResponse, FetchSnapshotResponsePartitionSnapshot,
    FetchSnapshotResponseSnapshotId, FetchSnapshotResponseTopicSnapshot, LeaderIdAndEpoch, NodeEndpoint,
    PartitionSnapshot, SnapshotId, TopicSnapshot,
};
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str};

/// `controller.quorum.fetch.snapshot.max.bytes`: what a follower asks for at once.
const SNAPSHOT_FETCH_BYTES: i32 = 1 << 20;
/// The most that one answer carries, whatever is asked for.
const SNAPSHOT_ANSWER_BYTES: usize = 8 << 20;
const _: () =
    assert!(SNAPSHOT_FETCH_BYTES as usize <= SNAPSHOT_ANSWER_BYTES, "a leader gives what is asked for");

impl Quorum {
    // ---- Written here ----

    /// Writes the snapshot of everything below `id.offset`, which must be committed and the end of a batch. False if it is
    /// there already, or the log begins after it.
    pub fn write_snapshot(
        &mut self,
        id: OffsetAndEpoch,
        last_contained_timestamp_ms: i64,
        values: impl IntoIterator<Item = Bytes>,
        now_ms: i64,
    ) -> Result<bool, StorageFault> {
        assert!(
            self.high_watermark.is_some_and(|committed| id.offset <= committed),
            "a snapshot holds committed records only"
        );
        let exists = self.log.snapshots().iter().any(|file| file.id == id);
        if exists || id.offset < self.log.start_offset() {
            return Ok(false);
        }
        let (voters, kraft_version) = self.voters.at(id.offset - 1);
        let voters = voters.cloned().filter(|_| kraft_version > 0);
        let head = SnapshotHead { last_contained_timestamp_ms, kraft_version, voters };
        let content = encode_snapshot(id, &head, values, self.wall_ms(now_ms));
        self.log.write_snapshot(id, &content)?;
        Ok(true)
    }

    /// Deletes snapshots beyond the retention, and the log before the oldest that stays. The latest always stays.
    pub fn clean(
        &mut self,
        retention_bytes: i64,
        retention_ms: i64,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        let wall_ms = self.wall_ms(now_ms);
        loop {
            let snapshots = self.log.snapshots();
            let [oldest, next, ..] = snapshots.as_slice() else { return Ok(()) };
            let total: u64 =
                self.log.size_bytes() + snapshots.iter().map(|file| file.size_bytes).sum::<u64>();
            let too_big = u64::try_from(retention_bytes).is_ok_and(|limit| total > limit);
            let too_old = retention_ms >= 0 && {
                let timestamp = self.snapshot_head(*oldest)?.map(|head| head.last_contained_timestamp_ms);
                timestamp.is_some_and(|timestamp| wall_ms.saturating_sub(timestamp) > retention_ms)
            };
            if !too_big && !too_old {
                return Ok(());
            }
            let (oldest, next) = (oldest.id, next.id);
            if next.offset > self.log.start_offset() {
                self.log.delete_before(next.offset)?;
            }
            self.log.delete_snapshot(oldest)?;
            self.voters.forget_before(next.offset - 1);
        }
    }

    fn snapshot_head(&self, file: SnapshotFile) -> Result<Option<SnapshotHead>, StorageFault> {
        let content = self.log.read_snapshot(file.id, 0, usize::MAX)?.unwrap_or_default();
        let head = super::control::decode_snapshot(content, |_| Ok::<(), super::Unreadable>(()));
        Ok(head.ok())
    }

    // ---- The leader's side ----

    pub(super) fn snapshot_requested(
        &mut self,
        token: RequestToken,
        request: &FetchSnapshotRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        let topic = request.topics.first();
        let partition =
            topic.and_then(|t| t.partitions.first()).filter(|_| is_metadata(topic.map(|t| &t.name)));
        let response = if self.is_other_cluster(request.cluster_id.as_ref()) {
            FetchSnapshotResponse {
                error_code: ErrorCode::InconsistentClusterId.code(),
                ..Default::default()
            }
        } else if let Some(partition) = partition {
            self.snapshot_part(request.replica_id, request.max_bytes, partition, now_ms)?
        } else {
            FetchSnapshotResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() }
        };
        self.answer(token, RaftResponse::FetchSnapshot(response));
        Ok(())
    }

    fn snapshot_part(
        &mut self,
        replica_id: i32,
        max_bytes: i32,
        partition: &PartitionSnapshot,
        now_ms: i64,
    ) -> Result<FetchSnapshotResponse, StorageFault> {
        if partition.partition != 0 {
            return Ok(self.snapshot_error(ErrorCode::UnknownTopicOrPartition));
        }
        if let Some(error) = self.refuses_leader_request(partition.current_leader_epoch) {
            return Ok(self.snapshot_error(error));
        }
        let id = OffsetAndEpoch::new(partition.snapshot_id.end_offset, partition.snapshot_id.epoch);
        let file =
            self.log.snapshots().into_iter().find(|file| file.id == id && id != OffsetAndEpoch::BOOTSTRAP);
        let Some(file) = file else { return Ok(self.snapshot_error(ErrorCode::SnapshotNotFound)) };
        let position = u64::try_from(partition.position).ok().filter(|position| *position < file.size_bytes);
        let Some(position) = position else { return Ok(self.snapshot_error(ErrorCode::PositionOutOfRange)) };
        let max_bytes = usize::try_from(max_bytes).unwrap_or(0).clamp(1, SNAPSHOT_ANSWER_BYTES);
        let part = self.log.read_snapshot(id, position, max_bytes)?;
        let Some(part) = part else { return Ok(self.snapshot_error(ErrorCode::SnapshotNotFound)) };
        let key = ReplicaKey::new(replica_id, partition.replica_directory_id);
        let (local_id, next_check) = (self.options.node_id, now_ms + self.check_quorum_timeout());
        if let Role::Leader(leader) = &mut self.role
            && leader.voter_seen(key, local_id)
        {
            leader.check_quorum_deadline_ms = next_check;
        }
        Ok(self.snapshot_response(FetchSnapshotResponsePartitionSnapshot {
            snapshot_id: FetchSnapshotResponseSnapshotId { end_offset: id.offset, epoch: id.epoch },
            size: i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
            position: partition.position,
            unaligned_records: Some(part),
            ..Default::default()
        }))
    }

    fn snapshot_error(&self, error: ErrorCode) -> FetchSnapshotResponse {
        self.snapshot_response(FetchSnapshotResponsePartitionSnapshot {
            error_code: error.code(),
            unaligned_records: Some(Bytes::new()),
            ..Default::default()
        })
    }

    fn snapshot_response(&self, partition: FetchSnapshotResponsePartitionSnapshot) -> FetchSnapshotResponse {
        let current_leader =
            LeaderIdAndEpoch { leader_id: self.leader_id().unwrap_or(-1), leader_epoch: self.epoch };
        let node = |(node_id, host, port): (i32, Str, u16)| NodeEndpoint { node_id, host, port };
        FetchSnapshotResponse {
            topics: vec![FetchSnapshotResponseTopicSnapshot {
                name: Str::from(CLUSTER_METADATA),
                partitions: vec![FetchSnapshotResponsePartitionSnapshot { current_leader, ..partition }],
            }],
            node_endpoints: self.leader_node().map(node).into_iter().collect(),
            ..Default::default()
        }
    }

    // ---- The follower's side ----

    pub(super) fn snapshot_request(&self, id: OffsetAndEpoch, position: u64) -> FetchSnapshotRequest {
        let partition = PartitionSnapshot {
            partition: 0,
            current_leader_epoch: self.epoch,
            snapshot_id: SnapshotId { end_offset: id.offset, epoch: id.epoch },
            position: i64::try_from(position).unwrap_or(i64::MAX),
            replica_directory_id: self.options.directory_id,
        };
        FetchSnapshotRequest {
            replica_id: self.options.node_id,
            max_bytes: SNAPSHOT_FETCH_BYTES,
            topics: vec![TopicSnapshot { name: Str::from(CLUSTER_METADATA), partitions: vec![partition] }],
            cluster_id: Some(self.options.cluster_id.clone()),
        }
    }

    pub(super) fn snapshot_answered(
        &mut self,
        response: FetchSnapshotResponse,
        now_ms: i64,
    ) -> Result<bool, StorageFault> {
        let topic = response.topics.first();
        let Some(partition) = topic.and_then(|t| t.partitions.first()).filter(|_| response.error_code == 0)
        else {
            return Ok(false);
        };
        let leader_id = known_id(partition.current_leader.leader_id);
        let nodes = response.node_endpoints.iter().map(|e| (e.node_id, e.host.detached(), e.port));
        let endpoints = self.answered_endpoints(leader_id, nodes);
        let epoch = partition.current_leader.leader_epoch;
        match self.common(partition.error_code, leader_id, epoch, endpoints, now_ms) {
            Common::Done(well) => return Ok(well),
            Common::GoOn => {}
        }
        let Role::Follower(follower) = &mut self.role else { return Ok(false) };
        let id = OffsetAndEpoch::new(partition.snapshot_id.end_offset, partition.snapshot_id.epoch);
        let gone =
            partition.error_code == ErrorCode::SnapshotNotFound.code() || id.offset < 0 || id.epoch < 0;
        if gone {
            // Fetching again tells which snapshot there is now.
            follower.download = None;
            self.fetch_succeeded(now_ms);
            return Ok(true);
        }
        let fits = |download: &super::role::Download| {
            download.id == id
                && u64::try_from(partition.position).is_ok_and(|position| position == download.position)
        };
        let Some(download) =
            follower.download.as_mut().filter(|download| partition.error_code == 0 && fits(download))
        else {
            return Ok(false);
        };
        let part = partition.unaligned_records.clone().unwrap_or_default();
        download.position += part.len() as u64;
        download.parts.push(part);
        if u64::try_from(partition.size).is_ok_and(|size| download.position >= size) {
            self.install_download(now_ms)?;
        }
        self.fetch_succeeded(now_ms);
        Ok(true)
    }

    /// The snapshot is complete: it becomes the log. A damaged one is thrown away and fetched again.
    fn install_download(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let Role::Follower(follower) = &mut self.role else { return Ok(()) };
        let Some(download) = follower.download.take() else { return Ok(()) };
        let content = Bytes::from(download.parts.concat());
        if super::control::decode_snapshot(content.clone(), |_| Ok::<(), super::Unreadable>(())).is_err() {
            return Ok(());
        }
        self.log.write_snapshot(download.id, &[content])?;
        if self.truncate_to_latest_snapshot()? {
            self.log_changed()?;
            self.effects.push(Effect::SnapshotInstalled { id: download.id });
            self.follow_high_watermark(download.id.offset);
        }
        let _ = now_ms;
        Ok(())
    }
}
