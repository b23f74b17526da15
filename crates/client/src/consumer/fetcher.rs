//! The consumer's fetching task: finds positions, keeps one fetch in flight per leader, reads ahead within a bound.
//! Small tasks do the waiting and report back. Never delivers: it only fills the queue that `poll` empties.
//!
//! KIP-320 in part: fetches carry the leader's epoch, so that a stale leader or reader is noticed; positions are not
//! validated against a new leader yet. Fetch sessions (KIP-227) and fetching from followers (KIP-392) are not used.

use super::positions::{Assigned, Cursor, Position, reset_position};
use super::records::{Fetched, split_batches};
use super::shared::SharedConsumer;
use crate::clock::wall_clock_ms;
use crate::cluster::metadata::Metadata;
use crate::cluster::pool::Pool;
use crate::error::{Error, Result};
use crate::group_offsets::{self, PerPartition};
use crate::offsets::{Listed, OffsetSpec, list_what_is_known};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Uuid};

/// The first Fetch version that names topics by id (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;
const _: () = assert!(TOPIC_IDS_FROM > *ApiKey::Fetch.versions().start(), "there is a version before it");
const _: () = assert!(TOPIC_IDS_FROM <= *ApiKey::Fetch.versions().end(), "and it is spoken");

/// Runs until the consumer is gone.
pub(super) async fn run(shared: Arc<SharedConsumer>) {
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let mut fetcher = Fetcher {
        shared: shared.clone(),
        pool: Arc::default(),
        reports,
        busy: BTreeSet::new(),
        asking_for_metadata: false,
        backing_off: BTreeSet::new(),
    };
    while !shared.is_closing() {
        fetcher.start_what_can_start();
        tokio::select! {
            report = inbox.recv() => {
                if let Some(report) = report {
                    fetcher.hear(report);
                }
                while let Ok(report) = inbox.try_recv() {
                    fetcher.hear(report);
                }
            }
            () = shared.fetch_wake.notified() => {}
        }
    }
    // What is queued refers back to what holds the queue.
    let undelivered = std::mem::take(&mut *shared.ready.lock());
    drop(undelivered);
}

/// What a fetch was made of.
type Asked = BTreeMap<TopicPartition, (Arc<Cursor>, i64)>;

enum FetchReport {
    Fetched { node: i32, asked: Asked, answer: Result<FetchResponse> },
    Rested { node: i32 },
    Committed { targets: Vec<TopicPartition>, answer: Result<PerPartition<group_offsets::CommittedOffset>> },
    Listed { wanted: BTreeMap<TopicPartition, OffsetSpec>, answer: Listed },
    Metadata,
}

struct Fetcher {
    shared: Arc<SharedConsumer>,
    pool: Arc<Pool>,
    reports: mpsc::UnboundedSender<FetchReport>,
    /// Leaders with a fetch in flight.
    busy: BTreeSet<i32>,
    /// Leaders that failed a moment ago.
    backing_off: BTreeSet<i32>,
    asking_for_metadata: bool,
}

impl Fetcher {
    fn start_what_can_start(&mut self) {
        self.find_positions();
        let metadata = self.shared.cluster.metadata();
        if self.shared.cluster.is_stale() {
            self.ask_for_metadata();
        }
        if self.shared.buffered.load(std::sync::atomic::Ordering::Acquire)
            >= self.shared.options.read_ahead_bytes
        {
            return;
        }
        let (by_leader, homeless) = self.fetchable(&metadata);
        if let Some(error) = homeless {
            self.shared.progress.failed(error);
            self.ask_for_metadata();
        }
        for (node, asked) in by_leader {
            self.fetch(&metadata, node, asked);
        }
    }

