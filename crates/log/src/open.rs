//! Opening a log, as data: what is known of a partition before it is opened, and what was found when it was. The steps between are
//! `recovery.rs`.

use wire::Uuid;

/// What the directory's checkpoints and the image say about a partition before it is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenMode {
    /// `.kafka_cleanshutdown` was there: indexes and snapshots are trusted after cheap checks, nothing is scanned.
    pub clean_shutdown: bool,
    /// From `recovery-point-offset-checkpoint`: everything below was proven flushed.
    pub recovery_point: i64,
    /// From `log-start-offset-checkpoint`.
    pub log_start_offset: i64,
    /// From `replication-offset-checkpoint`.
    pub high_watermark: i64,
    /// Written to (and compared with) `partition.metadata`; `None` takes what is there.
    pub topic_id: Option<Uuid>,
    /// From `cleaner-offset-checkpoint`, if it names the partition.
    pub cleaned_offset: Option<i64>,
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
    /// The log ends (at a batch's end) before this durable point: it was truncated and its checkpoint not yet written, or the
    /// disk lost it. The caller writes the directory's checkpoint before it appends: otherwise the next crash would take what is
    /// appended for corruption below the durable point.
    pub ends_before: Option<i64>,
}

/// A bad batch in the middle of a log, or batches missing from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    pub segment_base_offset: i64,
    pub position: u64,
    /// First offset that is missing.
    pub offset: i64,
    pub what: String,
}
