//! One pass of a fetch over its partitions: looks at each [`LogView`] (never waiting for a turn), copies it where there is something to
//! read, and reads whole batches as they lie on disk (KIP-74's limits, KIP-98, KIP-320, KIP-516). What is in the page cache is read on
//! the caller's thread; where a pass meets the platter it stands still, and what is left is read in the pool, several partitions side by
//! side. Record bytes are located and passed on, never decoded. Knows nothing of sessions, and never waits.

use std::ops::Range;
use std::sync::Arc;

use log::{LogView, Reach, ReadAhead, ReadLimit, ReadRefused, ReadTerms};
use smallvec::SmallVec;
use wire::ErrorCode;
use wire::messages::fetch::{AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData};

use crate::call::Call;
use crate::endpoints::current_leader;
use crate::fetch::exceptions::Exceptions;
use crate::fetch::session::Wanted;
use crate::limits::{CHECKED_BYTES_AT_ONCE, COLD_READS_AT_ONCE, FETCH_BYTES_MIN};
use crate::mailbox::reply;
use crate::views::{PartitionCell, Reader};

/// What a request says of all its partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub limit: ReadLimit,
    /// A replica of another broker asks, not a consumer: it reads up to the log's end.
    pub is_replica: bool,
    /// Less than none is refused where there is something to read.
    pub max_bytes: i64,
    pub min_bytes: i64,
    /// When waiting ends.
    pub deadline_ms: i64,
    pub waits: bool,
}

/// A fetch whose partitions were looked up.
pub(crate) struct Reading {
    pub call: Call,
    pub terms: Terms,
    /// In the order of service.
    pub targets: SmallVec<[(Wanted, Arc<PartitionCell>); 1]>,
    /// Targets that are not simply read; `None` for nearly every fetch.
    pub exceptions: Option<Box<Exceptions>>,
}

/// What one pass found so far.
pub(crate) struct Pass {
    /// Of the first targets; where one needs the platter, or more work than a connection's thread should do, the pass stands still.
    pub answers: SmallVec<[PartitionData; 1]>,
    /// Read, or counted.
    pub bytes: i64,
    /// What the rest may still have.
    left: i64,
    /// Memory is short, and the answer has less than it might.
    is_cut: bool,
    /// Something that the client has to hear at once.
    is_urgent: bool,
    /// Bytes that are there are counted where they can be, not read.
    counts: bool,
    /// Some were counted: there is less in the answers than there is.
    is_counted: bool,
    /// Enough was counted before: it is answered, whatever part of that whole batches and limits let through.
    is_last: bool,
    /// Bytes that were read and had to be checked.
    checked_bytes: i64,
    /// What the platter is to be asked for before the client comes again.
    ahead: Vec<ReadAhead>,
    /// Where the logs of the answers ended, for a replica.
    pub log_ends: Vec<i64>,
}

/// What a partition may give.
#[derive(Clone, Copy)]
struct Allowance {
    bytes: i64,
    /// The first batch, whatever its size.
    at_least_one: bool,
}

/// What a partition gave, beside its line of the answer.
#[derive(Default)]
struct Found {
    ahead: Option<ReadAhead>,
    /// There were bytes, and none of them fitted.
    is_starved: bool,
    /// Bytes that had to be checked.
    checked_bytes: u32,
    /// Bytes that are there and were not read.
    counted: i64,
    /// Where the log ends; for a replica.
    log_end_offset: i64,
}

/// Neighbours among the targets that are read by one thread of the pool.
pub(crate) struct Part {
    targets: Range<usize>,
    allowance: Allowance,
    /// Parts that are read at once.
    beside: usize,
}

/// What became of a part.
pub(crate) struct PartRead {
    lines: Vec<(PartitionData, Found)>,
    is_cut: bool,
}

impl Reading {
    /// What is within memory, into a pass before its first partition. A fetch that may have to wait for several bytes counts first what
    /// is there: it would keep no memory while it waits, and what was read would be read again.
    pub fn read_memory(&self, pass: &mut Pass) {
        if self.terms.waits && self.terms.min_bytes > 1 {
            pass.counts = true;
            self.read(pass);
            let is_cold = self.is_cold(pass);
            if !pass.is_counted || (!is_cold && self.must_wait(pass)) {
                return;
            }
            *pass = Pass { is_last: !is_cold, ..self.begin() };
        }
        self.read(pass);
    }

