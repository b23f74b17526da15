//! The hash functions that Kafka's formats fix: CRC-32C over record batches, murmur2 over keys and group ids, XXH3 over what consumer
//! groups know of topics.

#[cfg(target_feature = "sse4.2")]
mod strands;
mod xxh3;

pub use xxh3::xxh3_64;

/// CRC-32C (Castagnoli), as in the header of a record batch.
pub fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_feature = "sse4.2")]
    if bytes.len() < LARGE || !multiplies_64_bytes() {
        return strands::crc32c(0, bytes);
    }
    // Not through a `Digest`: that copies 300 bytes of parameters first.
    crc_fast::crc32_iscsi(bytes)
}

/// From here on 64 bytes at once overtake the CRC instruction.
#[cfg(target_feature = "sse4.2")]
const LARGE: usize = 4096;

#[cfg(target_feature = "sse4.2")]
fn multiplies_64_bytes() -> bool {
    std::is_x86_feature_detected!("avx512vl") && std::is_x86_feature_detected!("vpclmulqdq")
}

/// CRC-32C over two slices, as if they were one.
pub fn crc32c_of_two(first: &[u8], second: &[u8]) -> u32 {
    #[cfg(target_feature = "sse4.2")]
    return strands::crc32c(strands::crc32c(0, first), second);
    #[cfg(not(target_feature = "sse4.2"))]
    {
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(first);
        digest.update(second);
        digest.finalize() as u32
    }
}

/// Kafka's 32-bit murmur2 with its own seed: a key's partition is `(murmur2(key) & 0x7fffffff) % partitions`.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const FACTOR: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let number = word.iter().rev().fold(0u32, |number, &byte| (number << 8) | u32::from(byte));
        let mixed = number.wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ (mixed ^ (mixed >> 24)).wrapping_mul(FACTOR);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0u32, |number, &byte| (number << 8) | u32::from(byte));
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_of_the_standard_check_text() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_of_two(b"1234", b"56789"), 0xe306_9283);
    }

    #[test]
    fn crc32c_of_every_length_and_place_agrees_with_another_implementation() {
        let bytes: Vec<u8> =
            (0u32..20_000).map(|number| (number.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        for length in (0..1200).chain((1200..bytes.len() - 16).step_by(97)) {
            let (before, piece) = bytes[..length % 9 + length].split_at(length % 9);
            let expected = crc_fast::crc32_iscsi(piece);
            assert_eq!(crc32c(piece), expected, "{length} bytes");
            let joined = crc_fast::crc32_iscsi(&bytes[..before.len() + length]);
            assert_eq!(crc32c_of_two(before, piece), joined, "{length} bytes behind {}", before.len());
        }
    }

    #[test]
    fn murmur2_agrees_with_the_reference() {
        // Computed with org.apache.kafka.common.utils.Utils.murmur2 of 4.4.0.
        for (text, hash) in MURMUR2_OF_THE_REFERENCE {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }

    const MURMUR2_OF_THE_REFERENCE: [(&str, i32); 9] = [
        ("", 275646681),
        ("1", -1993445489),
        ("12", 126087238),
        ("123", -267702483),
        ("1234", -1614185708),
        ("group", 2113841843),
        ("order-4711", 1584983611),
        ("äöü€", 563110447),
        ("a-little-bit-long-string", -985981536),
    ];
}
