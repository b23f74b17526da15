//! What a leader knows of the other replicas: how far each has come, which voters are alive, what a majority has.

use crate::raft::voter_change::VoterChange;
use crate::raft::voters::{Endpoints, ReplicaKey, VoterNode, VoterSet};
use std::collections::{BTreeMap, BTreeSet};
use wire::planted::{self, Bug};

/// Observers that have not fetched for this long are forgotten.
pub(in crate::raft) const OBSERVER_SESSION_MS: i64 = 300_000;

/// Who has not fetched for this long does not become a voter.
const CAUGHT_UP_MS: i64 = 3_600_000;

/// Leads.
#[derive(Debug)]
pub(in crate::raft) struct Leader {
    /// Where this epoch begins: the offset of its LeaderChange record. Nothing is committed before something above it is.
    pub epoch_start_offset: i64,
    pub voters: BTreeMap<i32, Progress>,
    pub observers: BTreeMap<ReplicaKey, Progress>,
    /// Voters that fetched since the check-quorum timer last started.
    pub fetched_voters: BTreeSet<i32>,
    /// Then, without a majority that fetches, it resigns.
    pub check_quorum_deadline_ms: i64,
    /// Then it tells voters that do not fetch that it leads.
    pub begin_quorum_deadline_ms: i64,
    pub resign_requested: bool,
    /// The one that is on its way.
    pub voter_change: Option<VoterChange>,
    /// In a configured quorum: the voters as they described themselves.
    pub described_voters: Option<VoterSet>,
}

/// How far a replica has come, as its leader knows.
#[derive(Clone, Debug)]
pub(in crate::raft) struct Progress {
    pub key: ReplicaKey,
    pub endpoints: Endpoints,
    /// The offset it fetches next: it has everything below. `None` until its first fetch in this epoch.
    pub end_offset: Option<i64>,
    pub last_fetch_ms: i64,
    pub last_fetch_leader_end_offset: i64,
    pub last_caught_up_ms: i64,
    pub acknowledged: bool,
}

impl Progress {
    fn new(key: ReplicaKey, endpoints: Endpoints, acknowledged: bool) -> Self {
        Progress {
            key,
            endpoints,
            end_offset: None,
            last_fetch_ms: -1,
            last_fetch_leader_end_offset: -1,
            last_caught_up_ms: -1,
            acknowledged,
        }
    }

    fn fetched(&mut self, offset: i64, leader_end_offset: Option<i64>, now_ms: i64) {
        if let Some(leader_end_offset) = leader_end_offset {
            if offset >= leader_end_offset {
                self.last_caught_up_ms = self.last_caught_up_ms.max(now_ms);
            } else if self.last_fetch_leader_end_offset > 0 && offset >= self.last_fetch_leader_end_offset {
                self.last_caught_up_ms = self.last_caught_up_ms.max(self.last_fetch_ms);
            }
            self.last_fetch_leader_end_offset = leader_end_offset;
        }
        self.last_fetch_ms = self.last_fetch_ms.max(now_ms);
        self.end_offset = Some(offset);
        self.acknowledged = true;
    }
}

impl Leader {
    pub(in crate::raft) fn new(
        local_id: i32,
        voters: &VoterSet,
        epoch_start_offset: i64,
        check_quorum_deadline_ms: i64,
        now_ms: i64,
    ) -> Self {
        let progress = |(id, voter): (&i32, &VoterNode)| {
            (*id, Progress::new(voter.key, voter.endpoints.clone(), *id == local_id))
        };
        Leader {
            epoch_start_offset,
            voters: voters.voters.iter().map(progress).collect(),
            observers: BTreeMap::new(),
            fetched_voters: BTreeSet::new(),
            check_quorum_deadline_ms,
            begin_quorum_deadline_ms: now_ms,
            resign_requested: false,
            voter_change: None,
            described_voters: None,
        }
    }

