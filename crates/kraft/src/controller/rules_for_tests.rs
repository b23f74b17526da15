//! A table with a single key, for tests that need rules and not the broker's table.

use super::{ConfigRules, EffectiveConfig, Refusal};
use crate::image::{ConfigResource, ConfigsImage, ResourceConfigs, ResourceType};
use wire::{ErrorCode, Str};

/// Only `cleanup.policy` exists, and it is a list.
pub(crate) struct OneKey;

impl ConfigRules for OneKey {
    fn validate(
        &self,
        _resource: &ConfigResource,
        configs: &ResourceConfigs,
        _existing: &ResourceConfigs,
    ) -> Result<(), Refusal> {
        match configs.keys().find(|name| **name != "cleanup.policy") {
            Some(name) => {
                Err(Refusal::new(ErrorCode::InvalidConfig, format!("Unknown topic config name: {name}")))
            }
            None => Ok(()),
        }
    }
    fn is_list(&self, _resource_type: ResourceType, key: &str) -> bool {
        key == "cleanup.policy"
    }
    fn default_value(&self, _resource_type: ResourceType, _key: &str) -> Option<Str> {
        Some(Str::from("delete"))
    }
    fn topic_value(&self, key: &str, topic: &ResourceConfigs, _configs: &ConfigsImage) -> Option<Str> {
        topic.get(key).cloned().or(Some(Str::from("delete")))
    }
    fn topic_values(&self, topic: &ResourceConfigs, configs: &ConfigsImage) -> Vec<EffectiveConfig> {
        let value = self.topic_value("cleanup.policy", topic, configs);
        let source = if topic.is_empty() { 5 } else { 1 };
        vec![EffectiveConfig {
            name: Str::from("cleanup.policy"),
            value,
            read_only: false,
            source,
            sensitive: false,
        }]
    }
    fn static_min_insync_replicas(&self) -> i32 {
        1
    }
}
