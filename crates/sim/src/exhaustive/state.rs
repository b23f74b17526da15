//! What there is at one moment: the controller's image, what brokers have seen of it, their roles and logs, what is under way between
//! them, what was ever committed, and how much may still go wrong. Changes nothing by itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use broker::in_sync::{Eligible, FollowerAt, IsrProposals, Leader, LeadersLog};
use kraft::image::{LeaderRecoveryState, MetadataImage, PartitionImage};
use log::epochs::EpochCache;
use wire::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};

use super::bounds::Bounds;

/// The topic, of one partition.
pub const TOPIC: &str = "t";
/// Brokers have the ids 1 to 3.
pub const BROKERS: usize = 3;

/// Everything.
#[derive(Clone)]
pub struct State {
    pub image: Arc<MetadataImage>,
    /// What some broker has still to see, oldest first; the last is what the controller's image shows.
    pub versions: Vec<Arc<Seen>>,
    /// By id, less one.
    pub brokers: [Arc<Broker>; BROKERS],
    /// A request whose sender does not wait for it any more, and that may still arrive.
    pub late_request: Option<Arc<AlterPartitionRequest>>,
    /// A fetch that may arrive after its sender has lost its power.
    pub late_fetch: Option<LateFetch>,
    /// The epochs of all records that a leader ever called committed.
    pub committed: Arc<Vec<i32>>,
    /// Somebody was elected who may lack some: marked as such.
    pub had_unclean_election: bool,
    /// So many have registered after an unclean stop.
    pub unclean_registrations: u8,
    /// By broker: it has registered after an unclean stop, and not been in the ISR since.
    pub unclean: [bool; BROKERS],
    /// What may still go wrong.
    pub left: Left,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Left {
    pub records: u8,
    pub crashes: u8,
    pub lossy: u8,
    pub suspicions: u8,
    pub shrinks: u8,
    pub lost: u8,
    pub elections: u8,
}

impl Left {
    pub fn of(bounds: &Bounds) -> Left {
        Left {
            records: bounds.records,
            crashes: bounds.crashes,
            lossy: bounds.lossy,
            suspicions: bounds.suspicions,
            shrinks: bounds.shrinks,
            lost: bounds.lost,
            elections: bounds.elections,
        }
    }
}

/// What an image says of the partition and of the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub partition: Arc<PartitionImage>,
    /// Epoch, and whether it is fenced.
    pub brokers: [(i64, bool); BROKERS],
}

/// A broker's process, and its disk.
#[derive(Debug, Clone)]
pub struct Broker {
    pub is_up: bool,
    /// The last stop was in order.
    pub was_clean: bool,
    /// Of its registration; -1 before the first.
    pub epoch: i64,
    /// Which of the versions it has seen last.
    pub seen: usize,
    pub role: Role,
    pub log: Log,
    pub proposals: IsrProposals,
    pub way: Way,
}

#[derive(Debug, Clone)]
pub enum Role {
    /// It has seen no image yet.
    None,
    Follower {
        leader_epoch: i32,
        leader: i32,
    },
    Leader(Leader),
}

/// An AlterPartition request on its way.
#[derive(Debug, Clone)]
pub enum Way {
    Free,
    Request(Arc<AlterPartitionRequest>),
    Answer(Arc<AlterPartitionResponse>),
}

/// A log: the epoch of each record. An epoch has one leader, so that epoch and offset name a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    pub records: Vec<i32>,
    pub epochs: EpochCache,
    pub high_watermark: i64,
}

#[derive(Debug, Clone, Copy, Hash)]
pub struct LateFetch {
    pub follower: i32,
    pub broker_epoch: i64,
    pub leader: i32,
    pub at: (i32, i64, i32),
}

impl Log {
    pub fn end(&self) -> i64 {
        self.records.len() as i64
    }

    /// Where a follower with this log fetches.
    pub fn at(&self, leader_epoch: i32) -> FollowerAt {
        let last_fetched_epoch = self.epochs.latest().map_or(-1, |latest| latest.epoch);
        FollowerAt { leader_epoch, fetch_offset: self.end(), last_fetched_epoch, log_start_offset: 0 }
    }

    /// As the leader's, for a fetch.
    pub fn of_leader(&self, at: FollowerAt) -> LeadersLog {
        LeadersLog {
            log_start_offset: 0,
            high_watermark: self.high_watermark,
            log_end_offset: self.end(),
            last_fetched: self.epochs.end_offset(at.last_fetched_epoch, self.end()),
        }
    }

    pub fn append(&mut self, epoch: i32) {
        self.epochs.assign(epoch, self.end());
        self.records.push(epoch);
    }

    pub fn truncate(&mut self, end: i64) {
        self.records.truncate(usize::try_from(end).unwrap_or(0));
        self.epochs.truncate_end(end);
        self.high_watermark = self.high_watermark.min(self.end());
    }

    /// It never goes back but by truncation, and never beyond the end.
    pub fn advance_high_watermark(&mut self, offset: i64) -> bool {
        let before = self.high_watermark;
        self.high_watermark = before.max(offset.min(self.end()));
        self.high_watermark > before
    }
}

