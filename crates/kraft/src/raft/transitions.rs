//! The moves between roles, as Kafka's `QuorumState` has them:
//!
//! | from | to | when |
//! |---|---|---|
//! | any | Unattached | a higher epoch is heard of, without its leader or where to reach it |
//! | any | Follower | a leader of a higher epoch is heard of, and where to reach it |
//! | any but Leader, Resigned | Follower | the leader of this epoch is heard of, or more of where to reach it |
//! | Unattached, Follower, Candidate | Prospective | a voter's election or fetch timeout passes |
//! | Prospective | Candidate | a majority would vote for it, or a voter knows no pre-votes |
//! | Prospective | Follower, Unattached | the votes are lost or the timeout passes: back to its leader, if it has one |
//! | Candidate | Leader | a majority voted for it |
//! | Leader | Resigned | asked to, no majority fetched for 1.5 fetch timeouts, or it is committed that it is no voter |
//! | Resigned | Unattached | the election timeout passes (in the next epoch) |
//! | Resigned | Prospective | it is the only voter, and has nobody to wait for |
//!
//! Only moves to Unattached, Candidate, Leader and Follower, and votes, are durable; the file is written once for several of
//! them within a step. An observer is a replica that is not a voter: Unattached or Follower, without an election timeout.

use super::control::epoch_start_batch;
use super::quorum::{NEVER, Quorum};
use super::role::{Ballot, Candidate, Follower, Leader, Prospective, Resigned, Role, Unattached};
use super::voters::{Endpoints, ReplicaKey};
use super::{Effect, StorageFault};

/// The table above: may `from` become `to`, in an epoch that is `epochs` later? Every other move is a bug.
fn may_become(from: &Role, to: &Role, epochs: i32) -> bool {
    let at_once = epochs == 0;
    match to {
        Role::Unattached(_) => epochs > 0 || (at_once && matches!(from, Role::Prospective(_))),
        Role::Follower(_) => epochs > 0 || (at_once && !matches!(from, Role::Leader(_) | Role::Resigned(_))),
        Role::Prospective(_) => at_once && !matches!(from, Role::Leader(_) | Role::Prospective(_)),
        Role::Candidate(_) => epochs == 1 && matches!(from, Role::Prospective(_)),
        Role::Leader(_) => at_once && matches!(from, Role::Candidate(_)),
        Role::Resigned(_) => at_once && matches!(from, Role::Leader(_)),
    }
}

impl Quorum {
    /// A newer epoch, or (for a prospective voter that lost) this one, without a leader that could be followed.
    pub(super) fn become_unattached(&mut self, epoch: i32, leader_id: Option<i32>, now_ms: i64) {
        let election_deadline_ms = match &self.role {
            _ if self.is_observer() => NEVER,
            Role::Candidate(candidate) => candidate.election_deadline_ms,
            Role::Unattached(unattached) if unattached.election_deadline_ms != NEVER => {
                unattached.election_deadline_ms
            }
            Role::Prospective(prospective) if !prospective.ballot.is_lost() && epoch > self.epoch => {
                prospective.election_deadline_ms
            }
            Role::Resigned(resigned) => resigned.election_deadline_ms,
            Role::Unattached(_) | Role::Prospective(_) | Role::Leader(_) | Role::Follower(_) => {
                now_ms + self.random_election_timeout()
            }
        };
        let voted = if epoch == self.epoch { self.voted() } else { None };
        self.enter(epoch, Role::Unattached(Unattached { leader_id, voted, election_deadline_ms }));
    }

    /// A leader is known, and where it listens.
    pub(super) fn become_follower(&mut self, epoch: i32, leader_id: i32, endpoints: Endpoints, now_ms: i64) {
        assert!(leader_id != self.options.node_id && !endpoints.is_empty(), "a leader elsewhere is followed");
        let voted = if epoch == self.epoch { self.voted() } else { None };
        let follower = self.new_follower(leader_id, endpoints, voted, now_ms);
        self.enter(epoch, follower);
    }

