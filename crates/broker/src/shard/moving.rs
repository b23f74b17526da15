//! Moving a replica to another log directory (KIP-113, KIP-858): begun by AlterReplicaLogDirs or found half made at the start, copied in
//! slices on the rim's pool, agreed upon with the controller, exchanged within one turn. The old log goes when the new one is flushed.
//!
//! ```text
//! Copying ──caught up──► Asked (AssignReplicasToDirs) ──the image says so──► Agreed ──caught up──► exchanged ──flushed──► old one gone
//! ```
//! DIVERGES: Kafka takes the future log for the replica as soon as the image says so, also at a start, where it may lack what came in
//! after the question. Here a current log that is still there is copied to its end first: nothing acknowledged is lost.

use std::sync::Arc;

use kraft::image::PartitionImage;
use log::future::FutureState;
use log::{CopyStop, Removal};
use wire::ErrorCode;

use super::seat::Seat;
use super::turn::Turn;
use super::{FULL_DISK_PAUSE_MS, Shard, Timer};
use crate::command::MoveReplica;
use crate::disks::flusher::DirtyLog;
use crate::disks::found::FutureFound;
use crate::disks::moving::{Begin, Move, MoveStep, Moving, Retirement, Retiring, Stage};
use crate::effect::Effect;
use crate::limits::MOVE_TAIL_BYTES;
use crate::quorum::assignments::Assignment;
use crate::replica::ReplicaState;
use crate::views::{PartitionCell, TopicViews};

/// Between two looks for a free place.
const PLACE_PAUSE_MS: i64 = 200;

impl Shard {
    /// AlterReplicaLogDirs for one replica of this shard.
    pub(super) fn move_replica(&mut self, turn: &mut Turn, command: MoveReplica) {
        let MoveReplica { cell, topic, target, reply } = command;
        let answer = self.begin_move(turn, &cell, &topic, target);
        reply.send(answer.err().unwrap_or(ErrorCode::None));
    }

    fn begin_move(
        &mut self,
        turn: &mut Turn,
        cell: &Arc<PartitionCell>,
        topic: &Arc<TopicViews>,
        target: usize,
    ) -> Result<(), ErrorCode> {
        let any_failed = self.around.directories.any_failed();
        let replica = self.touch(cell).ok_or(ErrorCode::ReplicaNotAvailable)?;
        if matches!(replica.state, ReplicaState::Offline) {
            return Err(ErrorCode::KafkaStorageError);
        }
        let (source, running) = (replica.directory, replica.moving.as_ref().map(|moving| moving.target));
        if running.is_some_and(|running| running != target) {
            self.call_off_move(turn, cell);
        }
        if source == target || running == Some(target) {
            return Ok(());
        }
        // As in Kafka: another copy may lie where nobody can look.
        if any_failed {
            return Err(ErrorCode::KafkaStorageError);
        }
        let directories = Arc::clone(&self.around.directories);
        let Some(place) = directories.get(target) else { return Err(ErrorCode::LogDirNotFound) };
        let partition = cell.key.partition;
        let replica = self.touch(cell).ok_or(ErrorCode::ReplicaNotAvailable)?;
        if replica.log.is_unwritten() {
            if let Err(fault) = place.forget_lines(&topic.name, partition) {
                turn.effects.push(Effect::DirectoryFailed { directory: target, fault });
                return Err(ErrorCode::KafkaStorageError);
            }
            replica.log.relocate_unwritten(place.log.partition_path(&topic.name, partition));
            self.arrived(turn, cell, source, target);
            return Ok(());
        }
        let begin = Begin {
            config: Arc::clone(&replica.settings.log),
            topic_id: topic.id,
            path: place.log.future_path(&topic.name, partition, place.deletion_name()),
            found: None,
        };
        self.start_move(turn, cell, target, begin);
        Ok(())
    }

