//! `Quorum`: the replica itself. Owns its epoch, its role and the moves between roles (the table stands on top of `mod.rs`),
//! and the order inside a step: event, then timers, then what must be durable, then effects.

use super::connections::Connections;
use super::control::{Unreadable, decode_snapshot, epoch_start_batch, kraft_version_batch, note_voters};
use super::quorum_state::ElectionState;
use super::replication::ParkedFetch;
use super::role::{Ballot, Candidate, Follower, Leader, Prospective, Resigned, Role, Unattached};
use super::voters::{Endpoints, OffsetAndEpoch, ReplicaKey, VoterHistory, VoterNode, VoterSet};
use super::{Effect, Event, MetadataLog, RaftOptions, RequestToken, StorageFault};
use crate::features::VersionRange;
use crate::rng::Rng;
use bytes::Bytes;
use wire::record_batch::RecordBatch;

/// The kraft.version range of this build.
const KRAFT_VERSIONS: VersionRange = VersionRange { min: 0, max: 1 };
/// Bytes read at once while looking for voters in the log.
const READ_BYTES: usize = 8 << 20;
/// "Never" as a deadline.
pub(super) const NEVER: i64 = i64::MAX;

/// Why a replica could not be opened.
#[derive(Debug)]
pub enum QuorumOpenError {
    Storage(StorageFault),
    Unreadable(Unreadable),
}

impl From<StorageFault> for QuorumOpenError {
    fn from(fault: StorageFault) -> Self {
        QuorumOpenError::Storage(fault)
    }
}

impl From<Unreadable> for QuorumOpenError {
    fn from(unreadable: Unreadable) -> Self {
        QuorumOpenError::Unreadable(unreadable)
    }
}

/// This replica cannot append: it does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLeader;

/// Why kraft.version cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeRefused {
    NotLeader,
    /// The version is lower than the one in force.
    Downgrade,
    /// The directory ids or versions of other voters are not known.
    UnknownVoters,
}

/// Which files somebody has read before a quorum opens them, and how far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadFiles {
    pub snapshot: Option<OffsetAndEpoch>,
    pub end_offset: i64,
}

impl ReadFiles {
    /// What was read still counts: the recovery of the log, which reads the platter and not the page cache, has not cut it. Behind
    /// the first byte that differs there is no good batch, so nothing else can have changed.
    pub fn is_of(&self, log: &dyn MetadataLog) -> bool {
        let latest = log.snapshots().last().map(|file| file.id);
        latest == self.snapshot && (log.start_offset()..=log.end_offset()).contains(&self.end_offset)
    }
}

/// What was learned there about the voters.
pub struct KnownVoters {
    pub read: ReadFiles,
    pub history: VoterHistory,
}

/// One replica of the metadata log.
pub struct Quorum {
    pub(super) options: RaftOptions,
    pub(super) log: Box<dyn MetadataLog>,
    pub(super) rng: Rng,
    pub(super) voters: VoterHistory,
    /// Control records below this offset are in `voters`.
    control_offset: i64,
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
    persisted: Option<String>,
    /// Appended or truncated, not flushed.
    dirty: bool,
    /// Appended what nobody misses if it is lost, not committed yet.
    idle: bool,
    /// Committed without a flush; any flush, and any reader of the log but this process, ends that.
    unproven: bool,
    /// The owner has read the log up to here, and this is the only voter: nothing older can be unknown to it.
    known_offset: Option<i64>,
    /// The last `LeaderChanged` effect.
    announced: (i32, Option<i32>),
}

impl Quorum {
    /// Reads quorum-state, the latest snapshot's head and the log's control records. Writes nothing.
    pub fn open(
        options: RaftOptions,
        log: Box<dyn MetadataLog>,
        known: Option<KnownVoters>,
        seed: u64,
        now_ms: i64,
    ) -> Result<Quorum, QuorumOpenError> {
        let connections = Connections::new(options.retry_backoff_ms, options.request_timeout_ms);
        let persisted = log.read_quorum_state()?;
        let mut quorum = Quorum {
            voters: VoterHistory::new(options.fixed_voters.clone()),
            options,
            log,
            rng: Rng::new(seed),
            control_offset: -1,
            epoch: 0,
            role: Role::Unattached(Unattached { leader_id: None, voted: None, election_deadline_ms: now_ms }),
            high_watermark: None,
            connections,
            parked_fetches: Vec::new(),
            effects: Vec::new(),
            shutting_down: false,
            persisted: None,
            dirty: false,
            idle: false,
            unproven: false,
            known_offset: None,
            announced: (-1, None),
        };
        quorum.truncate_to_latest_snapshot()?;
        if let Some(known) = known.filter(|known| known.read.is_of(&*quorum.log)) {
            quorum.voters.learn(known.history);
            quorum.control_offset = known.read.end_offset;
        }
        quorum.learn_voters()?;
        let election = match persisted {
            Some(content) => {
                quorum.persisted = String::from_utf8(content.to_vec()).ok();
                ElectionState::from_json(&content).map_err(|error| Unreadable(error.to_string()))?
            }
            None => ElectionState::unknown(quorum.voters.latest().ids()),
        };
        quorum.resume(election, now_ms);
        Ok(quorum)
    }

