//! What a topic's configuration comes to for those who append to it and keep it: parsed once per image that changes it,
//! shared by all topics that override nothing. Owns no value; `config` says where values come from.

use crate::config::{BrokerLayers, Values, list, topic_effective};
use log::LogConfig;
use log::config::TimestampType;
use std::sync::Arc;
use wire::compress::{Compression, DecompressLimit};
use wire::record_batch::ProduceRules;

/// One topic's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicSettings {
    pub log: Arc<LogConfig>,
    /// What produced batches are checked against.
    pub rules: ProduceRules,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// `leader.replication.throttled.replicas`
    pub leader_throttled: ThrottledReplicas,
    /// `follower.replication.throttled.replicas`
    pub follower_throttled: ThrottledReplicas,
}

/// Which replicas of a topic keep to the broker's replication rate (KIP-73).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ThrottledReplicas {
    /// None.
    #[default]
    None,
    /// Every one.
    All,
    /// These: partition and broker.
    Listed(Box<[(i32, i32)]>),
}

impl ThrottledReplicas {
    /// Entries that are none (the controller lets none in) name nobody.
    fn parse(value: &str) -> ThrottledReplicas {
        let pair = |entry: &&str| {
            let (partition, broker) = entry.split_once(':')?;
            Some((partition.trim().parse().ok()?, broker.trim().parse().ok()?))
        };
        match list(value).as_slice() {
            [] => ThrottledReplicas::None,
            ["*"] => ThrottledReplicas::All,
            entries => ThrottledReplicas::Listed(entries.iter().filter_map(pair).collect()),
        }
    }

    /// Whether the replica of the partition on that broker is one of them.
    pub fn holds(&self, partition: i32, broker: i32) -> bool {
        match self {
            ThrottledReplicas::None => false,
            ThrottledReplicas::All => true,
            ThrottledReplicas::Listed(pairs) => pairs.contains(&(partition, broker)),
        }
    }
}

impl Default for TopicSettings {
    /// Kafka's defaults, under an empty file.
    fn default() -> Self {
        let none = Values::new();
        TopicSettings::resolve(&none, &BrokerLayers { per_broker: &none, cluster_wide: &none, file: &none })
    }
}

impl TopicSettings {
    /// The settings in force with these overrides. A value that does not parse (the controller lets none in) reads as
    /// the default of [`LogConfig`].
    pub fn resolve(overrides: &Values, layers: &BrokerLayers<'_>) -> TopicSettings {
        let read = Reader { overrides, layers };
        let log = read.log_config();
        TopicSettings {
            rules: read.produce_rules(&log),
            min_insync_replicas: read.number("min.insync.replicas", 1),
            leader_throttled: read.throttled("leader.replication.throttled.replicas"),
            follower_throttled: read.throttled("follower.replication.throttled.replicas"),
            log: Arc::new(log),
        }
    }
}

