//! Raising kraft.version (KIP-853), by which a configured quorum becomes a dynamic one. Until then nobody's directory is in the log: each
//! voter describes itself to the leader, which keeps that in mind and writes it down when the version is raised. Owns when that may be.

use super::StorageFault;
use super::control::kraft_version_batch;
use super::quorum::Quorum;
use super::role::Role;
use super::voters::{VoterNode, VoterSet};

/// Why kraft.version cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeRefused {
    /// Only the leader may.
    NotLeader,
    /// The version is lower than the one in force.
    Downgrade,
    /// Some voter has not said that it supports it, or not which directory it has.
    UnknownVoters,
}

impl Quorum {
    /// The voters as they described themselves to a leader of a configured quorum; from kraft.version 1 on the log has them.
    pub(super) fn voters_to_describe(&self) -> Option<VoterSet> {
        let local = self.local_voter();
        (self.voters.kraft_version() == 0).then(|| self.voters.latest().with(local))
    }

    /// A voter of a configured quorum describes itself. False if it is not one, or the quorum is none of those.
    pub(super) fn describe_voter(&mut self, voter: VoterNode) -> bool {
        let Role::Leader(leader) = &mut self.role else { return false };
        let Some(voters) = leader.described_voters.as_mut() else { return false };
        let is_voter = voters.voters.contains_key(&voter.key.id);
        if is_voter {
            voters.voters.insert(voter.key.id, voter);
        }
        is_voter
    }

    /// The highest kraft.version that this leader may set: all voters support it, and their directories are known.
    pub fn highest_kraft_version(&self) -> i16 {
        let current = self.voters.kraft_version();
        let Role::Leader(leader) = &self.role else { return current };
        let voters = leader.described_voters.as_ref().unwrap_or(self.voters.latest());
        if voters.voters.values().any(|voter| voter.key.directory_id.is_none()) {
            return current;
        }
        let supported = voters.voters.values().map(|voter| voter.kraft_versions.max).min();
        supported.map_or(current, |supported| supported.max(current))
    }

    /// Could kraft.version be set to this?
    pub fn may_upgrade_kraft_version(&self, version: i16) -> Result<(), UpgradeRefused> {
        if !self.is_leader() {
            Err(UpgradeRefused::NotLeader)
        } else if version < self.voters.kraft_version() {
            Err(UpgradeRefused::Downgrade)
        } else if version > self.highest_kraft_version() {
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
            let Role::Leader(leader) = &mut self.role else { unreachable!("only a leader may") };
            let voters = leader.described_voters.take();
            let wall_ms = self.wall_ms(now_ms);
            self.append_control(kraft_version_batch(version, voters.as_ref(), wall_ms), wall_ms)?;
        }
        Ok(Ok(()))
    }
}
