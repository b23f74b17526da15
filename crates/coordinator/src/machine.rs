//! The one shape of every coordinator: `decide` reads state and yields records, `apply` turns records into state.
//!
//! Owns the [`Machine`] trait and the plain data that passes through it. Never holds state, never encodes a batch and
//! never talks to a log: that is [`crate::hosted`].
//!
//! - `decide` takes `&self`, so it cannot touch replicated state; it may change the soft state, which dies with
//!   leadership (deadlines, a classic group's join phase, answers not yet given).
//! - `apply` is infallible and the only mutation. It runs twice per record: on the pending twin at append, on the
//!   committed twin when the high watermark has passed.
//! - An answer waits for the last offset that was applied when it was decided; a refusal leaves at once.

use bytes::Bytes;
use wire::ErrorCode;

/// Names the one who asked; the shard keeps the way back to the connection under this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// An answer on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<A> {
    /// To whom.
    pub token: ReplyToken,
    /// What.
    pub answer: A,
}

/// The producer of a transactional batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProducerIdentity {
    /// Given by InitProducerId.
    pub producer_id: i64,
    /// Grows with each incarnation of the producer.
    pub producer_epoch: i16,
}

/// Where a record stands in the log, and in whose transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The record's offset.
    pub offset: i64,
    /// Set for records of a transactional batch: they wait for their marker.
    pub producer: Option<ProducerIdentity>,
}

/// The end of a transaction on this partition (WriteTxnMarkers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionMarker {
    /// Whose transaction ends.
    pub producer: ProducerIdentity,
    /// False: it is aborted.
    pub commit: bool,
    /// Of the transaction coordinator that ends it.
    pub coordinator_epoch: i32,
}

/// A key and value that this version knows the type of but cannot read. It is left out, and somebody is told: whatever it said, what
/// the log says besides is worth more than a coordinator that never comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptRecord {
    /// Where it stands.
    pub offset: i64,
    /// Why it cannot be read.
    pub reason: String,
}

impl std::fmt::Display for CorruptRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "coordinator record at offset {} cannot be read: {}", self.offset, self.reason)
    }
}

impl std::error::Error for CorruptRecord {}

/// A wish about a timer; a machine has at most one deadline per key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange<K> {
    /// There is one from now on, or it moves.
    Set {
        /// Whose.
        key: K,
        /// When, on the node's own clock.
        deadline_ms: i64,
    },
    /// There is one from now on; one that there is stays as it is.
    SetIfAbsent {
        /// Whose.
        key: K,
        /// When, on the node's own clock.
        deadline_ms: i64,
    },
    /// There is none any more.
    Cancel {
        /// Whose.
        key: K,
    },
}

/// What a command comes to.
pub struct Decision<M: Machine> {
    /// To be appended and applied, in this order.
    pub records: Vec<M::Record>,
    /// The records may be spread over several batches; otherwise they are one batch, or none is written.
    pub may_split: bool,
    /// Set when the records belong to this producer's open transaction.
    pub producer: Option<ProducerIdentity>,
    /// Leave once everything applied so far, this decision included, is committed.
    pub answers: Vec<Reply<M::Answer>>,
    /// Leave at once: they tell of no state that could be lost.
    pub refusals: Vec<Reply<M::Answer>>,
    /// To be set or cancelled once the records are appended.
    pub timers: Vec<TimerChange<M::Timer>>,
    /// Run, in order and together with the answers, once this decision is committed.
    pub after_commit: Vec<M::Command>,
}

impl<M: Machine> Decision<M> {
    /// Sets or moves a deadline.
    pub fn set_timer(&mut self, key: M::Timer, deadline_ms: i64) {
        self.timers.push(TimerChange::Set { key, deadline_ms });
    }

    /// Takes a deadline back.
    pub fn cancel_timer(&mut self, key: M::Timer) {
        self.timers.push(TimerChange::Cancel { key });
    }

