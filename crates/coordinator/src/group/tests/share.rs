//! Share groups in dialogues: what is said (`share`, `describe-share`, `made`, `unmade`, `alter`, `forget`, `delete-share`, `forgotten`), and
//! their records and answers as one line of text each.

use super::consumer::{Said, id_of, name_of};
use crate::group::share::records::{ShareGroupChange, ShareGroupRecord};
use crate::group::share::{Partitions, ShareHeartbeatAnswer, ToDelete, ToInitialize};
use crate::group::{DeletedTopic, GroupAnswer, GroupCommand};
use std::collections::BTreeMap;
use wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use wire::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequestTopic,
};
use wire::messages::share_group_describe::DescribedGroup;
use wire::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;
use wire::records::group::TopicPartitionsInfo;
use wire::{ErrorCode, Str, Uuid};

/// `None` for verbs that are no share group's. Words after the group are topics, with partitions where they matter: `a:0+1`.
pub fn command(verb: &str, said: &Said<'_>, words: &[&str]) -> Option<GroupCommand> {
    let group = said.group.clone();
    let topics = words.get(1..).unwrap_or_default();
    Some(match verb {
        "share" => {
            let text = |key: &str| (said.text)(key).map(Str::from);
            let names = (said.text)("names");
            let list =
                |names: &str| names.split('+').filter(|name| !name.is_empty()).map(Str::from).collect();
            let request = ShareGroupHeartbeatRequest {
                group_id: group,
                member_id: text("member").unwrap_or_default(),
                member_epoch: (said.text)("epoch").map_or(0, |epoch| epoch.parse().unwrap()),
                rack_id: text("rack"),
                subscribed_topic_names: names.map(list),
            };
            GroupCommand::ShareHeartbeat { caller: said.caller.clone(), request: Box::new(request) }
        }
        "describe-share" => {
            GroupCommand::ShareDescribe { groups: words.iter().map(|name| Str::from(*name)).collect() }
        }
        "shared" => GroupCommand::SharePartitions { group },
        "made" | "unmade" => GroupCommand::ShareTopicsInitialized {
            group,
            partitions: topics.iter().map(|topic| topic_of(topic)).collect(),
            is_there: verb == "made",
        },
        "alter" => {
            let topics = topics.iter().map(|topic| {
                let (name, partitions) = topic.split_once(':').unwrap();
                let partition = |text: &str| {
                    let (number, offset) = text.split_once('@').unwrap();
                    AlterShareGroupOffsetsRequestPartition {
                        partition_index: number.parse().unwrap(),
                        start_offset: offset.parse().unwrap(),
                    }
                };
                AlterShareGroupOffsetsRequestTopic {
                    topic_name: Str::from(name),
                    partitions: partitions.split('+').map(partition).collect(),
                }
            });
            let request = AlterShareGroupOffsetsRequest { group_id: group, topics: topics.collect() };
            GroupCommand::AlterShareOffsets { request: Box::new(request) }
        }
        "forget" => {
            let topics = topics
                .iter()
                .map(|name| DeleteShareGroupOffsetsRequestTopic { topic_name: Str::from(*name) });
            let request = DeleteShareGroupOffsetsRequest { group_id: group, topics: topics.collect() };
            GroupCommand::BeginDeletingShareOffsets { request: Box::new(request) }
        }
        "delete-share" => GroupCommand::BeginDeletingShareGroup { group },
        "forgotten" => {
            GroupCommand::ShareStateDeleted { group, topics: topics.iter().map(|name| id_of(name)).collect() }
        }
        "gone" => {
            GroupCommand::TopicsDeleted { topics: vec![DeletedTopic { id: id_of(&group), name: group }] }
        }
        _ => return None,
    })
}

fn topic_of(text: &str) -> (Uuid, std::collections::BTreeSet<i32>) {
    let (name, partitions) = text.split_once(':').unwrap();
    (id_of(name), partitions.split('+').map(|number| number.parse().unwrap()).collect())
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(" "))
}

fn topic(id: Uuid, partitions: impl Iterator<Item = i32>) -> String {
    let partitions: Vec<String> = partitions.map(|number| number.to_string()).collect();
    format!("{}:{}", name_of(id), partitions.join("+"))
}

fn wanted(wanted: &ToInitialize) -> String {
    let mut topics: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for ((id, number), offset) in &wanted.start_offsets {
        topics.entry(*id).or_default().push(format!("{number}@{offset}"));
    }
    let topics = topics.iter().map(|(id, partitions)| format!("{}:{}", name_of(*id), partitions.join("+")));
    format!("state epoch={} {}", wanted.state_epoch, list(topics))
}

fn failed(error: ErrorCode, message: Option<&Str>) -> String {
    format!("{} {:?}", error.name(), message.map(Str::as_str).unwrap_or_default())
}

