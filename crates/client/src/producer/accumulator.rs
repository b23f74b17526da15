//! Records waiting to be sent, in batches per partition: when a batch is due, in which order batches go, which
//! sequence each carries, and what a failure means for those behind it. Pure: time comes in as `now_ms`, sending is
//! somebody else's.
//!
//! KIP-98 (idempotence), KIP-360 (epoch bumps after a gap; here per partition: a broker keeps producer state per
//! partition, so nothing else need wait).

mod invariants;
mod transaction;

use super::batch::{Batch, Sequence};
use super::delivery::{Delivery, Outcome, Stored};
use super::options::MAX_IN_FLIGHT_PER_PARTITION;
use crate::error::Error;
use crate::record::Record;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use wire::hash::StableMap;
use wire::record_batch::{BatchAttributes, increment_sequence};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// Of a batch that an earlier attempt stored.
const OFFSET_UNKNOWN: Stored = Stored { base_offset: -1, log_append_time_ms: -1 };

/// How batches are made and given up.
#[derive(Debug, Clone)]
pub(crate) struct AccumulatorOptions {
    /// `batch.size`.
    pub(crate) batch_bytes: usize,
    /// `linger.ms`.
    pub(crate) linger_ms: i64,
    /// `delivery.timeout.ms`.
    pub(crate) delivery_timeout_ms: i64,
    /// `max.request.size`.
    pub(crate) max_request_bytes: usize,
    /// `retry.backoff.ms`.
    pub(crate) retry_backoff_ms: i64,
    /// `retries`.
    pub(crate) retries: u32,
    /// `enable.idempotence`.
    pub(crate) idempotent: bool,
    /// What all batches are like: their codec, and whether they belong to transactions.
    pub(crate) attributes: BatchAttributes,
}

/// What the sender should know after a record was added.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) delivery: Delivery,
    /// A batch was begun or closed: the sender has something new to plan for.
    pub(crate) wake: bool,
}

/// Where a partition's batches may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To this node, which can take a request.
    Node(i32),
    /// To a node that is busy or not connected: not now.
    Wait,
    /// Nobody knows: metadata must be asked for.
    Unknown,
}

/// What is to be sent now and when to look again.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// Node → one batch per partition.
    pub(crate) requests: BTreeMap<i32, Vec<Batch>>,
    /// When the next batch comes due by time alone.
    pub(crate) deadline_ms: Option<i64>,
    /// Some batch is due but its leader is unknown.
    pub(crate) unknown_leader: bool,
    /// Some batch is due but needs a producer id first.
    pub(crate) needs_identity: bool,
}

/// See the module.
///
/// What holds of a partition whenever something has become of one of its batches; `check` asserts it, under these names:
/// - `in flight`: never more batches than brokers remember;
/// - `order`, `sequence`: batches wait in the order in which they were begun, those with a sequence before those without;
/// - `open`: what takes records has never been sent; `unproven`: what waits for a proof may have been written;
/// - `epoch`: with the next transaction's, nothing of the last one waits;
/// - `active`: whoever has something to send is looked at; `buffered`: where nothing is counted, nothing waits.
#[derive(Debug)]
pub(crate) struct Accumulator {
    options: AccumulatorOptions,
    /// Topic → queues by partition number.
    queues: StableMap<Str, Vec<Queue>>,
    /// Partitions with an open or closed batch.
    active: BTreeSet<TopicPartition>,
    /// Where the last drain stopped, so that the next begins behind it and nobody starves.
    cursor: Option<TopicPartition>,
    /// Producer id and epoch; `None` until the broker has given one.
    identity: Option<(i64, i16)>,
    /// Why the open transaction can only be aborted: one of its records is lost.
    doomed: Option<Error>,
    /// Invariant: the sum of `buffered_bytes` of all batches not yet decided, in flight ones included.
    buffered_bytes: usize,
    next_serial: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Takes records.
    open: Option<Batch>,
    /// Due, ordered by serial; a batch that came back is in front.
    closed: VecDeque<Batch>,
    /// Sent and not answered.
    in_flight: Vec<Arc<Outcome>>,
    /// May be written, and the broker finds that they do not follow what it has: of a producer's batches it remembers
    /// after a restart only the last. The answers to those behind them tell.
    unproven: Vec<Batch>,
    /// The newest batch given up though it may be written: what `unproven` holds before it stays unproven.
    abandoned: Option<(u64, u32)>,
    /// The broker has stored something of this producer id. Until then it takes any sequence, so that the first batch
    /// goes alone: from there on a stored batch proves all those before it.
    begun: bool,
    /// No sending before this, after a failure.
    not_before_ms: i64,
    /// The sequence of the next new batch; `None` until the first is sent.
    next: Option<Sequence>,
    /// The broker's count and ours no longer agree: begin a new epoch once nothing is in flight.
    reset: bool,
}

