//! Chance for the rounds of the crash stage, the same in every run.

/// A small generator for times and choices; the same in every run.
pub struct Dice(pub u64);

impl Dice {
    /// A number from `from` up to but not including `below`.
    pub fn between(&mut self, from: u64, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + (self.0 >> 33) % (below - from)
    }
}