    /// The pass stands still: what is left is for the pool.
    pub fn is_cold(&self, pass: &Pass) -> bool {
        pass.answers.len() < self.targets.len()
    }

    pub fn must_wait(&self, pass: &Pass) -> bool {
        let is_enough = pass.bytes >= self.terms.min_bytes || (pass.is_cut && pass.bytes > 0);
        let answers_now = is_enough || pass.is_urgent || pass.is_last;
        self.terms.waits
            && !answers_now
            && !self.targets.is_empty()
            && self.call.node.latest_ms() < self.terms.deadline_ms
    }

    /// A pass before its first partition.
    #[inline]
    pub fn begin(&self) -> Pass {
        Pass {
            answers: SmallVec::new(),
            bytes: 0,
            left: self.terms.max_bytes,
            is_cut: false,
            is_urgent: false,
            counts: false,
            is_counted: false,
            is_last: false,
            checked_bytes: 0,
            ahead: Vec::new(),
            log_ends: Vec::new(),
        }
    }

    /// Bytes that a fetch may have now. Where many wait for sockets to take what they read, it is less than it asked for.
    fn share(&self) -> i64 {
        let share = self.call.node.fetch_memory().share().max(FETCH_BYTES_MIN);
        i64::try_from(share).unwrap_or(i64::MAX)
    }

    /// Goes on in the order of service, to the end, to the first partition that is out of reach, or until much had to be checked: what
    /// else a reader of cold data wants is the pool's work as well. The first one that has
    /// anything gives at least one batch, whatever its size; after that the limits hold (KIP-74).
    fn read(&self, pass: &mut Pass) {
        let share = self.share();
        if share < pass.left {
            pass.left = share;
            pass.is_cut = true;
        }
        pass.answers.reserve(self.targets.len().saturating_sub(pass.answers.len()));
        for target in self.targets.iter().skip(pass.answers.len()) {
            if pass.checked_bytes >= CHECKED_BYTES_AT_ONCE {
                break;
            }
            let (allowance, counts) = (pass.allowance(), pass.counts);
            // Filled where it stays.
            pass.answers.push(blank(target.0.partition));
            let Some(data) = pass.answers.last_mut() else { break };
            match self.read_partition(target, allowance, Reach::Memory, counts, data) {
                Some(found) => pass.note(found, self.terms.is_replica),
                None => {
                    pass.answers.pop();
                    break;
                }
            }
        }
        let ahead = std::mem::take(&mut pass.ahead);
        if !ahead.is_empty() {
            // The platter works while the socket is served.
            self.call.node.read_cold(move || ahead.iter().for_each(ReadAhead::ask));
        }
    }

    /// What is left of a pass that stands still, for the pool: as many of the next targets as cannot come into each other's limits, by
    /// as many threads as may read at once.
    pub fn parts(&self, pass: &Pass) -> Vec<Part> {
        let first = pass.answers.len();
        let (mut room, mut end) = (pass.left, first);
        for (wanted, _) in self.targets.iter().skip(first) {
            let most = i64::from(wanted.max_bytes.max(0));
            if end > first && most > room {
                break;
            }
            room = room.saturating_sub(most);
            end += 1;
        }
        let beside = (end - first).clamp(1, COLD_READS_AT_ONCE);
        let each = (end - first).div_ceil(beside).max(1);
        let starts = (first..end).step_by(each);
        starts
            .map(|start| Part {
                targets: start..(start + each).min(end),
                allowance: Allowance { at_least_one: pass.bytes == 0 && start == first, ..pass.allowance() },
                beside,
            })
            .collect()
    }

