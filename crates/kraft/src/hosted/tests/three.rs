//! Three voters and a network that can cut one of them off: they elect, replicate, and come to the same image again.

use crate::controller::{ControllerAnswer, ControllerCommand, UpdateFeatures};
use crate::hosted::{MetadataQuorum, Token};
use crate::raft::{RaftRequest, RaftResponse, SharedLog};
use crate::testing::{FewRules, id, quorum_options};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::messages::add_raft_voter::{AddRaftVoterRequest, Listener};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use wire::messages::remove_raft_voter::RemoveRaftVoterRequest;
use wire::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};

enum Mail {
    Request { from: i32, to: i32, correlation_id: u64, request: RaftRequest },
    Response { from: i32, to: i32, correlation_id: u64, response: Option<RaftResponse> },
}

struct Three {
    nodes: BTreeMap<i32, MetadataQuorum>,
    cut_off: Option<i32>,
    mail: Vec<Mail>,
    /// Who asked with which correlation id, by token.
    asked: BTreeMap<(i32, Token), (i32, u64)>,
    answers: Vec<(i32, Token, ControllerAnswer)>,
    /// Commands that came back.
    moved: Vec<Token>,
    /// What administrators were told by the quorum itself.
    told: Vec<(Token, RaftResponse)>,
    next_token: Token,
    now_ms: i64,
}

