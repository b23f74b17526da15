//! The join phase: it begins when membership changes, and ends in a new generation.

use super::super::answers;
use super::super::command::GroupTimer;
use super::super::config::GroupConfig;
use super::super::events::{Departure, GroupEvent, Reason};
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::{ClassicGroup, ClassicState, JoinPhase};
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::messages::join_group::JoinGroupResponse;
use wire::messages::sync_group::SyncGroupResponse;
use wire::{ErrorCode, Str};

impl GroupMachine {
    /// After a load: every member of every group gets a session, groups over their size are made to rejoin.
    pub(crate) fn open_classic_groups(&self, soft: &mut GroupSoft, turn: &mut Turn) {
        let config = soft.config.clone();
        let max_size = usize::try_from(config.classic_max_size).unwrap_or(0);
        for (group_id, group) in &self.groups {
            let Group::Classic(Some(value)) = group else { continue };
            if value.members.is_empty() {
                continue;
            }
            let group = self.live(soft, group_id, turn.wall_ms);
            let members: Vec<Str> = group.members.keys().cloned().collect();
            for member_id in &members {
                group.renew_session(turn, member_id);
            }
            if members.len() > max_size {
                group.prepare_rebalance(turn, &config, Reason::TooLarge);
            }
        }
    }

    /// The time for joining is up.
    pub(crate) fn join_phase_over(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) {
        let initial_delay_ms = soft.config.classic_initial_rebalance_delay_ms;
        let Some(group) = soft.classic.get_mut(group_id) else { return };
        match group.join_phase {
            JoinPhase::Initial { delay_ms, remaining_ms } if group.new_member_added && remaining_ms != 0 => {
                group.new_member_added = false;
                let phase = JoinPhase::Initial {
                    delay_ms: initial_delay_ms.min(remaining_ms),
                    remaining_ms: remaining_ms.saturating_sub(delay_ms).max(0),
                };
                group.wait_for_joins(turn, phase, initial_delay_ms.min(remaining_ms));
            }
            JoinPhase::Initial { .. } | JoinPhase::Rebalance => group.complete_join_phase(turn),
        }
    }
}

