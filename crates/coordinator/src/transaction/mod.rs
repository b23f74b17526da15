//! The transaction coordinator: whose transaction is open, where it has written to, and how it ends (KIP-98, KIP-360, KIP-890).
//!
//! Owns the replicated state of one `__transaction_state` partition ([`TransactionMachine`]) and its command table. The rooms:
//! `state.rs` one transactional id and its moves · `init.rs` InitProducerId · `add.rs` AddPartitionsToTxn, AddOffsetsToTxn ·
//! `end.rs` EndTxn, fencing, timeouts · `markers.rs` who has been told · `expiry.rs` what grows old · `admin.rs` DescribeTransactions,
//! ListTransactions · `records.rs` record ↔ bytes · `refuse.rs` the shape of errors · `events.rs` what people are told.
//!
//! A transaction in five steps, each of which rests on the one before it being committed:
//! ```text
//! AddPartitions → Ongoing      committed → answered: only now may the producer write to those partitions
//! EndTxn        → Prepare…     committed → answered, and the markers are wished for
//! the host writes the markers  each answered when it is committed in its partition
//! all answered  → Complete…
//! ```
//! A coordinator that is lost anywhere between is replaced by one that loads the same state and wishes for the same markers again.
//!
//! Never authorizes, never checks whether a topic exists, never knows who leads a partition: request handlers and the host do.

mod add;
mod admin;
mod command;
mod config;
mod coordinator;
mod end;
mod events;
mod expiry;
mod ids;
mod init;
mod invariants;
mod markers;
mod partition;
mod partitions;
pub mod records;
mod refuse;
mod state;
#[cfg(test)]
mod tests;
mod turn;

pub use admin::{keep_matching, pattern_of};
pub use command::{MarkerOutcome, MarkersAnswer, TransactionAnswer, TransactionCommand, TransactionTimer};
pub use config::TransactionConfig;
pub use coordinator::{MarkersWish, TransactionMachine, TransactionSoft, TransactionWish};
pub use events::TransactionEvent;
pub use partition::{partition_for, topic_configs};
pub use partitions::Partitions;
pub use records::TransactionRecord;
pub use state::{Transaction, TransactionState};

use crate::machine::{Decision, EncodedRecord, Machine, Origin, Reply, ReplyToken, TransactionMarker};
use bytes::Bytes;
use turn::Turn;
use wire::ErrorCode;

impl Machine for TransactionMachine {
    type Soft = TransactionSoft;
    type Command = TransactionCommand;
    type Answer = TransactionAnswer;
    type Record = TransactionRecord;
    type Timer = TransactionTimer;

    const BASE_SEQUENCE: i32 = -1;

    fn decide(
        &self,
        soft: &mut TransactionSoft,
        now_ms: i64,
        command: TransactionCommand,
        token: Option<ReplyToken>,
    ) -> Decision<TransactionMachine> {
        let mut turn = Turn::new(soft, now_ms, token);
        match command {
            TransactionCommand::InitProducerId { api_version, request } => {
                self.init_producer_id(soft, &mut turn, api_version, &request);
            }
            TransactionCommand::AddPartitions { api_version, transaction } => {
                self.add_partitions(&mut turn, api_version, &transaction);
            }
            TransactionCommand::AddOffsets { api_version, request, partition } => {
                self.add_offsets(&mut turn, api_version, &request, partition);
            }
            TransactionCommand::EndTxn { api_version, request } => {
                self.end_transaction(soft, &mut turn, api_version, &request);
            }
            TransactionCommand::Describe { transactional_ids } => {
                turn.answer(TransactionAnswer::Describe(self.describe(soft, &transactional_ids)));
            }
            TransactionCommand::List { states, producer_ids, duration_ms } => {
                let listed = self.list(turn.wall_ms, &states, &producer_ids, duration_ms);
                turn.answer(TransactionAnswer::List(listed));
            }
            TransactionCommand::ProducerIdsGranted { ids } => {
                soft.producer_ids.grant(ids);
                turn.refuse(TransactionAnswer::Done(ErrorCode::None));
            }
            TransactionCommand::MarkersAnswered(answer) => {
                self.markers_answered(soft, &mut turn, &answer);
                turn.refuse(TransactionAnswer::Done(ErrorCode::None));
            }
            TransactionCommand::OutcomeCommitted { transactional_id } => {
                self.outcome_committed(soft, &mut turn, transactional_id);
            }
            TransactionCommand::Fired(timer) => self.timer_fired(soft, &mut turn, timer),
        }
        if soft.producer_ids.should_ask(now_ms) {
            soft.wishes.push(TransactionWish::ProducerIds);
        }
        self.check_decision(soft, &turn.decision);
        self.keep_befores(soft, &turn.decision.records);
        turn.decision
    }

