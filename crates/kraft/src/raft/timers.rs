//! What passing time does in each role: elections, fetches, reminders, resignation. Owns when something is due; what is said
//! then is in the files of the requests.

use super::quorum::{NEVER, Quorum};
use super::role::Role;
use super::storage::StorageFault;
use super::voters::Endpoints;
use super::{Destination, Effect, Outgoing, RaftRequest};
use wire::planted::{self, Bug};

/// Between hearing that the leader's process has ended and standing for election, up to twice as long: the others hear it, too.
const GONE_PAUSE_MS: i64 = 20;
/// And more for each voter whose turn comes before: time for a ballot, with a flush at each end.
const GONE_TURN_MS: i64 = 80;

impl Quorum {
    /// Does what is due now. True if the role changed, so that the new one has to be asked as well.
    pub(super) fn poll(&mut self, now_ms: i64) -> Result<bool, StorageFault> {
        self.expire_parked_fetches(now_ms)?;
        self.expire_change(now_ms);
        match &self.role {
            Role::Unattached(unattached) => {
                if unattached.election_deadline_ms <= now_ms && self.may_stand() {
                    self.become_prospective(now_ms);
                    return Ok(true);
                }
                self.fetch_from_anyone(now_ms);
            }
            Role::Prospective(prospective) => {
                if prospective.election_deadline_ms <= now_ms && !self.shutting_down {
                    self.give_up_prospect(now_ms);
                    return Ok(true);
                }
                self.ask_for_votes(now_ms);
            }
            Role::Candidate(candidate) => {
                if candidate.ballot.is_won() {
                    self.become_leader(now_ms)?;
                    return Ok(true);
                }
                if candidate.election_deadline_ms <= now_ms && !self.shutting_down {
                    self.become_prospective(now_ms);
                    return Ok(true);
                }
                self.ask_for_votes(now_ms);
            }
            Role::Leader(leader) => {
                let alone = self.is_only_voter();
                let out_of_touch =
                    !alone && leader.check_quorum_deadline_ms <= now_ms && !planted::has(Bug::NeverResigns);
                if leader.resign_requested || out_of_touch || (self.shutting_down && !alone) {
                    let successors = leader.successors(self.options.node_id);
                    self.become_resigned(successors, now_ms);
                    return Ok(true);
                }
                self.remind_voters(now_ms);
            }
            Role::Follower(follower) => {
                let may_stand = self.may_stand();
                if may_stand && follower.fetch_deadline_ms <= now_ms {
                    self.become_prospective(now_ms);
                    return Ok(true);
                }
                self.fetch_from_leader(now_ms);
            }
            Role::Resigned(resigned) => {
                if self.shutting_down {
                    self.tell_resignation(now_ms);
                } else if self.is_only_voter() {
                    self.become_prospective(now_ms);
                    return Ok(true);
                } else if resigned.election_deadline_ms <= now_ms {
                    self.become_unattached(self.epoch + 1, None, now_ms);
                    return Ok(true);
                } else {
                    self.tell_resignation(now_ms);
                }
            }
        }
        Ok(false)
    }

