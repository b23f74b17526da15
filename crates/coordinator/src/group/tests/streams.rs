//! Streams groups in dialogues: what is said (`stream`, `describe-streams`), and their records and answers as one line of text each.
//!
//! ```text
//! topology=EPOCH/ID:SOURCES[:SINKS[:REPARTITIONED[:CHANGELOGS[:TOGETHER]]]];ID:…   lists with plusses; REPARTITIONED may say `topic*3`, a fixed count;
//!                                                                       TOGETHER is all sources of the subtopology: `all`
//! owned=active[/standby[/warmup]]     each as `0:1+2,1:0`; `owned=` is nothing at all
//! ```

use super::consumer::Said;
use crate::group::streams::StreamsHeartbeatAnswer;
use crate::group::streams::records::{StreamsGroupChange, StreamsGroupRecord};
use crate::group::{GroupAnswer, GroupCommand};
use wire::messages::streams_group_describe::{
    Assignment, DescribedGroup, Subtopology as DescribedSubtopology, TopicInfo as DescribedTopic,
};
use wire::messages::streams_group_heartbeat::{
    CopartitionGroup, Endpoint, KeyValue, StreamsGroupHeartbeatRequest, Subtopology, TaskIds, TaskOffset,
    TopicInfo, TopicPartition, Topology,
};
use wire::records::group::StreamsGroupCurrentMemberAssignmentValueTaskIds as HeldTaskIds;
use wire::{ErrorCode, Str};

/// `None` for verbs that are no streams group's.
pub fn command(verb: &str, said: &Said<'_>, words: &[&str]) -> Option<GroupCommand> {
    Some(match verb {
        "stream" => heartbeat(said),
        "describe-streams" => {
            GroupCommand::StreamsDescribe { groups: words.iter().map(|name| Str::from(*name)).collect() }
        }
        _ => return None,
    })
}

fn heartbeat(said: &Said<'_>) -> GroupCommand {
    let text = |key: &str| (said.text)(key).map(Str::from);
    let number = |key: &str, default: i32| (said.text)(key).map_or(default, |text| text.parse().unwrap());
    let epoch = number("epoch", 0);
    let owned = (said.text)("owned").or((epoch == 0).then_some(""));
    let role = |at: usize| owned.map(|owned| tasks(owned.split('/').nth(at).unwrap_or_default()));
    let endpoint = (said.text)("endpoint").and_then(|endpoint| endpoint.split_once(':'));
    let offsets = |text: &str| {
        let of = |item: &str| {
            let (task, offset) = item.split_once('@').unwrap();
            let (id, partition) = task.split_once('_').unwrap();
            TaskOffset {
                subtopology_id: Str::from(id),
                partition: partition.parse().unwrap(),
                offset: offset.parse().unwrap(),
            }
        };
        text.split(',').filter(|item| !item.is_empty()).map(of).collect()
    };
    let tags = |text: &str| {
        let pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
        pairs.map(|(key, value)| KeyValue { key: Str::from(key), value: Str::from(value) }).collect()
    };
    let request = StreamsGroupHeartbeatRequest {
        group_id: said.group.clone(),
        member_id: text("member").unwrap_or_default(),
        member_epoch: epoch,
        endpoint_information_epoch: number("told", 0),
        instance_id: text("instance"),
        rack_id: text("rack"),
        rebalance_timeout_ms: number("rebalance", if epoch == 0 { 60_000 } else { -1 }),
        topology: (said.text)("topology").map(topology),
        active_tasks: role(0),
        standby_tasks: role(1),
        warmup_tasks: role(2),
        process_id: text("process").or_else(|| (epoch == 0).then(|| text("member")).flatten()),
        user_endpoint: endpoint
            .map(|(host, port)| Endpoint { host: Str::from(host), port: port.parse().unwrap() }),
        client_tags: (said.text)("tags").map(tags),
        task_offsets: (said.text)("offsets").map(offsets),
        task_end_offsets: (said.text)("ends").map(offsets),
        shutdown_application: (said.text)("shutdown").is_some(),
    };
    GroupCommand::StreamsHeartbeat { caller: said.caller.clone(), request: Box::new(request) }
}

fn tasks(text: &str) -> Vec<TaskIds> {
    let of = |item: &str| {
        let (id, partitions) = item.split_once(':')?;
        let partitions = partitions.split('+').map(|partition| partition.parse().unwrap()).collect();
        Some(TaskIds { subtopology_id: Str::from(id), partitions })
    };
    text.split(',').filter_map(of).collect()
}

