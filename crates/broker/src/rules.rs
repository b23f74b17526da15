//! The controller's questions about configuration keys, answered from the table of keys.

use kraft::controller::{ConfigRules, EffectiveConfig, Refusal};
use kraft::image::{ConfigResource, ConfigsImage, ResourceConfigs, ResourceType};
use wire::{ErrorCode, Str};

use crate::config::{BrokerLayers, ValueType, Values, broker_key, topic_effective, topic_key};

/// The table of keys under this node's file.
pub(crate) struct Rules {
    node_id: i32,
    file: Values,
}

impl Rules {
    pub fn new(node_id: i32, file: Values) -> Rules {
        Rules { node_id, file }
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

impl ConfigRules for Rules {
    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &ResourceConfigs,
        _existing: &ResourceConfigs,
    ) -> Result<(), Refusal> {
        if resource.resource_type != ResourceType::Topic {
            return Ok(());
        }
        for (name, value) in configs {
            let key = topic_key(name).ok_or_else(|| {
                Refusal::new(ErrorCode::InvalidConfig, format!("Unknown topic config name: {name}"))
            })?;
            key.check(value).map_err(|reason| Refusal::new(ErrorCode::InvalidConfig, reason))?;
        }
        Ok(())
    }

    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool {
        let key = if resource_type == ResourceType::Topic { topic_key(key) } else { broker_key(key) };
        key.is_some_and(|key| key.value_type == ValueType::List)
    }

    fn default_value(&self, resource_type: ResourceType, key: &str) -> Option<Str> {
        let key = if resource_type == ResourceType::Topic { topic_key(key) } else { broker_key(key) };
        key.and_then(|key| key.default).map(Str::from_static)
    }

    fn topic_value(&self, key: &str, topic: &ResourceConfigs, configs: &ConfigsImage) -> Option<Str> {
        self.effective(topic, configs, |topic, layers| topic_effective(key, topic, layers))
            .and_then(|effective| effective.value)
            .map(Str::from)
    }

    fn topic_values(&self, topic: &ResourceConfigs, configs: &ConfigsImage) -> Vec<EffectiveConfig> {
        self.effective(topic, configs, |topic, layers| {
            let shown = crate::config::TOPIC_KEYS.iter().filter(|key| !key.internal || topic.contains_key(key.name));
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