    /// When `poll` has something to do at the latest. Who does not stand for election any more waits for none.
    pub(super) fn role_deadline_ms(&self) -> i64 {
        let election = |deadline_ms| if self.shutting_down { NEVER } else { deadline_ms };
        match &self.role {
            Role::Unattached(unattached) => {
                election(unattached.election_deadline_ms).min(self.next_bootstrap_attempt_ms())
            }
            Role::Prospective(prospective) => {
                let missing = prospective.ballot.missing();
                election(prospective.election_deadline_ms)
                    .min(self.first_ready(missing.iter().map(|key| key.id)))
            }
            Role::Candidate(candidate) => {
                let missing =
                    if candidate.ballot.is_lost() { Vec::new() } else { candidate.ballot.missing() };
                election(candidate.election_deadline_ms)
                    .min(self.first_ready(missing.iter().map(|key| key.id)))
            }
            Role::Leader(_) if self.is_only_voter() => self.change_deadline_ms().unwrap_or(NEVER),
            Role::Leader(leader) => {
                let change = self.change_deadline_ms().unwrap_or(NEVER);
                let check = match planted::has(Bug::NeverResigns) {
                    true => NEVER,
                    false => leader.check_quorum_deadline_ms,
                };
                change.min(check).min(leader.begin_quorum_deadline_ms)
            }
            Role::Follower(follower) => {
                let reachable = self.destination(follower.leader_id, &follower.leader_endpoints).is_some();
                let leader = self.connections.ready_at(follower.leader_id).max(self.connections.busy_until());
                let fetch = if reachable { leader } else { self.next_bootstrap_attempt_ms() };
                if self.may_stand() { follower.fetch_deadline_ms.min(fetch) } else { fetch }
            }
            Role::Resigned(resigned) => election(resigned.election_deadline_ms)
                .min(self.first_ready(resigned.unacknowledged.iter().copied())),
        }
    }

    /// A voter whose leader's process has ended does not wait for its fetch timeout, and tells others who ask that it would vote. Both
    /// only shorten what would come anyway; nobody is elected whom a majority would not elect. All hear of it at one moment: they stand
    /// one after the other, so that they do not split the votes.
    // DIVERGES: Kafka waits for controller.quorum.fetch.timeout.ms (2 s), in which nobody can be made a partition's leader.
    pub(super) fn peer_gone(&mut self, peer: i32, now_ms: i64) {
        let others = self.voters.latest().ids().into_iter().filter(|&id| id != peer);
        let before_me = others.filter(|&id| id < self.options.node_id).count() as i64;
        let jitter_ms = self.rng.below(GONE_PAUSE_MS.unsigned_abs()) as i64;
        let soon_ms = now_ms + GONE_PAUSE_MS + before_me * GONE_TURN_MS + jitter_ms;
        if let Role::Follower(follower) = &mut self.role
            && follower.leader_id == peer
        {
            follower.fetch_deadline_ms = follower.fetch_deadline_ms.min(soon_ms);
            follower.has_fetched = false;
        }
    }

    /// When the first of these voters may be asked; voters without a known address never.
    fn first_ready(&self, ids: impl Iterator<Item = i32>) -> i64 {
        let voters = self.voters.latest();
        let reachable = ids.filter(|id| self.destination(*id, &voters.endpoints(*id)).is_some());
        reachable.map(|id| self.connections.ready_at(id)).min().unwrap_or(NEVER)
    }

    fn may_stand(&self) -> bool {
        !self.shutting_down && !self.is_observer()
    }

    /// Back to its leader if there is one, in the same epoch.
    pub(super) fn give_up_prospect(&mut self, now_ms: i64) {
        let Role::Prospective(prospective) = &self.role else { return };
        match (prospective.leader_id, &prospective.leader_endpoints) {
            (Some(leader_id), endpoints) if !endpoints.is_empty() => {
                let endpoints = endpoints.clone();
                self.become_follower(self.epoch, leader_id, endpoints, now_ms);
            }
            (leader_id, _) => self.become_unattached(self.epoch, leader_id, now_ms),
        }
    }

    /// Where a replica is reached on the listener that peers use.
    pub(super) fn destination(&self, id: i32, endpoints: &Endpoints) -> Option<Destination> {
        let (host, port) = endpoints.get(self.options.listener_name.as_str())?;
        Some(Destination { id, host: host.clone(), port: *port })
    }

    /// Sends a request if the peer may be asked now.
    pub(super) fn send_if_ready(
        &mut self,
        to: Destination,
        now_ms: i64,
        request: impl FnOnce(&Self) -> RaftRequest,
    ) {
        if self.connections.is_ready(to.id, now_ms) {
            let request = request(self);
            let correlation_id = self.connections.sent(to.id, now_ms);
            self.effects.push(Effect::Send(Outgoing { to, correlation_id, request }));
        }
    }
}
