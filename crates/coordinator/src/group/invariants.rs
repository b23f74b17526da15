//! What must hold of groups whenever a decision is made, in release too. Heartbeats and commits change no membership and pass by;
//! for everything else a few comparisons, however many members there are.

use super::classic::{ClassicGroup, ClassicState};
use super::command::{GroupCommand, GroupTimer};
use super::records::GroupRecord;
use super::share::records::{ShareGroupChange, ShareGroupRecord};
use super::state::{Group, GroupMachine, GroupSoft};
use super::streams::records::{StreamsGroupChange, StreamsGroupRecord};
use crate::machine::Decision;
use wire::Str;

impl GroupCommand {
    /// The one group whose members or phase the command may change.
    pub(super) fn changed_group(&self) -> Option<Str> {
        match self {
            GroupCommand::Join { request, .. } => Some(request.group_id.clone()),
            GroupCommand::Sync { request, .. } => Some(request.group_id.clone()),
            GroupCommand::Leave { request, .. } => Some(request.group_id.clone()),
            GroupCommand::AssignmentPersisted { group, .. }
            | GroupCommand::StaticMemberPersisted { group, .. }
            | GroupCommand::Fired(
                GroupTimer::Session { group, .. }
                | GroupTimer::Join { group }
                | GroupTimer::Sync { group }
                | GroupTimer::Revocation { group, .. }
                | GroupTimer::ClassicJoin { group, .. }
                | GroupTimer::ClassicSync { group, .. }
                | GroupTimer::InitialRebalance { group },
            ) => Some(group.clone()),
            GroupCommand::ConsumerHeartbeat { request, .. } => Some(request.group_id.clone()),
            GroupCommand::RegexesResolved { resolved } => Some(resolved.group.clone()),
            GroupCommand::ShareHeartbeat { request, .. } => Some(request.group_id.clone()),
            GroupCommand::StreamsHeartbeat { request, .. } => Some(request.group_id.clone()),
            GroupCommand::StreamsDescribe { .. }
            | GroupCommand::ShareDescribe { .. }
            | GroupCommand::SharePartitions { .. }
            | GroupCommand::ShareTopicsInitialized { .. }
            | GroupCommand::AlterShareOffsets { .. }
            | GroupCommand::BeginDeletingShareOffsets { .. }
            | GroupCommand::BeginDeletingShareGroup { .. }
            | GroupCommand::ShareStateDeleted { .. } => None,
            GroupCommand::Heartbeat { .. }
            | GroupCommand::CommitOffsets { .. }
            | GroupCommand::CommitTransactionalOffsets { .. }
            | GroupCommand::FetchOffsets { .. }
            | GroupCommand::DeleteOffsets { .. }
            | GroupCommand::Describe { .. }
            | GroupCommand::ConsumerDescribe { .. }
            | GroupCommand::List { .. }
            | GroupCommand::Figures
            | GroupCommand::Delete { .. }
            | GroupCommand::TopicsDeleted { .. }
            | GroupCommand::Fired(GroupTimer::Expiry { .. }) => None,
        }
    }
}

impl GroupMachine {
    /// Panics with the name of the invariant that a decision is about to break.
    pub(super) fn check_decision(
        &self,
        soft: &GroupSoft,
        changed: Option<&Str>,
        decision: &Decision<GroupMachine>,
    ) {
        let Some(group_id) = changed else { return };
        if let Some(group) = soft.classic.get(group_id) {
            group.check();
        }
        for record in &decision.records {
            if let GroupRecord::ConsumerGroupMetadata { group, value: Some(next) } = record
                && let Some(Group::Consumer(last)) = self.groups.get(group)
            {
                assert!(next.epoch >= last.epoch, "epoch: that of {group} would go back");
            }
            if let GroupRecord::Share(ShareGroupRecord { group, of }) = record
                && let ShareGroupChange::Group { value: Some(next) } = of
                && let Some(Group::Share(last)) = self.groups.get(group)
            {
                assert!(next.epoch >= last.epoch, "epoch: that of {group} would go back");
            }
            if let GroupRecord::Streams(StreamsGroupRecord { group, of }) = record
                && let StreamsGroupChange::Group { value: Some(next) } = of
                && let Some(Group::Streams(last)) = self.groups.get(group)
            {
                assert!(next.epoch >= last.epoch, "epoch: that of {group} would go back");
            }
            if let GroupRecord::GroupMetadata { group, value: Some(next) } = record
                && let Some(Group::Classic(Some(last))) = self.groups.get(group)
            {
                // Generations are counted on beyond the last number there is, as Kafka does.
                let steps = next.generation.wrapping_sub(last.generation);
                assert!(steps >= 0, "generation: that of {group} would go back");
            }
        }
    }
}

#[cfg(test)]
impl GroupMachine {
    /// Everything that consumer groups count is counted again.
    pub(super) fn check_consumer_groups(&self) {
        for group in self.groups.values() {
            if let Group::Consumer(group) = group {
                group.check_members();
            }
        }
    }
}

impl ClassicGroup {
    /// Panics with the name of the invariant that is broken. What takes a look at each member is `check_members`, for tests.
    pub(super) fn check(&self) {
        let members = self.members.len();
        assert!(
            self.leader.as_ref().is_none_or(|leader| self.members.contains_key(leader)),
            "leader: that of {} is no member",
            self.id
        );
        assert!(self.leader.is_some() || members == 0, "leader: {} has members and no leader", self.id);
        assert!(self.awaiting_join <= members, "members: more of {} wait than there are", self.id);
        assert!(self.static_members.len() <= members, "members: an instance of {} is no member", self.id);
        assert!(
            self.supported.is_empty() == (members == 0),
            "protocols: those of {} are miscounted",
            self.id
        );
        match self.state() {
            ClassicState::Empty => assert!(members == 0, "phase: {} is empty and has members", self.id),
            ClassicState::PreparingRebalance => {
                assert!(self.pending_sync.is_empty(), "phase: {} waits for two things", self.id);
            }
            ClassicState::CompletingRebalance => {
                assert!(members > 0, "phase: {} has a generation of nobody", self.id);
                assert!(self.protocol_name.is_some(), "protocols: {} has chosen none", self.id);
            }
            ClassicState::Stable => assert!(members > 0, "phase: {} has a generation of nobody", self.id),
        }
    }

    /// As `check`, and everything that is counted beside the members is counted again.
    #[cfg(test)]
    pub(super) fn check_members(&self) {
        use std::collections::BTreeMap;
        self.check();
        let waiting = self.members.values().filter(|member| member.awaiting_join.is_some()).count();
        assert_eq!(self.awaiting_join, waiting, "awaiting_join of {}", self.id);
        let mut supported: BTreeMap<Str, usize> = BTreeMap::new();
        for protocol in self.members.values().flat_map(|member| &member.protocols) {
            *supported.entry(protocol.name.clone()).or_default() += 1;
        }
        assert_eq!(self.supported, supported, "supported protocols of {}", self.id);
        for (instance_id, member_id) in &self.static_members {
            let member = self.members.get(member_id).expect("a static member is a member");
            assert_eq!(member.instance_id.as_ref(), Some(instance_id));
        }
        assert!(self.pending_join.iter().all(|member_id| !self.members.contains_key(member_id)));
    }
}

#[cfg(test)]
mod tests;
