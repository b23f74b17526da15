//! What happened, as a 64-bit hash and, for a replay, as lines. Two runs of one seed must have one hash.
//! Owns no state of the run.

/// The trace of a run. An event is an entry in it: a turn or a job that a node was given time for, a request that it began to handle, an
/// answer that left it, a step of a client or a fault that is told in words. Polls that come to nothing and clocks that move are none.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    print: bool,
}

/// Where a hash begins, and what it is multiplied with: odd, and without a pattern in its bits.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

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

    /// Eight bytes at a time: whole frames go through here.
    fn mix(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let word = word.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
            self.mix_word(word);
        }
        for byte in words.remainder() {
            self.mix_word(u64::from(*byte));
        }
    }

    fn mix_word(&mut self, word: u64) {
        let product = (self.hash ^ word).wrapping_mul(PRIME);
        self.hash = product ^ (product >> 29);
    }
}
