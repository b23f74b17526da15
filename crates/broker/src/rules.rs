//! The controller's questions about configuration keys, answered from the table of keys.

use kraft::controller::{ConfigRules, EffectiveConfig, Refusal};
use kraft::image::{ConfigResource, ConfigsImage, ResourceConfigs, ResourceType};
use wire::{ErrorCode, Str};

use crate::config::{
    BrokerLayers, ConfigKey, UpdateMode, ValueType, Values, broker_key, client_metrics_key, group_key,
    topic_effective, topic_key,
};

/// The table of keys under this node's file.
pub(crate) struct Rules {
    node_id: i32,
    file: Values,
}

impl Rules {
    pub fn new(node_id: i32, file: Values) -> Rules {
        Rules { node_id, file }
    }

    fn validate_topic(&self, name: &str, configs: &ResourceConfigs) -> Result<(), Refusal> {
        kraft::controller::check_topic_name(name)?;
        validate_keys("topic", name, configs, topic_key)?;
        let invalid = |what: String| Err(Refusal::new(ErrorCode::InvalidConfig, what));
        if configs.get("remote.storage.enable").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return invalid(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                    .to_owned(),
            );
        }
        let lag = |name: &str| {
            let own = configs.get(name).map(|value| value.to_string());
            own.or_else(|| topic_key(name)?.default.map(str::to_owned))
                .and_then(|value| value.trim().parse::<i64>().ok())
        };
        match (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms")) {
            (Some(least), Some(most)) if least > most => invalid(format!(
                "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
            )),
            _ => Ok(()),
        }
    }

    fn effective<T>(
        &self,
        topic: &ResourceConfigs,
        configs: &ConfigsImage,
        read: impl Fn(&Values, &BrokerLayers<'_>) -> T,
    ) -> T {
        let values = |configs: &ResourceConfigs| -> Values {
            configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        let layers = BrokerLayers {
            per_broker: &values(configs.of(&ConfigResource::broker(self.node_id))),
            cluster_wide: &values(configs.of_cluster()),
            file: &self.file,
        };
        read(&values(topic), &layers)
    }
}

fn table_key(resource_type: ResourceType, name: &str) -> Option<&'static ConfigKey> {
    match resource_type {
        ResourceType::Topic => topic_key(name),
        ResourceType::Broker => broker_key(name),
        ResourceType::Group => group_key(name),
        ResourceType::ClientMetrics => client_metrics_key(name),
        ResourceType::BrokerLogger => None,
    }
}

