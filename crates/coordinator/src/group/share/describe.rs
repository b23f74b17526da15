//! ShareGroupDescribe: share groups as administrators see them, from committed state.

use super::super::state::{Group, GroupMachine, GroupSoft};
use super::group::ShareGroup;
use super::member::ShareMember;
use std::collections::BTreeSet;
use wire::messages::share_group_describe::{Assignment, DescribedGroup, Member, TopicPartitions};
use wire::{ErrorCode, Str, Uuid};

impl GroupMachine {
    pub(crate) fn describe_share_groups(&self, soft: &GroupSoft, groups: &[Str]) -> Vec<DescribedGroup> {
        let not_found = |group_id: &Str, why: &str| {
            let message = Str::from(format!("Group {group_id} {why}"));
            refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
        };
        let described = groups.iter().map(|group_id| match self.groups.get(group_id) {
            Some(Group::Share(group)) => describe(soft, group_id, group),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Streams(_)) => {
                not_found(group_id, "is not a share group.")
            }
            None => not_found(group_id, "not found."),
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

fn describe(soft: &GroupSoft, group_id: &Str, group: &ShareGroup) -> DescribedGroup {
    DescribedGroup {
        group_id: group_id.clone(),
        group_state: Str::from_static(group.state()),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: Str::from_static("simple"),
        members: group.members.values().map(|member| describe_member(soft, member)).collect(),
        ..DescribedGroup::default()
    }
}

/// Topics that are gone have no name to be told by.
fn describe_member(soft: &GroupSoft, member: &ShareMember) -> Member {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| {
        let topic = soft.view.topic_by_id(*topic_id)?;
        let partitions = partitions.iter().copied().collect();
        Some(TopicPartitions { topic_id: *topic_id, topic_name: topic.name, partitions })
    };
    Member {
        member_id: member.id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.topic_names.iter().cloned().collect(),
        assignment: Assignment { topic_partitions: member.assigned.iter().filter_map(topic).collect() },
    }
}
