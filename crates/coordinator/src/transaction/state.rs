//! What is known of one transactional id: its producer, its epoch, its transaction; and how each state follows from the one before it.
//!
//! Owns the table of moves and what each of them does to the numbers (KIP-98, KIP-360, KIP-890). Never decides whether a move is
//! due: that is the business of `init.rs`, `add.rs`, `end.rs`, `markers.rs` and `expiry.rs`.

use super::partitions::Partitions;
use crate::machine::ProducerIdentity;

/// No producer id.
pub const NO_PRODUCER_ID: i64 = -1;
/// No epoch of a producer.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The first level of `transaction.version` at which every end of a transaction makes the epoch larger (KIP-890).
pub const EPOCH_BUMP_SINCE: i16 = 2;
/// The timeout of a transaction that another coordinator ends, in a two-phase commit: never.
pub const NEVER_MS: i32 = i32::MAX;

/// Where a transactional id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionState {
    /// A producer is there; it has begun nothing.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// Decided: it is committed, and its markers are on their way.
    PrepareCommit,
    /// Decided: it is aborted, and its markers are on their way.
    PrepareAbort,
    /// Every marker of the commit is written.
    CompleteCommit,
    /// Every marker of the abort is written.
    CompleteAbort,
    /// Forgotten. Has a name and a number in Kafka's protocol and is never persisted: a tombstone is.
    Dead,
    /// A producer is being fenced. As `Dead`: what is persisted is the abort that follows at once.
    PrepareEpochFence,
}

use TransactionState::{
    CompleteAbort, CompleteCommit, Dead, Empty, Ongoing, PrepareAbort, PrepareCommit, PrepareEpochFence,
};

impl TransactionState {
    /// In the order of their numbers.
    pub const ALL: [TransactionState; 8] =
        [Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, Dead, PrepareEpochFence];

    /// The number in records.
    pub fn id(self) -> i8 {
        match self {
            Empty => 0,
            Ongoing => 1,
            PrepareCommit => 2,
            PrepareAbort => 3,
            CompleteCommit => 4,
            CompleteAbort => 5,
            Dead => 6,
            PrepareEpochFence => 7,
        }
    }

    /// The state of a number in a record.
    pub fn from_id(id: i8) -> Option<TransactionState> {
        TransactionState::ALL.into_iter().find(|state| state.id() == id)
    }

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Empty => "Empty",
            Ongoing => "Ongoing",
            PrepareCommit => "PrepareCommit",
            PrepareAbort => "PrepareAbort",
            CompleteCommit => "CompleteCommit",
            CompleteAbort => "CompleteAbort",
            Dead => "Dead",
            PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state of a name in a filter.
    pub fn from_name(name: &str) -> Option<TransactionState> {
        TransactionState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// No transaction is open and none is being ended: another may begin, and the id may be forgotten.
    pub fn is_settled(self) -> bool {
        matches!(self, Empty | CompleteCommit | CompleteAbort)
    }

    /// The outcome is decided and its markers are on their way: `Some(true)` for a commit.
    pub fn prepared(self) -> Option<bool> {
        match self {
            PrepareCommit => Some(true),
            PrepareAbort => Some(false),
            Empty | Ongoing | CompleteCommit | CompleteAbort | Dead | PrepareEpochFence => None,
        }
    }

    /// The table of moves. An abort may follow a settled state since KIP-890: a client that does not know whether anything was written
    /// ends its transaction all the same.
    pub fn may_follow(self, before: TransactionState) -> bool {
        match self {
            Empty | Dead => before.is_settled(),
            Ongoing => before.is_settled() || before == Ongoing,
            PrepareCommit | PrepareEpochFence => before == Ongoing,
            PrepareAbort => before.is_settled() || matches!(before, Ongoing | PrepareEpochFence),
            CompleteCommit => before == PrepareCommit,
            CompleteAbort => before == PrepareAbort,
        }
    }
}

/// One transactional id as it is persisted.
///
/// What holds after every move (`invariants.rs` asserts it): a producer id and an epoch that are not negative; partitions in
/// `Ongoing` and `Prepare*` only; a next producer id in `Prepare*` only; for one producer id the epoch never falls, and another
/// producer id begins with epoch 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Whose transactions these are.
    pub producer_id: i64,
    /// The only epoch that is not fenced.
    pub producer_epoch: i16,
    /// The producer id before the last move; -1 where it is not known. Tells a retry over a change of producer ids.
    pub previous_producer_id: i64,
    /// The producer id from the end of this transaction on, where the epochs of this one are used up; otherwise -1.
    pub next_producer_id: i64,
    /// After so long an open transaction is aborted.
    pub timeout_ms: i32,
    /// Where it stands.
    pub state: TransactionState,
    /// What the open transaction has written to, or was about to.
    pub partitions: Partitions,
    /// When the last transaction began, by the wall clock; -1 before the first.
    pub start_ms: i64,
    /// When it was last changed, by the wall clock.
    pub last_update_ms: i64,
    /// The level of `transaction.version` by which the client spoke last.
    pub client_version: i16,
}

impl Transaction {
    /// A transactional id that nobody has used: no epoch yet. Never persisted.
    pub fn unused(producer_id: i64, timeout_ms: i32, wall_ms: i64) -> Transaction {
        Transaction {
            producer_id,
            producer_epoch: NO_PRODUCER_EPOCH,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            timeout_ms,
            state: Empty,
            partitions: Partitions::default(),
            start_ms: -1,
            last_update_ms: wall_ms,
            client_version: 0,
        }
    }

