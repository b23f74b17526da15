//! lz4 at the levels of `compression.lz4.level` that search for better matches (KIP-390): the frame that Java reads (independent blocks of
//! 64 KiB), matches found by walking chains of equal hashes. Owns the encoder only; the fast level and decoding are `lz4_flex`'s.

/// Positions within a block fit sixteen bits, and so do all distances.
const BLOCK: usize = 64 << 10;
const SHORTEST_MATCH: usize = 4;
/// The format wants the last bytes of a block to be literals, and no match to begin close before them.
const LAST_LITERALS: usize = 5;
const LAST_MATCH: usize = 12;
const HASH_BITS: u32 = 15;

const _: () = assert!(BLOCK - 1 <= u16::MAX as usize, "a distance has sixteen bits");
const _: () = assert!(SHORTEST_MATCH + LAST_LITERALS <= LAST_MATCH, "a match that may begin may end");

/// A match as long as this is not bettered: runs of one byte would be compared with themselves again and again.
const LONG_ENOUGH: usize = 512;
/// Version 1, independent blocks, no checksums, no content size; blocks of 64 KiB; the check byte of these two.
const FRAME_HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

// The frame says how large its blocks are, and each says its length below the bit that marks it as not compressed.
const _: () = assert!(FRAME_HEADER[5] >> 4 == 4 && BLOCK == 64 << 10);

/// Compresses `input` to one frame; the higher the level, the longer the search.
pub(super) fn compress(level: i32, input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len() / 2 + 64);
    output.extend_from_slice(&FRAME_HEADER);
    let mut finder = Finder {
        newest: vec![0; 1 << HASH_BITS],
        older: vec![0; BLOCK.min(input.len())],
        entered: 0,
        tries: 1 << level.clamp(2, 12),
    };
    let mut packed = Vec::new();
    for block in input.chunks(BLOCK) {
        packed.clear();
        finder.pack(block, &mut packed);
        if packed.len() < block.len() {
            output.extend_from_slice(&(packed.len() as u32).to_le_bytes());
            output.extend_from_slice(&packed);
        } else {
            output.extend_from_slice(&(block.len() as u32 | 1 << 31).to_le_bytes());
            output.extend_from_slice(block);
        }
    }
    output.extend_from_slice(&[0; 4]);
    output
}

/// Where the same bytes stood before, and how many of them.
#[derive(Clone, Copy)]
struct Match {
    distance: usize,
    length: usize,
}

/// Chains of the positions of a block that have one hash. Positions are counted from 1; 0 is none.
struct Finder {
    newest: Vec<u32>,
    older: Vec<u32>,
    /// Positions before this are in the chains.
    entered: usize,
    /// Links that a search follows at most.
    tries: usize,
}

impl Finder {
    fn pack(&mut self, block: &[u8], output: &mut Vec<u8>) {
        self.newest.fill(0);
        self.entered = 0;
        let limit = block.len().saturating_sub(LAST_MATCH);
        let (mut at, mut literals) = (0, 0);
        while at < limit {
            let Some(mut found) = self.find(block, at) else {
                at += 1;
                continue;
            };
            // A longer match one byte later is worth a literal.
            while at + 1 < limit
                && let Some(better) = self.find(block, at + 1)
                && better.length > found.length
            {
                at += 1;
                found = better;
            }
            sequence(&block[literals..at], Some(found), output);
            at += found.length;
            literals = at;
        }
        sequence(&block[literals..], None, output);
    }

    /// The longest match for what begins at `at`, not beyond where literals have to begin.
    fn find(&mut self, block: &[u8], at: usize) -> Option<Match> {
        for position in self.entered..at {
            let slot = slot(block, position);
            self.older[position] = std::mem::replace(&mut self.newest[slot], position as u32 + 1);
        }
        self.entered = self.entered.max(at);
        let wanted = &block[at..block.len() - LAST_LITERALS];
        let mut best = Match { distance: 0, length: SHORTEST_MATCH - 1 };
        let mut link = self.newest[slot(block, at)] as usize;
        for _ in 0..self.tries {
            let Some(from) = link.checked_sub(1) else { break };
            if from < at {
                let length = block[from..].iter().zip(wanted).take_while(|(a, b)| a == b).count();
                if length > best.length {
                    best = Match { distance: at - from, length };
                }
                if length >= LONG_ENOUGH {
                    break;
                }
            }
            link = self.older[from] as usize;
        }
        (best.length >= SHORTEST_MATCH).then_some(best)
    }
}

/// Callers stay [`LAST_MATCH`] bytes before the end.
fn slot(block: &[u8], at: usize) -> usize {
    let four = [block[at], block[at + 1], block[at + 2], block[at + 3]];
    (u32::from_le_bytes(four).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize
}

/// Literals and the match after them; the last sequence of a block has none.
fn sequence(literals: &[u8], found: Option<Match>, output: &mut Vec<u8>) {
    let beyond = found.map_or(0, |found| found.length - SHORTEST_MATCH);
    output.push((literals.len().min(15) << 4 | beyond.min(15)) as u8);
    length(literals.len(), output);
    output.extend_from_slice(literals);
    if let Some(found) = found {
        output.extend_from_slice(&(found.distance as u16).to_le_bytes());
        length(beyond, output);
    }
}

/// What of a length does not fit the token's four bits.
fn length(whole: usize, output: &mut Vec<u8>) {
    if let Some(mut rest) = whole.checked_sub(15) {
        while rest >= 255 {
            output.push(255);
            rest -= 255;
        }
        output.push(rest as u8);
    }
}
