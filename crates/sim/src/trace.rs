//! What happened, as a 64-bit hash and, for a replay, as lines. Two runs of one seed must have one hash.
//! Owns no state of the run.

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    print: bool,
}

/// FNV-1a, 64 bits.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

impl Trace {
    /// An empty trace; `print` shows the told events as they come.
    pub fn new(print: bool) -> Trace {
        Trace { hash: OFFSET_BASIS, events: 0, print }
    }

    /// Notes an event by its bytes.
    pub fn note(&mut self, now_ms: i64, kind: u8, bytes: &[u8]) {
        self.events += 1;
        self.mix(&now_ms.to_be_bytes());
        self.mix(&[kind]);
        self.mix(bytes);
    }

    /// Notes an event in words; a replay prints it.
    pub fn tell(&mut self, now_ms: i64, words: &str) {
        self.note(now_ms, b't', words.as_bytes());
        if self.print {
            println!("{:>9} ms  {words}", now_ms - crate::START_MS);
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn events(&self) -> u64 {
        self.events
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
}