    /// The voters may have changed with the records just appended: keep what is known of each.
    pub(in crate::raft) fn update_voters(&mut self, voters: &VoterSet) {
        let mut old = std::mem::take(&mut self.voters);
        for (id, voter) in &voters.voters {
            let known = old.get(id).filter(|p| names(&p.key, &voter.key)).cloned();
            let observed = self.observers.remove(&voter.key);
            let known = known.or(observed);
            let mut progress = known.unwrap_or_else(|| Progress::new(voter.key, Endpoints::new(), false));
            old.remove(id);
            progress.key = voter.key;
            progress.endpoints = voter.endpoints.clone();
            self.voters.insert(*id, progress);
        }
        self.fetched_voters.retain(|id| self.voters.contains_key(id));
        for (_, mut progress) in old {
            progress.endpoints.clear();
            self.observers.entry(progress.key).or_insert(progress);
        }
    }

    /// A fetch arrived from a replica that has everything below `offset`.
    pub(in crate::raft) fn replica_fetched(
        &mut self,
        key: ReplicaKey,
        local_id: i32,
        offset: i64,
        now_ms: i64,
    ) {
        let leader_end_offset = self.voters.get(&local_id).and_then(|local| local.end_offset);
        let progress = match self.voters.get_mut(&key.id) {
            Some(voter) if names(&voter.key, &key) => voter,
            Some(_) | None => {
                self.observers.entry(key).or_insert_with(|| Progress::new(key, Endpoints::new(), false))
            }
        };
        progress.fetched(offset, leader_end_offset, now_ms);
    }

    /// A voter is alive: it fetched the log or a snapshot. True once a majority has been seen since the last time. Whoever calls
    /// itself by the leader's own id is no other voter.
    pub(in crate::raft) fn voter_seen(&mut self, key: ReplicaKey, local_id: i32) -> bool {
        let is_voter = self.voters.get(&key.id).is_some_and(|voter| names(&voter.key, &key));
        if is_voter && key.id != local_id {
            self.fetched_voters.insert(key.id);
        }
        let majority = self.voters.len() / 2 + 1;
        let needed = majority - usize::from(self.voters.contains_key(&local_id));
        if self.fetched_voters.len() >= needed {
            self.fetched_voters.clear();
            return true;
        }
        false
    }

    /// The offset that a majority of the voters has, if it is above the start of the epoch (Raft, 5.4.2).
    pub(in crate::raft) fn majority_offset(&self) -> Option<i64> {
        let mut offsets: Vec<Option<i64>> = self.voters.values().map(|voter| voter.end_offset).collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        let enough = if planted::has(Bug::CommitsWithoutMajority) { 0 } else { self.voters.len() / 2 };
        let offset = offsets.get(enough).copied().flatten()?;
        (offset > self.epoch_start_offset).then_some(offset)
    }

    /// The other voters, the furthest first: the order in which they should stand for election.
    pub(in crate::raft) fn successors(&self, local_id: i32) -> Vec<ReplicaKey> {
        let mut others: Vec<&Progress> =
            self.voters.values().filter(|voter| voter.key.id != local_id).collect();
        others.sort_by(|a, b| b.end_offset.cmp(&a.end_offset).then(a.key.cmp(&b.key)));
        others.into_iter().map(|voter| voter.key).collect()
    }

    /// An observer that may become a voter without holding up what is committed: it had everything once and fetched lately.
    pub(in crate::raft) fn is_caught_up(&self, key: &ReplicaKey, now_ms: i64) -> bool {
        let lately = |at_ms: i64| at_ms >= 0 && now_ms - at_ms < CAUGHT_UP_MS;
        let observer = self.observers.get(key);
        observer.is_some_and(|it| it.last_caught_up_ms >= 0 && lately(it.last_fetch_ms))
    }

    /// Forgets observers that went away.
    pub(in crate::raft) fn expire_observers(&mut self, now_ms: i64) {
        self.observers.retain(|_, observer| now_ms - observer.last_fetch_ms < OBSERVER_SESSION_MS);
    }
}

fn names(voter: &ReplicaKey, key: &ReplicaKey) -> bool {
    voter.id == key.id && (voter.directory_id.is_none() || voter.directory_id == key.directory_id)
}
