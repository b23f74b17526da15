//! Records that nobody gets any more, on their way to the dead-letter queue of their group (KIP-1191). That they are is stored before they
//! are written there, and that they are done with only afterwards: whoever leads next goes on where this one fell, and may write a record
//! twice, but loses none and hands none out again.

use super::flights::{Flight, Holding};
use super::{SharePartition, ShareSettings, StoredState};

/// Ranges that are written at a time: the next ones follow when these are there.
const MOST_RANGES: usize = 64;

/// Why nobody gets a record any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A member said so.
    Rejected,
    /// It was handed out as often as it may be.
    TooOften,
}

/// Neighbours that go to the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetters {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, the range includes it.
    pub last_offset: i64,
    /// How often they were handed out.
    pub delivery_count: i16,
    /// As far as stored state tells it: one that was rejected the last time that it could be handed out was handed out too often.
    pub cause: Cause,
}

impl SharePartition {
    /// What is to be written to the dead-letter queue now: nothing while something is on its way there. Where the group has none any more,
    /// all that waited is done with.
    pub fn take_dead_letters(&mut self, settings: &ShareSettings) -> Vec<DeadLetters> {
        if self.flights.iter().any(|(_, flight)| flight.is_leaving) {
            return Vec::new();
        }
        if !settings.has_dead_letters {
            self.archive(|flight| flight.is_archiving());
            return Vec::new();
        }
        let mut letters = Vec::new();
        for (first_offset, flight) in self.flights.iter_mut().filter(|(_, flight)| flight.is_archiving()) {
            if letters.len() == MOST_RANGES {
                break;
            }
            flight.is_leaving = true;
            let is_too_often = flight.delivery_count >= settings.delivery_count_limit;
            letters.push(DeadLetters {
                first_offset,
                last_offset: flight.last,
                delivery_count: flight.delivery_count,
                cause: if is_too_often { Cause::TooOften } else { Cause::Rejected },
            });
        }
        letters
    }

    /// What was taken is in the dead-letter queue, or will never be: it is done with. True if there is more to be had than before.
    pub fn dead_lettered(&mut self) -> bool {
        self.archive(|flight| flight.is_leaving)
    }

    fn archive(&mut self, is_meant: impl Fn(&Flight) -> bool) -> bool {
        let mut archived = Vec::new();
        for (first, flight) in self.flights.iter_mut().filter(|(_, flight)| is_meant(flight)) {
            flight.holding = Holding::Nobody(StoredState::Archived);
            flight.is_leaving = false;
            archived.push((first, flight.clone()));
        }
        let before = self.start_offset;
        for (first, flight) in archived {
            self.unwritten.lay_over(first, flight);
        }
        self.advance_start();
        self.check();
        self.start_offset > before
    }
}
