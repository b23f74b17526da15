//! Partitions without a replica in memory, of those that this broker leads alone; the first command that asks the shard for one wakes
//! it, and it stays awake. Those that were never written have no log and no file, a few words of memory, and a view that all of them
//! share. Those that were found on disk at the start have no view before their log is opened (and after a crash checked): whoever
//! needs it asks for that, and all are opened in the background soon after the start, so that damage is reported.
//! Never holds a partition with another replica, or with a coordinator.

use std::sync::Arc;

use kraft::image::PartitionImage;
use log::{Closed, Fault, LogView, OpenMode};
use wire::topic::TopicIdPartition;

use super::sleepers::Asleep;
use super::{Shard, Timer};
use crate::coordinators::coordinator::Coordinator;
use crate::disks::offsets::DirectoryOffsets;
use crate::limits::{FOUND_LOGS_PAUSE_MS, FOUND_LOGS_PER_STEP};
use crate::replica::isr::InSyncReplicas;
use crate::replica::{Leader, Replica, ReplicaState};
use crate::views::{PartitionCell, Role, TopicViews};

impl Shard {
    /// Whether a partition may sleep.
    pub(super) fn may_sleep(&self, topic: &TopicViews, partition: &PartitionImage) -> bool {
        let alone = [self.around.node_id];
        !topic.internal
            && !Coordinator::lives_in(&topic.name)
            && partition.leader == self.around.node_id
            && partition.replicas == alone
            && partition.isr == alone
    }

    /// A new partition, or one that was found on disk, goes to sleep, led in the image's epoch.
    pub(super) fn lay_down(
        &mut self,
        topic: &Arc<TopicViews>,
        cell: &Arc<PartitionCell>,
        partition: &PartitionImage,
        (directory, found): (usize, Option<OpenMode>),
    ) {
        let is_found = found.is_some();
        let asleep = Asleep {
            cell: Arc::clone(cell),
            topic: Arc::clone(topic),
            directory: u32::try_from(directory).unwrap_or(u32::MAX),
            partition_epoch: partition.partition_epoch,
            found: found.map(Box::new),
        };
        let place = self.sleepers.put(asleep);
        cell.set_asleep(place);
        cell.set_directory(Some(directory));
        if !is_found {
            return self.show_unwritten(cell, partition.leader_epoch);
        }
        cell.set_role(Role::Leader { leader_epoch: partition.leader_epoch });
        if self.sleepers.opening_at.is_none() {
            self.around.directories.recovered.shard_begins();
            self.timers.add(self.now_ms.saturating_add(FOUND_LOGS_PAUSE_MS), Timer::OpenFound);
        }
        self.sleepers.opening_at = Some(self.sleepers.opening_at.unwrap_or(place).min(place));
    }

    /// A new image changed a partition that goes on sleeping.
    pub(super) fn sleep_on(&mut self, cell: &PartitionCell, partition: &PartitionImage) {
        if let Some(asleep) = self.sleepers.of_cell(cell) {
            asleep.partition_epoch = partition.partition_epoch;
            match asleep.found {
                None => self.show_unwritten(cell, partition.leader_epoch),
                Some(_) => cell.set_role(Role::Leader { leader_epoch: partition.leader_epoch }),
            }
        }
    }

    /// The next of those that were found on disk.
    pub(super) fn open_found(&mut self) {
        let mut opened = 0;
        let mut place = self.sleepers.opening_at.unwrap_or(0);
        while opened < FOUND_LOGS_PER_STEP && place < self.sleepers.len() {
            if let Some(Asleep { cell, found: Some(_), .. }) = self.sleepers.get(place) {
                let cell = Arc::clone(cell);
                self.wake(&cell);
                opened += 1;
            }
            place += 1;
        }
        let was_at_it = self.sleepers.opening_at.is_some();
        self.sleepers.opening_at = (place < self.sleepers.len()).then_some(place);
        if was_at_it && self.sleepers.opening_at.is_none() {
            self.around.directories.recovered.shard_ends();
            self.tell_recovered_soon();
        }
        if self.sleepers.opening_at.is_some() {
            self.timers.add(self.now_ms, Timer::OpenFound);
        }
    }

    /// In a turn of its own, whose time is that of the end.
    pub(super) fn tell_recovered_soon(&mut self) {
        if self.around.directories.recovered.is_untold() {
            self.timers.add(self.now_ms.saturating_add(1), Timer::TellRecovered);
        }
    }

    /// A reader needs the view of one of them.
    pub(super) fn open_one(&mut self, place: usize, key: &TopicIdPartition) {
        let asleep = self.sleepers.get(place);
        if let Some(Asleep { cell, .. }) = asleep.filter(|asleep| asleep.cell.key == *key) {
            let cell = Arc::clone(cell);
            self.wake(&cell);
        }
    }

