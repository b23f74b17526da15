//! The group coordinator: who is a member of which group, and which offsets a group has committed.
//!
//! Owns the replicated state of one `__consumer_offsets` partition ([`GroupMachine`]) and its command table. The rooms:
//! `classic/` the protocol of JoinGroup and SyncGroup · `consumer/` that of ConsumerGroupHeartbeat · `share/` that of ShareGroupHeartbeat · `streams/` that of StreamsGroupHeartbeat · `assignor/` their assignors · `commit.rs` OffsetCommit, TxnOffsetCommit, OffsetDelete ·
//! `fetch.rs` OffsetFetch · `offsets.rs` committed and pending transactional offsets · `expiry.rs` what grows old ·
//! `admin.rs` DescribeGroups, ListGroups, DeleteGroups · `figures.rs` what is measured of groups · `records.rs` record ↔ bytes · `refuse.rs` the shape of errors · `events.rs` what people are told.
//!
//! Never authorizes, never resolves topic ids or names, never checks whether a topic exists: the request handlers do
//! that on the image, before they ask.

mod admin;
pub mod answers;
pub mod assignor;
pub mod classic;
mod command;
mod commit;
pub mod config;
pub mod consumer;
pub mod events;
mod expiry;
mod fetch;
mod figures;
mod invariants;
mod java;
pub mod offsets;
mod partition;
pub mod records;
mod refuse;
pub mod share;
pub mod state;
pub mod streams;
#[cfg(test)]
pub(crate) mod tests;
mod turn;

pub use assignor::Assignor;
pub use command::{Caller, DeletedTopic, GroupAnswer, GroupCommand, GroupFigures, GroupTimer};
pub use config::{ConsumerConfig, GroupConfig, MigrationPolicy, ShareGroupConfig, StreamsGroupConfig};
pub use events::GroupEvent;
pub use partition::{partition_for, topic_configs};
pub use records::GroupRecord;
pub use state::{GroupMachine, GroupSoft};

use crate::machine::{Decision, EncodedRecord, Machine, Origin, Reply, ReplyToken, TransactionMarker};
use bytes::Bytes;
use turn::Turn;
use wire::ErrorCode;

impl Machine for GroupMachine {
    type Soft = GroupSoft;
    type Command = GroupCommand;
    type Answer = GroupAnswer;
    type Record = GroupRecord;
    type Timer = GroupTimer;

    fn decide(
        &self,
        soft: &mut GroupSoft,
        now_ms: i64,
        command: GroupCommand,
        token: Option<ReplyToken>,
    ) -> Decision<GroupMachine> {
        let (mut begun, touched) = (Turn::new(soft, now_ms, token), command.changed_group());
        let turn = &mut begun;
        match command {
            GroupCommand::Join { caller, request } => self.join(soft, turn, &caller, request),
            GroupCommand::Sync { caller, request } => self.sync(soft, turn, &caller, request),
            GroupCommand::Heartbeat { request, .. } => self.heartbeat(soft, turn, &request),
            GroupCommand::Leave { caller, request } => self.leave(soft, turn, &caller, request),
            GroupCommand::ConsumerHeartbeat { caller, request } => {
                self.consumer_heartbeat(soft, turn, &caller, &request)
            }
            GroupCommand::RegexesResolved { resolved } => self.regexes_resolved(soft, turn, &resolved),
            GroupCommand::ShareHeartbeat { caller, request } => {
                self.share_heartbeat(soft, turn, &caller, &request)
            }
            GroupCommand::StreamsHeartbeat { caller, request } => {
                self.streams_heartbeat(soft, turn, &caller, &request)
            }
            GroupCommand::ShareTopicsInitialized { group, partitions, is_there } => {
                self.share_topics_initialized(soft, turn, &group, &partitions, is_there)
            }
            GroupCommand::AlterShareOffsets { request } => self.alter_share_offsets(soft, turn, &request),
            GroupCommand::BeginDeletingShareOffsets { request } => {
                self.begin_deleting_share_offsets(soft, turn, &request)
            }
            GroupCommand::BeginDeletingShareGroup { group } => {
                self.begin_deleting_share_group(soft, turn, &group)
            }
            GroupCommand::ShareStateDeleted { group, topics } => {
                self.share_state_deleted(turn, &group, &topics)
            }
            GroupCommand::CommitOffsets { caller, request } => {
                self.commit_offsets(soft, turn, &caller, &request)
            }
            GroupCommand::CommitTransactionalOffsets { caller, request } => {
                self.commit_transactional_offsets(soft, turn, &caller, &request)
            }
            GroupCommand::FetchOffsets { caller: _, group, require_stable } => {
                turn.answer(GroupAnswer::FetchOffsets(self.fetch_offsets(&group, require_stable)));
            }
            GroupCommand::DeleteOffsets { request } => self.delete_offsets(soft, turn, &request),
            GroupCommand::Delete { groups } => self.delete_groups(soft, turn, &groups),
            looks @ (GroupCommand::Describe { .. }
            | GroupCommand::ConsumerDescribe { .. }
            | GroupCommand::ShareDescribe { .. }
            | GroupCommand::StreamsDescribe { .. }
            | GroupCommand::SharePartitions { .. }
            | GroupCommand::List { .. }
            | GroupCommand::Figures) => {
                self.query(soft, now_ms, &looks).into_iter().for_each(|answer| turn.answer(answer))
            }
            GroupCommand::TopicsDeleted { topics } => self.topics_deleted(turn, &topics),
            GroupCommand::AssignmentPersisted { group, generation, assignment } => {
                self.assignment_persisted(soft, turn, &group, generation, &assignment)
            }
            GroupCommand::StaticMemberPersisted { group, member_id, leader_before } => {
                self.static_member_persisted(soft, turn, &group, &member_id, leader_before.as_ref())
            }
            GroupCommand::Fired(timer) => self.timer_fired(soft, turn, timer),
        }
        self.check_decision(soft, touched.as_ref(), &begun.decision);
        soft.events.append(&mut begun.events);
        begun.decision
    }

