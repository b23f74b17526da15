//! Each invariant, broken on purpose: `check` says which. And messages of strangers that must not break any.

use super::*;
use crate::raft::leader_and_epoch::MAX_FOREIGN_EPOCH;
use crate::raft::parked_fetch::ParkedFetch;
use crate::raft::role::{Ballot, Candidate, Follower, Prospective, Unattached};
use crate::raft::voters::{Endpoints, VoterSet};
use crate::raft::{Effect, Event, OffsetAndEpoch, RaftRequest, RaftResponse, ReplicaKey, SharedLog};
use crate::testing::{id, raft_options};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wire::messages::fetch::FetchPartition;
use wire::messages::{begin_quorum_epoch, vote};
use wire::{ErrorCode, Str};

const NOW: i64 = 1_000_000;

/// A voter of one or of three: the only one leads and has flushed the start of its epoch.
fn open(voters: &[i32]) -> Quorum {
    let mut quorum = Quorum::open(raft_options(1, voters), Box::new(SharedLog::default()), None, 7, NOW)
        .unwrap_or_else(|error| panic!("{error:?}"));
    let mut effects = Vec::new();
    for step in [quorum.step(NOW, Event::Tick, &mut effects), quorum.flush(NOW, &mut effects)] {
        step.unwrap_or_else(|fault| panic!("{fault}"));
    }
    assert_eq!(quorum.is_leader(), voters.len() == 1);
    quorum
}

/// What `check` panics with after the damage.
fn broken(voters: &[i32], damage: fn(&mut Quorum)) -> String {
    let mut quorum = open(voters);
    damage(&mut quorum);
    match catch_unwind(AssertUnwindSafe(|| quorum.check())) {
        Ok(()) => "nothing".to_owned(),
        Err(panic) => panic.downcast_ref::<&str>().map_or("no text".to_owned(), |text| (*text).to_owned()),
    }
}

fn follower(leader_id: i32, leader_endpoints: Endpoints) -> Role {
    let fetch_deadline_ms = NOW;
    Role::Follower(Follower {
        leader_id,
        leader_endpoints,
        voted: None,
        fetch_deadline_ms,
        has_fetched: false,
        leader_has_ended: false,
        own_voter_deadline_ms: NOW,
        is_described: false,
        download: None,
    })
}

