//! The static configuration as the node reads it: typed, resolved. Every value comes from the broker's file through the
//! table of keys; no default stands here. Keys that can change while the node runs are not here: whoever obeys one reads
//! [`super::BrokerLayers`].

use super::{BrokerFile, Values};
use crate::quotas::Windows;
use crate::security::sasl::Logins;
use crate::share::settings::ShareDefaults;

/// What `server.properties` settles at the start.
#[derive(Debug, Clone)]
pub struct StaticConfig {
    /// Number of shards; 0 means one per core (the rim fills it in).
    pub shards: usize,
    /// `auto.create.topics.enable`
    pub auto_create_topics_enable: bool,
    /// `group.coordinator.rebalance.protocols` names consumer
    pub consumer_protocol: bool,
    /// Streams groups are switched on by `group.coordinator.rebalance.protocols`.
    pub streams_protocol: bool,
    /// `delete.topic.enable`
    pub delete_topic_enable: bool,
    /// `max.request.partition.size.limit`
    pub max_request_partition_size_limit: i32,
    /// `num.partitions`
    pub num_partitions: i32,
    /// `default.replication.factor`
    pub default_replication_factor: i16,
    /// `quota.window.num` and `quota.window.size.seconds`
    pub quota_windows: Windows,
    /// `controller.quota.window.num` times `controller.quota.window.size.seconds`: so many seconds' mutations at once.
    pub mutation_burst_seconds: f64,
    /// `telemetry.max.bytes`
    pub telemetry_max_bytes: i32,
    /// `fetch.max.bytes`
    pub fetch_max_bytes: i32,
    /// `offsets.topic.num.partitions`
    pub offsets_topic_num_partitions: i32,
    /// `offsets.topic.replication.factor`
    pub offsets_topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`
    pub offsets_topic_segment_bytes: i32,
    /// How `__transaction_state` is made.
    pub transaction_topic: StateTopic,
    /// How `__share_group_state` is made.
    pub share_topic: StateTopic,
    /// `group.share.*`: what the share partitions of this node begin with.
    pub share: ShareDefaults,
    /// `broker.rack`
    pub broker_rack: Option<String>,
    /// `replica.selector.class` is Kafka's RackAwareReplicaSelector: consumers read from a replica in their own rack (KIP-392).
    pub reads_from_near_replicas: bool,
    /// `broker.heartbeat.interval.ms`
    pub broker_heartbeat_interval_ms: i64,
    /// `broker.session.timeout.ms`
    pub broker_session_timeout_ms: i64,
    /// `log.flush.ack`
    pub flush_ack: FlushAck,
    /// Who this node is where others ask; the rim, which reads files, fills it in.
    pub logins: Logins,
    /// The file itself, for DescribeConfigs and for topics that inherit from it.
    pub values: Values,
}

/// `transaction.state.log.*`, `share.coordinator.state.topic.*`: how a topic of coordinators is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTopic {
    /// `….num.partitions`
    pub num_partitions: i32,
    /// `….replication.factor`
    pub replication_factor: i16,
    /// `….segment.bytes`
    pub segment_bytes: i32,
    /// `….min.isr`
    pub min_isr: i32,
}

/// `log.flush.ack`: what an acks=all answer waits for beyond the in-sync replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushAck {
    /// A flush round where ours is the only copy that the answer would rest on; nothing where others hold it too.
    Auto,
    /// A flush round, always.
    Group,
    /// Nothing, as Apache Kafka does.
    None,
}

impl Default for StaticConfig {
    /// An empty file.
    fn default() -> Self {
        Self::from_file(BrokerFile::default())
    }
}

impl StaticConfig {
    /// The file, for keys that only one room reads.
    pub fn file(&self) -> BrokerFile {
        BrokerFile::checked(self.values.clone())
    }

    /// Reads a checked file; what it does not set is the table's default.
    pub fn from_file(file: BrokerFile) -> Self {
        let int = |name: &str| i32::try_from(file.number(name)).unwrap_or(i32::MAX);
        let short = |name: &str| i16::try_from(file.number(name)).unwrap_or(i16::MAX);
        StaticConfig {
            shards: 0,
            auto_create_topics_enable: file.flag("auto.create.topics.enable"),
            consumer_protocol: file.list("group.coordinator.rebalance.protocols").contains(&"consumer"),
            streams_protocol: file.list("group.coordinator.rebalance.protocols").contains(&"streams"),
            delete_topic_enable: file.flag("delete.topic.enable"),
            max_request_partition_size_limit: int("max.request.partition.size.limit"),
            num_partitions: int("num.partitions"),
            default_replication_factor: short("default.replication.factor"),
            quota_windows: Windows {
                count: usize::try_from(file.number("quota.window.num")).unwrap_or(1).max(1),
                length_ms: file.number("quota.window.size.seconds").max(1).saturating_mul(1_000),
            },
            mutation_burst_seconds: file.number("controller.quota.window.num") as f64
                * file.number("controller.quota.window.size.seconds") as f64,
            telemetry_max_bytes: int("telemetry.max.bytes"),
            fetch_max_bytes: int("fetch.max.bytes"),
            offsets_topic_num_partitions: int("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: short("offsets.topic.replication.factor"),
            offsets_topic_segment_bytes: int("offsets.topic.segment.bytes"),
            transaction_topic: StateTopic {
                num_partitions: int("transaction.state.log.num.partitions"),
                replication_factor: short("transaction.state.log.replication.factor"),
                segment_bytes: int("transaction.state.log.segment.bytes"),
                min_isr: int("transaction.state.log.min.isr"),
            },
            share_topic: StateTopic {
                num_partitions: int("share.coordinator.state.topic.num.partitions"),
                replication_factor: short("share.coordinator.state.topic.replication.factor"),
                segment_bytes: int("share.coordinator.state.topic.segment.bytes"),
                min_isr: int("share.coordinator.state.topic.min.isr"),
            },
            share: ShareDefaults::of(&file),
            broker_rack: file.text("broker.rack").map(str::to_owned),
            reads_from_near_replicas: file
                .text("replica.selector.class")
                .is_some_and(|class| class.trim().ends_with(".RackAwareReplicaSelector")),
            broker_heartbeat_interval_ms: file.number("broker.heartbeat.interval.ms"),
            broker_session_timeout_ms: file.number("broker.session.timeout.ms"),
            flush_ack: match file.text("log.flush.ack") {
                Some("group") => FlushAck::Group,
                Some("none") => FlushAck::None,
                Some(_) | None => FlushAck::Auto,
            },
            logins: Logins::default(),
            values: file.values().clone(),
        }
    }
}