impl Accumulator {
    pub(crate) fn new(options: AccumulatorOptions) -> Accumulator {
        Accumulator {
            options,
            queues: StableMap::default(),
            active: BTreeSet::new(),
            cursor: None,
            identity: None,
            doomed: None,
            buffered_bytes: 0,
            next_serial: 0,
        }
    }

    /// Bytes of records not yet decided.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// The broker gave this producer id and epoch.
    pub(crate) fn set_identity(&mut self, producer_id: i64, epoch: i16) {
        self.identity = Some((producer_id, epoch));
    }

    /// Adds a record to its partition's open batch.
    pub(crate) fn append(&mut self, now_ms: i64, record: &Record, partition: i32) -> Appended {
        let timestamp_ms = record.timestamp_ms.unwrap_or(now_ms);
        let limit = self.options.batch_bytes;
        if !self.queues.contains_key(&record.topic) {
            self.queues.insert(record.topic.detached(), Vec::new());
        }
        let queues = self.queues.get_mut(&record.topic).expect("inserted above");
        let index = usize::try_from(partition).expect("partitions are not negative");
        if queues.len() <= index {
            queues.resize_with(index + 1, Queue::default);
        }
        let queue = &mut queues[index];
        if let Some(open) = &mut queue.open {
            let before = open.buffered_bytes;
            if let Some(delivery) = open.try_add(record, timestamp_ms, limit) {
                self.buffered_bytes += open.buffered_bytes - before;
                let full = open.buffered_bytes >= limit;
                if full {
                    queue.closed.extend(queue.open.take());
                }
                return Appended { delivery, wake: full };
            }
            queue.closed.extend(queue.open.take());
        }
        let target = TopicPartition::new(record.topic.detached(), partition);
        self.next_serial += 1;
        let mut batch = Batch::new(target.clone(), self.options.attributes, self.next_serial, now_ms);
        let delivery = batch.try_add(record, timestamp_ms, limit).expect("the first record always fits");
        self.buffered_bytes += batch.buffered_bytes;
        queue.open = Some(batch);
        self.active.insert(target);
        Appended { delivery, wake: true }
    }

    /// Closes every open batch and gives the outcomes of everything not yet decided.
    pub(crate) fn flush(&mut self) -> Vec<Arc<Outcome>> {
        let mut outcomes = Vec::new();
        for queue in self.queues.values_mut().flatten() {
            queue.closed.extend(queue.open.take());
            outcomes.extend(queue.unproven.iter().map(|batch| batch.outcome.clone()));
            outcomes.extend(queue.closed.iter().map(|batch| batch.outcome.clone()));
            outcomes.extend(queue.in_flight.iter().cloned());
        }
        outcomes
    }

