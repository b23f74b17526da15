//! What may become of a broker's dynamic values (KIP-226): which keys a running node can change, for all brokers or for one,
//! and which values go with those in force. Owns the rules and Kafka's words for them; never a value.

use super::connection_caps::ConnectionCaps;
use super::key::UpdateMode;
use super::listener_keys::LISTENER_PREFIX;
use super::refusals::{is_of_sasl, only_at_the_start};
use super::{
    BrokerFile, BrokerLayers, ConfigKey, ValueType, Values, broker_key, check_together, list, listener_key,
    refusal,
};
use std::collections::{BTreeMap, BTreeSet};

/// Values that are to replace others on one resource.
pub struct BrokerChange<'a> {
    /// The default of all brokers, not one broker.
    pub cluster_wide: bool,
    /// What is set anew or otherwise than before.
    pub changed: &'a [(&'a str, &'a str)],
    /// The layers as they stand.
    pub before: BrokerLayers<'a>,
    /// As they would stand.
    pub after: BrokerLayers<'a>,
}

/// Keys of key stores: they mean nothing without the listener whose store it is.
const OF_A_LISTENER: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// What a listener may have of its own and yet be told for all brokers.
const OF_LISTENERS_EVERYWHERE: &[&str] =
    &["max.connection.creation.rate", "max.connections", "num.network.threads"];

/// Sizes that change by half or double at most.
const THREADS: &[&str] = &[
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
];
const CLEANER_THREADS: &str = "log.cleaner.threads";
const PROTOCOLS: &str = "listener.security.protocol.map";

