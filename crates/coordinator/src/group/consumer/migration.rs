//! Groups that go from one protocol to the other while their members are running (`group.consumer.migration.policy`): a classic group that
//! a member of the consumer protocol joins, and a consumer group that the last such member leaves.

use super::super::assignor::Assignment;
use super::super::classic::{ClassicGroup, Member, Protocol};
use super::super::command::GroupTimer;
use super::super::events::{GroupEvent, Reason};
use super::super::records::{self, GroupRecord};
use super::super::state::{GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::beat::{epoch_record, target_record};
use super::embedded;
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, Held, MemberState};
use super::refusal::Refusal;
use super::subscription::Roster;
use super::view::ClusterView;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::records::group::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupTargetAssignmentMetadataValue,
};
use wire::{ErrorCode, Str, Uuid};

impl GroupMachine {
    /// The consumer group that a classic group with members becomes. Nobody hears of it before [`GroupMachine::upgraded`].
    pub(super) fn upgrade(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
    ) -> Result<Arc<ConsumerGroup>, Refusal> {
        let not_a = || {
            let message = format!("Group {group_id} is not a consumer group.");
            Refusal::new(ErrorCode::GroupIdNotFound, message)
        };
        let max_size = usize::try_from(soft.config.consumer.max_size).unwrap_or(0);
        let classic = soft.classic.get(group_id).ok_or_else(not_a)?;
        if !soft.config.consumer.migration_policy.upgrades()
            || !classic.uses_consumer_protocol()
            || classic.members.len() > max_size
        {
            return Err(not_a());
        }
        let malformed = || {
            Refusal::new(
                ErrorCode::GroupIdNotFound,
                format!(
                    "Cannot upgrade the classic group {group_id} to consumer group because the embedded consumer protocol is malformed."
                ),
            )
        };
        let mut group = ConsumerGroup::default();
        (group.epoch, group.assignment_epoch) = (classic.generation, classic.generation);
        turn.write(GroupRecord::group_tombstone(group_id));
        let mut members = Vec::new();
        for member in classic.members.values() {
            members.push(consumer_member(classic, member, &*soft.view).ok_or_else(malformed)?);
        }
        let generation = classic.generation;
        for (member, target) in members {
            group.targets.insert(member.id.clone(), Arc::new(target));
            group.put(member);
        }
        group.metadata_hash = Roster::without(&group, BTreeSet::new()).metadata_hash(soft);
        for member in group.members.values() {
            turn.write(member.metadata_record(group_id));
        }
        turn.write(epoch_record(group_id, generation, group.metadata_hash));
        for (member_id, target) in &group.targets {
            turn.write(target_record(group_id, member_id, target));
        }
        let targets = ConsumerGroupTargetAssignmentMetadataValue {
            assignment_epoch: generation,
            assignment_timestamp: 0,
        };
        turn.write(GroupRecord::ConsumerTargetMetadata { group: group_id.clone(), value: Some(targets) });
        for member in group.members.values() {
            turn.write(member.current_record(group_id));
        }
        turn.upgraded = true;
        Ok(Arc::new(group))
    }

    /// The classic group is no more: whoever waits for it comes again.
    pub(super) fn upgraded(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) {
        let Some(classic) = soft.classic.remove(group_id) else { return };
        turn.tell(GroupEvent::Migrated { group: group_id.clone(), to_consumer: true });
        turn.cancel_timer(GroupTimer::Join { group: group_id.clone() });
        turn.cancel_timer(GroupTimer::Sync { group: group_id.clone() });
        for member in classic.members.values() {
            classic.renew_session(turn, &member.id);
        }
        for reply in classic.refuse_all_waiting(ErrorCode::RebalanceInProgress) {
            turn.decision.refuse(reply.token, reply.answer);
        }
    }

