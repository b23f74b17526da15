//! What a member is given of what was read for it: what is available again first, then what was never handed out, within the limits of the
//! request, of the group, and of records that were handed out so often that they are given in smaller and smaller parts (KIP-932, 1206).
//!
//! Whoever reads does so without a lock: what others took meanwhile is passed over, so that fetches side by side all come to an end
//! (KAFKA-17210).

use wire::Str;

use super::flights::{Flight, Holding};
use super::{SharePartition, ShareSettings, StoredState};

/// How strictly the most records that a request wants are meant (KIP-1206).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireMode {
    /// Whole batches, which may be more than was asked for.
    BatchOptimized,
    /// Never more than was asked for.
    RecordLimit,
}

impl AcquireMode {
    /// The code in messages.
    pub fn of_code(code: i8) -> Option<AcquireMode> {
        match code {
            0 => Some(AcquireMode::BatchOptimized),
            1 => Some(AcquireMode::RecordLimit),
            _ => None,
        }
    }
}

/// Records were read for a member.
#[derive(Debug, Clone, Copy)]
pub struct Acquisition<'a> {
    /// For whom.
    pub member: &'a Str,
    /// What of it is a limit.
    pub mode: AcquireMode,
    /// Records of a batch that the member is given.
    pub batch_size: i64,
    /// Most records that it wants.
    pub max_records: i64,
    /// Where was read.
    pub fetch_offset: i64,
    /// First and last offset of each batch of the log that was read, in order.
    pub batches: &'a [(i64, i64)],
    /// Of these, those that belong to transactions which were aborted, where the group reads what is committed.
    pub aborted: &'a [(i64, i64)],
}

/// A range that a member was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acquired {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, the range includes it.
    pub last_offset: i64,
    /// How often it was handed out, this time included.
    pub delivery_count: i16,
}

/// Records handed out as often as half the limit are abnormal: they are given in parts, so that a bad one does not take good ones along.
const THROTTLED_AT_LEAST: i16 = 2;

/// On the way through what was read.
struct Taking<'a> {
    ask: &'a Acquisition<'a>,
    until_ms: i64,
    limit: i16,
    throttled_from: i16,
    /// Of the request; a whole batch may take it below zero.
    left: i64,
    given: Vec<Acquired>,
}

impl Taking<'_> {
    fn give(&mut self, first_offset: i64, last_offset: i64, delivery_count: i16) {
        self.left -= last_offset - first_offset + 1;
        self.given.push(Acquired { first_offset, last_offset, delivery_count });
    }

    /// The last range and the one before it, if that is of the same batch and they are alike, are one.
    fn join(&mut self, batch_from: usize) {
        let Some([before, last]) = self.given.get_mut(batch_from..).and_then(|given| given.last_chunk_mut())
        else {
            return;
        };
        if before.last_offset + 1 == last.first_offset && before.delivery_count == last.delivery_count {
            before.last_offset = last.last_offset;
            self.given.pop();
        }
    }

    fn held(&self) -> Holding {
        Holding::Held { member: self.ask.member.clone(), until_ms: self.until_ms }
    }
}

impl SharePartition {
    /// Gives a member what it may have of what was read.
    pub fn acquire(&mut self, now_ms: i64, settings: &ShareSettings, ask: &Acquisition<'_>) -> Vec<Acquired> {
        let (Some(&(first_base, _)), Some(&(_, last_read))) = (ask.batches.first(), ask.batches.last())
        else {
            return Vec::new();
        };
        let Some((left, last)) = self.room(settings, ask, last_read) else { return Vec::new() };
        self.archive_compacted(ask.fetch_offset, first_base);
        let limit = settings.delivery_count_limit;
        let mut taking = Taking {
            ask,
            until_ms: now_ms.saturating_add(settings.lock_duration_ms),
            limit,
            throttled_from: THROTTLED_AT_LEAST.max((limit + 1) / 2),
            left,
            given: Vec::new(),
        };
        self.take_again(&mut taking, first_base.max(self.start_offset), last);
        let new = self.next_offset.max(first_base);
        if taking.left > 0 && new <= last {
            self.take_new(&mut taking, new, last);
        }
        let given = self.without_aborted(taking.given, ask.aborted);
        self.advance_start();
        self.check();
        given
    }

