//! One partition as one share group sees it (KIP-932): which records are available, which a member holds and until when, which are done
//! with, and how often each was handed out. A pure machine: it is told the time, reads no log and writes no state. What has to be stored
//! is taken out by [`SharePartition::take_write`], one write at a time and in order, and nothing that waits for a write is answered before
//! its outcome came back by [`SharePartition::written`].
//!
//! `flights.rs` the records in flight, as ranges of one state · `acquire.rs` what a member is given · `acknowledge.rs` what it says of that ·
//! `dead_letters.rs` what nobody gets any more.
//!
//! Kafka keeps batches, and records of their own where it must; here a range is split where its records part ways. What a member is given
//! may come in fewer, longer ranges than Kafka's, never in others.

mod acknowledge;
mod acquire;
mod dead_letters;
mod flights;
mod settings;
mod stored;
#[cfg(test)]
mod tests;

use wire::{ErrorCode, Str};

pub use acknowledge::{AcknowledgementBatch, Refused};
pub use acquire::{AcquireMode, Acquired, Acquisition};
pub use dead_letters::{Cause, DeadLetters};
use flights::{Flight, Flights, Holding, Pending};
pub use settings::ShareSettings;
pub use stored::{StoredBatch, StoredState};

/// No offset: the group has not begun to read this partition.
pub const UNINITIALIZED: i64 = -1;

/// State as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Grows when an administrator sets the group's offsets.
    pub state_epoch: i32,
    /// The first record that is not done with.
    pub start_offset: i64,
    /// In order, without overlap.
    pub batches: Vec<StoredBatch>,
}

/// State to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWrite {
    /// To be given back with the outcome.
    pub id: u64,
    /// As it was read.
    pub state_epoch: i32,
    /// The first record that is not done with.
    pub start_offset: i64,
    /// How many records from there on are done with.
    pub delivery_complete_count: i32,
    /// What is new, in order, without overlap.
    pub batches: Vec<StoredBatch>,
}

/// The machine.
///
/// Invariants, checked where a change ends ([`SharePartition::check`]):
/// - **window**: records in flight lie between the start offset and the next one, in order, without overlap;
/// - **start**: what the start offset stands at is not done with, or on its way to that;
/// - **transitions**: only what is held is on its way to another state, by the write under way or the next one.
#[derive(Debug)]
pub struct SharePartition {
    state_epoch: i32,
    /// All records below are done with, or gone.
    start_offset: i64,
    /// The first that was never handed out.
    next_offset: i64,
    flights: Flights,
    /// What the next write has to say.
    unwritten: Flights,
    /// Of the next write.
    next_write: u64,
    /// Of the one under way.
    writing: Option<u64>,
}

impl SharePartition {
    /// From stored state, whose start is known. What lies between what is stored was handed out by whoever led before, or not at all: it is
    /// available (KAFKA-18494). `Err` if the state contradicts itself.
    pub fn new(stored: &Stored) -> Result<SharePartition, ErrorCode> {
        let mut flights = Flights::default();
        let mut at = stored.start_offset;
        if at < 0 {
            return Err(ErrorCode::UnknownServerError);
        }
        for batch in &stored.batches {
            if batch.first_offset < at || batch.last_offset < batch.first_offset {
                return Err(ErrorCode::UnknownServerError);
            }
            if batch.first_offset > at {
                flights.put(at, Flight::gap((at, batch.first_offset - 1)));
            }
            let range = (batch.first_offset, batch.last_offset);
            flights.put(range.0, Flight::stored(range, batch.state, batch.delivery_count.max(0)));
            at = batch.last_offset.saturating_add(1);
        }
        let mut partition = SharePartition {
            state_epoch: stored.state_epoch,
            start_offset: stored.start_offset,
            next_offset: at,
            flights,
            unwritten: Flights::default(),
            next_write: 1,
            writing: None,
        };
        partition.advance_start();
        partition.check();
        Ok(partition)
    }

    /// The first record that is not done with.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// Where to read for whoever wants records; `None` while so many are in flight that none may be added.
    pub fn readable_from(&self, settings: &ShareSettings) -> Option<i64> {
        let available = self.flights.iter().find(|(_, flight)| flight.is_available());
        match available {
            Some((first, _)) => Some(first),
            None if self.in_flight() < settings.max_record_locks => Some(self.next_offset),
            None => None,
        }
    }

    /// Between the start and the last record that was handed out.
    fn in_flight(&self) -> i64 {
        self.next_offset - self.start_offset
    }

    /// True while a member holds something, or something is to be stored, or on its way to the dead-letter queue.
    pub fn is_busy(&self) -> bool {
        let is_waited_for =
            |flight: &Flight| matches!(flight.holding, Holding::Held { .. }) || flight.is_archiving();
        self.writing.is_some()
            || !self.unwritten.is_empty()
            || self.flights.iter().any(|(_, flight)| is_waited_for(flight))
    }

