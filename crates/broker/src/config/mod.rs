//! Every configuration key that Kafka 4.4 knows, in one table per resource, and the broker's own file read through it.
//! Owns names, types, defaults, bounds, docs and states; what a key does is decided where its value is read.

mod broker_changes;
mod broker_file;
mod broker_keys;
mod client_metrics_keys;
pub mod connection_caps;
mod group_keys;
mod key;
mod layers;
mod listener_keys;
mod names;
mod of_image;
mod refusals;
mod resource_changes;
mod static_config;
mod tables;
mod together;
mod topic_keys;
mod value;

#[cfg(test)]
mod tests;

pub use broker_changes::{BrokerChange, check_cordoned};
pub use broker_file::{BrokerFile, OfListener};
pub use broker_keys::BROKER_KEYS;
pub use client_metrics_keys::CLIENT_METRICS_KEYS;
pub use group_keys::GROUP_KEYS;
pub use key::{ConfigKey, Importance, KeyState, UpdateMode, Validator};
pub use layers::{
    BrokerLayers, Effective, Source, Synonym, ValuesDoor, broker_synonyms, group_defaults, group_synonym,
    of_resource, topic_effective, topic_synonyms,
};
pub use listener_keys::{ListenerKey, listener_key};
pub use names::{Warning, is_known, nearest, told};
pub(crate) use of_image::{values, with_layers};
pub use refusals::{not_in_force, refusal};
pub(crate) use resource_changes::match_parts;
pub use resource_changes::{check_client_metrics, check_group};
pub use static_config::{FlushAck, StateTopic, StaticConfig};
pub use tables::{broker_key, client_metrics_key, group_key, topic_key};
pub use together::check_together;
pub use topic_keys::TOPIC_KEYS;
pub use value::{Parsed, ValueType, Values, duration_ms, list};
