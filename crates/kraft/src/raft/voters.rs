//! Who votes (KIP-853): replica keys and voter sets. A voter is an id, and from kraft.version 1 on also the id of its directory, so
//! that a voter back with an empty disk is a stranger. Owns no disk and no timers.

use crate::features::VersionRange;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use wire::records::raft::{Endpoint, KRaftVersionFeature, VotersRecord, VotersRecordVoter};
use wire::{Str, Uuid};

/// A replica of the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaKey {
    /// `node.id`.
    pub id: i32,
    /// `None` where the sender is older than KIP-853 or the voter was configured statically.
    pub directory_id: Option<Uuid>,
}

impl ReplicaKey {
    /// A key as messages carry it: the zero directory id means none.
    pub fn new(id: i32, directory_id: Uuid) -> Self {
        ReplicaKey { id, directory_id: (!directory_id.is_zero()).then_some(directory_id) }
    }

    /// The directory id as messages carry it.
    pub fn directory_or_zero(&self) -> Uuid {
        self.directory_id.unwrap_or(Uuid::ZERO)
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplicaKey(id={}, directoryId=", self.id)?;
        match self.directory_id {
            Some(directory_id) => write!(f, "{directory_id})"),
            None => f.write_str("<undefined>)"),
        }
    }
}

/// Where a replica listens: listener name to host and port.
pub type Endpoints = BTreeMap<Str, (Str, u16)>;

/// One voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterNode {
    /// Its id, and in a dynamic quorum its directory's.
    pub key: ReplicaKey,
    /// Where it listens for other voters.
    pub endpoints: Endpoints,
    /// The levels of kraft.version that it supports.
    pub kraft_versions: VersionRange,
}

impl VoterNode {
    /// The key names this voter. A voter without a directory id is named by its id alone.
    pub fn is(&self, key: &ReplicaKey) -> bool {
        self.key.id == key.id
            && (self.key.directory_id.is_none() || self.key.directory_id == key.directory_id)
    }
}

/// The voters at one moment, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoterSet {
    /// By id.
    pub voters: BTreeMap<i32, VoterNode>,
}

impl VoterSet {
    /// The voters of `controller.quorum.voters`: ids and addresses, no directory ids.
    pub fn fixed(listener: &Str, voters: impl IntoIterator<Item = (i32, Str, u16)>) -> Self {
        let node = |(id, host, port)| {
            let endpoints = Endpoints::from([(listener.clone(), (host, port))]);
            let key = ReplicaKey { id, directory_id: None };
            (id, VoterNode { key, endpoints, kraft_versions: VersionRange { min: 0, max: 0 } })
        };
        VoterSet { voters: voters.into_iter().map(node).collect() }
    }

    /// A set of one.
    pub fn only(voter: VoterNode) -> Self {
        VoterSet { voters: BTreeMap::from([(voter.key.id, voter)]) }
    }

    /// True if the key names a voter.
    pub fn contains(&self, key: &ReplicaKey) -> bool {
        self.voters.get(&key.id).is_some_and(|voter| voter.is(key))
    }

    /// True if the key names the one and only voter.
    pub fn is_only(&self, key: &ReplicaKey) -> bool {
        self.voters.len() == 1 && self.contains(key)
    }

    /// The ids.
    pub fn ids(&self) -> BTreeSet<i32> {
        self.voters.keys().copied().collect()
    }

    /// Where a voter listens; empty if unknown.
    pub fn endpoints(&self, id: i32) -> Endpoints {
        self.voters.get(&id).map(|voter| voter.endpoints.clone()).unwrap_or_default()
    }

    /// Votes needed to win.
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// The set with this voter's addresses and versions brought up to date; `None` if it is not a voter.
    pub fn updated(&self, voter: VoterNode) -> Option<VoterSet> {
        if !self.contains(&voter.key) {
            return None;
        }
        Some(self.with(voter))
    }

    /// The set with this voter, in the place of another one of the same id if there is one.
    pub fn with(&self, voter: VoterNode) -> VoterSet {
        let mut voters = self.voters.clone();
        voters.insert(voter.key.id, voter);
        VoterSet { voters }
    }

    /// The set without exactly this voter; `None` if it is not one, or the last.
    pub fn without(&self, key: &ReplicaKey) -> Option<VoterSet> {
        let is_voter = self.voters.get(&key.id).is_some_and(|voter| voter.key == *key);
        if !is_voter || self.voters.len() <= 1 {
            return None;
        }
        let mut voters = self.voters.clone();
        voters.remove(&key.id);
        Some(VoterSet { voters })
    }

    /// At most one voter is in one of the two sets alone, so that any majority of the one meets any of the other.
    pub fn differs_by_one(&self, other: &VoterSet) -> bool {
        let keys =
            |set: &VoterSet| -> BTreeSet<ReplicaKey> { set.voters.values().map(|voter| voter.key).collect() };
        keys(self).symmetric_difference(&keys(other)).count() <= 1
    }

    /// The record that makes this set the voters.
    pub fn to_record(&self) -> VotersRecord {
        let endpoint = |(name, (host, port)): (&Str, &(Str, u16))| Endpoint {
            name: name.clone(),
            host: host.clone(),
            port: *port,
        };
        let voter = |voter: &VoterNode| VotersRecordVoter {
            voter_id: voter.key.id,
            voter_directory_id: voter.key.directory_or_zero(),
            endpoints: voter.endpoints.iter().map(endpoint).collect(),
            kraft_version_feature: KRaftVersionFeature {
                min_supported_version: voter.kraft_versions.min,
                max_supported_version: voter.kraft_versions.max,
            },
        };
        VotersRecord { version: 0, voters: self.voters.values().map(voter).collect() }
    }

    /// The set that a record makes the voters.
    pub fn from_record(record: &VotersRecord) -> VoterSet {
        let node = |voter: &VotersRecordVoter| {
            let endpoint = |e: &Endpoint| (e.name.detached(), (e.host.detached(), e.port));
            let versions = &voter.kraft_version_feature;
            let node = VoterNode {
                key: ReplicaKey::new(voter.voter_id, voter.voter_directory_id),
                endpoints: voter.endpoints.iter().map(endpoint).collect(),
                kraft_versions: VersionRange {
                    min: versions.min_supported_version,
                    max: versions.max_supported_version,
                },
            };
            (voter.voter_id, node)
        };
        VoterSet { voters: record.voters.iter().map(node).collect() }
    }
}
