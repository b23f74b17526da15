//! The static configuration as the node reads it: typed, resolved, with Kafka's defaults. The table of keys that fills
//! it (name, type, default, scope, doc, state) grows in this file.

/// What `server.properties` settles at the start.
#[derive(Debug, Clone)]
pub struct StaticConfig {
    /// Number of shards; 0 means one per core (the rim fills it in).
    pub shards: usize,
    pub auto_create_topics_enable: bool,
    pub num_partitions: i32,
    pub default_replication_factor: i16,
    pub min_insync_replicas: i32,
    pub message_max_bytes: i32,
    pub fetch_max_bytes: i32,
    pub offsets_topic_num_partitions: i32,
    pub offsets_topic_replication_factor: i16,
    pub offsets_topic_segment_bytes: i32,
    pub broker_rack: Option<String>,
    pub broker_heartbeat_interval_ms: i64,
    pub broker_session_timeout_ms: i64,
    pub flush_ack: FlushAck,
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
    fn default() -> Self {
        StaticConfig {
            shards: 0,
            auto_create_topics_enable: true,
            num_partitions: 1,
            default_replication_factor: 1,
            min_insync_replicas: 1,
            message_max_bytes: 1_048_588,
            fetch_max_bytes: 57_671_680,
            offsets_topic_num_partitions: 50,
            offsets_topic_replication_factor: 3,
            offsets_topic_segment_bytes: 104_857_600,
            broker_rack: None,
            broker_heartbeat_interval_ms: 2_000,
            broker_session_timeout_ms: 9_000,
            flush_ack: FlushAck::Auto,
        }
    }
}
