//! A key by its name, one lookup for each kind of resource. Owns no row.

use super::broker_keys::BROKER_KEYS;
use super::client_metrics_keys::CLIENT_METRICS_KEYS;
use super::group_keys::GROUP_KEYS;
use super::key::ConfigKey;
use super::topic_keys::TOPIC_KEYS;

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
