//! The controller's questions about configuration keys, answered from the table of keys.

use kraft::controller::{ConfigRules, EffectiveConfig, Refusal};
use kraft::image::{ConfigResource, ConfigsImage, ResourceConfigs, ResourceType};
use wire::{ErrorCode, Str};

use crate::config::{
    BrokerChange, BrokerFile, BrokerLayers, TOPIC_KEYS, ValueType, Values, broker_key, check_client_metrics,
    check_group, topic_effective, topic_key, values, with_layers,
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

    /// A topic's own values, and what they come to beside the broker's.
    fn validate_topic(&self, name: &str, own: &ResourceConfigs, all: &ConfigsImage) -> Result<(), Refusal> {
        if name.is_empty() {
            let what = "Default topic resources are not allowed.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, what));
        }
        kraft::controller::check_topic_name(name)?;
        let invalid = |what: String| Refusal::new(ErrorCode::InvalidConfig, what);
        if let Some(unknown) = own.keys().find(|key| topic_key(key).is_none()) {
            return Err(invalid(format!("Unknown topic config name: {unknown}")));
        }
        for key in TOPIC_KEYS {
            if let Some(value) = own.get(key.name) {
                key.check(value).map_err(invalid)?;
            }
        }
        let value = |key: &str| {
            self.effective(own, all, |topic, layers| topic_effective(key, topic, layers))
                .and_then(|effective| effective.value)
        };
        if value("remote.storage.enable").as_deref() == Some("true") {
            let what = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.";
            return Err(invalid(what.to_owned()));
        }
        let lag = |key: &str| value(key).and_then(|value| value.parse::<i64>().ok());
        match (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms")) {
            (Some(least), Some(most)) if least > most => Err(invalid(format!(
                "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
            ))),
            _ => Ok(()),
        }
    }

    /// Kafka takes any name that it does not know (a plug-in may), but no known key that needs a restart.
    fn validate_broker(&self, name: &str, new: &ResourceConfigs, all: &ConfigsImage) -> Result<(), Refusal> {
        let invalid = |what: String| Refusal::new(ErrorCode::InvalidRequest, what);
        let resource = ConfigResource::new(ResourceType::Broker, name);
        if !name.is_empty() && name.parse::<i32>().is_err() {
            return Err(invalid("Unable to parse broker name as a base 10 number.".to_owned()));
        }
        let existing = all.of(&resource);
        let changed = new.iter().filter(|(key, value)| existing.get(key.as_str()) != Some(value));
        let changed: Vec<(&str, &str)> = changed.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let own = values(all.of(&ConfigResource::broker(self.node_id)));
        let cluster_wide = values(all.of_cluster());
        let new = values(new);
        let before = BrokerLayers { per_broker: &own, cluster_wide: &cluster_wide, file: &self.file };
        let after = if name.is_empty() {
            BrokerLayers { cluster_wide: &new, ..before }
        } else {
            BrokerLayers { per_broker: &new, ..before }
        };
        let change = BrokerChange { cluster_wide: name.is_empty(), changed: &changed, before, after };
        change.check().map_err(invalid)
    }

    fn effective<T>(
        &self,
        topic: &ResourceConfigs,
        configs: &ConfigsImage,
        read: impl Fn(&Values, &BrokerLayers<'_>) -> T,
    ) -> T {
        with_layers(configs, self.node_id, &self.file, |layers| read(&values(topic), layers))
    }
}

impl ConfigRules for Rules {
    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &ResourceConfigs,
        all: &ConfigsImage,
    ) -> Result<(), Refusal> {
        let name = &resource.name;
        let refused = |(error, what): (ErrorCode, String)| Refusal::new(error, what);
        let request = |what: &str| Err(Refusal::new(ErrorCode::InvalidRequest, what));
        match resource.resource_type {
            ResourceType::Topic => self.validate_topic(name, configs, all),
            ResourceType::Broker => self.validate_broker(name, configs, all),
            ResourceType::Group if name.is_empty() => request("Default group resources are not allowed."),
            ResourceType::Group => {
                let file = BrokerFile::checked(self.file.clone());
                check_group(&values(configs), &file).map_err(refused)
            }
            ResourceType::ClientMetrics if name.is_empty() => request("Subscription name can't be empty"),
            ResourceType::ClientMetrics => check_client_metrics(&values(configs)).map_err(refused),
            ResourceType::BrokerLogger => request("Unexpected resource type BROKER_LOGGER."),
        }
    }

    fn list_default(&self, resource_type: ResourceType, name: &str, operation: &str) -> Result<Str, Refusal> {
        let key = match resource_type {
            ResourceType::Topic => topic_key(name),
            ResourceType::Broker => broker_key(name),
            // Kafka knows no lists among the keys of these.
            ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group => None,
        };
        let of_broker = resource_type == ResourceType::Broker;
        let what = match key {
            Some(key) if key.value_type == ValueType::List => {
                return Ok(Str::from_static(key.default.unwrap_or_default()));
            }
            Some(_) if of_broker => {
                format!("Config value {} is not allowed for config key: {name}", operation.to_lowercase())
            }
            None if of_broker => format!("Unknown config name: {name}"),
            _ => format!("Can't {operation} to key {name} because its type is not LIST."),
        };
        Err(Refusal::new(ErrorCode::InvalidConfig, what))
    }

    fn topic_value(&self, key: &str, topic: &ResourceConfigs, configs: &ConfigsImage) -> Option<Str> {
        self.effective(topic, configs, |topic, layers| topic_effective(key, topic, layers))
            .and_then(|effective| effective.value)
            .map(Str::from)
    }

    fn topic_values(&self, topic: &ResourceConfigs, configs: &ConfigsImage) -> Vec<EffectiveConfig> {
        self.effective(topic, configs, |topic, layers| {
            let shown = TOPIC_KEYS.iter().filter(|key| !key.internal || topic.contains_key(key.name));
            let effective = shown.filter_map(|key| {
                let effective = topic_effective(key.name, topic, layers)?;
                // The answer of a creation shows a value as it was written.
                let value = topic.get(key.name).cloned().or(effective.value);
                Some(EffectiveConfig {
                    name: Str::from_static(key.name),
                    value: value.map(Str::from),
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
