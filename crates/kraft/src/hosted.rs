//! The metadata quorum of one node: raft, the pending and the committed image, and the controller, put together. Owns the order
//! of things: decide on the pending image, append, flush once per turn, commit, publish the image, release the answers that
//! waited for it. Never a thread: the caller brings the time and carries out what a [`Turn`] says.

use crate::controller::{ConfigRules, ControllerAnswer, ControllerCommand, ControllerOptions};
use crate::image::{MetadataImage, VersionedRecord};
use crate::raft::{MetadataLog, Outgoing, RaftOptions, RaftRequest, RaftResponse, StorageFault};
use std::fmt;
use std::sync::Arc;

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

/// The metadata quorum of one node.
pub struct MetadataQuorum {
    image: Arc<MetadataImage>,
}

impl MetadataQuorum {
    /// Reads snapshot and log. Nothing is written or decided before the first turn.
    pub fn open(
        options: QuorumOptions,
        log: Box<dyn MetadataLog>,
        rules: Arc<dyn ConfigRules>,
        now_ms: i64,
    ) -> Result<MetadataQuorum, OpenError> {
        let _ = (options, log, rules, now_ms);
        Ok(MetadataQuorum { image: Arc::default() })
    }

    /// Decides a command; the answer is in this turn's or a later one's `answers`, never lost: a node that does not lead, or
    /// stops leading before the command is committed, answers NOT_CONTROLLER.
    pub fn propose(&mut self, now_ms: i64, token: Token, command: ControllerCommand) {
        let _ = (now_ms, token, command);
    }

    /// Takes a request of the quorum's protocol; the answer is in `raft_answers`, for a Fetch possibly much later.
    pub fn request(&mut self, now_ms: i64, token: Token, request: RaftRequest) {
        let _ = (now_ms, token, request);
    }

    /// Takes the answer to an [`Outgoing`] request; `None` if there was none (refused, cut off, timed out).
    pub fn response(&mut self, now_ms: i64, from: i32, correlation_id: u64, response: Option<RaftResponse>) {
        let _ = (now_ms, from, correlation_id, response);
    }

    /// Fires timers, makes this turn's appends durable with one flush, commits what a majority has, and says what to do now.
    /// After a fault the quorum must not be used any more.
    pub fn turn(&mut self, now_ms: i64) -> Result<Turn, StorageFault> {
        Ok(Turn { next_deadline_ms: now_ms, ..Turn::default() })
    }

    /// The newest committed image.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.image
    }

    /// Figures.
    pub fn status(&self) -> QuorumStatus {
        QuorumStatus::default()
    }

    /// Begins to leave: a leader of several voters resigns, so that another one takes over at once.
    pub fn begin_shutdown(&mut self, now_ms: i64) {
        let _ = now_ms;
    }
}
