//! Streams groups (KIP-1071): describe. Their offsets are those of any group.

use super::groups::{GroupDescription, GroupEpochs, GroupMember, MemberTasks, only};
use super::{Admin, Whom};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use wire::messages::streams_group_describe::{
    Assignment, DescribedGroup, Member, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, TaskIds,
};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

impl Admin {
    pub(super) async fn describe_streams_group(
        &self,
        group_id: &Str,
        coordinator: i32,
    ) -> Result<GroupDescription> {
        let doing = format!("describe group {group_id:?}");
        let request = StreamsGroupDescribeRequest {
            group_ids: vec![group_id.clone()],
            ..StreamsGroupDescribeRequest::default()
        };
        let read = |answer: StreamsGroupDescribeResponse| {
            only(answer.groups, |group| (group.error_code, group.error_message.as_deref()), &doing)
        };
        match self.ask(Whom::Coordinator(group_id), &request, &doing, read).await {
            Ok(group) => Ok(described(group, coordinator)),
            // A broker without that protocol has no such groups.
            Err(error)
                if matches!(error, Error::Unsupported { .. })
                    || error.code() == Some(ErrorCode::UnsupportedVersion) =>
            {
                Err(Error::refused(ErrorCode::GroupIdNotFound, doing))
            }
            Err(error) => Err(error),
        }
    }
}

/// What a subtopology reads.
type Sources = BTreeMap<Str, Vec<Str>>;

fn described(group: DescribedGroup, coordinator: i32) -> GroupDescription {
    let subtopologies = group.topology.iter().flat_map(|topology| topology.subtopologies.iter().flatten());
    let sources: Sources = subtopologies
        .map(|one| {
            let own = one.repartition_source_topics.iter().map(|topic| &topic.name);
            let names = one.source_topics.iter().chain(own).map(Str::detached).collect();
            (one.subtopology_id.detached(), names)
        })
        .collect();
    GroupDescription {
        group_id: group.group_id.detached(),
        group_type: "Streams".into(),
        state: group.group_state.detached(),
        protocol_type: "streams".into(),
        assignor: group.assignor_name.map(|name| name.detached()).unwrap_or_default(),
        coordinator,
        epochs: Some(GroupEpochs { group: group.group_epoch, assignment: group.assignment_epoch }),
        members: group.members.iter().map(|member| of_member(member, &sources)).collect(),
    }
}

fn of_member(member: &Member, sources: &Sources) -> GroupMember {
    GroupMember {
        member_id: member.member_id.detached(),
        instance_id: super::non_empty(&member.instance_id),
        client_id: member.client_id.detached(),
        host: member.client_host.detached(),
        epoch: Some(member.member_epoch),
        topics: sources.values().flatten().cloned().collect(),
        assignment: partitions(&member.assignment.active_tasks, sources),
        target: Some(partitions(&member.target_assignment.active_tasks, sources)),
        tasks: Some(tasks(&member.assignment)),
    }
}

/// A task reads the partition of its number of each source that has it; which has fewer the topology does not tell.
fn partitions(tasks: &[TaskIds], sources: &Sources) -> Vec<TopicPartition> {
    let of = |ids: &TaskIds| {
        let names = sources.get(&ids.subtopology_id).into_iter().flatten();
        let each = names.flat_map(|name| {
            ids.partitions.iter().map(|partition| TopicPartition::new(name.clone(), *partition))
        });
        each.collect::<Vec<TopicPartition>>()
    };
    tasks.iter().flat_map(of).collect()
}

fn tasks(assignment: &Assignment) -> MemberTasks {
    let names = |tasks: &[TaskIds]| {
        let of = |ids: &TaskIds| {
            let id = ids.subtopology_id.detached();
            ids.partitions
                .iter()
                .map(|partition| Str::from(format!("{id}_{partition}")))
                .collect::<Vec<Str>>()
        };
        tasks.iter().flat_map(of).collect()
    };
    MemberTasks {
        active: names(&assignment.active_tasks),
        standby: names(&assignment.standby_tasks),
        warmup: names(&assignment.warmup_tasks),
    }
}
