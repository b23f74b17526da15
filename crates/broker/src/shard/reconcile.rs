//! A new image on a shard: replicas of this node are opened, led, followed, reconfigured or deleted. Only the cells of this
//! shard are touched.

use std::sync::Arc;

use coordinator::group::DeletedTopic;
use kraft::image::{NO_LEADER, PartitionImage};
use log::fault::Cause;
use log::{Fault, Log, OpenMode};
use wire::ErrorCode;

use super::turn::Turn;
use super::{Shard, upkeep};
use crate::disks::found::{FoundReplica, FutureFound, Placement};
use crate::effect::Effect;
use crate::quorum::image_delta::{ImageChange, TopicDelta};
use crate::replica::isr::InSyncReplicas;
use crate::replica::{Leader, Replica, ReplicaState};
use crate::views::{PartitionCell, Role, TopicViews};

/// What became of a replica that was to be opened.
enum Opened {
    Awake,
    Asleep,
    /// No directory can take it.
    Nowhere,
}

/// A replica's directory, its log, and its copies on their way elsewhere.
type FoundLog = (usize, Option<Log>, Vec<FutureFound>);

impl Shard {
    pub(super) fn reconcile(&mut self, turn: &mut Turn, change: &ImageChange) {
        if change.cleaners {
            self.cleaners_changed(turn.now_ms);
        }
        if let Some(brokers) = &change.brokers {
            self.brokers_changed(turn, brokers);
        }
        if let Some(level) = change.transaction_version {
            self.transaction_version_changed(level);
        }
        if let Some(view) = &change.group_view {
            self.group_view_changed(view);
        }
        let mut deleted = Vec::new();
        for delta in &change.topics {
            match delta {
                TopicDelta::Gone { views } => {
                    for cell in self.own(views) {
                        self.delete_replica(turn, &cell);
                    }
                    deleted.push(DeletedTopic { id: views.id, name: views.name.clone() });
                }
                TopicDelta::Set { views, topic, partitions, settings } => {
                    let all = || topic.partitions.iter().map(|(&index, _)| index).collect::<Vec<_>>();
                    let changed = partitions.clone().unwrap_or_else(all);
                    for index in changed {
                        let (Some(cell), Some(partition)) = (views.partition(index), topic.partition(index))
                        else {
                            continue;
                        };
                        if cell.shard == self.index() {
                            self.set_partition(turn, views, cell, partition);
                        }
                    }
                    if *settings {
                        self.configure(views);
                    }
                }
            }
        }
        if !deleted.is_empty() {
            self.topics_deleted(turn, &deleted);
        }
        self.tell_recovered_soon();
    }

    /// The cells of a topic that this shard owns.
    fn own(&self, views: &TopicViews) -> Vec<Arc<PartitionCell>> {
        views.partitions.iter().filter(|cell| cell.shard == self.index()).cloned().collect()
    }

    fn configure(&mut self, views: &TopicViews) {
        let settings = views.settings.load_full();
        // Those that sleep read the settings when they wake.
        for cell in self.own(views).into_iter().filter(|cell| cell.asleep().is_none()) {
            if let Some(replica) = self.touch(&cell) {
                replica.log.set_config(Arc::clone(&settings.log));
                replica.settings = Arc::clone(&settings);
                // `min.insync.replicas` may be another.
                replica.advance_high_watermark();
                self.set_flush_acks(&cell);
            }
        }
    }

    fn set_partition(
        &mut self,
        turn: &mut Turn,
        views: &Arc<TopicViews>,
        cell: &Arc<PartitionCell>,
        partition: &PartitionImage,
    ) {
        let node_id = self.around.node_id;
        if !partition.replicas.contains(&node_id) {
            self.delete_replica(turn, cell);
            return;
        }
        if cell.asleep().is_some() {
            if self.may_sleep(views, partition) {
                self.sleep_on(cell, partition);
                return self.compare_directory(turn, cell, partition);
            }
            self.wake(cell);
        }
        if cell.slot().is_none() {
            match self.open_replica(turn, views, cell, partition) {
                Ok(Opened::Awake) => {}
                Ok(Opened::Asleep) => return self.compare_directory(turn, cell, partition),
                Ok(Opened::Nowhere) => return cell.set_role(Role::Offline),
                Err((directory, fault)) => {
                    cell.set_role(Role::Offline);
                    turn.effects.push(Effect::DirectoryFailed { directory, fault });
                    return;
                }
            }
        }
        if partition.leader == node_id {
            self.lead(turn, cell, partition);
        } else {
            self.follow(turn, cell, partition);
        }
        self.compare_directory(turn, cell, partition);
    }

