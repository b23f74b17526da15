//! Several replicas, their disks and the network between them. After each step it is checked that an epoch has one leader, and that
//! what is committed anywhere is the same everywhere, for ever.

use super::super::control::data_batch;
use super::super::{
    Destination, Effect, Event, MemoryLog, OffsetAndEpoch, Outgoing, Quorum, RaftOptions, RaftRequest,
    RaftResponse, RequestToken, SharedLog, SnapshotHead, VoterNode, VoterSet,
};
use super::shown;
use crate::features::KRAFT_VERSIONS;
use crate::raft::control::encode_snapshot;
use crate::raft::role::Role;
use crate::testing::{id as directory_id, raft_options};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::fetch::EpochEndOffset;
use wire::random::SplitMix64;
use wire::record_batch::RecordBatch;
use wire::{ErrorCode, Str, Uuid};

/// A step of time: what is sent in one arrives in a later one.
pub(super) const TICK_MS: i64 = 10;

/// A replica that runs.
pub(super) struct Node {
    pub quorum: Quorum,
}

enum Mail {
    Request { from: i32, to: Destination, correlation_id: u64, request: RaftRequest },
    Response { from: i32, to: i32, correlation_id: u64, response: Option<RaftResponse> },
}

enum Asker {
    Peer { id: i32, named: i32, correlation_id: u64 },
    Admin(String),
}

pub(super) struct Cluster {
    pub running: BTreeMap<i32, Node>,
    /// As each node is, or was when it was last running.
    options: BTreeMap<i32, RaftOptions>,
    disks: BTreeMap<i32, SharedLog>,
    /// How often each disk was replaced.
    lives: BTreeMap<i32, i32>,
    pub cut_off: BTreeSet<i32>,
    /// One message in so many is lost, and as many come late. 0: none.
    pub loses_one_in: u64,
    /// So much later than anything else do answers to fetches arrive: they have connections of their own.
    pub fetches_late_ms: i64,
    late: Vec<(i64, Mail)>,
    /// Answers to fetches ask for a cut at the first offset.
    pub spoils_fetches: bool,
    /// So many of those were refused.
    pub refused: usize,
    pub now_ms: i64,
    /// What was answered since it was last told.
    pub heard: Vec<String>,
    mail: Vec<Mail>,
    askers: BTreeMap<RequestToken, Asker>,
    next_token: RequestToken,
    pub rng: SplitMix64,
    leader_of_epoch: BTreeMap<i32, i32>,
    committed: BTreeMap<i64, Bytes>,
    compared: BTreeMap<i32, i64>,
}

impl Cluster {
    pub fn new(seed: u64) -> Self {
        Cluster {
            running: BTreeMap::new(),
            options: BTreeMap::new(),
            disks: BTreeMap::new(),
            lives: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            loses_one_in: 0,
            fetches_late_ms: 0,
            late: Vec::new(),
            spoils_fetches: false,
            refused: 0,
            now_ms: 1_000,
            heard: Vec::new(),
            mail: Vec::new(),
            askers: BTreeMap::new(),
            next_token: 0,
            rng: SplitMix64::new(seed),
            leader_of_epoch: BTreeMap::new(),
            committed: BTreeMap::new(),
            compared: BTreeMap::new(),
        }
    }

    // ---- Nodes ----

    /// The directory of a node's first life; the second has that of `id + 100`, and so on.
    pub fn directory_of(id: i32) -> Uuid {
        directory_id(id as u8)
    }

    pub fn directory(&self, id: i32) -> Uuid {
        self.options.get(&id).map_or(Self::directory_of(id), |options| options.directory_id)
    }

    /// A new cluster: dynamic as `kafka-storage format --initial-controllers` makes it, static by `controller.quorum.voters`.
    pub fn format(&mut self, ids: &[i32], dynamic: bool) {
        let options: Vec<RaftOptions> = ids.iter().map(|id| raft_options(*id, ids)).collect();
        let voter = |options: &RaftOptions| VoterNode {
            key: super::ReplicaKey { id: options.node_id, directory_id: Some(options.directory_id) },
            endpoints: options.local_endpoints.clone(),
            kraft_versions: KRAFT_VERSIONS,
        };
        let mut voters = VoterSet::default();
        options.iter().for_each(|options| voters = voters.with(voter(options)));
        let head = SnapshotHead { kraft_version: 1, voters: Some(voters), ..Default::default() };
        let content = encode_snapshot(OffsetAndEpoch::BOOTSTRAP, &head, [], 0).concat();
        for options in options {
            let id = options.node_id;
            let log = match dynamic {
                true => {
                    MemoryLog::new().with_snapshot(OffsetAndEpoch::BOOTSTRAP, Bytes::from(content.clone()))
                }
                false => MemoryLog::new(),
            };
            self.disks.insert(id, SharedLog::new(log));
            let options = if dynamic { dynamically(options) } else { options };
            self.options.insert(id, options);
            self.restart(id);
        }
    }