    fn query(
        &self,
        soft: &TransactionSoft,
        now_ms: i64,
        command: &TransactionCommand,
    ) -> Option<TransactionAnswer> {
        match command {
            TransactionCommand::AddPartitions { transaction, .. } if transaction.verify_only => {
                Some(TransactionAnswer::AddPartitions(self.verify_partitions(transaction)))
            }
            TransactionCommand::Describe { transactional_ids } => {
                Some(TransactionAnswer::Describe(self.describe(soft, transactional_ids)))
            }
            TransactionCommand::List { states, producer_ids, duration_ms } => {
                let listed = self.list(soft.wall.at(now_ms), states, producer_ids, *duration_ms);
                Some(TransactionAnswer::List(listed))
            }
            TransactionCommand::InitProducerId { .. }
            | TransactionCommand::AddPartitions { .. }
            | TransactionCommand::AddOffsets { .. }
            | TransactionCommand::EndTxn { .. }
            | TransactionCommand::ProducerIdsGranted { .. }
            | TransactionCommand::MarkersAnswered(_)
            | TransactionCommand::OutcomeCommitted { .. }
            | TransactionCommand::Fired(_) => None,
        }
    }

    fn apply(&mut self, _origin: Origin, record: &TransactionRecord) {
        self.apply_record(record);
    }

    /// Nothing here belongs to anybody's transaction.
    fn apply_marker(&mut self, _offset: i64, _marker: &TransactionMarker) {}

    fn resembles(&self, twin: &Self) -> bool {
        self.transactions.len() == twin.transactions.len()
    }

    fn fired(timer: TransactionTimer) -> TransactionCommand {
        TransactionCommand::Fired(timer)
    }

    fn opened(&self, soft: &mut TransactionSoft, now_ms: i64) -> Decision<TransactionMachine> {
        let mut turn = Turn::new(soft, now_ms, None);
        for (transactional_id, known) in &self.transactions {
            let transactional_id = transactional_id.clone();
            if known.state.prepared().is_some() {
                // What was loaded may not be committed yet.
                turn.decision.after_commit.push(TransactionCommand::OutcomeCommitted { transactional_id });
            } else if known.state == TransactionState::Ongoing && !known.is_two_phase() {
                let left_ms = TransactionMachine::timeout_left_ms(known, turn.wall_ms);
                turn.set_timer(TransactionTimer::Timeout { transactional_id }, left_ms);
            }
        }
        turn.set_timer(TransactionTimer::Expiry { after: None }, soft.config.expiration_interval_ms);
        if soft.producer_ids.should_ask(now_ms) {
            soft.wishes.push(TransactionWish::ProducerIds);
        }
        turn.decision
    }

    /// Nobody waits in the soft state: who was answered waits for the log.
    fn closed(_soft: TransactionSoft, _error: ErrorCode) -> Vec<Reply<TransactionAnswer>> {
        Vec::new()
    }

    fn refuse(command: &TransactionCommand, error: ErrorCode) -> TransactionAnswer {
        refuse::command(command, error)
    }

    fn retract(answer: TransactionAnswer, error: ErrorCode) -> TransactionAnswer {
        refuse::answer(answer, error)
    }

    fn marker_answer(result: Result<(), ErrorCode>) -> TransactionAnswer {
        TransactionAnswer::Marker(result.err().unwrap_or(ErrorCode::None))
    }

    fn encode(record: &TransactionRecord) -> EncodedRecord {
        records::encode(record)
    }

    fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<TransactionRecord>, String> {
        records::decode(key, value)
    }
}
