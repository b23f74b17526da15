//! What an unclean stop costs at the next start: how many logs were read again, how much of them, and how long that took. All shards add
//! to it; one line tells it when the last of them is through.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// The sum over all shards.
#[derive(Debug)]
pub(crate) struct Recovered {
    logs: AtomicUsize,
    bytes: AtomicU64,
    began_ms: AtomicI64,
    /// Shards that still open what was found.
    shards_at_it: AtomicUsize,
}

impl Default for Recovered {
    fn default() -> Self {
        Recovered {
            logs: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            began_ms: AtomicI64::new(i64::MAX),
            shards_at_it: AtomicUsize::new(0),
        }
    }
}

impl Recovered {
    /// A log was read again.
    pub fn add(&self, now_ms: i64, bytes: u64) {
        self.began_ms.fetch_min(now_ms, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.logs.fetch_add(1, Ordering::AcqRel);
    }

    /// A shard begins to open what it has.
    pub fn shard_begins(&self) {
        self.shards_at_it.fetch_add(1, Ordering::AcqRel);
    }

    /// It is through.
    pub fn shard_ends(&self) {
        self.shards_at_it.fetch_sub(1, Ordering::AcqRel);
    }

    /// Something is to be told.
    pub fn is_untold(&self) -> bool {
        self.logs.load(Ordering::Acquire) > 0 && self.shards_at_it.load(Ordering::Acquire) == 0
    }

    /// The line, once.
    pub fn line(&self, now_ms: i64) -> Option<String> {
        if !self.is_untold() {
            return None;
        }
        let logs = self.logs.swap(0, Ordering::AcqRel);
        let bytes = self.bytes.swap(0, Ordering::AcqRel);
        let began_ms = self.began_ms.swap(i64::MAX, Ordering::AcqRel);
        let took_ms = now_ms.saturating_sub(began_ms);
        (logs > 0).then(|| {
            format!(
                "the last stop was not clean: {logs} logs were read again, {bytes} bytes, in {took_ms} ms"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_when_all_shards_are_through() {
        let recovered = Recovered::default();
        assert_eq!(recovered.line(0), None);
        recovered.shard_begins();
        recovered.shard_begins();
        recovered.add(5, 100);
        recovered.shard_ends();
        assert_eq!(recovered.line(20), None);
        recovered.add(7, 11);
        recovered.shard_ends();
        let expected = "the last stop was not clean: 2 logs were read again, 111 bytes, in 25 ms";
        assert_eq!(recovered.line(30).as_deref(), Some(expected));
        assert_eq!(recovered.line(40), None);
    }
}