    /// A controller without a vote, with an empty disk.
    pub fn join(&mut self, id: i32, auto_join: bool) {
        let options = RaftOptions { auto_join, ..dynamically(raft_options(id, &[])) };
        self.options.insert(id, options);
        self.disks.insert(id, SharedLog::default());
        self.restart(id);
    }

    pub fn restart(&mut self, id: i32) {
        let (Some(options), Some(disk)) = (self.options.get(&id), self.disks.get(&id)) else {
            panic!("no node {id}")
        };
        let seed = self.rng.next_u64();
        let quorum = Quorum::open(options.clone(), Box::new(disk.clone()), None, seed, self.now_ms);
        let quorum = quorum.unwrap_or_else(|error| panic!("{error:?}"));
        self.compared.remove(&id);
        self.running.insert(id, Node { quorum });
    }

    /// The power goes: nothing stays but what was flushed.
    pub fn kill(&mut self, id: i32) {
        if self.running.remove(&id).is_some()
            && let Some(disk) = self.disks.get_mut(&id)
        {
            let durable = disk.get().after_power_cut();
            *disk = SharedLog::new(durable);
        }
    }

    /// The disk fails with the next flush, and the process ends; what it had written is in the page cache.
    pub fn fail_to_flush(&mut self, id: i32) {
        if let Some(disk) = self.disks.get(&id) {
            disk.get().fails_to_flush = true;
        }
    }

    /// A new disk, formatted anew, and the node on it.
    pub fn wipe(&mut self, id: i32) {
        self.kill(id);
        let life = self.lives.entry(id).or_default();
        *life += 1;
        let directory = Self::directory_of(id + 100 * *life);
        self.disks.insert(id, SharedLog::default());
        if let Some(options) = self.options.get_mut(&id) {
            options.directory_id = directory;
        }
        self.restart(id);
    }

    pub fn listen_at(&mut self, id: i32, port: u16) {
        if let Some(options) = self.options.get_mut(&id) {
            options.local_endpoints.values_mut().for_each(|address| address.1 = port);
        }
    }

    pub fn address(&self, id: i32, listener: &Str) -> (Str, u16) {
        let known = self.options.get(&id).and_then(|options| options.local_endpoints.get(listener));
        known.cloned().unwrap_or_else(|| (Str::from(format!("node{id}")), 9093))
    }

    // ---- What is asked of them ----

    pub fn leader(&self) -> Option<i32> {
        let leaders = self.running.iter().filter(|(_, node)| node.quorum.is_leader());
        leaders.max_by_key(|(_, node)| node.quorum.epoch()).map(|(id, _)| *id)
    }

    pub fn epoch(&self) -> i32 {
        self.running.values().map(|node| node.quorum.epoch()).max().unwrap_or(0)
    }

    fn leading(&mut self) -> Option<&mut Quorum> {
        let leader = self.leader()?;
        self.running.get_mut(&leader).map(|node| &mut node.quorum)
    }

    /// Sends an administrator's request; what is answered is heard later.
    pub fn request(&mut self, at: i32, name: String, request: RaftRequest) {
        self.next_token += 1;
        self.askers.insert(self.next_token, Asker::Admin(name));
        let token = self.next_token;
        self.step(at, Event::Request { token, request });
    }

    /// A batch of metadata.
    pub fn write(&mut self) {
        let (now_ms, batch) = (self.now_ms, data_batch([Bytes::from_static(b"metadata")], self.now_ms));
        if let Some(quorum) = self.leading() {
            let appended = quorum.append(now_ms, batch).unwrap_or_else(|fault| panic!("{fault}"));
            assert!(appended.is_ok(), "a leader appends");
        }
        if let Some(leader) = self.leader() {
            self.step(leader, Event::Tick);
        }
    }

