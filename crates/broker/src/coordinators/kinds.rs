//! What is said to and by coordinators of every kind. A closed list: a new kind is a variant of [`Question`], a list in [`Answers`], an
//! `impl Kind` in a file of its own, and its lines in `coordinator.rs`.

use coordinator::group::{DeletedTopic, GroupAnswer, GroupConfig, GroupMachine};
use coordinator::share::{ShareAnswer, ShareConfig, ShareMachine};
use coordinator::transaction::{TransactionAnswer, TransactionConfig, TransactionMachine, TransactionWish};
use coordinator::{Machine, TransactionMarker};
use std::sync::Arc;
use wire::ErrorCode;
use wire::wall::Wall;

use super::group_view::GroupView;
#[cfg(test)]
use super::tally::{TallyAnswer, TallyMachine};
use crate::mailbox::Reply;

/// What a machine has to say besides [`Machine`] to be hosted here.
pub(crate) trait Kind: Machine<Answer: Send> + Clone + 'static {
    /// The internal topic that it lives in.
    const TOPIC: &'static str;

    /// The state of a partition without records.
    fn empty() -> Self;

    /// What dies with leadership, at its beginning.
    fn soft(opening: &Opening<'_>) -> Self::Soft;

    /// Takes out what people are told, a line each.
    fn take_lines(soft: &mut Self::Soft, lines: &mut Vec<String>);

    /// Takes out what the machine wants of its node.
    fn take_wishes(_soft: &mut Self::Soft, _wishes: &mut Vec<TransactionWish>) {}

    /// Takes out below which offset its partition's log may be cut off.
    fn take_trim(_soft: &mut Self::Soft) -> Option<i64> {
        None
    }

    /// What every coordinator of this kind is told when topics are deleted, if it minds.
    fn topics_deleted(topics: &[DeletedTopic]) -> Option<Self::Command>;

    /// This question among those of all kinds.
    fn question(asked: Asked<Self>) -> Question;

    /// The list of this kind's answers.
    fn answers(answers: &mut Answers) -> &mut Leaving<Self::Answer>;
}

/// What a coordinator is opened with.
pub(crate) struct Opening<'a> {
    pub groups: GroupConfig,
    pub transactions: TransactionConfig,
    pub shares: ShareConfig,
    /// What groups see of the cluster.
    pub group_view: Arc<GroupView>,
    /// Of this broker's leadership.
    pub leader_epoch: i32,
    pub wall: &'a Wall,
    pub seed: u64,
    /// `max.message.bytes` of the topic it lives in.
    pub max_batch_bytes: usize,
    pub log_start_offset: i64,
}

/// A command, and the way back of its answer.
pub(crate) struct Asked<M: Machine> {
    pub command: M::Command,
    pub reply: Reply<M::Answer>,
}

impl<M: Machine> Asked<M> {
    /// Nobody can say.
    pub fn refuse(self, error: ErrorCode) {
        let answer = M::refuse(&self.command, error);
        self.reply.send(answer);
    }
}

/// A marker for the coordinator of groups: the offsets of the transaction count from it on, or never did.
pub(crate) struct GroupMarker {
    pub marker: TransactionMarker,
    /// Of protocol 2: see [`log::AppendOrigin::LaterMarker`].
    pub is_later: bool,
    pub reply: Reply<GroupAnswer>,
}

/// Something for a coordinator of any kind.
#[allow(clippy::large_enum_variant, reason = "moved once, and boxed where it waits")]
pub(crate) enum Question {
    Group(Asked<GroupMachine>),
    Transaction(Asked<TransactionMachine>),
    Share(Asked<ShareMachine>),
    /// The end of a transaction that has committed offsets here.
    GroupMarker(GroupMarker),
    #[cfg(test)]
    Tally(Asked<TallyMachine>),
}

impl Question {
    /// Whoever is asked is not the coordinator.
    pub fn refuse(self, error: ErrorCode) {
        match self {
            Question::Group(asked) => asked.refuse(error),
            Question::Transaction(asked) => asked.refuse(error),
            Question::Share(asked) => asked.refuse(error),
            Question::GroupMarker(marker) => marker.reply.send(GroupAnswer::Marker(error)),
            #[cfg(test)]
            Question::Tally(asked) => asked.refuse(error),
        }
    }
}

/// Answers of one kind on their way out.
pub(crate) type Leaving<A> = Vec<(Reply<A>, A)>;

/// Answers on their way out.
#[derive(Default)]
pub(crate) struct Answers {
    pub groups: Leaving<GroupAnswer>,
    pub transactions: Leaving<TransactionAnswer>,
    pub shares: Leaving<ShareAnswer>,
    #[cfg(test)]
    pub tallies: Leaving<TallyAnswer>,
}

impl Answers {
    pub fn is_empty(&self) -> bool {
        #[cfg(test)]
        if !self.tallies.is_empty() {
            return false;
        }
        self.groups.is_empty() && self.transactions.is_empty() && self.shares.is_empty()
    }

    /// To those who wait.
    pub fn send(self) {
        self.groups.into_iter().for_each(|(reply, answer)| reply.send(answer));
        self.transactions.into_iter().for_each(|(reply, answer)| reply.send(answer));
        self.shares.into_iter().for_each(|(reply, answer)| reply.send(answer));
        #[cfg(test)]
        self.tallies.into_iter().for_each(|(reply, answer)| reply.send(answer));
    }
}
