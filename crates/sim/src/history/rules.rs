//! The rules that look at values and at single processes: lost, unseen, aborted, skipped, gone back. One pass each over the operations.

use std::collections::BTreeMap;

use super::ops::{History, Key, Kind, Op, Outcome, Step, Value};
use super::verdict::{Anomaly, Verdict};
use super::versions::{NONE, Versions, at};

/// Who reads what nobody wrote, what was aborted, what is not committed yet.
pub fn reads(history: &History, versions: &Versions, verdict: &mut Verdict) {
    for (place, op) in (0_u32..).zip(&history.ops) {
        for polled in op.polled() {
            let writer = at(&versions.writer, polled.value);
            let words = |what: &str| {
                let (name, text) = (history.name(polled.key), history.text(polled.value));
                format!("process {} read {text} of {name}, which {what}", op.process)
            };
            match history.ops.get(writer as usize) {
                None => verdict.found(Anomaly::Unwritten, 0, || words("nobody sent")),
                Some(_) if writer == place && op.kind == Kind::Transaction => {
                    verdict.found(Anomaly::PrecommittedRead, 0, || words("it had not committed yet"));
                }
                Some(by) if by.outcome == Outcome::Fail && op.outcome == Outcome::Ok => {
                    verdict.found(Anomaly::AbortedRead, u64::from(writer.abs_diff(place)), || {
                        words(&format!("process {} had not sent in the end", by.process))
                    });
                }
                Some(_) => {}
            }
        }
    }
}

/// Every value below one that was read has been read; every acknowledged one, too.
pub fn lost_and_unseen(history: &History, versions: &Versions, verdict: &mut Verdict) {
    let mut bounds = vec![NONE; history.keys()];
    let values = || 0..history.values() as Value;
    let is_read = |value: Value| versions.read_ok.get(value as usize).copied().unwrap_or(false);
    for value in values().filter(|value| is_read(*value)) {
        let first = at(&versions.first, value);
        if let Some(bound) = bounds.get_mut(history.key_of(value) as usize) {
            *bound = if *bound == NONE { first } else { first.max(*bound) };
        }
    }
    for value in values().filter(|value| !is_read(*value)) {
        let Some(op) = history.ops.get(at(&versions.writer, value) as usize) else { continue };
        let (key, last) = (history.key_of(value), at(&versions.last, value));
        let bound = at(&bounds, key);
        let words = |what: &str| {
            let (name, text) = (history.name(key), history.text(value));
            format!("{text} of {name}, sent by process {}, {what}", op.process)
        };
        if last != NONE && bound != NONE && last <= bound && versions.must_have_committed(op) {
            verdict.found(Anomaly::LostWrite, u64::from(bound - last), || {
                words("lies before what was read and was not read")
            });
        } else if last == NONE && is_half_there(op, versions) {
            // A part of a transaction is there: all of it is.
            verdict.found(Anomaly::LostWrite, 0, || words("is missing of what happened together"));
        } else if op.outcome == Outcome::Ok {
            verdict.found(Anomaly::Unseen, 0, || words("was acknowledged and never read"));
        }
    }
}

fn is_half_there(op: &Op, versions: &Versions) -> bool {
    op.kind == Kind::Transaction && op.outcome == Outcome::Info && versions.must_have_committed(op)
}

/// What a process has done so far.
#[derive(Default)]
struct Course {
    /// The last value read of each key that it still holds.
    read: BTreeMap<Key, Value>,
    /// The highest value sent to each key, and when its ack came.
    sent: BTreeMap<Key, (Value, i64)>,
    is_subscribed: bool,
}

/// Whether indexes go on by one within operations, and between those of a process.
pub fn courses(history: &History, versions: &Versions, verdict: &mut Verdict) {
    let mut courses: BTreeMap<u32, Course> = BTreeMap::new();
    for op in &history.ops {
        let course = courses.entry(op.process).or_default();
        match op.kind {
            Kind::Crash => *course = Course::default(),
            Kind::Assign | Kind::Subscribe => {
                course.read.retain(|key, _| op.keys.contains(key));
                course.is_subscribed |= op.kind == Kind::Subscribe;
            }
            Kind::Send | Kind::Poll | Kind::Transaction => {
                let look = Look { history, versions, op };
                look.polls(course, verdict);
                look.sends(course, verdict);
            }
        }
    }
}

struct Look<'a> {
    history: &'a History,
    versions: &'a Versions,
    op: &'a Op,
}