    /// The leader writes a snapshot of all that is committed, and drops the log before it.
    pub fn snapshot(&mut self) {
        let now_ms = self.now_ms;
        let Some(quorum) = self.leading() else { return };
        let id = OffsetAndEpoch::new(quorum.high_watermark().unwrap_or(0), quorum.epoch());
        let written = quorum.write_snapshot(id, now_ms, [], now_ms).and_then(|_| quorum.clean(0, 0, now_ms));
        written.unwrap_or_else(|fault| panic!("{fault}"));
    }

    /// As if the observers had been away for hours.
    pub fn forget_observers(&mut self) {
        if let Some(quorum) = self.leading()
            && let Role::Leader(leader) = &mut quorum.role
        {
            leader.observers.clear();
        }
    }

    pub fn resign(&mut self, id: i32) {
        self.step(id, Event::Resign);
    }

    /// Makes this voter the leader.
    pub fn stand(&mut self, id: i32) {
        for _ in 0..100 {
            match self.leader() {
                Some(leader) if leader == id => return self.run(1_000),
                Some(leader) => self.resign(leader),
                None => {}
            }
            self.run(3_000);
        }
        panic!("{id} is never elected");
    }

    pub fn upgrade(&mut self, version: i16) -> String {
        let now_ms = self.now_ms;
        let Some(quorum) = self.leading() else { return "nobody leads".to_owned() };
        let upgraded = quorum.upgrade_kraft_version(version, now_ms);
        let upgraded = upgraded.unwrap_or_else(|fault| panic!("{fault}"));
        self.run(1_000);
        format!("{upgraded:?}")
    }

    pub fn show(&self) -> Vec<String> {
        self.running.iter().map(|(id, node)| shown(*id, node)).collect()
    }

    // ---- Time and the network ----

