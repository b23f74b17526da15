//! The group itself: its members, its phase, the choice of a protocol, and what its record says of it. What changes it in the course
//! of a decision, and tells its members, are the rooms beside it.

use super::super::answers;
use super::super::command::GroupAnswer;
use super::super::events::Reason;
use super::super::java;
use super::super::records::GroupRecord;
use super::member::{Member, Protocol, Waiting};
use crate::machine::Reply;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::messages::join_group::JoinGroupResponseMember;
use wire::records::group::{GroupMetadataValue, MemberMetadata};
use wire::{ErrorCode, Str};

/// The protocol type of Kafka's own consumers.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Kafka's Dead state is a group that is not there: deletion drops it in the same turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassicState {
    /// Nobody is a member.
    Empty,
    /// The join phase: members come, or come back.
    PreparingRebalance,
    /// The leader makes the assignment; the others wait for it.
    CompletingRebalance,
    /// Everybody has an assignment, or can have it.
    Stable,
}

impl ClassicState {
    /// The name that DescribeGroups and ListGroups show.
    pub fn name(self) -> &'static str {
        match self {
            ClassicState::Empty => "Empty",
            ClassicState::PreparingRebalance => "PreparingRebalance",
            ClassicState::CompletingRebalance => "CompletingRebalance",
            ClassicState::Stable => "Stable",
        }
    }
}

/// What the end of the join phase waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinPhase {
    /// The first generation of an empty group: wait a little for more members (KIP-134).
    #[allow(missing_docs)] // its fields are what the line above says
    Initial { delay_ms: i32, remaining_ms: i32 },
    /// Until the rebalance timeout.
    Rebalance,
}

/// A classic group while it is alive. What holds of it after every decision, by name, in `group/invariants.rs`: `leader` (a member, and
/// there is one where there are members), `members` and `protocols` (counted as they are), `phase` (an empty group has no members,
/// one with a generation has; assignments are waited for when nobody is waited for to join), `generation` (none written goes back).
#[derive(Debug, Clone)]
pub struct ClassicGroup {
    /// The group's name.
    pub id: Str,
    pub(crate) state: ClassicState,
    pub(super) previous_state: ClassicState,
    /// When it came into this state, by the wall clock; `None` where its record does not tell.
    pub state_timestamp_ms: Option<i64>,
    /// Never empty text.
    pub protocol_type: Option<Str>,
    /// The assignor that was chosen; `None` while the group is empty.
    pub protocol_name: Option<Str>,
    /// Grows by one with each completed join phase.
    pub generation: i32,
    /// The member that makes the assignment.
    pub leader: Option<Str>,
    /// By member id.
    pub members: BTreeMap<Str, Member>,
    /// Instance id → member id. Invariant: of members only.
    pub(crate) static_members: BTreeMap<Str, Str>,
    /// Member ids that were handed out and have not come back (KIP-394).
    pub(crate) pending_join: BTreeSet<Str>,
    /// Invariant: the members whose `awaiting_join` is set.
    pub(crate) awaiting_join: usize,
    /// Invariant: how many members list each protocol.
    pub(crate) supported: BTreeMap<Str, usize>,
    pub(crate) pending_sync: BTreeSet<Str>,
    /// `None` when the members' subscriptions cannot be read.
    pub(super) subscribed_topics: Option<BTreeSet<Str>>,
    /// Somebody came while the initial delay ran.
    pub(super) new_member_added: bool,
    pub(super) join_phase: JoinPhase,
    /// The generation that the sync deadline was set for.
    pub(super) sync_deadline_generation: i32,
    /// Why the last join phase began.
    pub(super) reason: Reason,
}

impl ClassicGroup {
    /// A group that nobody has joined yet.
    pub fn new(id: Str, wall_ms: i64) -> Self {
        ClassicGroup {
            id,
            state: ClassicState::Empty,
            previous_state: ClassicState::Empty,
            state_timestamp_ms: Some(wall_ms),
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            awaiting_join: 0,
            supported: BTreeMap::new(),
            pending_sync: BTreeSet::new(),
            subscribed_topics: None,
            new_member_added: false,
            join_phase: JoinPhase::Rebalance,
            sync_deadline_generation: 0,
            reason: Reason::Joined,
        }
    }

