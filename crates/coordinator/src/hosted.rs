//! One machine on one partition: loading, the two twins, answers that wait, timers.
//!
//! Owns the order of things: decide → append → apply to `pending` → park the answer → (high watermark passes) → apply
//! to `committed` → the answer leaves. Never decides anything itself, never reads a file: the log is behind
//! [`Journal`], and a load is fed to it in pieces of the caller's size.
//!
//! ```text
//!            loaded()                    an append failed, or close()
//! Loading ─────────────► Open ─────────────────────────────────────► Closed
//! ```
//! Demotion and failure drop everything; a new leader epoch makes a new `Hosted` and loads it again.

mod applied;
mod batches;
mod invariants;
#[cfg(test)]
pub(crate) mod memory;
mod options;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use batches::encode as encode_batches;

use applied::{Applied, Change};
pub use options::HostedOptions;

use crate::machine::{
    CorruptRecord, Decision, Machine, Origin, Reply, ReplyToken, TimerChange, TransactionMarker,
};
use crate::timers::Timers;
use bytes::Bytes;
use std::collections::VecDeque;
use wire::ErrorCode;

/// Timers that may fire in one call of [`Hosted::tick`]; the rest is due at once again.
const MAX_TIMERS_PER_TICK: usize = 256;

/// Before timers are tried again that found a log that takes nothing: too few replicas may be in sync for a long time.
const NOT_READY_PAUSE_MS: i64 = 100;

/// Batches of one partition's log, appended as its leader with `AppendOrigin::Coordinator`.
pub trait Journal {
    /// Whether an append would be taken now (leadership, min.insync.replicas, an online directory). Asked before
    /// anything is decided, so that an append that follows fails only as a fault.
    fn ready(&self) -> Result<(), ErrorCode>;

    /// Appends one batch and returns its base offset. A refusal means that nothing was written.
    fn append(&mut self, batch: Bytes) -> Result<i64, ErrorCode>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Open,
    Closed,
}

/// What waits for the high watermark to reach `until`.
struct Parked<M: Machine> {
    until: i64,
    deadline_ms: i64,
    what: OnceCommitted<M>,
}

/// What is done once the high watermark is there.
enum OnceCommitted<M: Machine> {
    Answer(Reply<M::Answer>),
    Command(M::Command),
}

/// A machine with its partition.
///
/// What holds whenever a call has ended; `check` asserts it, under these names:
/// - `phase`: soft state until it is closed, and then nothing at all; nobody waits and no timer runs before it is open;
/// - `offsets`: an open one is committed no further than it is appended; what is between lies in `uncommitted`, in order;
/// - `parked`: answers wait in the order of their offsets, each for one that is appended and not committed;
/// - `twins`: where nothing is in flight both are equal, as far as [`Machine::resembles`] can see (all the way, in tests);
/// - `timers`: each key has one place.
pub struct Hosted<M: Machine> {
    options: HostedOptions,
    phase: Phase,
    /// Everything that was appended. Commands are decided on it.
    pending: M,
    /// Everything below the high watermark. Reads are answered from it.
    committed: M,
    /// `None` once closed.
    soft: Option<M::Soft>,
    timers: Timers<M::Timer>,
    /// No timer fires before: the log took nothing.
    rests_until_ms: i64,
    /// `pending` holds everything below this offset. Invariant: at least `high_watermark` once open.
    next_offset: i64,
    /// `committed` holds everything below this offset.
    high_watermark: i64,
    /// Where the log ended that was loaded. Until all of it is committed nobody is told what is: a new leader learns late what its
    /// predecessor had committed, and would take back what that one said.
    // DIVERGES: Kafka answers from what it knows to be committed, so that for a moment after a failover committed offsets are gone.
    loaded_offset: i64,
    /// Applied to `pending` only, by offset.
    uncommitted: VecDeque<Applied<M>>,
    /// By `until`, which never falls.
    parked: VecDeque<Parked<M>>,
}

impl<M: Machine + Clone> Hosted<M> {
    /// A coordinator that has just become leader: refuses with COORDINATOR_LOAD_IN_PROGRESS until [`Hosted::loaded`].
    /// `empty` is the machine without state, `load_from` the log start offset.
    pub fn loading(empty: M, soft: M::Soft, options: HostedOptions, load_from: i64) -> Self {
        Hosted {
            options,
            phase: Phase::Loading,
            pending: empty.clone(),
            committed: empty,
            soft: Some(soft),
            timers: Timers::new(),
            rests_until_ms: i64::MIN,
            next_offset: load_from,
            high_watermark: load_from,
            loaded_offset: load_from,
            uncommitted: VecDeque::new(),
            parked: VecDeque::new(),
        }
    }
}