    /// Takes up the role that follows from what was durable. Nobody resumes as leader: that epoch is over.
    fn resume(&mut self, election: ElectionState, now_ms: i64) {
        let local = self.local_key();
        let timeout = now_ms + self.random_election_timeout();
        // The only voter has nobody to wait for.
        let deadline = if self.voters.latest().is_only(&local) { now_ms } else { timeout };
        let log_epoch = self.last_epoch();
        let unattached = |leader_id, voted| {
            Role::Unattached(Unattached { leader_id, voted, election_deadline_ms: deadline })
        };
        self.epoch = election.epoch.max(log_epoch);
        self.role = if election.epoch < log_epoch {
            unattached(None, None)
        } else if election.leader_id == Some(local.id) {
            Role::Resigned(Resigned {
                unacknowledged: self.other_voter_ids(),
                preferred_successors: Vec::new(),
                election_deadline_ms: deadline,
            })
        } else if election
            .voted
            .is_some_and(|voted| voted == local || (voted.id == local.id && voted.directory_id.is_none()))
        {
            let ballot = Ballot::new(self.voters.latest(), local.id);
            Role::Candidate(Candidate { ballot, election_deadline_ms: deadline })
        } else if let Some(leader_id) = election.leader_id {
            let leader_endpoints = self.voters.latest().endpoints(leader_id);
            if leader_endpoints.is_empty() {
                unattached(Some(leader_id), election.voted)
            } else {
                self.new_follower(leader_id, leader_endpoints, election.voted, now_ms)
            }
        } else {
            unattached(None, election.voted)
        };
        if self.is_observer()
            && let Role::Unattached(unattached) = &mut self.role
        {
            unattached.election_deadline_ms = NEVER;
        }
        self.announce();
    }

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

    /// This replica is the one and only voter: what it flushes is committed.
    pub fn is_only_voter(&self) -> bool {
        self.voters.latest().is_only(&self.local_key())
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
            Event::Resign => {
                if let Role::Leader(leader) = &mut self.role {
                    leader.resign_requested = true;
                }
            }
            Event::BeginShutdown => self.shutting_down = true,
        }
        self.run(now_ms)?;
        effects.append(&mut self.effects);
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

    /// The owner of an only voter has read all that is in the log. The next epoch that starts right there is announced at once:
    /// what comes before it needs no majority but the flush that also makes the start of the epoch durable.
    pub fn log_is_known(&mut self) {
        if self.is_only_voter() {
            self.known_offset = Some(self.log.end_offset());
        }
    }

