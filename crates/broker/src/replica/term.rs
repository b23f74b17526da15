//! A leader's term of one partition: what the controller's answers and newer images make of it, and what it wants to be asked.
//! Pure: no log, no clock, no message. KIP-497.

use kraft::image::PartitionImage;
use wire::topic::TopicIdPartition;

use super::divergence::FollowerAt;
use super::isr::{Eligible, FollowerSays, InSyncReplicas, NotAFollower};
use crate::quorum::isr_proposals::{IsrAnswer, IsrOutcome, IsrProposal};

/// A leader's state of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Leader {
    /// The epoch.
    pub leader_epoch: i32,
    /// Of the last committed change to leader or ISR (KIP-497).
    pub partition_epoch: i32,
    /// Who is in sync.
    pub isr: InSyncReplicas,
    /// acks=all waits for a flush round, too (`log.flush.ack`).
    pub flush_acks: bool,
}

/// A leader's log, as far as a follower's fetch is concerned.
#[derive(Debug, Clone, Copy)]
pub struct LeadersLog {
    /// Where it begins.
    pub log_start_offset: i64,
    /// Below, everything is committed.
    pub high_watermark: i64,
    /// Where it ends.
    pub log_end_offset: i64,
    /// What it says of the follower's last fetched epoch: the newest epoch not after that, and where it ended.
    pub last_fetched: Option<(i32, i64)>,
}

/// What a leader learns from a follower's fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// The follower has come further, or back: the high watermark may move.
    pub moved: bool,
    /// It may be in the ISR and is not.
    pub joins: bool,
}

impl Leader {
    /// A follower fetches: all below it has, if it follows this epoch and has not diverged from this log; of all others the fetch says
    /// nothing (KIP-320: a truncation is still to come).
    pub fn follower_fetched(
        &mut self,
        (broker_id, broker_epoch): (i32, i64),
        at: FollowerAt,
        log: LeadersLog,
        now_ms: i64,
        eligible: &dyn Eligible,
    ) -> Result<Heard, NotAFollower> {
        self.isr.admits(broker_id, broker_epoch)?;
        let is_within = (log.log_start_offset..=log.log_end_offset).contains(&at.fetch_offset);
        if at.leader_epoch != self.leader_epoch || !is_within || at.has_diverged(log.last_fetched) {
            return Ok(Heard::default());
        }
        let says = FollowerSays {
            broker_id,
            broker_epoch,
            log_start_offset: at.log_start_offset,
            log_end_offset: at.fetch_offset,
            now_ms,
        };
        let moved = self.isr.fetched(says, log.log_end_offset, eligible)?;
        Ok(Heard { moved, joins: self.isr.may_expand(broker_id, log.high_watermark, eligible) })
    }

    /// A newer image of the same leader epoch. False if it is not newer than what is known: the controller's answer to a proposal may
    /// have come before the image that says the same.
    pub fn sees(&mut self, partition: &PartitionImage, now_ms: i64) -> bool {
        if self.partition_epoch >= partition.partition_epoch {
            return false;
        }
        self.partition_epoch = partition.partition_epoch;
        self.isr.reassign(&partition.replicas, &partition.isr, now_ms);
        true
    }

    /// What the controller says to a proposal. False if it changes nothing.
    pub fn hears(&mut self, answer: &IsrAnswer) -> bool {
        let is_of_this = self.leader_epoch == answer.leader_epoch
            && self.partition_epoch == answer.partition_epoch
            && self.isr.is_proposing();
        if !is_of_this {
            // An image was faster.
            return false;
        }
        match &answer.outcome {
            IsrOutcome::Decided { leader_epoch, partition_epoch, isr }
                if *leader_epoch == self.leader_epoch && *partition_epoch > self.partition_epoch =>
            {
                self.partition_epoch = *partition_epoch;
                self.isr.decide(isr);
            }
            // The same as was committed: nothing was written.
            IsrOutcome::Decided { leader_epoch, partition_epoch, .. }
                if *leader_epoch == self.leader_epoch && *partition_epoch == self.partition_epoch =>
            {
                self.isr.roll_back();
            }
            IsrOutcome::Refused => self.isr.roll_back(),
            // Until the image comes that says more, the high watermark waits for all that may be in sync.
            IsrOutcome::Decided { .. } | IsrOutcome::Outdated => return false,
        }
        true
    }

    /// What the controller is to be asked of this partition, if anything is proposed.
    pub fn proposal(&self, key: TopicIdPartition) -> Option<IsrProposal> {
        Some(IsrProposal {
            key,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            isr: self.isr.proposal()?,
        })
    }
}
