//! One replica of one partition on this broker: its log, its role, and whoever waits for it. Owned by one shard; nobody
//! else touches it. `leader.rs` appends and acknowledges, `follower.rs` takes what a leader has, `flushing.rs` says when a flush is due,
//! `isr.rs`, `term.rs` and `divergence.rs` compute, `pending.rs` parks acks, `invariants.rs` says what must hold.

pub(crate) mod divergence;
mod flushing;
pub(crate) mod follower;
mod invariants;
pub(crate) mod isr;
mod leader;
pub(crate) use divergence::FollowerAt;
pub(crate) use leader::Refused;
pub(crate) mod pending;
pub(crate) mod term;
pub(crate) use term::Leader;

use std::sync::Arc;

use kraft::image::NO_LEADER;
use log::{FlushWork, Log};
use wire::{ErrorCode, Str};

use crate::disks::amendments::MovedStart;
use crate::disks::moving::{Move, Retiring};
use crate::fetch::watch::Watchers;
use crate::mailbox::Reply;
use crate::replica::flushing::Flushing;
use crate::replica::pending::PendingAcks;
use crate::topic_settings::TopicSettings;
use crate::views::{PartitionCell, Role};

/// A replica with a log.
///
/// Invariants, checked in release where a turn that touched it ends ([`Replica::check`]), the rest where it changes:
/// - **watermarks**: last stable offset <= high watermark; a leader's high watermark never goes back;
/// - **shown**: readers know its high watermark, role and directory as they are at the end of the turn;
/// - **acks**: parked in order of offset, none is overdue, none waits for what was not appended; a follower owes none;
/// - **flushing**: what the flusher was asked for is in the log;
/// - **epoch**: a leader's log holds nothing of a later epoch than its own;
/// - **isr**: a leader is in its own ISR, and all others in it are assigned;
/// - **moving**, **retiring**: another directory than its own; it is not compacted while it is copied; a copy waits only for an answer.
pub(crate) struct Replica {
    pub topic: Str,
    /// What the rest of the node sees of it.
    pub cell: Arc<PartitionCell>,
    /// Index of its log directory.
    pub directory: usize,
    pub log: Log,
    pub settings: Arc<TopicSettings>,
    pub state: ReplicaState,
    pub acks: PendingAcks,
    /// Those of acks 0 and 1 that `flush.messages` holds back.
    pub early_acks: PendingAcks,
    pub watchers: Watchers,
    /// Followers that wait for records beyond those that they have.
    pub waiting_followers: Watchers,
    /// A follower that fetches on only when what it has is flushed (`log.flush.ack=group`).
    pub fetches_when_flushed: bool,
    pub flushing: Flushing,
    /// As last published; says what watchers have seen.
    shown: Shown,
    /// The log's end when the janitor last looked.
    seen_end_offset: i64,
    /// True while it stands in the shard's list of replicas to settle at the end of the turn.
    pub unsettled: bool,
    /// A batch of its log cannot be read: it is not cleaned before the next start.
    pub uncleanable: bool,
    /// A cleaning waits for a flush round.
    pub wants_cleaning: bool,
    /// The replica is on its way to another log directory.
    pub moving: Option<Box<Move>>,
    /// It has just arrived; the log it left is still there.
    pub retiring: Option<Box<Retiring>>,
}

/// What this broker is for the partition. `Role` is its published shadow.
#[derive(Debug)]
pub(crate) enum ReplicaState {
    Leader(Leader),
    Follower {
        leader_epoch: i32,
        /// Who leads; [`kraft::image::NO_LEADER`] if nobody does.
        leader: i32,
    },
    /// Its directory is dead: nothing is served, nothing is acknowledged.
    Offline,
}

#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    high_watermark: i64,
    log_end_offset: i64,
    last_stable_offset: i64,
    size_bytes: u64,
}

impl Replica {
    /// A replica whose role is still to be set.
    pub fn new(
        topic: Str,
        cell: Arc<PartitionCell>,
        directory: usize,
        log: Log,
        settings: Arc<TopicSettings>,
    ) -> Replica {
        let flushing = Flushing::new(log.recovery_point());
        let mut replica = Replica {
            topic,
            cell,
            directory,
            log,
            settings,
            state: ReplicaState::Follower { leader_epoch: -1, leader: NO_LEADER },
            acks: PendingAcks::default(),
            early_acks: PendingAcks::default(),
            watchers: Watchers::default(),
            waiting_followers: Watchers::default(),
            fetches_when_flushed: false,
            flushing,
            shown: Shown::default(),
            seen_end_offset: -1,
            unsettled: false,
            uncleanable: false,
            wants_cleaning: false,
            moving: None,
            retiring: None,
        };
        replica.show();
        replica
    }

