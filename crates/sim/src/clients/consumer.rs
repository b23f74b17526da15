//! A consumer in a group: owns what it is given, begins where the group has committed, fetches, commits, heartbeats; leaves
//! or dies without a word. Everything it reads and is told goes through the invariants.

use std::collections::{BTreeMap, BTreeSet};

use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

use super::membership::{Fallen, Membership};
use super::{code, is_passing};
use crate::audit;
use crate::invariants;
use crate::socket::Socket;
use crate::world::{Phase, World};

/// One simulated member.
pub struct Consumer {
    world: World,
    name: String,
    membership: Membership,
    /// Next offset to read, of what it owns.
    positions: BTreeMap<TopicPartition, i64>,
    /// Last offset it has got a commit's ack for.
    committed: BTreeMap<TopicPartition, i64>,
    session: Session,
    next_heartbeat_ms: i64,
}

/// A fetch session as the client keeps it (KIP-227).
#[derive(Default)]
struct Session {
    id: i32,
    epoch: i32,
    /// The offsets that the broker was told last.
    told: BTreeMap<TopicPartition, i64>,
}

/// Keeps a group at its number of members until the world closes.
pub async fn member_after_member(world: World, group: Str, index: usize) {
    let mut life = 0;
    while world.phase.get() < Phase::Closing {
        life += 1;
        let mut consumer = Consumer {
            world: world.clone(),
            name: format!("{group}-{index}-{life}"),
            membership: Membership::new(&group),
            positions: BTreeMap::new(),
            committed: BTreeMap::new(),
            session: Session::default(),
            next_heartbeat_ms: 0,
        };
        consumer.live().await;
    }
}

impl Consumer {
    /// One life: until the draw ends it, or the world does.
    async fn live(&mut self) {
        let span_ms = self.world.draw(|random| random.between(500, 8_000));
        let dies_at_ms = self.world.now_ms() + span_ms;
        let mut socket = Socket::connect(&self.world, &self.name).await;
        loop {
            if !socket.is_open() {
                socket = Socket::connect(&self.world, &self.name).await;
                self.session = Session::default();
            }
            match self.hold(&socket, dies_at_ms).await {
                Ok(()) => break,
                Err(Fallen::Lost | Fallen::Rejoin) => {}
                Err(Fallen::Passing | Fallen::Unknown) => self.world.sleep(25).await,
            }
        }
        let silent = self.world.draw(|random| random.per_mille(400)) && !self.world.has_healed();
        self.world.tell(&format!("{} {}", self.name, if silent { "dies" } else { "leaves" }));
        match self.world.shape.modern_groups {
            _ if silent => {}
            true => self.membership.leave_modern(&socket).await,
            false => self.membership.leave(&socket).await,
        }
    }

    /// Joins, then works until it falls (an error) or its life ends.
    async fn hold(&mut self, socket: &Socket, dies_at_ms: i64) -> Result<(), Fallen> {
        let is_modern = self.world.shape.modern_groups;
        let owned = match is_modern {
            true => self.membership.join_modern(&self.world, socket).await?,
            false => self.membership.join(&self.world, socket).await?,
        };
        self.session = Session::default();
        self.positions.clear();
        self.committed.clear();
        self.begin_at_committed(socket, owned).await?;
        loop {
            let over = !self.world.has_healed() && self.world.now_ms() >= dies_at_ms;
            if over || self.world.phase.get() >= Phase::Closing {
                return Ok(());
            }
            if self.world.now_ms() >= self.next_heartbeat_ms {
                match is_modern {
                    true => self.go_on_with(socket).await?,
                    false => self.membership.heartbeat(&self.world, socket).await?,
                }
                self.next_heartbeat_ms =
                    self.world.now_ms() + i64::from(self.world.shape.session_timeout_ms) / 4;
            }
            if self.positions.is_empty() {
                self.world.sleep(50).await;
                continue;
            }
            self.fetch(socket).await?;
            if self.world.draw(|random| random.per_mille(300)) || self.world.has_healed() {
                self.commit(socket).await?;
            }
            let pause_ms = self.world.draw(|random| random.between(1, 20));
            self.world.sleep(pause_ms).await;
        }
    }

    /// A heartbeat of the consumer protocol: what it must give back it commits and lets go of, and says so with the next one at once; what
    /// is new begins where the group has committed.
    async fn go_on_with(&mut self, socket: &Socket) -> Result<(), Fallen> {
        loop {
            let owned: BTreeSet<TopicPartition> = self.positions.keys().cloned().collect();
            let told = self.membership.heartbeat_modern(&self.world, socket, &owned).await?;
            let Some(told) = told else { return Ok(()) };
            let told: BTreeSet<TopicPartition> = told.into_iter().collect();
            if !owned.is_subset(&told) {
                self.commit(socket).await?;
            }
            self.positions.retain(|partition, _| told.contains(partition));
            self.committed.retain(|partition, _| told.contains(partition));
            self.session = Session::default();
            let new: Vec<TopicPartition> = told.difference(&owned).cloned().collect();
            self.begin_at_committed(socket, new).await?;
        }
    }