impl Seen {
    pub fn of(image: &MetadataImage) -> Seen {
        let partition = image.topics.by_name(TOPIC).and_then(|topic| topic.partition(0));
        let Some(partition) = partition else { unreachable!("the topic is never deleted") };
        let broker = |index: usize| {
            image.cluster.broker(id(index)).map_or((-1, true), |broker| (broker.epoch, broker.fenced))
        };
        Seen { partition: Arc::clone(partition), brokers: [broker(0), broker(1), broker(2)] }
    }

    pub fn is_recovering(&self) -> bool {
        self.partition.leader_recovery_state == LeaderRecoveryState::Recovering
    }
}

impl Eligible for Seen {
    fn is_eligible(&self, broker_id: i32, broker_epoch: i64) -> bool {
        let broker = index(broker_id).and_then(|index| self.brokers.get(index));
        broker.is_some_and(|(epoch, fenced)| !fenced && (broker_epoch == -1 || broker_epoch == *epoch))
    }
}

/// The id of the broker at this place.
pub fn id(index: usize) -> i32 {
    index as i32 + 1
}

/// The place of the broker of this id, if it is one.
pub fn index(id: i32) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1).filter(|index| *index < BROKERS)
}

impl State {
    /// What the controller's image shows.
    pub fn newest(&self) -> &Seen {
        match self.versions.last() {
            Some(newest) => newest,
            None => unreachable!("the newest version is always kept"),
        }
    }

    pub fn broker(&self, index: usize) -> &Broker {
        &self.brokers[index]
    }

    pub fn broker_mut(&mut self, index: usize) -> &mut Broker {
        Arc::make_mut(&mut self.brokers[index])
    }

    /// What the broker has seen last.
    pub fn seen_by(&self, index: usize) -> &Seen {
        match self.versions.get(self.broker(index).seen) {
            Some(seen) => seen,
            None => unreachable!("a version is kept until all have seen it"),
        }
    }

    /// Versions that nobody has to see any more are forgotten.
    pub fn forget_versions(&mut self) {
        let newest = self.versions.len() - 1;
        let seen = |broker: &Arc<Broker>| if broker.is_up { broker.seen } else { newest };
        let oldest = self.brokers.iter().map(seen).min().unwrap_or(0);
        self.versions.drain(..oldest);
        for index in 0..BROKERS {
            // Who is down sees the newest when it comes back.
            let broker = self.broker_mut(index);
            broker.seen = if broker.is_up { broker.seen - oldest } else { 0 };
        }
    }

    /// Equal states have equal numbers; different ones, with all likelihood, different ones. Partition epochs count from the controller's:
    /// nobody does more than compare them.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let now = self.newest().partition.partition_epoch;
        self.versions.iter().for_each(|seen| seen.hash_since(now, &mut hasher));
        self.brokers.iter().for_each(|broker| broker.hash_since(now, &mut hasher));
        match &self.late_request {
            Some(request) => hash_request(request, now, &mut hasher),
            None => 0.hash(&mut hasher),
        }
        self.late_fetch.hash(&mut hasher);
        self.committed.hash(&mut hasher);
        (self.had_unclean_election, self.unclean_registrations, self.unclean, self.left).hash(&mut hasher);
        hasher.finish()
    }
}

impl Broker {
    fn hash_since(&self, now: i32, hasher: &mut impl Hasher) {
        (self.is_up, self.was_clean, self.epoch, self.seen).hash(hasher);
        match &self.role {
            Role::None => 0.hash(hasher),
            Role::Follower { leader_epoch, leader } => (1, leader_epoch, leader).hash(hasher),
            Role::Leader(leader) => {
                (2, leader.leader_epoch, now - leader.partition_epoch, &leader.isr).hash(hasher);
            }
        }
        self.log.hash(hasher);
        match &self.way {
            Way::Free => 0.hash(hasher),
            Way::Request(request) => hash_request(request, now, hasher),
            Way::Answer(answer) => {
                (2, answer.error_code).hash(hasher);
                for line in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                    (line.error_code, line.leader_epoch, now - line.partition_epoch, &line.isr).hash(hasher);
                }
            }
        }
        // When the next is due does not matter where time stands still.
        let is_idle = matches!(self.way, Way::Free) && self.proposals.next_deadline().is_none();
        if !is_idle {
            self.proposals.hash(hasher);
        }
    }
}

impl Seen {
    fn hash_since(&self, now: i32, hasher: &mut impl Hasher) {
        let partition = &self.partition;
        (&partition.isr, &partition.elr, &partition.last_known_elr).hash(hasher);
        (partition.leader, partition.leader_epoch, now - partition.partition_epoch).hash(hasher);
        (self.is_recovering(), self.brokers).hash(hasher);
    }
}

impl Hash for Log {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.records.hash(hasher);
        let entries = self.epochs.entries().iter();
        entries.for_each(|entry| (entry.epoch, entry.start_offset).hash(hasher));
        self.high_watermark.hash(hasher);
    }
}

fn hash_request(request: &AlterPartitionRequest, now: i32, hasher: &mut impl Hasher) {
    (1, request.broker_id, request.broker_epoch).hash(hasher);
    for line in request.topics.iter().flat_map(|topic| &topic.partitions) {
        (line.leader_epoch, now - line.partition_epoch).hash(hasher);
        let isr = line.new_isr_with_epochs.iter();
        isr.for_each(|state| (state.broker_id, state.broker_epoch).hash(hasher));
    }
}
