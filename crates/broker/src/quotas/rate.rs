//! How fast something goes, as Kafka measures it: sums of some windows of time, and how long to hold back who is too fast. Knows no clock and no
//! client.

/// `quota.window.num` and `quota.window.size.seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// How many are remembered, the present one with them; at least one.
    pub count: usize,
    /// How long each is; at least a millisecond.
    pub length_ms: i64,
}

impl Windows {
    /// How long something is remembered.
    pub fn span_ms(&self) -> i64 {
        self.length_ms.saturating_mul(i64::try_from(self.count).unwrap_or(i64::MAX))
    }
}

/// What came in one window.
#[derive(Clone, Copy, Debug)]
struct Sample {
    began_ms: i64,
    last_ms: i64,
    sum: i64,
}

/// A rate over windows that begin when something comes. One sample more than there are windows is kept: one that reaches into what is
/// remembered counts whole.
///
/// Invariant: there is a sample from the first record on, no more than `count + 1`, and `present` is one of them.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: Vec<Sample>,
    present: usize,
}

impl Rate {
    /// So much came, or what came is taken back.
    pub fn record(&mut self, windows: Windows, amount: i64, now_ms: i64) {
        let fresh = Sample { began_ms: now_ms, last_ms: now_ms, sum: 0 };
        match self.samples.get(self.present) {
            None => self.samples.push(fresh),
            Some(present) if now_ms - present.began_ms >= windows.length_ms => {
                self.present = (self.present + 1) % (windows.count + 1);
                match self.samples.get_mut(self.present) {
                    Some(oldest) => *oldest = fresh,
                    None => self.samples.push(fresh),
                }
            }
            Some(_) => {}
        }
        if let Some(present) = self.samples.get_mut(self.present) {
            present.sum = present.sum.saturating_add(amount);
            present.last_ms = now_ms;
        }
    }

    /// What came in the windows that are remembered, and how long they are together, in milliseconds; at least one.
    pub fn measure(&mut self, windows: Windows, now_ms: i64) -> (i64, i64) {
        let span_ms = windows.span_ms();
        for old in self.samples.iter_mut().filter(|sample| now_ms - sample.last_ms >= span_ms) {
            *old = Sample { began_ms: now_ms, last_ms: now_ms, sum: 0 };
        }
        let sum = self.samples.iter().fold(0i64, |sum, sample| sum.saturating_add(sample.sum));
        let began_ms = self.samples.iter().map(|sample| sample.began_ms).min().unwrap_or(now_ms);
        let elapsed_ms = now_ms - began_ms;
        // Whole windows that there have not been count as if nothing had come in them: the first burst is no rate.
        let fewest = i64::try_from(windows.count).unwrap_or(i64::MAX) - 1;
        let missing = (fewest - elapsed_ms / windows.length_ms).max(0);
        (sum, elapsed_ms.saturating_add(missing.saturating_mul(windows.length_ms)).max(1))
    }

    /// How long nothing may come for the rate to be down at `limit` a second, in milliseconds; 0 where it is not above.
    pub fn excess_ms(&mut self, windows: Windows, limit: f64, now_ms: i64) -> i64 {
        let (sum, window_ms) = self.measure(windows, now_ms);
        let rate = sum as f64 * 1_000.0 / window_ms as f64;
        if rate > limit { ((rate - limit) / limit * window_ms as f64 + 0.5).floor() as i64 } else { 0 }
    }

    /// Nothing of it is remembered any more: it is as if it were new.
    pub fn is_over(&self, windows: Windows, now_ms: i64) -> bool {
        self.samples.iter().all(|sample| sample.sum == 0 || now_ms - sample.last_ms >= windows.span_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { count: 11, length_ms: 1_000 };

    #[test]
    fn the_first_burst_counts_over_the_windows_that_there_have_not_been() {
        let mut rate = Rate::default();
        assert_eq!(rate.measure(WINDOWS, 5_000), (0, 10_000));
        rate.record(WINDOWS, 1_000, 5_000);
        assert_eq!(rate.measure(WINDOWS, 5_000), (1_000, 10_000));
        assert_eq!(rate.measure(WINDOWS, 5_999), (1_000, 10_999));
        assert_eq!(rate.measure(WINDOWS, 6_000), (1_000, 10_000));
        assert_eq!(rate.excess_ms(WINDOWS, 100.0, 5_000), 0, "at the limit");
        // (125 - 100) / 100 * 10 s
        rate.record(WINDOWS, 250, 5_000);
        assert_eq!(rate.excess_ms(WINDOWS, 100.0, 5_000), 2_500);
    }

    #[test]
    fn what_is_old_is_forgotten_window_by_window() {
        let mut rate = Rate::default();
        for second in 0..20 {
            rate.record(WINDOWS, 100, second * 1_000);
        }
        // Of twelve samples the oldest is over.
        assert_eq!(rate.measure(WINDOWS, 19_000), (1_100, 10_000));
        assert_eq!(rate.measure(WINDOWS, 19_500), (1_100, 10_500));
        assert_eq!(rate.measure(WINDOWS, 29_999).0, 100);
        assert!(!rate.is_over(WINDOWS, 29_999));
        assert!(rate.is_over(WINDOWS, 30_000));
        // What was forgotten a millisecond ago began anew then.
        assert_eq!(rate.measure(WINDOWS, 30_000), (0, 10_001));
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, 10_000, 0);
        rate.record(WINDOWS, -10_000, 0);
        assert_eq!(rate.measure(WINDOWS, 0).0, 0);
        assert_eq!(rate.excess_ms(WINDOWS, 1.0, 0), 0);
    }

    #[test]
    fn who_waits_as_long_as_it_is_told_keeps_to_the_limit() {
        // A request of 100,000 bytes whenever it may: 50,000 bytes a second are allowed.
        let (mut rate, mut now_ms, mut sent) = (Rate::default(), 0, 0);
        while now_ms < 60_000 {
            sent += 100_000;
            rate.record(WINDOWS, 100_000, now_ms);
            now_ms += rate.excess_ms(WINDOWS, 50_000.0, now_ms).max(1);
        }
        let per_second = sent / 60;
        assert!((45_000..=58_500).contains(&per_second), "{per_second}");
    }
}
