//! A seeded source of randomness for ids that others must not guess by accident, equal for equal seeds.
//!
//! Never reads the system's randomness: the seed is an argument of whoever hosts a machine.

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and three mixes per number, any seed is good.
#[derive(Debug, Clone)]
pub struct Entropy {
    state: u64,
}

impl Entropy {
    pub fn new(seed: u64) -> Self {
        Entropy { state: seed }
    }

    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero. The bias is below 2^-32 for the bounds used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// A version 4 UUID in the form that Java prints: 8-4-4-4-12 lower-case hexadecimal digits.
    pub fn uuid_text(&mut self) -> String {
        let high = (self.next_u64() & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (self.next_u64() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_and_equal_for_equal_seeds() {
        let text = Entropy::new(7).uuid_text();
        assert_eq!(text, Entropy::new(7).uuid_text());
        assert_ne!(text, Entropy::new(8).uuid_text());
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes().get(14), Some(&b'4'));
        assert!(matches!(text.as_bytes().get(19), Some(b'8' | b'9' | b'a' | b'b')));
    }
}
