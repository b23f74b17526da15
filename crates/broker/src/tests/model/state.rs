//! What there is at one moment: what the controller's books say, every broker's process, disk and role, what it asks the controller, and what
//! was ever acknowledged, with who had it. Changes nothing by itself but the numbers of epochs: only their order means anything.

use std::hash::{DefaultHasher, Hash, Hasher};

use ::log::epochs::EpochCache;
use kraft::image::{ClusterImage, PartitionImage};

use super::books::Library;
use super::bounds::Bounds;
use crate::quorum::isr_proposals::{IsrOutcome, IsrProposal};
use crate::replica::divergence::FollowerAt;
use crate::replica::isr::Eligible;
use crate::replica::term::{Leader, LeadersLog};

/// With the ids 1 to 3, at the places 0 to 2.
pub(super) const BROKERS: usize = 3;

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// Which image the controller has.
    pub books: u32,
    /// Its epochs of the partition.
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    pub machines: [Machine; BROKERS],
    /// All that a leader ever called committed.
    pub committed: Vec<Committed>,
    /// Something was lost that may be lost: what is committed is not looked at any more.
    pub excused: bool,
    /// How much may still happen.
    pub left: Left,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    pub is_up: bool,
    /// Of its registration.
    pub epoch: i64,
    /// What it will call the epoch of its last clean stop; -1: none.
    pub previous: i64,
    /// Which disk it has: a number for each that it has had.
    pub disk: u8,
    /// It lost a disk or what was on it, and has not been in sync since.
    pub is_suspect: bool,
    pub log: Log,
    pub role: Role,
    pub asks: Option<Asks>,
}

/// What a broker takes itself for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Absent,
    Follower { leader_epoch: i32, leader: i32 },
    Leader(Leader),
}

/// A proposal on its way, or what came of it on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asks {
    pub proposal: IsrProposal,
    pub said: Option<Said>,
}

/// As `IsrOutcome`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Said {
    Decided { leader_epoch: i32, partition_epoch: i32, isr: Vec<i32> },
    Refused,
    Outdated,
}

/// A log: the epoch of each record. An epoch has one leader, so that offset and epoch name a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Log {
    pub records: Vec<i32>,
    /// Epochs and where they began.
    pub epochs: Vec<(i32, i64)>,
    pub high_watermark: i64,
}

/// A record that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Committed {
    pub epoch: i32,
    /// A bit for each in sync or eligible that has it.
    pub holders: u8,
    /// A bit for each that had it, and lost its disk or what was on it.
    pub lost_by: u8,
}

/// What may still happen, as [`Bounds`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub records: u8,
    pub kills: u8,
    pub power_cuts: u8,
    pub lost_disks: u8,
    pub suspicions: u8,
    pub departures: u8,
    pub shrinks: u8,
    pub lost_answers: u8,
    pub reassignments: u8,
    pub elections: u8,
    pub unclean: u8,
}

/// The brokers as the newest image has them (`shard/brokers.rs`).
pub(super) struct Known<'a>(pub &'a ClusterImage);

impl Eligible for Known<'_> {
    fn is_eligible(&self, broker_id: i32, broker_epoch: i64) -> bool {
        let broker = self.0.broker(broker_id);
        broker.is_some_and(|it| it.is_active() && (broker_epoch == -1 || it.epoch == broker_epoch))
    }
}

/// The id of the broker at a place.
pub(super) fn id(at: usize) -> i32 {
    at as i32 + 1
}

/// The place of a broker.
pub(super) fn place(id: i32) -> usize {
    id as usize - 1
}

/// Its bit.
pub(super) fn bit(at: usize) -> u8 {
    1 << at
}

/// In sync or eligible, by the books.
pub(super) fn is_member(partition: &PartitionImage, at: usize) -> bool {
    partition.isr.contains(&id(at)) || partition.elr.contains(&id(at))
}

impl State {
    /// All is well, and nobody has seen an image yet.
    pub fn first(bounds: &Bounds) -> State {
        let machine = Machine {
            is_up: true,
            epoch: 1,
            previous: 1,
            disk: 0,
            is_suspect: false,
            log: Log::default(),
            role: Role::Absent,
            asks: None,
        };
        let left = Left {
            records: bounds.records,
            kills: bounds.kills,
            power_cuts: bounds.power_cuts,
            lost_disks: bounds.lost_disks,
            suspicions: bounds.suspicions,
            departures: bounds.departures,
            shrinks: bounds.shrinks,
            lost_answers: bounds.lost_answers,
            reassignments: bounds.reassignments,
            elections: bounds.elections,
            unclean: bounds.unclean,
        };
        State {
            books: 0,
            leader_epoch: 0,
            partition_epoch: 0,
            machines: [machine.clone(), machine.clone(), machine],
            committed: Vec::new(),
            excused: false,
            left,
        }
    }

    /// The partition as the newest image has it.
    pub fn partition(&self, library: &Library) -> PartitionImage {
        let (leader_epoch, partition_epoch) = (self.leader_epoch, self.partition_epoch);
        PartitionImage { leader_epoch, partition_epoch, ..library.partition(self.books).clone() }
    }

