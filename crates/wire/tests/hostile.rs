//! Hostile input to every message in every version: nothing panics, nothing reads what it then cannot write, and memory
//! stays within what was granted.

use bytes::Bytes;
use wire::codec::{DecodeLimits, Decoder, Message};

/// A small generator, seeded, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Bytes that get far into a message: mostly small lengths, flags and varints, now and then an edge.
    fn plausible(&mut self, length: usize) -> Vec<u8> {
        let byte = |random: &mut Random| match random.next() % 16 {
            0 => 0xff,
            1 => 0x80,
            2 => 0x7f,
            3 => random.next() as u8,
            4..10 => 0,
            small => (small - 9) as u8,
        };
        (0..length).map(|_| byte(self)).collect()
    }
}

struct Hostile {
    random: Random,
    read: usize,
    refused: usize,
}

impl Hostile {
    fn feed<M: Message + PartialEq + std::fmt::Debug>(&mut self, bytes: &[u8], version: i16) {
        let limits = DecodeLimits { max_allocation_bytes: 1 << 20, ..DecodeLimits::for_frame(bytes.len()) };
        let mut from = Decoder::new(Bytes::copy_from_slice(bytes), limits);
        let Ok(message) = M::decode(&mut from, version) else {
            self.refused += 1;
            return;
        };
        self.read += 1;
        let written = message.to_bytes(version);
        let again = M::decode(&mut Decoder::of(written.clone()), version);
        // NaN is not equal to itself, so the bytes are compared.
        assert_eq!(again.map(|message| message.to_bytes(version)), Ok(written), "{} v{version}", M::NAME);
    }
}

impl super::Visitor for Hostile {
    fn visit<M: Message + std::fmt::Debug + Clone + PartialEq>(&mut self) {
        for version in M::MIN_VERSION..=M::MAX_VERSION {
            let plain = M::default().to_bytes(version);
            for end in 0..plain.len() {
                self.feed::<M>(&plain[..end], version);
                for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    let mut bent = plain.to_vec();
                    bent[end] = byte;
                    self.feed::<M>(&bent, version);
                    // The same with enough bytes behind it for the count to be believed.
                    bent.extend(std::iter::repeat_n(byte, 3000));
                    self.feed::<M>(&bent, version);
                }
            }
            for byte in [0x00, 0x01, 0x02, 0x7f, 0x80, 0xff] {
                self.feed::<M>(&vec![byte; 70_000], version);
            }
            for length in [8, 32, 64, 128, 400].repeat(20) {
                let bytes = self.random.plausible(length);
                self.feed::<M>(&bytes, version);
            }
        }
    }
}

/// The most memory that this process has had, in bytes, where the system tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
fn hostile_bytes_are_refused_or_read_but_never_fatal() {
    let before = peak_memory();
    let mut hostile = Hostile { random: Random(0x0771_a001), read: 0, refused: 0 };
    super::catalog::every(&mut hostile);
    assert!(
        hostile.read > 10_000 && hostile.refused > 50_000,
        "{} read, {} refused",
        hostile.read,
        hostile.refused
    );
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 64 << 20, "{} bytes more at the peak", after - before);
    }
}
