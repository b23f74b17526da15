//! The roles of a replica and what each of them remembers. Plain data with the questions that concern only itself; the moves
//! between roles are in `transitions.rs`.

mod ballot;
mod leader;

pub(super) use ballot::Ballot;
pub(super) use leader::{Leader, OBSERVER_SESSION_MS, Progress};

use super::offset_and_epoch::OffsetAndEpoch;
use super::voters::{Endpoints, ReplicaKey};
use bytes::Bytes;
use std::collections::BTreeSet;

/// What a replica is in its epoch. A node that is not a voter is an observer in the roles Unattached and Follower.
#[derive(Debug)]
pub(super) enum Role {
    Unattached(Unattached),
    Prospective(Prospective),
    Candidate(Candidate),
    Leader(Box<Leader>),
    Follower(Follower),
    Resigned(Resigned),
}

/// Knows of no leader it could reach, or of none at all.
#[derive(Debug)]
pub(super) struct Unattached {
    /// A leader whose address is unknown.
    pub leader_id: Option<i32>,
    pub voted: Option<ReplicaKey>,
    /// Then a voter stands for election; never for an observer.
    pub election_deadline_ms: i64,
}

/// Asks whether it would be elected, without raising the epoch (KIP-996).
#[derive(Debug)]
pub(super) struct Prospective {
    pub leader_id: Option<i32>,
    pub leader_endpoints: Endpoints,
    pub voted: Option<ReplicaKey>,
    pub ballot: Ballot,
    pub election_deadline_ms: i64,
}

/// Has voted for itself and asks for votes.
#[derive(Debug)]
pub(super) struct Candidate {
    pub ballot: Ballot,
    pub election_deadline_ms: i64,
}

/// Fetches from a leader.
#[derive(Debug)]
pub(super) struct Follower {
    pub leader_id: i32,
    pub leader_endpoints: Endpoints,
    pub voted: Option<ReplicaKey>,
    /// Then a voter stops believing in its leader.
    pub fetch_deadline_ms: i64,
    /// A fetch succeeded in this epoch: from then on it refuses pre-votes, so that others do not disturb a working leader.
    pub has_fetched: bool,
    /// The leader itself said that it leads no more. An answer of before, which came on another connection, puts nothing off.
    pub leader_has_ended: bool,
    /// Then it looks whether it has to tell its leader something of itself as a voter.
    pub own_voter_deadline_ms: i64,
    /// The leader of this epoch knows what this voter said of itself.
    pub is_described: bool,
    /// The snapshot that is being fetched.
    pub download: Option<Download>,
}

/// A snapshot on its way here.
#[derive(Debug)]
pub(super) struct Download {
    pub id: OffsetAndEpoch,
    pub parts: Vec<Bytes>,
    pub position: u64,
}

impl Download {
    /// It has all bytes before its position.
    pub fn is_whole(&self) -> bool {
        self.parts.iter().map(|part| part.len() as u64).sum::<u64>() == self.position
    }
}

/// Led this epoch and does not any more; tells the others.
#[derive(Debug)]
pub(super) struct Resigned {
    pub unacknowledged: BTreeSet<i32>,
    pub preferred_successors: Vec<ReplicaKey>,
    pub election_deadline_ms: i64,
}
