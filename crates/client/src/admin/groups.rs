//! Groups: list (KIP-222, 518), describe (KIP-848 for those of the newer protocol), delete (KIP-229), and their committed offsets
//! (KIP-396, 496).

use super::{Admin, Each, Whom};
use crate::consumer::protocol::{PROTOCOL_TYPE, decode_assignment, decode_topics};
use crate::error::{Error, Result};
use crate::group_offsets::{self, CommittedOffset, Committer};
use std::collections::BTreeMap;
use wire::messages::consumer_group_describe::{self, ConsumerGroupDescribeRequest};
use wire::messages::delete_groups::DeleteGroupsRequest;
use wire::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup, DescribedGroupMember};
use wire::messages::list_groups::ListGroupsRequest;
use wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// A group as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: Str,
    /// `consumer`, `connect`…; empty for a group that only commits.
    pub protocol_type: Str,
    /// Its state, in Kafka's words; empty from brokers that do not say.
    pub state: Str,
    /// `Classic`, `Consumer`, `Share`, `Streams`; empty from brokers that do not say.
    pub group_type: Str,
}

/// A group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub group_id: Str,
    /// `Classic`, `Consumer`, `Share` or `Streams`.
    pub group_type: Str,
    /// Its state, in Kafka's words.
    pub state: Str,
    /// `consumer`, `connect`…
    pub protocol_type: Str,
    /// Who decides on partitions.
    pub assignor: Str,
    /// The node that coordinates it.
    pub coordinator: i32,
    /// Of a group of the consumer protocol (KIP-848), a share or a streams group: its epoch, and that of the assignment that members are brought to.
    pub epochs: Option<GroupEpochs>,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// How far a group of the consumer protocol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEpochs {
    /// Grows with each change of members, subscriptions or topics.
    pub group: i32,
    /// Of the group when the assignment was computed.
    pub assignment: i32,
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: Str,
    /// Set for static members.
    pub instance_id: Option<Str>,
    /// Its `client.id`.
    pub client_id: Str,
    /// Where it connects from.
    pub host: Str,
    /// In a group of the consumer protocol: of the assignment that it has.
    pub epoch: Option<i32>,
    /// Topics that it subscribes to.
    pub topics: Vec<Str>,
    /// Partitions that it has.
    pub assignment: Vec<TopicPartition>,
    /// In a group of the consumer protocol: partitions that it is brought to, step by step.
    pub target: Option<Vec<TopicPartition>>,
    /// In a streams group: the tasks that it has; of its active ones the partitions are those of the topics that they read.
    pub tasks: Option<MemberTasks>,
}

/// What a member of a streams group has: tasks by subtopology and partition, as in `0_1`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberTasks {
    /// It processes them.
    pub active: Vec<Str>,
    /// It keeps a copy of their state.
    pub standby: Vec<Str>,
    /// It restores their state, to process them afterwards.
    pub warmup: Vec<Str>,
}

impl Admin {
    /// Every group of every broker; filters by state and type, in Kafka's words, unless empty. Cancel-safe.
    pub async fn list_groups(&self, states: &[Str], types: &[Str]) -> Result<Vec<GroupListing>> {
        let request = ListGroupsRequest { states_filter: states.to_vec(), types_filter: types.to_vec() };
        let mut groups = BTreeMap::new();
        for node in self.nodes().await? {
            let listed = self
                .ask(Whom::Node(node), &request, "list groups", |answer| {
                    Error::check(answer.error_code, None, || "list groups".to_owned())?;
                    Ok(answer.groups)
                })
                .await?;
            for group in listed {
                let listing = GroupListing {
                    group_id: group.group_id.detached(),
                    protocol_type: group.protocol_type.detached(),
                    state: group.group_state.detached(),
                    group_type: as_tools_spell(&group.group_type),
                };
                groups.insert(listing.group_id.clone(), listing);
            }
        }
        Ok(groups.into_values().collect())
    }

