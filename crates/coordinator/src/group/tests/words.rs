//! Answers and records as one line of text each.

use super::consumer;
use super::rig::Entry;
use super::share;
use super::streams;
use crate::group::classic::subscription::subscription_topics;
use crate::group::{GroupAnswer, GroupRecord};
use bytes::Bytes;
use std::fmt::Write;
use wire::messages::describe_groups::DescribedGroup;
use wire::messages::join_group::JoinGroupResponse;
use wire::messages::offset_fetch::OffsetFetchResponseGroup;
use wire::records::group::{GroupMetadataValue, OffsetCommitValue};
use wire::{ErrorCode, Str};

/// When a script begins.
pub const START_MS: i64 = 1_000_000;

fn error(code: i16) -> &'static str {
    ErrorCode::from_code(code).name()
}

fn text(bytes: &Bytes) -> String {
    match subscription_topics(bytes) {
        Some(topics) => format!("{{{}}}", topics.join("+")),
        None => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}

fn opt(text: Option<&Str>) -> &str {
    text.map_or("null", Str::as_str)
}

fn at(timestamp_ms: i64) -> String {
    if timestamp_ms == -1 { "-1".to_owned() } else { format!("+{}ms", timestamp_ms - START_MS) }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

pub fn answer(answer: &GroupAnswer) -> String {
    match answer {
        GroupAnswer::Join(response) => join(response),
        GroupAnswer::Sync(response) if response.error_code != 0 => {
            format!("SyncGroup {}", error(response.error_code))
        }
        GroupAnswer::Sync(response) => format!(
            "SyncGroup NONE {}/{} {}",
            opt(response.protocol_type.as_ref()),
            opt(response.protocol_name.as_ref()),
            text(&response.assignment)
        ),
        GroupAnswer::Heartbeat(response) => format!("Heartbeat {}", error(response.error_code)),
        GroupAnswer::Leave(response) => {
            let members = response.members.iter().map(|member| {
                let id = match (&member.member_id, &member.group_instance_id) {
                    (id, None) => id.to_string(),
                    (id, Some(instance)) => format!("{id}({instance})"),
                };
                format!("{id} {}", error(member.error_code))
            });
            format!("LeaveGroup {} {}", error(response.error_code), list(members))
        }
        GroupAnswer::CommitOffsets(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |partition| {
                    format!("{}-{} {}", topic.name, partition.partition_index, error(partition.error_code))
                })
            });
            format!("OffsetCommit {}", list(partitions))
        }
        GroupAnswer::CommitTransactionalOffsets(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |partition| {
                    format!("{}-{} {}", topic.name, partition.partition_index, error(partition.error_code))
                })
            });
            format!("TxnOffsetCommit {}", list(partitions))
        }
        GroupAnswer::FetchOffsets(response) => fetch(response),
        GroupAnswer::DeleteOffsets(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |partition| {
                    format!("{}-{} {}", topic.name, partition.partition_index, error(partition.error_code))
                })
            });
            format!("OffsetDelete {} {}", error(response.error_code), list(partitions))
        }
        GroupAnswer::Describe(groups) => format!("DescribeGroups {}", list(groups.iter().map(described))),
        GroupAnswer::List(Err(code)) => format!("ListGroups {}", code.name()),
        GroupAnswer::List(Ok(groups)) => {
            let groups = groups.iter().map(|group| {
                format!(
                    "{} {} {:?} {}",
                    group.group_id, group.group_state, group.protocol_type, group.group_type
                )
            });
            format!("ListGroups {}", list(groups))
        }
        GroupAnswer::Delete(results) => {
            let results =
                results.iter().map(|result| format!("{} {}", result.group_id, error(result.error_code)));
            format!("DeleteGroups {}", list(results))
        }
        GroupAnswer::ConsumerHeartbeat(answer) => consumer::heartbeat(answer),
        GroupAnswer::ConsumerDescribe(groups) => {
            format!("ConsumerGroupDescribe {}", list(groups.iter().map(consumer::described)))
        }
        of_streams @ (GroupAnswer::StreamsHeartbeat(_) | GroupAnswer::StreamsDescribe(_)) => {
            streams::said(of_streams).unwrap()
        }
        of_shares @ (GroupAnswer::ShareHeartbeat(_)
        | GroupAnswer::ShareDescribe(_)
        | GroupAnswer::SharePartitions(_)
        | GroupAnswer::AlterShareOffsets(_)
        | GroupAnswer::DeletingShareState(_)) => share::said(of_shares).unwrap(),
        GroupAnswer::Marker(code) => format!("WriteTxnMarkers {}", code.name()),
        GroupAnswer::Figures(groups) => {
            let groups = groups.iter().map(|group| {
                let at =
                    |(topic, partition, offset): &(Str, i32, i64)| format!("{topic}-{partition}@{offset}");
                let offsets = list(group.offsets.iter().map(at));
                format!("{} {} {} {} {offsets}", group.group_id, group.group_type, group.state, group.members)
            });
            format!("Figures {}", list(groups))
        }
        GroupAnswer::Done => "Done".to_owned(),
    }
}

