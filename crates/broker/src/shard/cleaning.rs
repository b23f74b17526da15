//! Log compaction on a shard: which of its logs is the dirtiest, the log's own part of a cleaning, what becomes of it. The work
//! itself runs in slices on the rim's pool. DIVERGES: the dirtiest log is chosen per shard, shards take turns; Kafka chooses among
//! all logs of the broker.

use std::sync::Arc;

use log::{CleanCandidate, CleanStep, CleanStop, CleanWork};

use super::{Shard, Timer};
use crate::cleaners::Place;
use crate::effect::{DirtyLog, Effect};
use crate::replica::{Refused, State};
use crate::views::PartitionCell;

/// A cleaning on its way between its shard and the pool.
pub(crate) struct Cleaning {
    pub cell: Arc<PartitionCell>,
    pub work: CleanWork,
    /// What a slice reads at most.
    pub slice_bytes: u64,
    began_ms: i64,
    /// Bytes the throttle knows of.
    paid_bytes: u64,
    /// Lets another cleaning begin when this one is over.
    _place: Place,
}

impl Shard {
    /// Every `log.cleaner.backoff.ms`; a timer of its own runs beside it where a shard gave way to another.
    pub(super) fn cleaner_due(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        if now_ms >= self.next_cleaner_ms {
            // At least a turn apart, whatever the setting.
            let backoff_ms = self.around.cleaners.settings().backoff_ms.max(1);
            self.next_cleaner_ms = now_ms.saturating_add(backoff_ms);
            self.timers.add(self.next_cleaner_ms, Timer::Cleaner);
            // As in Kafka, the retention of compacted logs is the cleaner's: more often than that of others, and first.
            for slot in 0..self.replicas.len() {
                let replica = self.replicas.get(slot).and_then(Option::as_ref);
                if replica
                    .is_some_and(|replica| replica.settings.log.compact && !replica.log.is_being_cleaned())
                {
                    self.tidy(now_ms, slot, effects);
                }
            }
        }
        self.look_for_cleaning(now_ms, effects);
    }

    /// A shorter `log.cleaner.backoff.ms` holds at once, more threads find work at once.
    pub(super) fn cleaners_changed(&mut self, now_ms: i64) {
        self.next_cleaner_ms = self.next_cleaner_ms.min(now_ms);
        self.timers.add(now_ms, Timer::Cleaner);
    }

    /// Begins cleanings while there are places and dirty logs.
    pub(super) fn look_for_cleaning(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let wall_ms = self.around.wall.at(now_ms);
        while let Some((slot, candidate)) = self.dirtiest(wall_ms, effects) {
            let Some(place) = self.around.cleaners.take_place(self.around.index) else { return };
            let settings = self.around.cleaners.settings();
            let secret = (u128::from(self.random.next_u64()) << 64) | u128::from(self.random.next_u64());
            let Some(replica) = self.replicas.get_mut(slot).and_then(Option::as_mut) else { return };
            let work = replica.log.begin_cleaning(candidate, settings.bounds, secret, wall_ms);
            effects.push(Effect::Clean(Box::new(Cleaning {
                cell: Arc::clone(&replica.cell),
                work,
                slice_bytes: settings.slice_bytes(),
                began_ms: now_ms,
                paid_bytes: 0,
                _place: place,
            })));
        }
    }

    /// The log with the largest share of dirty bytes among those that are worth it. Asks for a flush where one is missing.
    fn dirtiest(&mut self, wall_ms: i64, effects: &mut Vec<Effect>) -> Option<(usize, CleanCandidate)> {
        let mut best: Option<(usize, CleanCandidate)> = None;
        for (slot, replica) in self.replicas.iter_mut().enumerate() {
            let Some(replica) = replica.as_mut().filter(|replica| replica.settings.log.compact) else {
                continue;
            };
            if replica.uncleanable || replica.moving.is_some() || matches!(replica.state, State::Offline) {
                continue;
            }
            let candidate = match replica.log.clean_candidate(wall_ms) {
                Ok(Some(candidate)) => candidate,
                Ok(None) => continue,
                Err(fault) => {
                    effects.push(Effect::DirectoryFailed { directory: replica.directory, fault });
                    continue;
                }
            };
            if !candidate.flushed {
                if let Some(work) = replica.log.dirty() {
                    replica.wants_cleaning = true;
                    let cell = Arc::clone(&replica.cell);
                    effects.push(Effect::Flush(DirtyLog { directory: replica.directory, cell, work }));
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
    pub(super) fn cleaning_step(
        &mut self,
        now_ms: i64,
        mut cleaning: Box<Cleaning>,
        step: CleanStep,
        effects: &mut Vec<Effect>,
    ) {
        let cell = Arc::clone(&cleaning.cell);
        let Some(replica) = self.touch(&cell) else { return self.cleaning_over(now_ms, cleaning, effects) };
        match step {
            CleanStep::More => {}
            CleanStep::TakeIn => {
                let taken = replica.log.take_in(&mut cleaning.work);
                let removals = replica.log.take_removals();
                self.remove_later(now_ms, removals);
                if let Err(fault) = taken {
                    self.refused(now_ms, &cell, Refused::Fault(fault), effects);
                    return self.cleaning_over(now_ms, cleaning, effects);
                }
            }
            CleanStep::Done => {
                replica.log.cleaning_done(&cleaning.work);
                let directory = replica.directory;
                tell(now_ms, &replica.topic, &cleaning);
                if let Some(directory) = self.around.directories.get(directory) {
                    directory.note_change();
                }
                effects.push(Effect::CheckpointSoon);
                return self.cleaning_over(now_ms, cleaning, effects);
            }
            CleanStep::Stopped(stop) => {
                replica.log.cleaning_stopped(&cleaning.work);
                self.cleaning_stopped(&cell, stop, effects);
                return self.cleaning_over(now_ms, cleaning, effects);
            }
        }
        let moved = cleaning.work.figures().moved_bytes();
        let bytes = moved.saturating_sub(std::mem::replace(&mut cleaning.paid_bytes, moved));
        let due_ms = self.around.cleaners.pay(bytes, now_ms);
        if due_ms > now_ms {
            self.timers.add(due_ms, Timer::Clean(cleaning));
        } else {
            effects.push(Effect::Clean(cleaning));
        }
    }

    fn cleaning_stopped(&mut self, cell: &PartitionCell, stop: CleanStop, effects: &mut Vec<Effect>) {
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
                effects.push(Effect::DirectoryFailed { directory, fault });
            }
        }
    }

    /// Its place is free: for a shard that waits, else for the next log of this one.
    fn cleaning_over(&mut self, now_ms: i64, cleaning: Box<Cleaning>, effects: &mut Vec<Effect>) {
        drop(cleaning);
        match self.around.cleaners.next_waiting(self.around.index) {
            Some(shard) if shard != self.around.index => {
                effects.push(Effect::LookForCleaning { shard });
                // This one comes after it.
                self.timers.add(now_ms.saturating_add(1), Timer::Cleaner);
            }
            Some(_) | None => self.look_for_cleaning(now_ms, effects),
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
