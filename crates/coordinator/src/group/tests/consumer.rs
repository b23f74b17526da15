//! Consumer groups in dialogues: what is said (`beat`, `describe-consumer`, `resolve`), the cluster that they see (`topics a=3 b=2`), and
//! their records and answers as one line of text each. A topic's id is its name.

use crate::group::consumer::{
    ClusterView, ConsumerHeartbeatAnswer, GroupSetting, Resolved, ToResolve, TopicView,
};
use crate::group::{Caller, GroupCommand, GroupRecord};
use crate::pattern::Pattern;
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::messages::consumer_group_describe::{Assignment, DescribedGroup};
use wire::messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use wire::records::group::TopicPartitions as Held;
use wire::{ErrorCode, Str, Uuid};

/// A cluster of topics.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub version: i64,
    pub topics: BTreeMap<Str, i32>,
}

impl ClusterView for Cluster {
    fn version(&self) -> i64 {
        self.version
    }
    fn topic(&self, name: &str) -> Option<TopicView> {
        let (name, partitions) = self.topics.get_key_value(name)?;
        Some(TopicView { id: id_of(name), name: name.clone(), partitions: *partitions })
    }
    fn topic_by_id(&self, id: Uuid) -> Option<TopicView> {
        self.topic(&name_of(id))
    }
    fn each_topic(&self, see: &mut dyn FnMut(&Str)) {
        self.topics.keys().for_each(see);
    }
    fn racks(&self, _topic: &str, partition: i32) -> Vec<Str> {
        vec![Str::from(format!("rack{partition}"))]
    }
    fn group_text(&self, _group: &str, _setting: GroupSetting) -> Option<String> {
        None
    }
}

pub fn id_of(name: &str) -> Uuid {
    let mut id = [0; 16];
    for (place, byte) in id.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    Uuid(id)
}

pub fn name_of(id: Uuid) -> String {
    String::from_utf8_lossy(&id.0).trim_end_matches('\0').to_owned()
}

/// What a heartbeat says; lists are separated by commas, partitions by plusses: `owned=a:0+1,b:2`.
pub struct Said<'a> {
    pub group: Str,
    pub caller: Caller,
    pub text: &'a dyn Fn(&str) -> Option<&'a str>,
}

pub fn beat(said: &Said<'_>) -> GroupCommand {
    let text = |key: &str| (said.text)(key).map(Str::from);
    let list =
        |list: &str| -> Vec<Str> { list.split(',').filter(|item| !item.is_empty()).map(Str::from).collect() };
    let epoch = (said.text)("epoch").map_or(0, |epoch| epoch.parse().unwrap());
    let owned = (said.text)("owned").map(|owned| owned.split(',').filter_map(owned_topic).collect());
    let request = ConsumerGroupHeartbeatRequest {
        group_id: said.group.clone(),
        member_id: text("member").unwrap_or_default(),
        member_epoch: epoch,
        instance_id: text("instance"),
        rack_id: text("rack"),
        rebalance_timeout_ms: (said.text)("rebalance")
            .map_or(if epoch == 0 { 60_000 } else { -1 }, |time| time.parse().unwrap()),
        subscribed_topic_names: (said.text)("names").map(list),
        subscribed_topic_regex: text("regex"),
        server_assignor: text("assignor"),
        topic_partitions: owned.or((epoch == 0).then(Vec::new)),
    };
    GroupCommand::ConsumerHeartbeat { caller: said.caller.clone(), request: Box::new(request) }
}

fn owned_topic(item: &str) -> Option<TopicPartitions> {
    let (topic, partitions) = item.split_once(':')?;
    let partitions = partitions.split('+').map(|partition| partition.parse().unwrap()).collect();
    Some(TopicPartitions { topic_id: id_of(topic), partitions })
}

/// What a leader of the classic protocol gives one of its members.
pub fn assignment(topic: &str, partitions: &[i32]) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend((topic.len() as i16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend((partitions.len() as i32).to_be_bytes());
    partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
    bytes.extend((-1i32).to_be_bytes());
    Bytes::from(bytes)
}

/// As the handler does it.
pub fn resolve(ToResolve { group, patterns, seen }: ToResolve) -> GroupCommand {
    let topics = patterns.into_iter().map(|text| {
        let pattern = Pattern::parse(&text).unwrap();
        let mut found = std::collections::BTreeSet::new();
        seen.0.each_topic(&mut |name| {
            if pattern.matches(name) {
                found.insert(name.clone());
            }
        });
        (text, found)
    });
    let resolved = Resolved { group, topics: topics.collect(), version: seen.0.version() };
    GroupCommand::RegexesResolved { resolved }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(" "))
}

fn partitions(topic: Uuid, partitions: &[i32]) -> String {
    let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    format!("{}:{}", name_of(topic), partitions.join("+"))
}