    /// A move that an earlier life of the process left half made goes on.
    pub(super) fn resume_move(
        &mut self,
        turn: &mut Turn,
        topic: &TopicViews,
        cell: &Arc<PartitionCell>,
        found: FutureFound,
    ) {
        let Some(replica) = self.replica(cell) else { return };
        let mut mode = found.mode;
        mode.topic_id = Some(topic.id);
        let config = Arc::clone(&replica.settings.log);
        let begin = Begin { config, topic_id: topic.id, path: found.path, found: Some(mode) };
        self.start_move(turn, cell, found.directory, begin);
    }

    fn start_move(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, target: usize, begin: Begin) {
        let (serial, slice_bytes) = (self.around.moves.next_serial(), self.around.moves.slice_bytes());
        let Some(replica) = self.touch(cell) else { return };
        // As in Kafka, a log is not compacted while it is copied.
        if let Err(fault) = replica.log.call_off_cleaning() {
            return self.refused(turn, cell, crate::replica::Refused::Fault(fault));
        }
        let Some(replica) = self.touch(cell) else { return };
        let state = FutureState::default();
        replica.moving = Some(Box::new(Move {
            serial,
            target,
            stage: Stage::Copying,
            is_told: false,
            state,
            waiting: None,
        }));
        let moving = Moving {
            cell: Arc::clone(cell),
            topic: Arc::from(&*replica.topic),
            serial,
            source: replica.directory,
            target,
            path: begin.path.clone(),
            begin: Some(begin),
            future: None,
            slice_bytes,
            unflushed_bytes: 0,
            flush_at_end: true,
            place: None,
        };
        tracing::info!(topic = %replica.topic, partition = cell.key.partition, "a replica moves to another log directory");
        if let Some(directory) = self.around.directories.get(target) {
            directory.note_future(cell.key, Some(state));
            directory.replica_here();
        }
        turn.effects.push(Effect::Move(Box::new(moving)));
    }

    /// A slice was copied.
    pub(super) fn move_step(&mut self, turn: &mut Turn, mut moving: Box<Moving>, step: MoveStep) {
        let directories = Arc::clone(&self.around.directories);
        let (cell, target) = (Arc::clone(&moving.cell), moving.target);
        let own = self.replica(&cell).and_then(|replica| replica.moving.as_mut());
        let Some(own) = own.filter(|own| own.serial == moving.serial) else {
            turn.effects.push(Effect::DiscardFuture(moving));
            return;
        };
        if let Some(future) = &moving.future {
            own.state = future.state();
            directories
                .get(target)
                .into_iter()
                .for_each(|place| place.note_future(cell.key, Some(own.state)));
        }
        directories.get(target).into_iter().for_each(|place| place.note_change());
        let stage = own.stage;
        match step {
            MoveStep::Copied { bytes } => {
                if moving.place.is_none() {
                    moving.place = self.around.moves.take_place();
                }
                let due_ms = match moving.place {
                    Some(_) => self.around.moves.pay(bytes, turn.now_ms),
                    None => turn.now_ms.saturating_add(PLACE_PAUSE_MS),
                };
                self.copy_on(turn, due_ms, moving);
            }
            MoveStep::CaughtUp { bytes } => match stage {
                // It was agreed upon in an earlier life.
                Stage::Copying if own.is_told => {
                    own.stage = Stage::Agreed;
                    self.exchange_or_go_on(turn, bytes, moving);
                }
                Stage::Copying => self.ask_controller(turn, &cell, moving),
                // The answer comes with an image.
                Stage::Asked => own.waiting = Some(moving),
                Stage::Agreed => self.exchange_or_go_on(turn, bytes, moving),
            },
            MoveStep::Stopped(CopyStop::Target(fault)) if fault.is_passing() => {
                self.copy_on(turn, turn.now_ms.saturating_add(FULL_DISK_PAUSE_MS), moving);
            }
            MoveStep::Stopped(stop) => self.move_failed(turn, &cell, moving, stop),
        }
    }

