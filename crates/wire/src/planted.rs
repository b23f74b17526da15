//! Bugs that a simulation asks for on purpose, to prove that it would find them: one at a time, in the thread that asked. Owns which one
//! is asked for; the crates above ask here at the one place where each is made. Without the feature `testing` the answer is a constant
//! no, and nothing of a bug is compiled.

/// A bug of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A follower keeps what its leader never had: its fetches do not say which epoch its log ends in.
    KeepsWhatDiverged,
    /// A follower goes back to its high watermark whenever it has a new leader (before KIP-101).
    TruncatesToHighWatermark,
    /// A leader calls its own log end committed.
    CommitsItsOwnEnd,
    /// A follower is in sync before it has reached the high watermark.
    JoinsTooEarly,
    /// A controller takes an ISR with the epoch of an earlier incarnation of a broker (before KIP-903).
    TakesStaleBrokerEpochs,
    /// A voter votes as often as it is asked.
    VotesTwice,
    /// A voter forgets at its start whom it voted for.
    ForgetsItsVote,
    /// A leader of the quorum leads on though nobody hears it.
    NeverResigns,
    /// A leader of the quorum commits without a majority.
    CommitsWithoutMajority,
    /// A follower of the quorum takes everything that it has for committed.
    AppliesUncommitted,
    /// A truncated log keeps the epochs of what is gone.
    KeepsTruncatedEpochs,
    /// A broker that lost its disk's cache stays eligible to lead.
    KeepsUncleanEligible,
    /// A replica takes records of producers from its leader and does not remember them.
    ForgetsProducers,
    /// A leader appends what an idempotent producer sends again.
    AppendsDuplicates,
    /// A coordinator answers before its records are committed.
    AnswersEarly,
    /// A coordinator does not read the end of its partition when it takes over.
    LoadsHalf,
    /// Consumers are given what is not committed.
    ServesUncommitted,
    /// The cleaner takes the last record of a key, too.
    CleansTheLast,
    /// A snapshot of the metadata leaves a configuration out.
    SnapsHalf,
    /// An incremental fetch session loses a partition.
    LosesFromSession,
    /// A log that is opened begins where its first segment does, whatever was deleted.
    ForgetsDeletions,
    /// What a crash left at a log's end is believed without its checksum.
    TrustsTheTail,
    /// A follower spoils what it appends.
    SpoilsWhatItTakes,
}

#[cfg(feature = "testing")]
thread_local! {
    static ASKED_FOR: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// From now on this thread's nodes have this bug, or none.
#[cfg(feature = "testing")]
pub fn plant(bug: Option<Bug>) {
    ASKED_FOR.set(bug);
}

/// True where the bug was asked for.
#[cfg(feature = "testing")]
pub fn has(bug: Bug) -> bool {
    ASKED_FOR.get() == Some(bug)
}

/// The batches with a bit turned in the last byte.
#[cfg(feature = "testing")]
pub fn spoiled(records: &bytes::Bytes) -> bytes::Bytes {
    let mut spoiled = records.to_vec();
    spoiled.iter_mut().last().into_iter().for_each(|last| *last ^= 1);
    spoiled.into()
}

/// The batches as they are.
#[cfg(not(feature = "testing"))]
pub fn spoiled(records: &bytes::Bytes) -> bytes::Bytes {
    records.clone()
}

/// Never.
#[cfg(not(feature = "testing"))]
#[inline(always)]
pub const fn has(_bug: Bug) -> bool {
    false
}
