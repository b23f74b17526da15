//! What a shard does besides requests: retention in bounded steps, a dead directory, the clean end.

use std::collections::BTreeMap;

use log::{Closed, Fault, Log};
use wire::ErrorCode;

use super::seat::Seat;
use super::turn::Turn;
use super::{Shard, Timer};
use crate::disks::directories::Directories;
use crate::disks::offsets::DirectoryOffsets;
use crate::effect::Effect;
use crate::limits::REPLICAS_PER_JANITOR_STEP;
use crate::replica::ReplicaState;

/// What a closed shard leaves, by directory.
pub(crate) struct ClosedShard {
    pub offsets: BTreeMap<usize, DirectoryOffsets>,
    pub faults: Vec<(usize, Fault)>,
}

/// Says what a recovery found; a clean start says nothing.
pub(super) fn report_recovery(log: &Log) {
    let Some(report) = log.recovery_report() else { return };
    let directory = log.directory().display();
    if report.cut_bytes > 0 {
        tracing::warn!(%directory, bytes = report.cut_bytes, "cut what a crash left half written at the end of the log");
    }
    if let Some(durable) = report.ends_before {
        tracing::error!(%directory, durable, ends = log.log_end_offset(), "the log ends before its durable point: the disk lost acknowledged records");
    }
    for corruption in &report.corrupt {
        tracing::error!(
            %directory,
            segment = corruption.segment_base_offset,
            position = corruption.position,
            what = %corruption.what,
            "a bad batch below the durable point: it is kept and never served"
        );
    }
}

impl Shard {
    pub(super) fn index(&self) -> usize {
        self.around.index
    }

    /// Retention of the next replicas; comes back at once until all were seen, then after the configured interval.
    pub(super) fn janitor(&mut self, turn: &mut Turn) {
        let end = self.seats.len().min(self.janitor_at.saturating_add(REPLICAS_PER_JANITOR_STEP));
        for slot in self.janitor_at..end {
            self.tidy(turn, slot);
        }
        let next_ms = if end < self.seats.len() {
            self.janitor_at = end;
            turn.now_ms
        } else {
            self.janitor_at = 0;
            turn.now_ms.saturating_add(self.around.retention_check_interval_ms)
        };
        self.timers.add(next_ms, Timer::Janitor);
    }

    /// Forgets the idle producers of the next replicas; comes back at once until all were seen, then after the configured interval.
    pub(super) fn expire_producers(&mut self, now_ms: i64) {
        let wall_ms = self.around.wall.at(now_ms);
        let end = self.seats.len().min(self.expiry_at.saturating_add(REPLICAS_PER_JANITOR_STEP));
        for slot in self.expiry_at..end {
            let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { continue };
            if !matches!(replica.state, ReplicaState::Offline) {
                replica.log.expire_producers(wall_ms);
            }
        }
        let next_ms = if end < self.seats.len() {
            self.expiry_at = end;
            now_ms
        } else {
            self.expiry_at = 0;
            now_ms.saturating_add(self.around.producer_expiry_interval_ms)
        };
        self.timers.add(next_ms, Timer::ProducerExpiry);
    }

    /// Retention of one replica.
    pub(super) fn tidy(&mut self, turn: &mut Turn, slot: usize) {
        let wall_ms = self.around.wall.at(turn.now_ms);
        let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { return };
        if matches!(replica.state, ReplicaState::Offline) || replica.log.log_end_offset() == 0 {
            return;
        }
        let mut tidied = Ok(());
        if replica.is_idle_since_last_look() {
            tidied = replica.log.trim();
            replica.log.release_descriptors();
        }
        let start = replica.log.log_start_offset();
        let tidied = tidied.and_then(|()| replica.log.apply_retention(wall_ms));
        let removals = replica.log.take_removals();
        let cell = std::sync::Arc::clone(&replica.cell);
        let moved = replica.log.log_start_offset() != start;
        match tidied {
            Ok(_) => {
                if moved && let Some(replica) = self.touch(&cell) {
                    replica.wake_all();
                    let (directory, moved) = (replica.directory, replica.start_moved(None));
                    self.start_moved(turn, directory, moved);
                }
            }
            Err(fault) => self.refused(turn, &cell, crate::replica::Refused::Fault(fault)),
        }
        self.remove_later(turn.now_ms, removals);
    }

    /// What the logs that are open give to the checkpoints.
    pub(super) fn offsets(&self) -> impl Iterator<Item = (usize, (String, i32), Closed)> {
        // A log that was never written has no directory, and needs no line.
        let written = self.seats.iter().filter(|seat| seat.replica.log.log_end_offset() > 0);
        written.flat_map(|Seat { replica, .. }| {
            let name = || (replica.topic.to_string(), replica.cell.key.partition);
            // The copy on its way bears the same name where it goes: a start finds out how much of it is durable.
            let copy = replica.moving.as_ref().map(|moving| {
                let offsets = Closed {
                    recovery_point: moving.state.recovery_point,
                    log_start_offset: moving.state.log_start_offset,
                    high_watermark: moving.state.log_start_offset,
                    cleaned_offset: None,
                };
                (moving.target, name(), offsets)
            });
            [(replica.directory, name(), replica.log.offsets())].into_iter().chain(copy)
        })
    }

    /// A log directory is dead: its replicas serve nothing and acknowledge nothing (no retry, no ack, no
    /// serving of pages that may never have reached the platter).
    pub(super) fn directory_failed(&mut self, turn: &mut Turn, directory: usize) {
        self.wake_all_on(directory);
        for slot in 0..self.seats.len() {
            self.moves_failed(turn, slot, directory);
            let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { continue };
            if replica.directory != directory {
                continue;
            }
            replica.state = ReplicaState::Offline;
            replica.show_role();
            replica.wake_all();
            turn.effects.push(Effect::Unfollow(replica.cell.key, turn.number));
            self.fail_acks(turn, slot, ErrorCode::KafkaStorageError);
            self.close_coordinator(turn, slot, ErrorCode::NotCoordinator);
            self.close_shares(slot, ErrorCode::KafkaStorageError);
        }
    }

    /// The end: closes every log and answers what the checkpoints shall say, by directory.
    pub fn close(&mut self, now_ms: i64, directories: &Directories, tell: &dyn Fn(&str)) -> ClosedShard {
        let mut offsets: BTreeMap<usize, DirectoryOffsets> = Default::default();
        self.now_ms = now_ms;
        let mut faults = self.close_asleep(&mut offsets);
        self.forget_all_asleep();
        for replica in self.seats.drain() {
            replica.cell.set_role(crate::views::Role::Absent);
            replica.cell.set_slot(None);
            let alive = directories.get(replica.directory).is_some_and(|directory| !directory.is_failed());
            if !alive || replica.log.log_end_offset() == 0 {
                continue;
            }
            let name = (replica.topic.to_string(), replica.cell.key.partition);
            tell(&format!("{}-{}", name.0, name.1));
            match replica.log.close() {
                Ok(closed) => offsets.entry(replica.directory).or_default().add(name, closed),
                Err(fault) => {
                    faults.push((replica.directory, fault));
                    continue;
                }
            }
            // The new log is flushed: the one that the replica left goes with the next start.
            let Some((old, source)) = replica.retiring.map(|retiring| retiring.into_parts()) else {
                continue;
            };
            let Some(source_directory) = directories.get(source).filter(|place| !place.is_failed()) else {
                continue;
            };
            if let Err(fault) = old.delete(source_directory.deletion_name()) {
                faults.push((source, fault));
            }
        }
        ClosedShard { offsets, faults }
    }
}
