//! What every message of the quorum says beside its own matter: which epoch it is, who leads it and where. Owns what a replica
//! believes of that, and the same words in its own answers.

use super::quorum::Quorum;
use super::role::Role;
use super::voters::Endpoints;
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str, Uuid};

/// The latest epoch that is believed of somebody else. DIVERGES: Kafka believes any, and a single message that names the last number
/// there is leaves no epoch for the next election, for ever. Half of them are left here: one a second for 34 years.
pub(super) const MAX_FOREIGN_EPOCH: i32 = i32::MAX / 2;

/// How an answer is to be dealt with after what all answers have in common.
pub(super) enum Common {
    /// Nothing more to do; whether the peer did well.
    Done(bool),
    /// Look at what is special about it.
    GoOn,
}

impl Quorum {
    // ---- What is heard ----

    /// A leader speaks of its epoch, its beginning or its end.
    pub(super) fn leader_says(
        &mut self,
        leader_id: i32,
        epoch: i32,
        endpoints: Endpoints,
        now_ms: i64,
    ) -> ErrorCode {
        if epoch < self.epoch {
            return ErrorCode::FencedLeaderEpoch;
        }
        let endpoints =
            if endpoints.is_empty() { self.voters.latest().endpoints(leader_id) } else { endpoints };
        if leader_id < 0 || epoch > MAX_FOREIGN_EPOCH || !self.is_consistent(Some(leader_id), epoch) {
            return ErrorCode::InvalidRequest;
        }
        self.follow_if_new(Some(leader_id), epoch, endpoints, now_ms);
        ErrorCode::None
    }

    /// What an answer says about epoch and leader, whatever it answers.
    pub(super) fn common(
        &mut self,
        error: i16,
        leader_id: Option<i32>,
        epoch: i32,
        endpoints: Endpoints,
        now_ms: i64,
    ) -> Common {
        let is = |code: ErrorCode| error == code.code();
        if epoch > MAX_FOREIGN_EPOCH {
            return Common::Done(false);
        }
        // DIVERGES: Kafka asks again at once where an answer taught it nothing, as often as the network carries it. Here the pause after a
        // failure goes before.
        if epoch < self.epoch || is(ErrorCode::UnknownLeaderEpoch) || !self.is_consistent(leader_id, epoch) {
            return Common::Done(false);
        }
        if epoch > self.epoch || is(ErrorCode::FencedLeaderEpoch) || is(ErrorCode::NotLeaderOrFollower) {
            let before = (self.epoch, self.leader_id());
            self.follow_if_new(leader_id, epoch, endpoints, now_ms);
            return Common::Done(before != (self.epoch, self.leader_id()));
        }
        if let Some(leader_id) = leader_id
            && self.leader_id().is_none()
            && !endpoints.is_empty()
        {
            self.become_follower(epoch, leader_id, endpoints, now_ms);
            return if error == 0 { Common::GoOn } else { Common::Done(true) };
        }
        if is(ErrorCode::BrokerNotAvailable) {
            return Common::Done(false);
        }
        if is(ErrorCode::InvalidVoterKey) {
            return Common::Done(false);
        }
        Common::GoOn
    }

    /// No message may name two leaders of one epoch, nor this node as leader while it is not.
    fn is_consistent(&self, leader_id: Option<i32>, epoch: i32) -> bool {
        match leader_id {
            Some(id) if id == self.options.node_id => epoch == self.epoch && self.leader_id() == leader_id,
            Some(_) => epoch != self.epoch || self.leader_id().is_none_or(|known| Some(known) == leader_id),
            None => true,
        }
    }

    fn follow_if_new(&mut self, leader_id: Option<i32>, epoch: i32, endpoints: Endpoints, now_ms: i64) {
        let knows_more = match &self.role {
            Role::Follower(follower) => endpoints.len() > follower.leader_endpoints.len(),
            Role::Leader(_) | Role::Resigned(_) => false,
            Role::Prospective(prospective) => endpoints.len() > prospective.leader_endpoints.len(),
            Role::Unattached(_) | Role::Candidate(_) => !endpoints.is_empty(),
        };
        match leader_id {
            Some(id) if id == self.options.node_id => {}
            Some(id) if epoch > self.epoch && !endpoints.is_empty() => {
                self.become_follower(epoch, id, endpoints, now_ms)
            }
            Some(id) if epoch == self.epoch && knows_more => {
                self.become_follower(epoch, id, endpoints, now_ms)
            }
            Some(_) | None if epoch > self.epoch => self.become_unattached(epoch, leader_id, now_ms),
            Some(_) | None => {}
        }
    }

    /// Where the leader of an answer is: what it says itself, else what the voters' record says.
    pub(super) fn answered_endpoints(
        &self,
        leader_id: Option<i32>,
        mut nodes: impl Iterator<Item = (i32, Str, u16)>,
    ) -> Endpoints {
        let Some(leader_id) = leader_id else { return Endpoints::new() };
        match nodes.find(|(id, ..)| *id == leader_id) {
            Some((_, host, port)) => Endpoints::from([(self.options.listener_name.clone(), (host, port))]),
            None => self.voters.latest().endpoints(leader_id),
        }
    }

    pub(super) fn is_other_cluster(&self, cluster_id: Option<&Str>) -> bool {
        cluster_id.is_some_and(|id| *id != self.options.cluster_id)
    }

    /// The request means this replica, as far as it says whom it means.
    pub(super) fn is_addressed(&self, voter_id: i32, directory_id: Uuid) -> bool {
        let id_fits = voter_id < 0 || voter_id == self.options.node_id;
        id_fits && (directory_id.is_zero() || directory_id == self.options.directory_id)
    }

    // ---- What is told ----

    /// The leader and where it listens, for answers that help the asker on.
    pub fn leader_node(&self) -> Option<(i32, Str, u16)> {
        let endpoints = match &self.role {
            Role::Leader(_) | Role::Resigned(_) => &self.options.local_endpoints,
            Role::Follower(follower) => &follower.leader_endpoints,
            Role::Prospective(prospective) => &prospective.leader_endpoints,
            Role::Unattached(_) | Role::Candidate(_) => return None,
        };
        let (host, port) = endpoints.get(self.options.listener_name.as_str())?;
        Some((self.leader_id()?, host.clone(), *port))
    }
}

/// -1 stands for nobody.
pub(super) fn known_id(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}

pub(super) fn is_metadata(topic: Option<&Str>) -> bool {
    topic.is_some_and(|name| *name == CLUSTER_METADATA)
}
