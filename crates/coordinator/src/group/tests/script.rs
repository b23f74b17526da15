//! What is said in a dialogue with a group coordinator, and what is heard.
//!
//! ```text
//! > [label:] verb group [key=value…]      a request; its answer may come much later, under its label
//! > wait 3s                               time passes, deadlines fire
//! > hold / commit / flow                  stop committing; commit what was appended; commit at once again
//! > close / reload                        the leader goes; a new one loads the log
//! > config key=value…                     settings of the coordinator, before anything else
//! ```
//! Member ids are shown as `client-<1>`: the digits stand for a UUID, numbered by first sight, and may be said back.

use super::consumer::{self, Cluster};
use super::rig::Rig;
use super::share;
use super::streams;
use super::words;
use crate::group::{Caller, DeletedTopic, GroupCommand, GroupConfig, MigrationPolicy};
use crate::machine::{ProducerIdentity, TransactionMarker};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::str::FromStr;
use wire::messages::heartbeat::HeartbeatRequest;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use wire::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use wire::testing::{Command, replay};
use wire::{Str, Uuid};

/// Says all of it again and returns what the file should look like.
pub fn play(script: &str) -> String {
    let mut player = Player::new();
    replay(script, |said| {
        player.say(said);
        player.hear()
    })
}

struct Player {
    rig: Rig,
    labels: BTreeMap<u64, String>,
    next_token: u64,
    seen_offset: i64,
    /// UUIDs in the order of their first sight.
    ids: Vec<String>,
    lines: Vec<String>,
}