    /// Opens what is on disk, or lets it sleep until somebody asks for it.
    fn open_replica(
        &mut self,
        turn: &mut Turn,
        views: &Arc<TopicViews>,
        cell: &Arc<PartitionCell>,
        partition: &PartitionImage,
    ) -> Result<Opened, (usize, Fault)> {
        let wanted = partition.directory(self.around.node_id);
        let index = cell.key.partition;
        let (directory, log, futures) = match self.around.directories.place(&views.name, index, wanted) {
            Placement::Nowhere => {
                tracing::error!(topic = %views.name, partition = index, "a replica is offline: it lies in a log directory that cannot be used");
                return Ok(Opened::Nowhere);
            }
            Placement::New { directory } => {
                if let Some(place) = self.around.directories.get(directory) {
                    place.forget_lines(&views.name, index).map_err(|fault| (directory, fault))?;
                }
                if self.may_sleep(views, partition) {
                    self.lay_down(views, cell, partition, (directory, None));
                    return Ok(Opened::Asleep);
                }
                (directory, self.open_log_in(views, index, directory, None)?, Vec::new())
            }
            Placement::Promote(future) => (future.directory, self.promote(views, index, future)?, Vec::new()),
            Placement::Found(found) if found.is_alone() && self.may_sleep(views, partition) => {
                self.lay_down(views, cell, partition, (found.directory, Some(found.mode)));
                return Ok(Opened::Asleep);
            }
            Placement::Found(found) => self.open_found_replica(turn, views, index, *found)?,
        };
        let Some(log) = log else { return Ok(Opened::Nowhere) };
        let settings = views.settings.load_full();
        let replica = Replica::new(views.name.clone(), Arc::clone(cell), directory, log, settings);
        cell.set_directory(Some(directory));
        self.put(cell, replica);
        let mut futures = futures.into_iter();
        if let Some(future) = futures.next() {
            self.resume_move(turn, views, cell, future);
        }
        for future in futures {
            self.discard_found(turn, future);
        }
        Ok(Opened::Awake)
    }

    /// The log of a partition, opened as it was found, or one without anything on disk. `None` where there is no such directory.
    pub(super) fn open_log(
        &self,
        views: &TopicViews,
        index: i32,
        directory: usize,
        found: Option<OpenMode>,
    ) -> Result<Option<Log>, Fault> {
        let Some(place) = self.around.directories.get(directory) else { return Ok(None) };
        if found.is_some() && place.is_failed() {
            return Ok(None);
        }
        let is_unclean = found.as_ref().is_some_and(|mode| !mode.clean_shutdown);
        let path = place.log.partition_path(&views.name, index);
        let settings = views.settings.load_full();
        let (disk, config) = (Arc::clone(&self.around.disk), Arc::clone(&settings.log));
        let open = |mode| {
            let mode = OpenMode { topic_id: Some(views.id), ..mode };
            let wall_ms = self.around.wall.at(self.now_ms);
            Log::open(Arc::clone(&disk), path.clone(), Arc::clone(&config), mode, wall_ms)
        };
        let unwritten = || Log::unwritten(Arc::clone(&disk), path.clone(), Arc::clone(&config), views.id);
        let log = match found.map(open) {
            None => unwritten(),
            Some(Err(fault)) if matches!(fault.cause, Cause::Corrupt(_)) => {
                let aside = place.log.set_stray_aside(&views.name, index, views.id, place.deletion_name());
                let Some(stray) = aside? else { return Err(fault) };
                place.log_gone(&views.name, index);
                place.forget_lines(&views.name, index)?;
                tracing::warn!(stray = %stray.display(), "a directory of an older topic of this name is set aside");
                unwritten()
            }
            Some(opened) => opened?,
        };
        if is_unclean {
            let bytes = log.recovery_report().map_or(0, |report| report.scanned_bytes);
            self.around.directories.recovered.add(self.now_ms, bytes);
        }
        upkeep::report_recovery(&log);
        if log.recovery_report().is_some_and(|report| report.ends_before.is_some()) {
            place.lower_recovery_point(&views.name, index, log.recovery_point())?;
        }
        Ok(Some(log))
    }