impl BrokerChange<'_> {
    /// Refuses in Kafka's words and in its order: what cannot change, what needs a listener, what is no value, what is one
    /// broker's own, and at last what does not go with the rest.
    pub fn check(&self) -> Result<(), String> {
        let names = |wanted: &dyn Fn(&str) -> bool| -> Vec<&str> {
            self.changed.iter().map(|(name, _)| *name).filter(|name| wanted(name)).collect()
        };
        let none = |names: Vec<&str>, what: &str| {
            if names.is_empty() { Ok(()) } else { Err(format!("{what}: [{}]", names.join(", "))) }
        };
        let mode = |name: &str| broker_key(name).map(|key| key.update_mode);
        none(
            names(&|name| mode(name) == Some(UpdateMode::ReadOnly)),
            "Cannot update these configs dynamically",
        )?;
        none(
            names(&|name| OF_A_LISTENER.contains(&name)),
            "These security configs can be dynamically updated only per-listener using the listener prefix",
        )?;
        for (name, value) in self.changed {
            if let Some(key) = key_of(name) {
                check_value(key, value)?;
            }
        }
        if self.cluster_wide {
            let of_one = |name: &str| match listener_key(name) {
                Some(found) => !OF_LISTENERS_EVERYWHERE.contains(&found.key.name),
                None => name.starts_with(LISTENER_PREFIX) || mode(name) == Some(UpdateMode::PerBroker),
            };
            none(
                names(&of_one),
                "Cannot update these configs at default cluster level, broker id must be specified",
            )?;
        }
        self.check_only_at_the_start()?;
        self.check_listeners()?;
        // What stood wrong already is not this change's fault.
        let standing = standing(&self.after);
        if standing.is_err() && standing != self::standing(&self.before) {
            return standing;
        }
        self.check_steps()?;
        self.check_strict()?;
        // DIVERGES: what promises somebody something that is not kept here is refused, at the start as at run time.
        let elsewhere =
            |name: &str| listener_key(name).is_some_and(|found| !self.has_listener(found.listener));
        let refused = self
            .changed
            .iter()
            .filter(|(name, _)| !elsewhere(name))
            .find_map(|(name, value)| refusal(name, value));
        refused.map_or(Ok(()), Err)
    }

    /// A node that refused to start with anything open is not opened while it runs.
    // DIVERGES: Kafka has no `security.strict`.
    fn check_strict(&self) -> Result<(), String> {
        if !self
            .before
            .file
            .get("security.strict")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
        {
            return Ok(());
        }
        let opens = |name: &str, value: &str| match listener_key(name).map_or(name, |found| found.key.name) {
            // A listener of SASL asks by other means, and only `required` is not weaker than what was.
            "ssl.client.auth" => !value.trim().eq_ignore_ascii_case("required"),
            "ssl.endpoint.identification.algorithm" | "ssl.crl.location" => value.trim().is_empty(),
            _ => false,
        };
        match self.changed.iter().find(|(name, value)| opens(name, value)) {
            Some((name, value)) => Err(format!(
                "{name}={value} opens what security.strict=true keeps closed: set security.strict=false in the file and restart"
            )),
            None => Ok(()),
        }
    }

    /// What only a start obeys stays as it is.
    fn check_only_at_the_start(&self) -> Result<(), String> {
        let value = |layers: &BrokerLayers<'_>, name: &str| match broker_key(name) {
            Some(key) => layers.broker(key).value,
            None => layers.other(name).value,
        };
        let differs = |name: &str| value(&self.before, name) != value(&self.after, name);
        let concerns =
            |name: &str| !is_of_sasl(name) || self.speaks_sasl(listener_key(name).map(|key| key.listener));
        let names = self.changed.iter().map(|(name, _)| *name);
        let mut differing = names.filter(|name| differs(name) && concerns(name));
        differing.find_map(only_at_the_start).map_or(Ok(()), Err)
    }

    /// Whether this listener of the node, in lower case, speaks SASL; `None`: any of them.
    fn speaks_sasl(&self, listener: Option<&str>) -> bool {
        let protocols = protocols(&self.before).unwrap_or_default();
        let listeners = self.before.list("listeners");
        let names = listeners.iter().filter_map(|one| one.split_once("://")).map(|(name, _)| name);
        let mut named = names.filter(|name| listener.is_none_or(|one| one == name.to_lowercase()));
        named
            .any(|name| protocols.get(&name.to_ascii_uppercase()).is_some_and(|one| one.starts_with("SASL_")))
    }

    fn check_listeners(&self) -> Result<(), String> {
        if !self.changed.iter().any(|(name, _)| *name == PROTOCOLS) {
            return Ok(());
        }
        let (before, after) = (protocols(&self.before)?, protocols(&self.after)?);
        let listeners = self.after.list("listeners");
        for listener in listeners.iter().filter_map(|listener| listener.split_once("://")) {
            let name = listener.0.to_ascii_uppercase();
            match after.get(&name) {
                None => {
                    return Err(format!(
                        "Error creating broker listeners from '[{}]': No security protocol defined for listener {name}",
                        listeners.join(", ")
                    ));
                }
                protocol if protocol != before.get(&name) => {
                    return Err(invalid(&format!(
                        "Security protocol cannot be updated for existing listener ListenerName({name})"
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// What depends on the value before, or on the value being set at all.
    fn check_steps(&self) -> Result<(), String> {
        for (name, _) in self.changed {
            let listener = listener_key(name);
            let value = match listener {
                None => self.after.number(name),
                Some(_) => self.after.other(name).value.and_then(|value| value.trim().parse().ok()),
            };
            let Some(value) = value else { continue };
            let key = listener.map_or(*name, |found| found.key.name);
            let before = || self.before.number(key).unwrap_or(value);
            match key {
                // What is not there has no threads yet.
                _ if listener.is_some_and(|found| !self.has_listener(found.listener)) => {}
                _ if THREADS.contains(&key) => check_threads(key, before(), value)?,
                CLEANER_THREADS => check_cleaner_threads(before(), value)?,
                "max.connections" | "max.connection.creation.rate" if value <= 0 => {
                    return Err(invalid(&format!("Invalid {key} {value}")));
                }
                _ => {}
            }
        }
        check_local(&self.after, "log.local.retention.ms", "log.retention.ms", retention_ms(&self.after))?;
        let bytes = self.after.number("log.retention.bytes").unwrap_or(-1);
        check_local(&self.after, "log.local.retention.bytes", "log.retention.bytes", bytes)
    }

    /// Whether there is a listener for clients of this name, in lower case.
    fn has_listener(&self, name: &str) -> bool {
        let controllers = self.before.list("controller.listener.names");
        let is_it = |known: &str| known.to_lowercase() == name && !controllers.iter().any(|one| one == known);
        let listeners = self.before.list("listeners");
        listeners.iter().filter_map(|one| one.split_once("://")).any(|(known, _)| is_it(known))
    }
}

/// The key that a name means, with or without a listener's prefix.
fn key_of(name: &str) -> Option<&'static ConfigKey> {
    // Kafka knows no types of what is below a mechanism.
    let below = || listener_key(name).filter(|found| found.mechanism.is_none()).map(|found| found.key);
    broker_key(name).or_else(below)
}

fn check_value(key: &ConfigKey, value: &str) -> Result<(), String> {
    // Elsewhere a repetition is dropped; what a running broker is told, it takes by the letter.
    let entries = list(value);
    let repeats = entries.iter().collect::<BTreeSet<_>>().len() < entries.len();
    if key.value_type == ValueType::List && repeats {
        return Err(format!("Configuration '{}' values must not be duplicated.", key.name));
    }
    key.check(value)?;
    // No class is ever loaded here: those that are built in stand in the table as defaults.
    if key.value_type == ValueType::Class && key.default != Some(value.trim()) {
        let (value, name) = (value.trim(), key.name);
        return Err(format!(
            "Invalid value {value} for configuration {name}: Class {value} could not be found."
        ));
    }
    if key.name == "metric.reporters" && list(value).iter().any(|entry| key.default != Some(entry)) {
        return Err(invalid(
            "Validation of dynamic config update of Set(metric.reporters) failed with class class \
             kafka.server.DynamicMetricsReporters",
        ));
    }
    Ok(())
}

/// Kafka wraps what a part of the broker says against a value.
fn invalid(what: &str) -> String {
    format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: {what} for configuration Invalid dynamic configuration"
    )
}

/// What Kafka asks of the whole of a broker's values, at the start and after every change.
fn standing(layers: &BrokerLayers<'_>) -> Result<(), String> {
    let required = |what: String| format!("requirement failed: {what}");
    check_together(&BrokerFile::merged(layers))
        .map_err(|what| if what.starts_with("group.") { what } else { required(what) })?;
    ConnectionCaps::check_overrides(layers)?;
    ConnectionCaps::check_anybody(layers).map_err(required)?;
    check_cordoned(layers.file, &layers.list("cordoned.log.dirs").join(",")).map_err(required)
}

/// `cordoned.log.dirs` names log directories, or all of them (KIP-1066).
pub fn check_cordoned(file: &Values, cordoned: &str) -> Result<(), String> {
    let directories =
        file.get("log.dirs").or_else(|| file.get("log.dir")).map_or("/tmp/kafka-logs", String::as_str);
    let (directories, cordoned) = (list(directories), list(cordoned));
    if cordoned.contains(&"*") {
        return match cordoned.len() {
            1 => Ok(()),
            _ => Err("When cordoned.log.dirs is set to *, it must not contain other values".to_owned()),
        };
    }
    let missing: Vec<&str> = cordoned.into_iter().filter(|entry| !directories.contains(entry)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
        missing.join(", ")
    ))
}

fn check_threads(key: &str, before: i64, value: i64) -> Result<(), String> {
    let why = if value < before / 2 {
        format!("value should be at least half the current value {before}")
    } else if value > before.saturating_mul(2) {
        format!("value should not be greater than double the current value {before}")
    } else {
        return Ok(());
    };
    Err(invalid(&format!("Dynamic thread count update validation failed for {key}={value}, {why}")))
}

fn check_cleaner_threads(before: i64, value: i64) -> Result<(), String> {
    let why = if value < 1 {
        // DIVERGES: Kafka divides by it first and says so.
        "should be at least 1".to_owned()
    } else if value < before / 2 {
        format!("cannot be reduced to less than half the current value {before}")
    } else if value > before.saturating_mul(2) {
        format!("cannot be increased to more than double the current value {before}")
    } else {
        return Ok(());
    };
    Err(invalid(&format!("Log cleaner threads {why}")))
}

/// What a tiered log keeps here is a part of what it keeps at all. -2 follows the whole, -1 is no limit.
fn check_local(layers: &BrokerLayers<'_>, key: &str, whole_key: &str, whole: i64) -> Result<(), String> {
    let local = layers.number(key).unwrap_or(-2);
    if whole == -1 || local == -2 {
        return Ok(());
    }
    let why = if local == -1 {
        format!("Value must not be -1 as {whole_key} value is set as {whole}.")
    } else if local > whole {
        format!("Value must not be more than {whole_key} property value: {whole}")
    } else {
        return Ok(());
    };
    Err(invalid(&format!("Invalid value {local} for configuration {key}: {why}")))
}

fn retention_ms(layers: &BrokerLayers<'_>) -> i64 {
    let number = |name: &str, factor: i64| layers.number(name).map(|number| number.saturating_mul(factor));
    let ms = number("log.retention.ms", 1)
        .or_else(|| number("log.retention.minutes", 60_000))
        .or_else(|| number("log.retention.hours", 3_600_000));
    ms.filter(|ms| *ms >= 0).unwrap_or(-1)
}

/// Listener names to security protocols, in capitals.
fn protocols(layers: &BrokerLayers<'_>) -> Result<BTreeMap<String, String>, String> {
    const KNOWN: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    let mut found = BTreeMap::new();
    for entry in layers.list(PROTOCOLS) {
        let Some((name, protocol)) = entry.split_once(':') else {
            return Err(format!(
                "Error parsing configuration property '{PROTOCOLS}': {entry} is no pair of a listener and a protocol"
            ));
        };
        let protocol = protocol.trim().to_ascii_uppercase();
        if !KNOWN.contains(&protocol.as_str()) {
            return Err(format!("Invalid security protocol `{protocol}` defined in {PROTOCOLS}"));
        }
        found.insert(name.trim().to_ascii_uppercase(), protocol);
    }
    Ok(found)
}
