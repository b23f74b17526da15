//! Voters and kraft.version along the log (KIP-853): what each control record made of them, and what a cut or a snapshot takes back.
//! Owns no disk; whoever reads or cuts the log tells it.

use super::control::{ControlNews, SnapshotHead, Unreadable, control_news};
use super::voters::VoterSet;
use std::collections::BTreeMap;
use wire::record_batch::RecordBatch;

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

    /// Notes the kraft.versions and voters that a batch of the log announces. Unreadable: a control record does not decode.
    pub(crate) fn note(&mut self, batch: &RecordBatch) -> Result<(), Unreadable> {
        if batch.is_control() {
            for (offset, news) in control_news(batch)? {
                match news {
                    ControlNews::KRaftVersion(version) => self.add_kraft_version(offset, version),
                    ControlNews::Voters(voters) => self.add_voters(offset, voters),
                }
            }
        }
        Ok(())
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
