//! Opening a replica: what it knows from its disk, and the role that follows from it. Writes nothing.

use super::connections::Connections;
use super::control::Unreadable;
use super::offset_and_epoch::OffsetAndEpoch;
use super::quorum::{NEVER, NOTHING_READ, Quorum};
use super::quorum_state::ElectionState;
use super::role::{Ballot, Candidate, Resigned, Role, Unattached};
use super::voter_history::VoterHistory;
use super::voters::ReplicaKey;
use super::{MetadataLog, RaftOptions, StorageFault};
use wire::planted::{self, Bug};
use wire::random::SplitMix64;

/// Why a replica could not be opened.
#[derive(Debug)]
pub enum QuorumOpenError {
    /// The disk failed.
    Storage(StorageFault),
    /// A file is damaged, or newer than this build.
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

/// Which files somebody has read before a quorum opens them, and how far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadFiles {
    /// The latest snapshot; `None` without one.
    pub snapshot: Option<OffsetAndEpoch>,
    /// The log below this offset.
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
    /// What was read.
    pub read: ReadFiles,
    /// The voters according to that.
    pub history: VoterHistory,
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
            rng: SplitMix64::new(seed),
            control_offset: NOTHING_READ,
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
        // What an earlier process left in the page cache is not to be acknowledged by a fetch, nor a vote told by a name that a power
        // cut takes back. An only voter tells nobody before the flush that begins its epoch.
        quorum.dirty |= !quorum.log.is_proven() && !quorum.is_only_voter();
        let election = match persisted {
            Some(content) => {
                quorum.persisted = String::from_utf8(content.to_vec()).ok();
                ElectionState::from_json(&content).map_err(|error| Unreadable(error.to_string()))?
            }
            None => ElectionState::unknown(quorum.voters.latest().ids()),
        };
        let voted = election.voted.filter(|_| !planted::has(Bug::ForgetsItsVote));
        quorum.resume(ElectionState { voted, ..election }, now_ms);
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
        let voted_for_itself =
            |voted: ReplicaKey| voted == local || (voted.id == local.id && voted.directory_id.is_none());
        // Since it voted it may have followed another leader of that epoch, which removed it.
        let stands = !self.is_observer() && election.voted.is_some_and(voted_for_itself);
        self.epoch = election.epoch.max(log_epoch);
        self.role = if election.epoch < log_epoch {
            unattached(None, None)
        } else if election.leader_id == Some(local.id) {
            Role::Resigned(Resigned {
                unacknowledged: self.other_voter_ids(),
                preferred_successors: Vec::new(),
                election_deadline_ms: deadline,
            })
        } else if stands {
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
}
