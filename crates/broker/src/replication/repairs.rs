//! How often a damaged partition may be looked after (`node/repairing.rs` does it). Knows nothing of what is damaged there.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use wire::topic::TopicIdPartition;

/// A partition is looked after once in this time, however many read there.
const AGAIN_MS: i64 = 10_000;

/// Partitions that are known to have been looked after.
const REMEMBERED: usize = 1_000;

/// Until when each partition is left alone.
#[derive(Default)]
pub(crate) struct Repairs(Mutex<BTreeMap<TopicIdPartition, i64>>);

impl Repairs {
    /// Whether the partition's turn is now; notes that it is.
    pub fn begin(&self, now_ms: i64, key: TopicIdPartition) -> bool {
        let mut resting = self.0.lock();
        resting.retain(|_, until_ms| *until_ms > now_ms);
        if resting.len() >= REMEMBERED || resting.contains_key(&key) {
            return false;
        }
        resting.insert(key, now_ms.saturating_add(AGAIN_MS));
        true
    }
}