impl<M: Machine> Hosted<M> {
    /// It is being fed.
    pub fn is_loading(&self) -> bool {
        self.phase == Phase::Loading
    }

    /// It takes commands.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Where the load goes on, and what the log end offset must be before every append.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The state that everybody may know of.
    pub fn committed(&self) -> &M {
        &self.committed
    }

    /// Both twins, for checkers.
    pub fn twins(&self) -> (&M, &M) {
        (&self.pending, &self.committed)
    }

    /// Whether nothing waits between the twins; then they must be equal.
    pub fn is_settled(&self) -> bool {
        self.uncommitted.is_empty() && self.next_offset == self.high_watermark
    }

    /// The soft state; `None` once closed.
    pub fn soft(&self) -> Option<&M::Soft> {
        self.soft.as_ref()
    }

    /// The same for whoever hosts it, to take out what is left there for the host.
    pub fn soft_mut(&mut self) -> Option<&mut M::Soft> {
        self.soft.as_mut()
    }

    /// Replaces the limits (dynamic topic configuration).
    pub fn set_options(&mut self, options: HostedOptions) {
        self.options = options;
    }

    /// When [`Hosted::tick`] is to be called next at the latest; it may find nothing to do.
    pub fn next_deadline(&self) -> Option<i64> {
        if self.phase != Phase::Open {
            return None;
        }
        let parked = self.parked.iter().find(|parked| matches!(parked.what, OnceCommitted::Answer(_)));
        let parked = parked.map(|parked| parked.deadline_ms);
        let timers = self.timers.next_look().map(|due_ms| due_ms.max(self.rests_until_ms));
        timers.into_iter().chain(parked).min()
    }

    /// Asks the machine. Answers that are ready go to `replies`; others come with a later call.
    pub fn handle(
        &mut self,
        now_ms: i64,
        command: M::Command,
        token: ReplyToken,
        journal: &mut dyn Journal,
        replies: &mut Vec<Reply<M::Answer>>,
    ) {
        let (phase, soft) = (self.phase, self.soft.as_ref());
        let refusal = match (phase, soft) {
            (Phase::Loading, _) => Some(ErrorCode::CoordinatorLoadInProgress),
            (Phase::Closed, _) | (Phase::Open, None) => Some(ErrorCode::NotCoordinator),
            (Phase::Open, Some(soft)) => {
                if let Some(answer) = self.committed.query(soft, now_ms, &command) {
                    let answer = match self.high_watermark < self.loaded_offset {
                        true => M::refuse(&command, ErrorCode::CoordinatorLoadInProgress),
                        false => answer,
                    };
                    replies.push(Reply { token, answer });
                    return;
                }
                journal.ready().err().map(write_refusal)
            }
        };
        match refusal {
            Some(error) => replies.push(Reply { token, answer: M::refuse(&command, error) }),
            None => {
                self.run(now_ms, command, Some(token), journal, replies);
                self.check();
            }
        }
    }

    /// Ends a transaction on this partition: appends the marker, applies it, answers when it is committed (KAFKA-17507).
    pub fn complete_transaction(
        &mut self,
        now_ms: i64,
        marker: TransactionMarker,
        token: ReplyToken,
        journal: &mut dyn Journal,
        replies: &mut Vec<Reply<M::Answer>>,
    ) {
        let appended = match self.phase {
            Phase::Loading => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Closed => Err(ErrorCode::NotCoordinator),
            Phase::Open => journal
                .ready()
                .and_then(|()| journal.append(batches::marker(self.options.wall.at(now_ms), &marker)))
                .map_err(write_refusal),
        };
        match appended {
            Err(error) => replies.push(Reply { token, answer: M::marker_answer(Err(error)) }),
            Ok(base_offset) => {
                assert_eq!(
                    base_offset, self.next_offset,
                    "someone else appended to a coordinator's partition"
                );
                self.pending.apply_marker(base_offset, &marker);
                self.uncommitted.push_back(Applied { offset: base_offset, change: Change::Marker(marker) });
                self.next_offset = base_offset + 1;
                self.park(now_ms, OnceCommitted::Answer(Reply { token, answer: M::marker_answer(Ok(())) }));
                self.check();
            }
        }
    }

