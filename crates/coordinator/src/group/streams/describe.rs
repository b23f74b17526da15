//! StreamsGroupDescribe: streams groups as administrators see them, from committed state.

use super::super::state::{Group, GroupMachine, GroupSoft};
use super::group::{StreamsGroup, TaskOffsets, ToldOffsets};
use super::member::StreamsMember;
use super::tasks::{TaskSets, Tasks};
use super::topics::{ConfiguredSubtopology, InternalTopic};
use super::topology::Topology as KnownTopology;
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::streams_group_describe::{
    Assignment, DescribedGroup, Endpoint, KeyValue, Member, Subtopology, TaskIds, TaskOffset, TopicInfo,
    Topology,
};
use wire::records::group::StreamsGroupTopologyValueTopicInfo as ToldTopic;
use wire::{ErrorCode, Str};

impl GroupMachine {
    pub(crate) fn describe_streams_groups(&self, soft: &GroupSoft, groups: &[Str]) -> Vec<DescribedGroup> {
        let not_found = |group_id: &Str, why: &str| {
            let message = Str::from(format!("Group {group_id} {why}"));
            refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
        };
        let described = groups.iter().map(|group_id| match self.groups.get(group_id) {
            Some(Group::Streams(group)) => describe(soft, group_id, group),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Share(_)) => {
                not_found(group_id, "is not a streams group.")
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

fn describe(soft: &GroupSoft, group_id: &Str, group: &StreamsGroup) -> DescribedGroup {
    let known = soft.streams.get(group_id);
    let configured = known.and_then(|soft| soft.configured.as_deref()).filter(|one| one.is_ready());
    let topology = match configured.map(|configured| (configured.epoch, &configured.subtopologies)) {
        Some((epoch, Some(subtopologies))) => Some(Topology {
            epoch,
            subtopologies: Some(subtopologies.iter().map(configured_subtopology).collect()),
        }),
        Some((_, None)) | None => group.topology.as_deref().map(told_topology),
    };
    let nothing = ToldOffsets::default();
    let members = group.members.values().map(|member| {
        let told = known.and_then(|soft| soft.told.get(&member.id)).map_or(&nothing, |told| &**told);
        describe_member(member, group.targets.get(&member.id).map(|target| &**target), told)
    });
    DescribedGroup {
        group_id: group_id.clone(),
        group_state: Str::from_static(group.state()),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        topology,
        members: members.collect(),
        assignor_name: Some(Str::from_static(super::ASSIGNOR)),
        ..DescribedGroup::default()
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a Str>) -> Vec<Str> {
    let mut names: Vec<Str> = names.cloned().collect();
    names.sort();
    names
}

fn configured_subtopology((id, one): (&Str, &ConfiguredSubtopology)) -> Subtopology {
    let pair = |(key, value): (&Str, &Str)| KeyValue { key: key.clone(), value: value.clone() };
    let info = |(name, topic): (&Str, &InternalTopic)| TopicInfo {
        name: name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic.configs.iter().map(pair).collect(),
    };
    Subtopology {
        subtopology_id: id.clone(),
        source_topics: sorted(one.source_topics.iter()),
        repartition_sink_topics: sorted(one.repartition_sink_topics.iter()),
        state_changelog_topics: one.state_changelog_topics.iter().map(info).collect(),
        repartition_source_topics: one.repartition_source_topics.iter().map(info).collect(),
    }
}

fn told_topology(topology: &KnownTopology) -> Topology {
    let info = |topic: &ToldTopic| TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic
            .topic_configs
            .iter()
            .map(|config| KeyValue { key: config.key.clone(), value: config.value.clone() })
            .collect(),
    };
    let infos = |topics: &[ToldTopic]| {
        let mut infos: Vec<TopicInfo> = topics.iter().map(info).collect();
        infos.sort_by(|one, other| one.name.cmp(&other.name));
        infos
    };
    let subtopologies = topology.subtopologies.iter().map(|(id, one)| Subtopology {
        subtopology_id: id.clone(),
        source_topics: sorted(one.source_topics.iter()),
        repartition_sink_topics: sorted(one.repartition_sink_topics.iter()),
        state_changelog_topics: infos(&one.state_changelog_topics),
        repartition_source_topics: infos(&one.repartition_source_topics),
    });
    Topology { epoch: topology.epoch, subtopologies: Some(subtopologies.collect()) }
}

fn task_ids(tasks: &Tasks) -> Vec<TaskIds> {
    let of = |(id, partitions): (&Str, &BTreeSet<i32>)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
    };
    tasks.iter().map(of).collect()
}

fn task_offsets(offsets: &TaskOffsets) -> Vec<TaskOffset> {
    let of = |(id, partitions): (&Str, &BTreeMap<i32, i64>)| {
        let id = id.clone();
        let of = move |(partition, offset): (&i32, &i64)| TaskOffset {
            subtopology_id: id.clone(),
            partition: *partition,
            offset: *offset,
        };
        partitions.iter().map(of).collect::<Vec<TaskOffset>>()
    };
    offsets.iter().flat_map(of).collect()
}

fn describe_member(member: &StreamsMember, target: Option<&TaskSets>, told: &ToldOffsets) -> Member {
    let target = target.map(|target| Assignment {
        active_tasks: task_ids(&target.active),
        standby_tasks: task_ids(&target.standby),
        warmup_tasks: task_ids(&target.warmup),
    });
    Member {
        member_id: member.id.clone(),
        member_epoch: member.epoch,
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topology_epoch: member.topology_epoch,
        process_id: member.process_id.clone(),
        user_endpoint: member
            .user_endpoint
            .as_ref()
            .map(|endpoint| Endpoint { host: endpoint.host.clone(), port: endpoint.port }),
        client_tags: member
            .client_tags
            .iter()
            .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
        task_offsets: task_offsets(&told.offsets),
        task_end_offsets: task_offsets(&told.end_offsets),
        assignment: Assignment {
            active_tasks: task_ids(&member.assigned.active_tasks()),
            standby_tasks: task_ids(&member.assigned.standby),
            warmup_tasks: task_ids(&member.assigned.warmup),
        },
        target_assignment: target.unwrap_or_default(),
        ..Member::default()
    }
}
