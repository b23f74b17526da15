//! Topics that come into being without an administrator: by being asked for, or because a coordinator needs them. Owns what
//! they are created with.

use wire::Str;
use wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use wire::topic::CONSUMER_OFFSETS;

use crate::config::StaticConfig;

/// What the controller is asked to create under this name.
pub(crate) fn creation_of(name: &str, config: &StaticConfig) -> CreatableTopic {
    if name != CONSUMER_OFFSETS {
        return CreatableTopic {
            name: Str::from(name),
            num_partitions: config.num_partitions,
            replication_factor: config.default_replication_factor,
            ..CreatableTopic::default()
        };
    }
    let configs = coordinator::group::topic_configs(config.offsets_topic_segment_bytes);
    let set = |(name, value): (&'static str, String)| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from(value)),
    };
    CreatableTopic {
        name: Str::from(name),
        num_partitions: config.offsets_topic_num_partitions,
        replication_factor: config.offsets_topic_replication_factor,
        configs: configs.into_iter().map(set).collect(),
        ..CreatableTopic::default()
    }
}
