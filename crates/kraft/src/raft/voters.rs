//! Who votes (KIP-853): replica keys, voter sets, and their history along the log. A voter is an id, and from kraft.version 1 on
//! also the id of its directory, so that a voter back with an empty disk is a stranger. Owns no disk and no timers.

use super::control::SnapshotHead;
use crate::features::VersionRange;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use wire::records::raft::{Endpoint, KRaftVersionFeature, VotersRecord, VotersRecordVoter};
use wire::{Str, Uuid};

/// A place in the log: the offset after a record and that record's epoch. Also the name of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetAndEpoch {
    /// The offset after the record.
    pub offset: i64,
    /// The leader epoch of the record's batch.
    pub epoch: i32,
}

impl OffsetAndEpoch {
    /// The snapshot that formatting writes: not a state of the cluster, but the records to begin with (KIP-1170).
    pub const BOOTSTRAP: OffsetAndEpoch = OffsetAndEpoch { offset: 0, epoch: 0 };

    /// A place.
    pub fn new(offset: i64, epoch: i32) -> Self {
        OffsetAndEpoch { offset, epoch }
    }
}

impl PartialOrd for OffsetAndEpoch {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OffsetAndEpoch {
    /// The later epoch is further, whatever its offset.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.epoch, self.offset).cmp(&(other.epoch, other.offset))
    }
}

impl fmt::Display for OffsetAndEpoch {
    /// As in the file name of a snapshot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}", self.offset, self.epoch)
    }
}

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
        let mut voters = self.voters.clone();
        voters.insert(voter.key.id, voter);
        Some(VoterSet { voters })
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

/// Voters and kraft.version as the log tells them: a control record counts from the moment it is appended, not committed, and
/// is taken back when the log is truncated. Offset -1 stands for the bootstrap snapshot.
#[derive(Clone, Debug, Default)]
pub struct VoterHistory {
    fixed: VoterSet,
    voters: BTreeMap<i64, VoterSet>,
    kraft_versions: BTreeMap<i64, i16>,
}

impl VoterHistory {
    /// A history that begins with the configured voters.
    pub fn new(fixed: VoterSet) -> Self {
        VoterHistory { fixed, voters: BTreeMap::new(), kraft_versions: BTreeMap::new() }
    }

    /// The latest voters.
    pub fn latest(&self) -> &VoterSet {
        self.voters.values().next_back().unwrap_or(&self.fixed)
    }

    /// Where the latest voters were written; `None` if they are the configured ones.
    pub fn latest_offset(&self) -> Option<i64> {
        self.voters.keys().next_back().copied()
    }

    /// The latest kraft.version.
    pub fn kraft_version(&self) -> i16 {
        self.kraft_versions.values().next_back().copied().unwrap_or(0)
    }

    /// Voters and kraft.version as of an offset, for a snapshot; no voters where they are the configured ones.
    pub fn at(&self, offset: i64) -> (Option<&VoterSet>, i16) {
        let voters = self.voters.range(..=offset).next_back().map(|(_, voters)| voters);
        let version = self.kraft_versions.range(..=offset).next_back().map_or(0, |(_, version)| *version);
        (voters, version)
    }

    /// What the snapshot of this end says.
    pub(crate) fn begin_with(&mut self, end_offset: i64, head: SnapshotHead) {
        self.clear();
        self.add_kraft_version(end_offset - 1, head.kraft_version);
        if let Some(voters) = head.voters {
            self.add_voters(end_offset - 1, voters);
        }
    }

    /// Takes over what another one knows, but for the configured voters.
    pub(crate) fn learn(&mut self, other: VoterHistory) {
        let VoterHistory { fixed: _, voters, kraft_versions } = other;
        (self.voters, self.kraft_versions) = (voters, kraft_versions);
    }

    /// A voters record at an offset.
    pub fn add_voters(&mut self, offset: i64, voters: VoterSet) {
        self.voters.insert(offset, voters);
    }

    /// A kraft.version record at an offset.
    pub fn add_kraft_version(&mut self, offset: i64, version: i16) {
        self.kraft_versions.insert(offset, version);
    }

    /// The log was cut at an offset.
    pub fn truncate_to(&mut self, offset: i64) {
        self.voters.split_off(&offset);
        self.kraft_versions.split_off(&offset);
    }

    /// A snapshot replaces everything.
    pub fn clear(&mut self) {
        self.voters.clear();
        self.kraft_versions.clear();
    }

    /// The log now begins at an offset: of what is before, only the last still matters.
    pub fn forget_before(&mut self, offset: i64) {
        fn forget<T>(entries: &mut BTreeMap<i64, T>, offset: i64) {
            if let Some(keep) = entries.range(..=offset).next_back().map(|(at, _)| *at) {
                *entries = entries.split_off(&keep);
            }
        }
        forget(&mut self.voters, offset);
        forget(&mut self.kraft_versions, offset);
    }
}
