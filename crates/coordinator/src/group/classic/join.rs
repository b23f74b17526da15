//! JoinGroup: who may come, under which member id, and what their coming does to the group (KIP-345, KIP-394).

use super::super::answers;
use super::super::command::{Caller, GroupAnswer, GroupCommand, GroupTimer};
use super::super::config::GroupConfig;
use super::super::events::{Departure, Reason};
use super::super::records;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::{ClassicGroup, ClassicState};
use super::member::{Member, Waiting, protocols_of};
use wire::codec::Message;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use wire::{ErrorCode, Str};

/// From this version on a newcomer is first given a member id and comes back with it (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;
/// From this version on a static leader can be told to keep the assignment (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

const _: () = assert!(
    SKIP_ASSIGNMENT_SINCE <= JoinGroupRequest::MAX_VERSION
        && MEMBER_ID_REQUIRED_SINCE <= SKIP_ASSIGNMENT_SINCE
);

/// A JoinGroup on its way through the rooms.
struct Join<'a> {
    caller: &'a Caller,
    request: &'a JoinGroupRequest,
    config: &'a GroupConfig,
    /// For a newcomer.
    new_member_id: Str,
}

impl GroupMachine {
    pub(crate) fn join(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        mut request: JoinGroupRequest,
    ) {
        if caller.api_version == 0 {
            request.rebalance_timeout_ms = request.session_timeout_ms;
        }
        let config = soft.config.clone();
        let timeouts = config.classic_min_session_timeout_ms..=config.classic_max_session_timeout_ms;
        if request.group_id.is_empty() {
            return refuse(turn, caller, request.member_id, ErrorCode::InvalidGroupId);
        }
        if !timeouts.contains(&request.session_timeout_ms) {
            return refuse(turn, caller, request.member_id, ErrorCode::InvalidSessionTimeout);
        }
        let is_closed = match self.groups.get(&request.group_id) {
            Some(Group::Share(_)) => true,
            Some(Group::Streams(group)) => !group.is_empty(),
            Some(Group::Classic(_) | Group::Consumer(_)) | None => false,
        };
        if is_closed {
            return refuse(turn, caller, Str::new(), ErrorCode::InconsistentGroupProtocol);
        }
        let is_unknown_member = request.member_id.is_empty();
        let mut is_new_group = !self.exists(soft, &request.group_id);
        if let Some(Group::Consumer(consumer)) = self.groups.get(&request.group_id) {
            if !consumer.is_empty() {
                let required = caller.api_version >= MEMBER_ID_REQUIRED_SINCE;
                return self.join_consumer_group(soft, turn, caller, &request, (consumer, required));
            }
            is_new_group = true;
        }
        is_new_group |= matches!(self.groups.get(&request.group_id), Some(Group::Streams(_)));
        if is_new_group && !is_unknown_member {
            return refuse(turn, caller, request.member_id, ErrorCode::UnknownMemberId);
        }
        let new_member_id = if is_unknown_member {
            let prefix = request.group_instance_id.as_ref().unwrap_or(&caller.client_id);
            Str::from(format!("{prefix}-{}", soft.entropy.uuid_text()))
        } else {
            Str::new()
        };
        if let Some(Group::Consumer(consumer)) = self.groups.get(&request.group_id) {
            // Nobody is a member: it makes way.
            turn.write_consumer_tombstones(&request.group_id.detached(), consumer);
            soft.consumer.remove(&request.group_id);
        }
        if let Some(Group::Streams(_)) = self.groups.get(&request.group_id) {
            turn.write_streams_tombstones(soft, &request.group_id.detached());
        }
        let before = turn.decision.records.len();
        let group = self.live(soft, &request.group_id, turn.wall_ms);
        let join = Join { caller, request: &request, config: &config, new_member_id };
        if !group.accepts(&request.member_id, config.classic_max_size) {
            group.depart(turn, &request.member_id, Departure::GroupFull);
            refuse(turn, caller, Str::new(), ErrorCode::GroupMaxSizeReached);
        } else if is_unknown_member {
            group.join_new_member(turn, &join);
        } else {
            group.join_existing_member(turn, &join);
        }
        if is_new_group && turn.decision.records.len() == before {
            let record = group.first_record();
            turn.write(record);
        }
    }

