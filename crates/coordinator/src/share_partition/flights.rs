//! Records in flight as ranges of one state each, by first offset. Knows how to split, drop and lay over; decides nothing.

use std::collections::BTreeMap;

use wire::Str;

use super::settings::ShareSettings;
use super::stored::{StoredBatch, StoredState};

/// Who has a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holding {
    /// A member, until then.
    Held {
        member: Str,
        until_ms: i64,
    },
    Nobody(StoredState),
}

/// What held records will be when a write is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub write: u64,
    pub state: StoredState,
    pub delivery_count: i16,
}

/// Neighbours that have all in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    pub last: i64,
    pub holding: Holding,
    pub delivery_count: i16,
    pub pending: Option<Pending>,
    /// The range in which it was handed out first: records that fail again and again are handed out by parts of that.
    pub batch: (i64, i64),
    /// The dead-letter queue is being written: the outcome is still to come.
    pub is_leaving: bool,
    /// Between ranges of stored state: nothing is known of it, and there may be no record at all.
    pub is_gap: bool,
}

impl Flight {
    pub fn gap(batch: (i64, i64)) -> Flight {
        Flight { is_gap: true, ..Flight::stored(batch, StoredState::Available, 0) }
    }

    pub fn stored(batch: (i64, i64), state: StoredState, delivery_count: i16) -> Flight {
        let holding = Holding::Nobody(state);
        Flight {
            last: batch.1,
            holding,
            delivery_count,
            pending: None,
            batch,
            is_leaving: false,
            is_gap: false,
        }
    }

    pub fn is_available(&self) -> bool {
        matches!(self.holding, Holding::Nobody(StoredState::Available))
    }

    pub fn is_done(&self) -> bool {
        matches!(self.holding, Holding::Nobody(StoredState::Acknowledged | StoredState::Archived))
    }

    pub fn is_overdue(&self, now_ms: i64) -> bool {
        matches!(self.holding, Holding::Held { until_ms, .. } if until_ms <= now_ms)
    }

    /// Nobody gets it, and the dead-letter queue has it not yet.
    pub fn is_archiving(&self) -> bool {
        matches!(self.holding, Holding::Nobody(StoredState::Archiving))
    }

    /// Nobody holds it any more, and nobody said a word. What goes to the dead-letter queue is on its way there only when that is stored:
    /// nobody may get a record that is in the queue.
    pub fn give_up(&mut self, settings: &ShareSettings, write: u64) {
        let delivery_count = self.delivery_count;
        match after_release(delivery_count, settings) {
            state @ StoredState::Archiving => self.pending = Some(Pending { write, state, delivery_count }),
            state => self.holding = Holding::Nobody(state),
        }
    }

    /// What is stored of it once what is pending is.
    pub fn to_be(&self) -> Flight {
        match self.pending {
            Some(pending) => {
                Flight { holding: Holding::Nobody(pending.state), pending: None, ..self.clone() }
            }
            None => self.clone(),
        }
    }
}

/// What a record is that was handed out so often and not accepted.
pub(crate) fn after_release(delivery_count: i16, settings: &ShareSettings) -> StoredState {
    if delivery_count < settings.delivery_count_limit {
        StoredState::Available
    } else {
        after_failure(settings)
    }
}

/// What a record is that nobody shall try again.
pub(crate) fn after_failure(settings: &ShareSettings) -> StoredState {
    if settings.has_dead_letters { StoredState::Archiving } else { StoredState::Archived }
}

/// In order, without overlap.
#[derive(Debug, Default)]
pub(crate) struct Flights(BTreeMap<i64, Flight>);

impl Flights {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, &Flight)> {
        self.0.iter().map(|(first, flight)| (*first, flight))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (i64, &mut Flight)> {
        self.0.iter_mut().map(|(first, flight)| (*first, flight))
    }

    pub fn first(&self) -> Option<(i64, &Flight)> {
        self.0.first_key_value().map(|(first, flight)| (*first, flight))
    }

    pub fn get_mut(&mut self, first: i64) -> Option<&mut Flight> {
        self.0.get_mut(&first)
    }

    pub fn remove(&mut self, first: i64) {
        self.0.remove(&first);
    }

    /// Puts one where none is.
    pub fn put(&mut self, first: i64, flight: Flight) {
        self.0.insert(first, flight);
    }

    /// The last one that begins at or before an offset.
    pub fn floor(&self, offset: i64) -> Option<(i64, &Flight)> {
        self.0.range(..=offset).next_back().map(|(first, flight)| (*first, flight))
    }

    /// The first one that ends at or after an offset.
    pub fn from(&self, offset: i64) -> Option<(i64, &Flight)> {
        self.floor(offset)
            .filter(|(_, flight)| flight.last >= offset)
            .or_else(|| self.0.range(offset..).next().map(|(first, flight)| (*first, flight)))
    }

    /// The first offsets of those that begin within a range.
    pub fn within(&self, first: i64, last: i64) -> Vec<i64> {
        if first > last {
            return Vec::new();
        }
        self.0.range(first..=last).map(|(first, _)| *first).collect()
    }

    /// Makes one begin at that offset, if one lies across.
    pub fn split_at(&mut self, offset: i64) {
        let Some((first, flight)) = self.0.range_mut(..offset).next_back() else { return };
        if flight.last < offset {
            return;
        }
        let (_, right) = (*first, flight.clone());
        flight.last = offset - 1;
        self.0.insert(offset, right);
    }

    /// Has ranges begin and end there; answers the first offsets of what lies within.
    pub fn cut_out(&mut self, first: i64, last: i64) -> Vec<i64> {
        self.split_at(first);
        if let Some(next) = last.checked_add(1) {
            self.split_at(next);
        }
        self.within(first, last)
    }

    /// Forgets what is below an offset.
    pub fn drop_below(&mut self, offset: i64) {
        self.split_at(offset);
        self.0 = self.0.split_off(&offset);
    }

    /// Puts one in place of whatever is there.
    pub fn lay_over(&mut self, first: i64, flight: Flight) {
        for covered in self.cut_out(first, flight.last) {
            self.0.remove(&covered);
        }
        self.0.insert(first, flight);
    }

    /// As it is stored; neighbours that are alike are one.
    pub fn to_stored(&self) -> Vec<StoredBatch> {
        let mut stored: Vec<StoredBatch> = Vec::new();
        for (first, flight) in self.iter() {
            let Holding::Nobody(state) = flight.holding else { continue };
            let delivery_count = flight.delivery_count;
            match stored.last_mut() {
                Some(before)
                    if before.last_offset == first - 1
                        && before.state == state
                        && before.delivery_count == delivery_count =>
                {
                    before.last_offset = flight.last;
                }
                _ => stored.push(StoredBatch {
                    first_offset: first,
                    last_offset: flight.last,
                    state,
                    delivery_count,
                }),
            }
        }
        stored
    }
}
