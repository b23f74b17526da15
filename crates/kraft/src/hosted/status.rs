//! What is told of a quorum, as plain data.

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    /// `None` while nobody is known.
    pub leader: Option<i32>,
    /// In this epoch.
    pub epoch: i32,
}

/// Figures about the quorum, for metrics and `kafka-metadata-quorum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuorumStatus {
    /// As far as it is known here.
    pub leader: LeaderAndEpoch,
    /// This node is the active controller.
    pub is_active: bool,
    /// The first offset that is still there.
    pub log_start_offset: i64,
    /// The offset that the next record gets.
    pub log_end_offset: i64,
    /// -1 while unknown.
    pub high_watermark: i64,
    /// The last offset in the published image; -1 before any.
    pub last_applied_offset: i64,
    /// When that offset was written, by its leader's wall clock; 0 before any.
    pub last_applied_timestamp_ms: i64,
    /// Answers that wait for the high watermark.
    pub parked_answers: usize,
    /// The newest snapshot's offset; -1 without any.
    pub latest_snapshot_offset: i64,
}
