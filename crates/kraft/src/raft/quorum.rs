//! `Quorum`: the replica itself. Owns the order inside a step: event, then timers, then what must be durable, then effects.

use super::connections::Connections;
use super::parked_fetch::ParkedFetch;
use super::quorum_state::ElectionState;
use super::role::Role;
use super::voter_history::VoterHistory;
use super::voters::{ReplicaKey, VoterNode, VoterSet};
use super::{Effect, Event, MetadataLog, RaftOptions, RaftRequest, RaftResponse, RequestToken, StorageFault};
use crate::features::KRAFT_VERSIONS;
use wire::random::SplitMix64;

/// "Never" as a deadline.
pub(super) const NEVER: i64 = i64::MAX;

/// As a place in the log: no control record has been read yet.
pub(super) const NOTHING_READ: i64 = -1;

/// One replica of the metadata log.
///
/// What holds whenever a step has ended; [`Quorum::check`] asserts it, under these names:
/// - `epoch`: it never goes back, no record of the log is of a later one, and the owner was told of it;
/// - `high watermark`: between start and end of the log, and it never goes back (`set_high_watermark`);
/// - `role`: only a voter leads (or one whose removal is not committed yet), in an epoch that begins below the end of its log; nobody follows itself; an observer never
///   stands for election, and the moves between roles are those of the table in `transitions.rs`; a download has all bytes before
///   its position;
/// - `vote`: it is kept for the epoch it was given in, so a candidate's is for itself;
/// - `voters`: all control records below `control_offset` are known, and none beyond the end of the log; a leader whose log is
///   flushed counts the offsets of the latest voters and of nobody else, none of them beyond the end of its log, and the fetches
///   of the others among them; one change of voters at a time is on its way, by a record of this log;
/// - `durable`: only a leader leaves anything unflushed, and of that nobody else has heard; only a voter without others leaves
///   anything that can be lost, and commits nothing else before its flush;
/// - `waiting`: only a leader lets fetches wait, of its own epoch and a bounded number of them; all effects have been handed over.
pub struct Quorum {
    pub(super) options: RaftOptions,
    pub(super) log: Box<dyn MetadataLog>,
    pub(super) rng: SplitMix64,
    pub(super) voters: VoterHistory,
    /// Control records below this offset are in `voters`.
    pub(super) control_offset: i64,
    /// Never goes back.
    pub(super) epoch: i32,
    pub(super) role: Role,
    /// Never goes back within a role; everything below is committed.
    pub(super) high_watermark: Option<i64>,
    pub(super) connections: Connections,
    pub(super) parked_fetches: Vec<ParkedFetch>,
    pub(super) effects: Vec<Effect>,
    pub(super) shutting_down: bool,
    /// Content of the quorum-state file; written only when it changes.
    pub(super) persisted: Option<String>,
    /// Appended or truncated, not flushed.
    pub(super) dirty: bool,
    /// Appended what nobody misses if it is lost, not committed yet.
    pub(super) idle: bool,
    /// Committed without a flush; any flush, and any reader of the log but this process, ends that.
    pub(super) unproven: bool,
    /// The owner has read the log up to here, and this is the only voter: nothing older can be unknown to it.
    pub(super) known_offset: Option<i64>,
    /// The last `LeaderChanged` effect.
    pub(super) announced: (i32, Option<i32>),
}

impl Quorum {
    // ---- What others may ask ----

    /// The current epoch.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The leader of this epoch, as far as it is known here.
    pub fn leader_id(&self) -> Option<i32> {
        match &self.role {
            Role::Unattached(unattached) => unattached.leader_id,
            Role::Prospective(prospective) => prospective.leader_id,
            Role::Candidate(_) => None,
            Role::Leader(_) | Role::Resigned(_) => Some(self.options.node_id),
            Role::Follower(follower) => Some(follower.leader_id),
        }
    }