impl Three {
    fn new(seed: u64) -> Self {
        let open = |id: i32| {
            let options = quorum_options(id, &[1, 2, 3], seed + id as u64);
            let log = Box::new(SharedLog::default());
            let quorum = MetadataQuorum::open(options, log, Arc::new(FewRules), 0);
            (id, quorum.unwrap_or_else(|error| panic!("{error}")))
        };
        Three {
            nodes: [1, 2, 3].map(open).into(),
            cut_off: None,
            mail: Vec::new(),
            asked: BTreeMap::new(),
            answers: Vec::new(),
            moved: Vec::new(),
            told: Vec::new(),
            next_token: 1 << 32,
            now_ms: 0,
        }
    }

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::Request { from, to, correlation_id, request } => {
                let is_dead = !self.nodes.contains_key(&to);
                if is_dead || self.cut_off == Some(from) || self.cut_off == Some(to) {
                    let lost = Mail::Response { from: to, to: from, correlation_id, response: None };
                    self.mail.push(lost);
                    return;
                }
                self.next_token += 1;
                self.asked.insert((to, self.next_token), (from, correlation_id));
                if let Some(node) = self.nodes.get_mut(&to) {
                    node.request(self.now_ms, self.next_token, request);
                }
            }
            Mail::Response { from, to, correlation_id, response } => {
                let lost = self.cut_off == Some(from) || self.cut_off == Some(to);
                let response = response.filter(|_| !lost);
                if let Some(node) = self.nodes.get_mut(&to) {
                    node.response(self.now_ms, from, correlation_id, response);
                }
            }
        }
    }

    fn run(&mut self, for_ms: i64) {
        for _ in 0..for_ms / 10 {
            self.now_ms += 10;
            for mail in std::mem::take(&mut self.mail) {
                self.deliver(mail);
            }
            for (id, node) in &mut self.nodes {
                let turn = node.turn(self.now_ms).unwrap_or_else(|fault| panic!("{fault}"));
                self.mail.extend(turn.sends.into_iter().map(|sent| Mail::Request {
                    from: *id,
                    to: sent.to.id,
                    correlation_id: sent.correlation_id,
                    request: sent.request,
                }));
                for (token, response) in turn.raft_answers {
                    match self.asked.remove(&(*id, token)) {
                        Some((to, correlation_id)) => {
                            let response = Some(response);
                            self.mail.push(Mail::Response { from: *id, to, correlation_id, response });
                        }
                        None => self.told.push((token, response)),
                    }
                }
                self.answers.extend(turn.answers.into_iter().map(|(token, answer)| (*id, token, answer)));
                self.moved.extend(turn.moved.into_iter().map(|(token, _)| token));
            }
        }
    }

    fn leaders(&self) -> Vec<i32> {
        self.nodes.iter().filter(|(_, node)| node.status().is_active).map(|(id, _)| *id).collect()
    }

    /// Sets a default of all brokers.
    fn configure(&mut self, on: i32, key: &str) -> Token {
        let config =
            AlterableConfig { name: Str::from(key), config_operation: 0, value: Some(Str::from("1")) };
        let resource =
            AlterConfigsResource { resource_type: 4, resource_name: Str::from(""), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        self.next_token += 1;
        if let Some(node) = self.nodes.get_mut(&on) {
            node.propose(self.now_ms, self.next_token, ControllerCommand::IncrementalAlterConfigs(request));
        }
        self.next_token
    }

    /// A request that no peer sends: an administrator's.
    fn ask(&mut self, on: i32, request: RaftRequest) -> Token {
        self.next_token += 1;
        if let Some(node) = self.nodes.get_mut(&on) {
            node.request(self.now_ms, self.next_token, request);
        }
        self.next_token
    }

    /// All controllers register, and kraft.version is raised: the configured quorum becomes a dynamic one.
    fn upgrade(&mut self, on: i32) -> i16 {
        let due: Vec<_> = self.nodes.values().filter_map(|node| node.registration_due().cloned()).collect();
        let update = FeatureUpdateKey {
            feature: Str::from("kraft.version"),
            max_version_level: 1,
            upgrade_type: 1,
            ..Default::default()
        };
        let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
        let commands = due.into_iter().map(ControllerCommand::RegisterController);
        let last = ControllerCommand::UpdateFeatures(UpdateFeatures { request, api_version: 2 });
        for command in commands.chain([last]) {
            self.next_token += 1;
            if let Some(node) = self.nodes.get_mut(&on) {
                node.propose(self.now_ms, self.next_token, command);
            }
        }
        let last = self.next_token;
        self.run(500);
        let answer = self.answers.iter().find(|(_, token, _)| *token == last);
        let Some((.., ControllerAnswer::UpdateFeatures(answer))) = answer else { panic!("{answer:?}") };
        answer.error_code
    }

    fn answered(&self, token: Token) -> Option<i16> {
        let (.., answer) = self.answers.iter().find(|(_, answered, _)| *answered == token)?;
        let ControllerAnswer::IncrementalAlterConfigs(response) = answer else { panic!("{answer:?}") };
        response.responses.first().map(|resource| resource.error_code)
    }

    /// Nothing but NoOps every half second now: stop where the last one has come to everybody.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.run(10);
            let mut reached = self.nodes.values().map(|node| node.image().provenance.last_offset);
            let first = reached.next();
            if reached.all(|offset| Some(offset) == first) {
                return;
            }
        }
        panic!("somebody does not catch up");
    }

    fn assert_one_image(&self) {
        let [a, b, c] = [1, 2, 3].map(|id| self.nodes.get(&id).map(|node| (**node.image()).clone()));
        assert!(a == b && b == c, "all have the same image");
        let Some(image) = a else { return };
        let configured = image.configs.of_cluster();
        assert!(configured.contains_key("kept") && !configured.contains_key("lost"));
    }
}

fn check(seed: u64) {
    let mut three = Three::new(seed);
    three.run(6000);
    let [first] = three.leaders()[..] else { panic!("seed {seed}: leaders {:?}", three.leaders()) };

    let kept = three.configure(first, "kept");
    three.run(100);
    assert_eq!(three.answered(kept), Some(0), "seed {seed}");

    // Cut off, the leader keeps nothing it is asked for, and finds out.
    three.cut_off = Some(first);
    let lost = three.configure(first, "lost");
    three.run(12_000);
    let [second] = three.leaders()[..] else { panic!("seed {seed}: leaders {:?}", three.leaders()) };
    assert_ne!(first, second, "seed {seed}");
    assert_eq!((three.answered(lost), &three.moved[..]), (None, &[lost][..]), "seed {seed}");

    three.cut_off = None;
    three.run(8000);
    assert_eq!(three.leaders().len(), 1, "seed {seed}");
    three.settle();
    three.assert_one_image();
}

