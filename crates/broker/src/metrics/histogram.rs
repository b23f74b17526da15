//! Times in buckets: what one thread writes while others read, and what readers make of it.
//!
//! Buckets are exact below 8 µs and a quarter of a power of two wide above: a quantile is off by an eighth at most.

use std::sync::atomic::{AtomicU64, Ordering};

/// Values below it have a bucket each.
const EXACT: u64 = 8;
/// Quarters of each power of two from there up to 2^32 µs, more than an hour; what is longer counts as that.
const BUCKETS: usize = EXACT as usize + (32 - 3) * 4;

/// Microseconds in buckets. One thread writes.
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0) }
    }
}

/// Adds to a counter that nobody else writes.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl Histogram {
    /// Counts a time.
    pub fn record(&self, us: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(us)) {
            add(bucket, 1);
        }
        add(&self.sum_us, us);
    }

    /// Adds what was counted so far.
    pub fn add_to(&self, all: &mut Distribution) {
        for (sum, bucket) in all.counts.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        all.sum_us += self.sum_us.load(Ordering::Relaxed);
    }
}

fn bucket_of(us: u64) -> usize {
    if us < EXACT {
        return us as usize;
    }
    let power = us.ilog2();
    let quarter = (us >> (power - 2)) & 3;
    (EXACT as usize + (power as usize - 3) * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The lowest value of a bucket, and that of the next one.
fn bounds(bucket: usize) -> (u64, u64) {
    let Some(above) = bucket.checked_sub(EXACT as usize) else { return (bucket as u64, bucket as u64 + 1) };
    let (power, quarter) = (above / 4 + 3, above as u64 % 4);
    let width = 1u64 << (power - 2);
    let low = (1u64 << power) + quarter * width;
    (low, low + width)
}

/// What histograms of one kind hold together.
#[derive(Clone, PartialEq, Debug)]
pub struct Distribution {
    counts: Box<[u64]>,
    /// All times together.
    pub sum_us: u64,
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution { counts: vec![0; BUCKETS].into(), sum_us: 0 }
    }
}

impl Distribution {
    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What has come since `older` was taken.
    pub fn since(&self, older: &Distribution) -> Distribution {
        let counts = self.counts.iter().zip(&older.counts).map(|(now, then)| now.saturating_sub(*then));
        Distribution { counts: counts.collect(), sum_us: self.sum_us.saturating_sub(older.sum_us) }
    }

    /// Adds another.
    pub fn merge(&mut self, other: &Distribution) {
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            *sum += more;
        }
        self.sum_us += other.sum_us;
    }

    /// The time below which this share of them lies, in milliseconds; `None` without any.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = share * count as f64;
        let mut before = 0.0;
        for (bucket, here) in self.counts.iter().enumerate().filter(|(_, here)| **here > 0) {
            let here = *here as f64;
            if before + here >= rank {
                let (low, high) = bounds(bucket);
                let within = ((rank - before) / here).clamp(0.0, 1.0);
                return Some((low as f64 + (high - low) as f64 * within) / 1_000.0);
            }
            before += here;
        }
        None
    }

    /// Their mean, in milliseconds; `None` without any.
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_us as f64 / count as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_follow_each_other() {
        for us in (0..10_000).chain((14..32).flat_map(|p| [(1u64 << p) - 1, 1 << p, (1 << p) + 1])) {
            let (low, high) = bounds(bucket_of(us));
            assert!(low <= us && us < high, "{us} in {low}..{high}");
        }
        assert!((1..BUCKETS).all(|at| bounds(at - 1).1 == bounds(at).0));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_near_what_was_counted() {
        let histogram = Histogram::default();
        (1..=1_000).for_each(|ms| histogram.record(ms * 1_000));
        let mut all = Distribution::default();
        histogram.add_to(&mut all);
        for (share, wanted) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = all.quantile_ms(share).unwrap_or_default();
            assert!((found - wanted).abs() <= wanted / 8.0, "{share}: {found}");
        }
        assert_eq!((all.count(), all.mean_ms()), (1_000, Some(500.5)));
        let older = all.clone();
        histogram.record(7);
        let mut now = Distribution::default();
        histogram.add_to(&mut now);
        let news = now.since(&older);
        assert_eq!((news.count(), news.sum_us, older.since(&now).count()), (1, 7, 0));
        assert_eq!(Distribution::default().quantile_ms(0.5), None);
    }
}
