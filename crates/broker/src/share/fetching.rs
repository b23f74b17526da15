//! One ShareFetch's way to records: the share partitions say where to read, the views are read as by any fetch (`fetch/pass.rs`), the share
//! partitions give the member what it may have of that. Where there is nothing to be had, it waits once for whatever comes first: more in
//! a log, something that is available again, its deadline.
//!
//! Nobody is kept out meanwhile: fetches of several members may read the same, one gets it, the others look again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use coordinator::share_partition::{AcquireMode, Acquired};
use log::ReadLimit;
use smallvec::SmallVec;
use wire::messages::fetch::{AbortedTransaction, PartitionData};
use wire::record_batch::{BatchExtent, ControlType, RecordBatch};
use wire::{ErrorCode, Str};

use super::question::{ReadFor, ShareQuestion};
use super::sessions::Partition;
use crate::call::Call;
use crate::command::{Command, WatchPartition, WatchPartitions};
use crate::fetch::pass::{Reading, Terms, read_cold};
use crate::fetch::session::Wanted;
use crate::fetch::watch::{Watch, watch};
use crate::mailbox::reply;
use crate::views::PartitionCell;

/// What is asked.
pub(crate) struct ShareFetch {
    pub call: Call,
    pub group: Str,
    pub member: Str,
    pub mode: AcquireMode,
    pub batch_size: i64,
    pub max_records: i64,
    pub min_bytes: i64,
    pub max_bytes: i64,
    pub deadline_ms: i64,
    pub limit: ReadLimit,
    /// In the order of service.
    pub targets: Vec<ShareTarget>,
}

/// A partition to read from.
pub(crate) struct ShareTarget {
    pub partition: Partition,
    pub topic: Str,
    pub cell: Arc<PartitionCell>,
}

/// What came of a partition.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub error: Option<ErrorCode>,
    pub records: Bytes,
    pub acquired: Vec<Acquired>,
}

/// The node goes away.
pub(crate) struct Gone;

/// One look at all partitions.
struct Round {
    /// By target; `None` where nothing may be had now.
    got: Vec<Option<Got>>,
    /// Which may be read, and from where.
    readable: Vec<(usize, i64)>,
}

impl ShareFetch {
    /// By target: `None` where nothing may be had now.
    pub async fn run(self) -> Result<Vec<Option<Got>>, Gone> {
        if self.max_records <= 0 || self.max_bytes <= 0 || self.targets.is_empty() {
            return Ok(self.targets.iter().map(|_| None).collect());
        }
        let mut last_plan = Vec::new();
        loop {
            let is_over = self.call.node.latest_ms() >= self.deadline_ms;
            let (watch, waiting) = watch(self.min_bytes.max(1));
            let mut round = self.begin((!is_over).then_some(&watch)).await?;
            let mut pass = None;
            let mut bytes = 0;
            if !round.readable.is_empty() {
                let reading = Arc::new(self.reading(&round.readable));
                let mut read = reading.begin();
                reading.read_memory(&mut read);
                while reading.is_cold(&read) {
                    if !read_cold(&reading, &mut read).await {
                        return Err(Gone);
                    }
                }
                bytes = read.bytes;
                pass = Some(read.answers);
            }
            let answers = pass.unwrap_or_default();
            self.note_errors(&mut round, &answers);
            let has_error = round.got.iter().flatten().any(|got| got.error.is_some());
            let is_enough = bytes >= self.min_bytes && !round.readable.is_empty();
            if is_enough || has_error || is_over {
                let is_any = self.acquire(&mut round, &answers).await?;
                if is_any || has_error || is_over || self.min_bytes <= 0 {
                    return Ok(round.got);
                }
                if round.readable != last_plan {
                    // Others were faster: there may be more elsewhere.
                    last_plan = round.readable;
                    continue;
                }
            }
            watch.readable(bytes.min(self.min_bytes.max(1) - 1));
            self.set_watch(&watch, &round.readable, &answers);
            // A fetch that waits keeps no memory.
            drop((round, answers));
            waiting.await;
        }
    }