    /// True when nothing waits and nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        let nothing = self.buffered_bytes == 0;
        if nothing {
            self.check_empty();
        }
        nothing
    }

    /// Takes what is due: at most one batch per partition, at most one request per node. `now_or_full` closes open
    /// batches before their time (memory is short, or the producer is closing).
    pub(crate) fn drain(
        &mut self,
        now_ms: i64,
        close_early: bool,
        route: &mut dyn FnMut(&TopicPartition) -> Route,
    ) -> Drained {
        let mut drained = Drained::default();
        let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
        for target in self.in_turn() {
            let Some(queue) = queue_of(&mut self.queues, &target) else { continue };
            let due = match queue.due(now_ms, close_early, &self.options) {
                Due::Now => true,
                Due::At(deadline_ms) => {
                    drained.deadline_ms =
                        Some(drained.deadline_ms.map_or(deadline_ms, |d: i64| d.min(deadline_ms)));
                    false
                }
                Due::AfterAnswer => false,
            };
            if !due {
                continue;
            }
            let node = match route(&target) {
                Route::Node(node) => node,
                Route::Wait => continue,
                Route::Unknown => {
                    drained.unknown_leader = true;
                    continue;
                }
            };
            let size = sizes.entry(node).or_default();
            if *size > 0 && *size + queue.front_bytes() > self.options.max_request_bytes {
                continue;
            }
            match queue.take(&mut self.identity, self.options.idempotent) {
                Some(batch) => {
                    *size += batch.buffered_bytes;
                    drained.requests.entry(node).or_default().push(batch);
                    self.cursor = Some(target.clone());
                }
                None => drained.needs_identity = true,
            }
            if queue.is_drained() {
                self.active.remove(&target);
            }
            self.check(&target);
        }
        drained
    }

    /// Active partitions, beginning behind the one served last.
    fn in_turn(&self) -> Vec<TopicPartition> {
        match &self.cursor {
            None => self.active.iter().cloned().collect(),
            Some(cursor) => {
                let after = self.active.range((Bound::Excluded(cursor), Bound::Unbounded));
                after.chain(self.active.range(..=cursor)).cloned().collect()
            }
        }
    }

    /// The broker stored the batch.
    pub(crate) fn stored(&mut self, batch: Batch, stored: Stored) {
        self.landed(&batch);
        self.prove_those_before(&batch);
        self.buffered_bytes -= batch.buffered_bytes;
        self.check(&batch.partition);
        batch.store(stored);
    }

    /// Sequences have no gaps: a batch that is stored follows all that went before it.
    fn prove_those_before(&mut self, stored: &Batch) {
        let Some(queue) = queue_of(&mut self.queues, &stored.partition) else { return };
        queue.begun = true;
        if stored.sequence().is_none() {
            return;
        }
        let mut proven = std::mem::take(&mut queue.unproven);
        while queue.closed.front().is_some_and(|front| front.maybe_written && front.serial < stored.serial) {
            proven.extend(queue.closed.pop_front());
        }
        for batch in proven {
            self.buffered_bytes -= batch.buffered_bytes;
            batch.store(OFFSET_UNKNOWN);
        }
    }

    /// The broker refused the batch, or nobody knows what became of it. True: metadata should be asked for again.
    pub(crate) fn refused(&mut self, now_ms: i64, mut batch: Batch, error: Error) -> bool {
        let verdict = judge(&error, self.options.idempotent);
        if verdict == Verdict::Duplicate {
            self.stored(batch, OFFSET_UNKNOWN);
            return false;
        }
        self.landed(&batch);
        // For good: what a later attempt is told says nothing about an earlier one.
        batch.maybe_written |= matches!(verdict, Verdict::Unknown | Verdict::Lost);
        let target = batch.partition.clone();
        let expired = now_ms >= batch.created_ms + self.options.delivery_timeout_ms;
        let out_of_tries = batch.attempts > self.options.retries;
        match verdict {
            // Whatever became of it, it will be aborted with the others.
            _ if self.is_doomed() => self.give_up(batch, error),
            Verdict::TooLarge if batch.record_count > 1 && !batch.maybe_written => {
                self.split(now_ms, batch, error);
            }
            Verdict::Duplicate | Verdict::TooLarge | Verdict::Final | Verdict::Lost => {
                self.give_up(batch, error);
            }
            Verdict::Retry | Verdict::Unknown | Verdict::Gap | Verdict::Stranger
                if expired || out_of_tries =>
            {
                let error = if expired { self.expiry(Some(error)) } else { error };
                self.give_up(batch, error);
            }
            // No second epoch within a transaction: its end gives the next one.
            Verdict::Stranger if self.options.attributes.transactional => self.give_up(batch, error),
            // Under this id and epoch nothing will ever tell.
            Verdict::Stranger if batch.maybe_written => self.give_up(batch, error),
            Verdict::Gap | Verdict::Stranger => self.gap(now_ms, batch, error),
            Verdict::Retry | Verdict::Unknown => self.requeue(now_ms, batch, error, false),
        }
        self.settle(&target);
        self.give_up_what_is_doomed();
        self.check(&target);
        matches!(verdict, Verdict::Retry | Verdict::Unknown)
    }

    /// The batch does not follow what the broker has.
    fn gap(&mut self, now_ms: i64, mut batch: Batch, error: Error) {
        let queue = queue_of(&mut self.queues, &batch.partition).expect("it was sent from this queue");
        let behind =
            queue.closed.front().is_some_and(|front| front.attempts > 0 && front.serial < batch.serial);
        if !behind && !batch.maybe_written && self.options.attributes.transactional {
            return self.give_up(batch, error);
        }
        if !behind && batch.maybe_written {
            batch.last_error = Some(error);
            self.active.insert(batch.partition.clone());
            queue.unproven.push(batch);
            return;
        }
        // Behind a batch that is tried again, a gap is only the consequence; in front it is the loss itself.
        self.requeue(now_ms, batch, error, !behind);
    }

    /// When none is left whose answer could prove the unproven: the broker would know the last of them if it had any,
    /// so it has none. Only one given up behind them can be there, and they with it.
    fn settle(&mut self, target: &TopicPartition) {
        let Some(queue) = queue_of(&mut self.queues, target) else { return };
        let asks = queue.closed.front().is_some_and(|front| front.maybe_written);
        if asks || queue.unproven.is_empty() || !queue.in_flight.is_empty() {
            return;
        }
        let abandoned = queue.abandoned;
        let (open, absent): (Vec<Batch>, Vec<Batch>) = std::mem::take(&mut queue.unproven)
            .into_iter()
            .partition(|batch| abandoned.is_some_and(|serial| batch.serial < serial));
        queue.reset = true;
        let (lost, again) =
            if self.options.attributes.transactional { (absent, Vec::new()) } else { (Vec::new(), absent) };
        for mut batch in again {
            batch.maybe_written = false;
            queue.insert(batch);
        }
        for mut batch in lost.into_iter().chain(open) {
            let error = batch.last_error.take().expect("it was refused");
            self.give_up(batch, error);
        }
    }

    /// Gives up what has waited for longer than the delivery timeout. Returns the next time to look.
    pub(crate) fn expire(&mut self, now_ms: i64) -> Option<i64> {
        let mut next: Option<i64> = None;
        for target in self.active.clone() {
            let Some(queue) = queue_of(&mut self.queues, &target) else { continue };
            let mut expired = Vec::new();
            let oldest = |queue: &Queue| {
                let first = queue.unproven.first().or(queue.closed.front()).or(queue.open.as_ref());
                first.map(|batch| batch.created_ms)
            };
            while let Some(created_ms) = oldest(queue) {
                let deadline_ms = created_ms + self.options.delivery_timeout_ms;
                if now_ms < deadline_ms {
                    next = Some(next.map_or(deadline_ms, |n| n.min(deadline_ms)));
                    break;
                }
                if queue.unproven.is_empty() {
                    expired.extend(queue.closed.pop_front().or_else(|| queue.open.take()));
                } else {
                    expired.push(queue.unproven.remove(0));
                }
            }
            let gives_up = !expired.is_empty();
            for mut batch in expired {
                let last = batch.last_error.take();
                let error = self.expiry(last);
                self.give_up(batch, error);
            }
            self.settle(&target);
            if queue_of(&mut self.queues, &target).is_none_or(|queue| queue.is_drained()) {
                self.active.remove(&target);
            }
            if gives_up {
                self.check(&target);
            }
        }
        self.give_up_what_is_doomed();
        next
    }

    /// Gives up everything that waits, for a reason that will not go away.
    pub(crate) fn fail_all(&mut self, error: &Error) {
        for target in std::mem::take(&mut self.active) {
            let Some(queue) = queue_of(&mut self.queues, &target) else { continue };
            let waiting: Vec<Batch> =
                queue.unproven.drain(..).chain(queue.closed.drain(..)).chain(queue.open.take()).collect();
            for batch in waiting {
                self.give_up(batch, error.clone());
            }
        }
    }

    fn expiry(&self, last: Option<Error>) -> Error {
        Error::Timeout {
            doing: "deliver a record".to_owned(),
            after: Duration::from_millis(self.options.delivery_timeout_ms.max(0) as u64),
            last: last.map(Box::new),
        }
    }

    /// The batch is no longer in flight.
    fn landed(&mut self, batch: &Batch) {
        if let Some(queue) = queue_of(&mut self.queues, &batch.partition) {
            queue.in_flight.retain(|outcome| !Arc::ptr_eq(outcome, &batch.outcome));
        }
    }

    fn give_up(&mut self, batch: Batch, error: Error) {
        self.buffered_bytes -= batch.buffered_bytes;
        self.doom(&error);
        // A sequence that certainly was not written leaves a gap; one that may have been shows itself by the answer
        // to the batch behind it.
        if batch.sequence().is_some()
            && let Some(queue) = queue_of(&mut self.queues, &batch.partition)
        {
            if batch.maybe_written {
                queue.abandoned = queue.abandoned.max(Some(batch.serial));
            } else {
                queue.reset = true;
            }
        }
        batch.outcome.fail(error);
    }

    fn requeue(&mut self, now_ms: i64, mut batch: Batch, error: Error, reset: bool) {
        batch.last_error = Some(error);
        let backoff_ms = self.options.retry_backoff_ms;
        self.active.insert(batch.partition.clone());
        let queue = queue_of(&mut self.queues, &batch.partition).expect("it was sent from this queue");
        queue.reset |= reset;
        queue.not_before_ms = now_ms + backoff_ms;
        queue.insert(batch);
    }

    fn split(&mut self, now_ms: i64, mut batch: Batch, error: Error) {
        let whole = batch.buffered_bytes;
        match batch.halves(self.options.attributes) {
            None => self.give_up(batch, error),
            Some(halves) => {
                self.buffered_bytes -= whole;
                self.active.insert(batch.partition.clone());
                let queue =
                    queue_of(&mut self.queues, &batch.partition).expect("it was sent from this queue");
                queue.not_before_ms = now_ms;
                for mut half in halves {
                    self.buffered_bytes += half.buffered_bytes;
                    // Counts as tried, so that it goes before batches that have no sequence yet.
                    half.attempts = batch.attempts;
                    queue.insert(half);
                }
            }
        }
    }
}

