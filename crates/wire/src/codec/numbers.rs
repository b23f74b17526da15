//! What the tests of views draw their requests from.

/// A small generator of numbers, the same in every run.
pub(crate) struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % end
    }

    /// Of lengths and letters that matter to the format.
    pub fn text(&mut self) -> String {
        let length = [0, 1, 9, 130][self.below(4) as usize];
        (0..length).map(|_| ['a', 'Z', '.', 'ä', '€'][self.below(5) as usize]).collect()
    }
}
