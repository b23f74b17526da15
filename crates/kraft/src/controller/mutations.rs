//! How many partitions clients may have made and deleted (KIP-599): a bucket of tokens for everybody who shares a quota. Which quota holds for
//! whom, the broker's door says with the command.

use std::collections::BTreeMap;
use wire::Str;

/// What a client is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct MutationQuota {
    /// Who shares the bucket; empty where the user does not matter.
    pub user: Str,
    /// Empty where the client id does not matter.
    pub client_id: Str,
    /// Partitions a second.
    pub per_second: f64,
    /// The most that a bucket holds.
    pub burst: f64,
    /// What comes when nothing is left is refused. Older clients do not know that; they only wait afterwards.
    pub is_strict: bool,
}

/// Buckets that are not full; soft state of the active controller.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<(Str, Str), Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_ms: i64,
    /// From then on it is as good as a new one.
    full_ms: i64,
}

/// Buckets that are kept before those that are full are forgotten: they are as good as new ones.
const BUCKETS_KEPT: usize = 1_024;

/// What becomes of partitions that are to be made or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Charged {
    /// There are not enough tokens, and the client knows what that means.
    pub is_refused: bool,
    /// How long the client waits before it asks again; 0 where it need not.
    pub wait_ms: i32,
}

impl Buckets {
    /// So many partitions are made or deleted. A bucket may be overdrawn once; then the client waits until it is even.
    pub fn charge(&mut self, quota: &MutationQuota, partitions: usize, now_ms: i64) -> Charged {
        let bucket = self.of(quota, now_ms);
        let is_refused = quota.is_strict && bucket.is_overdrawn();
        if !is_refused {
            bucket.take(partitions, quota);
        }
        let waits = bucket.is_overdrawn() && (is_refused || !quota.is_strict);
        let even_ms = (-bucket.tokens / quota.per_second * 1_000.0 + 0.5).floor();
        Charged { is_refused, wait_ms: if waits { even_ms as i32 } else { 0 } }
    }

    fn of(&mut self, quota: &MutationQuota, now_ms: i64) -> &mut Bucket {
        if self.0.len() >= BUCKETS_KEPT {
            self.0.retain(|_, bucket| now_ms < bucket.full_ms);
        }
        let full = Bucket { tokens: quota.burst, filled_ms: now_ms, full_ms: now_ms };
        let bucket = self.0.entry((quota.user.clone(), quota.client_id.clone())).or_insert(full);
        let came = quota.per_second * (now_ms - bucket.filled_ms).max(0) as f64 / 1_000.0;
        bucket.tokens = quota.burst.min(bucket.tokens + came);
        bucket.filled_ms = now_ms;
        bucket
    }
}

/// Less than nothing by no more than sums of fractions are wrong.
const DUST: f64 = 1e-6;

impl Bucket {
    fn is_overdrawn(&self) -> bool {
        self.tokens < -DUST
    }

    fn take(&mut self, partitions: usize, quota: &MutationQuota) {
        self.tokens -= partitions as f64;
        let fill_ms = (quota.burst - self.tokens) / quota.per_second * 1_000.0;
        self.full_ms = self.filled_ms.saturating_add(fill_ms.ceil() as i64);
    }
}