fn leader(quorum: &mut Quorum) -> &mut Leader {
    match &mut quorum.role {
        Role::Leader(leader) => leader,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_broken_invariant_is_named() {
    type Case = (&'static [i32], fn(&mut Quorum), &'static str);
    let cases: &[Case] = &[
        (&[1], |_| {}, "nothing"),
        (&[1, 2, 3], |_| {}, "nothing"),
        (&[1], |q| q.announced.0 = q.epoch + 1, "epoch: it went back"),
        (&[1], |q| (q.epoch, q.announced.0) = (0, 0), "epoch: the log is of a later one"),
        (&[1], |q| q.high_watermark = Some(-1), "high watermark: it is below the log's start"),
        (&[1], |q| q.high_watermark = Some(99), "high watermark: it is beyond the log's end"),
        (&[1], |q| q.control_offset = 99, "voters: records beyond the log's end were read"),
        (
            &[1],
            |q| q.voters.add_voters(99, VoterSet::default()),
            "voters: they were written beyond the log's end",
        ),
        (
            &[1],
            |q| q.effects.push(Effect::Committed { high_watermark: 0 }),
            "waiting: an effect was not handed over",
        ),
        (&[1, 2, 3], |q| q.dirty = true, "durable: only a leader leaves something unflushed"),
        (&[1], |q| leader(q).epoch_start_offset = 99, "role: the epoch begins beyond the log's end"),
        (&[1], |q| q.epoch += 1, "role: the log says nothing of the leader's epoch"),
        (&[1], |q| leader(q).voters.clear(), "voters: the leader counts others"),
        (
            &[1],
            |q| leader(q).voters.values_mut().for_each(|voter| voter.end_offset = Some(99)),
            "voters: one has more than the leader",
        ),
        (&[1], |q| q.voters.add_voters(0, VoterSet::default()), "role: only a voter leads"),
        (
            &[1, 2, 3],
            |q| {
                q.role = Role::Unattached(Unattached {
                    leader_id: None,
                    voted: None,
                    election_deadline_ms: NEVER,
                });
            },
            "role: a voter stands for election, an observer never",
        ),
        (
            &[1, 2, 3],
            |q| {
                q.role = Role::Prospective(Prospective {
                    leader_id: Some(1),
                    leader_endpoints: Endpoints::new(),
                    voted: None,
                    ballot: Ballot::new(q.voters.latest(), 1),
                    election_deadline_ms: NOW,
                });
            },
            "role: it leads without knowing",
        ),
        (
            &[1, 2, 3],
            |q| {
                let mut ballot = Ballot::new(q.voters.latest(), 1);
                ballot.record(1, false);
                q.role = Role::Candidate(Candidate { ballot, election_deadline_ms: NOW });
            },
            "vote: a candidate votes for itself",
        ),
        (
            &[1],
            |q| {
                let partition = FetchPartition { current_leader_epoch: q.epoch - 1, ..Default::default() };
                let replica = ReplicaKey { id: 9, directory_id: None };
                let fetch = ParkedFetch { token: 1, replica, partition, max_bytes: 1, deadline_ms: NOW };
                q.parked_fetches.push(fetch);
            },
            "waiting: a fetch of another epoch",
        ),
        (&[1, 2, 3], |q| q.idle = true, "durable: somebody else counts on what can be lost"),
        (&[1, 2, 3], |q| q.unproven = true, "durable: somebody else counts on what can be lost"),
        (
            &[1],
            |q| leader(q).voters.values_mut().for_each(|voter| voter.end_offset = Some(0)),
            "durable: what an only voter has committed is not flushed",
        ),
        (
            &[1],
            |q| assert!(leader(q).fetched_voters.insert(1)),
            "voters: a fetch counts that is no other voter's",
        ),
        (
            &[1],
            |q| assert!(leader(q).fetched_voters.insert(9)),
            "voters: a fetch counts that is no other voter's",
        ),
        (&[1], |q| q.announced.0 = q.epoch - 1, "epoch: its owner was not told"),
        (
            &[1, 2, 3],
            |q| {
                q.role = follower(2, q.voters.latest().endpoints(2));
                let Role::Follower(follower) = &mut q.role else { unreachable!("set above") };
                let id = OffsetAndEpoch::new(5, 1);
                follower.download =
                    Some(Download { id, parts: vec![Bytes::from_static(b"ab")], position: 3 });
            },
            "role: parts are missing",
        ),
        (&[1, 2, 3], |q| q.role = follower(1, q.voters.latest().endpoints(2)), "role: it follows itself"),
        (&[1, 2, 3], |q| q.role = follower(2, Endpoints::new()), "role: it follows somebody it cannot reach"),
    ];
    for (voters, damage, name) in cases {
        assert_eq!(broken(voters, *damage), *name);
    }
}

#[test]
fn moves_that_the_table_does_not_have_are_refused() {
    let refused = |voters: &[i32], wrong: fn(&mut Quorum)| {
        let mut quorum = open(voters);
        catch_unwind(AssertUnwindSafe(|| wrong(&mut quorum))).is_err()
    };
    assert!(refused(&[1], |q| q.become_prospective(NOW)), "a leader asks for no votes");
    assert!(refused(&[1], |q| q.become_unattached(q.epoch, None, NOW)), "a leader resigns first");
    assert!(refused(&[1, 2, 3], |q| q.become_resigned(Vec::new(), NOW)), "who does not lead cannot resign");
    assert!(
        refused(&[1, 2, 3], |q| q.become_candidate(NOW)),
        "votes are asked for before the epoch is raised"
    );
    assert!(refused(&[1, 2, 3], |q| q.become_unattached(q.epoch - 1, None, NOW)), "epochs never go back");
    assert!(!refused(&[1, 2, 3], |q| q.become_follower(q.epoch, 2, q.voters.latest().endpoints(2), NOW)));
}

/// A quorum of three that has heard the request; what it answered.
fn told(quorum: &mut Quorum, request: RaftRequest) -> RaftResponse {
    let mut effects = Vec::new();
    let step = quorum.step(NOW, Event::Request { token: 1, request }, &mut effects);
    step.unwrap_or_else(|fault| panic!("{fault}"));
    let answer = effects.into_iter().find_map(|effect| match effect {
        Effect::Answer { response, .. } => Some(response),
        _ => None,
    });
    answer.unwrap_or_else(|| panic!("no answer"))
}

#[test]
fn an_epoch_that_leaves_none_for_the_next_election_is_not_believed() {
    for (epoch, error) in [(i32::MAX, ErrorCode::InvalidRequest), (MAX_FOREIGN_EPOCH, ErrorCode::None)] {
        let mut quorum = open(&[1, 2, 3]);
        let partition = vote::PartitionData {
            replica_epoch: epoch,
            replica_id: 2,
            replica_directory_id: id(2),
            ..Default::default()
        };
        let topic_name = Str::from("__cluster_metadata");
        let topics = vec![vote::TopicData { topic_name: topic_name.clone(), partitions: vec![partition] }];
        let request = vote::VoteRequest { topics, voter_id: 1, ..Default::default() };
        let RaftResponse::Vote(answer) = told(&mut quorum, RaftRequest::Vote(request)) else {
            panic!("vote")
        };
        let code = answer.topics.first().and_then(|t| t.partitions.first()).map(|p| p.error_code);
        assert_eq!(code, Some(error.code()), "vote in epoch {epoch}");

        let mut quorum = open(&[1, 2, 3]);
        let partition =
            begin_quorum_epoch::PartitionData { leader_id: 2, leader_epoch: epoch, ..Default::default() };
        let topics = vec![begin_quorum_epoch::TopicData { topic_name, partitions: vec![partition] }];
        let request =
            begin_quorum_epoch::BeginQuorumEpochRequest { topics, voter_id: 1, ..Default::default() };
        let request = RaftRequest::BeginQuorumEpoch(request);
        let RaftResponse::BeginQuorumEpoch(answer) = told(&mut quorum, request) else { panic!("begin") };
        let code = answer.topics.first().and_then(|t| t.partitions.first()).map(|p| p.error_code);
        assert_eq!(code, Some(error.code()), "a leader of epoch {epoch}");
    }
}

/// A new leader knows less of what is committed than the snapshot before a follower's log.
#[test]
fn what_lies_before_the_log_is_committed() {
    let mut quorum = open(&[1, 2, 3]);
    let moved = quorum.log.truncate_fully_and_start_at(60);
    moved.unwrap_or_else(|fault| panic!("{fault}"));
    quorum.follow_high_watermark(-1);
    assert_eq!(quorum.high_watermark, None, "the leader does not know at all");
    quorum.follow_high_watermark(50);
    assert_eq!(quorum.high_watermark, Some(60));
}

/// The leader's own vote is counted already.
#[test]
fn nobody_counts_twice_by_calling_itself_the_leader() {
    let voters = open(&[1, 2, 3]).voters.latest().clone();
    let mut leader = Leader::new(1, &voters, 0, NOW, NOW);
    let key = |id: i32| ReplicaKey { id, directory_id: None };
    assert!(!leader.voter_seen(key(1), 1), "of three voters one other has to be seen");
    assert!(leader.fetched_voters.is_empty());
    assert!(leader.voter_seen(key(2), 1));
}
