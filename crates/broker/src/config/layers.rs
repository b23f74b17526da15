//! Which value of a key is in force, and where it comes from: the static file, dynamic values of the cluster and of one
//! broker (KIP-226), overrides of a topic or group. Owns the order of the layers; never a value itself.

use super::key::ConfigKey;
use super::topic_keys::TOPIC_SYNONYMS;
use super::value::Values;
use super::{broker_key, listener_key, topic_key};
use std::borrow::Cow;
use std::sync::Arc;

/// Where a value comes from; the number is the code in DescribeConfigs (KIP-226, KIP-714, KIP-848).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An override of the topic.
    DynamicTopic = 1,
    /// A dynamic value of this broker.
    DynamicBroker = 2,
    /// A dynamic value of all brokers.
    DynamicDefaultBroker = 3,
    /// The broker's file.
    StaticBroker = 4,
    /// The key's default.
    Default = 5,
    /// The level of a logger.
    BrokerLogger = 6,
    /// A subscription to client metrics.
    ClientMetrics = 7,
    /// An override of the group.
    Group = 8,
}

/// One of the values that could be in force, the strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key that it was set under.
    pub name: Cow<'static, str>,
    /// As it is described.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

impl Synonym {
    fn new(name: &'static str, value: &str, source: Source) -> Synonym {
        Synonym { name: Cow::Borrowed(name), value: value.to_owned(), source }
    }
}

/// The value in force and all that stand behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// As it was read (see [`ConfigKey::shown`]), however it was written.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// All that could be in force, the strongest first.
    pub synonyms: Vec<Synonym>,
}

/// Outside the node somebody obeys values of the broker as well: told them at the start, and again whenever they change.
pub type ValuesDoor = Arc<dyn Fn(&BrokerLayers<'_>) + Send + Sync>;

/// The broker-wide layers, borrowed from the static config and the metadata image.
#[derive(Clone, Copy)]
pub struct BrokerLayers<'a> {
    /// Dynamic values of this broker.
    pub per_broker: &'a Values,
    /// Dynamic values of all brokers.
    pub cluster_wide: &'a Values,
    /// The broker's file.
    pub file: &'a Values,
}

