//! What clients did and heard, as plain data: operations in the order of their completion, keys and values as small numbers.
//! Judges nothing.

use wire::hash::StableMap;

/// A partition, by the place of its name.
pub type Key = u32;
/// A value of a key: equal texts under two keys are two values.
pub type Value = u32;
/// An operation, by its place in the history.
pub type Place = u32;

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows.
    Info,
}

/// What kind of operation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Records outside of a transaction.
    Send,
    /// A poll outside of a transaction.
    Poll,
    /// Sends and polls that happen together or not at all.
    Transaction,
    /// The process reads these keys from now on.
    Assign,
    /// The process reads what its group gives it of these keys.
    Subscribe,
    /// The client is gone; the process goes on with a new one.
    Crash,
}

/// A step of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A record; its offset where the answer told it.
    Send {
        /// Where to.
        key: Key,
        /// Of its value.
        value: Value,
        /// `None`: nobody knows.
        offset: Option<i64>,
    },
    /// What one poll brought, in order.
    Poll(Vec<Polled>),
}

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polled {
    /// Where.
    pub key: Key,
    /// At this offset.
    pub offset: i64,
    /// What.
    pub value: Value,
}

/// An operation that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Who did it: one producer and one consumer.
    pub process: u32,
    /// When it began, in milliseconds of any clock that all processes share.
    pub invoked_ms: i64,
    /// When it ended.
    pub returned_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it was.
    pub kind: Kind,
    /// Its sends and polls, in order.
    pub steps: Vec<Step>,
    /// What is read from now on (assign, subscribe), or was dealt anew meanwhile (all others).
    pub keys: Vec<Key>,
}

/// All operations, and the names of what they touch.
#[derive(Debug, Default)]
pub struct History {
    /// In the order of their completion.
    pub ops: Vec<Op>,
    keys: Names,
    /// The key of each value.
    owners: Vec<Key>,
    values: StableMap<(Key, Box<str>), Value>,
    texts: Vec<Box<str>>,
}

#[derive(Debug, Default)]
struct Names {
    numbers: StableMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl History {
    /// The number of a key.
    pub fn key(&mut self, name: &str) -> Key {
        if let Some(&number) = self.keys.numbers.get(name) {
            return number;
        }
        let number = self.keys.texts.len() as Key;
        self.keys.texts.push(name.into());
        self.keys.numbers.insert(name.into(), number);
        number
    }

    /// The number of a value of this key.
    pub fn value(&mut self, key: Key, text: &str) -> Value {
        let next = self.texts.len() as Value;
        let number = *self.values.entry((key, text.into())).or_insert(next);
        if number == next {
            self.texts.push(text.into());
            self.owners.push(key);
        }
        number
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.texts.len()
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.texts.len()
    }

    /// The key that a value belongs to.
    pub fn key_of(&self, value: Value) -> Key {
        self.owners.get(value as usize).copied().unwrap_or_default()
    }

    /// A key's name.
    pub fn name(&self, key: Key) -> &str {
        self.keys.texts.get(key as usize).map_or("?", |text| text)
    }

    /// A value's text.
    pub fn text(&self, value: Value) -> &str {
        self.texts.get(value as usize).map_or("?", |text| text)
    }
}

impl Op {
    /// What it sent: key, value, offset.
    pub fn sends(&self) -> impl Iterator<Item = (Key, Value, Option<i64>)> + '_ {
        self.steps.iter().filter_map(|step| match step {
            Step::Send { key, value, offset } => Some((*key, *value, *offset)),
            Step::Poll(_) => None,
        })
    }

    /// What it read.
    pub fn polled(&self) -> impl Iterator<Item = Polled> + '_ {
        self.steps
            .iter()
            .flat_map(|step| match step {
                Step::Send { .. } => &[],
                Step::Poll(polled) => polled.as_slice(),
            })
            .copied()
    }
}
