//! SyncGroup: the leader brings the assignment, everybody else waits for it (KIP-559 names and types checked).

use super::super::answers;
use super::super::command::{Caller, GroupAnswer, GroupCommand, GroupTimer};
use super::super::config::GroupConfig;
use super::super::events::{Departure, Reason};
use super::super::records;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::{ClassicGroup, ClassicState};
use super::member::Waiting;
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::codec::Message;
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use wire::{ErrorCode, Str};

/// From this version on the protocol's type and name are mandatory (KIP-559).
const PROTOCOL_NAMES_SINCE: i16 = 5;

const _: () = assert!(PROTOCOL_NAMES_SINCE <= SyncGroupRequest::MAX_VERSION);

impl GroupMachine {
    pub(crate) fn sync(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: SyncGroupRequest,
    ) {
        let named = request.protocol_type.is_some() && request.protocol_name.is_some();
        if caller.api_version >= PROTOCOL_NAMES_SINCE && !named {
            return refuse(turn, ErrorCode::InconsistentGroupProtocol);
        }
        if request.group_id.is_empty() {
            return refuse(turn, ErrorCode::InvalidGroupId);
        }
        if let Some(Group::Consumer(group)) = self.groups.get(&request.group_id) {
            return self.sync_consumer_group(soft, turn, &request, group);
        }
        let config = soft.config.clone();
        match soft.classic.get_mut(&request.group_id) {
            Some(group) if !group.is_empty() => group.sync(turn, caller, &request, &config),
            // A group that is not alive here has no members.
            Some(_) | None => refuse(turn, ErrorCode::UnknownMemberId),
        }
    }

    /// The leader's assignment is committed: hand it out, unless the group has moved on.
    pub(crate) fn assignment_persisted(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        generation: i32,
        assignment: &BTreeMap<Str, Bytes>,
    ) {
        let Some(group) = soft.classic.get_mut(group_id) else { return };
        if group.state == ClassicState::CompletingRebalance && group.generation == generation {
            group.give_assignment(turn, assignment);
            group.transition_to(ClassicState::Stable, turn.wall_ms);
        }
    }

    /// Members that never asked for their assignment are gone: the others rebalance without them.
    pub(crate) fn sync_phase_over(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) {
        let config = soft.config.clone();
        let Some(group) = soft.classic.get_mut(group_id) else { return };
        let running = matches!(group.state, ClassicState::CompletingRebalance | ClassicState::Stable);
        if !running || group.generation != group.sync_deadline_generation || group.pending_sync.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut group.pending_sync) {
            group.depart(turn, &member_id, Departure::NeverSynced);
            turn.cancel_timer(GroupTimer::Session { group: group.id.clone(), member_id });
        }
        group.prepare_rebalance(turn, &config, Reason::Departed(Departure::NeverSynced));
    }
}

fn refuse(turn: &mut Turn, error: ErrorCode) {
    turn.refuse(GroupAnswer::Sync(answers::sync_refusal(error)));
}

/// Two names contradict each other only if both are given.
fn contradicts(requested: Option<&Str>, own: Option<&Str>) -> bool {
    matches!((requested, own), (Some(requested), Some(own)) if requested != own)
}

impl ClassicGroup {
    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if contradicts(request.protocol_type.as_ref(), self.protocol_type.as_ref())
            || contradicts(request.protocol_name.as_ref(), self.protocol_name.as_ref())
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn sync(&mut self, turn: &mut Turn, caller: &Caller, request: &SyncGroupRequest, config: &GroupConfig) {
        if let Err(error) = self.validate_sync(request) {
            return refuse(turn, error);
        }
        let member_id = &request.member_id;
        match self.state {
            ClassicState::Empty => refuse(turn, ErrorCode::UnknownMemberId),
            ClassicState::PreparingRebalance => refuse(turn, ErrorCode::RebalanceInProgress),
            ClassicState::CompletingRebalance => {
                let waiting = turn.token.map(|token| Waiting { token, api_version: caller.api_version });
                let member = self.members.get_mut(member_id);
                let superseded = member.and_then(|m| std::mem::replace(&mut m.awaiting_sync, waiting));
                if let Some(superseded) = superseded {
                    turn.reply_sync(superseded, answers::sync_refusal(ErrorCode::RebalanceInProgress));
                }
                self.synced_by(turn, member_id);
                if self.is_leader(member_id) {
                    self.persist_assignment(turn, request, config);
                }
            }
            ClassicState::Stable => {
                self.synced_by(turn, member_id);
                let assignment = self.members.get(member_id).map(|member| member.assignment.clone());
                turn.answer(GroupAnswer::Sync(self.synced(assignment.unwrap_or_default())));
            }
        }
    }

    fn synced_by(&mut self, turn: &mut Turn, member_id: &str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            turn.cancel_timer(GroupTimer::Sync { group: self.id.clone() });
        }
    }

    /// Members that the leader forgot get an empty assignment; names it invented are left out.
    fn persist_assignment(&mut self, turn: &mut Turn, request: &SyncGroupRequest, config: &GroupConfig) {
        let mut by_member: BTreeMap<Str, Bytes> =
            self.members.keys().map(|member_id| (member_id.clone(), Bytes::new())).collect();
        for own in &request.assignments {
            if let Some(slot) = by_member.get_mut(&own.member_id) {
                *slot = Bytes::copy_from_slice(&own.assignment);
            }
        }
        let record = self.to_record(&by_member);
        if records::size_in_batch(std::slice::from_ref(&record)) > config.max_batch_bytes {
            self.drop_assignment(turn, ErrorCode::UnknownServerError);
            return self.rebalance_or_complete(turn, config, Reason::AssignmentTooLarge);
        }
        turn.write(record);
        turn.decision.after_commit.push(GroupCommand::AssignmentPersisted {
            group: self.id.clone(),
            generation: self.generation,
            assignment: by_member,
        });
    }

    pub(super) fn complete_sync(
        &mut self,
        turn: &mut Turn,
        member_id: &str,
        response: SyncGroupResponse,
    ) -> bool {
        let waiting = self.members.get_mut(member_id).and_then(|member| member.awaiting_sync.take());
        if let Some(waiting) = waiting {
            turn.reply_sync(waiting, response);
        }
        waiting.is_some()
    }
}