    /// Makes a classic group of a consumer group whose last members of its own protocol go, or are replaced by one of the classic
    /// protocol. False, and nothing is written, where that is not wanted or cannot be.
    pub(super) fn downgrade(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        group: &ConsumerGroup,
        gone: &BTreeSet<Str>,
        joining: Option<&ConsumerMember>,
    ) -> bool {
        let mut stay = group.members.values().filter(|member| !gone.contains(&member.id));
        let left = group.members.len().saturating_sub(gone.len()) + usize::from(joining.is_some());
        let goes_over =
            gone.iter().any(|id| group.members.get(id).is_some_and(|m| !m.uses_classic_protocol()));
        if left == 0
            || (joining.is_some() && !goes_over)
            || !stay.all(|member| member.uses_classic_protocol())
            || !soft.config.consumer.migration_policy.downgrades()
            || left > usize::try_from(soft.config.classic_max_size).unwrap_or(0)
        {
            return false;
        }
        let stay = group.members.values().filter(|member| !gone.contains(&member.id)).map(|member| &**member);
        let mut members = Vec::new();
        for member in stay.chain(joining) {
            let target = group.target(&member.id, member.instance_id.as_ref());
            members.push((classic_member(member), target));
        }
        let mut classic = ClassicGroup::stable(group_id.clone(), group.epoch, members.iter(), turn.wall_ms);
        let chosen = classic.protocol_name.clone();
        for (member, target) in &members {
            let version =
                embedded::subscription(&member.metadata_of(chosen.as_ref())).map_or(0, |own| own.version);
            let topics = target.iter().map(|(topic, partitions)| (*topic, partitions.iter().collect()));
            let bytes = embedded::assignment_bytes(version, topics, &*soft.view);
            classic.set_assignment(&member.id, bytes);
        }
        if records::size_in_batch(&[classic.record()]) > soft.config.max_batch_bytes {
            return false;
        }
        turn.write_consumer_tombstones(group_id, group);
        if let Some(joining) = joining {
            // What this decision has written of it ends, too.
            turn.remove_consumer_member(group_id, &joining.id);
        }
        for member_id in group.members.keys() {
            turn.cancel_consumer_timers(group_id, member_id);
        }
        turn.write(classic.record());
        for (member, _) in &members {
            classic.renew_session(turn, &member.id);
        }
        turn.tell(GroupEvent::Migrated { group: group_id.clone(), to_consumer: false });
        if joining.is_none() {
            classic.rebalance(turn, &soft.config, Reason::Downgraded);
        }
        turn.split_if_large(soft);
        soft.consumer.remove(group_id);
        soft.classic.insert(group_id.clone(), classic);
        true
    }
}

/// A member as the consumer group has it, and its target: what the last leader gave it.
fn consumer_member(
    group: &ClassicGroup,
    member: &Member,
    view: &dyn ClusterView,
) -> Option<(ConsumerMember, Assignment)> {
    let chosen = match &group.protocol_name {
        Some(chosen) => member.metadata_of(Some(chosen)),
        None => member.protocols.first().map(|protocol| protocol.metadata.clone()).unwrap_or_default(),
    };
    let subscription = embedded::subscription(&chosen)?;
    let target = embedded::assignment(&member.assignment, view)?;
    let given = |partitions: &BTreeSet<i32>| -> BTreeMap<i32, i32> {
        partitions.iter().map(|partition| (*partition, group.generation)).collect()
    };
    let assigned: Held = target.iter().map(|(topic, partitions)| (*topic, given(partitions))).collect();
    let consumer = ConsumerMember {
        epoch: group.generation,
        previous_epoch: group.generation,
        state: MemberState::Stable,
        instance_id: member.instance_id.clone(),
        rack_id: subscription.rack_id,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        topic_names: subscription.topics,
        assigned,
        classic: Some(Arc::new(classic_metadata(member.session_timeout_ms, &member.protocols))),
        ..ConsumerMember::new(member.id.clone())
    };
    Some((consumer, target))
}

/// What a consumer group keeps of a member that speaks the classic protocol.
pub(super) fn classic_metadata(session_timeout_ms: i32, protocols: &[Protocol]) -> ClassicMemberMetadata {
    let protocol =
        |own: &Protocol| ClassicProtocol { name: own.name.clone(), metadata: own.metadata.clone() };
    ClassicMemberMetadata {
        session_timeout_ms,
        supported_protocols: protocols.iter().map(protocol).collect(),
    }
}

fn classic_member(member: &ConsumerMember) -> Member {
    let classic = member.classic.as_deref().cloned().unwrap_or_default();
    let protocols = classic.supported_protocols.into_iter();
    Member {
        id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        protocol_type: Str::from_static(super::super::classic::CONSUMER_PROTOCOL_TYPE),
        protocols: protocols.map(|own| Protocol { name: own.name, metadata: own.metadata }).collect(),
        assignment: Bytes::new(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}

/// What a classic member of a consumer group is told to have.
pub(super) fn assignment_for(member: &ConsumerMember, view: &dyn ClusterView) -> Bytes {
    let first = member.classic.as_deref().and_then(|classic| classic.supported_protocols.first());
    let version =
        first.and_then(|first| embedded::subscription(&first.metadata)).map_or(0, |own| own.version);
    let topics = member.assigned.iter();
    let topics = topics.map(|(topic, partitions): (&Uuid, _)| (*topic, partitions.keys().collect()));
    embedded::assignment_bytes(version, topics, view)
}
