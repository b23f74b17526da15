//! The dice of a simulated disk.

use wire::random::SplitMix64;

/// Chooses crash states.
#[derive(Clone, Debug)]
pub(super) struct Rng(SplitMix64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(SplitMix64::new(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