    /// Leader → what can be fetched from it now; and why some partition has no known leader, if one has none.
    fn fetchable(&self, metadata: &Metadata) -> (BTreeMap<i32, Asked>, Option<Error>) {
        let mut by_leader: BTreeMap<i32, Asked> = BTreeMap::new();
        let mut homeless = None;
        let positions = self.shared.positions.lock();
        for (target, assigned) in positions.iter() {
            let Some(cursor) = assigned.cursor().filter(|_| !assigned.paused) else { continue };
            match metadata.leader(&target.topic, target.partition) {
                None => {
                    let code = metadata.topic_errors.get(&target.topic).copied();
                    let code = code.unwrap_or(ErrorCode::LeaderNotAvailable);
                    homeless = Some(Error::refused(code, format!("find the leader of {target}")));
                }
                Some((node, _epoch)) if self.busy.contains(&node) || self.backing_off.contains(&node) => {}
                Some((node, _epoch)) => {
                    let asked = by_leader.entry(node).or_default();
                    asked.insert(target.clone(), (cursor.clone(), assigned.fetch_offset));
                }
            }
        }
        (by_leader, homeless)
    }

    fn fetch(&mut self, metadata: &Metadata, node: i32, asked: Asked) {
        let (request, by_id) = self.request(metadata, &asked);
        let cap = if by_id { i16::MAX } else { TOPIC_IDS_FROM - 1 };
        let (shared, pool, reports) = (self.shared.clone(), self.pool.clone(), self.reports.clone());
        assert!(self.busy.insert(node), "one fetch at a time goes to a leader");
        tokio::spawn(async move {
            let answer = async {
                let connection = shared.cluster.connection(&pool, node).await?;
                let version = connection.version(ApiKey::Fetch, cap)?;
                let timeout = shared.cluster.options().request_timeout + shared.options.fetch_max_wait;
                connection.send(&request, version, timeout).await
            };
            let answer = answer.await;
            let _ = reports.send(FetchReport::Fetched { node, asked, answer });
        });
    }

    fn request(&self, metadata: &Metadata, asked: &Asked) -> (FetchRequest, bool) {
        let options = &self.shared.options;
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (target, (_cursor, offset)) in asked {
            if topics.last().is_none_or(|topic| topic.topic != target.topic) {
                let topic_id = metadata.topics.get(&target.topic).map_or(Uuid::ZERO, |topic| topic.id);
                topics.push(FetchTopic { topic: target.topic.clone(), topic_id, ..FetchTopic::default() });
            }
            let partition = FetchPartition {
                partition: target.partition,
                current_leader_epoch: metadata
                    .leader(&target.topic, target.partition)
                    .map_or(-1, |leader| leader.1),
                fetch_offset: *offset,
                partition_max_bytes: options.partition_fetch_bytes,
                ..FetchPartition::default()
            };
            topics.last_mut().expect("pushed above").partitions.push(partition);
        }
        let by_id = topics.iter().all(|topic| !topic.topic_id.is_zero());
        let request = FetchRequest {
            max_wait_ms: options.fetch_max_wait.as_millis() as i32,
            min_bytes: options.fetch_min_bytes,
            max_bytes: options.fetch_max_bytes,
            isolation_level: options.isolation as i8,
            topics,
            rack_id: self.shared.cluster.options().rack.as_deref().unwrap_or("").into(),
            ..FetchRequest::default()
        };
        (request, by_id)
    }

    fn hear(&mut self, report: FetchReport) {
        match report {
            FetchReport::Fetched { node, asked, answer } => {
                assert!(self.busy.remove(&node), "an answer to a fetch that was not sent");
                match answer.and_then(|answer| self.fetched(&asked, answer)) {
                    Ok(()) => self.shared.progress.succeeded(),
                    Err(error) if error.is_retriable() => {
                        tracing::debug!(node, %error, "a fetch failed");
                        self.shared.progress.failed(error);
                        self.ask_for_metadata();
                        self.rest(node);
                    }
                    Err(error) => {
                        self.shared.tell(error);
                        self.rest(node);
                    }
                }
            }
            FetchReport::Rested { node } => {
                self.backing_off.remove(&node);
            }
            FetchReport::Committed { targets, answer } => self.committed(&targets, answer),
            FetchReport::Listed { wanted, answer } => self.listed(&wanted, answer),
            FetchReport::Metadata => self.asking_for_metadata = false,
        }
    }

