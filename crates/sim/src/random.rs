//! The only source of chance in a run. Every draw comes from the seed, in the order in which the run asks.
//! Never reads the system's randomness.

use wire::random::SplitMix64;

/// Draws of one run.
#[derive(Debug, Clone)]
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = SplitMix64::new(seed);
        // Neighbouring seeds begin far from each other.
        let start = random.next_u64();
        Random(SplitMix64::new(start))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// What the seeds that bugs left behind mean hangs on this arithmetic: it is not `SplitMix64::below`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// A number in `from..to`; `from` if that is empty.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        if width == 0 { from } else { from + self.below(width) as i64 }
    }

    /// A place in a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        if length == 0 { 0 } else { self.below(length as u64) as usize }
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, rate: u32) -> bool {
        self.below(1_000) < u64::from(rate)
    }

    /// Any order of a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.index(last + 1));
        }
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let index = self.index(choices.len());
        choices.get(index).copied().unwrap_or(otherwise)
    }
}