    /// Asks the others whether an election would be won, in the same epoch.
    pub(super) fn become_prospective(&mut self, now_ms: i64) {
        assert!(!self.is_observer(), "only a voter stands for election");
        let leader_endpoints = match &self.role {
            Role::Follower(follower) => follower.leader_endpoints.clone(),
            _ => Endpoints::new(),
        };
        let leader_id = self.leader_id().filter(|id| *id != self.options.node_id);
        let prospective = Prospective {
            leader_id,
            leader_endpoints,
            voted: self.voted(),
            ballot: Ballot::new(self.voters.latest(), self.options.node_id),
            election_deadline_ms: now_ms + self.random_election_timeout(),
        };
        let won = prospective.ballot.is_won();
        self.enter(self.epoch, Role::Prospective(prospective));
        if won {
            self.become_candidate(now_ms);
        }
    }

    /// A new epoch in which it has voted for itself.
    pub(super) fn become_candidate(&mut self, now_ms: i64) {
        assert!(!self.is_observer(), "only a voter stands for election");
        let ballot = Ballot::new(self.voters.latest(), self.options.node_id);
        let election_deadline_ms = now_ms + self.random_election_timeout();
        self.enter(self.epoch + 1, Role::Candidate(Candidate { ballot, election_deadline_ms }));
    }

    /// A majority voted for it. Its first act is to say so in the log.
    pub(super) fn become_leader(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let Role::Candidate(candidate) = &self.role else { unreachable!("only a candidate can be elected") };
        assert!(candidate.ballot.is_won(), "a leader has a majority of the votes");
        let granting = candidate.ballot.granting();
        let local_id = self.options.node_id;
        let start = self.log.end_offset();
        let voters = self.voters.latest().clone();
        let mut leader = Leader::new(local_id, &voters, start, now_ms + self.check_quorum_timeout(), now_ms);
        leader.described_voters = self.voters_to_describe();
        self.enter(self.epoch, Role::Leader(Box::new(leader)));
        let news = self.voters_to_write();
        let news = news.as_ref().map(|voters| (self.voters.kraft_version(), voters));
        let wall_ms = self.wall_ms(now_ms);
        let batch = epoch_start_batch(local_id, voters.ids(), granting, news, wall_ms);
        self.append_control(batch, wall_ms)
    }

    /// Stops leading; others should take over.
    pub(super) fn become_resigned(&mut self, preferred_successors: Vec<ReplicaKey>, now_ms: i64) {
        let resigned = Resigned {
            unacknowledged: self.other_voter_ids(),
            preferred_successors,
            election_deadline_ms: now_ms + self.random_election_timeout(),
        };
        self.enter(self.epoch, Role::Resigned(resigned));
    }

    fn enter(&mut self, epoch: i32, role: Role) {
        assert!(
            may_become(&self.role, &role, epoch - self.epoch),
            "no move between roles: {:?} of epoch {} to {role:?} of epoch {epoch}",
            self.role,
            self.epoch
        );
        let was_leader = self.is_leader();
        if was_leader {
            self.abandon_change();
        }
        (self.epoch, self.role) = (epoch, role);
        self.connections.reset_all();
        if was_leader {
            self.fail_parked_fetches();
        }
        self.announce();
    }

    /// Tells the owner who leads, once per change. A leader counts only when its epoch's start is committed: what an earlier life
    /// left in the log is committed with it, and a controller that did not know it would decide on half the cluster. (An only
    /// voter that has read its whole log knows it.)
    pub(super) fn announce(&mut self) {
        let leader = match &self.role {
            Role::Leader(leader) => {
                let started = self.high_watermark.is_some_and(|offset| offset > leader.epoch_start_offset);
                let known = self.known_offset == Some(leader.epoch_start_offset) && self.is_only_voter();
                (started || known).then_some(self.options.node_id)
            }
            Role::Resigned(_) => None,
            _ => self.leader_id(),
        };
        if self.announced != (self.epoch, leader) {
            self.announced = (self.epoch, leader);
            self.effects.push(Effect::LeaderChanged { epoch: self.epoch, leader });
        }
    }

    pub(super) fn new_follower(
        &self,
        leader_id: i32,
        leader_endpoints: Endpoints,
        voted: Option<ReplicaKey>,
        now_ms: i64,
    ) -> Role {
        let fetch_deadline_ms = now_ms + self.options.fetch_timeout_ms;
        Role::Follower(Follower {
            leader_id,
            leader_endpoints,
            voted,
            fetch_deadline_ms,
            has_fetched: false,
            leader_has_ended: false,
            own_voter_deadline_ms: now_ms + self.options.fetch_timeout_ms,
            is_described: false,
            download: None,
        })
    }
}
