//! What makes a message a command of the controller: a decision, and an answer that says no to all of it.

use super::decider::Decider;
use super::refusal::Refusal;
use wire::Str;

/// The two halves of a command: the decision, and the answer that says no to everything that was asked (Kafka's `getErrorResponse` of
/// each request). A command is a pair of them in its noun's file, and a row in the table of commands.
pub(super) trait Decide {
    /// The message that answers it.
    type Answer;

    /// The answer, in a decision in the making.
    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal>;

    /// The answer that says no to everything.
    fn refused(&self, no: Refused) -> Self::Answer;

    /// What it writes must fit into one batch. A broker with very many partitions writes more when it comes or goes.
    fn is_bounded(&self) -> bool {
        true
    }
}

/// What the answer to a command that was refused as a whole says.
pub(super) struct Refused {
    pub error_code: i16,
    /// `None` where it would only repeat the error.
    pub message: Option<Str>,
}

impl Refused {
    /// What the answer says of this refusal.
    pub(super) fn by(refusal: &Refusal) -> Refused {
        let message = refusal.text().filter(|text| *text != refusal.error.message());
        Refused { error_code: refusal.error.code(), message }
    }
}
