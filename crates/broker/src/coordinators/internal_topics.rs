//! Topics that come into being without an administrator: by being asked for, or because a coordinator needs them. Owns what
//! they are created with, and that a refusal is heard of.

use std::collections::BTreeMap;

use kraft::controller::ControllerAnswer;
use wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use wire::topic::{CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE};
use wire::{ErrorCode, Str};

use crate::config::{StateTopic, StaticConfig};
use crate::telling::Shown;

/// What the controller is asked to create under this name.
pub(crate) fn creation_of(name: &str, config: &StaticConfig) -> CreatableTopic {
    let set = |(name, value): (&'static str, String)| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from(value)),
    };
    let (num_partitions, replication_factor, configs) = match name {
        CONSUMER_OFFSETS => (
            config.offsets_topic_num_partitions,
            config.offsets_topic_replication_factor,
            coordinator::group::topic_configs(config.offsets_topic_segment_bytes),
        ),
        TRANSACTION_STATE => {
            let StateTopic { num_partitions, replication_factor, segment_bytes, min_isr } =
                config.transaction_topic;
            let configs = coordinator::transaction::topic_configs(segment_bytes, min_isr);
            (num_partitions, replication_factor, configs)
        }
        SHARE_GROUP_STATE => {
            let StateTopic { num_partitions, replication_factor, segment_bytes, min_isr } =
                config.share_topic;
            let configs = coordinator::share::topic_configs(segment_bytes, min_isr);
            (num_partitions, replication_factor, configs)
        }
        _ => (config.num_partitions, config.default_replication_factor, Vec::new()),
    };
    CreatableTopic {
        name: Str::from(name),
        num_partitions,
        replication_factor,
        configs: configs.into_iter().map(set).collect(),
        ..CreatableTopic::default()
    }
}

/// The refusals that people were told of. The client only learns that there is no such topic, or no coordinator, yet, and asks again
/// and again; why there never will be stands in the log, and not with every question.
#[derive(Default)]
pub(crate) struct Refusals {
    /// When, by topic and error code.
    told: BTreeMap<(Str, i16), i64>,
}

/// After so long a refusal is told again.
const TOLD_AGAIN_MS: i64 = 60_000;

/// So many are remembered: names are anybody's to choose.
const REMEMBERED: usize = 100;

impl Refusals {
    /// Tells what is news of an answer of the controller to [`creation_of`].
    pub fn tell(&mut self, now_ms: i64, answer: &ControllerAnswer) {
        let ControllerAnswer::CreateTopics(response) = answer else { return };
        for topic in &response.topics {
            let error = ErrorCode::from_code(topic.error_code);
            let is_refused = !matches!(error, ErrorCode::None | ErrorCode::TopicAlreadyExists);
            if is_refused && self.is_news(now_ms, &topic.name, error) {
                let reason = topic.error_message.as_deref().unwrap_or_else(|| error.message());
                tracing::warn!(topic = %Shown(&topic.name), ?error, reason, "the controller did not create a topic that is needed; check num.partitions, default.replication.factor, offsets.topic.*, transaction.state.log.* and share.coordinator.state.topic.*");
            }
        }
    }

    fn is_news(&mut self, now_ms: i64, topic: &Str, error: ErrorCode) -> bool {
        let key = (topic.clone(), error.code());
        if self.told.get(&key).is_some_and(|&at_ms| now_ms.saturating_sub(at_ms) < TOLD_AGAIN_MS) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert(key, now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_once_a_minute_however_often_it_is_met() {
        let (mut refusals, topic) = (Refusals::default(), Str::from_static(CONSUMER_OFFSETS));
        let mut news = |at_ms, error| refusals.is_news(at_ms, &topic, error);
        let refused = ErrorCode::InvalidReplicationFactor;
        assert_eq!((0..59_999).filter(|&at_ms| news(at_ms, refused)).count(), 1);
        assert!(news(59_999, ErrorCode::PolicyViolation), "another reason");
        assert!(news(60_000, refused));
    }

    #[test]
    fn names_that_strangers_choose_are_not_remembered_for_ever() {
        let mut refusals = Refusals::default();
        for number in 0..10_000 {
            let topic = Str::from(format!("t-{number}"));
            assert!(refusals.is_news(0, &topic, ErrorCode::InvalidReplicationFactor));
        }
        assert!(refusals.told.len() <= REMEMBERED);
    }
}