fn join(response: &JoinGroupResponse) -> String {
    if response.error_code != 0 {
        return format!("JoinGroup {} member={:?}", error(response.error_code), response.member_id);
    }
    let mut line = format!(
        "JoinGroup NONE generation={} {}/{} leader={} member={}",
        response.generation_id,
        opt(response.protocol_type.as_ref()),
        opt(response.protocol_name.as_ref()),
        response.leader,
        response.member_id
    );
    if response.skip_assignment {
        line.push_str(" skip_assignment");
    }
    if !response.members.is_empty() {
        let members = response.members.iter().map(|member| match &member.group_instance_id {
            None => format!("{} {}", member.member_id, text(&member.metadata)),
            Some(instance) => format!("{}({instance}) {}", member.member_id, text(&member.metadata)),
        });
        write!(line, " members={}", list(members)).unwrap();
    }
    line
}

fn fetch(response: &OffsetFetchResponseGroup) -> String {
    let partitions = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| {
            let mut line =
                format!("{}-{}={}", topic.name, partition.partition_index, partition.committed_offset);
            if partition.committed_leader_epoch != -1 {
                write!(line, " epoch={}", partition.committed_leader_epoch).unwrap();
            }
            if partition.metadata.as_ref().is_some_and(|text| !text.is_empty()) {
                write!(line, " {:?}", opt(partition.metadata.as_ref())).unwrap();
            }
            if partition.error_code != 0 {
                write!(line, " {}", error(partition.error_code)).unwrap();
            }
            line
        })
    });
    format!("OffsetFetch {} {}", error(response.error_code), list(partitions))
}

fn described(group: &DescribedGroup) -> String {
    let members = group.members.iter().map(|member| {
        let id = match &member.group_instance_id {
            None => member.member_id.to_string(),
            Some(instance) => format!("{}({instance})", member.member_id),
        };
        format!(
            "{id} {}@{} {} → {}",
            member.client_id,
            member.client_host,
            text(&member.member_metadata),
            text(&member.member_assignment)
        )
    });
    let failure = match group.error_code {
        0 => String::new(),
        code => format!(" {} {:?}", error(code), opt(group.error_message.as_ref())),
    };
    format!(
        "{} {} {}/{} {}{failure}",
        group.group_id,
        group.group_state,
        group.protocol_type,
        group.protocol_data,
        list(members)
    )
}

pub fn entry(entry: &Entry) -> String {
    match entry {
        Entry::Marker(offset, commit) => {
            format!("log {offset}: marker {}", if *commit { "commit" } else { "abort" })
        }
        Entry::Record(offset, None) => format!("log {offset}: unknown"),
        Entry::Record(offset, Some(record)) => format!("log {offset}: {}", written(record)),
    }
}

fn written(record: &GroupRecord) -> String {
    match record {
        GroupRecord::OffsetCommit { group, topic, partition, value: None } => {
            format!("offset {group} {topic}-{partition} tombstone")
        }
        GroupRecord::OffsetCommit { group, topic, partition, value: Some(value) } => {
            format!("offset {group} {topic}-{partition}={}", offset(value))
        }
        GroupRecord::GroupMetadata { group, value: None } => format!("group {group} tombstone"),
        GroupRecord::GroupMetadata { group, value: Some(value) } => {
            format!("group {group} {}", metadata(value))
        }
        GroupRecord::Share(record) => share::written(record),
        GroupRecord::Streams(record) => streams::written(record),
        of_consumers => consumer::written(of_consumers).unwrap(),
    }
}

fn offset(value: &OffsetCommitValue) -> String {
    let mut line = value.offset.to_string();
    if value.leader_epoch != -1 {
        write!(line, " epoch={}", value.leader_epoch).unwrap();
    }
    if !value.metadata.is_empty() {
        write!(line, " {:?}", value.metadata).unwrap();
    }
    if value.expire_timestamp != -1 {
        write!(line, " expires={}", at(value.expire_timestamp)).unwrap();
    }
    if !value.topic_id.is_zero() {
        write!(line, " id={}", value.topic_id).unwrap();
    }
    line
}

fn metadata(value: &GroupMetadataValue) -> String {
    let members = value.members.iter().map(|member| {
        let id = match &member.group_instance_id {
            None => member.member_id.to_string(),
            Some(instance) => format!("{}({instance})", member.member_id),
        };
        format!("{id} {} → {}", text(&member.subscription), text(&member.assignment))
    });
    format!(
        "generation={} {}/{} leader={} since={} {}",
        value.generation,
        value.protocol_type,
        opt(value.protocol.as_ref()),
        opt(value.leader.as_ref()),
        at(value.current_state_timestamp),
        list(members)
    )
}