    /// Publishes the log's state and wakes those who can read more than before.
    pub fn show(&mut self) {
        let now = Shown {
            high_watermark: self.log.high_watermark(),
            log_end_offset: self.log.log_end_offset(),
            last_stable_offset: self.log.last_stable_offset(),
            size_bytes: self.log.size_bytes(),
        };
        let before = std::mem::replace(&mut self.shown, now);
        assert!(
            now.high_watermark >= before.high_watermark || !matches!(self.state, ReplicaState::Leader(_)),
            "watermarks: a leader's went back"
        );
        self.cell.publish(&self.log);
        if now.high_watermark > before.high_watermark || now.last_stable_offset > before.last_stable_offset {
            // Bytes that came while the high watermark stood still are counted when it moves; a removed segment must
            // not hide them.
            let bytes = now.size_bytes.saturating_sub(before.size_bytes).max(1);
            self.watchers.readable(i64::try_from(bytes).unwrap_or(i64::MAX));
        } else {
            self.shown.size_bytes = before.size_bytes.min(now.size_bytes);
        }
        if now.log_end_offset > before.log_end_offset {
            let bytes = now.size_bytes.saturating_sub(before.size_bytes).max(1);
            self.waiting_followers.readable(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Something happened that all who wait have to look at.
    pub fn wake_all(&mut self) {
        self.watchers.fire_all();
        self.waiting_followers.fire_all();
    }

    /// True if nothing was appended since this was asked the last time.
    pub fn is_idle_since_last_look(&mut self) -> bool {
        let end = self.log.log_end_offset();
        std::mem::replace(&mut self.seen_end_offset, end) == end
    }

    /// What the state looks like from outside.
    fn role(&self) -> Role {
        match &self.state {
            ReplicaState::Leader(leader) => Role::Leader { leader_epoch: leader.leader_epoch },
            ReplicaState::Follower { leader_epoch, .. } => Role::Follower { leader_epoch: *leader_epoch },
            ReplicaState::Offline => Role::Offline,
        }
    }

    /// Publishes the role. The view must have been shown before.
    pub fn show_role(&mut self) {
        self.check_role();
        self.cell.set_role(self.role());
    }

    /// True if there is more to read than a fetch saw.
    pub fn has_more_than(&self, high_watermark: i64, last_stable_offset: i64) -> bool {
        self.shown.high_watermark > high_watermark || self.shown.last_stable_offset > last_stable_offset
    }

    /// True if there are records beyond those that a follower's fetch saw.
    pub fn ends_beyond(&self, log_end_offset: i64) -> bool {
        self.shown.log_end_offset > log_end_offset
    }

    /// Everything below is safe enough for acks=all: replicated and, where it is asked for, flushed.
    pub fn safe_offset(&self) -> i64 {
        match &self.state {
            ReplicaState::Leader(leader) if leader.flush_acks || self.flushing.holds_answers(&self.log) => {
                self.log.high_watermark().min(self.log.recovery_point())
            }
            ReplicaState::Leader(_) | ReplicaState::Follower { .. } | ReplicaState::Offline => {
                self.log.high_watermark()
            }
        }
    }

    /// Everything below is safe enough for acks=1: appended and, where `flush.messages` asks for it, flushed.
    pub fn written_offset(&self) -> i64 {
        if self.flushing.holds_answers(&self.log) {
            self.log.recovery_point()
        } else {
            self.log.log_end_offset()
        }
    }

    /// True while somebody waits for the safe offset to move.
    pub fn waits_for_safety(&self) -> bool {
        !self.acks.is_empty() || !self.early_acks.is_empty()
    }

    /// The log start as it is now, for the directory's checkpoint.
    pub fn start_moved(&self, reply: Option<Reply<Result<i64, ErrorCode>>>) -> MovedStart {
        let (topic, partition) = (self.topic.clone(), self.cell.key.partition);
        MovedStart { topic, partition, offset: self.log.log_start_offset(), reply }
    }

    /// The last flush round proved nothing: the next one is asked for the same again.
    pub fn flush_again(&mut self) {
        self.flushing.again(&self.log);
    }

    /// `flush.ms` may be over.
    pub fn flush_time_is_up(&mut self, now_ms: i64) {
        self.flushing.time_is_up(&self.log, now_ms);
    }

    /// What to flush so that acks can leave, or because it is due; `None` if nothing is dirty or a round is already asked for. A
    /// coordinator on this replica may wait as well.
    pub fn take_flush_work(&mut self, coordinator_waits: bool) -> Option<FlushWork> {
        let somebody = coordinator_waits || self.waits_for_safety() || self.fetches_when_flushed;
        if !self.flushing.take(&self.log, somebody) {
            return None;
        }
        if somebody { self.log.dirty_and_ahead() } else { self.log.dirty() }
    }

    /// When to look again for `flush.ms`, if that is not arranged.
    pub fn arm_flush(&mut self, now_ms: i64) -> Option<i64> {
        self.flushing.arm(&self.log, now_ms)
    }
}