    /// Reads a part on a thread that may wait for the platter: with the memory that is free now, not when it was asked for.
    pub fn read_part(&self, part: &Part) -> PartRead {
        let share = (self.share() / part.beside as i64).max(FETCH_BYTES_MIN as i64);
        let is_cut = share < part.allowance.bytes;
        let mut allowance = Allowance { bytes: share.min(part.allowance.bytes), ..part.allowance };
        let targets = self.targets.get(part.targets.clone()).unwrap_or_default();
        let mut lines = Vec::with_capacity(targets.len());
        for target in targets {
            let mut data = blank(target.0.partition);
            let read = self.read_partition(target, allowance, Reach::Platter, false, &mut data);
            let Some(found) = read else { break };
            let bytes = record_bytes(&data);
            allowance.at_least_one &= bytes == 0;
            allowance.bytes = allowance.bytes.saturating_sub(bytes).max(0);
            lines.push((data, found));
        }
        PartRead { lines, is_cut }
    }

    /// Adds what was read side by side, up to the first partition that would have given something else in its turn: that one is
    /// read again.
    pub fn take_parts(&self, pass: &mut Pass, parts: Vec<PartRead>) {
        for part in parts {
            pass.is_cut |= part.is_cut;
            for (data, found) in part.lines {
                let too_much = pass.bytes > 0 && record_bytes(&data) > pass.left;
                if too_much || (found.is_starved && pass.bytes == 0) {
                    return;
                }
                pass.answers.push(data);
                pass.note(found, self.terms.is_replica);
            }
        }
    }

    /// One partition's part of the answer, put into its blank line; `None` if it is out of reach.
    fn read_partition(
        &self,
        (wanted, cell): &(Wanted, Arc<PartitionCell>),
        allowance: Allowance,
        reach: Reach,
        counts: bool,
        data: &mut PartitionData,
    ) -> Option<Found> {
        match self.read_replica(wanted, cell, allowance, reach, counts, data) {
            Ok(found) => found,
            Err(error) => {
                *data = self.refused_data(wanted, cell, error);
                Some(Found::default())
            }
        }
    }

    /// Puts what the log has into `data`; `None` if it is out of reach.
    fn read_replica(
        &self,
        wanted: &Wanted,
        cell: &PartitionCell,
        allowance: Allowance,
        reach: Reach,
        counts: bool,
        data: &mut PartitionData,
    ) -> Result<Option<Found>, ErrorCode> {
        if !wanted.topic_id.is_zero() && wanted.topic_id != cell.key.topic_id {
            return Err(ErrorCode::InconsistentTopicId);
        }
        let mut log_end_offset = 0;
        let look = |view: &LogView| {
            log_end_offset = view.log_end_offset;
            self.look(wanted, view, data)
        };
        let asks = (wanted.current_leader_epoch, self.reader());
        let seen = self.call.node.look(self.call.now_ms, cell, asks, look)??;
        if self.exceptions.is_some() && self.is_excepted(cell, data) {
            return Ok(Some(Found { log_end_offset, ..Found::default() }));
        }
        let Some(view) = seen else { return Ok(Some(Found { log_end_offset, ..Found::default() })) };
        let (offset, limit) = (wanted.fetch_offset, self.terms.limit);
        let most = i64::from(wanted.max_bytes).min(allowance.bytes).min(i64::from(u32::MAX));
        if most < 0 {
            // DIVERGES: Kafka falls over it with UNKNOWN_SERVER_ERROR, and only where there is something to read, too.
            return Err(ErrorCode::InvalidRequest);
        }
        // The first batch comes whatever the limit: below `min_bytes` only reading tells how much that is.
        let tells = !allowance.at_least_one || most >= self.terms.min_bytes;
        if counts
            && tells
            && let Some(bytes) = view.bytes_before(offset, limit)
        {
            let counted = i64::from(bytes).min(most);
            return Ok(Some(Found { counted, log_end_offset, ..Found::default() }));
        }
        let terms = ReadTerms {
            max_bytes: u32::try_from(most).unwrap_or(u32::MAX),
            limit,
            at_least_one: allowance.at_least_one,
            reach,
            memory: Some(self.call.node.fetch_memory()),
        };
        let refused = |refused| read_error(&self.call, &wanted.topic, wanted.partition, refused);
        let fetched = view.read_within(offset, &terms).map_err(refused)?;
        let Some(fetched) = fetched else { return Ok(None) };
        if limit == ReadLimit::LastStable {
            let aborted = view.aborted_transactions(offset, fetched.next_offset).map_err(refused)?;
            data.aborted_transactions = Some(aborted.iter().map(aborted_transaction).collect());
        }
        let is_starved = fetched.records.is_empty() && !allowance.at_least_one;
        data.records = Some(fetched.records);
        let (ahead, checked_bytes) = (fetched.ahead, fetched.checked_bytes);
        Ok(Some(Found { ahead, is_starved, checked_bytes, counted: 0, log_end_offset }))
    }

