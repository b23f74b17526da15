//! The layers of a broker's configuration as an image and the broker's file have them. Reads only; what a key means is `layers`' business.

use kraft::image::{ConfigResource, ConfigsImage, ResourceConfigs};

use super::layers::BrokerLayers;
use super::value::Values;

/// What is set on a resource.
pub(crate) fn values(configs: &ResourceConfigs) -> Values {
    configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Has `read` look at the layers of a broker.
pub(crate) fn with_layers<T>(
    configs: &ConfigsImage,
    node_id: i32,
    file: &Values,
    read: impl FnOnce(&BrokerLayers<'_>) -> T,
) -> T {
    read(&BrokerLayers {
        per_broker: &values(configs.of(&ConfigResource::broker(node_id))),
        cluster_wide: &values(configs.of_cluster()),
        file,
    })
}
