//! Every configuration key that Kafka 4.4 knows, in one table per resource, and the broker's own file read through it.
//! Owns names, types, defaults, bounds, docs and states; what a key does is decided where its value is read.

mod broker_changes;
mod broker_keys;
mod client_metrics_keys;
mod group_keys;
mod key;
mod layers;
mod listener_keys;
mod names;
mod refusals;
mod resource_changes;
mod static_config;
mod together;
mod topic_keys;
mod value;

#[cfg(test)]
mod tests;

pub use broker_changes::{BrokerChange, check_cordoned};
pub use broker_keys::BROKER_KEYS;
pub use client_metrics_keys::CLIENT_METRICS_KEYS;
pub use group_keys::GROUP_KEYS;
pub use key::{ConfigKey, Importance, State, UpdateMode, Validator, ValueType};
pub use layers::{
    BrokerLayers, Effective, Source, Synonym, Values, ValuesDoor, broker_synonyms, group_defaults,
    group_synonym, of_resource, topic_effective, topic_synonyms,
};
pub use listener_keys::{ListenerKey, listener_key};
pub use names::{Warning, is_known, nearest, told};
pub use refusals::{not_in_force, refusal};
pub use resource_changes::{check_client_metrics, check_group};
pub use static_config::{FlushAck, StaticConfig};
pub use together::check_together;
pub use topic_keys::TOPIC_KEYS;
pub use value::{Parsed, list};

use listener_keys::{LISTENER_PREFIX, has_listener};
use names::warning;
use std::collections::BTreeSet;

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
            if let Some(key) = broker_key(name) {
                key.check(value)?;
            } else if let Some(found) = listener_key(name)
                && has_listener(&values, found.listener)
            {
                found.key.check(value)?;
            }
            warnings.extend(warning(&values, name, value));
        }
        Ok((Self { values }, warnings))
    }

    /// A file that was checked before.
    pub fn checked(values: Values) -> Self {
        Self { values }
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

    /// The entries of a LIST key, each once where the key drops repetitions.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let mut entries = self.text(name).map(list).unwrap_or_default();
        if broker_key(name).is_some_and(|key| key.drops_repetitions()) {
            let mut seen = BTreeSet::new();
            entries.retain(|entry| seen.insert(*entry));
        }
        entries
    }

    /// What the file promises and nobody keeps, a sentence for each. See `refusals`.
    pub fn refusals(&self) -> Vec<String> {
        let elsewhere =
            |name: &str| listener_key(name).is_some_and(|found| !has_listener(&self.values, found.listener));
        self.values
            .iter()
            .filter(|(name, _)| !elsewhere(name))
            .filter_map(|(name, value)| refusal(name, value))
            .collect()
    }
}