    /// Asks all share partitions where to read.
    async fn begin(&self, watch: Option<&Arc<Watch>>) -> Result<Round, Gone> {
        let mut answers = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            let (reply, answer) = reply();
            let question = ShareQuestion::Begin { watch: watch.cloned(), reply };
            self.call.node.ask_share(self.call.node.latest_ms(), &target.cell, &self.group, question);
            answers.push(answer);
        }
        let mut round = Round { got: Vec::with_capacity(answers.len()), readable: Vec::new() };
        for (at, answer) in answers.into_iter().enumerate() {
            round.got.push(match answer.await.map_err(|_| Gone)? {
                Ok(None) => None,
                Ok(Some(offset)) => {
                    round.readable.push((at, offset));
                    Some(Got::default())
                }
                Err(error) => Some(Got { error: Some(error), ..Got::default() }),
            });
        }
        Ok(round)
    }

    fn reading(&self, readable: &[(usize, i64)]) -> Reading {
        let each = self.max_bytes / i64::try_from(readable.len()).unwrap_or(i64::MAX).max(1);
        let max_bytes = i32::try_from(each.max(1)).unwrap_or(i32::MAX);
        let mut targets = SmallVec::with_capacity(readable.len());
        for &(at, fetch_offset) in readable {
            let Some(target) = self.targets.get(at) else { continue };
            let (topic_id, partition) = target.partition;
            let wanted = Wanted {
                topic: target.topic.clone(),
                topic_id,
                partition,
                fetch_offset,
                current_leader_epoch: -1,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                max_bytes,
                place: 0,
            };
            targets.push((wanted, Arc::clone(&target.cell)));
        }
        let terms = Terms {
            limit: self.limit,
            is_replica: false,
            max_bytes: self.max_bytes,
            min_bytes: 0,
            deadline_ms: 0,
            waits: false,
        };
        // In a version of Fetch that is answered by leaders alone, and told every error as it is.
        let call = Call { api_version: FETCH_BY_LEADERS, ..self.call.clone() };
        Reading { call, terms, targets, exceptions: None }
    }

    fn note_errors(&self, round: &mut Round, answers: &[PartitionData]) {
        for (&(at, _), data) in round.readable.iter().zip(answers) {
            let error = ErrorCode::from_code(data.error_code);
            // Below the log's start: the next look begins there. Beyond its end: there is nothing yet.
            if !matches!(error, ErrorCode::None | ErrorCode::OffsetOutOfRange)
                && let Some(got) = round.got.get_mut(at)
            {
                *got = Some(Got { error: Some(error), ..Got::default() });
            }
        }
    }

    /// Has the share partitions give what was read; true if something was.
    async fn acquire(&self, round: &mut Round, answers: &[PartitionData]) -> Result<bool, Gone> {
        let mut left = self.max_records;
        for (&(at, fetch_offset), data) in round.readable.iter().zip(answers) {
            let (Some(target), Some(records)) = (self.targets.get(at), &data.records) else { continue };
            if left <= 0 || records.is_empty() || data.error_code != ErrorCode::None.code() {
                continue;
            }
            let extents = extents(records);
            let aborted = aborted(records, data.aborted_transactions.as_deref().unwrap_or_default());
            let read = ReadFor {
                member: self.member.clone(),
                mode: self.mode,
                batch_size: self.batch_size,
                max_records: left,
                fetch_offset,
                batches: extents.iter().map(|extent| (extent.base_offset, extent.last_offset())).collect(),
                aborted,
            };
            let (reply, answer) = reply();
            let question = ShareQuestion::Acquire { read: Box::new(read), reply };
            self.call.node.ask_share(self.call.node.latest_ms(), &target.cell, &self.group, question);
            let acquired = answer.await.map_err(|_| Gone)?;
            left -= acquired.iter().map(|range| range.last_offset - range.first_offset + 1).sum::<i64>();
            if let Some(Some(got)) = round.got.get_mut(at) {
                got.records = sliced(records, &extents, &acquired);
                got.acquired = acquired;
            }
        }
        Ok(left < self.max_records)
    }

    /// One command for each shard; the first one also keeps the deadline.
    fn set_watch(&self, watch: &Arc<Watch>, readable: &[(usize, i64)], answers: &[PartitionData]) {
        let mut shards: BTreeMap<usize, Vec<WatchPartition>> = BTreeMap::new();
        for (&(at, _), data) in readable.iter().zip(answers) {
            let Some(target) = self.targets.get(at) else { continue };
            shards.entry(target.cell.shard).or_default().push(WatchPartition {
                cell: Arc::clone(&target.cell),
                high_watermark: data.high_watermark,
                last_stable_offset: data.last_stable_offset,
                log_end_offset: 0,
            });
        }
        let first = self.targets.first().map_or(0, |target| target.cell.shard);
        shards.entry(first).or_default();
        let mut deadline_ms = Some(self.deadline_ms);
        for (shard, partitions) in shards {
            let (watch, deadline_ms) = (Arc::clone(watch), deadline_ms.take());
            let command =
                Command::Watch(WatchPartitions { watch, is_replica: false, partitions, deadline_ms });
            self.call.node.submit_to(self.call.node.latest_ms(), shard, command);
        }
    }
}