    /// Who the producer is.
    pub fn producer(&self) -> ProducerIdentity {
        ProducerIdentity { producer_id: self.producer_id, producer_epoch: self.producer_epoch }
    }

    /// No producer may be given a larger epoch: the last one is kept to fence with.
    pub fn is_exhausted(&self) -> bool {
        is_exhausted(self.producer_epoch)
    }

    /// A two-phase commit: another coordinator ends it, no timeout does.
    pub fn is_two_phase(&self) -> bool {
        self.timeout_ms == NEVER_MS
    }

    /// A producer that may begin: with this epoch, and this producer id, which may be another one.
    pub fn initialized(&self, producer: ProducerIdentity, timeout_ms: i32, wall_ms: i64) -> Transaction {
        Transaction {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            timeout_ms,
            start_ms: -1,
            ..self.moved(Empty, Partitions::default(), wall_ms)
        }
    }

    /// With these partitions, besides those that are in it.
    pub fn extended(&self, added: &Partitions, client_version: i16, wall_ms: i64) -> Transaction {
        let mut partitions = self.partitions.clone();
        partitions.extend(added);
        let start_ms = if self.state.is_settled() { wall_ms } else { self.start_ms };
        Transaction { start_ms, client_version, ..self.moved(Ongoing, partitions, wall_ms) }
    }

    /// Its outcome decided, as protocol 1 does it: the epoch stays.
    pub fn ended_with_same_epoch(&self, commit: bool, wall_ms: i64) -> Transaction {
        let state = if commit { PrepareCommit } else { PrepareAbort };
        Transaction {
            client_version: 0,
            next_producer_id: NO_PRODUCER_ID,
            ..self.moved(state, self.partitions.clone(), wall_ms)
        }
    }

    /// Its outcome decided, as protocol 2 does it: with the next epoch, and where there is none, with a producer id for the time after.
    /// At the very last epoch, which no producer ever has, it stays (scenario S29).
    pub fn ended_with_next_epoch(&self, commit: bool, next_producer_id: i64, wall_ms: i64) -> Transaction {
        let state = if commit { PrepareCommit } else { PrepareAbort };
        Transaction {
            producer_epoch: self.producer_epoch.saturating_add(1),
            next_producer_id,
            // Of an abort without a beginning nobody knows when it began.
            start_ms: if self.state.is_settled() { wall_ms } else { self.start_ms },
            client_version: EPOCH_BUMP_SINCE,
            ..self.moved(state, self.partitions.clone(), wall_ms)
        }
    }

    /// Every marker is written.
    pub fn completed(&self, wall_ms: i64) -> Transaction {
        let state = if self.state == PrepareCommit { CompleteCommit } else { CompleteAbort };
        let producer = self.producer_after();
        Transaction {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            next_producer_id: NO_PRODUCER_ID,
            ..self.moved(state, Partitions::default(), wall_ms)
        }
    }

    /// Who the producer is when this transaction has ended.
    pub fn producer_after(&self) -> ProducerIdentity {
        if self.client_version >= EPOCH_BUMP_SINCE && self.next_producer_id != NO_PRODUCER_ID {
            ProducerIdentity { producer_id: self.next_producer_id, producer_epoch: 0 }
        } else {
            self.producer()
        }
    }

    /// What is left of it in a record of this version: the first one does not know the producer ids before and after.
    pub fn in_version(mut self, version: i16) -> Transaction {
        if version == 0 {
            self.previous_producer_id = NO_PRODUCER_ID;
            self.next_producer_id = NO_PRODUCER_ID;
            self.client_version = 0;
        }
        self
    }

    /// What every move does.
    fn moved(&self, state: TransactionState, partitions: Partitions, wall_ms: i64) -> Transaction {
        let (previous_producer_id, last_update_ms) = (self.producer_id, wall_ms);
        Transaction { state, partitions, previous_producer_id, last_update_ms, ..*self }
    }
}

/// Whether this epoch has no successor that a producer may have.
pub fn is_exhausted(producer_epoch: i16) -> bool {
    producer_epoch >= i16::MAX - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as Kafka prints it.
    #[test]
    fn moves_are_those_of_kafka() {
        let before = |state: TransactionState| -> Vec<TransactionState> {
            TransactionState::ALL.into_iter().filter(|before| state.may_follow(*before)).collect()
        };
        assert_eq!(before(Empty), [Empty, CompleteCommit, CompleteAbort]);
        assert_eq!(before(Ongoing), [Empty, Ongoing, CompleteCommit, CompleteAbort]);
        assert_eq!(before(PrepareCommit), [Ongoing]);
        assert_eq!(before(PrepareAbort), [Empty, Ongoing, CompleteCommit, CompleteAbort, PrepareEpochFence]);
        assert_eq!(before(CompleteCommit), [PrepareCommit]);
        assert_eq!(before(CompleteAbort), [PrepareAbort]);
        assert_eq!(before(Dead), [Empty, CompleteCommit, CompleteAbort]);
        assert_eq!(before(PrepareEpochFence), [Ongoing]);
    }

    #[test]
    fn numbers_and_names_go_both_ways() {
        for (number, state) in TransactionState::ALL.into_iter().enumerate() {
            assert_eq!(state.id() as usize, number);
            assert_eq!(TransactionState::from_id(state.id()), Some(state));
            assert_eq!(TransactionState::from_name(state.name()), Some(state));
        }
        assert_eq!(TransactionState::from_id(8), None);
        assert_eq!(TransactionState::from_name("empty"), None);
    }
}
