//! Randomness of the rim: seeds, ids and salts from the operating system. The brain takes a seed as an argument.

use std::fs::File;
use std::io::{self, Read};

use wire::Uuid;

/// So many unpredictable bytes.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut drawn = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut drawn)?;
    Ok(drawn)
}

/// A seed.
pub fn seed() -> io::Result<u64> {
    bytes().map(u64::from_le_bytes)
}

/// A fresh id, as `kafka-storage random-uuid` prints it.
pub fn uuid() -> io::Result<Uuid> {
    loop {
        if let Some(id) = Uuid::from_random(u128::from_le_bytes(bytes()?)) {
            return Ok(id);
        }
    }
}