    /// This replica leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Where this leader's epoch began.
    pub fn epoch_start_offset(&self) -> Option<i64> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch_start_offset),
            _ => None,
        }
    }

    /// Everything below is committed; `None` until this is known.
    pub fn high_watermark(&self) -> Option<i64> {
        self.high_watermark
    }

    /// The storage, for reading.
    pub fn log(&self) -> &dyn MetadataLog {
        &*self.log
    }

    /// The latest kraft.version.
    pub fn kraft_version(&self) -> i16 {
        self.voters.kraft_version()
    }

    /// The latest voters.
    pub fn voter_set(&self) -> &VoterSet {
        self.voters.latest()
    }

    /// The latest voters and where they were written, if that is committed.
    pub fn committed_voters(&self) -> Option<(i64, &VoterSet)> {
        let offset = self.voters.latest_offset()?;
        self.high_watermark
            .is_some_and(|committed| offset < committed)
            .then(|| (offset, self.voters.latest()))
    }

    /// This replica is the one and only voter: what it flushes is committed.
    pub fn is_only_voter(&self) -> bool {
        self.voters.latest().is_only(&self.local_key())
    }

    /// It began to leave, does not lead, and has told every voter so.
    pub fn has_left(&self) -> bool {
        let is_heard = match &self.role {
            Role::Leader(_) => false,
            Role::Resigned(resigned) => resigned.unacknowledged.is_empty(),
            Role::Unattached(_) | Role::Prospective(_) | Role::Candidate(_) | Role::Follower(_) => true,
        };
        self.shutting_down && is_heard
    }

    /// When the next step is due at the latest.
    pub fn next_deadline_ms(&self) -> i64 {
        let parked = self.parked_fetches.iter().map(|fetch| fetch.deadline_ms).min().unwrap_or(NEVER);
        self.role_deadline_ms().min(parked)
    }

    /// The time that the log writes.
    pub fn wall_ms(&self, now_ms: i64) -> i64 {
        self.options.wall.at(now_ms)
    }

    // ---- Steps ----

    /// Takes one event. Effects are to be carried out after this returns; a fault means that the node has to stop.
    pub fn step(&mut self, now_ms: i64, event: Event, effects: &mut Vec<Effect>) -> Result<(), StorageFault> {
        match event {
            Event::Tick => {}
            Event::Request { token, request } => self.handle_request(token, request, now_ms)?,
            Event::Response { from, correlation_id, response } => {
                self.handle_response(from, correlation_id, response, now_ms)?;
            }
            Event::PeerGone { peer } => self.peer_gone(peer, now_ms),
            Event::Resign => {
                if let Role::Leader(leader) = &mut self.role {
                    leader.resign_requested = true;
                }
            }
            Event::BeginShutdown => self.shutting_down = true,
        }
        self.run(now_ms)?;
        effects.append(&mut self.effects);
        self.check();
        Ok(())
    }

    fn handle_request(
        &mut self,
        token: RequestToken,
        request: RaftRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        match request {
            RaftRequest::Vote(request) => self.vote_requested(token, request, now_ms),
            RaftRequest::BeginQuorumEpoch(request) => self.begin_requested(token, request, now_ms),
            RaftRequest::EndQuorumEpoch(request) => self.end_requested(token, request, now_ms),
            RaftRequest::Fetch(request) => {
                self.prove()?;
                self.fetch_requested(token, &request, now_ms)?;
            }
            RaftRequest::FetchSnapshot(request) => {
                self.prove()?;
                self.snapshot_requested(token, &request, now_ms)?;
            }
            RaftRequest::DescribeQuorum(request) => {
                let response = self.describe(&request, now_ms);
                self.answer(token, RaftResponse::DescribeQuorum(response));
            }
            RaftRequest::AddRaftVoter(request) => self.add_requested(token, &request, now_ms),
            RaftRequest::RemoveRaftVoter(request) => self.remove_requested(token, &request, now_ms)?,
            RaftRequest::UpdateRaftVoter(request) => self.update_requested(token, &request, now_ms)?,
            RaftRequest::ApiVersions(_) => {
                let response = self.versions_response();
                self.answer(token, RaftResponse::ApiVersions(response));
            }
        }
        Ok(())
    }

    fn handle_response(
        &mut self,
        from: i32,
        correlation_id: u64,
        response: Option<RaftResponse>,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        if !self.connections.is_expected(from, correlation_id) {
            return Ok(());
        }
        let well = match response {
            Some(RaftResponse::Vote(response)) => self.vote_answered(from, response, now_ms),
            Some(RaftResponse::BeginQuorumEpoch(response)) => self.begin_answered(from, response, now_ms),
            Some(RaftResponse::EndQuorumEpoch(response)) => self.end_answered(from, response, now_ms),
            Some(RaftResponse::Fetch(response)) => self.fetch_answered(response, now_ms)?,
            Some(RaftResponse::FetchSnapshot(response)) => self.snapshot_answered(response, now_ms)?,
            Some(RaftResponse::AddRaftVoter(response)) => self.add_answered(&response, now_ms),
            Some(RaftResponse::RemoveRaftVoter(response)) => self.remove_answered(&response, now_ms),
            Some(RaftResponse::UpdateRaftVoter(response)) => self.update_answered(&response, now_ms),
            Some(RaftResponse::ApiVersions(response)) => {
                self.versions_answered(from, Some(&response), now_ms)?
            }
            // Never asked for by a replica.
            Some(RaftResponse::DescribeQuorum(_)) => false,
            None => self.versions_answered(from, None, now_ms)?,
        };
        self.connections.answered(from, correlation_id, well, now_ms);
        Ok(())
    }

    /// Timers and durability until both are at rest. A leader's own appends wait for `flush`, once per turn of its owner; a
    /// follower's are flushed before the next fetch says that it has them. Of an only voter nobody hears before `flush`, so
    /// its whole election costs one write.
    fn run(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        loop {
            if self.dirty && !self.is_leader() {
                self.settle(now_ms)?;
            }
            if !self.poll(now_ms)? {
                break;
            }
        }
        if !(self.is_leader() && self.is_only_voter()) {
            self.persist()?;
            self.log.prove_quorum_state()?;
        }
        Ok(())
    }

    /// Makes everything appended so far durable, and commits it if a majority has it.
    pub fn flush(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), StorageFault> {
        self.settle(now_ms)?;
        self.run(now_ms)?;
        effects.append(&mut self.effects);
        self.check();
        Ok(())
    }

    /// Votes before anything else: a vote that could be forgotten must never leave.
    fn settle(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        self.persist()?;
        if !self.dirty {
            self.log.prove_quorum_state()?;
        }
        if self.dirty {
            self.log.flush()?;
            self.dirty = false;
            self.idle = false;
            self.unproven = false;
            self.local_log_flushed(now_ms)?;
        } else if std::mem::take(&mut self.idle) {
            self.unproven = true;
            self.local_log_flushed(now_ms)?;
        }
        Ok(())
    }

    /// Somebody else is about to read the log: nothing of it may be lost any more.
    pub(super) fn prove(&mut self) -> Result<(), StorageFault> {
        if self.idle || self.unproven {
            self.log.flush()?;
            self.unproven = false;
            self.dirty |= std::mem::take(&mut self.idle);
        }
        Ok(())
    }

    fn persist(&mut self) -> Result<(), StorageFault> {
        let election = ElectionState {
            epoch: self.epoch,
            leader_id: self.leader_id(),
            voted: self.voted(),
            voters: self.voters.latest().ids(),
        };
        let content = election.to_json(self.voters.kraft_version());
        if self.persisted.as_deref() != Some(content.as_str()) {
            self.log.write_quorum_state(content.as_bytes())?;
            self.persisted = Some(content);
        }
        Ok(())
    }

    // ---- Small questions ----

    pub(super) fn local_key(&self) -> ReplicaKey {
        ReplicaKey { id: self.options.node_id, directory_id: Some(self.options.directory_id) }
    }

    pub(super) fn local_voter(&self) -> VoterNode {
        VoterNode {
            key: self.local_key(),
            endpoints: self.options.local_endpoints.clone(),
            kraft_versions: KRAFT_VERSIONS,
        }
    }

    pub(super) fn is_observer(&self) -> bool {
        !self.voters.latest().contains(&self.local_key())
    }

    pub(super) fn other_voter_ids(&self) -> std::collections::BTreeSet<i32> {
        let mut ids = self.voters.latest().ids();
        ids.remove(&self.options.node_id);
        ids
    }

    /// Whom this replica voted for in this epoch. A leader's own vote is not kept: being leader says it all.
    pub(super) fn voted(&self) -> Option<ReplicaKey> {
        match &self.role {
            Role::Unattached(unattached) => unattached.voted,
            Role::Prospective(prospective) => prospective.voted,
            Role::Follower(follower) => follower.voted,
            Role::Candidate(_) => Some(self.local_key()),
            Role::Leader(_) | Role::Resigned(_) => None,
        }
    }

    pub(super) fn random_election_timeout(&mut self) -> i64 {
        let timeout = self.options.election_timeout_ms.max(0);
        timeout + self.rng.below(timeout.unsigned_abs()) as i64
    }

    pub(super) fn check_quorum_timeout(&self) -> i64 {
        self.options.fetch_timeout_ms * 3 / 2
    }

    pub(super) fn answer(&mut self, token: RequestToken, response: super::RaftResponse) {
        self.effects.push(Effect::Answer { token, response });
    }
}