    /// The high watermark has moved: the committed twin catches up, answers leave, commands of `after_commit` run.
    pub fn advance(
        &mut self,
        now_ms: i64,
        high_watermark: i64,
        journal: &mut dyn Journal,
        replies: &mut Vec<Reply<M::Answer>>,
    ) {
        if self.phase == Phase::Closed || high_watermark <= self.high_watermark {
            return;
        }
        self.high_watermark = high_watermark.min(self.next_offset.max(self.high_watermark));
        self.catch_up();
        while self.parked.front().is_some_and(|parked| parked.until <= self.high_watermark) {
            match self.parked.pop_front().map(|parked| parked.what) {
                Some(OnceCommitted::Answer(reply)) => replies.push(reply),
                Some(OnceCommitted::Command(command)) => self.run(now_ms, command, None, journal, replies),
                None => {}
            }
        }
        self.check();
    }

    /// Applies to `committed` what the high watermark has passed.
    fn catch_up(&mut self) {
        while self.uncommitted.front().is_some_and(|applied| applied.offset < self.high_watermark) {
            if let Some(applied) = self.uncommitted.pop_front() {
                match &applied.change {
                    Change::Record(origin, record) => self.committed.apply(*origin, record),
                    Change::Marker(marker) => self.committed.apply_marker(applied.offset, marker),
                }
            }
        }
    }

    /// Fires what is due: timers, and answers that have waited too long.
    pub fn tick(&mut self, now_ms: i64, journal: &mut dyn Journal, replies: &mut Vec<Reply<M::Answer>>) {
        if self.phase != Phase::Open {
            return;
        }
        self.time_out_answers(now_ms, replies);
        if journal.ready().is_err() {
            self.rests_until_ms = now_ms.saturating_add(NOT_READY_PAUSE_MS);
            return;
        }
        self.rests_until_ms = i64::MIN;
        for _ in 0..MAX_TIMERS_PER_TICK {
            let Some(timer) = self.timers.pop_due(now_ms) else { break };
            self.run(now_ms, M::fired(timer), None, journal, replies);
            if self.phase != Phase::Open {
                break;
            }
        }
        self.check();
    }

    /// Demotion, shutdown or a fault: everybody who waits is refused, all state is dropped.
    pub fn close(&mut self, error: ErrorCode, replies: &mut Vec<Reply<M::Answer>>) {
        self.phase = Phase::Closed;
        self.timers.clear();
        self.uncommitted.clear();
        for parked in self.parked.drain(..) {
            if let OnceCommitted::Answer(Reply { token, answer }) = parked.what {
                replies.push(Reply { token, answer: M::retract(answer, error) });
            }
        }
        if let Some(soft) = self.soft.take() {
            replies.extend(M::closed(soft, error));
        }
        self.check();
    }

    fn run(
        &mut self,
        now_ms: i64,
        command: M::Command,
        token: Option<ReplyToken>,
        journal: &mut dyn Journal,
        replies: &mut Vec<Reply<M::Answer>>,
    ) {
        let Some(soft) = self.soft.as_mut() else { return };
        let decision = self.pending.decide(soft, now_ms, command, token);
        self.carry_out(now_ms, decision, journal, replies);
    }

    fn carry_out(
        &mut self,
        now_ms: i64,
        decision: Decision<M>,
        journal: &mut dyn Journal,
        replies: &mut Vec<Reply<M::Answer>>,
    ) {
        let transactional = decision.producer.is_some();
        if let Err(error) = self.append(now_ms, &decision, journal) {
            let error = write_refusal(error);
            let lost = decision.answers.into_iter();
            replies.extend(lost.map(|r| Reply { token: r.token, answer: M::retract(r.answer, error) }));
            replies.extend(decision.refusals);
            // A transactional append may be refused (a fenced producer) and has changed nothing. Any other append was
            // promised by `ready`: the soft state may be ahead of the log now, so the machine goes.
            if !transactional {
                self.close(error, replies);
            }
            return;
        }
        for change in decision.timers {
            match change {
                TimerChange::Set { key, deadline_ms } => self.timers.set(key, deadline_ms),
                TimerChange::SetIfAbsent { key, deadline_ms } => self.timers.set_if_absent(key, deadline_ms),
                TimerChange::Cancel { key } => self.timers.cancel(&key),
            }
        }
        replies.extend(decision.refusals);
        let settled = self.high_watermark >= self.next_offset;
        for reply in decision.answers {
            if settled {
                replies.push(reply);
            } else {
                self.park(now_ms, OnceCommitted::Answer(reply));
            }
        }
        for command in decision.after_commit {
            if settled {
                self.run(now_ms, command, None, journal, replies);
            } else {
                self.park(now_ms, OnceCommitted::Command(command));
            }
        }
    }

