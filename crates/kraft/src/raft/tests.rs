//! Voters that come, go and move, as dialogue (scenario S15) and at random: several replicas of the bare machine, their disks, and a
//! network that can lose what it carries.

mod cluster;
mod random;

use super::tests::cluster::{Cluster, Node};
use super::voters::VoterSet;
use super::{Effect, Endpoints, Event, Quorum, RaftRequest, RaftResponse, ReplicaKey, SharedLog};
use crate::testing::{CLUSTER_ID, raft_options};
use std::path::Path;
use wire::messages::add_raft_voter::{self, AddRaftVoterRequest};
use wire::messages::begin_quorum_epoch::{self, BeginQuorumEpochRequest};
use wire::messages::end_quorum_epoch::{self, EndQuorumEpochRequest};
use wire::messages::fetch;
use wire::messages::remove_raft_voter::RemoveRaftVoterRequest;
use wire::messages::update_raft_voter::{self, KRaftVersionFeature, UpdateRaftVoterRequest};
use wire::testing::{Command, check_scripts, numbers, replay};
use wire::{Str, Uuid};

/// How long an answer is waited for: longer than any change of voters is.
const PATIENCE_MS: i64 = 4_000;

impl Cluster {
    fn say(&mut self, line: &str) -> Vec<String> {
        let command = Command::parse(line);
        let ids = numbers(command.word(0));
        match command.verb {
            "dynamic" => self.format(&ids, true),
            "static" => self.format(&ids, false),
            "observe" => ids.iter().for_each(|id| self.join(*id, command.has("auto"))),
            "run" => self.run(ids.first().copied().map_or(0, i64::from)),
            "kill" => ids.iter().for_each(|id| self.kill(*id)),
            "restart" => ids.iter().for_each(|id| {
                if let Some(port) = command.number("port") {
                    self.listen_at(*id, port);
                }
                self.restart(*id);
            }),
            "wipe" => ids.iter().for_each(|id| self.wipe(*id)),
            "cut" => self.cut_off.extend(ids),
            "late" => self.fetches_late_ms = ids.first().copied().map_or(0, i64::from),
            "heal" => self.cut_off.clear(),
            "lead" => ids.iter().for_each(|id| self.stand(*id)),
            "resign" => ids.iter().for_each(|id| self.resign(*id)),
            "write" => self.write(),
            "snapshot" => self.snapshot(),
            "forget" => self.forget_observers(),
            "upgrade" => return vec![self.upgrade(ids.first().copied().unwrap_or(0) as i16)],
            "add" | "remove" | "update" => self.ask(&command, ids.first().copied().unwrap_or(-1)),
            "show" => return self.show(),
            verb => panic!("{verb}?"),
        }
        std::mem::take(&mut self.heard)
    }

    /// Asks the leader, or whoever is named, and waits unless told not to.
    fn ask(&mut self, command: &Command<'_>, id: i32) {
        let key = ReplicaKey { id, directory_id: Some(self.directory(id)) };
        let directory = command.number("dir").map_or(key.directory_or_zero(), Cluster::directory_of);
        let directory = if command.has("nodir") { Uuid::ZERO } else { directory };
        let cluster_id = Some(Str::from(command.text("cluster").unwrap_or(CLUSTER_ID)));
        let listener = Str::from(command.text("listener").unwrap_or("CONTROLLER"));
        let (host, port) = self.address(id, &listener);
        let port = command.number("port").unwrap_or(port);
        let request = match command.verb {
            "add" => RaftRequest::AddRaftVoter(AddRaftVoterRequest {
                cluster_id,
                timeout_ms: 1000,
                voter_id: id,
                voter_directory_id: directory,
                listeners: vec![add_raft_voter::Listener { name: listener, host, port }],
                ack_when_committed: !command.has("early"),
            }),
            "remove" => RaftRequest::RemoveRaftVoter(RemoveRaftVoterRequest {
                cluster_id,
                voter_id: id,
                voter_directory_id: directory,
            }),
            _ => RaftRequest::UpdateRaftVoter(UpdateRaftVoterRequest {
                cluster_id,
                current_leader_epoch: command.number("epoch").unwrap_or(self.epoch()),
                voter_id: id,
                voter_directory_id: directory,
                listeners: vec![update_raft_voter::Listener { name: listener, host, port }],
                kraft_version_feature: KRaftVersionFeature {
                    min_supported_version: command.number("min").unwrap_or(0),
                    max_supported_version: command.number("max").unwrap_or(1),
                },
            }),
        };
        let at = command.number("at").or(self.leader());
        let Some(at) = at else { return self.heard.push("nobody leads".to_owned()) };
        let name = format!("{} {id}", command.verb);
        self.request(at, name.clone(), request);
        let until_ms = self.now_ms + if command.has("nowait") { 0 } else { PATIENCE_MS };
        while self.now_ms < until_ms && !self.heard.iter().any(|line| line.starts_with(&name)) {
            self.run(10);
        }
    }
}

