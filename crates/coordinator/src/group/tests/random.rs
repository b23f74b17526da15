//! Seeded random commands. Whatever is said: the twins are equal when all is committed, a log loaded anew gives the
//! same state, every request is answered exactly once, counters match what they count, and a seed has one outcome.

use super::rig::Rig;
use super::script::subscription;
use super::words;
use crate::group::{Caller, DeletedTopic, GroupAnswer, GroupCommand, GroupConfig, GroupMachine, GroupSoft};
use crate::hosted::{Hosted, HostedOptions};
use crate::machine::{ProducerIdentity, TransactionMarker};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
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
use wire::random::SplitMix64;
use wire::{Str, Uuid};

/// Members and generations that answers have told of, by group; requests draw from them.
#[derive(Default)]
struct Known {
    members: BTreeMap<Str, Vec<Str>>,
    generations: BTreeMap<Str, i32>,
}

struct Walk {
    rig: Rig,
    dice: SplitMix64,
    known: Known,
    asked: BTreeMap<u64, Str>,
    open: BTreeSet<u64>,
    next_token: u64,
    trace: Vec<String>,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let config = GroupConfig {
            classic_initial_rebalance_delay_ms: 1_000,
            classic_max_size: 4,
            classic_min_session_timeout_ms: 2_000,
            offsets_retention_ms: 60_000,
            offsets_retention_check_interval_ms: 20_000,
            ..GroupConfig::default()
        };
        Walk {
            rig: Rig::open(config, seed),
            dice: SplitMix64::new(seed ^ 0xd1ce),
            known: Known::default(),
            asked: BTreeMap::new(),
            open: BTreeSet::new(),
            next_token: 0,
            trace: Vec::new(),
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.below(sides)
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() {
            return None;
        }
        let at = self.roll(items.len() as u64) as usize;
        items.get(at).cloned()
    }

    fn group(&mut self) -> Str {
        let number = self.roll(3);
        Str::from(format!("g{number}"))
    }

    fn member(&mut self, group: &Str) -> Str {
        let members = self.known.members.get(group).cloned().unwrap_or_default();
        match self.roll(10) {
            0 => Str::from_static("stranger"),
            _ => self.pick(&members).unwrap_or_default(),
        }
    }

    fn instance(&mut self) -> Option<Str> {
        match self.roll(3) {
            0 => Some(Str::from_static("one")),
            1 => Some(Str::from_static("two")),
            _ => None,
        }
    }

    fn generation(&mut self, group: &Str) -> i32 {
        let current = self.known.generations.get(group).copied().unwrap_or(0);
        match self.roll(12) {
            0 => -1,
            1 => current - 1,
            _ => current,
        }
    }

    fn topic(&mut self) -> Str {
        let number = self.roll(3);
        Str::from(format!("t{number}"))
    }

    fn caller(&mut self) -> Caller {
        let api_version = if self.roll(2) == 0 { 9 } else { self.roll(10) as i16 };
        Caller { api_version, client_id: Str::from_static("c"), client_host: Str::from_static("/127.0.0.1") }
    }

    fn join(&mut self, group: Str) -> GroupCommand {
        let member_id = if self.roll(3) == 0 { Str::new() } else { self.member(&group) };
        // Members answer under their own instance; strangers do not always.
        let owner = ["one", "two"].into_iter().find(|name| member_id.starts_with(&format!("{name}-")));
        let group_instance_id = match owner {
            Some(name) if self.roll(8) != 0 => Some(Str::from_static(name)),
            _ if member_id.is_empty() => self.instance(),
            _ => None,
        };
        let topics = if self.roll(4) == 0 { vec!["t0", "t1"] } else { vec!["t0"] };
        let protocol =
            |name| JoinGroupRequestProtocol { name: Str::from_static(name), metadata: subscription(&topics) };
        let mut protocols = vec![protocol("range"), protocol("roundrobin")];
        if self.roll(2) == 0 {
            protocols.reverse();
        }
        let caller = self.caller();
        GroupCommand::Join {
            caller,
            request: JoinGroupRequest {
                group_id: group,
                session_timeout_ms: 2_000 + self.roll(5) as i32 * 1_000,
                rebalance_timeout_ms: 3_000,
                member_id,
                group_instance_id,
                protocol_type: Str::from_static("consumer"),
                protocols,
                reason: None,
            },
        }
    }

