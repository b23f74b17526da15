//! Replication throttles (KIP-73): how fast replicas that are being brought up may be read from a leader and taken in by a follower
//! (`leader.replication.throttled.rate`, `follower.replication.throttled.rate`, bytes per second). Owns what each side of a node has
//! used of its rate; which replicas are concerned, their topics say (`ThrottledReplicas`), and who is in sync is never held back.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::config::{BrokerLayers, broker_key};

/// Both sides of a node.
#[derive(Debug)]
pub(crate) struct Throttles {
    pub leader: Throttle,
    pub follower: Throttle,
}

impl Throttles {
    pub fn new(layers: &BrokerLayers<'_>) -> Throttles {
        let throttles = Throttles { leader: Throttle::new(), follower: Throttle::new() };
        throttles.configure(layers);
        throttles
    }

    /// New values; what is on its way goes on at the new pace.
    pub fn configure(&self, layers: &BrokerLayers<'_>) {
        self.leader.set_rate(rate(layers, "leader.replication.throttled.rate"));
        self.follower.set_rate(rate(layers, "follower.replication.throttled.rate"));
    }
}

fn rate(layers: &BrokerLayers<'_>, name: &str) -> u64 {
    let value = broker_key(name).and_then(|key| layers.broker(key).value);
    let rate = value.and_then(|value| value.trim().parse::<i64>().ok()).filter(|rate| *rate < i64::MAX);
    rate.map_or(UNLIMITED, |rate| rate.max(0).unsigned_abs())
}

/// One side: bytes are paid for after they went, each at the rate in force then. Whoever is in debt waits, so that the measured rate is
/// the rate, however large what goes at once.
// DIVERGES: Kafka compares the mean of its last 11 windows of a second, and forgets what is older.
#[derive(Debug)]
pub(crate) struct Throttle {
    bytes_per_second: AtomicU64,
    /// When what went so far is paid for.
    paid_ms: Mutex<f64>,
}

const UNLIMITED: u64 = u64::MAX;

/// What was not used is kept so long: followers come again within half of it.
const KEPT_MS: f64 = 1_000.0;

/// How long whoever may have nothing waits at most before it looks again.
const STANDSTILL_MS: i64 = 1_000;

impl Throttle {
    fn new() -> Throttle {
        Throttle { bytes_per_second: AtomicU64::new(UNLIMITED), paid_ms: Mutex::new(0.0) }
    }

    fn set_rate(&self, rate: u64) {
        if self.bytes_per_second.swap(rate, Ordering::Relaxed) != rate {
            *self.paid_ms.lock() = 0.0;
        }
    }

    /// There is a limit.
    pub fn is_on(&self) -> bool {
        self.bytes_per_second.load(Ordering::Relaxed) != UNLIMITED
    }

    /// Until when nothing may go, if not now.
    pub fn closed_until(&self, now_ms: i64) -> Option<i64> {
        match self.bytes_per_second.load(Ordering::Relaxed) {
            UNLIMITED => None,
            0 => Some(now_ms.saturating_add(STANDSTILL_MS)),
            _ => {
                let paid_ms = Some(self.paid_ms.lock().ceil() as i64).filter(|paid_ms| *paid_ms > now_ms);
                // Not much longer: another rate may be in force by then.
                paid_ms.map(|paid_ms| paid_ms.min(now_ms.saturating_add(STANDSTILL_MS)))
            }
        }
    }

    /// Bytes of throttled replicas went.
    pub fn record(&self, bytes: u64, now_ms: i64) {
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        if rate == UNLIMITED || rate == 0 || bytes == 0 {
            return;
        }
        let mut paid_ms = self.paid_ms.lock();
        *paid_ms = paid_ms.max(now_ms as f64 - KEPT_MS) + bytes as f64 * 1_000.0 / rate as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    fn throttles(pairs: &[(&str, &str)]) -> Throttles {
        let none = Values::new();
        let values = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Throttles::new(&BrokerLayers { per_broker: &values, cluster_wide: &none, file: &none })
    }

    /// Bytes that go within 30 seconds, where `each` go at once and somebody asks every millisecond.
    fn gone(throttle: &Throttle, each: u64) -> u64 {
        let ask = |now_ms| throttle.closed_until(now_ms).is_none().then(|| throttle.record(each, now_ms));
        (1_000_000..1_030_000).filter_map(ask).count() as u64 * each
    }

    #[test]
    fn what_goes_keeps_to_the_rate_whatever_goes_at_once() {
        let throttles = throttles(&[("leader.replication.throttled.rate", "100000")]);
        for each in [1_000, 20_000, 200_000] {
            throttles.leader.set_rate(UNLIMITED);
            throttles.leader.set_rate(100_000);
            let gone = gone(&throttles.leader, each);
            assert!((2_700_000..=3_300_000).contains(&gone), "{gone} bytes in 30 s, {each} at once");
        }
        assert!(!throttles.follower.is_on());
        assert_eq!(throttles.follower.closed_until(0), None);
    }

    #[test]
    fn a_rate_of_none_lets_nothing_go_and_a_new_rate_owes_nothing() {
        let throttles = throttles(&[("follower.replication.throttled.rate", "0")]);
        assert_eq!(throttles.follower.closed_until(5_000), Some(5_000 + STANDSTILL_MS));
        throttles.follower.set_rate(1);
        throttles.follower.record(1_000_000, 5_000);
        assert!(throttles.follower.closed_until(900_000_000).is_some());
        throttles.follower.set_rate(1_000);
        assert_eq!(throttles.follower.closed_until(5_001), None);
    }
}