    fn query(&self, soft: &GroupSoft, _now_ms: i64, command: &GroupCommand) -> Option<GroupAnswer> {
        match command {
            GroupCommand::FetchOffsets { group, require_stable: false, .. } => {
                Some(GroupAnswer::FetchOffsets(self.fetch_offsets(group, false)))
            }
            GroupCommand::Describe { caller, groups } => {
                Some(GroupAnswer::Describe(self.describe_groups(soft, caller, groups)))
            }
            GroupCommand::List { states, types } => {
                Some(GroupAnswer::List(self.list_groups(soft, states, types)))
            }
            GroupCommand::Figures => Some(GroupAnswer::Figures(self.figures(soft))),
            GroupCommand::ConsumerDescribe { groups } => {
                Some(GroupAnswer::ConsumerDescribe(self.describe_consumer_groups(soft, groups)))
            }
            GroupCommand::ShareDescribe { groups } => {
                Some(GroupAnswer::ShareDescribe(self.describe_share_groups(soft, groups)))
            }
            GroupCommand::StreamsDescribe { groups } => {
                Some(GroupAnswer::StreamsDescribe(self.describe_streams_groups(soft, groups)))
            }
            GroupCommand::SharePartitions { group } => {
                Some(GroupAnswer::SharePartitions(Ok(self.share_partitions(group))))
            }
            GroupCommand::Join { .. }
            | GroupCommand::ShareHeartbeat { .. }
            | GroupCommand::StreamsHeartbeat { .. }
            | GroupCommand::ShareTopicsInitialized { .. }
            | GroupCommand::AlterShareOffsets { .. }
            | GroupCommand::BeginDeletingShareOffsets { .. }
            | GroupCommand::BeginDeletingShareGroup { .. }
            | GroupCommand::ShareStateDeleted { .. }
            | GroupCommand::Sync { .. }
            | GroupCommand::ConsumerHeartbeat { .. }
            | GroupCommand::RegexesResolved { .. }
            | GroupCommand::Heartbeat { .. }
            | GroupCommand::Leave { .. }
            | GroupCommand::CommitOffsets { .. }
            | GroupCommand::CommitTransactionalOffsets { .. }
            | GroupCommand::FetchOffsets { require_stable: true, .. }
            | GroupCommand::DeleteOffsets { .. }
            | GroupCommand::Delete { .. }
            | GroupCommand::TopicsDeleted { .. }
            | GroupCommand::AssignmentPersisted { .. }
            | GroupCommand::StaticMemberPersisted { .. }
            | GroupCommand::Fired(_) => None,
        }
    }

    fn apply(&mut self, origin: Origin, record: &GroupRecord) {
        self.apply_record(origin, record);
    }

    fn apply_marker(&mut self, _offset: i64, marker: &TransactionMarker) {
        self.offsets.end_transaction(marker.producer.producer_id, marker.commit);
    }

    fn resembles(&self, twin: &Self) -> bool {
        self.groups.len() == twin.groups.len() && self.offsets.resembles(&twin.offsets)
    }

    fn fired(timer: GroupTimer) -> GroupCommand {
        GroupCommand::Fired(timer)
    }

    fn opened(&self, soft: &mut GroupSoft, now_ms: i64) -> Decision<GroupMachine> {
        let mut turn = Turn::new(soft, now_ms, None);
        self.open_classic_groups(soft, &mut turn);
        self.open_consumer_groups(soft, &mut turn);
        self.open_share_groups(soft, &mut turn);
        self.open_streams_groups(soft, &mut turn);
        soft.events.append(&mut turn.events);
        let check_ms = soft.config.offsets_retention_check_interval_ms;
        turn.decision.set_timer(GroupTimer::Expiry { after: None }, now_ms.saturating_add(check_ms));
        turn.decision
    }

    fn closed(soft: GroupSoft, error: ErrorCode) -> Vec<Reply<GroupAnswer>> {
        soft.classic.into_values().flat_map(|group| group.refuse_all_waiting(error)).collect()
    }

    fn refuse(command: &GroupCommand, error: ErrorCode) -> GroupAnswer {
        refuse::command(command, error)
    }

    fn retract(answer: GroupAnswer, error: ErrorCode) -> GroupAnswer {
        refuse::answer(answer, error)
    }

    fn marker_answer(result: Result<(), ErrorCode>) -> GroupAnswer {
        GroupAnswer::Marker(result.err().unwrap_or(ErrorCode::None))
    }

    fn encode(record: &GroupRecord) -> EncodedRecord {
        records::encode(record)
    }

    fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<GroupRecord>, String> {
        records::decode(key, value)
    }
}