    /// What the logs that are not open yet give to the checkpoints: what those said at the start.
    pub(super) fn offsets_asleep(&self) -> impl Iterator<Item = (usize, (String, i32), Closed)> {
        self.sleepers.iter().filter_map(|asleep| {
            let mode = asleep.found.as_ref()?;
            let name = (asleep.topic.name.to_string(), asleep.cell.key.partition);
            Some((asleep.directory as usize, name, Closed::from(&**mode)))
        })
    }

    /// The same at the end of the shard. Those that were not closed cleanly the last time are opened: a clean stop vouches for
    /// all.
    pub(super) fn close_asleep(
        &mut self,
        offsets: &mut std::collections::BTreeMap<usize, DirectoryOffsets>,
    ) -> Vec<(usize, Fault)> {
        let unclean = |asleep: &&Asleep| asleep.found.as_ref().is_some_and(|mode| !mode.clean_shutdown);
        let cells: Vec<_> =
            self.sleepers.iter().filter(unclean).map(|asleep| Arc::clone(&asleep.cell)).collect();
        for cell in cells {
            self.wake(&cell);
        }
        for (directory, name, closed) in self.offsets_asleep() {
            offsets.entry(directory).or_default().add(name, closed);
        }
        self.take_opening_faults()
    }

    pub(super) fn take_opening_faults(&mut self) -> Vec<(usize, Fault)> {
        std::mem::take(&mut self.sleepers.faults)
    }

    /// Somebody asks for it: a replica with its log (an empty one if it was never written), as it would have been from the start. Its
    /// cell says that it sleeps until it has a replica: a reader who comes while its log is being opened waits for that turn.
    pub(super) fn wake(&mut self, cell: &PartitionCell) {
        let Some(Asleep { cell, topic, directory, partition_epoch, found }) = self.sleepers.take(cell) else {
            return;
        };
        let directory = directory as usize;
        let is_found = found.is_some();
        let opened = self.open_log(&topic, cell.key.partition, directory, found.map(|mode| *mode));
        let mut log = match opened {
            Ok(Some(log)) => log,
            Ok(None) => return lie_offline(&cell),
            Err(fault) => {
                lie_offline(&cell);
                return self.sleepers.faults.push((directory, fault));
            }
        };
        let settings = topic.settings.load_full();
        let state = match cell.role() {
            Role::Leader { leader_epoch } => {
                log.begin_epoch(leader_epoch);
                let alone = [self.around.node_id];
                let isr = InSyncReplicas::new(self.around.node_id, &alone, &alone);
                let flush_acks = self.flush_acks(&isr, settings.min_insync_replicas);
                ReplicaState::Leader(Leader { leader_epoch, partition_epoch, isr, flush_acks })
            }
            Role::Follower { .. } | Role::Absent | Role::Offline => ReplicaState::Offline,
        };
        let mut replica = Replica::new(topic.name.clone(), Arc::clone(&cell), directory, log, settings);
        replica.state = state;
        if is_found {
            // As with a replica that was opened when the image named it.
            replica.advance_high_watermark();
            replica.show();
            replica.show_role();
        }
        self.put(&cell, replica);
    }

    /// All that sleep on a directory, or everywhere.
    pub(super) fn wake_all_on(&mut self, directory: usize) {
        let on = |asleep: &&Asleep| asleep.directory as usize == directory;
        let cells: Vec<_> = self.sleepers.iter().filter(on).map(|asleep| Arc::clone(&asleep.cell)).collect();
        for cell in cells {
            self.wake(&cell);
        }
    }

    /// Its topic was deleted, or its replica moved away: there is nothing else to tidy up if there is nothing on disk.
    pub(super) fn forget_asleep(&mut self, cell: &PartitionCell) {
        if self.sleepers.of_cell(cell).is_some_and(|asleep| asleep.found.is_some()) {
            return self.wake(cell);
        }
        if let Some(asleep) = self.sleepers.take(cell) {
            cell.set_role(Role::Absent);
            cell.set_slot(None);
            cell.set_directory(None);
            if let Some(directory) = self.around.directories.get(asleep.directory as usize) {
                directory.replica_gone();
            }
        }
    }

    /// The end of the shard.
    pub(super) fn forget_all_asleep(&mut self) {
        for asleep in self.sleepers.drain() {
            asleep.cell.set_role(Role::Absent);
            asleep.cell.set_slot(None);
        }
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

/// Its log could not be opened.
fn lie_offline(cell: &PartitionCell) {
    cell.set_role(Role::Offline);
    cell.set_slot(None);
}
