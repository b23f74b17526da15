//! What is known of the whole cluster at once, and of which no node may show anything else: who led when, how far records were
//! committed, what the metadata said at which offset. Each question costs the same however long the run is.

use std::collections::BTreeMap;
use std::sync::Arc;

use kraft::hosted::QuorumStatus;
use kraft::image::MetadataImage;
use wire::topic::TopicIdPartition;

use crate::invariants::{self, Checked};

/// Images that are kept to be compared with those of others.
const IMAGES: usize = 4_000;

/// The oracle.
#[derive(Default)]
pub struct Oracle {
    /// By epoch of the metadata quorum.
    controllers: BTreeMap<i32, i32>,
    /// By partition and leader epoch: the machine that led.
    leaders: BTreeMap<(TopicIdPartition, i32), usize>,
    /// The same: the leader's process and its high watermark.
    high_watermarks: BTreeMap<(TopicIdPartition, i32), (u64, i64)>,
    /// What the metadata amounts to at an offset.
    images: BTreeMap<i64, Arc<MetadataImage>>,
    /// The newest in-sync set that any node's metadata has shown, with its partition epoch. A leader hears of a change before its own
    /// metadata shows it; the controller that decided it has shown it by then.
    in_sync: BTreeMap<TopicIdPartition, (i32, Vec<i32>)>,
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

    /// A machine's process shows this image.
    pub fn image(&mut self, machine: usize, boot: u64, image: &Arc<MetadataImage>) -> Checked {
        let offset = image.provenance.last_offset;
        let before = self.seen.insert(machine, (boot, offset));
        if before == Some((boot, offset)) {
            return Ok(());
        }
        if let Some((_, before)) = before.filter(|(known, _)| *known == boot) {
            invariants::metadata_never_goes_back(machine, before, offset)?;
        }
        self.note_in_sync(image);
        let known = self.images.entry(offset).or_insert_with(|| Arc::clone(image));
        let checked = invariants::metadata_is_the_same_everywhere(machine, known, image);
        while self.images.len() > IMAGES {
            self.images.pop_first();
        }
        checked
    }

    fn note_in_sync(&mut self, image: &MetadataImage) {
        for topic in image.topics.iter_by_name() {
            for (&index, partition) in topic.partitions.iter() {
                let key = TopicIdPartition { topic_id: topic.id, partition: index };
                let known = self.in_sync.entry(key).or_insert((-1, Vec::new()));
                if partition.partition_epoch > known.0 {
                    *known = (partition.partition_epoch, partition.isr.clone());
                }
            }
        }
    }

    /// Who is in sync, as far as anybody knows.
    pub fn in_sync(&self, key: &TopicIdPartition) -> Vec<i32> {
        self.in_sync.get(key).map(|(_, in_sync)| in_sync.clone()).unwrap_or_default()
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