impl Look<'_> {
    fn polls(&self, course: &mut Course, verdict: &mut Verdict) {
        for key in &self.op.keys {
            course.read.remove(key);
        }
        let mut within: BTreeMap<Key, Value> = BTreeMap::new();
        for polled in self.op.polled() {
            match within.insert(polled.key, polled.value) {
                Some(_) if self.op.keys.contains(&polled.key) => {}
                Some(before) => {
                    let names = (Anomaly::IntPollSkip, Anomaly::IntNonmonotonicPoll);
                    self.read_on(before, polled.value, names, verdict);
                }
                None if self.op.outcome == Outcome::Ok => {
                    let Some(before) = course.read.get(&polled.key) else { continue };
                    let names = if course.is_subscribed {
                        (Anomaly::SubscribedPollSkip, Anomaly::SubscribedNonmonotonicPoll)
                    } else {
                        (Anomaly::PollSkip, Anomaly::NonmonotonicPoll)
                    };
                    self.read_on(*before, polled.value, names, verdict);
                }
                None => {}
            }
        }
        for (key, value) in within {
            // After an operation that came to nothing the consumer may stand anywhere.
            match self.op.outcome {
                Outcome::Ok => course.read.insert(key, value),
                Outcome::Fail | Outcome::Info => course.read.remove(&key),
            };
        }
    }

    fn read_on(&self, before: Value, value: Value, names: (Anomaly, Anomaly), verdict: &mut Verdict) {
        let (from, to) = (at(&self.versions.first, before), at(&self.versions.first, value));
        let (skip, back) = names;
        if to > from.saturating_add(1) {
            verdict.found(skip, u64::from(to - from), || self.words("read", before, value));
        } else if to <= from {
            verdict.found(back, u64::from(from - to), || self.words("read", before, value));
        }
    }

    fn sends(&self, course: &mut Course, verdict: &mut Verdict) {
        if self.op.outcome != Outcome::Ok {
            return;
        }
        let mut within: BTreeMap<Key, Value> = BTreeMap::new();
        for step in &self.op.steps {
            let Step::Send { key, value, .. } = step else { continue };
            let index = at(&self.versions.first, *value);
            if index == NONE {
                continue;
            }
            let (before, name) = match (within.insert(*key, *value), course.sent.get(key)) {
                (Some(before), _) => (before, Anomaly::IntNonmonotonicSend),
                // Of two that were on their way together, either may come first.
                (None, Some((before, returned_ms))) if *returned_ms <= self.op.invoked_ms => {
                    (*before, Anomaly::NonmonotonicSend)
                }
                (None, _) => continue,
            };
            let from = at(&self.versions.first, before);
            if index <= from {
                verdict.found(name, u64::from(from - index), || self.words("sent", before, *value));
            }
        }
        for (key, value) in within {
            let index = |value| at(&self.versions.first, value);
            let known = course.sent.entry(key).or_insert((value, self.op.returned_ms));
            if index(value) >= index(known.0) {
                *known = (value, self.op.returned_ms);
            }
        }
    }

    fn words(&self, did: &str, before: Value, value: Value) -> String {
        let place = |value: Value| (self.history.text(value), at(&self.versions.first, value));
        let ((one, from), (two, to)) = (place(before), place(value));
        let name = self.history.name(self.history.key_of(value));
        format!("process {} {did} {one} (the {from}th of {name}), then {two} (the {to}th)", self.op.process)
    }
}

/// By key: the longest time for which what a poll took for the newest value was not the newest acknowledged one.
pub fn lags(history: &History, versions: &Versions, verdict: &mut Verdict) {
    // When anything at this index or above was acknowledged first.
    let mut acked: Vec<Vec<i64>> =
        versions.lengths.iter().map(|&length| vec![i64::MAX; length as usize]).collect();
    for op in history.ops.iter().filter(|op| op.outcome == Outcome::Ok) {
        for (key, value, _) in op.sends() {
            let index = at(&versions.first, value);
            let slot = acked.get_mut(key as usize).and_then(|acked| acked.get_mut(index as usize));
            slot.into_iter().for_each(|acked_ms| *acked_ms = op.returned_ms.min(*acked_ms));
        }
    }
    for acked in &mut acked {
        let mut earliest_ms = i64::MAX;
        for acked_ms in acked.iter_mut().rev() {
            earliest_ms = earliest_ms.min(*acked_ms);
            *acked_ms = earliest_ms;
        }
    }
    for op in history.ops.iter().filter(|op| op.outcome == Outcome::Ok) {
        let mut highest: BTreeMap<Key, u32> = BTreeMap::new();
        for polled in op.polled() {
            let known = highest.entry(polled.key).or_default();
            *known = (*known).max(at(&versions.first, polled.value));
        }
        for (key, index) in highest {
            let next = acked.get(key as usize).and_then(|acked| acked.get(index as usize + 1));
            let lag_ms = next.map_or(0, |acked_ms| op.invoked_ms.saturating_sub(*acked_ms));
            if lag_ms > 0 {
                let worst = verdict.worst_lag_ms.entry(history.name(key).to_owned()).or_default();
                *worst = lag_ms.max(*worst);
            }
        }
    }
}