    /// An answer that waits until what it tells of is committed.
    pub fn answer(&mut self, token: ReplyToken, answer: M::Answer) {
        self.answers.push(Reply { token, answer });
    }

    /// An answer that leaves at once.
    pub fn refuse(&mut self, token: ReplyToken, answer: M::Answer) {
        self.refusals.push(Reply { token, answer });
    }
}

impl<M: Machine> Default for Decision<M> {
    fn default() -> Self {
        Decision {
            records: Vec::new(),
            may_split: false,
            producer: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            timers: Vec::new(),
            after_commit: Vec::new(),
        }
    }
}

impl<M: Machine> std::fmt::Debug for Decision<M>
where
    M::Record: std::fmt::Debug,
    M::Answer: std::fmt::Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decision")
            .field("records", &self.records)
            .field("answers", &self.answers)
            .field("refusals", &self.refusals)
            .finish_non_exhaustive()
    }
}

/// The key and value bytes of one coordinator record; no value is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRecord {
    /// What compaction goes by.
    pub key: Bytes,
    /// `None`: a tombstone.
    pub value: Option<Bytes>,
}

/// A replicated state machine. `Self` is the replicated state and nothing else.
pub trait Machine: Sized {
    /// What dies with leadership: configuration, randomness, phases, whoever waits.
    type Soft;
    /// What it is asked, by clients, its own timers and itself.
    type Command;
    /// What it answers, errors included.
    type Answer;
    /// Cheap to clone: it is queued between the two twins.
    type Record: Clone;
    /// What a deadline belongs to.
    type Timer: Ord + Clone;

    /// The first sequence number of batches that are no producer's, where nobody reads it: Kafka's coordinators do not agree about it, and
    /// what is written here is theirs byte for byte.
    const BASE_SEQUENCE: i32 = 0;

    /// What the command comes to, given everything applied so far. `token` is absent for commands of timers and of
    /// `after_commit`.
    fn decide(
        &self,
        soft: &mut Self::Soft,
        now_ms: i64,
        command: Self::Command,
        token: Option<ReplyToken>,
    ) -> Decision<Self>;

    /// Answers the command from committed state if it is a pure read, `None` if it must be decided.
    fn query(&self, soft: &Self::Soft, now_ms: i64, command: &Self::Command) -> Option<Self::Answer>;

    /// One record of the log, in order.
    fn apply(&mut self, origin: Origin, record: &Self::Record);

    /// The end of a transaction, at its marker's offset.
    fn apply_marker(&mut self, offset: i64, marker: &TransactionMarker);

    /// Whether two twins may be equal, from a few numbers of each: asked after every call that leaves nothing in flight between
    /// them, however much they hold.
    fn resembles(&self, twin: &Self) -> bool;

    /// The command that a timer stands for.
    fn fired(timer: Self::Timer) -> Self::Command;

    /// The first decision after a load: deadlines of everything that was loaded.
    fn opened(&self, soft: &mut Self::Soft, now_ms: i64) -> Decision<Self>;

    /// Answers for all who wait in the soft state when the coordinator goes away.
    fn closed(soft: Self::Soft, error: ErrorCode) -> Vec<Reply<Self::Answer>>;

    /// How this command is refused as a whole.
    fn refuse(command: &Self::Command, error: ErrorCode) -> Self::Answer;

    /// What an answer becomes when the state that it tells of was not kept.
    fn retract(answer: Self::Answer, error: ErrorCode) -> Self::Answer;

    /// The answer to [`crate::Hosted::complete_transaction`].
    fn marker_answer(result: Result<(), ErrorCode>) -> Self::Answer;

    /// Bytes as Kafka writes them.
    fn encode(record: &Self::Record) -> EncodedRecord;

    /// `None` for record types of a newer version, which are passed over as Kafka does for downgrades. Strings and
    /// bytes of the result must not keep the batch that they come from alive.
    fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<Self::Record>, String>;
}