#[test]
fn a_leader_that_is_cut_off_is_replaced_and_comes_back() {
    (0..6).for_each(|seed| check(seed * 10));
}

/// A node's process dies: nobody hears from it any more, and who asks it is told so at once.
fn dies(three: &mut Three, id: i32) {
    three.nodes.remove(&id);
    // What it had sent before ends with its connections.
    let is_from_the_dead = |mail: &Mail| match mail {
        Mail::Request { from, .. } | Mail::Response { from, .. } => *from == id,
    };
    three.mail.retain(|mail| !is_from_the_dead(mail));
    for node in three.nodes.values_mut() {
        node.peer_gone(three.now_ms, id);
    }
}

#[test]
fn a_leader_whose_process_ends_is_replaced_without_waiting_for_timeouts() {
    for seed in 0..20 {
        let mut three = Three::new(seed * 10);
        three.run(6000);
        let [first] = three.leaders()[..] else { panic!("seed {seed}: leaders {:?}", three.leaders()) };
        dies(&mut three, first);
        let mut waited_ms = 0;
        while three.leaders().is_empty() {
            three.run(10);
            waited_ms += 10;
            assert!(waited_ms <= 400, "seed {seed}: no leader after {waited_ms} ms");
        }
    }
}

#[test]
fn a_false_alarm_disturbs_no_leader() {
    for seed in 0..20 {
        let mut three = Three::new(seed * 10);
        three.run(6000);
        let [first] = three.leaders()[..] else { panic!("seed {seed}: leaders {:?}", three.leaders()) };
        let epoch = |three: &Three| three.nodes.values().map(|node| node.status().leader.epoch).max();
        let before = epoch(&three);
        // One of the two alone believes it: the other has just fetched and would not vote.
        let alarmed = three.nodes.keys().copied().find(|&id| id != first).unwrap();
        let now_ms = three.now_ms;
        three.nodes.get_mut(&alarmed).unwrap().peer_gone(now_ms, first);
        three.run(5000);
        assert_eq!((three.leaders(), epoch(&three)), (vec![first], before), "seed {seed}");
    }
}

/// Voters change under a controller that goes on deciding, and over its own removal.
#[test]
fn voters_change_while_the_controller_decides() {
    let mut three = Three::new(5);
    three.run(8000);
    let [first] = three.leaders()[..] else { panic!("leaders {:?}", three.leaders()) };
    assert_eq!(three.upgrade(first), 0);
    let removed = three.ask(first, remove(first));
    let kept = three.configure(first, "kept");
    three.run(100);
    assert_eq!(three.answered(kept), Some(0));
    let told = three.told.iter().find(|(token, _)| *token == removed).map(|(_, response)| response);
    assert!(matches!(told, Some(RaftResponse::RemoveRaftVoter(it)) if it.error_code == 0), "{told:?}");
    three.run(8000);
    let [second] = three.leaders()[..] else { panic!("leaders {:?}", three.leaders()) };
    assert_ne!(first, second);
    let listeners =
        vec![Listener { name: "CONTROLLER".into(), host: format!("node{first}").into(), port: 9093 }];
    let request = AddRaftVoterRequest {
        cluster_id: None,
        voter_id: first,
        voter_directory_id: id(first as u8),
        listeners,
        ..Default::default()
    };
    three.ask(second, RaftRequest::AddRaftVoter(request));
    three.run(500);
    let told = three.told.last().map(|(_, response)| response);
    assert!(matches!(told, Some(RaftResponse::AddRaftVoter(it)) if it.error_code == 0), "{told:?}");
    three.settle();
    three.assert_one_image();
}

fn remove(voter_id: i32) -> RaftRequest {
    let (cluster_id, voter_directory_id) = (None, id(voter_id as u8));
    RaftRequest::RemoveRaftVoter(RemoveRaftVoterRequest { cluster_id, voter_id, voter_directory_id })
}