    /// The group as its last record left it.
    pub fn from_record(id: Str, value: &GroupMetadataValue) -> Self {
        let mut group = ClassicGroup::new(id, 0);
        group.state = if value.members.is_empty() { ClassicState::Empty } else { ClassicState::Stable };
        group.state_timestamp_ms = Some(value.current_state_timestamp).filter(|at_ms| *at_ms != -1);
        group.protocol_type = Some(value.protocol_type.clone()).filter(|text| !text.is_empty());
        group.protocol_name = value.protocol.clone();
        group.generation = value.generation;
        // A record that contradicts itself is no reason to lose the group: who stands twice is one, a stranger does not lead.
        let is_member = |leader: &Str| value.members.iter().any(|member| member.member_id == *leader);
        group.leader = value.leader.clone().filter(is_member);
        for persisted in &value.members {
            if !group.members.contains_key(&persisted.member_id) {
                group.add(Member::from_record(persisted, value), None);
            }
        }
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }

    /// A consumer group that goes on as a classic one: stable, with these members.
    pub(crate) fn stable<'a, T: 'a>(
        id: Str,
        generation: i32,
        members: impl Iterator<Item = &'a (Member, T)>,
        wall_ms: i64,
    ) -> Self {
        let mut group = ClassicGroup::new(id, wall_ms);
        group.generation = generation;
        for (member, _) in members {
            group.add(member.clone(), None);
        }
        group.state = ClassicState::Stable;
        group.protocol_name = group.select_protocol();
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }

