//! CRC-32C with the processor's own instruction, three strands at a time: it takes eight bytes a cycle but answers three cycles later.
//! Only where the instruction is certain to be there; `checksum` knows what to do elsewhere.

use safe_arch::{crc32_u8, crc32_u64};

/// The polynomial (Castagnoli), lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Words of eight bytes in one strand: three strands of these are a little less than a page, or 336 bytes.
const LONG: usize = 170;
const SHORT: usize = 14;

const _: () = assert!(SHORT < LONG && 3 * LONG * 8 < 4096);

static OVER_LONG: Shift = Shift::over(LONG * 8);
static OVER_SHORT: Shift = Shift::over(SHORT * 8);

/// The CRC of `bytes` behind bytes whose CRC is `before`; 0 for none.
pub(super) fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks();
    let (state, words) = in_strands::<LONG>(u64::from(!before), words, &OVER_LONG);
    let (state, words) = in_strands::<SHORT>(state, words, &OVER_SHORT);
    let state = words.iter().fold(state, word);
    !rest.iter().fold(state as u32, |state, byte| crc32_u8(state, *byte))
}

#[inline(always)]
fn word(state: u64, word: &[u8; 8]) -> u64 {
    crc32_u64(state, u64::from_le_bytes(*word))
}

/// Takes three strands of `WORDS` each for as long as there are so many; returns the state behind them and the words left.
#[inline(always)]
fn in_strands<'a, const WORDS: usize>(
    mut state: u64,
    mut words: &'a [[u8; 8]],
    shift: &Shift,
) -> (u64, &'a [[u8; 8]]) {
    while let Some((first, rest)) = words.split_first_chunk::<WORDS>()
        && let Some((second, rest)) = rest.split_first_chunk::<WORDS>()
        && let Some((third, rest)) = rest.split_first_chunk::<WORDS>()
    {
        let (mut of_second, mut of_third) = (0, 0);
        for index in 0..WORDS {
            state = word(state, &first[index]);
            of_second = word(of_second, &second[index]);
            of_third = word(of_third, &third[index]);
        }
        state = shift.apply(shift.apply(state) ^ of_second) ^ of_third;
        words = rest;
    }
    (state, words)
}

/// What a fixed number of zero bytes does to a state, for each value of each of its bytes.
struct Shift([[u32; 256]; 4]);

impl Shift {
    const fn over(bytes: usize) -> Shift {
        let mut tables = [[0; 256]; 4];
        let mut bit = 0;
        while bit < 32 {
            let shifted = behind_zeros(1 << bit, bytes);
            let table = &mut tables[bit / 8];
            let mut value = 0;
            while value < 256 {
                if value >> (bit % 8) & 1 == 1 {
                    table[value] ^= shifted;
                }
                value += 1;
            }
            bit += 1;
        }
        Shift(tables)
    }

    #[inline(always)]
    fn apply(&self, state: u64) -> u64 {
        let [first, second, third, fourth] = &self.0;
        let [a, b, c, d] = (state as u32).to_le_bytes().map(usize::from);
        u64::from(first[a] ^ second[b] ^ third[c] ^ fourth[d])
    }
}

const fn behind_zeros(mut state: u32, bytes: usize) -> u32 {
    let mut bits = bytes * 8;
    while bits > 0 {
        state = state >> 1 ^ if state & 1 == 1 { POLYNOMIAL } else { 0 };
        bits -= 1;
    }
    state
}
