//! The markers that end a transaction: wished for when its outcome is committed, asked again until every partition has its own.
//!
//! Owns who has been marked, which dies with leadership: a coordinator that loads a decided transaction wishes for all of its markers
//! again, and a partition that has one says so. When all are written, the completion is.
//!
//! `OutcomeCommitted` runs while answers leave, when nobody knows whether the partition takes writes; so whatever it finds to be complete
//! already is written by a timer, which does not fire before that is known.

use super::command::{MarkerOutcome, MarkersAnswer, TransactionTimer};
use super::coordinator::{MarkersWish, Sending, TransactionMachine, TransactionSoft, TransactionWish};
use super::events::TransactionEvent;
use super::partitions::Partitions;
use super::turn::Turn;
use wire::{ErrorCode, Str};

/// A partition that said no is asked again after this, then after twice as long, up to [`AGAIN_AT_MOST_MS`].
const AGAIN_MS: i64 = 50;
const AGAIN_AT_MOST_MS: i64 = 2_000;
/// A partition that knows of a later producer or coordinator is asked again after this. Whoever is not the coordinator any more is
/// closed by then.
const REFUSED_AGAIN_MS: i64 = 10_000;
/// If the host did not answer a wish for so long, it does not any more.
const PATIENCE_MS: i64 = 60_000;

/// What an outcome means for the marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Written,
    NotYet,
    /// By somebody who knows of a later epoch.
    Refused(ErrorCode),
}

impl TransactionMachine {
    /// The outcome of a transaction is committed: its markers may go.
    pub(super) fn outcome_committed(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        transactional_id: Str,
    ) {
        let Some(known) = self.transactions.get(&transactional_id) else { return };
        let Some(commit) = known.state.prepared() else { return };
        let wish = MarkersWish {
            transactional_id: transactional_id.clone(),
            producer: known.producer(),
            commit,
            coordinator_epoch: soft.coordinator_epoch,
            transaction_version: i8::try_from(known.client_version).unwrap_or(0),
            partitions: known.partitions.clone(),
        };
        let nowhere = wish.partitions.is_empty();
        let sending = Sending {
            producer: wish.producer,
            left: wish.partitions.clone(),
            again: Partitions::default(),
            attempts: 0,
            told: false,
        };
        soft.sending.insert(transactional_id.clone(), sending);
        if !nowhere {
            soft.wishes.push(TransactionWish::Markers(wish));
        }
        let delay_ms = if nowhere { 0 } else { PATIENCE_MS };
        turn.set_timer(TransactionTimer::Markers { transactional_id }, delay_ms);
    }

    /// The host says what became of a wish, or of a part of it.
    pub(super) fn markers_answered(
        &self,
        soft: &mut TransactionSoft,
        turn: &mut Turn,
        answer: &MarkersAnswer,
    ) {
        if answer.coordinator_epoch != soft.coordinator_epoch {
            return;
        }
        let transactional_id = &answer.transactional_id;
        let Some(sending) = soft.sending.get_mut(transactional_id) else { return };
        if sending.producer != answer.producer {
            return;
        }
        let mut refused = false;
        for (topic, partition, outcome) in &answer.outcomes {
            match meaning(*outcome) {
                Meaning::Written => {
                    sending.left.remove(topic, *partition);
                    sending.again.remove(topic, *partition);
                }
                // Who was not asked, or has said yes, is not asked again.
                _ if !sending.left.contains(topic, *partition) => {}
                Meaning::NotYet => drop(sending.again.insert(topic, *partition)),
                // DIVERGES: Kafka gives the transaction up, and its producer hears CONCURRENT_TRANSACTIONS until the coordinator moves.
                Meaning::Refused(error) => {
                    sending.again.insert(topic, *partition);
                    refused = true;
                    if !std::mem::replace(&mut sending.told, true) {
                        soft.events.push(TransactionEvent::MarkerRefused {
                            transactional_id: transactional_id.detached(),
                            topic: topic.detached(),
                            partition: *partition,
                            error,
                        });
                    }
                }
            }
        }
        if sending.left.is_empty() {
            return self.complete(soft, turn, transactional_id);
        }
        if !sending.again.is_empty() {
            let again_ms = AGAIN_MS.saturating_mul(1 << sending.attempts.min(16)).min(AGAIN_AT_MOST_MS);
            let delay_ms = if refused { REFUSED_AGAIN_MS } else { again_ms };
            turn.set_timer(
                TransactionTimer::Markers { transactional_id: transactional_id.detached() },
                delay_ms,
            );
        }
    }

    /// Time to ask again, or to write that all have answered.
    pub(super) fn markers_due(&self, soft: &mut TransactionSoft, turn: &mut Turn, transactional_id: Str) {
        let Some(known) = self.transactions.get(&transactional_id) else { return };
        let Some(sending) = soft.sending.get_mut(&transactional_id) else { return };
        if sending.left.is_empty() {
            return self.complete(soft, turn, &transactional_id);
        }
        sending.attempts = sending.attempts.saturating_add(1);
        let again = std::mem::take(&mut sending.again);
        soft.wishes.push(TransactionWish::Markers(MarkersWish {
            transactional_id: transactional_id.clone(),
            producer: sending.producer,
            commit: known.state.prepared().unwrap_or(false),
            coordinator_epoch: soft.coordinator_epoch,
            transaction_version: i8::try_from(known.client_version).unwrap_or(0),
            // Nobody said no: the host forgot.
            partitions: if again.is_empty() { sending.left.clone() } else { again },
        }));
        turn.set_timer(TransactionTimer::Markers { transactional_id }, PATIENCE_MS);
    }

    fn complete(&self, soft: &mut TransactionSoft, turn: &mut Turn, transactional_id: &Str) {
        soft.sending.remove(transactional_id);
        turn.cancel_timer(TransactionTimer::Markers { transactional_id: transactional_id.detached() });
        if let Some(known) = self.transactions.get(transactional_id) {
            turn.write(transactional_id, known.completed(turn.wall_ms));
        }
    }
}

fn meaning(outcome: MarkerOutcome) -> Meaning {
    match outcome {
        MarkerOutcome::Gone => Meaning::Written,
        MarkerOutcome::NotReached => Meaning::NotYet,
        MarkerOutcome::Answered(error) => match error {
            ErrorCode::None => Meaning::Written,
            // Such a partition has taken no record of a transaction either.
            ErrorCode::UnsupportedForMessageFormat | ErrorCode::UnsupportedVersion => Meaning::Written,
            ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => {
                Meaning::Refused(error)
            }
            // Whatever a peer may say besides, giving up would leave the transaction half ended.
            _ => Meaning::NotYet,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_partitions_say_is_taken_as_kafka_takes_it() {
        let meaning = |error| meaning(MarkerOutcome::Answered(error));
        for error in [ErrorCode::None, ErrorCode::UnsupportedForMessageFormat, ErrorCode::UnsupportedVersion]
        {
            assert_eq!(meaning(error), Meaning::Written);
        }
        for error in [
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::NotEnoughReplicas,
            ErrorCode::NotEnoughReplicasAfterAppend,
            ErrorCode::RequestTimedOut,
            ErrorCode::KafkaStorageError,
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::CoordinatorNotAvailable,
            ErrorCode::CorruptMessage,
            ErrorCode::UnknownServerError,
        ] {
            assert_eq!(meaning(error), Meaning::NotYet);
        }
        for error in [ErrorCode::InvalidProducerEpoch, ErrorCode::TransactionCoordinatorFenced] {
            assert_eq!(meaning(error), Meaning::Refused(error));
        }
    }
}