struct Reader<'a> {
    overrides: &'a Values,
    layers: &'a BrokerLayers<'a>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        topic_effective(name, self.overrides, self.layers).and_then(|effective| effective.value)
    }

    fn number<N: std::str::FromStr>(&self, name: &str, otherwise: N) -> N {
        self.text(name).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    }

    fn throttled(&self, name: &str) -> ThrottledReplicas {
        ThrottledReplicas::parse(&self.text(name).unwrap_or_default())
    }

    fn log_config(&self) -> LogConfig {
        let default = LogConfig::default();
        let policy = self.text("cleanup.policy").unwrap_or_default();
        let policy = list(&policy);
        LogConfig {
            segment_bytes: self
                .number("internal.segment.bytes", self.number("segment.bytes", default.segment_bytes)),
            segment_ms: self.number("segment.ms", default.segment_ms),
            segment_jitter_ms: self.number("segment.jitter.ms", default.segment_jitter_ms),
            segment_index_bytes: self.number("segment.index.bytes", default.segment_index_bytes),
            index_interval_bytes: self.number("index.interval.bytes", default.index_interval_bytes),
            preallocate: self.text("preallocate").is_some_and(|value| value == "true"),
            max_message_bytes: self.number("max.message.bytes", default.max_message_bytes),
            max_decompressed_message_bytes: self
                .number("max.decompressed.message.bytes", default.max_decompressed_message_bytes),
            retention_ms: self.number("retention.ms", default.retention_ms),
            retention_bytes: self.number("retention.bytes", default.retention_bytes),
            delete: policy.contains(&"delete"),
            compact: policy.contains(&"compact"),
            file_delete_delay_ms: self.number("file.delete.delay.ms", default.file_delete_delay_ms),
            flush_messages: self.number("flush.messages", default.flush_messages),
            flush_ms: self.number("flush.ms", default.flush_ms),
            timestamp_type: match self.text("message.timestamp.type").as_deref() {
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                Some(_) | None => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: self
                .number("message.timestamp.before.max.ms", default.timestamp_before_max_ms),
            timestamp_after_max_ms: self
                .number("message.timestamp.after.max.ms", default.timestamp_after_max_ms),
            compression: self.compression(),
            gzip_level: self.number("compression.gzip.level", default.gzip_level),
            lz4_level: self.number("compression.lz4.level", default.lz4_level),
            zstd_level: self.number("compression.zstd.level", default.zstd_level),
            delete_retention_ms: self.number("delete.retention.ms", default.delete_retention_ms),
            min_compaction_lag_ms: self.number("min.compaction.lag.ms", default.min_compaction_lag_ms),
            max_compaction_lag_ms: self.number("max.compaction.lag.ms", default.max_compaction_lag_ms),
            min_cleanable_dirty_ratio: self
                .number("min.cleanable.dirty.ratio", default.min_cleanable_dirty_ratio),
            producer_id_expiration_ms: self
                .layers
                .number("producer.id.expiration.ms")
                .unwrap_or(default.producer_id_expiration_ms),
            verify_transactions: crate::config::broker_key("transaction.partition.verification.enable")
                .and_then(|key| self.layers.broker(key).value)
                .is_none_or(|value| value != "false"),
            max_producers: default.max_producers,
        }
    }

    /// `None` is `producer`: whatever codec came stays.
    fn compression(&self) -> Option<Compression> {
        match self.text("compression.type").as_deref() {
            Some("uncompressed") => Some(Compression::None),
            Some("gzip") => Some(Compression::Gzip),
            Some("snappy") => Some(Compression::Snappy),
            Some("lz4") => Some(Compression::Lz4),
            Some("zstd") => Some(Compression::Zstd),
            Some(_) | None => None,
        }
    }

    fn produce_rules(&self, log: &LogConfig) -> ProduceRules {
        ProduceRules {
            max_message_bytes: log.max_message_bytes,
            // `max.decompressed.message.bytes` is a record's bound and, by default, no protection: the house limit is the batch's.
            decompress_limit: DecompressLimit::default(),
            max_record_bytes: log.max_decompressed_message_bytes,
            compacted: log.compact,
            timestamp_type: log.timestamp_type,
            timestamp_before_max_ms: log.timestamp_before_max_ms,
            timestamp_after_max_ms: log.timestamp_after_max_ms,
            compression: log.compression,
            level: match log.compression {
                Some(Compression::Gzip) => Some(log.gzip_level),
                Some(Compression::Lz4) => Some(log.lz4_level),
                Some(Compression::Zstd) => Some(log.zstd_level),
                Some(Compression::None | Compression::Snappy) | None => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_file_gives_kafkas_defaults() {
        let settings = TopicSettings::default();
        assert_eq!(*settings.log, LogConfig::default());
        assert_eq!(settings.min_insync_replicas, 1);
    }

    #[test]
    fn throttled_replicas_are_those_that_the_topic_names() {
        let none = Values::new();
        let layers = BrokerLayers { per_broker: &none, cluster_wide: &none, file: &none };
        let own = values(&[
            ("leader.replication.throttled.replicas", "0:1,3:2"),
            ("follower.replication.throttled.replicas", "*"),
        ]);
        let settings = TopicSettings::resolve(&own, &layers);
        let held = [(0, 1), (3, 2), (0, 2), (3, 1)].map(|(p, b)| settings.leader_throttled.holds(p, b));
        assert_eq!(held, [true, true, false, false]);
        assert!(settings.follower_throttled.holds(7, 9));
        assert!(!TopicSettings::default().leader_throttled.holds(0, 1));
    }

    #[test]
    fn a_topic_override_beats_the_file_and_hours_become_milliseconds() {
        let file = values(&[("log.retention.hours", "2"), ("log.cleanup.policy", "compact")]);
        let none = Values::new();
        let layers = BrokerLayers { per_broker: &none, cluster_wide: &none, file: &file };
        let own = values(&[("cleanup.policy", "delete"), ("compression.type", "zstd")]);
        let settings = TopicSettings::resolve(&own, &layers);
        assert_eq!(settings.log.retention_ms, 2 * 3_600_000);
        assert!(settings.log.delete && !settings.log.compact);
        assert_eq!(settings.rules.compression, Some(Compression::Zstd));
        assert_eq!(settings.rules.level, Some(3));
    }
}
