//! Log compaction on a shard: which of its logs is the dirtiest, the log's own part of a cleaning, what becomes of it. The work
//! itself runs in slices on the rim's pool. DIVERGES: the dirtiest log is chosen per shard, shards take turns; Kafka chooses among
//! all logs of the broker.

use std::sync::Arc;

use log::{CleanCandidate, CleanStep, CleanStop};

use super::seat::Seat;
use super::turn::Turn;
use super::{Shard, Timer};
use crate::disks::cleaners::Cleaning;
use crate::disks::flusher::DirtyLog;
use crate::effect::Effect;
use crate::replica::{Refused, ReplicaState};
use crate::views::PartitionCell;

impl Shard {
    /// Every `log.cleaner.backoff.ms`; a timer of its own runs beside it where a shard gave way to another.
    pub(super) fn cleaner_due(&mut self, turn: &mut Turn) {
        if turn.now_ms >= self.next_cleaner_ms {
            // At least a turn apart, whatever the setting.
            let backoff_ms = self.around.cleaners.settings().backoff_ms.max(1);
            self.next_cleaner_ms = turn.now_ms.saturating_add(backoff_ms);
            self.timers.add(self.next_cleaner_ms, Timer::Cleaner);
            // As in Kafka, the retention of compacted logs is the cleaner's: more often than that of others, and first.
            for slot in 0..self.seats.len() {
                let of_cleaner = |Seat { replica, .. }: &Seat| {
                    replica.settings.log.compact && !replica.log.is_being_cleaned()
                };
                if self.seats.get(slot).is_some_and(of_cleaner) {
                    self.tidy(turn, slot);
                }
            }
        }
        self.look_for_cleaning(turn);
    }

    /// A shorter `log.cleaner.backoff.ms` holds at once, more threads find work at once.
    pub(super) fn cleaners_changed(&mut self, now_ms: i64) {
        self.next_cleaner_ms = self.next_cleaner_ms.min(now_ms);
        self.timers.add(now_ms, Timer::Cleaner);
    }

    /// Begins cleanings while there are places and dirty logs.
    pub(super) fn look_for_cleaning(&mut self, turn: &mut Turn) {
        let wall_ms = self.around.wall.at(turn.now_ms);
        while let Some((slot, candidate)) = self.dirtiest(turn, wall_ms) {
            let Some(place) = self.around.cleaners.take_place(self.around.index) else { return };
            let settings = self.around.cleaners.settings();
            let secret = (u128::from(self.random.next_u64()) << 64) | u128::from(self.random.next_u64());
            let Some(Seat { replica, .. }) = self.seats.get_mut(slot) else { return };
            let work = replica.log.begin_cleaning(candidate, settings.bounds, secret, wall_ms);
            turn.effects.push(Effect::Clean(Box::new(Cleaning {
                cell: Arc::clone(&replica.cell),
                work,
                slice_bytes: settings.slice_bytes(),
                began_ms: turn.now_ms,
                paid_bytes: 0,
                _place: place,
            })));
        }
    }

    /// The log with the largest share of dirty bytes among those that are worth it. Asks for a flush where one is missing.
    fn dirtiest(&mut self, turn: &mut Turn, wall_ms: i64) -> Option<(usize, CleanCandidate)> {
        let mut best: Option<(usize, CleanCandidate)> = None;
        for (slot, Seat { replica, .. }) in self.seats.iter_mut() {
            if !replica.settings.log.compact {
                continue;
            }
            if replica.uncleanable
                || replica.moving.is_some()
                || matches!(replica.state, ReplicaState::Offline)
            {
                continue;
            }
            let candidate = match replica.log.clean_candidate(wall_ms) {
                Ok(Some(candidate)) => candidate,
                Ok(None) => continue,
                Err(fault) => {
                    turn.effects.push(Effect::DirectoryFailed { directory: replica.directory, fault });
                    continue;
                }
            };
            if !candidate.flushed {
                if let Some(work) = replica.log.dirty() {
                    replica.wants_cleaning = true;
                    let cell = Arc::clone(&replica.cell);
                    turn.effects.push(Effect::Flush(DirtyLog { directory: replica.directory, cell, work }));
                }
                continue;
            }
            if best.as_ref().is_none_or(|(_, other)| candidate.dirty_ratio() > other.dirty_ratio()) {
                best = Some((slot, candidate));
            }
        }
        best
    }

