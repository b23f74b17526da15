//! The order of every key's values, put together from what all sends and polls say of their offsets. Gaps (markers, what nobody
//! knows) are closed: a value has an index among the known ones of its key.

use super::ops::{History, Key, Op, Outcome, Place, Value};
use super::verdict::{Anomaly, Verdict};

/// No index, no operation.
pub const NONE: u32 = u32::MAX;

/// What is known of every value.
pub struct Versions {
    /// The lowest and the highest index of each value; [`NONE`] where nobody knows its offset.
    pub first: Vec<u32>,
    pub last: Vec<u32>,
    /// Who sent it; [`NONE`] where nobody did.
    pub writer: Vec<Place>,
    /// It was read by an operation that happened.
    pub read_ok: Vec<bool>,
    /// How many indexes each key has.
    pub lengths: Vec<u32>,
}

/// A history that cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTwice {
    /// Where to.
    pub key: String,
    /// What.
    pub value: String,
}

fn slot<T>(list: &mut [T], number: u32) -> Option<&mut T> {
    list.get_mut(number as usize)
}

/// The value at this place, or [`NONE`].
pub fn at(list: &[u32], number: u32) -> u32 {
    list.get(number as usize).copied().unwrap_or(NONE)
}

impl Versions {
    /// Reads every operation once, then all offsets in order.
    pub fn of(history: &History, verdict: &mut Verdict) -> Result<Versions, SentTwice> {
        let values = history.values();
        let mut versions = Versions {
            first: vec![NONE; values],
            last: vec![NONE; values],
            writer: vec![NONE; values],
            read_ok: vec![false; values],
            lengths: vec![0; history.keys()],
        };
        versions.writers(history)?;
        let entries = versions.entries(history);
        versions.order(history, entries, verdict);
        Ok(versions)
    }

    fn writers(&mut self, history: &History) -> Result<(), SentTwice> {
        for (place, op) in (0..).zip(&history.ops) {
            for (key, value, _) in op.sends() {
                let Some(writer) = slot(&mut self.writer, value) else { continue };
                if *writer != NONE {
                    let (key, value) = (history.name(key).to_owned(), history.text(value).to_owned());
                    return Err(SentTwice { key, value });
                }
                *writer = place;
            }
            if op.outcome == Outcome::Ok {
                for polled in op.polled() {
                    slot(&mut self.read_ok, polled.value).into_iter().for_each(|read| *read = true);
                }
            }
        }
        Ok(())
    }

    /// It happened: it says so, or somebody has read something of it.
    pub fn must_have_committed(&self, op: &Op) -> bool {
        let is_read = |value: Value| self.read_ok.get(value as usize).copied().unwrap_or(false);
        match op.outcome {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info => op.sends().any(|(_, value, _)| is_read(value)),
        }
    }

    /// Where every value lies, sorted.
    fn entries(&self, history: &History) -> Vec<(Key, i64, Value)> {
        let mut entries = Vec::new();
        for op in &history.ops {
            if self.must_have_committed(op) {
                entries.extend(op.sends().filter_map(|(key, value, offset)| Some((key, offset?, value))));
            }
            // Also of operations that came to nothing: what a poll brings is safe in any case.
            entries.extend(op.polled().map(|polled| (polled.key, polled.offset, polled.value)));
        }
        entries.sort_unstable();
        entries.dedup();
        entries
    }

    fn order(&mut self, history: &History, entries: Vec<(Key, i64, Value)>, verdict: &mut Verdict) {
        let mut before: Option<(Key, i64, Value)> = None;
        for (key, offset, value) in entries {
            let same = before.filter(|before| (before.0, before.1) == (key, offset));
            if let Some((.., other)) = same {
                verdict.found(Anomaly::InconsistentOffsets, 0, || {
                    let (one, two) = (history.text(other), history.text(value));
                    format!("{} offset {offset} holds {one} and {two}", history.name(key))
                });
            } else if let Some(length) = slot(&mut self.lengths, key) {
                *length += 1;
            }
            before = Some((key, offset, value));
            let index = at(&self.lengths, key).saturating_sub(1);
            let first = at(&self.first, value);
            if first == NONE {
                slot(&mut self.first, value).into_iter().for_each(|first| *first = index);
            } else {
                verdict.found(Anomaly::Duplicate, u64::from(index - first), || {
                    let (name, text) = (history.name(key), history.text(value));
                    format!("{name} holds {text} a second time at offset {offset}")
                });
            }
            slot(&mut self.last, value).into_iter().for_each(|last| *last = index);
        }
    }
}
