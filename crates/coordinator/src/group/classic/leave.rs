//! Heartbeat, LeaveGroup and the end of a session: how members stay and how they go.

use super::super::answers;
use super::super::command::{Caller, GroupAnswer, GroupTimer};
use super::super::config::GroupConfig;
use super::super::events::{Departure, GroupEvent, Reason};
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::{ClassicGroup, ClassicState};
use wire::codec::Message;
use wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};
use wire::{ErrorCode, Str};

/// From this version on several members leave at once, and instance ids may be named (KIP-345).
const BATCH_LEAVE_SINCE: i16 = 3;

const _: () = assert!(BATCH_LEAVE_SINCE <= LeaveGroupRequest::MAX_VERSION);

impl GroupMachine {
    pub(crate) fn heartbeat(&self, soft: &mut GroupSoft, turn: &mut Turn, request: &HeartbeatRequest) {
        let outcome = match soft.classic.get_mut(&request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            Some(group) => group.heartbeat(turn, request),
            None => match self.groups.get(&request.group_id) {
                Some(Group::Consumer(group)) => self.heartbeat_consumer_group(turn, request, group),
                Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None => {
                    Err(ErrorCode::UnknownMemberId)
                }
            },
        };
        match outcome {
            Ok(()) => turn.answer(GroupAnswer::Heartbeat(HeartbeatResponse::default())),
            Err(error) => turn.refuse(GroupAnswer::Heartbeat(answers::heartbeat_refusal(error))),
        }
    }

    pub(crate) fn leave(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        mut request: LeaveGroupRequest,
    ) {
        if caller.api_version < BATCH_LEAVE_SINCE {
            let member_id = std::mem::take(&mut request.member_id);
            request.members = vec![MemberIdentity { member_id, ..MemberIdentity::default() }];
        }
        if request.group_id.is_empty() {
            let response = LeaveGroupResponse {
                error_code: ErrorCode::InvalidGroupId.code(),
                ..LeaveGroupResponse::default()
            };
            return turn.refuse(GroupAnswer::Leave(response));
        }
        if let Some(Group::Consumer(group)) = self.groups.get(&request.group_id) {
            return self.leave_consumer_group(soft, turn, caller, &request, group);
        }
        let config = soft.config.clone();
        let members = match soft.classic.get_mut(&request.group_id) {
            Some(group) => group.leave(turn, &request.members, &config),
            None => {
                let unknown = |identity| member_response(identity, ErrorCode::UnknownMemberId);
                request.members.iter().map(unknown).collect()
            }
        };
        let response = LeaveGroupResponse { members, ..LeaveGroupResponse::default() };
        turn.answer(GroupAnswer::Leave(answers::leave_in_version(response, caller.api_version)));
    }

    /// A session has ended, or a member id was not used in time.
    pub(crate) fn session_over(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
    ) {
        let config = soft.config.clone();
        let Some(group) = soft.classic.get_mut(group_id) else { return };
        if group.pending_join.contains(member_id) {
            group.remove(turn, member_id);
            if group.state == ClassicState::PreparingRebalance && group.has_all_members_joined() {
                group.complete_join_phase(turn);
            }
            return;
        }
        let Some(member) = group.members.get(member_id) else { return };
        if member.is_kept_by_waiting() {
            return;
        }
        group.depart(turn, member_id, Departure::SessionEnded);
        match group.state {
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                group.rebalance_or_complete(turn, &config, Reason::Departed(Departure::SessionEnded));
            }
            ClassicState::PreparingRebalance if group.has_all_members_joined() => {
                group.complete_join_phase(turn);
            }
            ClassicState::PreparingRebalance | ClassicState::Empty => {}
        }
    }
}

fn member_response(identity: &MemberIdentity, error: ErrorCode) -> MemberResponse {
    MemberResponse {
        member_id: identity.member_id.clone(),
        group_instance_id: identity.group_instance_id.clone(),
        error_code: error.code(),
    }
}

impl ClassicGroup {
    fn heartbeat(&mut self, turn: &mut Turn, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.state {
            ClassicState::Empty => Err(ErrorCode::UnknownMemberId),
            ClassicState::PreparingRebalance => {
                self.renew_session(turn, &request.member_id);
                Err(ErrorCode::RebalanceInProgress)
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.renew_session(turn, &request.member_id);
                Ok(())
            }
        }
    }

    fn leave(
        &mut self,
        turn: &mut Turn,
        identities: &[MemberIdentity],
        config: &GroupConfig,
    ) -> Vec<MemberResponse> {
        let mut responses = Vec::with_capacity(identities.len().min(64));
        let mut somebody_left = false;
        for identity in identities {
            let outcome = self.leave_one(turn, identity);
            somebody_left |= outcome.is_ok();
            responses.push(member_response(identity, outcome.err().unwrap_or(ErrorCode::None)));
        }
        if somebody_left {
            match self.state {
                ClassicState::PreparingRebalance => self.maybe_complete_join_phase(turn),
                ClassicState::CompletingRebalance | ClassicState::Stable => {
                    self.rebalance_or_complete(turn, config, Reason::Departed(Departure::Left));
                }
                ClassicState::Empty => {}
            }
        }
        responses
    }

    fn leave_one(&mut self, turn: &mut Turn, identity: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance_id = identity.group_instance_id.as_ref();
        if identity.member_id.is_empty() {
            // An administrator removes a static member by its instance id alone.
            let member_id = instance_id.and_then(|id| self.static_members.get(id)).cloned();
            let member_id = member_id.ok_or(ErrorCode::UnknownMemberId)?;
            self.remove_leaver(turn, &member_id);
            return Ok(());
        }
        if !self.pending_join.contains(&identity.member_id) {
            self.validate_member(&identity.member_id, instance_id)?;
        }
        self.remove_leaver(turn, &identity.member_id);
        Ok(())
    }

    fn remove_leaver(&mut self, turn: &mut Turn, member_id: &Str) {
        let timer = GroupTimer::Session { group: self.id.clone(), member_id: member_id.clone() };
        turn.cancel_timer(timer);
        self.depart(turn, member_id, Departure::Left);
    }

    /// A member goes, and people are told how.
    pub(super) fn depart(&mut self, turn: &mut Turn, member_id: &Str, how: Departure) {
        if self.members.contains_key(member_id) {
            turn.tell(GroupEvent::Departed { group: self.id.clone(), member_id: member_id.clone(), how });
        }
        self.remove(turn, member_id);
    }

    /// Takes a member out. Whatever it still waits for is refused.
    pub(super) fn remove(&mut self, turn: &mut Turn, member_id: &str) {
        if let Some(member) = self.members.remove(member_id) {
            self.uncount_protocols(&member.protocols);
            let unknown = ErrorCode::UnknownMemberId;
            if let Some(waiting) = member.awaiting_join {
                self.awaiting_join -= 1;
                turn.reply_join(waiting, answers::join_refusal(Str::new(), unknown, waiting.api_version));
            }
            if let Some(waiting) = member.awaiting_sync {
                turn.reply_sync(waiting, answers::sync_refusal(unknown));
            }
            if let Some(instance_id) = &member.instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
    }
}
