//! How long to wait before the next attempt: exponential with jitter, as Kafka's clients do (KIP-580).
//!
//! Pure arithmetic on a seed; never sleeps itself.

use std::time::Duration;
use wire::random::SplitMix64;

/// Exponential backoff with ±20 % jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    initial: Duration,
    maximum: Duration,
    attempts: u32,
    /// Enough chance to spread retries.
    random: SplitMix64,
}

impl Backoff {
    /// Doubles from `initial` up to `maximum`; the seed spreads clients that fail together.
    pub fn new(initial: Duration, maximum: Duration, seed: u64) -> Self {
        Self { initial, maximum, attempts: 0, random: SplitMix64::new(seed) }
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.initial.saturating_mul(1u32 << self.attempts.min(20)).min(self.maximum);
        self.attempts = self.attempts.saturating_add(1);
        let per_mille = 800 + self.random.below(401);
        Duration::from_micros((doubled.as_micros() as u64).saturating_mul(per_mille) / 1000)
    }

    /// After a success the next failure starts from the beginning.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_within_their_jitter() {
        let mut b = Backoff::new(Duration::from_millis(50), Duration::from_millis(1000), 7);
        for want in [50u64, 100, 200, 400, 800, 1000, 1000] {
            let got = b.next_wait().as_millis() as u64;
            assert!((want * 8 / 10..=want * 12 / 10).contains(&got), "{want} {got}");
        }
        b.reset();
        assert!(b.next_wait() <= Duration::from_millis(60));
    }
}
