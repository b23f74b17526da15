//! The metadata quorum of one node: raft, the pending and the committed image, and the controller, put together. Owns the order
//! of things: decide on the pending image, append, flush once per turn, commit, publish the image, release the answers that
//! waited for it. Never a thread: the caller brings the time and carries out what a [`Turn`] says.

mod replaying;

use crate::controller::{
    ConfigRules, Context, ControllerAnswer, ControllerCommand, ControllerOptions, Refusal, Soft,
    bootstrap_records, decide, next_deadline_ms, refuse, registration_records, tick,
};
use crate::image::{MetadataImage, Provenance, VersionedRecord};
use crate::raft::control::data_batch;
use crate::raft::{
    Effect, Event, MetadataLog, OffsetAndEpoch, Outgoing, Quorum, QuorumOpenError, RaftOptions, RaftRequest,
    RaftResponse, StorageFault,
};
use crate::rng::Rng;
use replaying::Twins;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use wire::Uuid;

/// Identifies a command or request whose answer comes later; the caller's own numbering.
pub type Token = u64;

/// When snapshots are taken and how long old ones and the log before them are kept.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotPolicy {
    /// `metadata.log.max.record.bytes.between.snapshots`
    pub max_bytes_between: u64,
    /// `metadata.log.max.snapshot.interval.ms`; 0: never by time.
    pub max_interval_ms: i64,
    /// `metadata.max.retention.bytes`; negative: unlimited.
    pub retention_bytes: i64,
    /// `metadata.max.retention.ms`; negative: unlimited.
    pub retention_ms: i64,
}

/// What the quorum of a node is made of.
pub struct QuorumOptions {
    pub raft: RaftOptions,
    /// `None` on a node without the controller role, which only observes.
    pub controller: Option<ControllerOptions>,
    pub snapshots: SnapshotPolicy,
    /// The records of a `bootstrap.checkpoint` older than Kafka 4.4, used where the log has no bootstrap snapshot.
    /// Empty: the features of the newest production metadata version.
    pub bootstrap: Vec<VersionedRecord>,
    /// Election jitter, replica placement and topic ids follow from it.
    pub seed: u64,
}

/// Why a quorum could not be opened.
#[derive(Debug)]
pub enum OpenError {
    Storage(StorageFault),
    /// The log, a snapshot or quorum-state is damaged, or newer than this build: which, where and why.
    Unreadable(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Storage(fault) => fault.fmt(f),
            OpenError::Unreadable(what) => write!(f, "the metadata log cannot be read: {what}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    pub leader: Option<i32>,
    pub epoch: i32,
}

/// What a turn wants done, in this order: publish the image, send the requests, send the answers.
#[derive(Debug, Default)]
pub struct Turn {
    /// The newest committed image, if it is a newer one.
    pub image: Option<Arc<MetadataImage>>,
    pub sends: Vec<Outgoing>,
    pub answers: Vec<(Token, ControllerAnswer)>,
    pub raft_answers: Vec<(Token, RaftResponse)>,
    /// When to call `turn` again at the latest.
    pub next_deadline_ms: i64,
}

/// Figures about the quorum, for metrics and `kafka-metadata-quorum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuorumStatus {
    pub leader: LeaderAndEpoch,
    /// This node is the active controller.
    pub is_active: bool,
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    /// -1 while unknown.
    pub high_watermark: i64,
    /// The last offset in the published image; -1 before any.
    pub last_applied_offset: i64,
    pub last_applied_timestamp_ms: i64,
    /// Answers that wait for the high watermark.
    pub parked_answers: usize,
    /// The newest snapshot's offset; -1 without any.
    pub latest_snapshot_offset: i64,
}

/// The active controller's term.
struct Term {
    soft: Soft,
    /// Answers by the offset behind the last record they rest on.
    parked: BTreeMap<i64, Vec<(Token, ControllerAnswer)>>,
}

/// The metadata quorum of one node.
pub struct MetadataQuorum {
    quorum: Quorum,
    options: QuorumOptions,
    rules: Arc<dyn ConfigRules>,
    rng: Rng,
    twins: Twins,
    /// What others see; renewed when committed records changed the stable image.
    published: Arc<MetadataImage>,
    /// Only while this node leads.
    term: Option<Term>,
    effects: Vec<Effect>,
    out: Turn,
    bytes_since_snapshot: u64,
    last_snapshot_ms: i64,
}

impl MetadataQuorum {
    /// Reads snapshot and log. Nothing is written or decided before the first turn.
    pub fn open(
        options: QuorumOptions,
        log: Box<dyn MetadataLog>,
        rules: Arc<dyn ConfigRules>,
        now_ms: i64,
    ) -> Result<MetadataQuorum, OpenError> {
        let mut rng = Rng::new(options.seed);
        let quorum =
            Quorum::open(options.raft.clone(), log, rng.next_u64(), now_ms).map_err(|error| match error {
                QuorumOpenError::Storage(fault) => OpenError::Storage(fault),
                QuorumOpenError::Unreadable(what) => OpenError::Unreadable(what.0),
            })?;
        let twins = Twins::load(quorum.log())?;
        let published = Arc::new(twins.stable().clone());
        Ok(MetadataQuorum {
            quorum,
            options,
            rules,
            rng,
            twins,
            published,
            term: None,
            effects: Vec::new(),
            out: Turn::default(),
            bytes_since_snapshot: 0,
            last_snapshot_ms: now_ms,
        })
    }

