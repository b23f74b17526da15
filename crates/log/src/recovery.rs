//! Opening a partition directory: what a crash may have left is told apart from what it may not. Above the durable point the
//! first bad batch ends the log; below it a bad batch is corruption, reported and never cut. Never serves anything itself.

use wire::Uuid;

/// What the directory's checkpoints and the image say about a partition before it is opened.
#[derive(Clone, Debug)]
pub struct OpenMode {
    /// `.kafka_cleanshutdown` was there: indexes and snapshots are trusted after cheap checks, nothing is scanned.
    pub clean_shutdown: bool,
    /// From `recovery-point-offset-checkpoint`: everything below was proven flushed.
    pub recovery_point: i64,
    /// From `log-start-offset-checkpoint`.
    pub log_start_offset: i64,
    /// From `replication-offset-checkpoint`.
    pub high_watermark: i64,
    /// Written to (and compared with) `partition.metadata`; `None` for logs without one.
    pub topic_id: Option<Uuid>,
}

impl Default for OpenMode {
    fn default() -> OpenMode {
        OpenMode {
            clean_shutdown: false,
            recovery_point: 0,
            log_start_offset: 0,
            high_watermark: 0,
            topic_id: None,
        }
    }
}

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Bytes of log read and checked.
    pub scanned_bytes: u64,
    /// Bytes cut above the durable point: never acknowledged as durable.
    pub cut_bytes: u64,
    /// Index, snapshot and checkpoint files that were rebuilt.
    pub rebuilt: Vec<String>,
    /// Bad batches below the durable point: kept, never served.
    pub corrupt: Vec<Corruption>,
}

/// A bad batch in the middle of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    pub segment_base_offset: i64,
    pub position: u64,
    pub what: String,
}
