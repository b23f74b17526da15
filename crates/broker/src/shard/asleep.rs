//! Partitions that were never written and that this broker leads alone: no replica, no log, no file, a few words of memory. Readers
//! see a view that all of them share; the first command that asks the shard for one wakes it, and it stays awake.
//! Never holds a partition with anything on disk, with another replica, or with a coordinator.

use std::sync::Arc;

use kraft::image::PartitionImage;
use log::{Log, LogView};

use super::Shard;
use crate::replica::isr::InSyncReplicas;
use crate::replica::{Leader, Replica, State};
use crate::views::{PartitionCell, Role, TopicViews};

/// One of them. Its leader epoch is in the cell's role.
struct Asleep {
    cell: Arc<PartitionCell>,
    topic: Arc<TopicViews>,
    /// Index of the log directory where its log will be.
    directory: usize,
    partition_epoch: i32,
}

/// All of a shard.
#[derive(Default)]
pub(super) struct Sleepers {
    list: Vec<Option<Asleep>>,
    free: Vec<usize>,
    /// The shared view of the newest epoch; topics that were made together share their epochs.
    view: Option<(i32, Arc<LogView>)>,
}

impl Shard {
    /// Whether a partition without anything on disk may sleep.
    pub(super) fn may_sleep(&self, topic: &TopicViews, partition: &PartitionImage) -> bool {
        let alone = [self.around.node_id];
        !topic.internal
            && partition.leader == self.around.node_id
            && partition.replicas == alone
            && partition.isr == alone
    }

    /// A new partition goes to sleep, led in the image's epoch.
    pub(super) fn lay_down(
        &mut self,
        topic: &Arc<TopicViews>,
        cell: &Arc<PartitionCell>,
        partition: &PartitionImage,
        directory: usize,
    ) {
        let asleep = Asleep {
            cell: Arc::clone(cell),
            topic: Arc::clone(topic),
            directory,
            partition_epoch: partition.partition_epoch,
        };
        let place = match self.sleepers.free.pop() {
            Some(place) => {
                self.sleepers.list[place] = Some(asleep);
                place
            }
            None => {
                self.sleepers.list.push(Some(asleep));
                self.sleepers.list.len() - 1
            }
        };
        cell.set_asleep(place);
        self.show_unwritten(cell, partition.leader_epoch);
    }

    /// A new image changed a partition that goes on sleeping.
    pub(super) fn sleep_on(&mut self, cell: &PartitionCell, partition: &PartitionImage) {
        let place = cell.asleep().and_then(|place| self.sleepers.list.get_mut(place));
        if let Some(asleep) = place.and_then(Option::as_mut) {
            asleep.partition_epoch = partition.partition_epoch;
            self.show_unwritten(cell, partition.leader_epoch);
        }
    }

    /// Somebody asks for it: a replica with an empty log, as it would have been from the start.
    pub(super) fn wake(&mut self, cell: &PartitionCell) {
        let Some(Asleep { cell, topic, directory, partition_epoch }) = self.take_asleep(cell) else { return };
        let Some(path) = self
            .around
            .directories
            .get(directory)
            .map(|d| d.log.partition_path(&topic.name, cell.key.partition))
        else {
            return;
        };
        let settings = topic.settings.load_full();
        let disk = Arc::clone(&self.around.disk);
        let mut log = Log::unwritten(disk, path, Arc::clone(&settings.log), topic.id);
        let state = match cell.role() {
            Role::Leader { leader_epoch } => {
                log.begin_epoch(leader_epoch);
                let alone = [self.around.node_id];
                let isr = InSyncReplicas::new(self.around.node_id, &alone, &alone);
                let flush_acks = self.flush_acks(&isr, settings.min_insync_replicas);
                State::Leader(Leader { leader_epoch, partition_epoch, isr, flush_acks })
            }
            Role::Follower { .. } | Role::Absent | Role::Offline => State::Offline,
        };
        let mut replica = Replica::new(topic.name.clone(), Arc::clone(&cell), directory, log, settings);
        replica.state = state;
        self.put(&cell, replica);
    }

    /// All that sleep on a directory, or everywhere.
    pub(super) fn wake_all_on(&mut self, directory: usize) {
        let on = |asleep: &&Asleep| asleep.directory == directory;
        let cells: Vec<_> =
            self.sleepers.list.iter().flatten().filter(on).map(|asleep| Arc::clone(&asleep.cell)).collect();
        for cell in cells {
            self.wake(&cell);
        }
    }

    /// Its topic was deleted, or its replica moved away: there is nothing else to tidy up.
    pub(super) fn forget_asleep(&mut self, cell: &PartitionCell) {
        if let Some(asleep) = self.take_asleep(cell) {
            cell.set_role(Role::Absent);
            if let Some(directory) = self.around.directories.get(asleep.directory) {
                directory.replica_gone();
            }
        }
    }

    /// The end of the shard.
    pub(super) fn forget_all_asleep(&mut self) {
        for asleep in std::mem::take(&mut self.sleepers).list.into_iter().flatten() {
            asleep.cell.set_role(Role::Absent);
            asleep.cell.set_slot(None);
        }
    }

    fn take_asleep(&mut self, cell: &PartitionCell) -> Option<Asleep> {
        let place = cell.asleep()?;
        let asleep = self.sleepers.list.get_mut(place)?.take()?;
        self.sleepers.free.push(place);
        cell.set_slot(None);
        Some(asleep)
    }

    /// Publishes an empty log's view, then the role.
    fn show_unwritten(&mut self, cell: &PartitionCell, leader_epoch: i32) {
        let view = match &self.sleepers.view {
            Some((epoch, view)) if *epoch == leader_epoch => Arc::clone(view),
            Some(_) | None => {
                let view = Arc::new(LogView::unwritten(Arc::clone(&self.around.disk), leader_epoch));
                self.sleepers.view = Some((leader_epoch, Arc::clone(&view)));
                view
            }
        };
        cell.publish_unwritten(view);
        cell.set_role(Role::Leader { leader_epoch });
    }
}
