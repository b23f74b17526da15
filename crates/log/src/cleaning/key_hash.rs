//! SipHash-2-4 with 128 bits of output, keyed: what the cleaner remembers of a record's key. Two keys that hash alike would cost one
//! of them its value, so whoever writes the keys must not know the secret.

/// A secret and the hash under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHash {
    first: u64,
    second: u64,
}

/// The four words of a hash under way.
struct SipState([u64; 4]);

impl SipState {
    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        d = d.rotate_left(21) ^ a;
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }

    #[inline(always)]
    fn mix(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    /// The whole words, then what is left of the input under its length.
    #[inline(always)]
    fn absorb(&mut self, input: &[u8]) {
        let mut words = input.chunks_exact(8);
        for word in &mut words {
            self.mix(word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
        }
        let tail = words.remainder().iter().rev().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        self.mix(((input.len() as u64) << 56) | tail);
    }

    fn finish(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }
}

impl KeyHash {
    pub fn new(secret: u128) -> KeyHash {
        KeyHash { first: secret as u64, second: (secret >> 64) as u64 }
    }

    pub fn of(&self, key: &[u8]) -> (u64, u64) {
        let mut state = SipState([
            self.first ^ 0x736f_6d65_7073_6575,
            self.second ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            self.first ^ 0x6c79_6765_6e65_7261,
            self.second ^ 0x7465_6462_7974_6573,
        ]);
        state.absorb(key);
        state.0[2] ^= 0xee;
        let low = state.finish();
        state.0[1] ^= 0xdd;
        (low, state.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;

    /// Key 00 01 .. 0f, inputs 00 01 02 ... of so many bytes; what OpenSSL's SIPHASH with 16 bytes of output says, and for the short
    /// ones the reference implementation.
    #[test]
    fn it_is_siphash_128() {
        let vectors = [
            (0, "a3817f04ba25a8e66df67214c7550293"),
            (1, "da87c1d86b99af44347659119b22fc45"),
            (8, "3b62a9ba6258f5610f83e264f31497b4"),
            (9, "264499060ad9baabc47f8b02bb6d71ed"),
            (15, "5493e99933b0a8117e08ec0f97cfc3d9"),
            (16, "6ee2a4ca67b054bbfd3315bf85230577"),
            (63, "5150d1772f50834a503e069a973fbd7c"),
        ];
        let hash = KeyHash::new(SECRET);
        for (length, expected) in vectors {
            let (low, high) = hash.of(&(0..length).collect::<Vec<u8>>());
            let bytes = [low.to_le_bytes(), high.to_le_bytes()].concat();
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, expected, "{length} bytes");
        }
        assert_ne!(hash.of(&[0; 8]), hash.of(&[0; 9]));
    }

    /// The same rounds over the same words give SipHash-2-4 with 64 bits, of which the paper computes one example step by step.
    #[test]
    fn its_rounds_are_those_of_the_papers_example() {
        let (first, second) = (SECRET as u64, (SECRET >> 64) as u64);
        let mut state = SipState([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ]);
        state.absorb(&(0..15).collect::<Vec<u8>>());
        state.0[2] ^= 0xff;
        assert_eq!(state.finish(), 0xa129_ca61_49be_45e5);
    }
}