fn names(text: Option<&str>) -> Vec<Str> {
    text.unwrap_or_default().split('+').filter(|name| !name.is_empty()).map(Str::from).collect()
}

fn topology(text: &str) -> Topology {
    let (epoch, subtopologies) = text.split_once('/').unwrap();
    let info = |name: &Str| {
        let (name, partitions) = name.split_once('*').unwrap_or((name, "0"));
        TopicInfo { name: Str::from(name), partitions: partitions.parse().unwrap(), ..TopicInfo::default() }
    };
    let one = |text: &str| {
        let mut parts = text.split(':');
        let subtopology_id = Str::from(parts.next().unwrap());
        let (source_topics, repartition_sink_topics) = (names(parts.next()), names(parts.next()));
        let repartition_source_topics: Vec<TopicInfo> = names(parts.next()).iter().map(info).collect();
        let state_changelog_topics = names(parts.next()).iter().map(info).collect();
        let all = |count: usize| (0..count).map(|at| i16::try_from(at).unwrap()).collect();
        let group = CopartitionGroup {
            source_topics: all(source_topics.len()),
            repartition_source_topics: all(repartition_source_topics.len()),
            ..CopartitionGroup::default()
        };
        Subtopology {
            subtopology_id,
            source_topics,
            repartition_sink_topics,
            repartition_source_topics,
            state_changelog_topics,
            copartition_groups: if parts.next() == Some("all") { vec![group] } else { Vec::new() },
            ..Subtopology::default()
        }
    };
    Topology {
        epoch: epoch.parse().unwrap(),
        subtopologies: subtopologies.split(';').filter(|text| !text.is_empty()).map(one).collect(),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(" "))
}

fn numbers<'a>(numbers: impl IntoIterator<Item = &'a i32>) -> String {
    numbers.into_iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}

fn joined(names: &[Str]) -> String {
    names.iter().map(Str::as_str).collect::<Vec<_>>().join("+")
}

fn failed(error: ErrorCode, message: Option<&Str>) -> String {
    format!("{} {:?}", error.name(), message.map(Str::as_str).unwrap_or_default())
}

/// `None` for answers that are no streams group's.
pub fn said(answer: &GroupAnswer) -> Option<String> {
    Some(match answer {
        GroupAnswer::StreamsHeartbeat(answer) => answered(answer),
        GroupAnswer::StreamsDescribe(groups) => {
            format!("StreamsGroupDescribe {}", list(groups.iter().map(described)))
        }
        _ => return None,
    })
}

fn answered(StreamsHeartbeatAnswer { response, to_create, .. }: &StreamsHeartbeatAnswer) -> String {
    if response.error_code != 0 {
        let error = ErrorCode::from_code(response.error_code);
        return format!("StreamsGroupHeartbeat {}", failed(error, response.error_message.as_ref()));
    }
    let mut line =
        format!("StreamsGroupHeartbeat NONE member={} epoch={}", response.member_id, response.member_epoch);
    let roles = [
        ("has", &response.active_tasks),
        ("copies", &response.standby_tasks),
        ("warms", &response.warmup_tasks),
    ];
    for (what, tasks) in roles {
        if let Some(tasks) = tasks.as_ref().filter(|tasks| what == "has" || !tasks.is_empty()) {
            let of = tasks.iter().map(|ids| format!("{}:{}", ids.subtopology_id, numbers(&ids.partitions)));
            line += &format!(" {what} {}", list(of));
        }
    }
    for status in response.status.iter().flatten() {
        line += &format!("\n    status {} {}", status.status_code, status.status_detail);
    }
    for told in response.partitions_by_user_endpoint.iter().flatten() {
        let of = |topics: &[TopicPartition]| {
            list(topics.iter().map(|topic| format!("{}:{}", topic.topic, numbers(&topic.partitions))))
        };
        let (active, standby) = (of(&told.active_partitions), of(&told.standby_partitions));
        let (host, port) = (&told.user_endpoint.host, told.user_endpoint.port);
        line += &format!(
            "\n    at {host}:{port} {active} copies {standby} of {}",
            response.endpoint_information_epoch
        );
    }
    for topic in to_create {
        line += &format!("\n    make {} with {}", topic.name, topic.num_partitions);
    }
    line
}

fn assignment(assignment: &Assignment) -> String {
    let roles = [&assignment.active_tasks, &assignment.standby_tasks, &assignment.warmup_tasks];
    let role = |tasks: &Vec<wire::messages::streams_group_describe::TaskIds>| {
        list(tasks.iter().map(|ids| format!("{}:{}", ids.subtopology_id, numbers(&ids.partitions))))
    };
    roles.map(role).join("/")
}

