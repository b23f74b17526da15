//! The order in which files, environment and arguments override each other.
//!
//! Owns keys and values as they were given; how a file is read is `wire::properties`' business. Never knows what a key
//! means.

use std::collections::BTreeMap;

pub use wire::properties::MalformedEscape;

/// Keys and values; a later one replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

impl Properties {
    /// Reads a whole file.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedEscape> {
        wire::properties::parse(bytes).map(Self)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets `key`.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Everything of `other` replaces what is here.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `key=value` of a `--set` or `--override`.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), String> {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                self.set(key.trim(), value.trim());
                Ok(())
            }
            _ => Err(format!("`{pair}` is not of the form key=value")),
        }
    }
}

/// Variables that the images give to the JVM and its launcher, not to the broker.
const NOT_KEYS: &[&str] = &[
    "KAFKA_VERSION",
    "KAFKA_HOME",
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_DEBUG",
    "KAFKA_CLUSTER_ID",
    "KAFKA_KRAFT_CLUSTER_ID",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
];

/// The keys that the three images read from their environment: `KAFKA_A_B` is `a.b`, `__` is `_`, `___` is `-`;
/// `KAFKA_CFG_A_B` (Bitnami's) likewise. `accepts` says which keys exist, so that a stray variable is no key.
pub fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
    accepts: impl Fn(&str) -> bool,
) -> Properties {
    let mut found = Properties::default();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix("KAFKA_") else { continue };
        if NOT_KEYS.contains(&name.as_str()) || name.starts_with("KAFKA_LOG4J") {
            continue;
        }
        let rest = rest.strip_prefix("CFG_").unwrap_or(rest);
        let key = rest.to_lowercase().replace('_', ".").replace("...", "-").replace("..", "_");
        if accepts(&key) {
            found.set(key, value);
        }
    }
    found
}

/// The cluster id that the images take from their environment.
pub fn cluster_id_from_environment(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID"]
        .into_iter()
        .filter_map(variable)
        .find(|id| !id.trim().is_empty())
}

#[cfg(test)]
mod tests;