    /// As [`Shard::open_log`], its fault with the directory it was of.
    fn open_log_in(
        &self,
        views: &TopicViews,
        index: i32,
        directory: usize,
        found: Option<OpenMode>,
    ) -> Result<Option<Log>, (usize, Fault)> {
        self.open_log(views, index, directory, found).map_err(|fault| (directory, fault))
    }

    /// Opens a replica; where two directories hold one, the log that reaches further is right.
    fn open_found_replica(
        &self,
        turn: &mut Turn,
        views: &TopicViews,
        index: i32,
        found: FoundReplica,
    ) -> Result<FoundLog, (usize, Fault)> {
        let FoundReplica { mut directory, mut mode, rival, futures } = found;
        let Some((other, mut other_mode)) = rival else {
            let log = self.open_log_in(views, index, directory, Some(mode))?;
            return Ok((directory, log, futures));
        };
        // What one of them has deleted, both have.
        let start = mode.log_start_offset.max(other_mode.log_start_offset);
        (mode.log_start_offset, other_mode.log_start_offset) = (start, start);
        let log = self.open_log_in(views, index, directory, Some(mode))?;
        let loser = self.open_log_in(views, index, other, Some(other_mode))?;
        let (Some(mut log), Some(mut loser)) = (log, loser) else { return Ok((directory, None, futures)) };
        let mut loses = other;
        let directories = &self.around.directories;
        if loser.reach() > log.reach() {
            std::mem::swap(&mut log, &mut loser);
            std::mem::swap(&mut directory, &mut loses);
            directories.get(directory).into_iter().for_each(|place| place.replica_here());
            directories.get(loses).into_iter().for_each(|place| place.replica_gone());
        }
        let Some(place) = directories.get(loses) else { return Ok((directory, Some(log), futures)) };
        let on_disk = |fault| (loses, fault);
        if loser.is_part_of(&log.view()) {
            tracing::info!(directory = %place.log.path().display(), "a replica had moved before the last stop: what it left goes");
            let removal = loser.delete(place.deletion_name()).map_err(on_disk)?;
            turn.effects.extend(removal.map(Effect::Remove));
        } else {
            drop(loser);
            let aside = place.log.set_aside(&views.name, index, place.deletion_name()).map_err(on_disk)?;
            tracing::error!(stray = %aside.display(), "two log directories held different logs of one replica: the shorter one is set aside");
        }
        place.log_gone(&views.name, index);
        Ok((directory, Some(log), futures))
    }

    /// The move had been agreed upon and its old log is nowhere: the copy is the replica.
    fn promote(
        &self,
        views: &TopicViews,
        index: i32,
        future: FutureFound,
    ) -> Result<Option<Log>, (usize, Fault)> {
        let FutureFound { directory, path, mode } = future;
        let Some(place) = self.around.directories.get(directory) else { return Ok(None) };
        tracing::warn!(from = %path.display(), "only a replica's copy on its way is left: it takes the replica's place");
        let on_disk = |fault| (directory, fault);
        let target = place.log.partition_path(&views.name, index);
        self.around.disk.rename_directory(&path, &target).map_err(on_disk)?;
        self.around.disk.sync_directory(place.log.path()).map_err(on_disk)?;
        self.open_log_in(views, index, directory, Some(OpenMode { clean_shutdown: false, ..mode }))
    }

    fn discard_found(&self, turn: &mut Turn, future: FutureFound) {
        let Some(place) = self.around.directories.get(future.directory) else { return };
        match place.discard_future(&future.path) {
            Ok(removal) => turn.effects.push(Effect::Remove(removal)),
            Err(fault) => turn.effects.push(Effect::DirectoryFailed { directory: future.directory, fault }),
        }
    }

    /// Gives a replica its slot.
    pub(super) fn put(&mut self, cell: &PartitionCell, mut replica: Replica) {
        assert!(cell.shard == self.around.index, "seats: a partition is another shard's");
        self.logs += 1;
        replica.log.begin_life(self.logs);
        let slot = self.seats.put(replica);
        cell.set_slot(Some(slot));
    }