impl Player {
    fn new() -> Player {
        Player {
            rig: Rig::open(GroupConfig::default(), 1),
            labels: BTreeMap::new(),
            next_token: 0,
            seen_offset: 0,
            ids: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn hear(&mut self) -> Vec<String> {
        self.note();
        std::mem::take(&mut self.lines).iter().map(|line| self.with_aliases(line)).collect()
    }

    /// Collects what was appended and answered since the last time.
    fn note(&mut self) {
        for entry in self.rig.entries(self.seen_offset) {
            self.lines.push(words::entry(&entry));
        }
        self.seen_offset = self.rig.log.end;
        for reply in self.rig.taken() {
            let label = self.labels.get(&reply.token.0).cloned().unwrap_or_default();
            self.lines.push(format!("{label} ← {}", words::answer(&reply.answer)));
        }
    }

    fn with_aliases(&mut self, line: &str) -> String {
        let mut output = String::new();
        let mut rest = line;
        while let Some(at) = find_uuid(rest) {
            let (before, from) = rest.split_at(at);
            let (uuid, after) = from.split_at(36);
            let known = self.ids.iter().position(|id| id == uuid);
            let number = known.unwrap_or_else(|| {
                self.ids.push(uuid.to_owned());
                self.ids.len() - 1
            });
            output.push_str(&format!("{before}<{}>", number + 1));
            rest = after;
        }
        output + rest
    }

    fn without_aliases(&self, said: &str) -> String {
        let ids = self.ids.iter().enumerate();
        ids.fold(said.to_owned(), |said, (at, id)| said.replace(&format!("<{}>", at + 1), id))
    }

    fn say(&mut self, said: &str) {
        let said = self.without_aliases(said);
        let (label, said) = match said.split_once(": ") {
            Some((label, rest)) if !label.contains(' ') => (label.to_owned(), rest.to_owned()),
            _ => (String::new(), said.clone()),
        };
        let args = Args(Command::parse(&said));
        let verb = args.0.verb;
        match verb {
            "wait" => self.wait(args.0.word(0)),
            "hold" => self.rig.commit_at_once = false,
            "commit" if said == "commit" => self.rig.commit(self.rig.log.end),
            "flow" => {
                self.rig.commit_at_once = true;
                self.rig.commit(self.rig.log.end);
            }
            "close" => self.rig.close(),
            "reload" => self.rig.reload(),
            "refuse-writes" => self.rig.log.not_ready = Some(wire::ErrorCode::NotEnoughReplicas),
            "config" => self.configure(&args),
            "topics" => self.see_topics(&args),
            "resolve" => {
                let token = self.token(label, verb);
                let to_resolve = self.rig.to_resolve.take().expect("nothing is to be looked at");
                self.rig.handle(consumer::resolve(to_resolve), token);
            }
            "twins" => self.compare_twins(),
            "marker" => {
                let producer =
                    ProducerIdentity { producer_id: args.number("producer", 1), producer_epoch: 0 };
                let commit = args.0.has("commit");
                let token = self.token(label, verb);
                let marker = TransactionMarker { producer, commit, coordinator_epoch: 0 };
                self.rig.end_transaction(marker, token);
            }
            _ => {
                let token = self.token(label, verb);
                self.rig.handle(command(&args), token);
            }
        }
    }

    fn token(&mut self, label: String, verb: &str) -> u64 {
        self.next_token += 1;
        let label = if label.is_empty() { verb.to_owned() } else { label };
        self.labels.insert(self.next_token, label);
        self.next_token
    }

    fn wait(&mut self, time: &str) {
        let milliseconds = match time.strip_suffix("ms") {
            Some(number) => number.parse::<i64>().unwrap(),
            None => time.strip_suffix('s').unwrap().parse::<i64>().unwrap() * 1_000,
        };
        let mut stops = Vec::new();
        let mut seen_offset = self.seen_offset;
        self.rig.wait(milliseconds, |rig| {
            let at = format!("at +{}ms", rig.now_ms - words::START_MS);
            let mut lines: Vec<String> = rig.entries(seen_offset).iter().map(words::entry).collect();
            seen_offset = rig.log.end;
            let replies = rig.taken();
            lines.extend(
                replies.iter().map(|reply| format!("{}\0{}", reply.token.0, words::answer(&reply.answer))),
            );
            if !lines.is_empty() {
                stops.push(at);
                stops.append(&mut lines);
            }
        });
        self.seen_offset = seen_offset;
        for line in stops {
            self.lines.push(match line.split_once('\0') {
                Some((token, answer)) => {
                    let label = self.labels.get(&token.parse().unwrap()).cloned().unwrap_or_default();
                    format!("{label} ← {answer}")
                }
                None => line,
            });
        }
    }

    fn configure(&mut self, args: &Args<'_>) {
        let mut config = self.rig.config.clone();
        config.classic_initial_rebalance_delay_ms =
            args.number("initial_delay", config.classic_initial_rebalance_delay_ms);
        config.classic_max_size = args.number("max_size", config.classic_max_size);
        config.offsets_retention_ms = args.number("retention", config.offsets_retention_ms);
        config.offsets_retention_check_interval_ms =
            args.number("check", config.offsets_retention_check_interval_ms);
        config.consumer.max_size = args.number("consumer_max_size", config.consumer.max_size);
        config.consumer.assignment_interval_ms =
            args.number("interval", config.consumer.assignment_interval_ms);
        config.share.assignment_interval_ms = args.number("interval", config.share.assignment_interval_ms);
        config.streams.assignment_interval_ms =
            args.number("interval", config.streams.assignment_interval_ms);
        config.streams.initial_rebalance_delay_ms = args.number("delay", 0);
        config.streams.num_standby_replicas = args.number("standby", 0);
        config.streams.max_size = args.number("streams_max_size", config.streams.max_size);
        if let Some(tags) = args.0.text("tags") {
            config.streams.rack_aware_assignment_tags = tags.into();
        }
        config.share.max_size = args.number("share_max_size", config.share.max_size);
        if let Some(policy) = args.0.text("policy") {
            config.consumer.migration_policy = match policy {
                "disabled" => MigrationPolicy::Disabled,
                "upgrade" => MigrationPolicy::Upgrade,
                "downgrade" => MigrationPolicy::Downgrade,
                _ => MigrationPolicy::Bidirectional,
            };
        }
        config.max_batch_bytes = args.number("max_batch", config.max_batch_bytes);
        config.offset_metadata_max_bytes = args.number("metadata_max", config.offset_metadata_max_bytes);
        self.rig.config = config;
        self.rig.reload();
        self.rig.taken();
    }

    fn see_topics(&mut self, args: &Args<'_>) {
        let topics = args.0.prefixed("").map(|(name, count)| (Str::from(name), count.parse().unwrap()));
        let version = self.rig.cluster.version + 1;
        self.rig.see(Cluster { version, topics: topics.collect() });
    }

    fn compare_twins(&mut self) {
        assert!(self.rig.hosted.is_settled(), "the twins are only equal when all is committed");
        let (pending, committed) = self.rig.hosted.twins();
        assert_eq!(pending, committed);
        committed.check_consumer_groups();
        self.lines.push(format!(
            "equal, {} groups, {} offsets",
            committed.group_count(),
            committed.offsets().count()
        ));
    }
}

fn find_uuid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let matches = |window: &[u8]| {
        window
            .iter()
            .enumerate()
            .all(|(at, byte)| if dash(at) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
    };
    bytes.windows(36).position(matches)
}

/// What a command of a script says in a coordinator's words.
struct Args<'a>(Command<'a>);

impl<'a> Args<'a> {
    fn group(&self) -> Str {
        match self.0.word(0) {
            "''" => Str::new(),
            name => Str::from(name),
        }
    }

    fn string(&self, key: &str) -> Str {
        self.optional(key).unwrap_or_default()
    }

