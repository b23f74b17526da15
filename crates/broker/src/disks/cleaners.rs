//! How many cleanings may run at once and how fast (`log.cleaner.*`), shared by all shards. A shard that finds no place free is
//! woken when one is. Owns places, the throttle, and what travels between a shard and the pool; which log is cleaned is the shard's choice (`shard/cleaning.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use log::{CleanWork, MapBounds};
use parking_lot::Mutex;

use crate::config::{BrokerLayers, Parsed, broker_key};
use crate::limits::CLEAN_SLICE_BYTES;
use crate::views::PartitionCell;

/// The settings of all cleaners, live.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CleanerSettings {
    /// Cleanings at once; 0 where `log.cleaner.enable` is false.
    pub threads: usize,
    /// Memory of one cleaner's map.
    pub bounds: MapBounds,
    /// `log.cleaner.io.max.bytes.per.second`, all cleaners together.
    pub bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`.
    pub backoff_ms: i64,
}

impl CleanerSettings {
    /// The values in force.
    pub fn resolve(layers: &BrokerLayers<'_>) -> CleanerSettings {
        let parsed = |name: &str| broker_key(name).and_then(|key| key.parse(&layers.broker(key).value?).ok());
        let number =
            |name: &str, otherwise: f64| parsed(name).and_then(|value| value.number()).unwrap_or(otherwise);
        let enabled = parsed("log.cleaner.enable") != Some(Parsed::Flag(false));
        let threads = if enabled { number("log.cleaner.threads", 1.0) as usize } else { 0 };
        let bytes = number("log.cleaner.dedupe.buffer.size", 134_217_728.0) as u64;
        CleanerSettings {
            threads,
            bounds: MapBounds {
                bytes: bytes / threads.max(1) as u64,
                load_factor: number("log.cleaner.io.buffer.load.factor", 0.9),
            },
            bytes_per_second: number("log.cleaner.io.max.bytes.per.second", f64::MAX),
            backoff_ms: number("log.cleaner.backoff.ms", 15_000.0) as i64,
        }
    }

    /// Bytes that one slice of work reads: a third of a second's share where there is a limit.
    pub fn slice_bytes(&self) -> u64 {
        CLEAN_SLICE_BYTES.min((self.bytes_per_second / 3.0) as u64).max(4 << 10)
    }
}

/// A cleaning on its way between its shard and the pool.
pub(crate) struct Cleaning {
    pub cell: Arc<PartitionCell>,
    pub work: CleanWork,
    /// What a slice reads at most.
    pub slice_bytes: u64,
    pub began_ms: i64,
    /// Bytes the throttle knows of.
    pub paid_bytes: u64,
    /// Lets another cleaning begin when this one is over.
    pub _place: CleanerPlace,
}

/// The cleaners of a node.
#[derive(Debug)]
pub(crate) struct Cleaners {
    settings: ArcSwap<CleanerSettings>,
    /// Entered once per cleaning and slice, never by a request.
    state: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    running: usize,
    /// Shards that found no place free.
    waiting: BTreeSet<usize>,
    /// When the bytes moved so far are paid for.
    paid_ms: f64,
}

/// A cleaner's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct CleanerPlace(Arc<Cleaners>);

impl Drop for CleanerPlace {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
    }
}

impl Cleaners {
    pub fn new(settings: CleanerSettings) -> Cleaners {
        Cleaners { settings: ArcSwap::new(Arc::new(settings)), state: Mutex::default() }
    }

    pub fn settings(&self) -> Arc<CleanerSettings> {
        self.settings.load_full()
    }

    /// New values; cleanings under way go on as they began, but at the new pace. Answers whether they differ from the old ones.
    pub fn configure(&self, settings: CleanerSettings) -> bool {
        let changed = **self.settings.load() != settings;
        self.settings.store(Arc::new(settings));
        changed
    }

    /// A place, if one is free; otherwise the shard is remembered.
    pub fn take_place(self: &Arc<Self>, shard: usize) -> Option<CleanerPlace> {
        let mut state = self.state.lock();
        if state.running >= self.settings.load().threads {
            state.waiting.insert(shard);
            return None;
        }
        state.running += 1;
        state.waiting.remove(&shard);
        Some(CleanerPlace(Arc::clone(self)))
    }

    /// A shard that waits for a place, the one after `shard` first, so that none is always last.
    pub fn next_waiting(&self, shard: usize) -> Option<usize> {
        let mut state = self.state.lock();
        let next =
            state.waiting.range(shard.saturating_add(1)..).next().or(state.waiting.first()).copied()?;
        state.waiting.remove(&next);
        Some(next)
    }

    /// Bytes were moved; answers until when to wait before more are.
    pub fn pay(&self, bytes: u64, now_ms: i64) -> i64 {
        let rate = self.settings.load().bytes_per_second;
        if rate >= f64::MAX || rate <= 0.0 {
            return now_ms;
        }
        let mut state = self.state.lock();
        state.paid_ms = state.paid_ms.max(now_ms as f64) + bytes as f64 * 1000.0 / rate;
        state.paid_ms as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    fn settings(pairs: &[(&str, &str)]) -> CleanerSettings {
        let none = Values::new();
        let file = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        CleanerSettings::resolve(&BrokerLayers { per_broker: &none, cluster_wide: &none, file: &file })
    }

    #[test]
    fn an_empty_file_gives_kafkas_defaults() {
        let expected = CleanerSettings {
            threads: 1,
            bounds: MapBounds { bytes: 128 << 20, load_factor: 0.9 },
            bytes_per_second: f64::MAX,
            backoff_ms: 15_000,
        };
        assert_eq!(settings(&[]), expected);
        assert_eq!(settings(&[("log.cleaner.threads", "4")]).bounds.bytes, 32 << 20);
        assert_eq!(settings(&[("log.cleaner.enable", " False")]).threads, 0);
        assert_eq!(settings(&[("log.cleaner.io.buffer.load.factor", "0x1p-1")]).bounds.load_factor, 0.5);
    }

    #[test]
    fn places_are_few_and_go_round() {
        let cleaners = Arc::new(Cleaners::new(settings(&[("log.cleaner.threads", "2")])));
        let first = cleaners.take_place(0).unwrap();
        let _second = cleaners.take_place(0).unwrap();
        for shard in [0, 1, 3] {
            assert!(cleaners.take_place(shard).is_none());
        }
        assert_eq!(cleaners.next_waiting(0), Some(1));
        assert_eq!(cleaners.next_waiting(1), Some(3));
        assert_eq!(cleaners.next_waiting(3), Some(0));
        assert_eq!(cleaners.next_waiting(0), None);
        drop(first);
        assert!(cleaners.take_place(3).is_some());
    }

    #[test]
    fn bytes_are_paid_for_in_time() {
        let slow = Cleaners::new(settings(&[("log.cleaner.io.max.bytes.per.second", "1000")]));
        assert_eq!(slow.pay(500, 10_000), 10_500);
        assert_eq!(slow.pay(500, 10_100), 11_000);
        assert_eq!(slow.pay(100, 20_000), 20_100);
        assert_eq!(slow.settings().slice_bytes(), 4096);
        assert_eq!(Cleaners::new(settings(&[])).pay(u64::MAX, 7), 7);
    }
}
