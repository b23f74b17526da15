//! The share coordinator (KIP-932): how far a share group is in each partition that it shares, for the partitions' leaders.
//!
//! Owns the replicated state of one `__share_group_state` partition ([`ShareMachine`]) and its command table. The rooms: `state.rs` what is
//! known of a share partition · `decide.rs` who is fenced, what is written · `combine.rs` batches of two writes as one list · `records.rs`
//! record ↔ bytes · `refuse.rs` the shape of errors.
//!
//! A snapshot says everything of a share partition, updates after it what is new. What lies before the oldest snapshot nobody needs:
//! the log is trimmed there, never compacted. Share partitions that nobody writes to get a snapshot now and then, lest they hold back the rest.
//!
//! Never knows which records there are, who has acquired them or who is a member: the partition's leader and the group coordinator do.

mod combine;
mod command;
mod config;
mod decide;
mod partition;
pub mod records;
mod refuse;
mod state;
#[cfg(test)]
mod tests;

pub use combine::{StateBatch, combine};
pub use command::{ShareAnswer, ShareCommand, ShareTimer};
pub use config::ShareConfig;
pub use partition::{SharePartition, partition_for, topic_configs};
pub use records::ShareRecord;
pub use refuse::refused;
pub use state::{ShareMachine, ShareSoft, ShareState};

use crate::machine::{Decision, EncodedRecord, Machine, Origin, Reply, ReplyToken, TransactionMarker};
use bytes::Bytes;
use wire::ErrorCode;

impl Machine for ShareMachine {
    type Soft = ShareSoft;
    type Command = ShareCommand;
    type Answer = ShareAnswer;
    type Record = ShareRecord;
    type Timer = ShareTimer;

    fn decide(
        &self,
        soft: &mut ShareSoft,
        now_ms: i64,
        command: ShareCommand,
        token: Option<ReplyToken>,
    ) -> Decision<ShareMachine> {
        let mut decision = Decision::default();
        let wall_ms = soft.wall.at(now_ms);
        let decided = match &command {
            ShareCommand::Initialize { of, data } => self.initialize(soft, wall_ms, of, data),
            ShareCommand::Read { of, leader_epoch } => self.read(soft, wall_ms, of, *leader_epoch),
            ShareCommand::Summary { of } => self.summary(soft, of),
            ShareCommand::Write { of, data } => self.write(soft, wall_ms, of, data),
            ShareCommand::Delete { of } => self.delete(soft, of),
            ShareCommand::TopicsDeleted { topics } => {
                decision.records = self.topics_deleted(topics);
                decision.may_split = true;
                Ok((ShareAnswer::Done, None))
            }
            ShareCommand::Prune { before } => {
                (soft.trim, soft.last_trim) = (Some(*before), *before);
                Ok((ShareAnswer::Done, None))
            }
            ShareCommand::Fired(timer) => {
                self.timer_fired(soft, now_ms, *timer, &mut decision);
                Ok((ShareAnswer::Done, None))
            }
        };
        match (decided, token) {
            (Ok((answer, written)), token) => {
                decision.records.extend(written);
                if let Some(token) = token {
                    // Also where nothing is written: what is told may not be committed yet.
                    decision.answer(token, answer);
                }
            }
            // A refusal may rest on what is not committed either: who is told that it is fenced believes it for good.
            (Err(refusal), Some(token)) => decision.answer(token, refuse::command(&command, refusal)),
            (Err(_), None) => {}
        }
        decision
    }

    /// Everything is decided: a reader must not be told what a leader before it has still under way.
    fn query(&self, _soft: &ShareSoft, _now_ms: i64, _command: &ShareCommand) -> Option<ShareAnswer> {
        None
    }

    fn apply(&mut self, origin: Origin, record: &ShareRecord) {
        self.apply_record(origin.offset, record);
    }

    /// Nothing here belongs to anybody's transaction.
    fn apply_marker(&mut self, _offset: i64, _marker: &TransactionMarker) {}

    fn resembles(&self, twin: &Self) -> bool {
        self.states.len() == twin.states.len() && self.redundant_before() == twin.redundant_before()
    }

    fn fired(timer: ShareTimer) -> ShareCommand {
        ShareCommand::Fired(timer)
    }

    fn opened(&self, soft: &mut ShareSoft, now_ms: i64) -> Decision<ShareMachine> {
        let mut decision = Decision::default();
        let later = |interval_ms: i64| now_ms.saturating_add(interval_ms);
        decision.set_timer(ShareTimer::ColdSnapshots, later(soft.config.cold_snapshot_interval_ms));
        decision.set_timer(ShareTimer::Prune, later(soft.config.prune_interval_ms));
        decision
    }

    /// Nobody waits in the soft state.
    fn closed(_soft: ShareSoft, _error: ErrorCode) -> Vec<Reply<ShareAnswer>> {
        Vec::new()
    }

    fn refuse(command: &ShareCommand, error: ErrorCode) -> ShareAnswer {
        refuse::undone(command, error)
    }

    fn retract(answer: ShareAnswer, error: ErrorCode) -> ShareAnswer {
        refuse::answer(answer, error)
    }

    /// No marker ever comes here.
    fn marker_answer(_result: Result<(), ErrorCode>) -> ShareAnswer {
        ShareAnswer::Done
    }

    fn encode(record: &ShareRecord) -> EncodedRecord {
        records::encode(record)
    }

    fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<ShareRecord>, String> {
        records::decode(key, value)
    }
}