impl ClassicGroup {
    /// Membership has changed: begin a join phase, or see whether the one that runs can end.
    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn, config: &GroupConfig, reason: Reason) {
        if self.can_rebalance() {
            self.prepare_rebalance(turn, config, reason);
        } else {
            self.maybe_complete_join_phase(turn);
        }
    }

    /// Everybody is to come again.
    pub(crate) fn rebalance(&mut self, turn: &mut Turn, config: &GroupConfig, reason: Reason) {
        self.prepare_rebalance(turn, config, reason);
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn, config: &GroupConfig, reason: Reason) {
        self.reason = reason;
        if self.state == ClassicState::CompletingRebalance {
            self.drop_assignment(turn, ErrorCode::RebalanceInProgress);
        }
        self.pending_sync.clear();
        turn.cancel_timer(GroupTimer::Sync { group: self.id.clone() });
        let initial = self.is_empty();
        self.transition_to(ClassicState::PreparingRebalance, turn.wall_ms);
        if initial {
            let delay_ms = config.classic_initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
            self.wait_for_joins(turn, JoinPhase::Initial { delay_ms, remaining_ms }, delay_ms);
        } else if self.has_all_members_joined() {
            self.complete_join_phase(turn);
        } else {
            let timeout_ms = self.rebalance_timeout_ms();
            self.wait_for_joins(turn, JoinPhase::Rebalance, timeout_ms);
        }
    }

    fn wait_for_joins(&mut self, turn: &mut Turn, phase: JoinPhase, delay_ms: i32) {
        self.join_phase = phase;
        turn.set_timer(GroupTimer::Join { group: self.id.clone() }, i64::from(delay_ms));
    }

    /// Ends the join phase if nobody is missing. The first one of an empty group always lasts its delay.
    pub(super) fn maybe_complete_join_phase(&mut self, turn: &mut Turn) {
        let running = self.state == ClassicState::PreparingRebalance;
        if running && self.previous_state != ClassicState::Empty && self.has_all_members_joined() {
            self.complete_join_phase(turn);
        }
    }

    pub(super) fn complete_join_phase(&mut self, turn: &mut Turn) {
        turn.cancel_timer(GroupTimer::Join { group: self.id.clone() });
        self.remove_absent_dynamic_members(turn);
        if !self.elect_present_leader() && !self.members.is_empty() {
            // Only absent static members are left: they keep their places until their sessions end.
            let timeout_ms = self.rebalance_timeout_ms();
            return self.wait_for_joins(turn, JoinPhase::Rebalance, timeout_ms);
        }
        self.generation = self.generation.wrapping_add(1);
        self.pending_sync.clear();
        if self.members.is_empty() {
            self.protocol_name = None;
            self.subscribed_topics = self.compute_subscribed_topics();
            self.transition_to(ClassicState::Empty, turn.wall_ms);
            turn.tell(GroupEvent::Emptied { group: self.id.clone(), generation: self.generation });
            turn.write(self.to_record(&BTreeMap::new()));
            return;
        }
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        self.transition_to(ClassicState::CompletingRebalance, turn.wall_ms);
        turn.tell(GroupEvent::GenerationBegun {
            group: self.id.clone(),
            generation: self.generation,
            members: self.members.len(),
            protocol: self.protocol_name.clone().unwrap_or_default(),
            leader: self.leader.clone().unwrap_or_default(),
            reason: self.reason,
        });
        self.answer_joins(turn);
    }

    fn answer_joins(&mut self, turn: &mut Turn) {
        let members: Vec<Str> = self.members.keys().cloned().collect();
        for member_id in members {
            let mut response = self.joined(&member_id);
            if self.is_leader(&member_id) {
                response.members = self.members_for_leader();
            }
            self.complete_join(turn, &member_id, response);
            self.renew_session(turn, &member_id);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.pending_sync.insert(member_id);
        }
        self.sync_deadline_generation = self.generation;
        let timeout_ms = i64::from(self.rebalance_timeout_ms());
        turn.set_timer(GroupTimer::Sync { group: self.id.clone() }, timeout_ms);
    }

    fn remove_absent_dynamic_members(&mut self, turn: &mut Turn) {
        let absent = self.members.values().filter(|m| m.awaiting_join.is_none() && m.instance_id.is_none());
        let absent: Vec<Str> = absent.map(|member| member.id.clone()).collect();
        for member_id in absent {
            self.depart(turn, &member_id, Departure::NotRejoined);
            turn.cancel_timer(GroupTimer::Session { group: self.id.clone(), member_id });
        }
    }

    /// A leader that has not come is replaced by a member that has. False when nobody has come.
    fn elect_present_leader(&mut self) -> bool {
        let Some(leader) = &self.leader else { return false };
        if self.members.get(leader).is_some_and(|member| member.awaiting_join.is_some()) {
            return true;
        }
        let present = self.members.values().find(|member| member.awaiting_join.is_some());
        match present.map(|member| member.id.clone()) {
            Some(member_id) => {
                self.leader = Some(member_id);
                true
            }
            None => false,
        }
    }

    /// Nobody gets the assignment that was being made; whoever waits for it is told to rejoin.
    pub(super) fn drop_assignment(&mut self, turn: &mut Turn, error: ErrorCode) {
        let members: Vec<Str> = self.members.keys().cloned().collect();
        for member_id in members {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = Bytes::new();
            }
            if self.complete_sync(turn, &member_id, answers::sync_refusal(error)) {
                self.renew_session(turn, &member_id);
            }
        }
    }

    /// Everybody gets what the leader has assigned; whoever waits for it is answered.
    pub(super) fn give_assignment(&mut self, turn: &mut Turn, assignment: &BTreeMap<Str, Bytes>) {
        let members: Vec<Str> = self.members.keys().cloned().collect();
        for member_id in members {
            let own = assignment.get(&member_id).cloned().unwrap_or_default();
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = own.clone();
            }
            let response = self.synced(own);
            if self.complete_sync(turn, &member_id, response) {
                self.renew_session(turn, &member_id);
            }
        }
    }

    pub(super) fn synced(&self, assignment: Bytes) -> SyncGroupResponse {
        SyncGroupResponse {
            error_code: ErrorCode::None.code(),
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment,
            ..SyncGroupResponse::default()
        }
    }

    /// The member has been heard of: its session starts anew.
    pub(crate) fn renew_session(&self, turn: &mut Turn, member_id: &Str) {
        let Some(member) = self.members.get(member_id) else { return };
        let timer = GroupTimer::Session { group: self.id.clone(), member_id: member.id.clone() };
        turn.set_timer(timer, i64::from(member.session_timeout_ms));
    }

    pub(super) fn complete_join(&mut self, turn: &mut Turn, member_id: &str, response: JoinGroupResponse) {
        if let Some(waiting) = self.await_join(member_id, None) {
            turn.reply_join(waiting, response);
        }
    }
}