pub fn heartbeat(answer: &ConsumerHeartbeatAnswer) -> String {
    let response = &answer.response;
    let mut line = format!("ConsumerGroupHeartbeat {}", ErrorCode::from_code(response.error_code).name());
    if let Some(message) = &response.error_message {
        line += &format!(" {:?}", message.as_str());
    }
    if response.error_code != 0 {
        return line;
    }
    let member = response.member_id.clone().unwrap_or_default();
    line += &format!(" member={member} epoch={}", response.member_epoch);
    if let Some(assignment) = &response.assignment {
        let topics = assignment.topic_partitions.iter();
        line += &format!(" has {}", list(topics.map(|one| partitions(one.topic_id, &one.partitions))));
    }
    if let Some(to_resolve) = &answer.resolve {
        line += &format!(" resolve {}", to_resolve.patterns.join(" "));
    }
    line
}

pub fn described(group: &DescribedGroup) -> String {
    if group.error_code != 0 {
        let message = group.error_message.clone().unwrap_or_default();
        return format!("{} {} {message:?}", group.group_id, ErrorCode::from_code(group.error_code).name());
    }
    let topics = |assignment: &Assignment| {
        let topics = assignment.topic_partitions.iter();
        list(topics.map(|one| partitions(one.topic_id, &one.partitions)))
    };
    let members = group.members.iter().map(|member| {
        let kind = if member.member_type == 0 { " classic" } else { "" };
        let instance = member.instance_id.as_ref().map(|id| format!("({id})")).unwrap_or_default();
        format!(
            "\n    {}{instance} epoch={}{kind} has {} of {}",
            member.member_id,
            member.member_epoch,
            topics(&member.assignment),
            topics(&member.target_assignment)
        )
    });
    let (state, assignor) = (&group.group_state, &group.assignor_name);
    let (epoch, target) = (group.group_epoch, group.assignment_epoch);
    let members: Vec<String> = members.collect();
    format!("{} {state} epoch={epoch} assigned={target} {assignor}{}", group.group_id, members.concat())
}

pub fn written(record: &GroupRecord) -> Option<String> {
    Some(match record {
        GroupRecord::ConsumerGroupMetadata { group, value } => match value {
            Some(value) => format!("consumer group {group} epoch={}", value.epoch),
            None => format!("consumer group {group} tombstone"),
        },
        GroupRecord::ConsumerPartitionMetadata { group, value } => {
            let what = if value.is_some() { "written" } else { "tombstone" };
            format!("consumer partition metadata {group} {what}")
        }
        GroupRecord::ConsumerMember { group, member_id, value } => match value {
            Some(value) => {
                let names = value.subscribed_topic_names.join("+");
                let regex = value.subscribed_topic_regex.clone().filter(|regex| !regex.is_empty());
                let regex = regex.map(|regex| format!(" regex={regex}")).unwrap_or_default();
                let classic = if value.classic_member_metadata.is_some() { " classic" } else { "" };
                let instance = value.instance_id.as_ref().map(|id| format!("({id})")).unwrap_or_default();
                format!("member {group} {member_id}{instance} names={names}{regex}{classic}")
            }
            None => format!("member {group} {member_id} tombstone"),
        },
        GroupRecord::ConsumerTargetMetadata { group, value } => match value {
            Some(value) => format!("targets {group} epoch={}", value.assignment_epoch),
            None => format!("targets {group} tombstone"),
        },
        GroupRecord::ConsumerTarget { group, member_id, value } => match value {
            Some(value) => {
                let topics = value.topic_partitions.iter();
                let topics = list(topics.map(|one| partitions(one.topic_id, &one.partitions)));
                format!("target {group} {member_id} {topics}")
            }
            None => format!("target {group} {member_id} tombstone"),
        },
        GroupRecord::ConsumerCurrentAssignment { group, member_id, value } => match value {
            Some(value) => {
                let topics = |held: &[Held]| {
                    list(held.iter().map(|one| {
                        let epochs = one.assignment_epochs.as_deref().unwrap_or_default();
                        let both = one.partitions.iter().zip(epochs);
                        let both: Vec<String> =
                            both.map(|(partition, epoch)| format!("{partition}@{epoch}")).collect();
                        format!("{}:{}", name_of(one.topic_id), both.join("+"))
                    }))
                };
                let state = ["stable", "unrevoked", "unreleased"];
                let state =
                    usize::try_from(value.state).ok().and_then(|at| state.get(at)).unwrap_or(&"unknown");
                let (epoch, before) = (value.member_epoch, value.previous_member_epoch);
                let has = topics(&value.assigned_partitions);
                let mut line =
                    format!("current {group} {member_id} {state} epoch={epoch} before={before} {has}");
                if !value.partitions_pending_revocation.is_empty() {
                    line += &format!(" gives back {}", topics(&value.partitions_pending_revocation));
                }
                line
            }
            None => format!("current {group} {member_id} tombstone"),
        },
        GroupRecord::ConsumerRegex { group, regex, value } => match value {
            Some(value) => format!("regex {group} {regex} {}", value.topics.join("+")),
            None => format!("regex {group} {regex} tombstone"),
        },
        GroupRecord::OffsetCommit { .. }
        | GroupRecord::GroupMetadata { .. }
        | GroupRecord::Share(_)
        | GroupRecord::Streams(_) => {
            return None;
        }
    })
}