    fn lead(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, partition: &PartitionImage) {
        let node_id = self.around.node_id;
        let Some(replica) = self.touch(cell) else { return };
        if matches!(replica.state, ReplicaState::Offline) {
            return;
        }
        if let ReplicaState::Leader(leader) = &mut replica.state
            && leader.leader_epoch == partition.leader_epoch
        {
            if leader.sees(partition, turn.now_ms) {
                replica.advance_high_watermark();
                self.set_flush_acks(cell);
            }
            return;
        }
        let followed = matches!(replica.state, ReplicaState::Follower { leader, .. } if leader != NO_LEADER);
        if followed {
            turn.effects.push(Effect::Unfollow(cell.key, turn.number));
        }
        replica.fetches_when_flushed = false;
        let begins = (replica.log.log_end_offset(), turn.now_ms);
        let isr = InSyncReplicas::led_from(node_id, &partition.replicas, &partition.isr, begins);
        if let Err(fault) = replica.log.start_leader_epoch(partition.leader_epoch) {
            return self.refused(turn, cell, crate::replica::Refused::Fault(fault));
        }
        replica.state = ReplicaState::Leader(Leader {
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr,
            flush_acks: false,
        });
        replica.advance_high_watermark();
        replica.show();
        replica.show_role();
        replica.wake_all();
        if partition.replicas.len() > 1 {
            replica.flushing.epoch_begins();
        }
        self.set_flush_acks(cell);
        if let Some(slot) = cell.slot() {
            // A new epoch is a new term of the coordinator: what it held of the old one is dropped and read again.
            self.close_coordinator(turn, slot, ErrorCode::NotCoordinator);
            self.close_shares(slot, ErrorCode::NotLeaderOrFollower);
            self.open_coordinator(turn, slot);
        }
    }

    fn follow(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, partition: &PartitionImage) {
        let Some(replica) = self.touch(cell) else { return };
        let (leader_epoch, leader) = (partition.leader_epoch, partition.leader);
        match replica.state {
            ReplicaState::Offline => return,
            // The ISR changed, or the assignment: nothing to a follower.
            ReplicaState::Follower { leader_epoch: own, leader: followed }
                if own == leader_epoch && followed == leader =>
            {
                return;
            }
            ReplicaState::Follower { .. } | ReplicaState::Leader(_) => {}
        }
        replica.state = ReplicaState::Follower { leader_epoch, leader };
        replica.show_role();
        replica.wake_all();
        if let Some(slot) = cell.slot() {
            self.fail_acks(turn, slot, ErrorCode::NotLeaderOrFollower);
            self.close_coordinator(turn, slot, ErrorCode::NotCoordinator);
            self.close_shares(slot, ErrorCode::NotLeaderOrFollower);
        }
        self.follow_leader(turn, cell);
    }

    fn delete_replica(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        self.forget_asleep(cell);
        let Some(slot) = cell.slot() else { return cell.set_role(Role::Absent) };
        self.call_off_move(turn, cell);
        cell.set_role(Role::Absent);
        cell.set_directory(None);
        self.fail_acks(turn, slot, ErrorCode::UnknownTopicOrPartition);
        self.close_coordinator(turn, slot, ErrorCode::NotCoordinator);
        self.close_shares(slot, ErrorCode::UnknownTopicOrPartition);
        let Some(mut replica) = self.seats.take(slot) else { return };
        cell.set_slot(None);
        replica.wake_all();
        if matches!(replica.state, ReplicaState::Follower { .. }) {
            turn.effects.push(Effect::Unfollow(cell.key, turn.number));
        }
        if let Some(directory) = self.around.directories.get(replica.directory) {
            directory.replica_gone();
        }
        let left = replica.retiring.map(|retiring| retiring.into_parts());
        for (log, index) in left.into_iter().chain([(replica.log, replica.directory)]) {
            self.delete_log(turn, (&replica.topic, cell.key.partition), (log, index));
        }
    }

    fn delete_log(&mut self, turn: &mut Turn, (topic, partition): (&str, i32), (log, index): (Log, usize)) {
        let Some(directory) = self.around.directories.get(index) else { return };
        directory.log_gone(topic, partition);
        directory.note_change();
        if directory.is_failed() {
            return;
        }
        match log.delete(directory.deletion_name()) {
            Ok(Some(removal)) => self.remove_later(turn.now_ms, vec![removal]),
            Ok(None) => {}
            Err(fault) => turn.effects.push(Effect::DirectoryFailed { directory: index, fault }),
        }
    }
}