    /// Epochs are numbered anew, in order: nobody does more than compare them.
    pub fn renumber(&mut self) {
        let mut known = Vec::new();
        self.each_epoch(&mut |epoch| known.push(*epoch), &mut |_| {});
        known.sort_unstable();
        known.dedup();
        let mut changes = Vec::new();
        self.each_epoch(&mut |_| {}, &mut |epoch| changes.push(*epoch));
        changes.sort_unstable();
        changes.dedup();
        let rank = |among: &[i32], of: i32| among.partition_point(|epoch| *epoch < of) as i32;
        self.each_epoch(&mut |epoch| *epoch = rank(&known, *epoch), &mut |epoch| {
            *epoch = rank(&changes, *epoch)
        });
    }

    /// Every leader epoch, and every partition epoch.
    fn each_epoch(&mut self, leaders: &mut dyn FnMut(&mut i32), partitions: &mut dyn FnMut(&mut i32)) {
        leaders(&mut self.leader_epoch);
        partitions(&mut self.partition_epoch);
        self.committed.iter_mut().for_each(|it| leaders(&mut it.epoch));
        for machine in &mut self.machines {
            machine.log.records.iter_mut().for_each(&mut *leaders);
            machine.log.epochs.iter_mut().for_each(|(epoch, _)| leaders(epoch));
            match &mut machine.role {
                Role::Absent => {}
                Role::Follower { leader_epoch, .. } => leaders(leader_epoch),
                Role::Leader(leader) => {
                    leaders(&mut leader.leader_epoch);
                    partitions(&mut leader.partition_epoch);
                }
            }
            let Some(asks) = &mut machine.asks else { continue };
            leaders(&mut asks.proposal.leader_epoch);
            partitions(&mut asks.proposal.partition_epoch);
            if let Some(Said::Decided { leader_epoch, partition_epoch, .. }) = &mut asks.said {
                leaders(leader_epoch);
                partitions(partition_epoch);
            }
        }
    }

    /// Equal states have equal numbers; different ones, in all likelihood, different ones.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Said {
    pub fn of(outcome: &IsrOutcome, epochs: (i32, i32)) -> Said {
        match outcome {
            IsrOutcome::Decided { leader_epoch, partition_epoch, isr } => Said::Decided {
                leader_epoch: leader_epoch + epochs.0,
                partition_epoch: partition_epoch + epochs.1,
                isr: isr.clone(),
            },
            IsrOutcome::Refused => Said::Refused,
            IsrOutcome::Outdated => Said::Outdated,
        }
    }

    pub fn outcome(&self) -> IsrOutcome {
        match self.clone() {
            Said::Decided { leader_epoch, partition_epoch, isr } => {
                IsrOutcome::Decided { leader_epoch, partition_epoch, isr }
            }
            Said::Refused => IsrOutcome::Refused,
            Said::Outdated => IsrOutcome::Outdated,
        }
    }
}

impl Log {
    pub fn end(&self) -> i64 {
        self.records.len() as i64
    }

    /// The product's.
    pub fn cache(&self) -> EpochCache {
        let mut cache = EpochCache::default();
        for &(epoch, start) in &self.epochs {
            cache.assign(epoch, start);
        }
        cache
    }

    fn keep(&mut self, cache: &EpochCache) {
        self.epochs = cache.entries().iter().map(|entry| (entry.epoch, entry.start_offset)).collect();
    }

    pub fn begin_epoch(&mut self, epoch: i32) {
        let mut cache = self.cache();
        if cache.assign(epoch, self.end()) {
            self.keep(&cache);
        }
    }

    pub fn append(&mut self, epoch: i32) {
        self.begin_epoch(epoch);
        self.records.push(epoch);
    }

    pub fn truncate(&mut self, end: i64) {
        let mut cache = self.cache();
        self.records.truncate(end as usize);
        cache.truncate_end(end);
        self.keep(&cache);
        self.high_watermark = self.high_watermark.min(end);
    }

    /// A process ended: the checkpoint of the high watermark may be as old as the log, and epochs are known as far as there are records.
    pub fn reopen(&mut self) {
        let mut cache = EpochCache::default();
        for (offset, epoch) in self.records.iter().enumerate() {
            cache.assign(*epoch, offset as i64);
        }
        self.keep(&cache);
        self.high_watermark = 0;
    }

    /// Where a follower with this log fetches.
    pub fn at(&self, leader_epoch: i32) -> FollowerAt {
        let last_fetched_epoch = self.epochs.last().map_or(-1, |(epoch, _)| *epoch);
        FollowerAt { leader_epoch, fetch_offset: self.end(), last_fetched_epoch, log_start_offset: 0 }
    }

    /// What a leader with this log says to that.
    pub fn of_leader(&self, at: FollowerAt) -> LeadersLog {
        LeadersLog {
            log_start_offset: 0,
            high_watermark: self.high_watermark,
            log_end_offset: self.end(),
            last_fetched: self.cache().end_offset(at.last_fetched_epoch, self.end()),
        }
    }

    /// It never goes back, and never beyond the end.
    pub fn advance_high_watermark(&mut self, offset: i64) {
        self.high_watermark = self.high_watermark.max(offset.min(self.end()));
    }
}
