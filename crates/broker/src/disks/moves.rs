//! How many replicas may move between log directories at once and how fast (`num.replica.alter.log.dirs.threads`,
//! `replica.alter.log.dirs.io.max.bytes.per.second`), shared by all shards. Owns places and the throttle; what moves is the shards'
//! (`shard/moving.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::config::{BrokerLayers, broker_key};
use crate::limits::MOVE_SLICE_BYTES;

/// The moves of a node.
#[derive(Debug)]
pub(crate) struct Moves {
    /// Moves that may copy at once.
    most: usize,
    running: AtomicUsize,
    /// All moves together; `u64::MAX` is no limit.
    bytes_per_second: AtomicU64,
    /// When the bytes copied so far are paid for. Cold: once per slice, and only where there is a limit.
    paid_ms: Mutex<f64>,
    /// Tells one move of a replica from the next.
    serial: AtomicU64,
}

/// A place among those that copy; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct MovePlace(Arc<Moves>);

impl Drop for MovePlace {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Moves {
    /// One copies per log directory, as in Kafka, unless the file says otherwise.
    pub fn new(layers: &BrokerLayers<'_>, directories: usize) -> Moves {
        let threads = text(layers, "num.replica.alter.log.dirs.threads").and_then(|text| text.parse().ok());
        let moves = Moves {
            most: threads.unwrap_or(directories).max(1),
            running: AtomicUsize::new(0),
            bytes_per_second: AtomicU64::new(u64::MAX),
            paid_ms: Mutex::new(0.0),
            serial: AtomicU64::new(0),
        };
        moves.configure(layers);
        moves
    }

    /// New values; moves under way go on at the new pace.
    pub fn configure(&self, layers: &BrokerLayers<'_>) {
        let rate = text(layers, "replica.alter.log.dirs.io.max.bytes.per.second");
        let rate = rate.and_then(|text| text.parse::<i64>().ok()).filter(|rate| *rate < i64::MAX);
        let rate = rate.map_or(u64::MAX, |rate| rate.max(0).unsigned_abs());
        self.bytes_per_second.store(rate, Ordering::Relaxed);
    }

    /// A number that no other move has.
    pub fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A place, if one is free.
    pub fn take_place(self: &Arc<Self>) -> Option<MovePlace> {
        let take = |running| (running < self.most).then_some(running + 1);
        let taken = self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.ok().map(|_| MovePlace(Arc::clone(self)))
    }

    /// Bytes that one slice copies: a third of a second's share where there is a limit.
    pub fn slice_bytes(&self) -> u64 {
        MOVE_SLICE_BYTES.min(self.bytes_per_second.load(Ordering::Relaxed) / 3).max(1)
    }

    /// Bytes were copied; answers until when to wait before more are.
    pub fn pay(&self, bytes: u64, now_ms: i64) -> i64 {
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        if rate == u64::MAX || bytes == 0 {
            return now_ms;
        }
        let mut paid_ms = self.paid_ms.lock();
        // A rate of 0 stands still: looked at again now and then, for it may change.
        let costs = if rate == 0 { STANDSTILL_MS } else { bytes as f64 * 1000.0 / rate as f64 };
        *paid_ms = paid_ms.max(now_ms as f64) + costs;
        *paid_ms as i64
    }
}

/// How long a byte takes at a rate of 0.
const STANDSTILL_MS: f64 = 10_000.0;

fn text(layers: &BrokerLayers<'_>, name: &str) -> Option<String> {
    broker_key(name).and_then(|key| layers.broker(key).value).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    fn moves(pairs: &[(&str, &str)]) -> Arc<Moves> {
        let none = Values::new();
        let file = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Arc::new(Moves::new(&BrokerLayers { per_broker: &none, cluster_wide: &none, file: &file }, 2))
    }

    #[test]
    fn as_many_copy_as_there_are_directories() {
        let moves = moves(&[]);
        let (first, _second) = (moves.take_place().unwrap(), moves.take_place().unwrap());
        assert!(moves.take_place().is_none());
        drop(first);
        assert!(moves.take_place().is_some());
    }

    #[test]
    fn copies_keep_to_the_rate() {
        let fast = moves(&[]);
        assert_eq!((fast.pay(u64::MAX, 7), fast.slice_bytes()), (7, MOVE_SLICE_BYTES));
        let slow = moves(&[("replica.alter.log.dirs.io.max.bytes.per.second", "3000")]);
        assert_eq!(slow.slice_bytes(), 1000);
        assert_eq!(slow.pay(1500, 10_000), 10_500);
        assert_eq!(slow.pay(1500, 10_100), 11_000);
        assert_eq!(slow.pay(300, 20_000), 20_100);
    }
}
