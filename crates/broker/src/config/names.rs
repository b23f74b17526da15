//! Which names of a file mean something: keys of the table, keys of one listener, what plug-ins of Kafka read, what Kafka 4
//! dropped; and what is said of the others. Nothing here is fatal.

use super::listener_keys::{has_listener, is_read_per_listener, speaks_tls};
use super::{BROKER_KEYS, ConfigKey, KeyState, Values, broker_key, listener_key};

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

/// What Kafka's own plug-ins read without its being defined: StandardAuthorizer, JmxReporter, and the classes of remote storage.
const OF_PLUG_INS: &[&str] = &["allow.everyone.if.no.acl.found", "super.users"];
const OF_PLUG_INS_PREFIXES: &[&str] = &["metrics.context.", "metrics.jmx.", "rlmm.config.", "rsm.config."];

/// Read of a listener and a mechanism only, by Kafka as well.
const ONLY_PREFIXED: &[&str] = &["sasl.jaas.config"];

/// Keys whose value is the prefix of a plug-in's own keys.
const PREFIX_KEYS: &[&str] =
    &["remote.log.metadata.manager.impl.prefix", "remote.log.storage.manager.impl.prefix"];

/// Read by whoever puts in what config providers give.
const PROVIDERS: &str = "config.providers.";

/// Something in the file that the operator should know; never fatal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No such key; the nearest name, if one is near.
    Unknown {
        /// As it stands in the file.
        name: String,
        /// The key that is meant, perhaps.
        nearest: Option<&'static str>,
    },
    /// A key of a listener that is not there.
    NoListener {
        /// As it stands in the file.
        name: String,
        /// The listener that it names.
        listener: String,
    },
    /// Kafka 4 dropped it.
    Removed {
        /// As it stands in the file.
        name: String,
    },
    /// Known, set to something else than its default, without effect here.
    WithoutEffect {
        /// As it stands in the file.
        name: String,
    },
}

/// What is to be said of one line of a file, if anything.
pub(super) fn warning(values: &Values, name: &str, value: &str) -> Option<Warning> {
    let own = || name.to_owned();
    if let Some(key) = broker_key(name) {
        let is_idle =
            is_idle(key, value) || (is_set(key, value) && is_of_tls(name) && !speaks_tls(values, None));
        return is_idle.then(|| Warning::WithoutEffect { name: own() });
    }
    if let Some(found) = listener_key(name) {
        if !has_listener(values, found.listener) {
            return Some(Warning::NoListener { name: own(), listener: found.listener.to_owned() });
        }
        if is_read_per_listener(&found) {
            let is_idle = is_of_tls(found.key.name) && !speaks_tls(values, Some(found.listener));
            return is_idle.then(|| Warning::WithoutEffect { name: own() });
        }
        // No other key is read for one listener only, whatever the node does with it for all of them.
        let in_force = values.get(found.key.name).map(String::as_str).or(found.key.default);
        let same = in_force.is_some_and(|other| found.key.shown(other) == found.key.shown(value));
        return (!same).then(|| Warning::WithoutEffect { name: own() });
    }
    if name.starts_with(PROVIDERS) {
        return None;
    }
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if REMOVED.contains(&name) || starts(REMOVED_PREFIXES) {
        return Some(Warning::Removed { name: own() });
    }
    let prefixed = |key: &&str| values.get(*key).is_some_and(|prefix| name.starts_with(prefix.trim()));
    if OF_PLUG_INS.contains(&name) {
        // The authorizer's, which are read where there is one.
        let is_guarded = values.get("authorizer.class.name").is_some_and(|class| !class.trim().is_empty());
        return (!is_guarded).then(|| Warning::WithoutEffect { name: own() });
    }
    if starts(OF_PLUG_INS_PREFIXES) || PREFIX_KEYS.iter().any(prefixed) {
        return Some(Warning::WithoutEffect { name: own() });
    }
    Some(Warning::Unknown { name: own(), nearest: nearest(name) })
}

/// Set to something else than what it is anyway, and nobody reads it.
fn is_idle(key: &ConfigKey, value: &str) -> bool {
    let is_read = match key.state {
        KeyState::Implemented => !ONLY_PREFIXED.contains(&key.name),
        KeyState::Accepted | KeyState::Refused => false,
    };
    !is_read && is_set(key, value)
}

/// To something else than what it is anyway.
fn is_set(key: &ConfigKey, value: &str) -> bool {
    key.default.is_none_or(|default| key.shown(default) != key.shown(value))
}

fn is_of_tls(name: &str) -> bool {
    name.starts_with("ssl.")
}

/// Whether a name means something in a broker's configuration, here or to Kafka; where it has to be said of a lone name.
pub fn is_known(name: &str) -> bool {
    !matches!(warning(&Values::new(), name, ""), Some(Warning::Unknown { .. }))
}

/// The lines that say all of this; those without effect stand in one.
pub fn told(warnings: &[Warning]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut idle: Vec<&str> = Vec::new();
    for warning in warnings {
        lines.push(match warning {
            Warning::Unknown { name, nearest: Some(nearest) } => {
                format!("unknown configuration key {name} is ignored; did you mean {nearest}?")
            }
            Warning::Unknown { name, nearest: None } => format!("unknown configuration key {name} is ignored"),
            Warning::NoListener { name, listener } => format!(
                "{name} is ignored: no listener is called {listener} (in such keys a listener's name is in lower case)"
            ),
            Warning::Removed { name } => format!("{name} was removed in Kafka 4 and has no effect"),
            Warning::WithoutEffect { name } => {
                idle.push(name);
                continue;
            }
        });
    }
    if !idle.is_empty() {
        lines.push(format!("configured, but without effect here: {}", idle.join(", ")));
    }
    lines
}

/// The key whose name takes the fewest edits, if that is at most a third of its length.
pub fn nearest(name: &str) -> Option<&'static str> {
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
