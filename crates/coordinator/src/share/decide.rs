//! What each command comes to: who is fenced, and which record is written. Changes nothing.

use super::combine::{StateBatch, combine};
use super::command::{ShareAnswer, ShareCommand, ShareTimer};
use super::partition::SharePartition;
use super::records::{ShareRecord, ShareValue, Snapshot, Update};
use super::refuse::{Refusal, plain};
use super::state::{ShareMachine, ShareSoft, ShareState};
use crate::machine::Decision;
use wire::messages::delete_share_group_state::PartitionResult as Deleted;
use wire::messages::initialize_share_group_state::{
    PartitionData as ToInitialize, PartitionResult as Initialized,
};
use wire::messages::read_share_group_state::{PartitionResult as State, StateBatch as ReadBatch};
use wire::messages::read_share_group_state_summary::PartitionResult as Summary;
use wire::messages::write_share_group_state::{PartitionData as ToWrite, PartitionResult as Written};
use wire::{ErrorCode, Uuid};

const NEGATIVE_PARTITION: Refusal =
    (ErrorCode::InvalidRequest, "The partition id cannot be a negative number.");
const NEGATIVE_LEADER_EPOCH: Refusal =
    (ErrorCode::InvalidRequest, "The leader epoch cannot be a negative number.");
const NEGATIVE_STATE_EPOCH: Refusal =
    (ErrorCode::InvalidRequest, "The state epoch cannot be a negative number.");
const READ_UNINITIALIZED: Refusal =
    (ErrorCode::InvalidRequest, "Read operation on uninitialized share partition not allowed.");
const WRITE_UNINITIALIZED: Refusal =
    (ErrorCode::InvalidRequest, "Write operation on uninitialized share partition not allowed.");

/// An answer, and what is written before it is given.
pub(super) type Decided = Result<(ShareAnswer, Option<ShareRecord>), Refusal>;

/// What a leader tells of a partition.
struct News<'a> {
    start_offset: i64,
    delivery_complete_count: i32,
    batches: &'a [StateBatch],
}

fn is_known(soft: &ShareSoft, of: &SharePartition) -> Result<(), Refusal> {
    let topic = soft.view.topic_by_id(of.topic_id);
    let is_there = topic.is_some_and(|topic| of.partition < topic.partitions);
    is_there.then_some(()).ok_or(plain(ErrorCode::UnknownTopicOrPartition))
}

fn not_negative(number: i32, refusal: Refusal) -> Result<(), Refusal> {
    if number < 0 { Err(refusal) } else { Ok(()) }
}

impl ShareMachine {
    pub(super) fn initialize(
        &self,
        soft: &ShareSoft,
        wall_ms: i64,
        of: &SharePartition,
        data: &ToInitialize,
    ) -> Decided {
        not_negative(of.partition, NEGATIVE_PARTITION)?;
        not_negative(data.state_epoch, NEGATIVE_STATE_EPOCH)?;
        let known = self.states.get(of);
        if known.is_some_and(|known| known.latest_state_epoch > data.state_epoch) {
            return Err(plain(ErrorCode::FencedStateEpoch));
        }
        is_known(soft, of)?;
        let snapshot = Snapshot {
            snapshot_epoch: known.map_or(0, |known| known.snapshot_epoch.saturating_add(1)),
            state_epoch: data.state_epoch,
            leader_epoch: 0,
            start_offset: data.start_offset,
            delivery_complete_count: if data.start_offset == -1 { -1 } else { 0 },
            batches: Vec::new(),
            create_timestamp_ms: wall_ms,
            write_timestamp_ms: wall_ms,
        };
        let answer = Initialized { partition: of.partition, ..Initialized::default() };
        Ok((ShareAnswer::Initialize(answer), Some(record(of, ShareValue::Snapshot(snapshot)))))
    }

