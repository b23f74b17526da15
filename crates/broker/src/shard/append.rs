//! Produce on a shard: append, park what acks=all waits for, time out. The log checks sequences and assigns offsets.

use std::sync::Arc;

use log::{AppendOrigin, Appended};
use wire::ErrorCode;
use wire::produce::Produced;

use super::seat::Seat;
use super::turn::Turn;
use super::{FULL_DISK_PAUSE_MS, LOOK_FOR_ROOM_MS, Shard, Timer};
use crate::command::{Append, AppendEntry};
use crate::disks::directories::{Directories, Directory};
use crate::effect::Effect;
use crate::mailbox::Reply;
use crate::replica::pending::{AppendResults, Parked, Parking, ProduceId};
use crate::replica::{Refused, ReplicaState};
use crate::views::PartitionCell;

/// How long an answer waits for a flush alone, whatever the request says: its timeout is for other replicas. In Kafka a producer that
/// gives them no time at all is acknowledged, too, where there are none.
const FLUSH_PATIENCE_MS: i64 = 5_000;
const _: () =
    assert!(FLUSH_PATIENCE_MS >= 2 * FULL_DISK_PAUSE_MS, "a flush without room is tried again in time");

impl Shard {
    /// Appends all entries; answers their results, and what of them has to be parked until it is safe.
    pub(super) fn append(&mut self, turn: &mut Turn, append: &Append) -> (AppendResults, Parking) {
        let mut parking = Parking {
            produce: self.produces.next_id(),
            count: 0,
            waits_for_replicas: false,
            deadline_ms: append.deadline_ms,
        };
        let directories = Arc::clone(&self.around.directories);
        let mut results = AppendResults::with_capacity(append.entries.len());
        for entry in &append.entries {
            let (directories, place) = (&*directories, (&mut parking, results.len()));
            let how = (append.all, append.origin);
            let result = self.append_entry(turn, entry, how, place, directories);
            results.push((entry.place, result));
        }
        if parking.count > 0 && !parking.waits_for_replicas {
            parking.deadline_ms = parking.deadline_ms.max(turn.now_ms.saturating_add(FLUSH_PATIENCE_MS));
        }
        (results, parking)
    }

    /// Parks the produce that was just appended until all of it is safe.
    pub(super) fn park(&mut self, parking: Parking, results: AppendResults, reply: Reply<AppendResults>) {
        let timer = self.timers.add(parking.deadline_ms, Timer::Produce(self.produces.next_id()));
        self.produces.park(results, parking.count, reply, timer);
    }

    fn append_entry(
        &mut self,
        turn: &mut Turn,
        entry: &AppendEntry,
        (all, origin): (bool, AppendOrigin),
        (parking, index): (&mut Parking, usize),
        directories: &Directories,
    ) -> Produced {
        let wall_ms = self.around.wall.at(turn.now_ms);
        let Some(replica) = self.touch(&entry.cell) else {
            return refusal(ErrorCode::NotLeaderOrFollower);
        };
        let directory = directories.get(replica.directory);
        if !directory
            .is_some_and(|directory| directory.has_room_for(entry.batches.size_in_bytes(), turn.now_ms))
        {
            let index = replica.directory;
            self.without_room(turn.now_ms, index);
            return refusal(ErrorCode::KafkaStorageError);
        }
        if all && let Err(error) = replica.ready_for_acks_all() {
            return refusal(error);
        }
        match replica.append(&entry.batches, origin, wall_ms) {
            Err(refused) => {
                entry.cell.traffic.refused();
                let error = refused.error();
                let log_start_offset = replica.log.log_start_offset();
                self.refused(turn, &entry.cell, refused);
                match error {
                    ErrorCode::OutOfOrderSequenceNumber
                    | ErrorCode::InvalidProducerEpoch
                    | ErrorCode::InvalidTxnState => Produced { log_start_offset, ..refusal(error) },
                    error => refusal(error),
                }
            }
            Ok(appended) => {
                if let Some(directory) = directory {
                    directory.note_change();
                }
                let offset = appended.last_offset.saturating_add(1);
                let safe_offset = if all { replica.safe_offset() } else { replica.written_offset() };
                if safe_offset >= offset {
                    return produced(&appended, ErrorCode::None);
                }
                let acks = if all { &mut replica.acks } else { &mut replica.early_acks };
                acks.park(Parked { offset, produce: parking.produce, index });
                parking.count += 1;
                parking.waits_for_replicas |= replica.log.high_watermark() < offset;
                // What a parked ack hears unless it is released in time.
                produced(&appended, ErrorCode::RequestTimedOut)
            }
        }
    }