    fn move_failed(
        &mut self,
        turn: &mut Turn,
        cell: &Arc<PartitionCell>,
        moving: Box<Moving>,
        stop: CopyStop,
    ) {
        let (source, target) = (moving.source, moving.target);
        self.call_off_move(turn, cell);
        match stop {
            CopyStop::Source(fault) => {
                turn.effects.push(Effect::DirectoryFailed { directory: source, fault })
            }
            CopyStop::Target(fault) if matches!(fault.cause, log::fault::Cause::Corrupt(_)) => {
                tracing::warn!(%fault, "a half-made move is of no use and is discarded");
            }
            CopyStop::Target(fault) => {
                turn.effects.push(Effect::DirectoryFailed { directory: target, fault })
            }
            CopyStop::Unreadable(what) => {
                tracing::error!(topic = %moving.topic, partition = cell.key.partition, %what, "the replica cannot be moved: it stays where it is");
            }
        }
        turn.effects.push(Effect::DiscardFuture(moving));
    }

    fn copy_on(&mut self, turn: &mut Turn, due_ms: i64, mut moving: Box<Moving>) {
        moving.slice_bytes = self.around.moves.slice_bytes();
        if due_ms > turn.now_ms {
            self.timers.add(due_ms, Timer::Move(moving));
        } else {
            turn.effects.push(Effect::Move(moving));
        }
    }

    /// The copy is complete for the first time: the controller is to know the new directory before the replica is there, so that
    /// it never takes a replica in a dead directory for one in a living one.
    fn ask_controller(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, moving: Box<Moving>) {
        let target = moving.target;
        let Some(own) = self.replica(cell).and_then(|replica| replica.moving.as_mut()) else { return };
        own.stage = Stage::Asked;
        own.waiting = Some(moving);
        self.assign(turn, cell, target);
    }

    /// Tells the controller where a replica is.
    pub(super) fn assign(&self, turn: &mut Turn, cell: &PartitionCell, directory: usize) {
        let id = self.around.directories.get(directory).map(|directory| directory.id);
        if let Some(directory) = id.filter(|id| !id.is_zero()) {
            turn.effects.push(Effect::Assign(Assignment { key: cell.key, directory }));
        }
    }

    /// A new image: the controller may have agreed to a move, or may not know yet where a replica is.
    pub(super) fn compare_directory(
        &mut self,
        turn: &mut Turn,
        cell: &Arc<PartitionCell>,
        partition: &PartitionImage,
    ) {
        let Some(told) = partition.directory(self.around.node_id) else { return };
        let directories = Arc::clone(&self.around.directories);
        let id_of = |index: usize| directories.get(index).map(|directory| directory.id);
        let Some(actual) = cell.directory() else { return };
        if cell.asleep().is_none()
            && let Some(own) = self.replica(cell).and_then(|replica| replica.moving.as_mut())
        {
            own.is_told = id_of(own.target) == Some(told);
            if own.stage == Stage::Asked && own.is_told {
                own.stage = Stage::Agreed;
                if let Some(mut moving) = own.waiting.take() {
                    moving.flush_at_end = false;
                    turn.effects.push(Effect::Move(moving));
                }
                return;
            }
            // What is asked for, or agreed upon at an earlier start, is not to be corrected.
            if own.stage != Stage::Copying || own.is_told {
                return;
            }
        }
        if id_of(actual) != Some(told) {
            self.assign(turn, cell, actual);
        }
    }

    /// The controller has agreed and the last slice met the end of its view. What came in since is copied within this turn if it
    /// is little, else in another slice.
    fn exchange_or_go_on(&mut self, turn: &mut Turn, bytes: u64, moving: Box<Moving>) {
        let cell = Arc::clone(&moving.cell);
        let due_ms = self.around.moves.pay(bytes, turn.now_ms);
        let Some(replica) = self.touch(&cell) else { return };
        let Some(future) = moving.future.as_ref() else { return };
        let from = future.state().log_end_offset;
        let view = replica.log.view();
        let enough = MOVE_TAIL_BYTES.saturating_add(1);
        let tail = view.available_bytes(from, log::ReadLimit::LogEnd, enough).unwrap_or(enough);
        if tail > MOVE_TAIL_BYTES {
            return self.copy_on(turn, due_ms, moving);
        }
        self.exchange(turn, &cell, moving);
    }