fn queue_of<'a>(
    queues: &'a mut StableMap<Str, Vec<Queue>>,
    target: &TopicPartition,
) -> Option<&'a mut Queue> {
    queues.get_mut(&target.topic)?.get_mut(usize::try_from(target.partition).ok()?)
}

enum Due {
    Now,
    At(i64),
    AfterAnswer,
}

impl Queue {
    fn is_drained(&self) -> bool {
        self.open.is_none() && self.closed.is_empty() && self.unproven.is_empty()
    }

    fn front_bytes(&self) -> usize {
        self.closed.front().map_or(0, |batch| batch.buffered_bytes)
    }

    fn due(&mut self, now_ms: i64, close_early: bool, options: &AccumulatorOptions) -> Due {
        if now_ms < self.not_before_ms {
            return Due::At(self.not_before_ms);
        }
        let again = self.closed.front().is_some_and(|front| front.attempts > 0);
        // One at a time after a failure: only so can a gap be told from its consequences.
        let alone = options.idempotent && (again || self.reset || !self.begun);
        if self.in_flight.len() >= if alone { 1 } else { MAX_IN_FLIGHT_PER_PARTITION } {
            return Due::AfterAnswer;
        }
        if self.closed.is_empty() {
            let Some(open) = &self.open else { return Due::AfterAnswer };
            let deadline_ms = open.created_ms + options.linger_ms;
            if now_ms < deadline_ms && !close_early {
                return Due::At(deadline_ms);
            }
            self.closed.extend(self.open.take());
        }
        Due::Now
    }