    /// Decides a command; the answer is in this turn's or a later one's `answers`, never lost: a node that does not lead, or
    /// stops leading before the command is committed, answers NOT_CONTROLLER.
    pub fn propose(&mut self, now_ms: i64, token: Token, command: ControllerCommand) {
        let (Some(term), Some(controller)) = (&mut self.term, &self.options.controller) else {
            self.out.answers.push((token, refuse(&command, &Refusal::not_controller())));
            return;
        };
        let context = Context {
            image: self.twins.pending(),
            options: controller,
            rules: &*self.rules,
            next_offset: self.quorum.log().end_offset(),
            now_ms,
        };
        let copy = command.clone();
        let decision = decide(&context, &mut term.soft, command);
        match self.append(now_ms, decision.records) {
            Ok(()) => {
                // An answer that wrote nothing still rests on what was decided before it.
                let rests_on = self.quorum.log().end_offset();
                if let Some(term) = &mut self.term {
                    term.parked.entry(rests_on).or_default().push((token, decision.answer));
                }
            }
            Err(()) => self.out.answers.push((token, refuse(&copy, &Refusal::not_controller()))),
        }
    }

    /// Appends records as one batch and applies them to the pending image. `Err`: this node does not lead, or the disk failed
    /// (the next turn reports it).
    fn append(&mut self, now_ms: i64, records: Vec<VersionedRecord>) -> Result<(), ()> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = data_batch(records.iter().map(|r| r.record.encode_as(r.version)), now_ms);
        self.bytes_since_snapshot += batch.len() as u64;
        match self.quorum.append(now_ms, batch) {
            Ok(Ok(base_offset)) => {
                let records = records.into_iter().map(|versioned| versioned.record).collect();
                self.twins.appended(base_offset, self.quorum.epoch(), now_ms, records);
                Ok(())
            }
            Ok(Err(_)) => Err(()),
            Err(fault) => {
                self.twins.fail(fault);
                Err(())
            }
        }
    }

    /// Takes a request of the quorum's protocol; the answer is in `raft_answers`, for a Fetch possibly much later.
    pub fn request(&mut self, now_ms: i64, token: Token, request: RaftRequest) {
        self.step(now_ms, Event::Request { token, request });
    }

    /// Takes the answer to an [`Outgoing`] request; `None` if there was none (refused, cut off, timed out).
    pub fn response(&mut self, now_ms: i64, from: i32, correlation_id: u64, response: Option<RaftResponse>) {
        self.step(now_ms, Event::Response { from, correlation_id, response });
    }

    fn step(&mut self, now_ms: i64, event: Event) {
        if let Err(fault) = self.quorum.step(now_ms, event, &mut self.effects) {
            self.twins.fail(fault);
        }
    }

    /// Fires timers, makes this turn's appends durable with one flush, commits what a majority has, and says what to do now.
    /// After a fault the quorum must not be used any more.
    pub fn turn(&mut self, now_ms: i64) -> Result<Turn, StorageFault> {
        self.step(now_ms, Event::Tick);
        self.fire_timers(now_ms);
        // Becoming leader appends, appending wants a flush, a flush commits: until nothing is left to be carried out.
        loop {
            self.twins.take_fault()?;
            self.quorum.flush(now_ms, &mut self.effects)?;
            if self.effects.is_empty() {
                break;
            }
            for effect in std::mem::take(&mut self.effects) {
                self.carry_out(now_ms, effect)?;
            }
        }
        self.publish();
        self.snapshot_if_due(now_ms)?;
        let mut turn = std::mem::take(&mut self.out);
        turn.next_deadline_ms = self.next_deadline_ms();
        Ok(turn)
    }

    fn fire_timers(&mut self, now_ms: i64) {
        let (Some(term), Some(controller)) = (&mut self.term, &self.options.controller) else { return };
        if next_deadline_ms(controller, &term.soft).is_none_or(|deadline| deadline > now_ms) {
            return;
        }
        let context = Context {
            image: self.twins.pending(),
            options: controller,
            rules: &*self.rules,
            next_offset: self.quorum.log().end_offset(),
            now_ms,
        };
        let records = tick(&context, &mut term.soft);
        // Not leading any more is heard of by an effect; the records are then another leader's business.
        let _ = self.append(now_ms, records);
    }

    fn next_deadline_ms(&self) -> i64 {
        let controller = self.options.controller.as_ref().zip(self.term.as_ref());
        let own = controller.and_then(|(options, term)| next_deadline_ms(options, &term.soft));
        self.quorum.next_deadline_ms().min(own.unwrap_or(i64::MAX))
    }