    async fn begin_at_committed(
        &mut self,
        socket: &Socket,
        owned: Vec<TopicPartition>,
    ) -> Result<(), Fallen> {
        if owned.is_empty() {
            return Ok(());
        }
        let told = fetch_offsets(socket, &self.membership.group, &owned).await?;
        for (partition, offset, error) in told {
            self.membership.heard(&self.world, "OffsetFetch", error)?;
            let key = (self.membership.group.clone(), partition.clone());
            let model = self.world.model.borrow();
            self.world.check(invariants::committed_offsets_are_never_lost(
                &self.membership.group,
                &partition,
                model.committed.get(&key),
                offset,
            ));
            self.positions.insert(partition, offset.max(0));
        }
        Ok(())
    }

    async fn fetch(&mut self, socket: &Socket) -> Result<(), Fallen> {
        let changed = |(partition, offset): &(&TopicPartition, &i64)| {
            self.session.told.get(*partition) != Some(*offset)
        };
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (partition, offset) in self.positions.iter().filter(changed) {
            let asked = FetchPartition {
                partition: partition.partition,
                current_leader_epoch: -1,
                fetch_offset: *offset,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 900,
                ..FetchPartition::default()
            };
            match topics.last_mut() {
                Some(last) if last.topic == partition.topic => last.partitions.push(asked),
                Some(_) | None => topics.push(FetchTopic {
                    topic: partition.topic.clone(),
                    partitions: vec![asked],
                    ..FetchTopic::default()
                }),
            }
        }
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: self.world.draw(|random| random.pick(&[0, 30, 200], 30)),
            min_bytes: self.world.draw(|random| random.pick(&[1, 1, 400], 1)),
            max_bytes: 4_000,
            session_id: self.session.id,
            session_epoch: self.session.epoch,
            topics,
            ..FetchRequest::default()
        };
        let answer: FetchResponse = socket.ask(ApiKey::Fetch, 12, &request).await?;
        match code(answer.error_code) {
            ErrorCode::None => {}
            ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch => {
                self.session = Session::default();
                return Ok(());
            }
            other => return self.membership.heard(&self.world, "Fetch", other),
        }
        self.session.id = answer.session_id;
        self.session.epoch = if answer.session_id == 0 { 0 } else { self.session.epoch + 1 };
        self.session.told = if answer.session_id == 0 { BTreeMap::new() } else { self.positions.clone() };
        for topic in &answer.responses {
            for data in &topic.partitions {
                let partition =
                    TopicPartition { topic: topic.topic.detached(), partition: data.partition_index };
                self.take(&partition, data);
            }
        }
        Ok(())
    }

    fn take(&mut self, partition: &TopicPartition, data: &PartitionData) {
        let Some(position) = self.positions.get(partition).copied() else { return };
        match code(data.error_code) {
            ErrorCode::None => {}
            // Deleted, or written by acks=1 and lost with the power: the nearest offset that is there.
            ErrorCode::OffsetOutOfRange => {
                self.world.tell(&format!("{} is out of range at {position}", self.name));
                let (start, end) = bounds(&self.world, partition).unwrap_or((0, 0));
                self.positions.insert(partition.clone(), position.clamp(start, end.max(start)));
                return;
            }
            passing if is_passing(passing) => return,
            other => {
                let what = format!("Fetch {partition:?} at {position}: {other:?}");
                return self.world.check(invariants::no_unexplained_error(&self.name, &what));
            }
        }
        let records = match audit::records(data.records.clone().unwrap_or_default()) {
            Ok(records) => records,
            Err(reason) => {
                let place = format!("a fetch of {partition:?} at {position}");
                return self.world.check(invariants::every_stored_batch_decodes(&place, Err(reason)));
            }
        };
        let records: Vec<_> = records.into_iter().filter(|(offset, _)| *offset >= position).collect();
        let offsets: Vec<i64> = records.iter().map(|(offset, _)| *offset).collect();
        self.world.check(invariants::consumers_see_a_prefix(partition, position, &offsets));
        let mut model = self.world.model.borrow_mut();
        for (offset, value) in &records {
            let known = model.partition(partition);
            self.world.check(invariants::a_record_once_read_never_changes(partition, known, *offset, value));
            self.world.check(invariants::nothing_is_invented(partition, *offset, value));
            model.read(partition, *offset, value);
        }
        if let Some(last) = offsets.last() {
            self.positions.insert(partition.clone(), last + 1);
        }
    }

    async fn commit(&mut self, socket: &Socket) -> Result<(), Fallen> {
        let positions = (&self.positions, &BTreeMap::new());
        commit_offsets(&self.world, socket, &mut self.membership, positions, &mut self.committed).await
    }
}