    /// The front batch, stamped. `None`: a producer id is needed first.
    fn take(&mut self, identity: &mut Option<(i64, i16)>, idempotent: bool) -> Option<Batch> {
        if idempotent {
            self.start_over_if_needed(identity);
            let fresh = |(producer_id, epoch)| Sequence { producer_id, epoch, base: 0 };
            self.next = Some(self.next.or(identity.map(fresh))?);
        }
        let mut batch = self.closed.pop_front()?;
        if let (None, Some(next)) = (batch.sequence(), self.next) {
            batch.stamp(next);
            self.next = Some(Sequence { base: increment_sequence(next.base, batch.record_count), ..next });
        }
        batch.attempts += 1;
        self.in_flight.push(batch.outcome.clone());
        Some(batch)
    }

    /// After a gap: a new epoch whose sequences begin at 0, for everything that waits. Not while the front batch may
    /// be written already: under its old sequence the broker can still tell.
    fn start_over_if_needed(&mut self, identity: &mut Option<(i64, i16)>) {
        let unknown = self.closed.front().is_some_and(|front| front.maybe_written);
        if !self.reset || unknown || !self.unproven.is_empty() || !self.in_flight.is_empty() {
            return;
        }
        self.reset = false;
        self.abandoned = None;
        let (producer_id, epoch) = match self.next {
            Some(next) if next.epoch < i16::MAX => (next.producer_id, next.epoch + 1),
            Some(next) => {
                // This id's epochs are used up here: ask for another, unless somebody has already.
                *identity = identity.filter(|(producer_id, _)| *producer_id != next.producer_id);
                self.next = None;
                self.begun = false;
                match *identity {
                    Some(identity) => identity,
                    None => {
                        self.reset = true;
                        return;
                    }
                }
            }
            None => match *identity {
                Some(identity) => identity,
                None => return,
            },
        };
        let mut next = Sequence { producer_id, epoch, base: 0 };
        for batch in self.closed.iter_mut().filter(|batch| batch.sequence().is_some()) {
            // Behind a batch that is not there, none is.
            batch.maybe_written = false;
            batch.stamp(next);
            next.base = increment_sequence(next.base, batch.record_count);
        }
        self.next = Some(next);
    }

