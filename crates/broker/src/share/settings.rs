//! What share groups are configured with: the broker's keys, and in their place the group's own where it has some (KIP-932, 1240).

use coordinator::share_partition::ShareSettings;
use kraft::features::SHARE_VERSION;
use kraft::image::{ConfigResource, MetadataImage, ResourceConfigs, ResourceType};
use log::ReadLimit;
use wire::Str;

use crate::config::{BrokerFile, duration_ms};

/// What the broker's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareDefaults {
    record_lock_duration_ms: Bounded,
    delivery_count_limit: Bounded,
    partition_max_record_locks: Bounded,
    /// `group.share.max.share.sessions`
    pub max_share_sessions: usize,
}

/// A number, and what a group may make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounded {
    default: i64,
    least: i64,
    most: i64,
}

impl Bounded {
    fn of(file: &BrokerFile, [default, least, most]: [&str; 3]) -> Bounded {
        Bounded { default: file.number(default), least: file.number(least), most: file.number(most) }
    }

    fn with(self, own: Option<i64>) -> i64 {
        own.map_or(self.default, |own| own.clamp(self.least, self.most.max(self.least)))
    }
}

impl ShareDefaults {
    pub(crate) fn of(file: &BrokerFile) -> ShareDefaults {
        ShareDefaults {
            record_lock_duration_ms: Bounded::of(
                file,
                [
                    "group.share.record.lock.duration.ms",
                    "group.share.min.record.lock.duration.ms",
                    "group.share.max.record.lock.duration.ms",
                ],
            ),
            delivery_count_limit: Bounded::of(
                file,
                [
                    "group.share.delivery.count.limit",
                    "group.share.min.delivery.count.limit",
                    "group.share.max.delivery.count.limit",
                ],
            ),
            partition_max_record_locks: Bounded::of(
                file,
                [
                    "group.share.partition.max.record.locks",
                    "group.share.min.partition.max.record.locks",
                    "group.share.max.partition.max.record.locks",
                ],
            ),
            max_share_sessions: usize::try_from(file.number("group.share.max.share.sessions")).unwrap_or(0),
        }
    }

    /// What is in force for a group.
    pub(crate) fn settings(&self, image: &MetadataImage, group: &str) -> ShareSettings {
        let own = of_group(image, group);
        let number = |key: &str| own.get(key).and_then(|value| value.parse().ok());
        let delivery_count_limit = self.delivery_count_limit.with(number("share.delivery.count.limit"));
        ShareSettings {
            lock_duration_ms: self.record_lock_duration_ms.with(number("share.record.lock.duration.ms")),
            delivery_count_limit: i16::try_from(delivery_count_limit).unwrap_or(i16::MAX),
            max_record_locks: self
                .partition_max_record_locks
                .with(number("share.partition.max.record.locks")),
            has_dead_letters: queue_of(image, group).is_some(),
            allows_renewal: own.get("share.renew.acknowledge.enable").is_none_or(|value| *value != *"false"),
        }
    }
}

/// How far a group reads.
pub(crate) fn read_limit(image: &MetadataImage, group: &str) -> ReadLimit {
    match of_group(image, group).get("share.isolation.level").map(Str::as_str) {
        Some("read_committed") => ReadLimit::LastStable,
        Some(_) | None => ReadLimit::HighWatermark,
    }
}

/// Where a group begins that has not read a partition yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetReset {
    Earliest,
    Latest,
    /// With the records of so many milliseconds.
    ByDuration(i64),
}

/// `share.auto.offset.reset` of a group.
pub(crate) fn offset_reset(image: &MetadataImage, group: &str) -> OffsetReset {
    match of_group(image, group).get("share.auto.offset.reset").map(Str::as_str) {
        Some("earliest") => OffsetReset::Earliest,
        Some(value) => match value.strip_prefix("by_duration:").and_then(duration_ms) {
            Some(duration_ms) => OffsetReset::ByDuration(duration_ms),
            None => OffsetReset::Latest,
        },
        None => OffsetReset::Latest,
    }
}

/// Whether share groups are switched on: by the cluster's level alone.
pub(crate) fn is_enabled(image: &MetadataImage) -> bool {
    image.features.level(SHARE_VERSION) >= 1
}

/// The level of `share.version` from which records go to dead-letter queues.
const DEAD_LETTERS_SINCE: i16 = 2;

/// Where the dead letters of a group go (KIP-1191).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    /// `errors.deadletterqueue.topic.name`
    pub topic: Str,
    /// `errors.deadletterqueue.copy.record.enable`: key, value and headers go along.
    pub copies: bool,
}

/// Where a group's dead letters go, if anywhere.
pub(crate) fn queue_of(image: &MetadataImage, group: &str) -> Option<Queue> {
    if image.features.level(SHARE_VERSION) < DEAD_LETTERS_SINCE {
        return None;
    }
    let own = of_group(image, group);
    let topic = own.get("errors.deadletterqueue.topic.name").map(|name| name.trim());
    let topic = topic.filter(|name| !name.is_empty())?;
    let copies = own.get("errors.deadletterqueue.copy.record.enable");
    Some(Queue { topic: Str::from(topic), copies: copies.is_some_and(|value| value.trim() == "true") })
}

/// What members call themselves.
pub(crate) fn is_member_id(id: &str) -> bool {
    const MOST: usize = 36;
    !id.is_empty() && id.encode_utf16().count() <= MOST
}

fn of_group<'a>(image: &'a MetadataImage, group: &str) -> &'a ResourceConfigs {
    image.configs.of(&ConfigResource::new(ResourceType::Group, group))
}
