//! The votes of one election, with or without pre-vote.

use crate::raft::voters::{ReplicaKey, VoterNode, VoterSet};
use std::collections::BTreeMap;

/// The votes of one election.
#[derive(Debug)]
pub(in crate::raft) struct Ballot {
    votes: BTreeMap<i32, (ReplicaKey, Option<bool>)>,
}

impl Ballot {
    /// All voters, of whom only this one has voted, for itself.
    pub(in crate::raft) fn new(voters: &VoterSet, local_id: i32) -> Self {
        let vote = |(id, voter): (&i32, &VoterNode)| (*id, (voter.key, (*id == local_id).then_some(true)));
        Ballot { votes: voters.voters.iter().map(vote).collect() }
    }

    /// A voter answered. Strangers are not counted.
    pub(in crate::raft) fn record(&mut self, id: i32, granted: bool) {
        if let Some((_, vote)) = self.votes.get_mut(&id) {
            *vote = Some(granted);
        }
    }

    pub(in crate::raft) fn is_won(&self) -> bool {
        self.count(Some(true)) > self.votes.len() / 2
    }

    /// Not even all the missing votes could win it.
    pub(in crate::raft) fn is_lost(&self) -> bool {
        self.count(Some(true)) + self.count(None) <= self.votes.len() / 2
    }

    /// This voter voted for us; a stranger has no vote to give.
    pub(in crate::raft) fn has_voted_for(&self, id: i32) -> bool {
        self.votes.get(&id).is_none_or(|(_, vote)| *vote == Some(true))
    }

    /// Who has not answered yet.
    pub(in crate::raft) fn missing(&self) -> Vec<ReplicaKey> {
        self.votes.values().filter(|(_, vote)| vote.is_none()).map(|(key, _)| *key).collect()
    }

    /// Who voted for us.
    pub(in crate::raft) fn granting(&self) -> Vec<i32> {
        self.votes.iter().filter(|(_, (_, vote))| *vote == Some(true)).map(|(id, _)| *id).collect()
    }

    fn count(&self, wanted: Option<bool>) -> usize {
        self.votes.values().filter(|(_, vote)| *vote == wanted).count()
    }
}