    /// A slice was worked.
    pub(super) fn cleaning_step(&mut self, turn: &mut Turn, mut cleaning: Box<Cleaning>, step: CleanStep) {
        let cell = Arc::clone(&cleaning.cell);
        let Some(replica) = self.touch(&cell) else { return self.cleaning_over(turn, cleaning) };
        match step {
            CleanStep::More => {}
            CleanStep::TakeIn => {
                let taken = replica.log.take_in(&mut cleaning.work);
                let removals = replica.log.take_removals();
                self.remove_later(turn.now_ms, removals);
                if let Err(fault) = taken {
                    self.refused(turn, &cell, Refused::Fault(fault));
                    return self.cleaning_over(turn, cleaning);
                }
            }
            CleanStep::Done => {
                replica.log.cleaning_done(&cleaning.work);
                let directory = replica.directory;
                tell(turn.now_ms, &replica.topic, &cleaning);
                if let Some(directory) = self.around.directories.get(directory) {
                    directory.note_change();
                }
                turn.effects.push(Effect::CheckpointSoon);
                return self.cleaning_over(turn, cleaning);
            }
            CleanStep::Stopped(stop) => {
                if replica.log.cleaning_stopped(&cleaning.work) {
                    self.cleaning_stopped(turn, &cell, stop);
                }
                return self.cleaning_over(turn, cleaning);
            }
        }
        let moved = cleaning.work.figures().moved_bytes();
        let bytes = moved.saturating_sub(std::mem::replace(&mut cleaning.paid_bytes, moved));
        let due_ms = self.around.cleaners.pay(bytes, turn.now_ms);
        if due_ms > turn.now_ms {
            self.timers.add(due_ms, Timer::Clean(cleaning));
        } else {
            turn.effects.push(Effect::Clean(cleaning));
        }
    }

    fn cleaning_stopped(&mut self, turn: &mut Turn, cell: &PartitionCell, stop: CleanStop) {
        let Some(replica) = self.replica(cell) else { return };
        let (topic, partition) = (&replica.topic, cell.key.partition);
        match stop {
            CleanStop::CalledOff => {}
            CleanStop::DiskFull(fault) => {
                tracing::warn!(%topic, partition, %fault, "no room to compact the log; the next round tries again");
            }
            CleanStop::Unreadable(what) => {
                tracing::error!(%topic, partition, %what, "the log cannot be compacted: it is left as it is until the next start");
                replica.uncleanable = true;
            }
            CleanStop::Fault(fault) => {
                let directory = replica.directory;
                turn.effects.push(Effect::DirectoryFailed { directory, fault });
            }
        }
    }

    /// Its place is free: for a shard that waits, else for the next log of this one.
    fn cleaning_over(&mut self, turn: &mut Turn, cleaning: Box<Cleaning>) {
        drop(cleaning);
        match self.around.cleaners.next_waiting(self.around.index) {
            Some(shard) if shard != self.around.index => {
                turn.effects.push(Effect::LookForCleaning { shard });
                // This one comes after it.
                self.timers.add(turn.now_ms.saturating_add(1), Timer::Cleaner);
            }
            Some(_) | None => self.look_for_cleaning(turn),
        }
    }
}

fn tell(now_ms: i64, topic: &str, cleaning: &Cleaning) {
    let figures = cleaning.work.figures();
    tracing::info!(
        topic,
        partition = cleaning.cell.key.partition,
        from = cleaning.work.candidate().first_dirty_offset,
        to = cleaning.work.end_offset(),
        read_bytes = figures.read_bytes,
        written_bytes = figures.written_bytes,
        records = figures.records_read,
        kept = figures.records_kept,
        keys = figures.keys,
        segments_before = figures.segments_before,
        segments_after = figures.segments_after,
        ms = now_ms.saturating_sub(cleaning.began_ms),
        "compacted a log"
    );
}