    /// What a member has from now on.
    pub(crate) fn set_assignment(&mut self, member_id: &str, assignment: Bytes) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.assignment = assignment;
        }
    }

    /// The group as it is now.
    pub(crate) fn record(&self) -> GroupRecord {
        self.to_record(&self.assignment())
    }

    /// The group as it is now, with the assignments that go with this generation.
    pub(super) fn to_record(&self, assignment: &BTreeMap<Str, Bytes>) -> GroupRecord {
        let members = self.members.values().map(|member| MemberMetadata {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata_of(self.protocol_name.as_ref()),
            assignment: assignment.get(&member.id).cloned().unwrap_or_default(),
        });
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol_name.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.state_timestamp_ms.unwrap_or(-1),
            members: members.collect(),
        };
        GroupRecord::GroupMetadata { group: self.id.clone(), value: Some(Arc::new(value)) }
    }

    /// The first record of a group that has nothing yet.
    pub(super) fn first_record(&self) -> GroupRecord {
        let value = GroupMetadataValue {
            protocol_type: Str::new(),
            generation: 0,
            protocol: None,
            leader: None,
            current_state_timestamp: self.state_timestamp_ms.unwrap_or(-1),
            members: Vec::new(),
        };
        GroupRecord::GroupMetadata { group: self.id.clone(), value: Some(Arc::new(value)) }
    }

    /// Its phase.
    pub fn state(&self) -> ClassicState {
        self.state
    }

    /// Nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.state == ClassicState::Empty
    }

    /// A member id was handed out that has not come back yet (KIP-394).
    pub fn has_pending_members(&self) -> bool {
        !self.pending_join.is_empty()
    }

    /// True for the member that makes the assignment.
    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.as_str() == member_id)
    }

    /// Its members are consumers of Kafka's own protocol, whose subscriptions can be read.
    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|name| name.as_str() == CONSUMER_PROTOCOL_TYPE)
    }

    /// What all members together subscribe to; `None` when that cannot be read.
    pub fn subscribed_topics(&self) -> Option<&BTreeSet<Str>> {
        self.subscribed_topics.as_ref()
    }

    /// Whether offsets of this topic are in use. A consumer group whose subscriptions cannot be read uses them all.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(super) fn transition_to(&mut self, state: ClassicState, wall_ms: i64) {
        let legal = match state {
            ClassicState::Empty | ClassicState::CompletingRebalance => {
                self.state == ClassicState::PreparingRebalance
            }
            ClassicState::PreparingRebalance => self.can_rebalance(),
            ClassicState::Stable => self.state == ClassicState::CompletingRebalance,
        };
        assert!(legal, "group {} cannot go from {} to {}", self.id, self.state.name(), state.name());
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp_ms = Some(wall_ms);
    }

    pub(super) fn can_rebalance(&self) -> bool {
        match self.state {
            ClassicState::Stable | ClassicState::CompletingRebalance | ClassicState::Empty => true,
            ClassicState::PreparingRebalance => false,
        }
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_join.is_empty()
    }

    /// The longest of the members' rebalance timeouts.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0).max(0)
    }

    pub(super) fn add(&mut self, member: Member, waiting: Option<Waiting>) {
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(member.protocol_type.clone()).filter(|text| !text.is_empty());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.count_protocols(&member.protocols, 1);
        self.pending_join.remove(&member.id);
        let member_id = member.id.clone();
        self.members.insert(member_id.clone(), member);
        self.await_join(&member_id, waiting);
    }

    /// Makes a member wait for the end of the join phase, or stops its waiting; returns who waited before.
    pub(super) fn await_join(&mut self, member_id: &str, waiting: Option<Waiting>) -> Option<Waiting> {
        let member = self.members.get_mut(member_id)?;
        let before = std::mem::replace(&mut member.awaiting_join, waiting);
        match (before.is_some(), waiting.is_some()) {
            (false, true) => self.awaiting_join += 1,
            (true, false) => self.awaiting_join -= 1,
            (true, true) | (false, false) => {}
        }
        before
    }

    pub(super) fn count_protocols(&mut self, protocols: &[Protocol], by: usize) {
        for protocol in protocols {
            *self.supported.entry(protocol.name.clone()).or_default() += by;
        }
    }

    pub(super) fn uncount_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.supported.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supported.remove(&protocol.name);
                }
            }
        }
    }

    pub(super) fn is_supported_by_all(&self, protocol: &str) -> bool {
        self.supported.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// Whether a member with these protocols fits in.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_ref().is_some_and(|own| own.as_str() == protocol_type)
            && protocols.iter().any(|protocol| self.is_supported_by_all(&protocol.name))
    }

    /// Each member votes for the first of its protocols that all support; the most votes win.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|protocol| self.is_supported_by_all(&protocol.name));
            if let Some(protocol) = vote {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        let candidates = votes.len();
        // A draw goes to the one that Kafka's hash map shows first.
        let rank = |name: &Str, count: usize| {
            (count, std::cmp::Reverse(java::map_bucket(name, candidates)), std::cmp::Reverse(name.clone()))
        };
        votes.into_iter().max_by_key(|(name, count)| rank(name, *count)).map(|(name, _)| name.clone())
    }

    /// What the leader is told about everybody.
    pub(super) fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let members = self.members.values().map(|member| JoinGroupResponseMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata_of(self.protocol_name.as_ref()),
        });
        members.collect()
    }

    /// Kafka's check of everyone who claims to be a member already.
    pub(crate) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&Str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(existing) if existing.as_str() != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// The coordinator goes away: everybody who waits is told.
    pub fn refuse_all_waiting(self, error: ErrorCode) -> Vec<Reply<GroupAnswer>> {
        let mut replies = Vec::new();
        for member in self.members.into_values() {
            if let Some(waiting) = member.awaiting_join {
                let response = answers::join_refusal(member.id, error, waiting.api_version);
                replies.push(Reply { token: waiting.token, answer: GroupAnswer::Join(response) });
            }
            if let Some(waiting) = member.awaiting_sync {
                let response = answers::sync_refusal(error);
                replies.push(Reply { token: waiting.token, answer: GroupAnswer::Sync(response) });
            }
        }
        replies
    }

    /// The current assignment of every member.
    pub(super) fn assignment(&self) -> BTreeMap<Str, Bytes> {
        self.members.values().map(|member| (member.id.clone(), member.assignment.clone())).collect()
    }
}