    /// A disk fault takes the directory offline; other refusals concern the client alone. A full disk is no fault as long as
    /// the log took nothing of what did not fit: it is refused until there is room.
    pub(super) fn refused(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, refused: Refused) {
        let directories = Arc::clone(&self.around.directories);
        if let (Refused::Fault(fault), Some(replica)) = (refused, self.replica(cell)) {
            let directory = replica.directory;
            if fault.is_passing() && replica.log.poisoned().is_none() {
                match fault.is_disk_full() {
                    true => {
                        directories.get(directory).into_iter().for_each(Directory::note_full);
                        self.without_room(turn.now_ms, directory);
                    }
                    false => {
                        tracing::warn!(%fault, "an append is refused: the process is short of descriptors or memory")
                    }
                }
                self.coordinator_without_room(turn, cell);
                return;
            }
            // Nobody may read what this log holds beyond the platter from here on.
            replica.state = ReplicaState::Offline;
            replica.show_role();
            turn.effects.push(Effect::DirectoryFailed { directory, fault });
        }
    }

    /// Something was refused for want of room: people hear of it, and of its end, whether or not somebody writes until then.
    pub(super) fn without_room(&mut self, now_ms: i64, directory: usize) {
        if self.around.directories.get(directory).is_some_and(|place| !place.is_failed() && place.tell_full())
        {
            self.timers.add(now_ms.saturating_add(LOOK_FOR_ROOM_MS), Timer::LookForRoom(directory));
        }
    }

    /// It may be over.
    pub(super) fn look_for_room(&mut self, now_ms: i64, directory: usize) {
        let place = self.around.directories.get(directory);
        if place.is_some_and(|place| !place.is_failed() && place.is_full_still()) {
            self.timers.add(now_ms.saturating_add(LOOK_FOR_ROOM_MS), Timer::LookForRoom(directory));
        }
    }

    pub(super) fn produce_timed_out(&mut self, turn: &mut Turn, id: ProduceId) {
        if let Some(settled) = self.produces.expire(id) {
            turn.effects.push(Effect::Appended(settled.reply, settled.results));
        }
    }

    /// Acks whose offsets are safe leave.
    pub(super) fn release_acks(&mut self, turn: &mut Turn, slot: usize) {
        let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { return };
        if !replica.waits_for_safety() {
            return;
        }
        let (safe_offset, written_offset) = (replica.safe_offset(), replica.written_offset());
        loop {
            let (parked, error) = if let Some(parked) = replica.acks.release(safe_offset) {
                (parked, replica.error_at_release())
            } else if let Some(parked) = replica.early_acks.release(written_offset) {
                (parked, ErrorCode::None)
            } else {
                return;
            };
            if let Some(settled) = self.produces.settle(parked, error) {
                self.timers.remove(settled.timer);
                turn.effects.push(Effect::Appended(settled.reply, settled.results));
            }
        }
    }

    /// The leader is gone: whoever waits for it hears this error.
    pub(super) fn fail_acks(&mut self, turn: &mut Turn, slot: usize, error: ErrorCode) {
        let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { return };
        while let Some(parked) = replica.acks.pop().or_else(|| replica.early_acks.pop()) {
            if let Some(settled) = self.produces.settle(parked, error) {
                self.timers.remove(settled.timer);
                turn.effects.push(Effect::Appended(settled.reply, settled.results));
            }
        }
    }
}

/// Nothing was appended.
fn refusal(error: ErrorCode) -> Produced {
    Produced { error, base_offset: -1, log_append_time_ms: -1, log_start_offset: -1 }
}

/// Appended; `error` says what the answer still waits for or did not get.
fn produced(appended: &Appended, error: ErrorCode) -> Produced {
    Produced {
        error,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time,
        log_start_offset: appended.log_start_offset,
    }
}