    /// Replicas read what is led here. Consumers of before KIP-392 do not know that a follower may be asked.
    fn reader(&self) -> Reader {
        match self.terms.is_replica || self.call.api_version < 11 {
            true => Reader::OfTheLeader,
            false => Reader::OfAnyReplica,
        }
    }

    /// Nothing is read of that partition: the consumer is sent to a nearer replica, or the follower is held back for now.
    fn is_excepted(&self, cell: &PartitionCell, data: &mut PartitionData) -> bool {
        let Some(exceptions) = &self.exceptions else { return false };
        if let Some(broker) = exceptions.preferred.get(&cell.key) {
            data.preferred_read_replica = *broker;
            return true;
        }
        let node = &self.call.node;
        exceptions.throttled.get(&cell.key) == Some(&true)
            && node.leader_throttle().closed_until(node.latest_ms()).is_some()
    }

    /// What goes out to throttled replicas counts, whether they are in sync or not.
    pub fn record_throttled(&self, pass: &Pass) {
        let Some(exceptions) = &self.exceptions else { return };
        let lines = self.targets.iter().zip(&pass.answers);
        let throttled = lines.filter(|((_, cell), _)| exceptions.throttled.contains_key(&cell.key));
        let bytes: i64 = throttled.map(|(_, data)| record_bytes(data)).sum();
        let node = &self.call.node;
        node.leader_throttle().record(bytes.unsigned_abs(), node.latest_ms());
    }

    /// What is answered counts.
    pub fn count(&self, pass: &Pass) {
        for ((_, cell), data) in self.targets.iter().zip(&pass.answers) {
            let bytes = data.records.as_ref().map_or(0, bytes::Bytes::len);
            match data.error_code {
                _ if self.terms.is_replica => cell.traffic.replicated_out(bytes),
                0 => cell.traffic.fetched(bytes),
                _ => cell.traffic.fetch_refused(),
            }
        }
    }

    /// Puts into `data` what a look at the view tells; answers a copy of the view if there is something to read.
    fn look(
        &self,
        wanted: &Wanted,
        view: &LogView,
        data: &mut PartitionData,
    ) -> Result<Option<LogView>, ErrorCode> {
        let limit = self.terms.limit;
        data.high_watermark = view.high_watermark;
        data.last_stable_offset = view.last_stable_offset;
        data.log_start_offset = view.log_start_offset;
        // Null says that nobody looked; an empty list, that there are none.
        data.aborted_transactions = (limit == ReadLimit::LastStable).then(Vec::new);
        if wanted.last_fetched_epoch >= 0
            && let Some(diverging) = divergence(wanted, view)?
        {
            data.diverging_epoch = diverging;
            return Ok(None);
        }
        let offset = wanted.fetch_offset;
        if offset < view.log_start_offset || offset > view.log_end_offset {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        // Between the limit and the end of the log there is nothing to see yet.
        Ok((offset < view.upper_bound(limit)).then(|| view.clone()))
    }

    pub fn refused_data(&self, wanted: &Wanted, cell: &PartitionCell, error: ErrorCode) -> PartitionData {
        // Clients of version 5 and below do not know that this error passes.
        let told = match error {
            ErrorCode::KafkaStorageError if self.call.api_version <= 5 => ErrorCode::NotLeaderOrFollower,
            error => error,
        };
        let mut data = PartitionData { aborted_transactions: None, ..refusal(wanted.partition, told) };
        if self.call.api_version >= 16
            && matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch)
            && let Some(leader) = current_leader(
                &self.call.node.image(),
                cell.key.topic_id,
                wanted.partition,
                &self.call.connection.peer().listener,
            )
        {
            data.current_leader =
                LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
        }
        data
    }
}

