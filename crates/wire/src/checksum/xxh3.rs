//! XXH3-64 without a seed, of a text that lies whole in memory: what Kafka's coordinators compare topics by (KIP-1101). Never used where
//! damage is to be found: that is CRC's work.

/// The secret of the specification; no other is used.
const SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde,
    0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79,
    0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46,
    0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb,
    0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2,
    0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c,
    0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59,
    0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3,
    0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb, 0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3,
    0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8,
    0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb,
    0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

const PRIME32_1: u64 = 0x9E37_79B1;
const PRIME32_2: u64 = 0x85EB_CA77;
const PRIME32_3: u64 = 0xC2B2_AE3D;
const PRIME64_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME64_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME64_5: u64 = 0x27D4_EB2F_1656_67C5;
const PRIME_MX1: u64 = 0x1656_6791_9E37_79F9;
const PRIME_MX2: u64 = 0x9FB2_1C65_1E98_DF25;

/// Bytes of a stripe, and stripes of a block: each takes the secret eight bytes further.
const STRIPE: usize = 64;
const BLOCK: usize = STRIPE * ((SECRET.len() - STRIPE) / 8);

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    u64::from(four.map_or(0, |four| u32::from_le_bytes(*four)))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    eight.map_or(0, |eight| u64::from_le_bytes(*eight))
}

fn folded(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

fn avalanche(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 37)).wrapping_mul(PRIME_MX1);
    hash ^ (hash >> 32)
}

fn avalanche_64(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME64_2);
    let hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME64_3);
    hash ^ (hash >> 32)
}

fn mix_16(bytes: &[u8], at: usize, secret: usize) -> u64 {
    folded(u64_at(bytes, at) ^ u64_at(&SECRET, secret), u64_at(bytes, at + 8) ^ u64_at(&SECRET, secret + 8))
}

/// The hash of these bytes.
pub fn xxh3_64(bytes: &[u8]) -> u64 {
    match bytes.len() {
        0..=16 => short(bytes),
        17..=128 => medium(bytes),
        129..=240 => longer(bytes),
        _ => long(bytes),
    }
}

fn short(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    match bytes {
        [] => avalanche_64(u64_at(&SECRET, 56) ^ u64_at(&SECRET, 64)),
        [first, .., last] if bytes.len() <= 3 => {
            let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
            few(*first, middle, *last, length)
        }
        [only] => few(*only, *only, *only, length),
        _ if bytes.len() <= 8 => {
            let flip = u64_at(&SECRET, 8) ^ u64_at(&SECRET, 16);
            let both = u32_at(bytes, bytes.len() - 4) + (u32_at(bytes, 0) << 32);
            let mut hash = both ^ flip;
            hash ^= hash.rotate_left(49) ^ hash.rotate_left(24);
            hash = hash.wrapping_mul(PRIME_MX2);
            hash ^= (hash >> 35).wrapping_add(length);
            hash = hash.wrapping_mul(PRIME_MX2);
            hash ^ (hash >> 28)
        }
        _ => {
            let low = u64_at(bytes, 0) ^ u64_at(&SECRET, 24) ^ u64_at(&SECRET, 32);
            let high = u64_at(bytes, bytes.len() - 8) ^ u64_at(&SECRET, 40) ^ u64_at(&SECRET, 48);
            let sum =
                length.wrapping_add(low.swap_bytes()).wrapping_add(high).wrapping_add(folded(low, high));
            avalanche(sum)
        }
    }
}

fn few(first: u8, middle: u8, last: u8, length: u64) -> u64 {
    let packed = (u64::from(first) << 16) | (u64::from(middle) << 24) | u64::from(last) | (length << 8);
    avalanche_64(packed ^ u32_at(&SECRET, 0) ^ u32_at(&SECRET, 4))
}

fn medium(bytes: &[u8]) -> u64 {
    let mut sum = (bytes.len() as u64).wrapping_mul(PRIME64_1);
    let pairs = (bytes.len() - 1) / 32 + 1;
    for pair in 0..pairs {
        sum = sum.wrapping_add(mix_16(bytes, 16 * pair, 32 * pair));
        sum = sum.wrapping_add(mix_16(bytes, bytes.len() - 16 * (pair + 1), 32 * pair + 16));
    }
    avalanche(sum)
}