    fn optional(&self, key: &str) -> Option<Str> {
        self.0.text(key).map(Str::from)
    }

    fn number<T: FromStr>(&self, key: &str, default: T) -> T {
        self.0.number(key).unwrap_or(default)
    }

    fn items(&self, key: &str) -> Vec<&'a str> {
        self.0
            .text(key)
            .map(|text| text.split(',').filter(|item| !item.is_empty()).collect())
            .unwrap_or_default()
    }

    fn caller(&self, latest: i16) -> Caller {
        Caller {
            api_version: self.number("v", latest),
            client_id: Str::from(self.0.text("client").unwrap_or("c")),
            client_host: Str::from_static("/127.0.0.1"),
        }
    }

    /// `orders-0=5` pairs come as `orders-0` and `5`, by partition.
    fn offsets(&self) -> Vec<(Str, i32, i64)> {
        let mut pairs: Vec<(&str, &str)> = self.0.prefixed("").collect();
        pairs.sort_unstable();
        let offset = |(key, value): (&str, &str)| {
            partition(key).map(|(topic, partition)| (topic, partition, value.parse().unwrap()))
        };
        pairs.into_iter().filter_map(offset).collect()
    }

    /// Topics with partitions among the plain words after the group.
    fn partitions(&self) -> Vec<(Str, i32)> {
        self.0.words.iter().skip(1).filter_map(|word| partition(word)).collect()
    }
}

fn partition(word: &str) -> Option<(Str, i32)> {
    let (topic, number) = word.rsplit_once('-')?;
    Some((Str::from(topic), number.parse().ok()?))
}

/// `range:a+b` is a consumer's subscription to a and b, `range"text"` anything else.
fn protocols(args: &Args<'_>) -> Vec<JoinGroupRequestProtocol> {
    let protocol = |item: &str| match item.split_once(':') {
        Some((name, topics)) => {
            let topics: Vec<&str> = topics.split('+').filter(|name| !name.is_empty()).collect();
            JoinGroupRequestProtocol { name: Str::from(name), metadata: subscription(&topics) }
        }
        None => match item.split_once('"') {
            Some((name, text)) => JoinGroupRequestProtocol {
                name: Str::from(name),
                metadata: Bytes::from(text.trim_end_matches('"').to_owned()),
            },
            None => JoinGroupRequestProtocol { name: Str::from(item), metadata: Bytes::new() },
        },
    };
    args.items("protocols").into_iter().map(protocol).collect()
}

pub fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    Bytes::from(bytes)
}

fn command(args: &Args<'_>) -> GroupCommand {
    let text = |key: &str| args.0.text(key);
    let said = consumer::Said { group: args.group(), caller: args.caller(1), text: &text };
    match args.0.verb {
        "join" => GroupCommand::Join {
            caller: args.caller(9),
            request: JoinGroupRequest {
                group_id: args.group(),
                session_timeout_ms: args.number("session", 10_000),
                rebalance_timeout_ms: args.number("rebalance", 60_000),
                member_id: args.string("member"),
                group_instance_id: args.optional("instance"),
                protocol_type: Str::from(args.0.text("type").unwrap_or("consumer")),
                protocols: protocols(args),
                reason: None,
            },
        },
        "sync" => GroupCommand::Sync {
            caller: args.caller(5),
            request: SyncGroupRequest {
                group_id: args.group(),
                generation_id: args.number("generation", 1),
                member_id: args.string("member"),
                group_instance_id: args.optional("instance"),
                protocol_type: args.optional("type").or(Some(Str::from_static("consumer"))),
                protocol_name: args.optional("protocol").or(Some(Str::from_static("range"))),
                assignments: args.items("assign").into_iter().map(assignment).collect(),
            },
        },
        "heartbeat" => GroupCommand::Heartbeat {
            caller: args.caller(4),
            request: HeartbeatRequest {
                group_id: args.group(),
                generation_id: args.number("generation", 1),
                member_id: args.string("member"),
                group_instance_id: args.optional("instance"),
            },
        },
        "leave" => leave(args),
        "beat" => consumer::beat(&said),
        "describe-consumer" => GroupCommand::ConsumerDescribe {
            groups: args.0.words.iter().map(|name| Str::from(*name)).collect(),
        },
        "describe" => GroupCommand::Describe {
            caller: args.caller(6),
            groups: args.0.words.iter().map(|name| Str::from(*name)).collect(),
        },
        "list" => GroupCommand::List {
            states: args.items("states").into_iter().map(Str::from).collect(),
            types: args.items("types").into_iter().map(Str::from).collect(),
        },
        "delete" => {
            GroupCommand::Delete { groups: args.0.words.iter().map(|name| Str::from(*name)).collect() }
        }
        "topic-deleted" => GroupCommand::TopicsDeleted {
            topics: vec![DeletedTopic { name: args.group(), id: topic_id(args) }],
        },
        other => share::command(other, &said, &args.0.words)
            .or_else(|| streams::command(other, &said, &args.0.words))
            .unwrap_or_else(|| offsets_command(other, args)),
    }
}