/// Commits the positions that moved since the last ack, with the leader epochs of what was read before them, as far as they are known.
pub async fn commit_offsets(
    world: &World,
    socket: &Socket,
    membership: &mut Membership,
    (positions, epochs): (&BTreeMap<TopicPartition, i64>, &BTreeMap<TopicPartition, i32>),
    committed: &mut BTreeMap<TopicPartition, i64>,
) -> Result<(), Fallen> {
    let moved: Vec<(TopicPartition, i64)> = positions
        .iter()
        .filter(|(partition, position)| committed.get(*partition) != Some(*position))
        .map(|(partition, position)| (partition.clone(), *position))
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    let group = membership.group.clone();
    let topics = moved.iter().map(|(partition, offset)| OffsetCommitRequestTopic {
        name: partition.topic.clone(),
        partitions: vec![OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: *offset,
            committed_leader_epoch: epochs.get(partition).copied().unwrap_or(-1),
            committed_metadata: None,
        }],
        ..OffsetCommitRequestTopic::default()
    });
    let request = OffsetCommitRequest {
        group_id: group.clone(),
        generation_id_or_member_epoch: membership.generation,
        member_id: membership.member_id.clone(),
        topics: topics.collect(),
        ..OffsetCommitRequest::default()
    };
    for (partition, offset) in &moved {
        world.model.borrow_mut().commit_sent(&group, partition, *offset);
    }
    // Epochs of the consumer protocol came with version 9.
    let version = if world.shape.modern_groups { 9 } else { 8 };
    let answer: OffsetCommitResponse = socket.ask(ApiKey::OffsetCommit, version, &request).await?;
    let codes =
        answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    let mut result = Ok(());
    for ((partition, offset), error) in moved.into_iter().zip(codes) {
        let error = code(error);
        match error {
            ErrorCode::None => {
                world.model.borrow_mut().commit_acked(&group, &partition, offset);
                committed.insert(partition, offset);
            }
            // Appended, and nobody knows whether it stays.
            ErrorCode::RequestTimedOut | ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {}
            _ => world.model.borrow_mut().commit_refused(&group, &partition, offset),
        }
        if result.is_ok() {
            result = membership.heard(world, "OffsetCommit", error);
        }
    }
    result
}

/// Log start and high watermark, as ListOffsets would tell them.
pub fn bounds(world: &World, partition: &TopicPartition) -> Option<(i64, i64)> {
    let node = world.machine().borrow().node()?;
    let view = node.views().by_name(&partition.topic)?.partition(partition.partition)?.view()?;
    Some((view.log_start_offset, view.high_watermark))
}

/// What the group has committed.
pub async fn fetch_offsets(
    socket: &Socket,
    group: &Str,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, i64, ErrorCode)>, Fallen> {
    let told = fetch_positions(socket, group, partitions).await?;
    Ok(told.into_iter().map(|(partition, (offset, _), error)| (partition, offset, error)).collect())
}

/// The same, each with the leader epoch that was committed beside it (-1: none).
pub async fn fetch_positions(
    socket: &Socket,
    group: &Str,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, (i64, i32), ErrorCode)>, Fallen> {
    let topics = partitions.iter().map(|partition| OffsetFetchRequestTopics {
        name: partition.topic.clone(),
        partition_indexes: vec![partition.partition],
        ..OffsetFetchRequestTopics::default()
    });
    let asked = OffsetFetchRequestGroup {
        group_id: group.clone(),
        member_epoch: -1,
        topics: Some(topics.collect()),
        ..OffsetFetchRequestGroup::default()
    };
    let request =
        OffsetFetchRequest { groups: vec![asked], require_stable: true, ..OffsetFetchRequest::default() };
    let answer: OffsetFetchResponse = socket.ask(ApiKey::OffsetFetch, 9, &request).await?;
    let Some(found) = answer.groups.into_iter().next() else { return Ok(Vec::new()) };
    if found.error_code != 0 {
        return Ok(partitions
            .iter()
            .map(|partition| (partition.clone(), (-1, -1), code(found.error_code)))
            .collect());
    }
    let mut told = Vec::new();
    for topic in found.topics {
        for partition in topic.partitions {
            let key = TopicPartition { topic: topic.name.detached(), partition: partition.partition_index };
            let position = (partition.committed_offset, partition.committed_leader_epoch);
            told.push((key, position, code(partition.error_code)));
        }
    }
    Ok(told)
}