    pub(super) fn read(
        &self,
        soft: &ShareSoft,
        wall_ms: i64,
        of: &SharePartition,
        leader_epoch: i32,
    ) -> Decided {
        not_negative(of.partition, NEGATIVE_PARTITION)?;
        not_negative(leader_epoch, NEGATIVE_LEADER_EPOCH)?;
        let known = self.states.get(of).ok_or(READ_UNINITIALIZED)?;
        if known.latest_leader_epoch > leader_epoch {
            return Err(plain(ErrorCode::FencedLeaderEpoch));
        }
        is_known(soft, of)?;
        let batch = |batch: &StateBatch| ReadBatch {
            first_offset: batch.first_offset,
            last_offset: batch.last_offset,
            delivery_state: batch.delivery_state,
            delivery_count: batch.delivery_count,
        };
        let answer = State {
            partition: of.partition,
            state_epoch: known.state_epoch,
            start_offset: known.start_offset,
            state_batches: known.batches.iter().map(batch).collect(),
            ..State::default()
        };
        // A new leader: those before it are fenced from here on, so that has to be written before it is told anything.
        let written = (known.latest_leader_epoch != leader_epoch).then(|| {
            let news = News {
                start_offset: known.start_offset,
                delivery_complete_count: known.delivery_complete_count,
                batches: &[],
            };
            change(soft, wall_ms, of, known, leader_epoch, &news)
        });
        Ok((ShareAnswer::Read(answer), written))
    }

    pub(super) fn summary(&self, soft: &ShareSoft, of: &SharePartition) -> Decided {
        not_negative(of.partition, NEGATIVE_PARTITION)?;
        is_known(soft, of)?;
        let answer = match self.states.get(of) {
            Some(known) => Summary {
                partition: of.partition,
                state_epoch: known.state_epoch,
                leader_epoch: known.leader_epoch,
                start_offset: known.start_offset,
                delivery_complete_count: known.delivery_complete_count,
                ..Summary::default()
            },
            None => Summary { partition: of.partition, start_offset: -1, ..Summary::default() },
        };
        Ok((ShareAnswer::Summary(answer), None))
    }

    pub(super) fn write(
        &self,
        soft: &ShareSoft,
        wall_ms: i64,
        of: &SharePartition,
        data: &ToWrite,
    ) -> Decided {
        not_negative(of.partition, NEGATIVE_PARTITION)?;
        not_negative(data.leader_epoch, NEGATIVE_LEADER_EPOCH)?;
        not_negative(data.state_epoch, NEGATIVE_STATE_EPOCH)?;
        let known = self.states.get(of).ok_or(WRITE_UNINITIALIZED)?;
        if known.latest_leader_epoch > data.leader_epoch {
            return Err(plain(ErrorCode::FencedLeaderEpoch));
        }
        if known.latest_state_epoch > data.state_epoch {
            return Err(plain(ErrorCode::FencedStateEpoch));
        }
        is_known(soft, of)?;
        let batch = |batch: &wire::messages::write_share_group_state::StateBatch| StateBatch {
            first_offset: batch.first_offset,
            last_offset: batch.last_offset,
            delivery_state: batch.delivery_state,
            delivery_count: batch.delivery_count,
        };
        let batches: Vec<StateBatch> = data.state_batches.iter().map(batch).collect();
        let (start_offset, delivery_complete_count) = (data.start_offset, data.delivery_complete_count);
        let news = News { start_offset, delivery_complete_count, batches: &batches };
        let written = change(soft, wall_ms, of, known, known.leader_epoch, &news);
        let answer = Written { partition: of.partition, ..Written::default() };
        Ok((ShareAnswer::Write(answer), Some(written)))
    }

    pub(super) fn delete(&self, soft: &ShareSoft, of: &SharePartition) -> Decided {
        not_negative(of.partition, NEGATIVE_PARTITION)?;
        is_known(soft, of)?;
        let written = self.states.contains_key(of).then(|| ShareRecord { of: of.clone(), value: None });
        let answer = Deleted { partition: of.partition, ..Deleted::default() };
        Ok((ShareAnswer::Delete(answer), written))
    }