fn validate_keys(
    kind: &str,
    name: &str,
    configs: &ResourceConfigs,
    find: fn(&str) -> Option<&'static ConfigKey>,
) -> Result<(), Refusal> {
    if name.is_empty() {
        let what = format!("Default {kind} resources are not allowed.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, what));
    }
    let invalid = |what: String| Refusal::new(ErrorCode::InvalidConfig, what);
    for (name, value) in configs {
        let key = find(name).ok_or_else(|| invalid(format!("Unknown {kind} config name: {name}")))?;
        key.check(value).map_err(invalid)?;
    }
    Ok(())
}

/// `cordoned.log.dirs` names log directories, or all of them (KIP-1066).
pub fn check_cordoned(file: &Values, cordoned: &str) -> Result<(), String> {
    fn entries(text: &str) -> Vec<&str> {
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
    }
    let directories =
        file.get("log.dirs").or_else(|| file.get("log.dir")).map_or("/tmp/kafka-logs", String::as_str);
    let (directories, cordoned) = (entries(directories), entries(cordoned));
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

/// Kafka takes any name that it does not know (a plug-in may), but no known key that needs a restart.
fn validate_broker(
    name: &str,
    configs: &ResourceConfigs,
    existing: &ResourceConfigs,
    file: &Values,
) -> Result<(), Refusal> {
    let invalid = |what: String| Refusal::new(ErrorCode::InvalidRequest, what);
    if !name.is_empty() && name.parse::<i32>().is_err() {
        return Err(invalid("Unable to parse broker name as a base 10 number.".to_owned()));
    }
    let changed = || configs.iter().filter(|(name, value)| existing.get(name.as_str()) != Some(value));
    let fixed: Vec<&str> = changed()
        .filter(|(name, _)| broker_key(name).is_some_and(|key| key.update_mode == UpdateMode::ReadOnly))
        .map(|(name, _)| name.as_str())
        .collect();
    if !fixed.is_empty() {
        return Err(invalid(format!("Cannot update these configs dynamically: [{}]", fixed.join(", "))));
    }
    for (name, value) in changed() {
        if let Some(key) = broker_key(name) {
            key.check(value).map_err(invalid)?;
        }
        if name == "cordoned.log.dirs" {
            check_cordoned(file, value).map_err(|what| invalid(format!("requirement failed: {what}")))?;
        }
    }
    let before = |name: &str| existing.get(name).map(|value| value.to_string());
    let after = |name: &str| configs.get(name).map(|value| value.to_string());
    let number = |value: Option<String>, name: &str| {
        let inherited = || file.get(name).cloned().or_else(|| Some(broker_key(name)?.default?.to_owned()));
        value.or_else(inherited).and_then(|value| value.trim().parse::<i64>().ok())
    };
    for name in changed().map(|(name, _)| name.as_str()) {
        let is = |name: &str| number(after(name), name);
        check_beside_others(name, number(before(name), name), &is).map_err(invalid)?;
    }
    Ok(())
}

/// What Kafka asks of a broker's new value beyond its own bounds: steps of at most double or half, and what it needs beside others.
/// `is` reads the values to come.
fn check_beside_others(
    name: &str,
    before: Option<i64>,
    is: &dyn Fn(&str) -> Option<i64>,
) -> Result<(), String> {
    const THREADS: &str = "log.cleaner.threads";
    const MAP_BYTES: &str = "log.cleaner.dedupe.buffer.size";
    let Some(value) = is(name) else { return Ok(()) };
    let before = before.unwrap_or(value);
    let threads = |what: String| {
        Err(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads {what} for configuration Invalid \
             dynamic configuration"
        ))
    };
    match name {
        THREADS if value < 1 => threads("should be at least 1".to_owned()),
        THREADS if value < before / 2 => {
            threads(format!("cannot be reduced to less than half the current value {before}"))
        }
        THREADS if value > before.saturating_mul(2) => {
            threads(format!("cannot be increased to more than double the current value {before}"))
        }
        MAP_BYTES if value / is(THREADS).unwrap_or(1).max(1) <= 1 << 20 => {
            Err(format!("requirement failed: {MAP_BYTES} must be at least 1MB per cleaner thread."))
        }
        "log.roll.ms" if value < 1 => {
            Err("requirement failed: log.roll.ms must be greater than or equal to 1".to_owned())
        }
        "log.retention.ms" if value == 0 || value < -1 => {
            Err("requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
                .to_owned())
        }
        _ => Ok(()),
    }
}

impl ConfigRules for Rules {
    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &ResourceConfigs,
        existing: &ResourceConfigs,
    ) -> Result<(), Refusal> {
        match resource.resource_type {
            ResourceType::Topic => self.validate_topic(&resource.name, configs),
            ResourceType::Broker => validate_broker(&resource.name, configs, existing, &self.file),
            ResourceType::Group => validate_keys("group", &resource.name, configs, group_key),
            ResourceType::ClientMetrics => {
                validate_keys("client metrics", &resource.name, configs, client_metrics_key)
            }
            ResourceType::BrokerLogger => {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Unexpected resource type BROKER_LOGGER."))
            }
        }
    }

    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool {
        table_key(resource_type, key).is_some_and(|key| key.value_type == ValueType::List)
    }

    fn default_value(&self, resource_type: ResourceType, key: &str) -> Option<Str> {
        table_key(resource_type, key).and_then(|key| key.default).map(Str::from_static)
    }

    fn topic_value(&self, key: &str, topic: &ResourceConfigs, configs: &ConfigsImage) -> Option<Str> {
        self.effective(topic, configs, |topic, layers| topic_effective(key, topic, layers))
            .and_then(|effective| effective.value)
            .map(Str::from)
    }

    fn topic_values(&self, topic: &ResourceConfigs, configs: &ConfigsImage) -> Vec<EffectiveConfig> {
        self.effective(topic, configs, |topic, layers| {
            let shown =
                crate::config::TOPIC_KEYS.iter().filter(|key| !key.internal || topic.contains_key(key.name));
            let effective = shown.filter_map(|key| {
                let effective = topic_effective(key.name, topic, layers)?;
                Some(EffectiveConfig {
                    name: Str::from_static(key.name),
                    value: effective.value.map(Str::from),
                    read_only: false,
                    source: effective.source as i8,
                    sensitive: key.is_sensitive(),
                })
            });
            effective.collect()
        })
    }

    fn static_min_insync_replicas(&self) -> i32 {
        let set = self.file.get("min.insync.replicas").and_then(|value| value.trim().parse().ok());
        set.unwrap_or(1)
    }
}