    fn sync(&mut self, group: Str) -> GroupCommand {
        let member_id = self.member(&group);
        let members = self.known.members.get(&group).cloned().unwrap_or_default();
        let assignments = members.iter().map(|member_id| SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: Bytes::from(format!("of {member_id}")),
        });
        GroupCommand::Sync {
            caller: Caller { api_version: 4, ..Caller::default() },
            request: SyncGroupRequest {
                generation_id: self.generation(&group),
                assignments: assignments.collect(),
                member_id,
                group_id: group,
                ..SyncGroupRequest::default()
            },
        }
    }

    fn leave(&mut self, group: Str) -> GroupCommand {
        let member_id = if self.roll(4) == 0 { Str::new() } else { self.member(&group) };
        let group_instance_id = if member_id.is_empty() { self.instance() } else { None };
        GroupCommand::Leave {
            caller: Caller { api_version: 5, ..Caller::default() },
            request: LeaveGroupRequest {
                group_id: group,
                members: vec![MemberIdentity { member_id, group_instance_id, reason: None }],
                ..LeaveGroupRequest::default()
            },
        }
    }

    fn commit(&mut self, group: Str) -> GroupCommand {
        let as_member = self.roll(3) != 0;
        GroupCommand::CommitOffsets {
            caller: Caller { api_version: 9, ..Caller::default() },
            request: OffsetCommitRequest {
                generation_id_or_member_epoch: if as_member { self.generation(&group) } else { -1 },
                member_id: if as_member { self.member(&group) } else { Str::new() },
                group_instance_id: None,
                retention_time_ms: if self.roll(4) == 0 { 5_000 } else { -1 },
                topics: vec![OffsetCommitRequestTopic {
                    name: self.topic(),
                    topic_id: Uuid::ZERO,
                    partitions: vec![OffsetCommitRequestPartition {
                        partition_index: self.roll(3) as i32,
                        committed_offset: self.roll(1_000) as i64,
                        committed_leader_epoch: -1,
                        committed_metadata: Some(Str::from_static("m")).filter(|_| self.roll(2) == 0),
                    }],
                }],
                group_id: group,
            }
            .into(),
        }
    }

    fn commit_in_transaction(&mut self, group: Str) -> GroupCommand {
        GroupCommand::CommitTransactionalOffsets {
            caller: Caller { api_version: 5, ..Caller::default() },
            request: TxnOffsetCommitRequest {
                group_id: group,
                producer_id: self.roll(3) as i64,
                generation_id_or_member_epoch: -1,
                topics: vec![TxnOffsetCommitRequestTopic {
                    name: self.topic(),
                    topic_id: Uuid::ZERO,
                    partitions: vec![TxnOffsetCommitRequestPartition {
                        partition_index: self.roll(3) as i32,
                        committed_offset: self.roll(1_000) as i64,
                        committed_leader_epoch: -1,
                        committed_metadata: None,
                    }],
                }],
                ..TxnOffsetCommitRequest::default()
            },
        }
    }

    fn fetch(&mut self, group: Str) -> GroupCommand {
        let all = self.roll(2) == 0;
        let topics = vec![OffsetFetchRequestTopics {
            name: self.topic(),
            topic_id: Uuid::ZERO,
            partition_indexes: vec![0, 1, 2],
        }];
        GroupCommand::FetchOffsets {
            caller: Caller { api_version: 9, ..Caller::default() },
            require_stable: self.roll(2) == 0,
            group: OffsetFetchRequestGroup {
                group_id: group,
                topics: (!all).then_some(topics),
                ..OffsetFetchRequestGroup::default()
            },
        }
    }

    fn command(&mut self) -> GroupCommand {
        let group = self.group();
        match self.roll(40) {
            0..=11 => self.join(group),
            12..=18 => self.sync(group),
            19..=23 => GroupCommand::Heartbeat {
                caller: Caller::default(),
                request: HeartbeatRequest {
                    generation_id: self.generation(&group),
                    member_id: self.member(&group),
                    group_instance_id: None,
                    group_id: group,
                },
            },
            24..=25 => self.leave(group),
            26..=30 => self.commit(group),
            31..=32 => self.commit_in_transaction(group),
            33..=34 => self.fetch(group),
            35 => GroupCommand::DeleteOffsets {
                request: OffsetDeleteRequest {
                    group_id: group,
                    topics: vec![OffsetDeleteRequestTopic {
                        name: self.topic(),
                        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
                    }],
                },
            },
            36 => GroupCommand::Delete { groups: vec![group] },
            37 => GroupCommand::Describe { caller: Caller::default(), groups: vec![group] },
            38 => GroupCommand::List { states: Vec::new(), types: Vec::new() },
            _ => GroupCommand::TopicsDeleted {
                topics: vec![DeletedTopic { id: Uuid::ZERO, name: self.topic() }],
            },
        }
    }

    fn step(&mut self) {
        match self.roll(20) {
            0..=2 => {
                let milliseconds = self.roll(1_500) as i64;
                self.rig.wait(milliseconds, |_| {});
            }
            3 => {
                let producer = ProducerIdentity { producer_id: self.roll(3) as i64, producer_epoch: 0 };
                let commit = self.roll(2) == 0;
                let marker = TransactionMarker { producer, commit, coordinator_epoch: 0 };
                let token = self.token(Str::new());
                self.rig.end_transaction(marker, token);
            }
            4 => {
                self.rig.commit_at_once = !self.rig.commit_at_once;
                let behind = self.rig.log.end - self.rig.high_watermark;
                let by = if behind == 0 { 0 } else { self.roll(behind as u64 + 1) as i64 };
                self.rig.commit(self.rig.high_watermark + by);
            }
            5 if self.roll(10) == 0 => {
                self.rig.close();
                self.hear();
                assert!(
                    self.open.is_empty(),
                    "a coordinator that goes away answers everybody: {:?}",
                    self.open
                );
                self.rig.reload();
            }
            _ => {
                let command = self.command();
                let group = match &command {
                    GroupCommand::Join { request, .. } => request.group_id.clone(),
                    _ => Str::new(),
                };
                let token = self.token(group);
                self.rig.handle(command, token);
            }
        }
        self.hear();
        self.check();
    }

    fn token(&mut self, group: Str) -> u64 {
        self.next_token += 1;
        self.asked.insert(self.next_token, group);
        self.open.insert(self.next_token);
        self.next_token
    }

    fn hear(&mut self) {
        for reply in self.rig.taken() {
            let token = reply.token.0;
            assert!(self.open.remove(&token), "request {token} was answered twice: {:?}", reply.answer);
            self.trace.push(format!("{token} {}", words::answer(&reply.answer)));
            if let GroupAnswer::Join(response) = &reply.answer {
                let group = self.asked.get(&token).cloned().unwrap_or_default();
                let members = self.known.members.entry(group.clone()).or_default();
                if !response.member_id.is_empty() && !members.contains(&response.member_id) {
                    members.push(response.member_id.clone());
                }
                if members.len() > 6 {
                    members.remove(0);
                }
                if response.error_code == 0 {
                    self.known.generations.insert(group, response.generation_id);
                }
            }
        }
    }

    fn check(&self) {
        let (pending, committed) = self.rig.hosted.twins();
        if self.rig.hosted.is_settled() {
            assert_eq!(pending, committed, "the twins differ though all is committed");
        }
        for group in self.rig.hosted.soft().unwrap().classic.values() {
            group.check_members();
        }
    }

    /// The log, loaded anew, is the state.
    fn check_replay(&self) {
        let soft = GroupSoft::new(self.rig.config.clone(), 0);
        let mut again = Hosted::loading(GroupMachine::new(), soft, HostedOptions::default(), 0);
        for batch in &self.rig.log.batches {
            assert_eq!(again.load(batch.bytes().clone(), self.rig.high_watermark), []);
        }
        assert_eq!(again.twins().0, self.rig.hosted.twins().0, "pending is not what the log says");
        assert_eq!(again.twins().1, self.rig.hosted.twins().1, "committed is not what the log says");
    }
}