    fn fetched(&mut self, asked: &Asked, answer: FetchResponse) -> Result<()> {
        Error::check(answer.error_code, None, || "fetch".to_owned())?;
        let metadata = self.shared.cluster.metadata();
        let mut again = Ok(());
        for topic in answer.responses {
            let name = match metadata.topic_by_id(topic.topic_id) {
                Some(known) if !topic.topic_id.is_zero() => known.name.clone(),
                Some(_) | None => topic.topic.detached(),
            };
            for partition in topic.partitions {
                let target = TopicPartition::new(name.clone(), partition.partition_index);
                let Some((cursor, offset)) = asked.get(&target) else { continue };
                if let Err(error) = self.partition_fetched(&target, cursor, *offset, partition) {
                    if error.is_retriable() {
                        again = Err(error);
                    } else {
                        self.shared.tell(error);
                        self.lose(&target, cursor);
                    }
                }
            }
        }
        again
    }

    fn partition_fetched(
        &self,
        target: &TopicPartition,
        cursor: &Arc<Cursor>,
        offset: i64,
        answer: PartitionData,
    ) -> Result<()> {
        let mut positions = self.shared.positions.lock();
        let current =
            |assigned: &&mut Assigned| assigned.cursor().is_some_and(|now| Arc::ptr_eq(now, cursor));
        let Some(assigned) = positions.get_mut(target).filter(current) else { return Ok(()) };
        if ErrorCode::from_code(answer.error_code) == ErrorCode::OffsetOutOfRange {
            let position = reset_position(self.shared.options.offset_reset, target, wall_clock_ms())?;
            tracing::info!(%target, offset, "the offset is out of range, resetting");
            positions.seek(target, position);
            return Ok(());
        }
        Error::check(answer.error_code, None, || format!("fetch {target} from offset {offset}"))?;
        assigned.high_watermark = answer.high_watermark;
        let batches = split_batches(answer.records.unwrap_or_default(), target, offset)?;
        let Some(last) = batches.back() else { return Ok(()) };
        assigned.fetch_offset = last.header().next_offset().max(offset);
        let aborted = answer.aborted_transactions.unwrap_or_default();
        let mut aborted: Vec<(i64, i64)> =
            aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect();
        aborted.sort_by_key(|(_, first_offset)| *first_offset);
        drop(positions);
        let fetched =
            Fetched { target: target.clone(), cursor: cursor.clone(), batches, aborted: aborted.into() };
        self.shared.queue(fetched);
        Ok(())
    }

    /// After a refusal for good: no more fetching until somebody seeks.
    fn lose(&self, target: &TopicPartition, cursor: &Arc<Cursor>) {
        let mut positions = self.shared.positions.lock();
        if positions.get(target).and_then(Assigned::cursor).is_some_and(|now| Arc::ptr_eq(now, cursor)) {
            positions.seek(target, Position::Lost);
        }
    }

    fn rest(&mut self, node: i32) {
        self.backing_off.insert(node);
        let (reports, backoff) = (self.reports.clone(), self.shared.cluster.options().retry_backoff);
        tokio::spawn(async move {
            tokio::time::sleep(backoff).await;
            let _ = reports.send(FetchReport::Rested { node });
        });
    }

    /// Asks for the positions that nobody is asking for yet.
    fn find_positions(&mut self) {
        let mut to_read: Vec<TopicPartition> = Vec::new();
        let mut to_list: BTreeMap<TopicPartition, OffsetSpec> = BTreeMap::new();
        for (target, assigned) in self.shared.positions.lock().iter_mut() {
            match assigned.position {
                Position::Committed if !assigned.asking => to_read.push(target.clone()),
                Position::Reset(spec) if !assigned.asking => {
                    to_list.insert(target.clone(), spec);
                }
                Position::Committed | Position::Reset(_) => continue,
                Position::Lost | Position::At(_) => {
                    assert!(!assigned.asking, "position: what is decided is not asked for");
                    continue;
                }
            }
            assigned.asking = true;
        }
        if !to_read.is_empty() {
            self.read_committed(to_read);
        }
        if !to_list.is_empty() {
            let (shared, reports) = (self.shared.clone(), self.reports.clone());
            tokio::spawn(async move {
                let within = shared.cluster.options().api_timeout;
                let isolation = shared.options.isolation;
                let answer = list_what_is_known(&shared.cluster, &to_list, isolation, within).await;
                let _ = reports.send(FetchReport::Listed { wanted: to_list, answer });
            });
        }
    }

