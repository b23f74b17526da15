//! The topic-level settings that a log obeys, parsed. Key names, defaults and text forms belong to `broker::config`.

use wire::compress::{Compression, DecompressLimit};
use wire::record_batch::ProduceRules;
pub use wire::record_batch::TimestampType;

/// One topic's log settings, shared by all its partitions (`Arc<LogConfig>`). `Default` gives Kafka 4.4's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment rolls before it would grow past this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment rolls when its first record is older than this (minus jitter).
    pub segment_ms: i64,
    /// `segment.jitter.ms`: upper bound of the random lead taken off `segment_ms`.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: size bound of each index file; a full index rolls the segment.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: one sparse index entry per so many bytes of log.
    pub index_interval_bytes: u32,
    /// `preallocate`: a new segment's file has its whole length at once.
    pub preallocate: bool,
    /// `max.message.bytes`: bound of one batch as stored.
    pub max_message_bytes: u32,
    /// `max.decompressed.message.bytes` (4.4): bound of one record of a compressed batch.
    pub max_decompressed_message_bytes: u32,
    /// `retention.ms`; -1 keeps for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; -1 is unbounded.
    pub retention_bytes: i64,
    /// `cleanup.policy` holds `delete`.
    pub delete: bool,
    /// `cleanup.policy` holds `compact`.
    pub compact: bool,
    /// `file.delete.delay.ms`: a removed segment keeps its `.deleted` files so long for readers that still hold it.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: force a flush after so many records.
    pub flush_messages: i64,
    /// `flush.ms`: force a flush when the oldest unflushed record is this old.
    pub flush_ms: i64,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`; `None` is `producer`: whatever codec came stays.
    pub compression: Option<Compression>,
    /// `compression.gzip.level`.
    pub gzip_level: i32,
    /// `compression.lz4.level`.
    pub lz4_level: i32,
    /// `compression.zstd.level`.
    pub zstd_level: i32,
    /// `delete.retention.ms`: tombstones and markers without data stay so long after a cleaning has seen them.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: a segment with a record younger than this is not cleaned.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: a dirty record older than this has its log cleaned whatever the ratio.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: share of dirty bytes above which a cleaning is worth it.
    pub min_cleanable_dirty_ratio: f64,
    /// `producer.id.expiration.ms` (broker scope): idle producers without an open transaction are forgotten after this.
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable` (broker scope, KIP-890).
    pub verify_transactions: bool,
    /// Bound of idempotent producers remembered per partition; the longest idle are forgotten first.
    pub max_producers: u32,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            preallocate: false,
            max_message_bytes: 1_048_588,
            max_decompressed_message_bytes: 2_147_483_639,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            delete: true,
            compact: false,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compression: None,
            gzip_level: -1,
            lz4_level: 9,
            zstd_level: 3,
            delete_retention_ms: 24 * 3_600_000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            producer_id_expiration_ms: 24 * 3_600_000,
            verify_transactions: true,
            max_producers: 100_000,
        }
    }
}

/// Bound of one decompressed batch, whatever the topic says: memory is ours to protect.
pub const MAX_DECOMPRESSED_BYTES: usize = 64 << 20;

// What was let in is read again within the usual bounds: by compaction, by coordinators.
const _: () = assert!(MAX_DECOMPRESSED_BYTES <= wire::compress::MAX_OUTPUT_BYTES);

impl LogConfig {
    /// The age at which a segment rolls: a compacted one early enough to be cleaned within `max.compaction.lag.ms` (KIP-354).
    pub fn roll_ms(&self) -> i64 {
        match self.max_compaction_lag_ms {
            lag @ 1.. if self.compact => self.segment_ms.min(lag),
            _ => self.segment_ms,
        }
    }

    /// What a leader demands of produced batches of this topic.
    pub fn produce_rules(&self) -> ProduceRules {
        ProduceRules {
            max_message_bytes: self.max_message_bytes,
            decompress_limit: DecompressLimit::with_max_output(MAX_DECOMPRESSED_BYTES),
            max_record_bytes: self.max_decompressed_message_bytes,
            compacted: self.compact,
            timestamp_type: self.timestamp_type,
            timestamp_before_max_ms: self.timestamp_before_max_ms,
            timestamp_after_max_ms: self.timestamp_after_max_ms,
            compression: self.compression,
            level: self.compression.and_then(|codec| self.level(codec)),
        }
    }

    fn level(&self, codec: Compression) -> Option<i32> {
        match codec {
            Compression::Gzip => Some(self.gzip_level),
            Compression::Lz4 => Some(self.lz4_level),
            Compression::Zstd => Some(self.zstd_level),
            Compression::None | Compression::Snappy => None,
        }
    }
}
