//! SipHash-2-4 with 128 bits of output, keyed: what the cleaner remembers of a record's key. Two keys that hash alike would cost one
//! of them its value, so whoever writes the keys must not know the secret.

/// A secret and the hash under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHash {
    first: u64,
    second: u64,
}

struct State([u64; 4]);

impl State {
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
        let mut state = State([
            self.first ^ 0x736f_6d65_7073_6575,
            self.second ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            self.first ^ 0x6c79_6765_6e65_7261,
            self.second ^ 0x7465_6462_7974_6573,
        ]);
        let mut words = key.chunks_exact(8);
        for word in &mut words {
            state.mix(word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
        }
        let tail = words.remainder().iter().rev().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        state.mix(((key.len() as u64) << 56) | tail);
        state.0[2] ^= 0xee;
        let low = state.finish();
        state.0[1] ^= 0xdd;
        (low, state.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference implementation's vectors: key 00 01 .. 0f, inputs of 0, 1 and 2 bytes 00 01 ...
    #[test]
    fn it_is_siphash_128() {
        let hash = KeyHash::new(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100);
        let bytes = |(low, high): (u64, u64)| [low.to_le_bytes(), high.to_le_bytes()].concat();
        let expected = |text: &str| -> Vec<u8> {
            (0..16).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
        };
        assert_eq!(bytes(hash.of(&[])), expected("a3817f04ba25a8e66df67214c7550293"));
        assert_eq!(bytes(hash.of(&[0])), expected("da87c1d86b99af44347659119b22fc45"));
        assert_ne!(hash.of(&[0; 8]), hash.of(&[0; 9]));
    }
}
