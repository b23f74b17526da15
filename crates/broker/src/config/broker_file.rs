//! The broker's own file, checked, its values read through the table. Owns the text of the values; defaults are the keys'.

use super::layers::BrokerLayers;
use super::listener_keys::{LISTENER_PREFIX, has_listener, listener_key};
use super::names::{Warning, warning};
use super::refusals::refusal;
use super::tables::broker_key;
use super::value::{Values, list};
use std::collections::BTreeSet;

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

    /// All layers as one file: what a start would read.
    pub fn merged(layers: &BrokerLayers<'_>) -> Self {
        let mut values = layers.file.clone();
        values.extend(layers.cluster_wide.clone());
        values.extend(layers.per_broker.clone());
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

    /// As one listener has it: its own values first.
    pub fn of_listener(&self, listener: &str) -> OfListener<'_> {
        OfListener::new(self, listener)
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

/// The configuration as one listener has it.
#[derive(Clone, Debug)]
pub struct OfListener<'a> {
    file: &'a BrokerFile,
    prefix: String,
}

impl<'a> OfListener<'a> {
    fn new(file: &'a BrokerFile, listener: &str) -> Self {
        Self { file, prefix: format!("{LISTENER_PREFIX}{}.", listener.to_lowercase()) }
    }

    /// What stands below the listener's prefix only.
    pub fn own(&self, name: &str) -> Option<&'a str> {
        self.file.values().get(&format!("{}{name}", self.prefix)).map(|value| value.trim())
    }

    /// The listener's own value of a key, else that of all, else its default.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.own(name).or_else(|| self.file.text(name))
    }

    /// What stands below the prefix of the listener and of a SASL mechanism only.
    pub fn own_of_mechanism(&self, mechanism: &str, name: &str) -> Option<&'a str> {
        self.own(&format!("{}.{name}", mechanism.to_lowercase()))
    }

    /// The mechanism's own value of a key, else as [`OfListener::text`] has it.
    pub fn of_mechanism(&self, mechanism: &str, name: &str) -> Option<&'a str> {
        self.own_of_mechanism(mechanism, name).or_else(|| self.text(name))
    }
}