fn leave(args: &Args<'_>) -> GroupCommand {
    // `member(instance)`, either may be missing.
    let identity = |item: &str| {
        let (member_id, instance) = item.split_once('(').unwrap_or((item, ""));
        let instance = instance.trim_end_matches(')');
        MemberIdentity {
            member_id: Str::from(member_id),
            group_instance_id: (!instance.is_empty()).then(|| Str::from(instance)),
            reason: None,
        }
    };
    GroupCommand::Leave {
        caller: args.caller(5),
        request: LeaveGroupRequest {
            group_id: args.group(),
            member_id: args.string("member"),
            members: args.items("members").into_iter().map(identity).collect(),
        },
    }
}

/// `member:text`, or in a consumer's own form `member:topic=0+1`.
fn assignment(item: &str) -> SyncGroupRequestAssignment {
    let (member_id, text) = item.split_once(':').unwrap();
    let assignment = match text.split_once('=') {
        Some((topic, partitions)) => {
            let partitions: Vec<i32> = partitions.split('+').map(|one| one.parse().unwrap()).collect();
            consumer::assignment(topic, &partitions)
        }
        None => Bytes::from(text.to_owned()),
    };
    SyncGroupRequestAssignment { member_id: Str::from(member_id), assignment }
}

fn topic_id(args: &Args<'_>) -> Uuid {
    let mut id = [0; 16];
    id[15] = args.number("id", 0);
    Uuid(id)
}

fn offsets_command(verb: &str, args: &Args<'_>) -> GroupCommand {
    let metadata = args.optional("metadata");
    let epoch = args.number("epoch", -1);
    match verb {
        "commit" => GroupCommand::CommitOffsets {
            caller: args.caller(9),
            request: OffsetCommitRequest {
                group_id: args.group(),
                generation_id_or_member_epoch: args.number("generation", -1),
                member_id: args.string("member"),
                group_instance_id: args.optional("instance"),
                retention_time_ms: args.number("retention", -1),
                topics: args
                    .offsets()
                    .into_iter()
                    .map(|(name, partition_index, committed_offset)| OffsetCommitRequestTopic {
                        name,
                        topic_id: topic_id(args),
                        partitions: vec![OffsetCommitRequestPartition {
                            partition_index,
                            committed_offset,
                            committed_leader_epoch: epoch,
                            committed_metadata: metadata.clone(),
                        }],
                    })
                    .collect(),
            }
            .into(),
        },
        "txn-commit" => GroupCommand::CommitTransactionalOffsets {
            caller: args.caller(6),
            request: TxnOffsetCommitRequest {
                transactional_id: Str::from_static("tx"),
                group_id: args.group(),
                producer_id: args.number("producer", 1),
                producer_epoch: 0,
                generation_id_or_member_epoch: args.number("generation", -1),
                member_id: args.string("member"),
                group_instance_id: args.optional("instance"),
                topics: args
                    .offsets()
                    .into_iter()
                    .map(|(name, partition_index, committed_offset)| TxnOffsetCommitRequestTopic {
                        name,
                        topic_id: topic_id(args),
                        partitions: vec![TxnOffsetCommitRequestPartition {
                            partition_index,
                            committed_offset,
                            committed_leader_epoch: epoch,
                            committed_metadata: metadata.clone(),
                        }],
                    })
                    .collect(),
            },
        },
        "fetch" => GroupCommand::FetchOffsets {
            caller: args.caller(9),
            require_stable: args.0.has("stable"),
            group: OffsetFetchRequestGroup {
                group_id: args.group(),
                topics: (!args.0.has("all")).then(|| {
                    let partitions = args.partitions().into_iter();
                    partitions
                        .map(|(name, partition)| OffsetFetchRequestTopics {
                            name,
                            topic_id: topic_id(args),
                            partition_indexes: vec![partition],
                        })
                        .collect()
                }),
                member_id: args.optional("member"),
                member_epoch: args.number("member_epoch", -1),
            },
        },
        "delete-offsets" => GroupCommand::DeleteOffsets {
            request: OffsetDeleteRequest {
                group_id: args.group(),
                topics: args
                    .partitions()
                    .into_iter()
                    .map(|(name, partition_index)| OffsetDeleteRequestTopic {
                        name,
                        partitions: vec![OffsetDeleteRequestPartition { partition_index }],
                    })
                    .collect(),
            },
        },
        other => panic!("nobody says {other} here"),
    }
}
