//! ConsumerGroupDescribe: consumer groups as administrators see them, from committed state.

use super::super::assignor::Assignment;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, partitions_of};
use super::view::ClusterView;
use wire::messages::consumer_group_describe::{
    Assignment as DescribedAssignment, DescribedGroup, Member, TopicPartitions,
};
use wire::{ErrorCode, Str};

/// The member type of those who speak JoinGroup, and of the others.
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

impl GroupMachine {
    pub(crate) fn describe_consumer_groups(&self, soft: &GroupSoft, groups: &[Str]) -> Vec<DescribedGroup> {
        let described = groups.iter().map(|group_id| match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => describe(soft, group_id, group),
            Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) => refused(
                group_id,
                ErrorCode::GroupIdNotFound,
                Some(Str::from(format!("Group {group_id} is not a consumer group."))),
            ),
            None => refused(
                group_id,
                ErrorCode::GroupIdNotFound,
                Some(Str::from(format!("Group {group_id} not found."))),
            ),
        });
        described.collect()
    }
}

/// A group that nothing can be said of.
pub fn refused(group_id: &Str, error: ErrorCode, message: Option<Str>) -> DescribedGroup {
    DescribedGroup {
        group_id: group_id.clone(),
        error_code: error.code(),
        error_message: message,
        ..DescribedGroup::default()
    }
}

fn describe(soft: &GroupSoft, group_id: &Str, group: &ConsumerGroup) -> DescribedGroup {
    let assignor = group.preferred_assignor().unwrap_or(soft.config.consumer.default_assignor());
    DescribedGroup {
        group_id: group_id.clone(),
        group_state: Str::from_static(group.state().name()),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: Str::from_static(assignor.name()),
        members: group.members.values().map(|member| describe_member(soft, group, member)).collect(),
        ..DescribedGroup::default()
    }
}

fn describe_member(soft: &GroupSoft, group: &ConsumerGroup, member: &ConsumerMember) -> Member {
    let view = &*soft.view;
    let mut has = partitions_of(&member.assigned);
    for (topic, partitions) in partitions_of(&member.revoking) {
        has.entry(topic).or_default().extend(partitions);
    }
    let target = group.targets.get(&member.id);
    Member {
        member_id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.topic_names.iter().cloned().collect(),
        subscribed_topic_regex: member.topic_regex.clone(),
        assignment: described(view, &has),
        target_assignment: target.map(|target| described(view, target)).unwrap_or_default(),
        member_type: if member.uses_classic_protocol() { CLASSIC_MEMBER } else { CONSUMER_MEMBER },
    }
}

/// Topics that are gone have no name to be told by.
fn described(view: &dyn ClusterView, assignment: &Assignment) -> DescribedAssignment {
    let topics = assignment.iter().filter_map(|(topic_id, partitions)| {
        let topic = view.topic_by_id(*topic_id)?;
        Some(TopicPartitions {
            topic_id: *topic_id,
            topic_name: topic.name,
            partitions: partitions.iter().copied().collect(),
        })
    });
    DescribedAssignment { topic_partitions: topics.collect() }
}