    /// Back into its place in the order.
    fn insert(&mut self, batch: Batch) {
        let at = self.closed.partition_point(|other| other.serial < batch.serial);
        self.closed.insert(at, batch);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Stored already, by an earlier attempt.
    Duplicate,
    /// This attempt was certainly not stored; the same may succeed later.
    Retry,
    /// Perhaps stored; a retry is safe only with sequences.
    Unknown,
    /// This attempt was not stored: the sequence does not follow what the broker has.
    Gap,
    /// This attempt was not stored: the broker does not know the producer, or knows a later epoch.
    Stranger,
    /// Not stored, and never will be as it is.
    TooLarge,
    /// Not stored, and never will be.
    Final,
    /// Perhaps stored; nothing to gain from a retry.
    Lost,
}

fn judge(error: &Error, idempotent: bool) -> Verdict {
    let Error::Refused { code, .. } = error else {
        return if error.is_retriable() { Verdict::Unknown } else { Verdict::Lost };
    };
    match code {
        ErrorCode::DuplicateSequenceNumber => Verdict::Duplicate,
        ErrorCode::MessageTooLarge => Verdict::TooLarge,
        ErrorCode::OutOfOrderSequenceNumber if idempotent => Verdict::Gap,
        ErrorCode::UnknownProducerId | ErrorCode::InvalidProducerEpoch if idempotent => Verdict::Stranger,
        // What is checked before anything is written. The others may come afterwards, as when a leader resigns that
        // waits for its followers.
        ErrorCode::NotEnoughReplicas | ErrorCode::CorruptMessage | ErrorCode::ConcurrentTransactions => {
            Verdict::Retry
        }
        ErrorCode::UnknownServerError => Verdict::Lost,
        other if other.is_retriable() => Verdict::Unknown,
        _other => Verdict::Final,
    }
}

#[cfg(test)]
mod tests;