    /// The new member id of a static member is committed: its JoinGroup can be answered.
    pub(crate) fn static_member_persisted(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
        leader_before: Option<&Str>,
    ) {
        let Some(group) = soft.classic.get_mut(group_id) else { return };
        // A rebalance that began meanwhile will answer the request itself.
        if group.state == ClassicState::PreparingRebalance {
            return;
        }
        let Some(waiting) = group.members.get(member_id).and_then(|member| member.awaiting_join) else {
            return;
        };
        let mut response = group.joined(member_id);
        if waiting.api_version >= SKIP_ASSIGNMENT_SINCE {
            response.skip_assignment = group.is_leader(member_id);
            if response.skip_assignment {
                response.members = group.members_for_leader();
            }
        } else {
            // An old client that finds itself leader would assign: it is shown the leader before it.
            response.leader = leader_before.cloned().unwrap_or_default();
        }
        group.complete_join(turn, member_id, response);
    }
}

fn refuse(turn: &mut Turn, caller: &Caller, member_id: Str, error: ErrorCode) {
    let response = answers::join_refusal(member_id, error, caller.api_version);
    turn.refuse(GroupAnswer::Join(response));
}

impl ClassicGroup {
    fn accepts(&self, member_id: &str, max_size: i32) -> bool {
        let max_size = usize::try_from(max_size).unwrap_or(0);
        let member = self.members.get(member_id);
        match self.state {
            ClassicState::Empty => true,
            // Counts who has come back, so that a loaded group over its size shrinks to it.
            ClassicState::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some()) || self.awaiting_join < max_size
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                member.is_some() || self.members.len() < max_size
            }
        }
    }

    fn join_new_member(&mut self, turn: &mut Turn, join: &Join<'_>) {
        let request = join.request;
        if !self.supports(&request.protocol_type, &protocols_of(&request.protocols)) {
            return refuse(turn, join.caller, Str::new(), ErrorCode::InconsistentGroupProtocol);
        }
        let Some(instance_id) = &request.group_instance_id else {
            return self.join_new_dynamic_member(turn, join);
        };
        match self.static_members.get(instance_id).cloned() {
            Some(existing) => self.replace_static_member(turn, join, &existing),
            None => self.add_member(turn, join, join.new_member_id.clone()),
        }
    }

    fn join_new_dynamic_member(&mut self, turn: &mut Turn, join: &Join<'_>) {
        if join.caller.api_version < MEMBER_ID_REQUIRED_SINCE {
            return self.add_member(turn, join, join.new_member_id.clone());
        }
        self.pending_join.insert(join.new_member_id.clone());
        let timer = GroupTimer::Session { group: self.id.clone(), member_id: join.new_member_id.clone() };
        turn.set_timer(timer, i64::from(join.request.session_timeout_ms));
        refuse(turn, join.caller, join.new_member_id.clone(), ErrorCode::MemberIdRequired);
    }

    fn join_existing_member(&mut self, turn: &mut Turn, join: &Join<'_>) {
        let request = join.request;
        let member_id = &request.member_id;
        let protocols = protocols_of(&request.protocols);
        if !self.supports(&request.protocol_type, &protocols) {
            return refuse(turn, join.caller, member_id.clone(), ErrorCode::InconsistentGroupProtocol);
        }
        if let Some(member_id) = self.pending_join.get(member_id.as_str()).cloned() {
            if request.group_instance_id.is_some() {
                return refuse(turn, join.caller, Str::new(), ErrorCode::UnknownServerError);
            }
            return self.add_member(turn, join, member_id);
        }
        if let Err(error) = self.validate_member(member_id, request.group_instance_id.as_ref()) {
            return refuse(turn, join.caller, member_id.clone(), error);
        }
        let unchanged = self.members.get(member_id).is_some_and(|member| member.protocols == protocols);
        let leader = self.is_leader(member_id);
        match self.state {
            ClassicState::PreparingRebalance => self.rejoin(turn, join),
            // Its answer was lost, or it asks again: tell it how things stand.
            ClassicState::CompletingRebalance if unchanged => {
                let mut response = self.joined(member_id);
                if leader {
                    response.members = self.members_for_leader();
                }
                self.answer_now(turn, join.caller, response);
            }
            ClassicState::Stable if unchanged && !leader => {
                let response = self.joined(member_id);
                self.answer_now(turn, join.caller, response);
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => self.rejoin(turn, join),
            ClassicState::Empty => {
                refuse(turn, join.caller, member_id.clone(), ErrorCode::UnknownMemberId);
            }
        }
    }

    /// An existing member takes part in the next generation.
    fn rejoin(&mut self, turn: &mut Turn, join: &Join<'_>) {
        let member_id = join.request.member_id.clone();
        self.update_member(turn, join, &member_id);
        self.rebalance_or_complete(turn, join.config, Reason::Rejoined);
    }

    fn add_member(&mut self, turn: &mut Turn, join: &Join<'_>, member_id: Str) {
        let member = Member::from_request(member_id.clone(), join.caller, join.request);
        if self.state == ClassicState::PreparingRebalance && self.previous_state == ClassicState::Empty {
            self.new_member_added = true;
        }
        self.add(member, waiting(turn, join.caller));
        let timer = GroupTimer::Session { group: self.id.clone(), member_id };
        turn.set_timer(timer, i64::from(join.config.classic_new_member_join_timeout_ms));
        self.rebalance_or_complete(turn, join.config, Reason::Joined);
    }

    fn update_member(&mut self, turn: &mut Turn, join: &Join<'_>, member_id: &str) {
        let protocols = protocols_of(&join.request.protocols);
        self.count_protocols(&protocols, 1);
        if let Some(member) = self.members.get_mut(member_id) {
            let before = std::mem::replace(&mut member.protocols, protocols);
            member.rebalance_timeout_ms = join.request.rebalance_timeout_ms;
            member.session_timeout_ms = join.request.session_timeout_ms;
            self.uncount_protocols(&before);
        }
        let waiting = waiting(turn, join.caller);
        if let Some(superseded) = self.await_join(member_id, waiting) {
            // DIVERGES: Kafka never answers an earlier request that waits under the same member id. Its connection is
            // as good as gone, but a request without an answer is a leak.
            let error = ErrorCode::RebalanceInProgress;
            let response =
                answers::join_refusal(join.request.member_id.clone(), error, superseded.api_version);
            turn.reply_join(superseded, response);
        }
    }

    /// A static member has come back without its member id: the id is replaced and whoever uses the old one is
    /// fenced. In a stable group whose protocol stays the same nobody else notices.
    fn replace_static_member(&mut self, turn: &mut Turn, join: &Join<'_>, old_id: &Str) {
        let before = self.clone();
        let leader_before = self.leader.clone();
        let new_id = join.new_member_id.clone();
        self.take_over(turn, join, old_id, &new_id);
        match self.state {
            ClassicState::Stable if self.select_protocol() == self.protocol_name => {
                let record = self.to_record(&self.assignment());
                if records::size_in_batch(std::slice::from_ref(&record)) > join.config.max_batch_bytes {
                    return self.undo_take_over(turn, join, before);
                }
                turn.write(record);
                turn.decision.after_commit.push(GroupCommand::StaticMemberPersisted {
                    group: self.id.clone(),
                    member_id: new_id,
                    leader_before,
                });
            }
            ClassicState::Stable => {
                self.rebalance_or_complete(turn, join.config, Reason::StaticMemberReplaced)
            }
            ClassicState::CompletingRebalance => {
                self.prepare_rebalance(turn, join.config, Reason::StaticMemberReplaced)
            }
            ClassicState::PreparingRebalance => self.maybe_complete_join_phase(turn),
            ClassicState::Empty => unreachable!("an empty group has no static members"),
        }
    }

    fn take_over(&mut self, turn: &mut Turn, join: &Join<'_>, old_id: &Str, new_id: &Str) {
        let fenced = ErrorCode::FencedInstanceId;
        let waiting_version = |waiting: Option<Waiting>| waiting.map_or(0, |waiting| waiting.api_version);
        let join_version = waiting_version(self.members.get(old_id).and_then(|member| member.awaiting_join));
        self.complete_join(turn, old_id, answers::join_refusal(old_id.clone(), fenced, join_version));
        self.complete_sync(turn, old_id, answers::sync_refusal(fenced));
        let Some(mut member) = self.members.remove(old_id) else { return };
        member.id = new_id.clone();
        member.is_new = false;
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        let session_timeout_ms = i64::from(member.session_timeout_ms);
        self.members.insert(new_id.clone(), member);
        turn.set_timer(
            GroupTimer::Session { group: self.id.clone(), member_id: new_id.clone() },
            session_timeout_ms,
        );
        self.update_member(turn, join, new_id);
    }

    /// The record of the replacement would not fit into a batch: everything stays as it was.
    fn undo_take_over(&mut self, turn: &mut Turn, join: &Join<'_>, before: ClassicGroup) {
        *self = before;
        turn.cancel_timer(GroupTimer::Session {
            group: self.id.clone(),
            member_id: join.new_member_id.clone(),
        });
        refuse(turn, join.caller, Str::new(), ErrorCode::UnknownServerError);
    }

    /// How the group stands, for one of its members.
    pub(super) fn joined(&self, member_id: &Str) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: ErrorCode::None.code(),
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.clone(),
            members: Vec::new(),
            ..JoinGroupResponse::default()
        }
    }

    fn answer_now(&self, turn: &mut Turn, caller: &Caller, response: JoinGroupResponse) {
        turn.answer(GroupAnswer::Join(answers::join_in_version(response, caller.api_version)));
    }
}

fn waiting(turn: &Turn, caller: &Caller) -> Option<Waiting> {
    turn.token.map(|token| Waiting { token, api_version: caller.api_version })
}
