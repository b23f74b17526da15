//! Which value of a key is in force, and where it comes from: the static file, dynamic values of the cluster and of one
//! broker (KIP-226), overrides of a topic or group. Owns the order of the layers; never a value itself.

use super::key::ConfigKey;
use super::topic_keys::TOPIC_SYNONYMS;
use super::{broker_key, topic_key};
use std::collections::BTreeMap;

/// Names to values, as they are stored in configs and metadata.
pub type Values = BTreeMap<String, String>;

/// Where a value comes from; the number is the code in DescribeConfigs (KIP-226, KIP-714, KIP-848).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    DynamicTopic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    ClientMetrics = 7,
    Group = 8,
}

/// One of the values that could be in force, the strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub value: String,
    pub source: Source,
}

/// The value in force and all that stand behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub value: Option<String>,
    pub source: Source,
    pub synonyms: Vec<Synonym>,
}

/// The broker-wide layers, borrowed from the static config and the metadata image.
#[derive(Clone, Copy)]
pub struct BrokerLayers<'a> {
    pub per_broker: &'a Values,
    pub cluster_wide: &'a Values,
    pub file: &'a Values,
}

impl BrokerLayers<'_> {
    /// Everything that gives one of `names` a value: layer by layer, in each the strongest name first.
    fn synonyms(&self, names: &[&'static str]) -> Vec<Synonym> {
        let layers = [
            (self.per_broker, Source::DynamicBroker),
            (self.cluster_wide, Source::DynamicDefaultBroker),
            (self.file, Source::StaticBroker),
        ];
        let mut found = Vec::new();
        for (values, source) in layers {
            for name in names {
                if let Some(value) = values.get(*name) {
                    found.push(Synonym { name, value: value.clone(), source });
                }
            }
        }
        for name in names {
            // Kafka tells no default of a key that no file may set.
            if let Some(key) = broker_key(name).filter(|key| !key.dynamic_only)
                && let Some(value) = key.default
            {
                found.push(Synonym { name, value: value.to_owned(), source: Source::Default });
            }
        }
        found
    }

    /// The entries of a broker key that is a list.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = broker_key(name).and_then(|key| self.broker(key).value).unwrap_or_default();
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// The value of a broker key.
    pub fn broker(&self, key: &'static ConfigKey) -> Effective {
        let synonyms = self.synonyms(broker_synonyms(key.name));
        // A stronger synonym's value (log.retention.ms) is not the value of this key (log.retention.hours).
        let own = synonyms.iter().find(|synonym| synonym.name == key.name);
        let source = own.map_or(Source::Default, |synonym| synonym.source);
        let value = own.map(|synonym| synonym.value.clone());
        Effective { value, source, synonyms: from_own_name(synonyms, key.name) }
    }

    /// The value of a topic key, in the topic key's own unit.
    pub fn topic(&self, key: &'static ConfigKey, overrides: &Values) -> Effective {
        let names = topic_synonyms(key.name);
        let all = self.synonyms(names);
        let inherited = all.first().map(in_topic_unit);
        let mut synonyms = from_own_name(all, names.first().copied().unwrap_or_default());
        if let Some(value) = overrides.get(key.name) {
            synonyms
                .insert(0, Synonym { name: key.name, value: value.clone(), source: Source::DynamicTopic });
            return Effective { value: Some(value.clone()), source: Source::DynamicTopic, synonyms };
        }
        let value = inherited.or_else(|| key.default.map(str::to_owned));
        let source = synonyms.first().map_or(Source::Default, |synonym| synonym.source);
        Effective { value, source, synonyms }
    }
}

/// Kafka lists synonyms from the first that has the key's own name: `log.retention.hours` alone leaves nothing to list for
/// `retention.ms`, whose value it is all the same.
fn from_own_name(synonyms: Vec<Synonym>, name: &str) -> Vec<Synonym> {
    synonyms.into_iter().skip_while(|synonym| synonym.name != name).collect()
}

/// The value of a group or client-metrics key: its own, else a default given by the caller, else the table's.
pub fn of_resource(
    key: &'static ConfigKey,
    overrides: &Values,
    inherited: Vec<Synonym>,
    own: Source,
) -> Effective {
    let mut synonyms = Vec::new();
    if let Some(value) = overrides.get(key.name) {
        synonyms.push(Synonym { name: key.name, value: value.clone(), source: own });
    }
    if inherited.is_empty() {
        let default =
            |value: &str| Synonym { name: key.name, value: value.to_owned(), source: Source::Default };
        synonyms.extend(key.default.map(default));
    }
    synonyms.extend(inherited);
    let first = synonyms.first();
    Effective {
        value: first.map(|synonym| synonym.value.clone()),
        source: first.map_or(Source::Default, |synonym| synonym.source),
        synonyms,
    }
}

/// Hours and minutes become the milliseconds that topics speak of.
fn in_topic_unit(synonym: &Synonym) -> String {
    let factor = match synonym.name {
        "log.roll.hours" | "log.roll.jitter.hours" | "log.retention.hours" => 3_600_000,
        "log.retention.minutes" => 60_000,
        _ => return synonym.value.clone(),
    };
    match synonym.value.trim().parse::<i64>() {
        Ok(n) if n < 0 => "-1".to_owned(),
        Ok(n) => n.saturating_mul(factor).to_string(),
        Err(_) => synonym.value.clone(),
    }
}

/// The broker keys behind a topic key, the strongest first.
pub fn topic_synonyms(name: &str) -> &'static [&'static str] {
    TOPIC_SYNONYMS.binary_search_by(|(key, _)| key.cmp(&name)).map_or(&[], |at| TOPIC_SYNONYMS[at].1)
}

/// Families of broker keys that stand for one another; a key outside a family stands alone.
pub fn broker_synonyms(name: &'static str) -> &'static [&'static str] {
    const ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
    const JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
    const FLUSH: &[&str] = &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
    const RETENTION: &[&str] = &["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    match name {
        "log.roll.ms" | "log.roll.hours" => ROLL,
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => JITTER,
        "log.flush.interval.ms" => FLUSH,
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => RETENTION,
        _ => match broker_key(name) {
            Some(key) => std::slice::from_ref(&key.name),
            None => &[],
        },
    }
}

/// The broker key behind a group key, if there is one.
pub fn group_synonym(name: &str) -> Option<&'static str> {
    let key = match name {
        "streams.assignor.name" => broker_key("group.streams.assignors"),
        _ => broker_key(&format!("group.{name}")),
    };
    key.map(|key| key.name)
}

/// The values a group key inherits from the broker, the strongest first; none if there is no broker key for it.
pub fn group_defaults(name: &str, layers: &BrokerLayers<'_>) -> Vec<Synonym> {
    group_synonym(name).map_or_else(Vec::new, |broker| layers.synonyms(broker_synonyms(broker)))
}

/// Looks a key up in the table of a resource type.
pub fn topic_effective(name: &str, overrides: &Values, layers: &BrokerLayers<'_>) -> Option<Effective> {
    topic_key(name).map(|key| layers.topic(key, overrides))
}
