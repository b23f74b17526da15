//! Random runs: voters come and go while nodes die, lose their disks and are cut off. Nothing that is committed is ever lost, and in
//! the end, when all is well again, there is one leader whom everybody follows.

use super::cluster::Cluster;
use crate::raft::{RaftRequest, ReplicaKey, VoterSet};
use wire::messages::add_raft_voter::{AddRaftVoterRequest, Listener};
use wire::messages::remove_raft_voter::RemoveRaftVoterRequest;
use wire::{Str, Uuid};

const NODES: i32 = 5;

impl Cluster {
    fn anybody(&mut self) -> i32 {
        1 + self.rng.below(NODES as u64) as i32
    }

    fn disturb(&mut self) {
        let id = self.anybody();
        match self.rng.below(16) {
            0 => self.kill(id),
            1..=4 => (1..=NODES).for_each(|id| self.restart_if_dead(id)),
            5 => drop(self.cut_off.insert(id)),
            6..=8 => self.cut_off.clear(),
            9 if self.may_lose_disk(id) => self.wipe(id),
            10..=13 => self.change(id),
            _ => self.write(),
        }
    }

    fn restart_if_dead(&mut self, id: i32) {
        if !self.running.contains_key(&id) {
            self.restart(id);
        }
    }

    /// Without this disk a majority of every set of voters that anybody believes in still has what is committed.
    fn may_lose_disk(&self, id: i32) -> bool {
        let all_run = (1..=NODES).all(|id| self.running.contains_key(&id));
        let settled = self.running.values().all(|node| {
            let (log, voters) = (node.quorum.log(), node.quorum.voter_set());
            node.quorum.high_watermark() == Some(log.end_offset()) && self.has_majority(voters, id)
        });
        let ends: Vec<i64> = self.running.values().map(|node| node.quorum.log().end_offset()).collect();
        all_run && settled && self.cut_off.is_empty() && ends.iter().all(|end| Some(end) == ends.first())
    }

    /// A majority of these voters has the disks that the log knows, not counting one of them.
    fn has_majority(&self, voters: &VoterSet, without: i32) -> bool {
        let lives = voters.voters.values().filter(|voter| {
            voter.key.id != without && voter.key.directory_id == Some(self.directory(voter.key.id))
        });
        lives.count() >= voters.majority()
    }

    fn change(&mut self, id: i32) {
        let Some(leader) = self.leader() else { return };
        let Some(node) = self.running.get(&leader) else { return };
        let voters = node.quorum.voter_set();
        let known = voters.voters.get(&id).map(|voter| voter.key);
        // Whoever removes a voter that is needed has to live with it.
        if known.and_then(|key| voters.without(&key)).is_some_and(|rest| !self.has_majority(&rest, id)) {
            return;
        }
        let local = ReplicaKey { id, directory_id: Some(self.directory(id)) };
        let request = match known {
            Some(key) => remove(id, key.directory_or_zero()),
            None => {
                let name = Str::from("CONTROLLER");
                let (host, port) = self.address(id, &name);
                RaftRequest::AddRaftVoter(AddRaftVoterRequest {
                    voter_id: id,
                    voter_directory_id: local.directory_or_zero(),
                    listeners: vec![Listener { name, host, port }],
                    ack_when_committed: true,
                    cluster_id: None,
                    ..Default::default()
                })
            }
        };
        self.request(leader, format!("change {id}"), request);
    }
}

fn remove(voter_id: i32, voter_directory_id: Uuid) -> RaftRequest {
    let cluster_id = None;
    RaftRequest::RemoveRaftVoter(RemoveRaftVoterRequest { cluster_id, voter_id, voter_directory_id })
}

/// Answers to changes that were carried out.
fn check(seed: u64, auto_join: bool) -> usize {
    let mut cluster = Cluster::new(seed);
    cluster.format(&[1, 2, 3], true);
    [4, 5].into_iter().for_each(|id| cluster.join(id, auto_join));
    cluster.run(5_000);
    cluster.loses_one_in = 20;
    let mut changes = 0;
    for _ in 0..80 {
        cluster.disturb();
        let for_ms = 10 * (1 + cluster.rng.below(150) as i64);
        cluster.run(for_ms);
        changes += cluster.heard.drain(..).filter(|line| line.ends_with(": NONE")).count();
    }
    cluster.loses_one_in = 0;
    cluster.cut_off.clear();
    (1..=NODES).for_each(|id| cluster.restart_if_dead(id));
    cluster.run(20_000);
    cluster.write();
    cluster.run(2_000);
    let leader = cluster.leader();
    let ends: Vec<Option<i64>> = cluster.running.values().map(|node| node.quorum.high_watermark()).collect();
    let all = cluster.show();
    assert!(leader.is_some(), "seed {seed}: nobody leads\n{}", all.join("\n"));
    for node in cluster.running.values() {
        assert_eq!(node.quorum.leader_id(), leader, "seed {seed}\n{}", all.join("\n"));
    }
    assert!(ends.iter().all(|end| Some(end) == ends.first()), "seed {seed}: {ends:?}\n{}", all.join("\n"));
    changes
}

#[test]
fn voters_change_among_failures_and_nothing_committed_is_lost() {
    let changes: usize = (0..6).map(|seed| check(seed, seed % 2 == 1)).sum();
    assert!(changes > 20, "only {changes} changes came about");
}
