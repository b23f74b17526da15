//! What must hold of a replica whenever a step has ended, in release too: a quorum that breaks its own rules must stop before
//! it tells anybody. The list stands at [`Quorum`]. Costs a few comparisons and, for a leader, one look at each voter.

use super::parked_fetch::MAX_PARKED_FETCHES;
use super::quorum::{NEVER, Quorum};
use super::role::{Download, Leader, Role};
use super::voter_change::Stage;

impl Quorum {
    /// Panics with the name of the invariant that is broken.
    pub(super) fn check(&self) {
        let (start, end) = (self.log.start_offset(), self.log.end_offset());
        assert!(self.announced.0 <= self.epoch, "epoch: it went back");
        assert!(self.log.latest_epoch().unwrap_or(0) <= self.epoch, "epoch: the log is of a later one");
        if let Some(high_watermark) = self.high_watermark {
            assert!(high_watermark >= start, "high watermark: it is below the log's start");
            assert!(high_watermark <= end, "high watermark: it is beyond the log's end");
        }
        assert!(self.control_offset <= end, "voters: records beyond the log's end were read");
        assert!(
            self.voters.latest_offset().is_none_or(|offset| offset < end),
            "voters: they were written beyond the log's end"
        );
        assert!(self.effects.is_empty(), "waiting: an effect was not handed over");
        self.check_role();
        assert!(self.announced.0 == self.epoch, "epoch: its owner was not told");
    }

    fn check_role(&self) {
        let leads = self.is_leader();
        assert!(leads || !self.dirty, "durable: only a leader leaves something unflushed");
        assert!(leads || self.parked_fetches.is_empty(), "waiting: only a leader lets fetches wait");
        assert!(self.parked_fetches.len() <= MAX_PARKED_FETCHES, "waiting: too many fetches");
        let newest = self.parked_fetches.last().map(|fetch| fetch.partition.current_leader_epoch);
        assert!(newest.is_none_or(|epoch| epoch == self.epoch), "waiting: a fetch of another epoch");
        let alone = self.is_only_voter();
        assert!(alone || !(self.idle || self.unproven), "durable: somebody else counts on what can be lost");
        let local_id = self.options.node_id;
        match &self.role {
            Role::Unattached(unattached) => {
                let stands = unattached.election_deadline_ms != NEVER;
                assert!(stands != self.is_observer(), "role: a voter stands for election, an observer never");
                assert!(unattached.leader_id != Some(local_id), "role: it leads without knowing");
            }
            Role::Prospective(prospective) => {
                assert!(prospective.leader_id != Some(local_id), "role: it leads without knowing");
            }
            Role::Candidate(candidate) => {
                assert!(candidate.ballot.has_voted_for(local_id), "vote: a candidate votes for itself");
            }
            Role::Follower(follower) => {
                assert!(follower.leader_id != local_id, "role: it follows itself");
                assert!(!follower.leader_endpoints.is_empty(), "role: it follows somebody it cannot reach");
                assert!(follower.download.as_ref().is_none_or(Download::is_whole), "role: parts are missing");
            }
            Role::Leader(leader) => self.check_leader(leader),
            Role::Resigned(resigned) => {
                assert!(!resigned.unacknowledged.contains(&local_id), "role: it tells itself");
            }
        }
    }

    fn check_leader(&self, leader: &Leader) {
        let end = self.log.end_offset();
        let leaves = self.high_watermark_of_epoch().is_some_and(|offset| !self.voters_are_committed(offset));
        assert!(!self.is_observer() || leaves, "role: only a voter leads");
        assert!(leader.epoch_start_offset < end, "role: the epoch begins beyond the log's end");
        assert!(self.last_epoch() == self.epoch, "role: the log says nothing of the leader's epoch");
        let latest = &self.voters.latest().voters;
        if !self.dirty {
            assert!(leader.voters.keys().eq(latest.keys()), "voters: the leader counts others");
        }
        let reaches = |offset: Option<i64>| offset.is_none_or(|offset| offset <= end);
        assert!(
            leader.voters.values().all(|voter| reaches(voter.end_offset)),
            "voters: one has more than the leader"
        );
        let changing = leader.voter_change.as_ref().map(|change| &change.stage);
        assert!(
            !matches!(changing, Some(Stage::Appended { offset }) if *offset >= end),
            "voters: a change waits for what is not in the log"
        );
        assert!(
            leader.described_voters.is_some() == (self.voters.kraft_version() == 0),
            "voters: only those of a configured quorum describe themselves"
        );
        let counted = |id: &i32| *id != self.options.node_id && leader.voters.contains_key(id);
        assert!(leader.fetched_voters.iter().all(counted), "voters: a fetch counts that is no other voter's");
        if let (Some(high_watermark), 1, Some(own)) =
            (self.high_watermark, leader.voters.len(), leader.voters.get(&self.options.node_id))
        {
            let flushed = own.end_offset.is_none_or(|end| high_watermark <= end);
            assert!(flushed, "durable: what an only voter has committed is not flushed");
        }
    }
}

#[cfg(test)]
mod tests;