fn longer(bytes: &[u8]) -> u64 {
    let mut sum = (bytes.len() as u64).wrapping_mul(PRIME64_1);
    for round in 0..8 {
        sum = sum.wrapping_add(mix_16(bytes, 16 * round, 16 * round));
    }
    sum = avalanche(sum);
    for round in 8..bytes.len() / 16 {
        sum = sum.wrapping_add(mix_16(bytes, 16 * round, 16 * (round - 8) + 3));
    }
    avalanche(sum.wrapping_add(mix_16(bytes, bytes.len() - 16, 136 - 17)))
}

fn accumulate(sums: &mut [u64; 8], stripe: &[u8], secret: usize) {
    let before = *sums;
    for (lane, sum) in sums.iter_mut().enumerate() {
        let value = u64_at(stripe, 8 * lane);
        let keyed = value ^ u64_at(&SECRET, secret + 8 * lane);
        let low = (keyed & 0xffff_ffff).wrapping_mul(keyed >> 32);
        let neighbour = u64_at(stripe, 8 * (lane ^ 1));
        *sum = before.get(lane).copied().unwrap_or(0).wrapping_add(neighbour).wrapping_add(low);
    }
}

fn long(bytes: &[u8]) -> u64 {
    let mut sums = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];
    let blocks = (bytes.len() - 1) / BLOCK;
    let (whole, rest) = bytes.split_at(blocks * BLOCK);
    for block in whole.chunks_exact(BLOCK) {
        for (index, stripe) in block.chunks_exact(STRIPE).enumerate() {
            accumulate(&mut sums, stripe, 8 * index);
        }
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum = (*sum ^ (*sum >> 47) ^ u64_at(&SECRET, SECRET.len() - STRIPE + 8 * lane))
                .wrapping_mul(PRIME32_1);
        }
    }
    for index in 0..(rest.len() - 1) / STRIPE {
        accumulate(&mut sums, rest.get(STRIPE * index..).unwrap_or_default(), 8 * index);
    }
    let last = bytes.get(bytes.len() - STRIPE..).unwrap_or_default();
    accumulate(&mut sums, last, SECRET.len() - STRIPE - 7);
    let mut hash = (bytes.len() as u64).wrapping_mul(PRIME64_1);
    for (index, pair) in sums.chunks_exact(2).enumerate() {
        if let [left, right] = pair {
            let secret = 11 + 16 * index;
            hash = hash
                .wrapping_add(folded(left ^ u64_at(&SECRET, secret), right ^ u64_at(&SECRET, secret + 8)));
        }
    }
    avalanche(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Told by the library that Kafka 4.4.0 uses.
    #[test]
    fn every_length_has_the_hash_that_kafka_gives_it() {
        let told = [
            (0, 0x2d06800538d394c2),
            (1, 0x13e608bc156defed),
            (3, 0xa9088dda485b481c),
            (4, 0x6d9253b16c8b1ed3),
            (8, 0x60539db630471163),
            (9, 0xfeff668361d723a8),
            (16, 0xb8c859b0f030b585),
            (17, 0x714a04408e79b80f),
            (32, 0x19ff4ee1d6ba1a55),
            (33, 0x3e44983ad21679c8),
            (64, 0x287eb1fa9e4be2c1),
            (100, 0xb5937857f0d78c9f),
            (128, 0x67425a03650261bf),
            (129, 0xc664bf3311c6abc4),
            (150, 0xe2dc8795fca7eee2),
            (240, 0x64556dc6b462a6cf),
            (241, 0x8beadd3a8874fe17),
            (256, 0x3c38817f6d79c0da),
            (512, 0xf58202b8d9019d1d),
            (1024, 0x9b81661c641c72b1),
            (1025, 0x806c2072ed713576),
            (2000, 0x71f8268c6d856c4a),
            (5000, 0x799aaddd7339581d),
        ];
        for (length, hash) in told {
            let bytes: Vec<u8> = (0..length).map(|at: usize| (at * 7 + 3) as u8).collect();
            assert_eq!(xxh3_64(&bytes), hash, "of {length} bytes");
        }
    }
}
