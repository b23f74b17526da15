//! When a snapshot is due: by bytes and by time. Owns the counters; taking one is `snapshots.rs`'s business.

/// Between looks at what can be deleted.
pub(super) const CLEAN_INTERVAL_MS: i64 = 60_000;

/// A start does not wait for the snapshot that it finds due.
const START_MS: i64 = 1_000;

const _: () =
    assert!(START_MS < CLEAN_INTERVAL_MS, "a snapshot that a start finds due is taken before others go");

/// When snapshots are taken and how long old ones and the log before them are kept.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotPolicy {
    /// `metadata.log.max.record.bytes.between.snapshots`
    pub max_bytes_between: u64,
    /// `metadata.log.max.snapshot.interval.ms`; 0: never by time.
    pub max_interval_ms: i64,
    /// `metadata.max.retention.bytes`; negative: unlimited.
    pub retention_bytes: i64,
    /// `metadata.max.retention.ms`; negative: unlimited.
    pub retention_ms: i64,
}

/// Counters since the last snapshot.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Of the log, committed since then.
    pub bytes: u64,
    /// When the last one was taken, or this process began.
    pub since_ms: i64,
    /// When the next look at what can be deleted is due.
    pub next_clean_ms: i64,
    /// Until then the start goes first.
    pub start_ends_ms: Option<i64>,
}

impl Schedule {
    /// `bytes` of the log lie behind the snapshot that it opens with.
    // DIVERGES: Kafka begins to count anew at every start. A broker that restarts every now and then would read a log that grows for
    // an hour, and each restart adds records of every partition to it.
    pub(super) fn new(now_ms: i64, bytes: u64) -> Self {
        Schedule {
            bytes,
            since_ms: now_ms,
            next_clean_ms: now_ms + CLEAN_INTERVAL_MS,
            start_ends_ms: Some(now_ms + START_MS),
        }
    }

    /// A snapshot was taken, here or by the leader.
    pub(super) fn reset(&mut self, now_ms: i64) {
        self.bytes = 0;
        self.since_ms = now_ms;
    }

    /// So many bytes of the log are committed.
    pub(super) fn committed(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// When there may be something to do at the latest.
    pub(super) fn next_deadline_ms(&self, policy: &SnapshotPolicy) -> i64 {
        let first = self.start_ends_ms.filter(|_| self.has_grown(policy));
        let by_time = (policy.max_interval_ms > 0 && self.bytes > 0)
            .then(|| self.since_ms.saturating_add(policy.max_interval_ms));
        first.into_iter().chain(by_time).fold(self.next_clean_ms, i64::min)
    }

    pub(super) fn has_grown(&self, policy: &SnapshotPolicy) -> bool {
        self.bytes >= policy.max_bytes_between.max(1)
    }
}