    fn read_committed(&self, targets: Vec<TopicPartition>) {
        let (shared, reports) = (self.shared.clone(), self.reports.clone());
        tokio::spawn(async move {
            let within = shared.cluster.options().api_timeout;
            let stable = shared.options.isolation == crate::offsets::IsolationLevel::ReadCommitted;
            let answer = match &shared.options.group_id {
                None => Ok(PerPartition::new()),
                Some(group) => {
                    group_offsets::committed(&shared.cluster, group, Some(&targets), stable, within).await
                }
            };
            let _ = reports.send(FetchReport::Committed { targets, answer });
        });
    }

    fn committed(
        &mut self,
        targets: &[TopicPartition],
        answer: Result<PerPartition<group_offsets::CommittedOffset>>,
    ) {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.shared.tell(error);
                return self.ask_again_later(targets);
            }
        };
        let mut positions = self.shared.positions.lock();
        for target in targets {
            let waiting = |assigned: &&mut Assigned| {
                assigned.asking && matches!(assigned.position, Position::Committed)
            };
            let Some(assigned) = positions.get_mut(target).filter(waiting) else { continue };
            assigned.asking = false;
            match answer.remove(target) {
                Some(Ok(committed)) => assigned.found(committed.offset, committed.leader_epoch),
                Some(Err(error)) => {
                    assigned.position = Position::Lost;
                    self.shared.tell(error);
                }
                None => {
                    assigned.position =
                        reset_position(self.shared.options.offset_reset, target, wall_clock_ms())
                            .unwrap_or_else(|error| {
                                self.shared.tell(error);
                                Position::Lost
                            });
                }
            }
        }
    }

    fn listed(&mut self, wanted: &BTreeMap<TopicPartition, OffsetSpec>, mut answer: Listed) {
        let mut failed = Vec::new();
        {
            let mut positions = self.shared.positions.lock();
            for (target, spec) in wanted {
                let same = |assigned: &&mut Assigned| matches!(assigned.position, Position::Reset(now) if now == *spec);
                let Some(assigned) = positions.get_mut(target).filter(same) else { continue };
                match answer.remove(target) {
                    // Nothing that young: begin behind the last record.
                    Some(Ok(listed)) if listed.offset < 0 => {
                        assigned.asking = false;
                        assigned.position = Position::Reset(OffsetSpec::Latest);
                    }
                    Some(Ok(listed)) => assigned.found(listed.offset, listed.leader_epoch),
                    // It may have a leader any time; meanwhile the other partitions are read.
                    Some(Err(error)) if error.code() == Some(ErrorCode::LeaderNotAvailable) => {
                        self.shared.progress.failed(error);
                        failed.push(target.clone());
                    }
                    Some(Err(error)) => {
                        self.shared.tell(error);
                        failed.push(target.clone());
                    }
                    None => failed.push(target.clone()),
                }
            }
        }
        self.ask_again_later(&failed);
    }

    fn ask_again_later(&self, targets: &[TopicPartition]) {
        if targets.is_empty() {
            return;
        }
        let (shared, targets) = (self.shared.clone(), targets.to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(shared.cluster.options().retry_backoff_max).await;
            for target in targets {
                if let Some(assigned) = shared.positions.lock().get_mut(&target) {
                    assigned.asking = false;
                }
            }
            shared.fetch_wake.notify_one();
        });
    }

    fn ask_for_metadata(&mut self) {
        if std::mem::replace(&mut self.asking_for_metadata, true) {
            return;
        }
        let (shared, reports) = (self.shared.clone(), self.reports.clone());
        tokio::spawn(async move {
            let cluster = &shared.cluster;
            let known = cluster.metadata();
            let backoff = cluster.options().retry_backoff;
            tokio::time::sleep(backoff.saturating_sub(known.received.elapsed())).await;
            if let Err(error) = cluster.refresh(known.version).await {
                tracing::debug!(%error, "no metadata for fetching");
                shared.progress.failed(error);
                tokio::time::sleep(backoff.max(Duration::from_millis(1))).await;
            }
            let _ = reports.send(FetchReport::Metadata);
        });
    }
}