    /// When [`SharePartition::release_expired`] has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        let held = |flight: &Flight| match flight.holding {
            Holding::Held { until_ms, .. } if flight.pending.is_none() => Some(until_ms),
            Holding::Held { .. } | Holding::Nobody(_) => None,
        };
        self.flights.iter().filter_map(|(_, flight)| held(flight)).min()
    }

    /// Locks that are over: their records are available again, or handed out often enough. What is on its way to another state waits for
    /// the outcome. True if there is more to be had than before.
    pub fn release_expired(&mut self, now_ms: i64, settings: &ShareSettings) -> bool {
        if self.next_deadline().is_none_or(|deadline_ms| deadline_ms > now_ms) {
            return false;
        }
        let (mut expired, write) = (Vec::new(), self.write_to_come());
        for (first, flight) in self.flights.iter_mut() {
            if flight.pending.is_none() && flight.is_overdue(now_ms) {
                flight.give_up(settings, write);
                expired.push((first, flight.to_be()));
            }
        }
        for (first, flight) in expired {
            self.unwritten.lay_over(first, flight);
        }
        self.advance_start();
        self.check();
        true
    }

    /// The log begins later than it did: what is below is gone. True if something changed.
    pub fn log_starts_at(&mut self, log_start_offset: i64) -> bool {
        if log_start_offset <= self.start_offset {
            return false;
        }
        self.start_offset = log_start_offset;
        self.next_offset = self.next_offset.max(log_start_offset);
        self.flights.drop_below(log_start_offset);
        self.unwritten.drop_below(log_start_offset);
        self.advance_start();
        self.check();
        true
    }

    /// What is to be stored now: nothing while another write is under way.
    pub fn take_write(&mut self) -> Option<StateWrite> {
        if self.writing.is_some() || self.unwritten.is_empty() {
            return None;
        }
        let id = self.next_write;
        self.next_write += 1;
        self.writing = Some(id);
        let unwritten = std::mem::take(&mut self.unwritten);
        Some(StateWrite {
            id,
            state_epoch: self.state_epoch,
            start_offset: self.start_offset,
            delivery_complete_count: self.delivery_complete_count(),
            batches: unwritten.to_stored(),
        })
    }

    /// The outcome of a write. What waited for it is what it was to become, or what it was before: held, unless its lock is over by
    /// now (KAFKA-19476). True if there is more to be had than before.
    pub fn written(&mut self, now_ms: i64, id: u64, is_stored: bool, settings: &ShareSettings) -> bool {
        if self.writing != Some(id) {
            return false;
        }
        self.writing = None;
        let (mut has_more, mut expired, write) = (false, Vec::new(), self.write_to_come());
        for (first, flight) in self.flights.iter_mut() {
            let Some(pending) = flight.pending.take_if(|pending| pending.write == id) else { continue };
            if is_stored {
                flight.holding = Holding::Nobody(pending.state);
                flight.delivery_count = pending.delivery_count;
            } else if flight.is_overdue(now_ms) {
                flight.give_up(settings, write);
                expired.push((first, flight.to_be()));
            }
            has_more |= flight.is_available();
        }
        for (first, flight) in expired {
            self.unwritten.lay_over(first, flight);
        }
        let before = self.start_offset;
        self.advance_start();
        self.check();
        has_more || self.start_offset > before
    }

    /// Which write says what was decided last.
    fn write_to_come(&self) -> u64 {
        self.next_write
    }

    /// Records from the start on that are done with, or will be when what is under way is stored.
    fn delivery_complete_count(&self) -> i32 {
        let is_done = |flight: &Flight| match (&flight.pending, &flight.holding) {
            (Some(pending), _) => pending.state.is_terminal(),
            (None, Holding::Nobody(state)) => state.is_terminal(),
            (None, Holding::Held { .. }) => false,
        };
        let done = self.flights.iter().filter(|(_, flight)| is_done(flight));
        let count: i64 = done.map(|(first, flight)| flight.last - first + 1).sum();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// Passes over what is done with.
    fn advance_start(&mut self) {
        while let Some((first, flight)) = self.flights.first() {
            if !flight.is_done() {
                // What lies between is not in the log.
                self.start_offset = self.start_offset.max(first);
                return;
            }
            self.start_offset = self.start_offset.max(flight.last.saturating_add(1));
            self.flights.remove(first);
        }
        self.start_offset = self.start_offset.max(self.next_offset);
    }

    /// Panics with the name of the invariant that is broken.
    fn check(&self) {
        let mut at = self.start_offset;
        for (first, flight) in self.flights.iter() {
            assert!(first >= at && flight.last >= first, "window: out of order, or below the start");
            at = flight.last.saturating_add(1);
            assert!(!flight.is_leaving || flight.is_archiving(), "dead letters: what is not dead leaves");
            match (&flight.holding, &flight.pending) {
                (Holding::Held { .. }, pending) => {
                    if let Some(Pending { write, .. }) = pending {
                        let is_known = self.writing == Some(*write) || *write == self.next_write;
                        assert!(is_known, "transitions: nobody will hear of it");
                    }
                }
                (Holding::Nobody(_), pending) => {
                    assert!(pending.is_none(), "transitions: what nobody holds is on its way");
                }
            }
        }
        assert!(at <= self.next_offset.max(self.start_offset), "window: beyond what was handed out");
        if let Some((first, flight)) = self.flights.first() {
            assert!(
                !flight.is_done() && first == self.start_offset,
                "start: what is done with is in the way"
            );
        } else {
            assert!(self.start_offset == self.next_offset, "start: nothing is in flight");
        }
    }
}

/// What a member gets and gives back by its name.
pub(crate) fn is_of(member: &Str, holding: &Holding) -> bool {
    matches!(holding, Holding::Held { member: holder, .. } if holder == member)
}
