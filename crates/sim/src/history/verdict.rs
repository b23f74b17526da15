//! What a history amounts to: every anomaly with its count and its first examples. Owns the names and which of them are allowed.

use std::collections::BTreeMap;

/// Examples that are kept of each anomaly: those with the smallest delta.
const EXAMPLES: usize = 8;

/// What a history must not show, or may; the names are those of the published checkers for Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// One offset, two values.
    InconsistentOffsets,
    /// One value, two offsets of its key.
    Duplicate,
    /// A value was read that nobody has sent.
    Unwritten,
    /// A value was read whose writer failed for certain (G1a).
    AbortedRead,
    /// A transaction read what it had sent itself, before it was committed.
    PrecommittedRead,
    /// A value lies before one that was read, and nobody has read it.
    LostWrite,
    /// A value was acknowledged, and nobody has ever read it.
    Unseen,
    /// Within one operation a poll passes over values.
    IntPollSkip,
    /// Within one operation a poll goes back.
    IntNonmonotonicPoll,
    /// Between two operations of a process that is assigned its keys a poll passes over values.
    PollSkip,
    /// The same, going back.
    NonmonotonicPoll,
    /// Within one operation a later record lies at a lower place.
    IntNonmonotonicSend,
    /// The same across the operations of a process.
    NonmonotonicSend,
    /// Transactions read from one another in a circle (G1c).
    G1c,
    /// Allowed: a process whose group deals its keys passes over values.
    SubscribedPollSkip,
    /// Allowed: the same, going back.
    SubscribedNonmonotonicPoll,
}

impl Anomaly {
    /// As the verdict prints it.
    pub fn name(self) -> &'static str {
        match self {
            Anomaly::InconsistentOffsets => "inconsistent-offsets",
            Anomaly::Duplicate => "duplicate",
            Anomaly::Unwritten => "unwritten-read",
            Anomaly::AbortedRead => "G1a",
            Anomaly::PrecommittedRead => "precommitted-read",
            Anomaly::LostWrite => "lost-write",
            Anomaly::Unseen => "unseen",
            Anomaly::IntPollSkip => "int-poll-skip",
            Anomaly::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Anomaly::PollSkip => "poll-skip",
            Anomaly::NonmonotonicPoll => "nonmonotonic-poll",
            Anomaly::IntNonmonotonicSend => "int-nonmonotonic-send",
            Anomaly::NonmonotonicSend => "nonmonotonic-send",
            Anomaly::G1c => "G1c",
            Anomaly::SubscribedPollSkip => "subscribed-poll-skip",
            Anomaly::SubscribedNonmonotonicPoll => "subscribed-nonmonotonic-poll",
        }
    }

    /// True for what Kafka permits.
    pub fn is_allowed(self) -> bool {
        matches!(self, Anomaly::SubscribedPollSkip | Anomaly::SubscribedNonmonotonicPoll)
    }
}

/// How often, and for example.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// How far apart, and in words; the closest first.
    pub examples: Vec<(u64, String)>,
}

/// The judgement of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Operations judged.
    pub ops: usize,
    /// Values sent or read.
    pub values: usize,
    /// What was seen.
    pub found: BTreeMap<Anomaly, Tally>,
    /// By key: for how long somebody had read to an end that was none any more, in milliseconds.
    pub worst_lag_ms: BTreeMap<String, i64>,
}

impl Verdict {
    /// One more; the words are made only if they are kept.
    pub fn found(&mut self, anomaly: Anomaly, delta: u64, words: impl FnOnce() -> String) {
        let tally = self.found.entry(anomaly).or_default();
        tally.count += 1;
        let place = tally.examples.partition_point(|(known, _)| *known <= delta);
        if place < EXAMPLES {
            tally.examples.insert(place, (delta, words()));
            tally.examples.truncate(EXAMPLES);
        }
    }

    /// What must not be.
    pub fn bad(&self) -> impl Iterator<Item = (Anomaly, &Tally)> {
        self.found
            .iter()
            .filter(|(anomaly, _)| !anomaly.is_allowed())
            .map(|(anomaly, tally)| (*anomaly, tally))
    }

    /// True if nothing is that must not be.
    pub fn holds(&self) -> bool {
        self.bad().next().is_none()
    }
}