/// See `Reading::reader` and `Reading::refused_data`.
const FETCH_BY_LEADERS: i16 = 10;

/// The batches of what was read.
fn extents(records: &[u8]) -> Vec<BatchExtent> {
    let (mut extents, mut rest) = (Vec::new(), records);
    while let Some(extent) = BatchExtent::of(rest) {
        let Some(behind) = rest.get(extent.size_in_bytes..) else { break };
        extents.push(extent);
        rest = behind;
    }
    extents
}

/// From the batch of the first record that was acquired to that of the last.
fn sliced(records: &Bytes, extents: &[BatchExtent], acquired: &[Acquired]) -> Bytes {
    let (Some(first), Some(last)) = (acquired.first(), acquired.last()) else { return Bytes::new() };
    let (mut start, mut end, mut at) = (0, 0, 0);
    for extent in extents {
        if extent.last_offset() < first.first_offset {
            start = at + extent.size_in_bytes;
        }
        at += extent.size_in_bytes;
        if extent.base_offset <= last.last_offset {
            end = at;
        }
    }
    if start < end { records.slice(start..end) } else { Bytes::new() }
}

/// Batches of transactions that were aborted (KIP-98).
fn aborted(records: &Bytes, transactions: &[AbortedTransaction]) -> Vec<(i64, i64)> {
    if transactions.is_empty() {
        return Vec::new();
    }
    let mut ahead: Vec<(i64, i64)> =
        transactions.iter().map(|aborted| (aborted.first_offset, aborted.producer_id)).collect();
    ahead.sort_unstable();
    let mut ahead = ahead.into_iter().peekable();
    let (mut aborting, mut found, mut rest) = (Vec::new(), Vec::new(), records.clone());
    while !rest.is_empty() {
        // What cannot be read is the client's to judge, as in any fetch.
        let Ok(batch) = RecordBatch::take(&mut rest) else { break };
        let header = *batch.header();
        if !header.has_producer_id() {
            continue;
        }
        while let Some((_, producer_id)) = ahead.next_if(|(first, _)| *first <= header.last_offset()) {
            aborting.push(producer_id);
        }
        if header.is_control() {
            let ends = batch.control_records().unwrap_or_default();
            if ends.iter().any(|record| record.kind == ControlType::Abort) {
                aborting.retain(|producer_id| *producer_id != header.producer_id);
            }
        } else if header.is_transactional() && aborting.contains(&header.producer_id) {
            found.push((header.base_offset, header.last_offset()));
        }
    }
    found
}