    /// Where this leader's epoch began.
    pub fn epoch_start_offset(&self) -> Option<i64> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch_start_offset),
            _ => None,
        }
    }

    /// Makes everything appended so far durable, and commits it if a majority has it.
    pub fn flush(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), StorageFault> {
        self.settle(now_ms)?;
        self.run(now_ms)?;
        effects.append(&mut self.effects);
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

    /// The time that the log writes.
    pub fn wall_ms(&self, now_ms: i64) -> i64 {
        self.options.wall.at(now_ms)
    }

    /// The leader appends a batch of metadata. Its offset, or that this replica does not lead.
    pub fn append(&mut self, now_ms: i64, batch: Bytes) -> Result<Result<i64, NotLeader>, StorageFault> {
        if !self.is_leader() {
            return Ok(Err(NotLeader));
        }
        let (epoch, wall_ms) = (self.epoch, self.wall_ms(now_ms));
        let base_offset = self.log.append_as_leader(batch, epoch, wall_ms)?;
        self.dirty = true;
        Ok(Ok(base_offset))
    }

    /// As [`Quorum::append`], for a batch that says nothing but that time passes. Where no other process reads this log, it is
    /// committed without a flush: whoever saw its offset is gone as soon as the batch can be.
    pub fn append_idle(&mut self, now_ms: i64, batch: Bytes) -> Result<Result<i64, NotLeader>, StorageFault> {
        let alone = match &mut self.role {
            Role::Leader(leader) => {
                leader.expire_observers(now_ms);
                leader.observers.is_empty() && leader.voters.len() <= 1 && self.parked_fetches.is_empty()
            }
            _ => false,
        };
        let was_dirty = self.dirty;
        let appended = self.append(now_ms, batch)?;
        if alone && appended.is_ok() {
            self.dirty = was_dirty;
            self.idle = true;
        }
        Ok(appended)
    }

    /// Could kraft.version be set to this?
    pub fn may_upgrade_kraft_version(&self, version: i16) -> Result<(), UpgradeRefused> {
        if !self.is_leader() {
            Err(UpgradeRefused::NotLeader)
        } else if version < self.voters.kraft_version() {
            Err(UpgradeRefused::Downgrade)
        } else if version > self.voters.kraft_version() && !self.is_only_voter() {
            Err(UpgradeRefused::UnknownVoters)
        } else {
            Ok(())
        }
    }

    /// Raises kraft.version, and writes the voters with their directory ids: from now on the quorum is dynamic.
    pub fn upgrade_kraft_version(
        &mut self,
        version: i16,
        now_ms: i64,
    ) -> Result<Result<(), UpgradeRefused>, StorageFault> {
        if let Err(refused) = self.may_upgrade_kraft_version(version) {
            return Ok(Err(refused));
        }
        if version > self.voters.kraft_version() {
            let voters = VoterSet::only(self.local_voter());
            let wall_ms = self.wall_ms(now_ms);
            self.append_control(kraft_version_batch(version, Some(&voters), wall_ms), wall_ms)?;
        }
        Ok(Ok(()))
    }

    /// When the next step is due at the latest.
    pub fn next_deadline_ms(&self) -> i64 {
        let parked = self.parked_fetches.iter().map(|fetch| fetch.deadline_ms).min().unwrap_or(NEVER);
        self.role_deadline_ms().min(parked)
    }

    // ---- Moves between roles ----

    /// A newer epoch, or (for a prospective voter that lost) this one, without a leader that could be followed.
    pub(super) fn become_unattached(&mut self, epoch: i32, leader_id: Option<i32>, now_ms: i64) {
        assert!(epoch > self.epoch || (epoch == self.epoch && matches!(self.role, Role::Prospective(_))));
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
        self.epoch = epoch;
        self.enter(Role::Unattached(Unattached { leader_id, voted, election_deadline_ms }));
    }

    /// A leader is known, and where it listens.
    pub(super) fn become_follower(&mut self, epoch: i32, leader_id: i32, endpoints: Endpoints, now_ms: i64) {
        assert!(leader_id != self.options.node_id && epoch >= self.epoch && !endpoints.is_empty());
        assert!(epoch > self.epoch || !self.is_leader(), "one leader per epoch");
        let voted = if epoch == self.epoch { self.voted() } else { None };
        self.epoch = epoch;
        let follower = self.new_follower(leader_id, endpoints, voted, now_ms);
        self.enter(follower);
    }

    /// Asks the others whether an election would be won, in the same epoch.
    pub(super) fn become_prospective(&mut self, now_ms: i64) {
        assert!(!self.is_observer() && !self.is_leader());
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
        self.enter(Role::Prospective(prospective));
        if won {
            self.become_candidate(now_ms);
        }
    }

    /// A new epoch in which it has voted for itself.
    pub(super) fn become_candidate(&mut self, now_ms: i64) {
        assert!(!self.is_observer() && matches!(self.role, Role::Prospective(_)));
        self.epoch += 1;
        let ballot = Ballot::new(self.voters.latest(), self.options.node_id);
        let election_deadline_ms = now_ms + self.random_election_timeout();
        self.enter(Role::Candidate(Candidate { ballot, election_deadline_ms }));
    }

    /// A majority voted for it. Its first act is to say so in the log.
    pub(super) fn become_leader(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let Role::Candidate(candidate) = &self.role else { unreachable!("only a candidate can be elected") };
        assert!(candidate.ballot.is_won());
        let granting = candidate.ballot.granting();
        let local_id = self.options.node_id;
        let start = self.log.end_offset();
        let voters = self.voters.latest().clone();
        let leader = Leader::new(local_id, &voters, start, now_ms + self.check_quorum_timeout(), now_ms);
        self.enter(Role::Leader(Box::new(leader)));
        let news = self.voters_to_write();
        let news = news.as_ref().map(|voters| (self.voters.kraft_version(), voters));
        let wall_ms = self.wall_ms(now_ms);
        let batch = epoch_start_batch(local_id, voters.ids(), granting, news, wall_ms);
        self.append_control(batch, wall_ms)
    }

    /// Stops leading; others should take over.
    pub(super) fn become_resigned(&mut self, preferred_successors: Vec<ReplicaKey>, now_ms: i64) {
        assert!(self.is_leader());
        let resigned = Resigned {
            unacknowledged: self.other_voter_ids(),
            preferred_successors,
            election_deadline_ms: now_ms + self.random_election_timeout(),
        };
        self.enter(Role::Resigned(resigned));
    }

    fn enter(&mut self, role: Role) {
        let was_leader = self.is_leader();
        self.role = role;
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

    fn new_follower(
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
            download: None,
        })
    }

    /// In a dynamic quorum, voters that the log does not have yet: those of the bootstrap snapshot, or this node's new address.
    fn voters_to_write(&self) -> Option<VoterSet> {
        let offset = self.voters.latest_offset()?;
        let local = self.local_voter();
        let updated = self.voters.latest().updated(local)?;
        (self.voters.kraft_version() > 0 && (offset == -1 || updated != *self.voters.latest()))
            .then_some(updated)
    }

    // ---- The log's own news ----

    /// Appends a control batch as leader and learns from it at once.
    pub(super) fn append_control(&mut self, batch: Bytes, wall_ms: i64) -> Result<(), StorageFault> {
        let epoch = self.epoch;
        self.log.append_as_leader(batch, epoch, wall_ms)?;
        self.log_changed()
    }

    /// The end of the log moved: there may be new voters in it, and something to flush.
    pub(super) fn log_changed(&mut self) -> Result<(), StorageFault> {
        self.dirty = true;
        self.learn_voters().map_err(|error| match error {
            QuorumOpenError::Storage(fault) => fault,
            QuorumOpenError::Unreadable(unreadable) => StorageFault::new("read the metadata log", unreadable),
        })
    }

    /// Reads control records that have not been read yet, from the latest snapshot if the log does not begin early enough.
    fn learn_voters(&mut self) -> Result<(), QuorumOpenError> {
        let latest = self.log.snapshots().last().map(|file| file.id);
        if self.control_offset < self.log.start_offset()
            && let Some(id) = latest
        {
            let content = self.log.read_snapshot(id, 0, usize::MAX)?.unwrap_or_default();
            let head = decode_snapshot(content, |_| Ok::<(), Unreadable>(()))?;
            self.voters.begin_with(id.offset, head);
            self.control_offset = id.offset;
        }
        self.control_offset = self.control_offset.max(self.log.start_offset());
        while self.control_offset < self.log.end_offset() {
            let batches = self.log.read(self.control_offset, READ_BYTES)?;
            let batches = RecordBatch::split(batches).map_err(|error| Unreadable(error.to_string()))?;
            if batches.is_empty() {
                let what = format!("nothing at offset {} of the metadata log", self.control_offset);
                return Err(Unreadable(what).into());
            }
            for batch in batches {
                note_voters(&batch, &mut self.voters)?;
                self.control_offset = batch.next_offset();
            }
        }
        Ok(())
    }

    /// The log was cut: forget what was read beyond.
    pub(super) fn log_truncated(&mut self, offset: i64) {
        self.voters.truncate_to(offset);
        self.control_offset = self.control_offset.min(offset);
        self.dirty = true;
        self.effects.push(Effect::Truncated { end_offset: offset });
    }

    /// A snapshot that reaches further than the log replaces it.
    pub(super) fn truncate_to_latest_snapshot(&mut self) -> Result<bool, StorageFault> {
        let Some(latest) = self.log.snapshots().last().map(|file| file.id) else { return Ok(false) };
        let end = OffsetAndEpoch::new(self.log.end_offset(), self.log.latest_epoch().unwrap_or(0));
        if latest <= end {
            return Ok(false);
        }
        self.log.truncate_fully_and_start_at(latest.offset)?;
        for older in self.log.snapshots().iter().filter(|file| file.id < latest) {
            self.log.delete_snapshot(older.id)?;
        }
        self.dirty = true;
        Ok(true)
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

    /// The epoch of the last record, in the log or in the snapshot before it.
    pub(super) fn last_epoch(&self) -> i32 {
        let of_snapshot = || self.log.snapshots().last().map(|file| file.id.epoch);
        self.log.latest_epoch().or_else(of_snapshot).unwrap_or(0)
    }

    pub(super) fn end(&self) -> OffsetAndEpoch {
        OffsetAndEpoch::new(self.log.end_offset(), self.last_epoch())
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