    /// One group, of the classic or of the newer consumer protocol, a share or a streams group; `GROUP_ID_NOT_FOUND` where there is none. Cancel-safe.
    pub async fn describe_group(&self, group_id: &Str) -> Result<GroupDescription> {
        let doing = format!("describe group {group_id:?}");
        let request =
            DescribeGroupsRequest { groups: vec![group_id.clone()], include_authorized_operations: false };
        let described = self
            .ask(Whom::Coordinator(group_id), &request, &doing, |answer| {
                only(answer.groups, |group| (group.error_code, group.error_message.as_deref()), &doing)
            })
            .await;
        let coordinator =
            self.cluster.find_coordinator(crate::cluster::CoordinatorKind::Group, group_id).await?;
        match described {
            Ok(group) if &*group.group_state != "Dead" => Ok(classic(group, coordinator)),
            Ok(_dead) => self.describe_consumer_group(group_id, coordinator).await,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
                self.describe_consumer_group(group_id, coordinator).await
            }
            Err(error) => Err(error),
        }
    }

    async fn describe_consumer_group(&self, group_id: &Str, coordinator: i32) -> Result<GroupDescription> {
        let doing = format!("describe group {group_id:?}");
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![group_id.clone()],
            include_authorized_operations: false,
        };
        let read = |answer: consumer_group_describe::ConsumerGroupDescribeResponse| {
            only(answer.groups, |group| (group.error_code, group.error_message.as_deref()), &doing)
        };
        match self.ask(Whom::Coordinator(group_id), &request, &doing, read).await {
            Ok(group) => Ok(modern(group, coordinator)),
            Err(error @ Error::Unsupported { .. }) => {
                // A broker without that protocol has no such groups.
                tracing::debug!(%error, "no group of the consumer protocol");
                self.describe_share_group(group_id, coordinator).await
            }
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
                self.describe_share_group(group_id, coordinator).await
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes groups without members, by id; an item's error is `NON_EMPTY_GROUP` or `GROUP_ID_NOT_FOUND`. Cancel-safe: a dropped
    /// call may still delete.
    pub async fn delete_groups(&self, group_ids: &[Str]) -> Result<Each<Str, ()>> {
        let mut each = Each::new();
        for group_id in group_ids {
            let doing = format!("delete group {group_id:?}");
            let request = DeleteGroupsRequest { groups_names: vec![group_id.clone()] };
            let deleted = self
                .ask(Whom::Coordinator(group_id), &request, &doing, |answer| {
                    only(answer.results, |one| (one.error_code, one.error_message.as_deref()), &doing)
                        .map(drop)
                })
                .await;
            each.insert(group_id.clone(), deleted);
        }
        Ok(each)
    }

    /// All committed offsets of a group; none of a group that does not exist. Cancel-safe.
    pub async fn group_offsets(&self, group_id: &Str) -> Result<Each<TopicPartition, CommittedOffset>> {
        group_offsets::committed(&self.cluster, group_id, None, false, self.within).await
    }

    /// Commits offsets for a group without members; with members it is refused as `UNKNOWN_MEMBER_ID`. Cancel-safe: a dropped call
    /// may still commit.
    pub async fn alter_group_offsets(
        &self,
        group_id: &Str,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<Each<TopicPartition, ()>> {
        group_offsets::commit(&self.cluster, &Committer::nobody(group_id.clone()), offsets, self.within).await
    }

    /// Forgets committed offsets of partitions that no member subscribes to (`GROUP_SUBSCRIBED_TO_TOPIC` otherwise). Cancel-safe: a
    /// dropped call may still delete.
    pub async fn delete_group_offsets(
        &self,
        group_id: &Str,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>> {
        let doing = format!("delete offsets of group {group_id:?}");
        let mut by_topic: BTreeMap<Str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for target in partitions {
            let one = OffsetDeleteRequestPartition { partition_index: target.partition };
            by_topic.entry(target.topic.clone()).or_default().push(one);
        }
        let topics =
            by_topic.into_iter().map(|(name, partitions)| OffsetDeleteRequestTopic { name, partitions });
        let request = OffsetDeleteRequest { group_id: group_id.clone(), topics: topics.collect() };
        self.ask(Whom::Coordinator(group_id), &request, &doing, |answer| {
            Error::check(answer.error_code, None, || doing.clone())?;
            let mut each = Each::new();
            for topic in answer.topics {
                for one in topic.partitions {
                    let target = TopicPartition::new(topic.name.detached(), one.partition_index);
                    let checked =
                        Error::check(one.error_code, None, || format!("delete the offset of {target}"));
                    each.insert(target, checked);
                }
            }
            Ok(each)
        })
        .await
    }
}

fn classic(group: DescribedGroup, coordinator: i32) -> GroupDescription {
    let is_consumer = &*group.protocol_type == PROTOCOL_TYPE;
    let member = |member: DescribedGroupMember| GroupMember {
        member_id: member.member_id.detached(),
        instance_id: super::non_empty(&member.group_instance_id),
        client_id: member.client_id.detached(),
        host: member.client_host.detached(),
        epoch: None,
        topics: if is_consumer { decode_topics(member.member_metadata) } else { Vec::new() },
        // A member of another kind of group carries bytes of its own; a member between two rounds carries none.
        assignment: if is_consumer {
            decode_assignment(member.member_assignment).unwrap_or_default().into_iter().collect()
        } else {
            Vec::new()
        },
        target: None,
        tasks: None,
    };
    GroupDescription {
        group_id: group.group_id.detached(),
        group_type: "Classic".into(),
        state: group.group_state.detached(),
        protocol_type: group.protocol_type.detached(),
        assignor: group.protocol_data.detached(),
        coordinator,
        epochs: None,
        members: group.members.into_iter().map(member).collect(),
    }
}

fn modern(group: consumer_group_describe::DescribedGroup, coordinator: i32) -> GroupDescription {
    let member = |member: consumer_group_describe::Member| {
        let one = |topic: consumer_group_describe::TopicPartitions| {
            let name = topic.topic_name.detached();
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        GroupMember {
            member_id: member.member_id.detached(),
            instance_id: super::non_empty(&member.instance_id),
            client_id: member.client_id.detached(),
            host: member.client_host.detached(),
            epoch: Some(member.member_epoch),
            topics: member.subscribed_topic_names.iter().map(Str::detached).collect(),
            assignment: member.assignment.topic_partitions.into_iter().flat_map(one).collect(),
            target: Some(member.target_assignment.topic_partitions.into_iter().flat_map(one).collect()),
            tasks: None,
        }
    };
    GroupDescription {
        group_id: group.group_id.detached(),
        group_type: "Consumer".into(),
        state: group.group_state.detached(),
        protocol_type: PROTOCOL_TYPE.into(),
        assignor: group.assignor_name.detached(),
        coordinator,
        epochs: Some(GroupEpochs { group: group.group_epoch, assignment: group.assignment_epoch }),
        members: group.members.into_iter().map(member).collect(),
    }
}

/// What an answer about one group says of it; `GROUP_ID_NOT_FOUND` where it says nothing. `verdict`: its error code and message.
pub(super) fn only<T>(groups: Vec<T>, verdict: impl Fn(&T) -> (i16, Option<&str>), doing: &str) -> Result<T> {
    let group = groups.into_iter().next();
    let group = group.ok_or_else(|| Error::refused(ErrorCode::GroupIdNotFound, doing))?;
    let (code, message) = verdict(&group);
    Error::check(code, message, || doing.to_owned())?;
    Ok(group)
}

/// Brokers write `classic`, Kafka's tools `Classic`.
fn as_tools_spell(group_type: &Str) -> Str {
    let mut letters = group_type.chars();
    letters
        .next()
        .map_or_else(Str::new, |first| first.to_uppercase().chain(letters).collect::<String>().into())
}
