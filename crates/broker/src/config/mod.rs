//! Every configuration key that Kafka 4.4 knows, in one table per resource, and the broker's own file read through it.
//! Owns names, types, defaults, bounds, docs and states; what a key does is decided where its value is read.

mod broker_keys;
mod client_metrics_keys;
mod group_keys;
mod key;
mod layers;
mod static_config;
mod topic_keys;
mod value;

#[cfg(test)]
mod tests;

pub use broker_keys::BROKER_KEYS;
pub use client_metrics_keys::CLIENT_METRICS_KEYS;
pub use group_keys::GROUP_KEYS;
pub use key::{ConfigKey, Importance, State, UpdateMode, Validator, ValueType};
pub use layers::{
    BrokerLayers, Effective, Source, Synonym, Values, broker_synonyms, group_defaults, group_synonym,
    of_resource, topic_effective, topic_synonyms,
};
pub use static_config::{FlushAck, StaticConfig};
pub use topic_keys::TOPIC_KEYS;
pub use value::{Parsed, list};

/// A broker key by name.
pub fn broker_key(name: &str) -> Option<&'static ConfigKey> {
    find(BROKER_KEYS, name)
}

/// A topic key by name.
pub fn topic_key(name: &str) -> Option<&'static ConfigKey> {
    find(TOPIC_KEYS, name)
}

/// A group key by name.
pub fn group_key(name: &str) -> Option<&'static ConfigKey> {
    find(GROUP_KEYS, name)
}

/// A client-metrics key by name.
pub fn client_metrics_key(name: &str) -> Option<&'static ConfigKey> {
    find(CLIENT_METRICS_KEYS, name)
}

fn find(table: &'static [ConfigKey], name: &str) -> Option<&'static ConfigKey> {
    table.binary_search_by(|key| key.name.cmp(name)).ok().and_then(|at| table.get(at))
}

/// Keys that Kafka 4 no longer has: accepted with a warning, so that old files still start.
const REMOVED: &[&str] = &[
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "delegation.token.master.key",
    "inter.broker.protocol.version",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "offsets.commit.required.acks",
    "reserved.broker.max.id",
];
const REMOVED_PREFIXES: &[&str] = &["zookeeper.", "password.encoder."];

/// Something in the file that the operator should know; never fatal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No such key; the nearest name, if one is near.
    Unknown { name: String, nearest: Option<&'static str> },
    /// Kafka 4 dropped it.
    Removed { name: String },
    /// Known, without effect here.
    WithoutEffect { name: String },
}

/// The broker's own file, checked. Values that are not set read as their defaults.
#[derive(Clone, Debug, Default)]
pub struct BrokerFile {
    values: Values,
}

impl BrokerFile {
    /// Checks every known key; the error is the sentence Kafka prints.
    pub fn new(values: Values) -> Result<(Self, Vec<Warning>), String> {
        let mut warnings = Vec::new();
        for (name, value) in &values {
            match broker_key(name) {
                Some(key) => {
                    key.check(value)?;
                    if key.state == State::Accepted {
                        warnings.push(Warning::WithoutEffect { name: name.clone() });
                    }
                }
                None => warnings.extend(warning_for(name)),
            }
        }
        Ok((Self { values }, warnings))
    }

    /// All that the file says, by name.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The value of a key of the table, or its default. `None` where neither is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        let key = broker_key(name);
        assert!(key.is_some(), "{name} is not in the table of broker keys");
        self.values.get(name).map(|value| value.trim()).or(key.and_then(|key| key.default))
    }

    /// A number of a key that has a default (INT, SHORT or LONG).
    pub fn number(&self, name: &str) -> i64 {
        self.optional_number(name).unwrap_or_else(|| panic!("{name} has neither value nor default"))
    }

    /// A number of a key that may be unset.
    pub fn optional_number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|value| value.parse().ok())
    }

    /// A BOOLEAN key.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The entries of a LIST key.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).map(list).unwrap_or_default()
    }
}

fn warning_for(name: &str) -> Option<Warning> {
    // Prefixed keys belong to a listener or a plug-in and are read by those.
    if name.starts_with("listener.name.")
        || name.starts_with("rsm.config.")
        || name.starts_with("rlmm.config.")
    {
        return None;
    }
    if REMOVED.contains(&name) || REMOVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Some(Warning::Removed { name: name.to_owned() });
    }
    Some(Warning::Unknown { name: name.to_owned(), nearest: nearest(name) })
}

/// The key whose name takes the fewest edits, if that is at most a third of its length.
fn nearest(name: &str) -> Option<&'static str> {
    BROKER_KEYS
        .iter()
        .map(|key| (edits(name.as_bytes(), key.name.as_bytes()), key.name))
        .min()
        .filter(|(edits, _)| *edits <= name.len() / 3)
        .map(|(_, key)| key)
}

/// Levenshtein distance, one row at a time.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let next = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}
