//! A change of the voters on its way (KIP-853), as data: who waits for it, until when, and how far it has come. A leader has at most one.
//! Owns no decision; `change_voters.rs` makes them.

use super::RequestToken;
use super::voters::{Endpoints, ReplicaKey};

/// A voter that is being added or removed.
#[derive(Clone, Debug)]
pub(super) struct VoterChange {
    /// Who is still to be answered.
    pub asker: Option<Asker>,
    /// Then it is given up. What is in the log already may be committed nevertheless.
    pub deadline_ms: i64,
    pub stage: Stage,
}

/// Who asked, and for what: each has an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Add(RequestToken),
    Remove(RequestToken),
}

/// How far a change has come.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The new voter was asked which levels of kraft.version it supports.
    AwaitsVersions(NewVoter),
    /// The new voters are in the log, at this offset.
    Appended { offset: i64 },
}

/// Who is to be added.
#[derive(Clone, Debug)]
pub(super) struct NewVoter {
    pub key: ReplicaKey,
    pub endpoints: Endpoints,
    /// The asker waits until the change is committed, not only until it is in the log.
    pub ack_when_committed: bool,
}

impl VoterChange {
    /// This replica's versions are awaited.
    pub fn awaits_versions_of(&self, id: i32) -> Option<&NewVoter> {
        match &self.stage {
            Stage::AwaitsVersions(voter) if voter.key.id == id => Some(voter),
            Stage::AwaitsVersions(_) | Stage::Appended { .. } => None,
        }
    }

    /// Everything below `high_watermark` is committed, and this with it.
    pub fn is_committed(&self, high_watermark: i64) -> bool {
        matches!(self.stage, Stage::Appended { offset } if offset < high_watermark)
    }
}