fn walk(seed: u64, steps: usize) -> Vec<String> {
    let mut walk = Walk::new(seed);
    for step in 0..steps {
        walk.step();
        if step % 50 == 0 {
            walk.check_replay();
        }
    }
    walk.check_replay();
    walk.rig.close();
    walk.hear();
    assert!(walk.open.is_empty(), "never answered: {:?}", walk.open);
    walk.trace
}

/// Seeds of the ordinary test run; `OTTLA_SEEDS` walks further.
const SEEDS: u64 = 60;

#[test]
fn random_commands_keep_every_promise() {
    let seeds = std::env::var("OTTLA_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    // The walks must reach the rooms that matter.
    let mut unseen = vec![
        "JoinGroup NONE",
        "SyncGroup NONE",
        "Heartbeat NONE",
        "skip_assignment",
        "FENCED_INSTANCE_ID",
        "REBALANCE_IN_PROGRESS",
        "GROUP_MAX_SIZE_REACHED",
        "MEMBER_ID_REQUIRED",
        "UNSTABLE_OFFSET_COMMIT",
        "GROUP_SUBSCRIBED_TO_TOPIC",
        "NOT_COORDINATOR",
        "COORDINATOR_NOT_AVAILABLE",
    ];
    for seed in 0..seeds {
        let trace = walk(seed, 600).join("\n");
        unseen.retain(|words| !trace.contains(words));
    }
    assert!(unseen.is_empty(), "never seen: {unseen:?}");
}

#[test]
fn a_seed_has_one_outcome() {
    assert_eq!(walk(7, 1_000), walk(7, 1_000));
}
