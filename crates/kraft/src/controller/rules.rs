//! What the controller has to know about configuration keys without knowing the keys: the broker's table, behind a trait.

use super::refusal::Refusal;
use crate::image::{ConfigResource, ConfigsImage, ResourceConfigs, ResourceType};
use wire::Str;

/// One effective topic configuration, as CreateTopics answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveConfig {
    /// The key.
    pub name: Str,
    /// `None` only if there is neither a value nor a default.
    pub value: Option<Str>,
    /// It cannot be changed while the node runs.
    pub read_only: bool,
    /// Kafka's number of the source: 1 topic, 2 broker, 3 cluster default, 4 static, 5 default.
    pub source: i8,
    /// Its value is a secret and is not shown.
    pub sensitive: bool,
}

/// The table of keys. Implemented by the broker; pure.
pub trait ConfigRules: Send + Sync {
    /// May this resource have this whole set of dynamic configurations? Checks the resource's name (topic, broker id, group,
    /// subscription) and every value, alone and beside `all` that is in force before, in Kafka's words: `INVALID_CONFIG`, `INVALID_REQUEST`, `INVALID_TOPIC_EXCEPTION`.
    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &ResourceConfigs,
        all: &ConfigsImage,
    ) -> Result<(), Refusal>;

    /// The built-in default of a key that holds a comma-separated list; of any other key, why it cannot be APPENDed to or
    /// SUBTRACTed from.
    fn list_default(&self, resource_type: ResourceType, key: &str, operation: &str) -> Result<Str, Refusal>;

    /// The value of a topic key: the topic's own, or what this node's and the cluster's dynamic configuration (under the
    /// broker synonym of the key), the static file and the default say.
    fn topic_value(&self, key: &str, topic: &ResourceConfigs, configs: &ConfigsImage) -> Option<Str>;

    /// All topic keys resolved like that, in order of their names; internal keys only if the topic sets them.
    fn topic_values(&self, topic: &ResourceConfigs, configs: &ConfigsImage) -> Vec<EffectiveConfig>;

    /// `min.insync.replicas` of the static file or the default.
    fn static_min_insync_replicas(&self) -> i32;
}
