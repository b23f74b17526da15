//! The leader's side of a partition: appending, the high watermark, what acks=all waits for. Decides nothing about who
//! leads; the image does.

use log::{AppendOrigin, AppendRefused, Appended, Fault};
use wire::ErrorCode;
use wire::record_batch::ValidBatches;

use super::divergence::FollowerAt;
use super::isr::{Eligible, NotAFollower};
use super::term::{Heard, LeadersLog};
use super::{Leader, Replica, ReplicaState};

/// Why a leader did not append.
#[derive(Debug)]
pub(crate) enum Refused {
    /// An answer for the client.
    Answer(ErrorCode),
    /// The disk failed: the directory goes offline.
    Fault(Fault),
}

impl Refused {
    /// What the client is told.
    pub fn error(&self) -> ErrorCode {
        match self {
            Refused::Answer(error) => *error,
            Refused::Fault(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<AppendRefused> for Refused {
    fn from(refused: AppendRefused) -> Refused {
        match refused {
            AppendRefused::Storage(fault) => Refused::Fault(fault),
            other => Refused::Answer(other.error_code()),
        }
    }
}

/// What a follower's fetch changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// The high watermark moved.
    pub commits: bool,
    /// The follower may be in the ISR and is not: to be proposed.
    pub joins: bool,
}

impl Replica {
    /// A follower fetches: all below it has, if it follows this epoch and has not diverged from this log; of all others the fetch says
    /// nothing (KIP-320: a truncation is still to come). What the follower is told stands in the view.
    pub fn follower_fetched(
        &mut self,
        (broker_id, broker_epoch): (i32, i64),
        at: FollowerAt,
        now_ms: i64,
        eligible: &dyn Eligible,
    ) -> Result<Acknowledged, ErrorCode> {
        let ReplicaState::Leader(leader) = &mut self.state else { return Ok(Acknowledged::default()) };
        let log = LeadersLog {
            log_start_offset: self.log.log_start_offset(),
            high_watermark: self.log.high_watermark(),
            log_end_offset: self.log.log_end_offset(),
            last_fetched: self.log.end_offset_for_epoch(at.last_fetched_epoch),
        };
        let heard = leader.follower_fetched((broker_id, broker_epoch), at, log, now_ms, eligible);
        let Heard { moved, joins } = heard.map_err(|not| match not {
            NotAFollower::Unassigned if at.leader_epoch != -1 => ErrorCode::UnknownLeaderEpoch,
            NotAFollower::Unassigned | NotAFollower::StaleBrokerEpoch => ErrorCode::NotLeaderOrFollower,
        })?;
        let commits = moved && self.advance_high_watermark();
        Ok(Acknowledged { commits, joins })
    }

    /// The leader's state, or what a client hears instead.
    pub fn leader(&self) -> Result<&Leader, ErrorCode> {
        match &self.state {
            ReplicaState::Leader(leader) => Ok(leader),
            ReplicaState::Follower { .. } => Err(ErrorCode::NotLeaderOrFollower),
            ReplicaState::Offline => Err(ErrorCode::KafkaStorageError),
        }
    }

    /// Whether an acks=all append would be taken: `min.insync.replicas` are there, or all, where fewer are assigned.
    pub fn ready_for_acks_all(&self) -> Result<(), ErrorCode> {
        let isr = &self.leader()?.isr;
        let enough = isr.len() >= self.settings.min_insync_replicas.min(isr.assigned());
        if enough { Ok(()) } else { Err(ErrorCode::NotEnoughReplicas) }
    }

    /// Appends and moves the high watermark as far as the in-sync replicas allow.
    pub fn append(
        &mut self,
        batches: &ValidBatches,
        origin: AppendOrigin,
        wall_ms: i64,
    ) -> Result<Appended, Refused> {
        let leader_epoch = self.leader().map_err(Refused::Answer)?.leader_epoch;
        let segments = self.log.segment_count();
        let appended = self.log.append_as_leader(batches, leader_epoch, origin, wall_ms)?;
        let records = appended.last_offset.wrapping_sub(appended.base_offset).wrapping_add(1);
        self.cell.traffic.appended(batches.size_in_bytes(), records.unsigned_abs());
        self.flushing.appended(&self.log, segments > 0 && self.log.segment_count() > segments);
        self.advance_high_watermark();
        Ok(appended)
    }

    /// The high watermark follows the in-sync replicas; answers whether it moved.
    pub fn advance_high_watermark(&mut self) -> bool {
        let ReplicaState::Leader(leader) = &self.state else { return false };
        let min_insync = self.settings.min_insync_replicas;
        let offset = leader.isr.high_watermark(self.log.log_end_offset(), min_insync);
        #[cfg(test)]
        let offset = match offset.max(self.log.high_watermark()) < self.log.log_end_offset() {
            true if crate::tests::planted::strikes(crate::tests::planted::Fault::CommittedTooEarly) => {
                i64::MAX
            }
            _ => offset,
        };
        let moved = self.log.advance_high_watermark(offset);
        if moved && !leader.isr.is_alone() {
            leader.isr.check_committed(self.log.high_watermark());
        }
        moved
    }

    /// DeleteRecords: everything below `offset` (-1: the high watermark) goes; answers the new low watermark.
    pub fn delete_records(&mut self, offset: i64) -> Result<i64, Refused> {
        self.leader().map_err(Refused::Answer)?;
        let high_watermark = self.log.high_watermark();
        let offset = if offset == -1 { high_watermark } else { offset };
        if offset < 0 || offset > high_watermark {
            return Err(Refused::Answer(ErrorCode::OffsetOutOfRange));
        }
        if self.settings.log.compact && !self.settings.log.delete {
            return Err(Refused::Answer(ErrorCode::PolicyViolation));
        }
        self.log.delete_records_before(offset).map_err(Refused::Fault)
    }

    /// What an ack that was parked hears when its offset is safe.
    pub fn error_at_release(&self) -> ErrorCode {
        match self.ready_for_acks_all() {
            Ok(()) => ErrorCode::None,
            Err(ErrorCode::NotEnoughReplicas) => ErrorCode::NotEnoughReplicasAfterAppend,
            Err(error) => error,
        }
    }
}