impl Pass {
    fn allowance(&self) -> Allowance {
        Allowance { bytes: self.left, at_least_one: self.bytes == 0 }
    }

    /// The last line is whole.
    fn note(&mut self, found: Found, is_replica: bool) {
        let Some(data) = self.answers.last() else { return };
        if is_replica {
            self.log_ends.push(found.log_end_offset);
        }
        let bytes = record_bytes(data).saturating_add(found.counted);
        self.left = self.left.saturating_sub(bytes).max(0);
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_counted |= found.counted > 0;
        self.checked_bytes = self.checked_bytes.saturating_add(i64::from(found.checked_bytes));
        self.is_urgent |= data.error_code != ErrorCode::None.code()
            || data.diverging_epoch.epoch != -1
            || data.preferred_read_replica != -1;
        if let Some(ahead) = found.ahead {
            self.ahead.push(ahead);
        }
    }
}

/// Goes on with a pass that stands still, on threads that may wait for the platter; false if the node stops.
pub(crate) async fn read_cold(reading: &Arc<Reading>, pass: &mut Pass) -> bool {
    let mut answers = Vec::new();
    for part in reading.parts(pass) {
        let (reply, answer) = reply();
        let job = Arc::clone(reading);
        reading.call.node.read_cold(move || reply.send(job.read_part(&part)));
        answers.push(answer);
    }
    let mut parts = Vec::with_capacity(answers.len());
    for answer in answers {
        let Ok(read) = answer.await else { return false };
        parts.push(read);
    }
    reading.take_parts(pass, parts);
    true
}

fn record_bytes(data: &PartitionData) -> i64 {
    data.records.as_ref().map_or(0, |records| records.len() as i64)
}

/// An answer of which nothing is known yet.
fn blank(partition: i32) -> PartitionData {
    PartitionData {
        partition_index: partition,
        high_watermark: -1,
        records: Some(bytes::Bytes::new()),
        ..PartitionData::default()
    }
}

/// An answer without data.
pub(crate) fn refusal(partition: i32, error: ErrorCode) -> PartitionData {
    PartitionData { error_code: error.code(), ..blank(partition) }
}

/// DIVERGES: of damaged bytes Kafka tells only what hinders it from finding a batch, with this error; all others it serves, for clients
/// to check. Here no reader takes them for good, whether it checks or not, and all hear the offset.
fn read_error(call: &Call, topic: &str, partition: i32, refused: ReadRefused) -> ErrorCode {
    let error = refused.error_code();
    match refused {
        ReadRefused::OffsetOutOfRange { .. } => {}
        ReadRefused::Corrupt { offset, next_offset, fault, is_news } => {
            if is_news {
                tracing::error!(topic, partition, offset, next_offset, %fault, "damaged on disk and not served: who reads there is told CORRUPT_MESSAGE and may go on at next_offset; another replica in sync is asked for what was there");
            }
            call.node.repair(call.now_ms, topic, partition, offset..next_offset);
        }
        ReadRefused::Storage(fault) => {
            tracing::error!(topic, partition, %fault, "cannot read");
            call.node.read_failed(call.now_ms, &fault);
        }
    }
    error
}

/// KIP-320, KIP-595: a reader whose last epoch ended earlier here than where it reads has seen what was truncated.
fn divergence(wanted: &Wanted, view: &LogView) -> Result<Option<EpochEndOffset>, ErrorCode> {
    let known = view.end_offset_for_epoch(wanted.last_fetched_epoch);
    let Some((epoch, end_offset)) = known else { return Err(ErrorCode::OffsetOutOfRange) };
    if wanted.fetch_offset < view.log_start_offset {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = epoch < wanted.last_fetched_epoch || end_offset < wanted.fetch_offset;
    Ok(diverges.then_some(EpochEndOffset { epoch, end_offset }))
}

fn aborted_transaction(aborted: &log::transactions::AbortedTransaction) -> AbortedTransaction {
    AbortedTransaction { producer_id: aborted.producer_id, first_offset: aborted.first_offset }
}
