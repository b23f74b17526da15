//! Topics that come into being without an administrator: by being asked for, or because a coordinator needs them. Owns what
//! they are created with, and that a refusal is heard of.

use kraft::controller::ControllerAnswer;
use wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use wire::topic::CONSUMER_OFFSETS;
use wire::{ErrorCode, Str};

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

/// The client only learns that there is no such topic, or no coordinator, yet; why there never will be stands in the log.
pub(crate) fn tell_refusals(answer: &ControllerAnswer) {
    let ControllerAnswer::CreateTopics(response) = answer else { return };
    for topic in &response.topics {
        let error = ErrorCode::from_code(topic.error_code);
        if !matches!(error, ErrorCode::None | ErrorCode::TopicAlreadyExists) {
            let reason = topic.error_message.as_deref().unwrap_or_else(|| error.message());
            tracing::warn!(topic = %topic.name, ?error, reason, "the controller did not create a topic that is needed; check num.partitions, default.replication.factor and offsets.topic.*");
        }
    }
}