    fn append(
        &mut self,
        now_ms: i64,
        decision: &Decision<M>,
        journal: &mut dyn Journal,
    ) -> Result<(), ErrorCode> {
        if decision.records.is_empty() {
            return Ok(());
        }
        let mut records = decision.records.iter();
        for (batch, count) in batches::encode(self.options.wall.at(now_ms), decision, &self.options) {
            let base_offset = journal.append(batch)?;
            assert_eq!(base_offset, self.next_offset, "someone else appended to a coordinator's partition");
            for (record, offset) in records.by_ref().take(count).zip(base_offset..) {
                let origin = Origin { offset, producer: decision.producer };
                self.pending.apply(origin, record);
                self.uncommitted
                    .push_back(Applied { offset, change: Change::Record(origin, record.clone()) });
                self.next_offset = offset + 1;
            }
        }
        Ok(())
    }

    fn park(&mut self, now_ms: i64, what: OnceCommitted<M>) {
        let (until, deadline_ms) = (self.next_offset, now_ms.saturating_add(self.options.answer_timeout_ms));
        assert!(
            self.parked.back().is_none_or(|before| before.until <= until),
            "parked: an answer overtakes another"
        );
        self.parked.push_back(Parked { until, deadline_ms, what });
    }

    fn time_out_answers(&mut self, now_ms: i64, replies: &mut Vec<Reply<M::Answer>>) {
        if self.parked.front().is_none_or(|parked| parked.deadline_ms > now_ms) {
            return;
        }
        let error = write_refusal(ErrorCode::RequestTimedOut);
        let mut kept = VecDeque::with_capacity(self.parked.len());
        for parked in self.parked.drain(..) {
            match parked.what {
                OnceCommitted::Answer(reply) if parked.deadline_ms <= now_ms => {
                    replies.push(Reply { token: reply.token, answer: M::retract(reply.answer, error) });
                }
                what @ (OnceCommitted::Answer(_) | OnceCommitted::Command(_)) => {
                    kept.push_back(Parked { what, ..parked })
                }
            }
        }
        self.parked = kept;
    }
}

impl<M: Machine> Hosted<M> {
    /// Feeds whole batches of the log, in order, each piece as large as the caller's turn allows. What lies below
    /// `high_watermark` is committed already. Answers what could not be read and is left out.
    /// DIVERGES: Kafka's coordinator gives up at the first such record and refuses its groups with NOT_COORDINATOR from then on, which
    /// clients try again without end.
    pub fn load(&mut self, batches: Bytes, high_watermark: i64) -> Vec<CorruptRecord> {
        assert_eq!(self.phase, Phase::Loading, "only a loading coordinator is fed");
        self.high_watermark = self.high_watermark.max(high_watermark);
        let batches::Decoded { items, next_offset, lost } = batches::decode::<M>(batches);
        for item in items {
            match &item.change {
                Change::Record(origin, record) => self.pending.apply(*origin, record),
                Change::Marker(marker) => self.pending.apply_marker(item.offset, marker),
            }
            self.uncommitted.push_back(item);
        }
        // Beyond the last record: batches end where their header says, and some hold nothing for us.
        self.pass_over(next_offset);
        self.catch_up();
        self.check();
        lost
    }

    /// Goes on at an offset: what lies before it and was not fed cannot be read.
    pub fn pass_over(&mut self, next_offset: i64) {
        assert_eq!(self.phase, Phase::Loading, "only a load passes over anything");
        self.next_offset = self.next_offset.max(next_offset);
    }

    /// The whole log was fed: opens for commands. `log_end_offset` may lie beyond the last record (compaction,
    /// passed-over batches).
    pub fn loaded(
        &mut self,
        now_ms: i64,
        log_end_offset: i64,
        high_watermark: i64,
        journal: &mut dyn Journal,
        replies: &mut Vec<Reply<M::Answer>>,
    ) {
        assert_eq!(self.phase, Phase::Loading, "a coordinator opens once");
        assert!(log_end_offset >= self.next_offset, "records beyond the log end were loaded");
        (self.next_offset, self.loaded_offset) = (log_end_offset, log_end_offset);
        self.phase = Phase::Open;
        let already = self.high_watermark;
        self.high_watermark = already.min(log_end_offset);
        self.advance(now_ms, high_watermark, journal, replies);
        if let Some(soft) = self.soft.as_mut() {
            let decision = self.pending.opened(soft, now_ms);
            self.carry_out(now_ms, decision, journal, replies);
        }
        self.check();
    }
}

/// What a client is told when a write was refused by the partition below the coordinator.
pub fn write_refusal(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}
