//! Share groups (KIP-932): describe, where they are in each partition, move and delete that. And how old what a group has not read is, of
//! whatever type it may be.

use super::groups::{GroupDescription, GroupEpochs, GroupMember, only};
use super::{Admin, Each, Whom};
use crate::consumer::ConsumerBuilder;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use wire::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequestTopic,
};
use wire::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
};
use wire::messages::share_group_describe::{self, ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// Where a share group is in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareOffset {
    /// The first record that is not done with.
    pub start_offset: i64,
    /// Records from there on that are not done with; `None` where the broker does not know (KIP-1226).
    pub lag: Option<i64>,
}

impl Admin {
    pub(super) async fn describe_share_group(
        &self,
        group_id: &Str,
        coordinator: i32,
    ) -> Result<GroupDescription> {
        let doing = format!("describe group {group_id:?}");
        let request = ShareGroupDescribeRequest {
            group_ids: vec![group_id.clone()],
            include_authorized_operations: false,
        };
        let read = |answer: ShareGroupDescribeResponse| {
            only(answer.groups, |group| (group.error_code, group.error_message.as_deref()), &doing)
        };
        match self.ask(Whom::Coordinator(group_id), &request, &doing, read).await {
            Ok(group) => Ok(described(group, coordinator)),
            Err(error @ Error::Unsupported { .. }) => {
                // A broker without that protocol has no such groups.
                tracing::debug!(%error, "no share group");
                self.describe_streams_group(group_id, coordinator).await
            }
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
                self.describe_streams_group(group_id, coordinator).await
            }
            Err(error) => Err(error),
        }
    }

    /// Where a share group is in each partition that it shares; partitions in which it has not begun are left out. Cancel-safe.
    pub async fn share_group_offsets(&self, group_id: &Str) -> Result<Each<TopicPartition, ShareOffset>> {
        let doing = format!("describe the offsets of share group {group_id:?}");
        let group = DescribeShareGroupOffsetsRequestGroup { group_id: group_id.clone(), topics: None };
        let request = DescribeShareGroupOffsetsRequest { groups: vec![group] };
        self.ask(Whom::Coordinator(group_id), &request, &doing, |answer| {
            let group =
                only(answer.groups, |group| (group.error_code, group.error_message.as_deref()), &doing)?;
            let mut each = Each::new();
            for topic in group.topics {
                for one in topic.partitions {
                    let target = TopicPartition::new(topic.topic_name.detached(), one.partition_index);
                    let doing = || format!("describe where share group {group_id:?} is in {target}");
                    let checked = Error::check(one.error_code, one.error_message.as_deref(), doing);
                    if checked.is_ok() && one.start_offset < 0 {
                        continue;
                    }
                    let lag = Some(one.lag).filter(|lag| *lag >= 0);
                    let offset = ShareOffset { start_offset: one.start_offset, lag };
                    super::item(&mut each, target, checked.map(|()| offset))?;
                }
            }
            Ok(each)
        })
        .await
    }

    /// Has a share group without members begin there; a whole request's refusal is `NON_EMPTY_GROUP` or `GROUP_ID_NOT_FOUND`.
    /// Cancel-safe: a dropped call may still alter.
    pub async fn alter_share_group_offsets(
        &self,
        group_id: &Str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<Each<TopicPartition, ()>> {
        let doing = format!("alter the offsets of share group {group_id:?}");
        let mut by_topic: BTreeMap<Str, Vec<AlterShareGroupOffsetsRequestPartition>> = BTreeMap::new();
        for (target, &start_offset) in offsets {
            let partition_index = target.partition;
            let one = AlterShareGroupOffsetsRequestPartition { partition_index, start_offset };
            by_topic.entry(target.topic.clone()).or_default().push(one);
        }
        let topic = |(topic_name, partitions)| AlterShareGroupOffsetsRequestTopic { topic_name, partitions };
        let topics = by_topic.into_iter().map(topic).collect();
        let request = AlterShareGroupOffsetsRequest { group_id: group_id.clone(), topics };
        self.ask(Whom::Coordinator(group_id), &request, &doing, |answer| {
            Error::check(answer.error_code, answer.error_message.as_deref(), || doing.clone())?;
            let mut each = Each::new();
            for topic in answer.responses {
                for one in topic.partitions {
                    let target = TopicPartition::new(topic.topic_name.detached(), one.partition_index);
                    let doing = || format!("alter the offset of {target}");
                    let checked = Error::check(one.error_code, one.error_message.as_deref(), doing);
                    super::item(&mut each, target, checked)?;
                }
            }
            Ok(each)
        })
        .await
    }

    /// Has a share group without members forget where it is in whole topics. Cancel-safe: a dropped call may still delete.
    pub async fn delete_share_group_offsets(
        &self,
        group_id: &Str,
        topics: &BTreeSet<Str>,
    ) -> Result<Each<Str, ()>> {
        let doing = format!("delete offsets of share group {group_id:?}");
        let topic = |topic_name: &Str| DeleteShareGroupOffsetsRequestTopic { topic_name: topic_name.clone() };
        let topics = topics.iter().map(topic).collect();
        let request = DeleteShareGroupOffsetsRequest { group_id: group_id.clone(), topics };
        self.ask(Whom::Coordinator(group_id), &request, &doing, |answer| {
            Error::check(answer.error_code, answer.error_message.as_deref(), || doing.clone())?;
            let mut each = Each::new();
            for topic in answer.responses {
                let name = topic.topic_name.detached();
                let doing = || format!("delete the offsets of {name}");
                let checked = Error::check(topic.error_code, topic.error_message.as_deref(), doing);
                super::item(&mut each, name.clone(), checked)?;
            }
            Ok(each)
        })
        .await
    }

    /// The times of the first records at or after these offsets, in milliseconds since the epoch; without those that did not come within
    /// `limit`. Cancel-safe.
    pub async fn record_times(
        &self,
        offsets: &BTreeMap<TopicPartition, i64>,
        limit: Duration,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut times = BTreeMap::new();
        if offsets.is_empty() {
            return Ok(times);
        }
        let builder = ConsumerBuilder::new(self.cluster.clone(), None)
            .property("max.partition.fetch.bytes", "1")?
            .property("allow.auto.create.topics", "false")?
            .property("auto.offset.reset", "earliest")?;
        let mut reader = builder.partitions(offsets.keys().cloned()).build()?;
        for (target, &offset) in offsets {
            reader.seek(target, offset)?;
        }
        let deadline = tokio::time::Instant::now() + limit;
        while times.len() < offsets.len() {
            let Ok(Some(read)) = tokio::time::timeout_at(deadline, reader.next()).await else { break };
            // What cannot be read has no age.
            let Ok(record) = read else { continue };
            let target = TopicPartition::new(record.topic, record.partition);
            let _paused = reader.pause([&target]);
            times.entry(target).or_insert(record.timestamp_ms);
        }
        Ok(times)
    }
}

fn described(group: share_group_describe::DescribedGroup, coordinator: i32) -> GroupDescription {
    let member = |member: share_group_describe::Member| {
        let one = |topic: share_group_describe::TopicPartitions| {
            let name = topic.topic_name.detached();
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        GroupMember {
            member_id: member.member_id.detached(),
            instance_id: None,
            client_id: member.client_id.detached(),
            host: member.client_host.detached(),
            epoch: Some(member.member_epoch),
            topics: member.subscribed_topic_names.iter().map(Str::detached).collect(),
            assignment: member.assignment.topic_partitions.into_iter().flat_map(one).collect(),
            target: None,
            tasks: None,
        }
    };
    GroupDescription {
        group_id: group.group_id.detached(),
        group_type: "Share".into(),
        state: group.group_state.detached(),
        protocol_type: "share".into(),
        assignor: group.assignor_name.detached(),
        coordinator,
        epochs: Some(GroupEpochs { group: group.group_epoch, assignment: group.assignment_epoch }),
        members: group.members.into_iter().map(member).collect(),
    }
}
