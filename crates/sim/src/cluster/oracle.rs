//! What is known of the whole cluster at once, and of which no node may show anything else: who led when, how far records were
//! committed, what the metadata said at which offset. Each question costs the same however long the run is.

use std::collections::BTreeMap;
use std::sync::Arc;

use kraft::hosted::QuorumStatus;
use kraft::image::MetadataImage;
use wire::hash::StableMap;
use wire::topic::TopicIdPartition;

use crate::invariants::{self, Checked};

/// Images that are kept to be compared with those of others.
const IMAGES: usize = 4_000;

/// A partition as the newest metadata has it.
#[derive(Debug, Clone, Default)]
pub struct InSync {
    partition_epoch: i32,
    pub leader_epoch: i32,
    pub isr: Vec<i32>,
    pub replicas: Vec<i32>,
}

/// What the metadata amounts to at an offset, and the machine that showed it if no other one has.
struct Shown {
    image: Arc<MetadataImage>,
    only: Option<usize>,
}

/// The oracle.
#[derive(Default)]
pub struct Oracle {
    /// By epoch of the metadata quorum.
    controllers: BTreeMap<i32, i32>,
    /// By partition and leader epoch: the machine that led.
    leaders: StableMap<(TopicIdPartition, i32), usize>,
    /// The same: the leader's process and its high watermark.
    high_watermarks: StableMap<(TopicIdPartition, i32), (u64, i64)>,
    /// What the metadata amounts to at an offset.
    images: BTreeMap<i64, Shown>,
    /// The newest in-sync set that any node's metadata has shown, with its partition epoch. A leader hears of a change before its own
    /// metadata shows it; the controller that decided it has shown it by then.
    in_sync: BTreeMap<TopicIdPartition, InSync>,
    /// By partition: how far any replica knows it to be committed.
    committed: StableMap<TopicIdPartition, i64>,
    /// By machine and epoch of the metadata quorum: whom it voted for.
    votes: BTreeMap<(usize, i32), i32>,
    /// By machine: process and offset of the image that was looked at last.
    seen: BTreeMap<usize, (u64, i64)>,
}

impl Oracle {
    /// Who leads the metadata quorum as this node knows.
    pub fn quorum(&mut self, node_id: i32, status: &QuorumStatus) -> Checked {
        let Some(leader) = status.leader.leader else { return Ok(()) };
        let known = *self.controllers.entry(status.leader.epoch).or_insert(leader);
        invariants::an_epoch_of_the_quorum_has_one_leader(node_id, status.leader.epoch, known, leader)
    }

    /// A machine's node gave its vote.
    pub fn voted(&mut self, machine: usize, epoch: i32, candidate: i32) -> Checked {
        let known = *self.votes.entry((machine, epoch)).or_insert(candidate);
        invariants::a_voter_votes_once_in_an_epoch(machine, epoch, known, candidate)
    }

    /// A machine's process shows this image. Answers the partitions whose in-sync sets it is the first to show.
    pub fn image(
        &mut self,
        machine: usize,
        boot: u64,
        image: &Arc<MetadataImage>,
    ) -> Result<Vec<TopicIdPartition>, invariants::Violation> {
        let offset = image.provenance.last_offset;
        let before = self.seen.insert(machine, (boot, offset));
        if before == Some((boot, offset)) {
            return Ok(Vec::new());
        }
        if let Some((_, before)) = before.filter(|(known, _)| *known == boot) {
            invariants::metadata_never_goes_back(machine, before, offset)?;
        }
        let changed = self.note_in_sync(image);
        let first = || Shown { image: Arc::clone(image), only: Some(machine) };
        let known = self.images.entry(offset).or_insert_with(first);
        known.only = known.only.filter(|only| *only == machine);
        let checked = invariants::metadata_is_the_same_everywhere(machine, &known.image, image);
        while self.images.len() > IMAGES {
            self.images.pop_first();
        }
        checked.map(|()| changed)
    }

    /// The only voter lost its power. That time passes it commits without a flush as long as no other process reads its log, so what it alone
    /// has shown may be told differently.
    pub fn only_voter_lost_its_power(&mut self, machine: usize) {
        self.images.retain(|_, shown| shown.only != Some(machine));
    }

    fn note_in_sync(&mut self, image: &MetadataImage) -> Vec<TopicIdPartition> {
        let mut changed = Vec::new();
        for topic in image.topics.iter_by_name() {
            for (&index, partition) in topic.partitions.iter() {
                let key = TopicIdPartition { topic_id: topic.id, partition: index };
                let known = self.in_sync.get(&key);
                if known.is_some_and(|known| partition.partition_epoch <= known.partition_epoch) {
                    continue;
                }
                let newest = InSync {
                    partition_epoch: partition.partition_epoch,
                    leader_epoch: partition.leader_epoch,
                    isr: partition.isr.clone(),
                    replicas: partition.replicas.clone(),
                };
                self.in_sync.insert(key, newest);
                changed.push(key);
            }
        }
        changed
    }

    /// Who is in sync, as far as anybody knows.
    pub fn in_sync(&self, key: &TopicIdPartition) -> InSync {
        self.in_sync.get(key).cloned().unwrap_or_default()
    }

    /// How far the leader of this epoch has called it committed.
    pub fn committed_in(&self, key: TopicIdPartition, leader_epoch: i32) -> i64 {
        self.high_watermarks.get(&(key, leader_epoch)).map_or(0, |(_, high_watermark)| *high_watermark)
    }

    /// A replica knows that so much is committed.
    pub fn is_committed(&mut self, key: TopicIdPartition, high_watermark: i64) {
        let committed = self.committed.entry(key).or_insert(0);
        *committed = high_watermark.max(*committed);
    }

    /// How far any replica knows it to be committed.
    pub fn committed(&self, key: &TopicIdPartition) -> i64 {
        self.committed.get(key).copied().unwrap_or(0)
    }

    /// A machine leads a partition.
    pub fn leader(&mut self, machine: usize, key: TopicIdPartition, leader_epoch: i32) -> Checked {
        let known = *self.leaders.entry((key, leader_epoch)).or_insert(machine);
        invariants::a_leader_epoch_has_one_leader(&key, leader_epoch, known, machine)
    }

    /// What the leader of an epoch says is committed. True if it is more than before. A process that starts anew shows its old
    /// leadership, with what the last checkpoint says, until the controller has heard of it: nobody is served by it.
    pub fn high_watermark(
        &mut self,
        key: TopicIdPartition,
        leader_epoch: i32,
        boot: u64,
        high_watermark: i64,
    ) -> Result<bool, invariants::Violation> {
        let known = self.high_watermarks.entry((key, leader_epoch)).or_insert((boot, 0));
        if known.0 != boot {
            *known = (boot, 0);
        }
        let before = known.1;
        known.1 = high_watermark.max(before);
        invariants::a_leaders_high_watermark_never_goes_back(&key, leader_epoch, before, high_watermark)?;
        Ok(high_watermark > before)
    }
}
