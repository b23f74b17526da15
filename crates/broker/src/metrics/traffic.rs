//! What came to one partition and what left it. What is appended has one writer, the partition's shard; what is read leaves by any lane.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::add;

/// Counters of one partition, since this process has known it.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// By the shard.
    produces: AtomicU64,
    failed_produces: AtomicU64,
    records_in: AtomicU64,
    bytes_in: AtomicU64,
    replication_bytes_in: AtomicU64,
    /// By all lanes.
    fetches: AtomicU64,
    failed_fetches: AtomicU64,
    bytes_out: AtomicU64,
    replication_bytes_out: AtomicU64,
}

/// The same as they stood at one moment, of one partition or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub produces: u64,
    pub failed_produces: u64,
    pub records_in: u64,
    pub bytes_in: u64,
    pub replication_bytes_in: u64,
    pub fetches: u64,
    pub failed_fetches: u64,
    pub bytes_out: u64,
    pub replication_bytes_out: u64,
}

impl Traffic {
    /// The leader has taken a client's or a coordinator's batches. Only the shard calls this.
    pub fn appended(&self, bytes: usize, records: u64) {
        add(&self.produces, 1);
        add(&self.bytes_in, bytes as u64);
        add(&self.records_in, records);
    }

    /// The leader has refused some. Only the shard calls this.
    #[cold]
    pub fn refused(&self) {
        add(&self.produces, 1);
        add(&self.failed_produces, 1);
    }

    /// The follower has taken what its leader had. Only the shard calls this.
    pub fn replicated(&self, bytes: usize) {
        add(&self.replication_bytes_in, bytes as u64);
    }

    /// A consumer was answered.
    pub fn fetched(&self, bytes: usize) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        if bytes > 0 {
            self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// A fetch was refused here.
    #[cold]
    pub fn fetch_refused(&self) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.failed_fetches.fetch_add(1, Ordering::Relaxed);
    }

    /// A follower was answered.
    pub fn replicated_out(&self, bytes: usize) {
        if bytes > 0 {
            self.replication_bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// As they stand.
    pub fn passed(&self) -> Passed {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Passed {
            produces: of(&self.produces),
            failed_produces: of(&self.failed_produces),
            records_in: of(&self.records_in),
            bytes_in: of(&self.bytes_in),
            replication_bytes_in: of(&self.replication_bytes_in),
            fetches: of(&self.fetches),
            failed_fetches: of(&self.failed_fetches),
            bytes_out: of(&self.bytes_out),
            replication_bytes_out: of(&self.replication_bytes_out),
        }
    }
}

impl Passed {
    /// Nothing has passed.
    pub fn is_nothing(&self) -> bool {
        *self == Passed::default()
    }

    /// Each counter after `of` both.
    fn each(&self, other: &Passed, of: fn(u64, u64) -> u64) -> Passed {
        Passed {
            produces: of(self.produces, other.produces),
            failed_produces: of(self.failed_produces, other.failed_produces),
            records_in: of(self.records_in, other.records_in),
            bytes_in: of(self.bytes_in, other.bytes_in),
            replication_bytes_in: of(self.replication_bytes_in, other.replication_bytes_in),
            fetches: of(self.fetches, other.fetches),
            failed_fetches: of(self.failed_fetches, other.failed_fetches),
            bytes_out: of(self.bytes_out, other.bytes_out),
            replication_bytes_out: of(self.replication_bytes_out, other.replication_bytes_out),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Passed) -> Passed {
        self.each(other, u64::saturating_add)
    }

    /// The larger of each: a sum that is made while somebody writes must not go back.
    pub fn or_more(&self, other: &Passed) -> Passed {
        self.each(other, u64::max)
    }
}