    pub(super) fn topics_deleted(&self, topics: &[Uuid]) -> Vec<ShareRecord> {
        let gone = self.states.keys().filter(|of| topics.contains(&of.topic_id));
        gone.map(|of| ShareRecord { of: of.clone(), value: None }).collect()
    }

    pub(super) fn timer_fired(
        &self,
        soft: &ShareSoft,
        now_ms: i64,
        timer: ShareTimer,
        decision: &mut Decision<ShareMachine>,
    ) {
        let interval_ms = match timer {
            ShareTimer::ColdSnapshots => {
                decision.records = self.cold_snapshots(soft, soft.wall.at(now_ms));
                decision.may_split = true;
                soft.config.cold_snapshot_interval_ms
            }
            ShareTimer::Prune => {
                let before = self.redundant_before();
                if before > soft.last_trim {
                    decision.after_commit.push(ShareCommand::Prune { before });
                }
                soft.config.prune_interval_ms
            }
        };
        decision.set_timer(timer, now_ms.saturating_add(interval_ms));
    }

    /// Once each is a snapshot for nothing but its age, there is nothing before them that could be redundant.
    fn cold_snapshots(&self, soft: &ShareSoft, wall_ms: i64) -> Vec<ShareRecord> {
        if self.states.values().all(|known| known.create_timestamp_ms != known.write_timestamp_ms) {
            return Vec::new();
        }
        let is_cold = |known: &ShareState| {
            wall_ms.saturating_sub(known.write_timestamp_ms) >= soft.config.cold_snapshot_interval_ms
        };
        let cold = self.states.iter().filter(|(_, known)| is_cold(known));
        let snapshot = |(of, known): (&SharePartition, &std::sync::Arc<ShareState>)| {
            let snapshot = Snapshot {
                snapshot_epoch: known.snapshot_epoch.saturating_add(1),
                state_epoch: known.state_epoch,
                leader_epoch: known.leader_epoch,
                start_offset: known.start_offset,
                delivery_complete_count: known.delivery_complete_count,
                batches: known.batches.clone(),
                create_timestamp_ms: known.create_timestamp_ms,
                write_timestamp_ms: wall_ms,
            };
            record(of, ShareValue::Snapshot(snapshot))
        };
        cold.map(snapshot).collect()
    }
}

fn record(of: &SharePartition, value: ShareValue) -> ShareRecord {
    let of = SharePartition { group: of.group.detached(), ..of.clone() };
    ShareRecord { of, value: Some(value) }
}

/// An update, or, after enough of them, a snapshot. The start offset never goes back: what lies before it is done.
fn change(
    soft: &ShareSoft,
    wall_ms: i64,
    of: &SharePartition,
    known: &ShareState,
    leader_epoch: i32,
    news: &News<'_>,
) -> ShareRecord {
    let start_offset = news.start_offset.max(known.start_offset);
    let delivery_complete_count = match news.start_offset.cmp(&known.start_offset) {
        std::cmp::Ordering::Less => known.delivery_complete_count,
        std::cmp::Ordering::Equal => news.delivery_complete_count.max(known.delivery_complete_count),
        std::cmp::Ordering::Greater => news.delivery_complete_count,
    };
    if known.updates < soft.config.updates_per_snapshot {
        let update = Update {
            snapshot_epoch: known.snapshot_epoch,
            leader_epoch,
            start_offset,
            delivery_complete_count,
            batches: combine(&[], news.batches.iter().copied(), start_offset),
        };
        return record(of, ShareValue::Update(update));
    }
    let snapshot = Snapshot {
        snapshot_epoch: known.snapshot_epoch.saturating_add(1),
        state_epoch: known.state_epoch,
        leader_epoch,
        start_offset,
        delivery_complete_count,
        batches: combine(&known.batches, news.batches.iter().copied(), start_offset),
        create_timestamp_ms: wall_ms,
        write_timestamp_ms: wall_ms,
    };
    record(of, ShareValue::Snapshot(snapshot))
}