    fn exchange(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, mut moving: Box<Moving>) {
        let (target, wall_ms) = (moving.target, self.around.wall.at(turn.now_ms));
        let directories = Arc::clone(&self.around.directories);
        let (Some(place), Some(replica)) = (directories.get(target), self.touch(cell)) else { return };
        let Some(future) = moving.future.take() else { return };
        let path = place.log.partition_path(&replica.topic, cell.key.partition);
        let log = match future.take_over(&mut replica.log, path, wall_ms) {
            Ok(log) => log,
            Err(stop) => return self.move_failed(turn, cell, moving, stop),
        };
        let end_offset = log.log_end_offset();
        let source = std::mem::replace(&mut replica.directory, target);
        let old = std::mem::replace(&mut replica.log, log);
        replica.moving = None;
        replica.retiring = Some(Box::new(Retiring { log: old, directory: source, end_offset }));
        replica.flush_again();
        let removals = replica.log.take_removals();
        tracing::info!(topic = %replica.topic, partition = cell.key.partition, directory = %place.log.path().display(), "a replica arrived in another log directory");
        place.note_future(cell.key, None);
        place.replica_gone();
        self.remove_later(turn.now_ms, removals);
        self.arrived(turn, cell, source, target);
        self.flush_arrived(turn, cell);
    }

    /// The replica is in another directory now: everybody may know.
    fn arrived(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, source: usize, target: usize) {
        let directories = Arc::clone(&self.around.directories);
        if let (Some(from), Some(to)) = (directories.get(source), directories.get(target)) {
            from.replica_gone();
            from.note_change();
            to.replica_here();
            to.note_change();
        }
        cell.set_directory(Some(target));
        if let Some(replica) = self.touch(cell) {
            replica.directory = target;
        }
        self.assign(turn, cell, target);
    }

    /// What a replica brought with it, and its new name, are made durable: only then its old log goes.
    pub(super) fn flush_arrived(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let Some(replica) = self.touch(cell).filter(|replica| replica.retiring.is_some()) else { return };
        if let Some(work) = replica.log.dirty() {
            let directory = replica.directory;
            turn.effects.push(Effect::Flush(DirtyLog { directory, cell: Arc::clone(cell), work }));
        }
    }

    /// A flush of the log that took over has succeeded.
    pub(super) fn retire_if_durable(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let Some(replica) = self.replica(cell) else { return };
        let reached = replica.log.recovery_point();
        let Some(retiring) = replica.retiring.take_if(|retiring| retiring.end_offset <= reached) else {
            return;
        };
        let Retiring { log, directory, .. } = *retiring;
        turn.effects.push(Effect::Retire(Box::new(Retirement {
            cell: Arc::clone(cell),
            topic: replica.topic.clone(),
            log,
            source: directory,
            target: replica.directory,
            offsets: replica.log.offsets(),
        })));
    }

    /// The old log has its last name.
    pub(super) fn retired(&mut self, now_ms: i64, removal: Option<Removal>) {
        self.remove_later(now_ms, removal.into_iter().collect());
    }

    /// The move ends where it is; a copy that a job has is discarded when it comes back.
    pub(super) fn call_off_move(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let Some(replica) = self.replica(cell) else { return };
        let source = replica.directory;
        let Some(own) = replica.moving.take() else { return };
        if let Some(place) = self.around.directories.get(own.target) {
            place.note_future(cell.key, None);
            place.replica_gone();
            place.note_change();
        }
        if let Some(moving) = own.waiting {
            turn.effects.push(Effect::DiscardFuture(moving));
        }
        if own.stage != Stage::Copying {
            // The controller knows, or will, a directory in which the replica never was.
            self.assign(turn, cell, source);
        }
    }

    /// A log directory is dead: moves to it end, moves from it too; what was left in it is lost with it.
    pub(super) fn moves_failed(&mut self, turn: &mut Turn, slot: usize, directory: usize) {
        let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { return };
        replica.retiring.take_if(|retiring| retiring.directory == directory);
        let from_or_to = replica.directory == directory
            || replica.moving.as_ref().is_some_and(|moving| moving.target == directory);
        if from_or_to && replica.moving.is_some() {
            let cell = Arc::clone(&replica.cell);
            self.call_off_move(turn, &cell);
        }
    }
}