/// `None` for answers that are no share group's.
pub fn said(answer: &GroupAnswer) -> Option<String> {
    Some(match answer {
        GroupAnswer::ShareHeartbeat(answer) => heartbeat(answer),
        GroupAnswer::ShareDescribe(groups) => {
            format!("ShareGroupDescribe {}", list(groups.iter().map(described)))
        }
        GroupAnswer::SharePartitions(Err(error)) => format!("shared {}", error.name()),
        GroupAnswer::SharePartitions(Ok(partitions)) => format!("shared {}", shared(partitions)),
        GroupAnswer::AlterShareOffsets(altered) => match &**altered {
            Err(refusal) => {
                format!("AlterShareGroupOffsets {}", failed(refusal.error, refusal.message.as_ref()))
            }
            Ok((response, initialize)) => {
                let partitions = response.responses.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|partition| {
                        let error = ErrorCode::from_code(partition.error_code).name();
                        format!("{}-{} {error}", topic.topic_name, partition.partition_index)
                    })
                });
                format!("AlterShareGroupOffsets {} make {}", list(partitions), wanted(initialize))
            }
        },
        GroupAnswer::DeletingShareState(begun) => match &**begun {
            Err(refusal) => format!("deleting {}", failed(refusal.error, refusal.message.as_ref())),
            Ok(ToDelete { topics, refused, .. }) => {
                let topics = topics.iter().map(|(id, (_, numbers))| topic(*id, numbers.iter().copied()));
                let refused = refused.iter().map(|topic| {
                    format!("{} {}", topic.topic_name, ErrorCode::from_code(topic.error_code).name())
                });
                format!("deleting {} refused {}", list(topics), list(refused))
            }
        },
        _ => return None,
    })
}

fn shared(partitions: &Partitions) -> String {
    list(partitions.iter().map(|(id, numbers)| topic(*id, numbers.iter().copied())))
}

fn heartbeat(ShareHeartbeatAnswer { response, initialize }: &ShareHeartbeatAnswer) -> String {
    if response.error_code != 0 {
        let error = ErrorCode::from_code(response.error_code);
        return format!("ShareGroupHeartbeat {}", failed(error, response.error_message.as_ref()));
    }
    let member = response.member_id.clone().unwrap_or_default();
    let mut line = format!("ShareGroupHeartbeat NONE member={member} epoch={}", response.member_epoch);
    if let Some(assignment) = &response.assignment {
        let topics = assignment.topic_partitions.iter();
        line +=
            &format!(" has {}", list(topics.map(|one| topic(one.topic_id, one.partitions.iter().copied()))));
    }
    if let Some(initialize) = initialize {
        line += &format!(" make {}", wanted(initialize));
    }
    line
}

fn described(group: &DescribedGroup) -> String {
    if group.error_code != 0 {
        let error = ErrorCode::from_code(group.error_code);
        return format!("{} {}", group.group_id, failed(error, group.error_message.as_ref()));
    }
    let members = group.members.iter().map(|member| {
        let topics = member.assignment.topic_partitions.iter();
        let has = list(topics.map(|one| topic(one.topic_id, one.partitions.iter().copied())));
        format!("\n    {} epoch={} has {has}", member.member_id, member.member_epoch)
    });
    let (state, assignor) = (&group.group_state, &group.assignor_name);
    let (epoch, target) = (group.group_epoch, group.assignment_epoch);
    let members: Vec<String> = members.collect();
    format!("{} {state} epoch={epoch} assigned={target} {assignor}{}", group.group_id, members.concat())
}

pub fn written(ShareGroupRecord { group, of }: &ShareGroupRecord) -> String {
    let infos = |infos: &[TopicPartitionsInfo]| {
        list(infos.iter().map(|info| topic(info.topic_id, info.partitions.iter().copied())))
    };
    match of {
        ShareGroupChange::Group { value: Some(value) } => {
            format!("share group {group} epoch={}", value.epoch)
        }
        ShareGroupChange::Member { member_id, value: Some(value) } => {
            format!("share member {group} {member_id} names={}", value.subscribed_topic_names.join("+"))
        }
        ShareGroupChange::TargetMetadata { value: Some(value) } => {
            format!("share targets {group} epoch={}", value.assignment_epoch)
        }
        ShareGroupChange::Target { member_id, value: Some(value) } => {
            let topics = value.topic_partitions.iter();
            let topics = list(topics.map(|one| topic(one.topic_id, one.partitions.iter().copied())));
            format!("share target {group} {member_id} {topics}")
        }
        ShareGroupChange::Current { member_id, value: Some(value) } => {
            let topics = value.assigned_partitions.iter();
            let topics = list(topics.map(|one| topic(one.topic_id, one.partitions.iter().copied())));
            let (epoch, before) = (value.member_epoch, value.previous_member_epoch);
            format!("share current {group} {member_id} epoch={epoch} before={before} {topics}")
        }
        ShareGroupChange::Topics { value: Some(value) } => {
            let deleting = list(value.deleting_topics.iter().map(|topic| topic.topic_name.to_string()));
            let (initializing, initialized) =
                (infos(&value.initializing_topics), infos(&value.initialized_topics));
            format!(
                "share topics {group} initializing {initializing} initialized {initialized} deleting {deleting}"
            )
        }
        ShareGroupChange::Group { value: None } => format!("share group {group} tombstone"),
        ShareGroupChange::Member { member_id, value: None } => {
            format!("share member {group} {member_id} tombstone")
        }
        ShareGroupChange::TargetMetadata { value: None } => format!("share targets {group} tombstone"),
        ShareGroupChange::Target { member_id, value: None } => {
            format!("share target {group} {member_id} tombstone")
        }
        ShareGroupChange::Current { member_id, value: None } => {
            format!("share current {group} {member_id} tombstone")
        }
        ShareGroupChange::Topics { value: None } => format!("share topics {group} tombstone"),
    }
}