    fn carry_out(&mut self, now_ms: i64, effect: Effect) -> Result<(), StorageFault> {
        match effect {
            Effect::Send(outgoing) => self.out.sends.push(outgoing),
            Effect::Answer { token, response } => self.out.raft_answers.push((token, response)),
            Effect::Committed { high_watermark } => {
                self.twins.commit(self.quorum.log(), high_watermark)?;
                self.release(high_watermark);
            }
            Effect::LeaderChanged { leader, .. } => {
                self.retire();
                if leader == Some(self.options.raft.node_id) && self.options.controller.is_some() {
                    self.activate(now_ms);
                }
            }
            Effect::Truncated { .. } => self.retire(),
            Effect::SnapshotInstalled { .. } => {
                self.retire();
                self.twins = Twins::load(self.quorum.log())
                    .map_err(|error| StorageFault::new("read a fetched snapshot", error.to_string()))?;
            }
        }
        Ok(())
    }

    /// A term begins: the pending image goes on from the committed one; a cluster without features is bootstrapped.
    fn activate(&mut self, now_ms: i64) {
        self.twins.begin_term();
        let soft = Soft::activate(self.twins.pending(), now_ms, self.rng.next_u64());
        self.term = Some(Term { soft, parked: BTreeMap::new() });
        let mut records = Vec::new();
        if self.twins.pending().features.metadata_version().is_none() {
            let given = &self.options.bootstrap;
            records.extend(if given.is_empty() { bootstrap_records() } else { given.clone() });
        }
        let _ = self.append(now_ms, records);
        let id = Uuid::from_random((u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64()));
        let registration =
            registration_records(self.twins.pending(), &self.options.raft, id.unwrap_or(Uuid::ZERO));
        let _ = self.append(now_ms, registration);
    }

    /// A term ends: whoever waits is told to look for the new controller; what was not committed is forgotten.
    fn retire(&mut self) {
        self.twins.end_term();
        if let Some(term) = self.term.take() {
            for (token, answer) in term.parked.into_values().flatten() {
                self.out.answers.push((token, answer.as_not_controller()));
            }
        }
    }

    fn release(&mut self, high_watermark: i64) {
        let Some(term) = &mut self.term else { return };
        let later = term.parked.split_off(&(high_watermark + 1));
        let due = std::mem::replace(&mut term.parked, later);
        self.out.answers.extend(due.into_values().flatten());
        if high_watermark == self.quorum.log().end_offset() {
            self.twins.assert_equal();
        }
    }

    fn publish(&mut self) {
        // Answers that rest on nothing new leave at once.
        if let Some(committed) = self.quorum.high_watermark() {
            self.release(committed);
        }
        if self.twins.take_news() {
            self.published = Arc::new(self.twins.stable().clone());
            self.out.image = Some(Arc::clone(&self.published));
        }
    }

    fn snapshot_if_due(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let policy = self.options.snapshots;
        let by_size = self.bytes_since_snapshot >= policy.max_bytes_between;
        let by_time = policy.max_interval_ms > 0 && now_ms - self.last_snapshot_ms >= policy.max_interval_ms;
        if !(by_size || by_time) || self.twins.is_inside_transaction() {
            return Ok(());
        }
        self.last_snapshot_ms = now_ms;
        self.bytes_since_snapshot = 0;
        let Provenance { last_offset, last_epoch, last_timestamp_ms } = self.published.provenance;
        let records = self.published.to_records();
        if last_offset < 0 || records.is_empty() {
            return Ok(());
        }
        let id = OffsetAndEpoch { offset: last_offset + 1, epoch: last_epoch };
        let values = records.iter().map(|r| r.record.encode_as(r.version));
        self.quorum.write_snapshot(id, last_timestamp_ms, values, now_ms)?;
        self.quorum.clean(policy.retention_bytes, policy.retention_ms, now_ms, |head| {
            head.last_contained_timestamp_ms
        })
    }

    /// The newest committed image.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.published
    }

    /// Figures.
    pub fn status(&self) -> QuorumStatus {
        let log = self.quorum.log();
        QuorumStatus {
            leader: LeaderAndEpoch { leader: self.quorum.leader_id(), epoch: self.quorum.epoch() },
            is_active: self.term.is_some(),
            log_start_offset: log.start_offset(),
            log_end_offset: log.end_offset(),
            high_watermark: self.quorum.high_watermark().unwrap_or(-1),
            last_applied_offset: self.published.provenance.last_offset,
            last_applied_timestamp_ms: self.published.provenance.last_timestamp_ms,
            parked_answers: self.term.as_ref().map_or(0, |term| term.parked.values().map(Vec::len).sum()),
            latest_snapshot_offset: log.snapshots().last().map_or(-1, |file| file.id.offset),
        }
    }

    /// Begins to leave: a leader of several voters resigns, so that another one takes over at once.
    pub fn begin_shutdown(&mut self, now_ms: i64) {
        if !self.quorum.is_only_voter() {
            self.step(now_ms, Event::BeginShutdown);
        }
    }
}

#[cfg(test)]
mod tests;