    pub fn run(&mut self, for_ms: i64) {
        for _ in 0..for_ms / TICK_MS {
            self.now_ms += TICK_MS;
            let now_ms = self.now_ms;
            let due = self.late.extract_if(.., |(due_ms, _)| *due_ms <= now_ms);
            self.mail.splice(0..0, due.map(|(_, mail)| mail));
            for mail in std::mem::take(&mut self.mail) {
                match (self.loses_one_in, self.rng.below(2 * self.loses_one_in.max(1))) {
                    (1.., 0) => self.lose(mail),
                    (1.., 1) => self.mail.push(mail),
                    _ => self.deliver(mail),
                }
            }
            let ids: Vec<i32> = self.running.keys().copied().collect();
            ids.into_iter().for_each(|id| self.step(id, Event::Tick));
        }
    }

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::Request { from, ref to, .. } => {
                let target = self.at_address(&to.host, to.port);
                let Some(target) = target.filter(|target| self.reaches(from, *target)) else {
                    return self.lose(mail);
                };
                let Mail::Request { from, to, correlation_id, request } = mail else { return };
                self.next_token += 1;
                let asker = Asker::Peer { id: from, named: to.id, correlation_id };
                self.askers.insert(self.next_token, asker);
                self.step(target, Event::Request { token: self.next_token, request });
            }
            Mail::Response { from, to, correlation_id, response } => {
                self.step(to, Event::Response { from, correlation_id, response });
            }
        }
    }

    /// The connection breaks: whoever asked hears that there is no answer.
    fn lose(&mut self, mail: Mail) {
        let (asker, named, correlation_id) = match mail {
            Mail::Request { from, to, correlation_id, .. } => (from, to.id, correlation_id),
            Mail::Response { from, to, correlation_id, .. } => (to, from, correlation_id),
        };
        self.step(asker, Event::Response { from: named, correlation_id, response: None });
    }

    fn reaches(&self, from: i32, to: i32) -> bool {
        !self.cut_off.contains(&from) && !self.cut_off.contains(&to)
    }

    fn at_address(&self, host: &Str, port: u16) -> Option<i32> {
        let listens =
            |options: &RaftOptions| options.local_endpoints.values().any(|at| *at == (host.clone(), port));
        let at = self.options.iter().find(|(_, options)| listens(options)).map(|(id, _)| *id);
        at.filter(|id| self.running.contains_key(id))
    }

    /// One event, a flush, and whatever follows from both.
    fn step(&mut self, id: i32, event: Event) {
        let Some(node) = self.running.get_mut(&id) else { return };
        let mut effects = Vec::new();
        let was_to_fail = self.disks.get(&id).is_some_and(|disk| disk.get().fails_to_flush);
        let stepped = node.quorum.step(self.now_ms, event, &mut effects);
        let flushed = stepped.and_then(|()| node.quorum.flush(self.now_ms, &mut effects));
        if let Err(fault) = flushed {
            assert!(was_to_fail, "node {id}: {fault}");
            self.running.remove(&id);
            return;
        }
        for effect in effects {
            match effect {
                Effect::Send(Outgoing { to, correlation_id, request }) => {
                    self.mail.push(Mail::Request { from: id, to, correlation_id, request });
                }
                Effect::Answer { token, response } => self.answered(id, token, response),
                Effect::Committed { .. }
                | Effect::LeaderChanged { .. }
                | Effect::Truncated { .. }
                | Effect::SnapshotInstalled { .. } => {}
                Effect::Refused(_) => self.refused += 1,
            }
        }
        self.check(id);
    }

    fn answered(&mut self, by: i32, token: RequestToken, response: RaftResponse) {
        match self.askers.remove(&token) {
            Some(Asker::Admin(name)) => self.heard.push(format!("{name}: {}", shown_answer(&response))),
            Some(Asker::Peer { id, named, correlation_id }) => {
                let is_late = self.fetches_late_ms > 0 && matches!(response, RaftResponse::Fetch(_));
                let response = if self.spoils_fetches { spoiled(response) } else { response };
                let response = Some(response).filter(|_| self.reaches(by, id));
                let mail = Mail::Response { from: named, to: id, correlation_id, response };
                match is_late {
                    true => self.late.push((self.now_ms + self.fetches_late_ms, mail)),
                    false => self.mail.push(mail),
                }
            }
            None => panic!("node {by} answers twice"),
        }
    }

    // ---- What must hold ----

    fn check(&mut self, id: i32) {
        let Some(node) = self.running.get(&id) else { return };
        let quorum = &node.quorum;
        if quorum.is_leader() {
            let leader = *self.leader_of_epoch.entry(quorum.epoch()).or_insert(id);
            assert_eq!(leader, id, "epoch {} has two leaders", quorum.epoch());
        }
        let (start, high_watermark) = (quorum.log().start_offset(), quorum.high_watermark().unwrap_or(0));
        let mut next = self.compared.get(&id).copied().unwrap_or(0).max(start);
        while next < high_watermark {
            let read = quorum.log().read(next, 1).unwrap_or_else(|fault| panic!("{fault}"));
            let batches = RecordBatch::split(read).unwrap_or_else(|error| panic!("{error}"));
            for batch in batches {
                let known = self.committed.entry(batch.base_offset).or_insert_with(|| batch.bytes().clone());
                assert_eq!(known, batch.bytes(), "node {id}: offset {} differs", batch.base_offset);
                next = batch.next_offset();
            }
        }
        self.compared.insert(id, next);
    }
}

/// An answer to a fetch that asks for a cut at the first offset; any other as it is.
fn spoiled(mut response: RaftResponse) -> RaftResponse {
    if let RaftResponse::Fetch(fetched) = &mut response {
        let partitions = fetched.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions {
            partition.diverging_epoch = EpochEndOffset { epoch: 0, end_offset: 0 };
        }
    }
    response
}

/// Without configured voters: what the log says counts, and anybody may be asked who leads.
fn dynamically(options: RaftOptions) -> RaftOptions {
    let server = |id: i32| (Str::from(format!("node{id}")), 9093);
    let bootstrap_servers = (1..=5).map(server).collect();
    RaftOptions { fixed_voters: VoterSet::default(), bootstrap_servers, ..options }
}

fn shown_answer(response: &RaftResponse) -> String {
    let (error, message) = match response {
        RaftResponse::AddRaftVoter(answer) => (answer.error_code, answer.error_message.clone()),
        RaftResponse::RemoveRaftVoter(answer) => (answer.error_code, answer.error_message.clone()),
        RaftResponse::UpdateRaftVoter(answer) => {
            let leader = &answer.current_leader;
            (
                answer.error_code,
                Some(Str::from(format!("leader {} at {}:{}", leader.leader_id, leader.host, leader.port))),
            )
        }
        other => panic!("{other:?}"),
    };
    let message = message.map_or(String::new(), |message| format!(" {message}"));
    format!("{}{message}", ErrorCode::from_code(error).name())
}