    /// How many records there is room for, and up to which offset.
    fn room(&self, settings: &ShareSettings, ask: &Acquisition<'_>, last_read: i64) -> Option<(i64, i64)> {
        let room = ask.max_records.min(settings.max_record_locks - self.in_flight());
        if room > 0 {
            return Some((room, last_read));
        }
        // No new ones, but what has come back among those in flight.
        let last = last_read.min(self.next_offset - 1);
        let room = ask.max_records.min(self.next_offset - ask.fetch_offset);
        (room > 0).then_some((room, last))
    }

    /// Where was read nothing was found up to some offset: what was available there has been compacted away.
    fn archive_compacted(&mut self, fetch_offset: i64, first_base: i64) {
        if fetch_offset >= first_base {
            return;
        }
        let is_available = |(_, flight): &(i64, &Flight)| flight.is_available();
        if self.flights.from(fetch_offset).filter(is_available).is_none_or(|(first, _)| first >= first_base) {
            return;
        }
        for first in self.flights.cut_out(fetch_offset, first_base - 1) {
            let Some(flight) = self.flights.get_mut(first) else { continue };
            if flight.is_available() {
                flight.holding = Holding::Nobody(StoredState::Archived);
            }
        }
    }

    /// What is in flight and available, batch by batch as it was handed out first.
    fn take_again(&mut self, taking: &mut Taking<'_>, from: i64, last: i64) {
        let mut at = from;
        while taking.left > 0 && at <= last {
            let Some((first, flight)) = self.flights.from(at).filter(|(first, _)| *first <= last) else {
                return;
            };
            let (batch, end) = (flight.batch, flight.last);
            if flight.is_gap {
                let first = first.max(at);
                let end = end.min(last);
                self.take_new(taking, first, end);
                at = end.saturating_add(1);
                continue;
            }
            if !self.take_of_batch(taking, batch, (at, last)) {
                taking.left = 0;
                return;
            }
            // A range that was cut off its batch ends where that does, or before the next one.
            at = batch.1.max(end).saturating_add(1);
        }
    }

    /// Of one batch; false if nothing else may be given besides.
    fn take_of_batch(&mut self, taking: &mut Taking<'_>, batch: (i64, i64), within: (i64, i64)) -> bool {
        let (from, to) = (batch.0.max(within.0), batch.1.min(within.1));
        let (mut parts, mut at) = (Vec::new(), from);
        while let Some((first, flight)) = self.flights.from(at).filter(|(first, _)| *first <= to) {
            if flight.is_available() && !flight.is_gap {
                parts.push((first.max(from), flight.last.min(to), flight.delivery_count));
            }
            at = flight.last.saturating_add(1);
        }
        let Some(most) = parts.iter().map(|(_, _, count)| *count).max() else { return true };
        let is_throttled = most >= taking.throttled_from;
        if is_throttled && !taking.given.is_empty() {
            return false;
        }
        let records = batch.1 - batch.0 + 1;
        let is_whole = matches!(parts[..], [(first, last, _)] if (first, last) == batch);
        let is_too_much = taking.ask.mode == AcquireMode::RecordLimit && records > taking.left;
        if is_whole && !is_throttled && !is_too_much {
            self.hold(taking, batch, most);
            return true;
        }
        !(self.take_parts(taking, &parts, records) && is_throttled)
    }

    /// Parts of a batch; true if something was given.
    fn take_parts(&mut self, taking: &mut Taking<'_>, parts: &[(i64, i64, i16)], records: i64) -> bool {
        let (mut given, mut most) = (0, i64::MAX);
        let before = taking.given.len();
        for &(first, last, delivery_count) in parts {
            let is_last_time = taking.limit > 2 && delivery_count == taking.limit - 1;
            if is_last_time && given > 0 {
                break;
            }
            if delivery_count >= taking.throttled_from && most == i64::MAX {
                let halvings = u32::from((delivery_count - taking.throttled_from + 1).unsigned_abs());
                most = records.checked_shr(halvings).unwrap_or(0).max(1);
            }
            let mut count = (last - first + 1).min(most - given);
            if taking.ask.mode == AcquireMode::RecordLimit {
                count = count.min(taking.left);
            }
            if is_last_time {
                // Alone: if it is what breaks its consumers, it takes nothing else along.
                count = count.min(1);
            }
            if count <= 0 {
                break;
            }
            self.hold(taking, (first, first + count - 1), delivery_count);
            taking.join(before);
            given += count;
            if is_last_time || given >= most {
                break;
            }
        }
        given > 0
    }