#[test]
fn s15_voters_change_as_the_scripts_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/raft/testscripts");
    check_scripts(&folder, |script| {
        let mut cluster = Cluster::new(11);
        replay(script, |line| cluster.say(line))
    });
}

/// Its last answers to fetches and its good-bye come on different connections.
#[test]
fn an_answer_that_the_leaders_good_bye_has_overtaken_puts_nothing_off() {
    const NOW: i64 = 10_000;
    let options = raft_options(1, &[1, 2, 3]);
    let quorum = Quorum::open(options, Box::new(SharedLog::default()), None, 7, NOW);
    let mut quorum = quorum.unwrap_or_else(|error| panic!("{error:?}"));
    let mut said = |now_ms: i64, event: Event| {
        let mut effects = Vec::new();
        quorum.step(now_ms, event, &mut effects).unwrap_or_else(|fault| panic!("{fault}"));
        let sent = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(sent) => Some(sent),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    let topic_name = Str::from("__cluster_metadata");
    let partitions =
        vec![begin_quorum_epoch::PartitionData { leader_id: 2, leader_epoch: 5, ..Default::default() }];
    let topics = vec![begin_quorum_epoch::TopicData { topic_name: topic_name.clone(), partitions }];
    let begin = BeginQuorumEpochRequest { cluster_id: None, voter_id: 1, topics, ..Default::default() };
    let fetch = said(NOW, Event::Request { token: 1, request: RaftRequest::BeginQuorumEpoch(begin) });
    let Some(correlation_id) = fetch.first().map(|sent| sent.correlation_id) else { panic!("{fetch:?}") };
    let partition = end_quorum_epoch::PartitionData {
        leader_id: 2,
        leader_epoch: 5,
        preferred_successors: vec![3, 1],
        ..Default::default()
    };
    let topics = vec![end_quorum_epoch::TopicData { topic_name, partitions: vec![partition] }];
    let end = EndQuorumEpochRequest { cluster_id: None, topics, ..Default::default() };
    said(NOW, Event::Request { token: 2, request: RaftRequest::EndQuorumEpoch(end) });
    let partition = fetch::PartitionData {
        high_watermark: 0,
        current_leader: fetch::LeaderIdAndEpoch { leader_id: 2, leader_epoch: 5 },
        ..Default::default()
    };
    let responses = vec![fetch::FetchableTopicResponse { partitions: vec![partition], ..Default::default() }];
    let response = Some(RaftResponse::Fetch(fetch::FetchResponse { responses, ..Default::default() }));
    said(NOW, Event::Response { from: 2, correlation_id, response });
    let sent = said(NOW + 1_000, Event::Tick);
    let stands = sent.iter().any(|sent| matches!(sent.request, RaftRequest::Vote(_)));
    assert!(stands, "it is the second to stand, half a second later: {sent:?}");
}

/// A flush failed and the process ended: its successor reads a batch that the platter does not have.
#[test]
fn what_an_earlier_process_left_in_the_page_cache_counts_once_it_is_flushed() {
    let mut cluster = Cluster::new(3);
    cluster.format(&[1, 2, 3], true);
    cluster.run(5_000);
    cluster.stand(1);
    cluster.kill(3);
    cluster.fail_to_flush(2);
    cluster.write();
    cluster.run(200);
    assert!(!cluster.running.contains_key(&2), "it ended with the flush");
    cluster.restart(2);
    cluster.run(1_000);
    let known = |cluster: &Cluster| {
        cluster
            .running
            .get(&1)
            .map(|node| node.quorum.high_watermark() == Some(node.quorum.log().end_offset()))
    };
    assert_eq!(known(&cluster), Some(true), "what was written is committed");
    [1, 2].into_iter().for_each(|id| cluster.kill(id));
    [2, 3].into_iter().for_each(|id| cluster.restart(id));
    cluster.run(10_000);
    cluster.write();
    cluster.run(2_000);
    assert!(cluster.leader().is_some(), "{:?}", cluster.show());
}

#[test]
fn a_cut_below_what_is_committed_is_refused_and_ends_nobody() {
    let mut cluster = Cluster::new(5);
    cluster.format(&[1, 2, 3], true);
    cluster.run(5_000);
    cluster.spoils_fetches = true;
    cluster.run(5_000);
    cluster.spoils_fetches = false;
    assert!(cluster.refused > 0 && cluster.running.len() == 3);
    cluster.run(10_000);
    cluster.write();
    cluster.run(1_000);
    let committed = |node: &Node| node.quorum.high_watermark() == Some(node.quorum.log().end_offset());
    assert!(cluster.leader().is_some() && cluster.running.values().all(committed), "{:?}", cluster.show());
}

/// Any majority of the one meets any majority of the other, as long as they differ by one.
#[test]
fn sets_that_differ_by_one_are_told_from_others() {
    let set = |ids: &[i32]| raft_options(1, ids).fixed_voters;
    let other_directory = |set: VoterSet| {
        let key = ReplicaKey { id: 1, directory_id: Some(Cluster::directory_of(9)) };
        let voter = set.voters.get(&1).cloned().map(|voter| super::VoterNode { key, ..voter });
        voter.map(|voter| set.with(voter)).unwrap_or_default()
    };
    let moved = |set: VoterSet| {
        let voter = set.voters.get(&1).cloned();
        let voter = voter.map(|voter| super::VoterNode { endpoints: Endpoints::new(), ..voter });
        voter.map(|voter| set.with(voter)).unwrap_or_default()
    };
    assert!(set(&[1, 2, 3]).differs_by_one(&set(&[1, 2, 3, 4])));
    assert!(set(&[1, 2, 3]).differs_by_one(&set(&[2, 3])));
    assert!(set(&[1, 2, 3]).differs_by_one(&moved(set(&[1, 2, 3]))));
    assert!(!set(&[1, 2, 3]).differs_by_one(&set(&[1, 2, 4])));
    assert!(!set(&[1, 2, 3]).differs_by_one(&other_directory(set(&[1, 2, 3]))));
}

/// For the scripts: what a node says of itself.
fn shown(id: i32, node: &Node) -> String {
    let quorum = &node.quorum;
    let role = match &quorum.role {
        super::role::Role::Leader(_) => "leads".to_owned(),
        super::role::Role::Follower(follower) => format!("follows {}", follower.leader_id),
        super::role::Role::Unattached(_) => "unattached".to_owned(),
        super::role::Role::Prospective(_) => "prospective".to_owned(),
        super::role::Role::Candidate(_) => "candidate".to_owned(),
        super::role::Role::Resigned(_) => "resigned".to_owned(),
    };
    let votes = if quorum.is_observer() { "observer" } else { "voter" };
    let voters: Vec<String> = quorum.voter_set().voters.values().map(shown_voter).collect();
    let behind = quorum.log().end_offset() - quorum.high_watermark().unwrap_or(-1);
    let behind = if behind == 0 { String::new() } else { " uncommitted".to_owned() };
    format!("{id} {votes} {role}: v{} {}{behind}", quorum.kraft_version(), voters.join(" "))
}

/// `4`, `4'` with the directory of its second life, `4:9094` where it listens elsewhere, `4?` with a directory that the log does not name.
fn shown_voter(voter: &super::VoterNode) -> String {
    let life = match voter.key.directory_id {
        None => "?",
        Some(directory) if directory == Cluster::directory_of(voter.key.id) => "",
        Some(_) => "'",
    };
    let port = voter.endpoints.values().map(|(_, port)| *port).find(|port| *port != 9093);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    format!("{}{life}{port}", voter.key.id)
}