impl BrokerLayers<'_> {
    /// The dynamic layers and the file, the strongest first.
    fn each(&self) -> [(&Values, Source); 3] {
        [
            (self.per_broker, Source::DynamicBroker),
            (self.cluster_wide, Source::DynamicDefaultBroker),
            (self.file, Source::StaticBroker),
        ]
    }

    /// Everything that gives one of `names` a value: layer by layer, in each the strongest name first.
    fn synonyms(&self, names: &[&'static str]) -> Vec<Synonym> {
        let mut found = Vec::new();
        for (values, source) in self.each() {
            for name in names {
                found.extend(values.get(*name).map(|value| Synonym::new(name, value, source)));
            }
        }
        for name in names {
            // Kafka tells no default of a key that no file may set.
            if let Some(key) = broker_key(name).filter(|key| !key.dynamic_only) {
                found.extend(key.default.map(|value| Synonym::new(name, value, Source::Default)));
            }
        }
        found
    }

    /// The entries of a broker key that is a list.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = broker_key(name).and_then(|key| self.broker(key).value).unwrap_or_default();
        super::list(&text).into_iter().filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// The value of a broker key.
    pub fn broker(&self, key: &'static ConfigKey) -> Effective {
        // A stronger synonym's value (log.retention.ms) is not the value of this key (log.retention.hours).
        let synonyms = from_own_name(self.synonyms(broker_synonyms(key.name)), key.name);
        let first = synonyms.first();
        Effective {
            value: first.map(|synonym| key.shown(&synonym.value)),
            source: first.map_or(Source::Default, |synonym| synonym.source),
            synonyms,
        }
    }

    /// A broker key's value, where it is an integer.
    pub fn number(&self, name: &str) -> Option<i64> {
        broker_key(name).and_then(|key| self.broker(key).value).and_then(|value| value.parse().ok())
    }

    /// The value under a name that the table does not have (a listener's, a plug-in's), and behind it that of the key which a
    /// listener's name stands for: `listener.name.internal.ssl.key.password`.
    pub fn other(&self, name: &str) -> Effective {
        let own = self.each().into_iter().filter_map(|(values, source)| {
            let name = Cow::Owned(name.to_owned());
            values.get(&*name).map(|value| Synonym { name, value: value.clone(), source })
        });
        let own: Vec<Synonym> = own.collect();
        let first = own.first();
        let (value, source) =
            (first.map(|own| own.value.clone()), first.map_or(Source::Default, |own| own.source));
        let base = listener_key(name)
            .map_or_else(Vec::new, |found| self.synonyms(std::slice::from_ref(&found.key.name)));
        let strength = |synonym: &Synonym| match synonym.source {
            Source::DynamicBroker => 0,
            Source::DynamicDefaultBroker => 1,
            Source::StaticBroker => 2,
            _ => 3,
        };
        let mut synonyms: Vec<Synonym> = own.into_iter().chain(base).collect();
        synonyms.sort_by_key(strength);
        Effective { value, source, synonyms: from_own_name(synonyms, name) }
    }

    /// The value of a topic key, in the topic key's own unit.
    pub fn topic(&self, key: &'static ConfigKey, overrides: &Values) -> Effective {
        let names = topic_synonyms(key.name);
        let all = self.synonyms(names);
        let inherited = all.first().map(in_topic_unit);
        let mut synonyms = from_own_name(all, names.first().copied().unwrap_or_default());
        if let Some(value) = overrides.get(key.name) {
            let value = key.shown(value);
            synonyms.insert(0, Synonym::new(key.name, &value, Source::DynamicTopic));
            return Effective { value: Some(value), source: Source::DynamicTopic, synonyms };
        }
        let value = inherited.map(|value| key.shown(&value)).or_else(|| key.default.map(str::to_owned));
        let source = synonyms.first().map_or(Source::Default, |synonym| synonym.source);
        Effective { value, source, synonyms }
    }
}

/// Kafka lists synonyms from the first that has the key's own name: `log.retention.hours` alone leaves nothing to list for
/// `retention.ms`, whose value it is all the same.
fn from_own_name(synonyms: Vec<Synonym>, name: &str) -> Vec<Synonym> {
    synonyms.into_iter().skip_while(|synonym| synonym.name != name).collect()
}

/// The value of a group or client-metrics key: its own, else what is inherited, else the table's default, which is no synonym.
pub fn of_resource(
    key: &'static ConfigKey,
    overrides: &Values,
    inherited: Vec<Synonym>,
    own: Source,
) -> Effective {
    let mut synonyms = inherited;
    if let Some(value) = overrides.get(key.name) {
        synonyms.insert(0, Synonym::new(key.name, &key.shown(value), own));
    }
    let first = synonyms.first();
    Effective {
        value: first.map(|synonym| key.shown(&synonym.value)).or_else(|| key.default.map(str::to_owned)),
        source: first.map_or(Source::Default, |synonym| synonym.source),
        synonyms,
    }
}

/// Hours and minutes become the milliseconds that topics speak of.
fn in_topic_unit(synonym: &Synonym) -> String {
    let factor = match &*synonym.name {
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

/// The values a group key inherits, the strongest first: the broker key's, or its own default where there is none.
pub fn group_defaults(key: &'static ConfigKey, layers: &BrokerLayers<'_>) -> Vec<Synonym> {
    match group_synonym(key.name) {
        Some(broker) => layers.synonyms(broker_synonyms(broker)),
        None => key.default.map(|value| Synonym::new(key.name, value, Source::Default)).into_iter().collect(),
    }
}

/// Looks a key up in the table of a resource type.
pub fn topic_effective(name: &str, overrides: &Values, layers: &BrokerLayers<'_>) -> Option<Effective> {
    topic_key(name).map(|key| layers.topic(key, overrides))
}