    /// The member holds a range from now on.
    fn hold(&mut self, taking: &mut Taking<'_>, (first, last): (i64, i64), delivery_count: i16) {
        let delivery_count = delivery_count.saturating_add(1);
        for part in self.flights.cut_out(first, last) {
            let Some(flight) = self.flights.get_mut(part) else { continue };
            flight.holding = taking.held();
            flight.delivery_count = delivery_count;
        }
        taking.give(first, last, delivery_count);
    }

    /// What was never handed out, as far as anybody knows. The last batch of the log comes whole, except where the limit is strict: there
    /// the rest of it waits.
    fn take_new(&mut self, taking: &mut Taking<'_>, first: i64, last: i64) {
        let batches = taking.ask.batches;
        let wanted_last = first.saturating_add(taking.left - 1);
        let mut end = last;
        if wanted_last < last {
            let batch = batches.iter().rev().find(|(base, _)| *base <= wanted_last);
            end = batch.map_or(wanted_last, |(_, batch_last)| (*batch_last).max(wanted_last)).min(last);
        }
        let starts = match taking.ask.mode {
            AcquireMode::RecordLimit => vec![first],
            AcquireMode::BatchOptimized => starts(batches, (first, end), taking.ask.batch_size),
        };
        if self.flights.is_empty() {
            // What lies before it is not in the log.
            self.start_offset = self.start_offset.max(first);
        }
        for (at, start) in starts.iter().enumerate() {
            let batch = (*start, starts.get(at + 1).map_or(end, |next| next - 1));
            let flight = Flight { delivery_count: 0, ..Flight::stored(batch, StoredState::Available, 0) };
            self.flights.lay_over(batch.0, flight);
            self.next_offset = self.next_offset.max(batch.1 + 1);
            let held = match taking.ask.mode {
                AcquireMode::RecordLimit => batch.1.min(wanted_last),
                AcquireMode::BatchOptimized => batch.1,
            };
            self.hold(taking, (batch.0, held), 0);
        }
    }

    /// What belongs to aborted transactions is done with, and nobody gets it.
    fn without_aborted(&mut self, given: Vec<Acquired>, aborted: &[(i64, i64)]) -> Vec<Acquired> {
        if aborted.is_empty() {
            return given;
        }
        let mut kept = Vec::with_capacity(given.len());
        for range in given {
            let mut at = range.first_offset;
            for &(first, last) in aborted {
                let (first, last) = (first.max(at), last.min(range.last_offset));
                if first > last {
                    continue;
                }
                for part in self.flights.cut_out(first, last) {
                    let Some(flight) = self.flights.get_mut(part) else { continue };
                    flight.holding = Holding::Nobody(StoredState::Archived);
                }
                if at < first {
                    kept.push(Acquired { first_offset: at, last_offset: first - 1, ..range });
                }
                at = last.saturating_add(1);
            }
            if at <= range.last_offset {
                kept.push(Acquired { first_offset: at, ..range });
            }
        }
        kept
    }
}

/// Where what is given is cut: at batches of the log, once there are as many records as the member wants in one.
fn starts(batches: &[(i64, i64)], (first, end): (i64, i64), batch_size: i64) -> Vec<i64> {
    let mut starts = vec![first];
    if end - first < batch_size {
        return starts;
    }
    let mut at = first;
    for &(base, _) in batches.iter().take_while(|(base, _)| *base <= end) {
        if base - at >= batch_size.max(1) {
            starts.push(base);
            at = base;
        }
    }
    starts
}