fn described(group: &DescribedGroup) -> String {
    if group.error_code != 0 {
        let error = ErrorCode::from_code(group.error_code);
        return format!("{} {}", group.group_id, failed(error, group.error_message.as_ref()));
    }
    let topics = |topics: &[DescribedTopic]| {
        topics
            .iter()
            .map(|topic| format!("{}*{}", topic.name, topic.partitions))
            .collect::<Vec<_>>()
            .join("+")
    };
    let subtopology = |one: &DescribedSubtopology| {
        let (sources, sinks) = (joined(&one.source_topics), joined(&one.repartition_sink_topics));
        let own = (topics(&one.repartition_source_topics), topics(&one.state_changelog_topics));
        format!("\n    {}:{sources}:{sinks}:{}:{}", one.subtopology_id, own.0, own.1)
    };
    let subtopologies = group.topology.iter().flat_map(|topology| topology.subtopologies.iter().flatten());
    let members = group.members.iter().map(|member| {
        let (has, target) = (assignment(&member.assignment), assignment(&member.target_assignment));
        format!("\n    {} epoch={} has {has} shall {target}", member.member_id, member.member_epoch)
    });
    let rest: String = subtopologies.map(subtopology).chain(members).collect();
    format!(
        "{} {} epoch={} assigned={}{rest}",
        group.group_id, group.group_state, group.group_epoch, group.assignment_epoch
    )
}

fn held(tasks: &[HeldTaskIds]) -> String {
    let of = |ids: &HeldTaskIds| {
        let epochs = ids.assignment_epochs.as_deref().unwrap_or_default();
        let task = |(at, partition): (usize, &i32)| match epochs.get(at) {
            Some(epoch) => format!("{partition}@{epoch}"),
            None => partition.to_string(),
        };
        let tasks: Vec<String> = ids.partitions.iter().enumerate().map(task).collect();
        format!("{}:{}", ids.subtopology_id, tasks.join("+"))
    };
    list(tasks.iter().map(of))
}

pub fn written(StreamsGroupRecord { group, of }: &StreamsGroupRecord) -> String {
    let (what, rest) = match of {
        StreamsGroupChange::Group { value } => (
            "group".to_owned(),
            value.as_ref().map(|value| {
                let configs = value.last_assignment_configs.iter().flatten();
                let configs = list(configs.map(|one| format!("{}={}", one.key, one.value)));
                format!("epoch={} validated={} {configs}", value.epoch, value.validated_topology_epoch)
            }),
        ),
        StreamsGroupChange::Member { member_id, value } => (
            format!("member {member_id}"),
            value
                .as_ref()
                .map(|value| format!("process={} topology={}", value.process_id, value.topology_epoch)),
        ),
        StreamsGroupChange::TargetMetadata { value } => {
            ("targets".to_owned(), value.as_ref().map(|value| format!("epoch={}", value.assignment_epoch)))
        }
        StreamsGroupChange::Target { member_id, value } => (
            format!("target {member_id}"),
            value.as_ref().map(|value| {
                let roles = [&value.active_tasks, &value.standby_tasks, &value.warmup_tasks];
                let role = |tasks: &Vec<wire::records::group::TaskIds>| {
                    list(
                        tasks
                            .iter()
                            .map(|ids| format!("{}:{}", ids.subtopology_id, numbers(&ids.partitions))),
                    )
                };
                roles.map(role).join("/")
            }),
        ),
        StreamsGroupChange::Current { member_id, value } => (
            format!("current {member_id}"),
            value.as_ref().map(|value| {
                let has = [&value.active_tasks, &value.standby_tasks, &value.warmup_tasks];
                let back = [
                    &value.active_tasks_pending_revocation,
                    &value.standby_tasks_pending_revocation,
                    &value.warmup_tasks_pending_revocation,
                ];
                let (has, back) =
                    (has.map(|tasks| held(tasks)).join("/"), back.map(|tasks| held(tasks)).join("/"));
                let (epoch, before, state) = (value.member_epoch, value.previous_member_epoch, value.state);
                format!("epoch={epoch} before={before} state={state} {has} back {back}")
            }),
        ),
        StreamsGroupChange::Topology { value } => (
            "topology".to_owned(),
            value.as_ref().map(|value| format!("epoch={} of {}", value.epoch, value.subtopologies.len())),
        ),
    };
    format!("streams {group} {what} {}", rest.unwrap_or_else(|| "tombstone".to_owned()))
}
