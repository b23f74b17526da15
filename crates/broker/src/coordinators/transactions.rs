//! Transactions as a kind of coordinator (KIP-98, KIP-890): what their machine begins with, what it wants of its node, and the lines that
//! tell of them. Carries out nothing: `node/transactions.rs` does.

use coordinator::group::DeletedTopic;
use coordinator::transaction::{
    TransactionAnswer, TransactionCommand, TransactionConfig, TransactionEvent, TransactionMachine,
    TransactionSoft, TransactionWish,
};
use wire::topic::TRANSACTION_STATE;

use super::kinds::{Answers, Asked, Kind, Leaving, Opening, Question};
use crate::telling::Shown;

impl Kind for TransactionMachine {
    const TOPIC: &'static str = TRANSACTION_STATE;

    fn empty() -> TransactionMachine {
        TransactionMachine::new()
    }

    fn soft(opening: &Opening<'_>) -> TransactionSoft {
        let config = TransactionConfig { max_batch_bytes: opening.max_batch_bytes, ..opening.transactions };
        TransactionSoft::new(config, opening.leader_epoch).with_wall(opening.wall.clone())
    }

    fn take_lines(soft: &mut TransactionSoft, lines: &mut Vec<String>) {
        lines.extend(soft.events.drain(..).map(|event| line(&event)));
    }

    fn take_wishes(soft: &mut TransactionSoft, wishes: &mut Vec<TransactionWish>) {
        wishes.append(&mut soft.wishes);
    }

    /// A transaction that has written to one ends without it: its marker is gone with it.
    fn topics_deleted(_: &[DeletedTopic]) -> Option<TransactionCommand> {
        None
    }

    fn question(asked: Asked<TransactionMachine>) -> Question {
        Question::Transaction(asked)
    }

    fn answers(answers: &mut Answers) -> &mut Leaving<TransactionAnswer> {
        &mut answers.transactions
    }
}

fn line(event: &TransactionEvent) -> String {
    match event {
        TransactionEvent::TimedOut { transactional_id, producer, timeout_ms, partitions } => format!(
            "transaction {}: aborted, for it was open longer than {timeout_ms} ms: producer {} epoch {}, {partitions} partitions",
            Shown(transactional_id),
            producer.producer_id,
            producer.producer_epoch
        ),
        TransactionEvent::Fenced { transactional_id, producer } => format!(
            "transaction {}: aborted, for another producer has begun: producer {} epoch {} may write no more",
            Shown(transactional_id),
            producer.producer_id,
            producer.producer_epoch
        ),
        TransactionEvent::MarkerRefused { transactional_id, topic, partition, error } => format!(
            "transaction {}: {}-{partition} takes no marker, for it knows of a later producer or coordinator: {error:?}; asked again until it does",
            Shown(transactional_id),
            Shown(topic)
        ),
        TransactionEvent::Expired { transactional_ids } => {
            format!(
                "{transactional_ids} transactional ids forgotten: nobody has used them for transactional.id.expiration.ms"
            )
        }
    }
}
