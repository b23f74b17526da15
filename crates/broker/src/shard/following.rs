//! What a follower's fetcher brings: the leader's batches are appended, what the leader never had is truncated first, its high watermark
//! and log start are taken over. What was asked in another epoch, or from another place, is dropped.

use std::sync::Arc;

use kraft::image::NO_LEADER;
use log::Fault;
use wire::planted::{self, Bug};

use super::Shard;
use super::turn::Turn;
use crate::command::Replicate;
use crate::config::FlushAck;
use crate::disks::directories::Directory;
use crate::effect::Effect;
use crate::replica::follower::Truncated;
use crate::replica::{Refused, Replica, ReplicaState};
use crate::replication::following::{Fetched, Following, LeaderSaid, Outcome, Replicated};
use crate::views::PartitionCell;

impl Shard {
    pub(super) fn replicate(&mut self, turn: &mut Turn, replicate: Replicate) {
        let Replicate { fetcher, round, partitions } = replicate;
        let mut outcomes = Vec::with_capacity(partitions.len());
        for fetched in partitions {
            let (key, epoch) = (fetched.cell.key, fetched.leader_epoch);
            outcomes.push((key, epoch, self.take_fetched(turn, fetched)));
        }
        turn.effects.push(Effect::Replicated(Box::new(Replicated { fetcher, round, outcomes })));
    }

    fn take_fetched(&mut self, turn: &mut Turn, fetched: Fetched) -> Outcome {
        let Fetched { cell, leader_epoch, fetch_offset, said } = fetched;
        let Some(replica) = self.touch(&cell) else { return Outcome::NotFollowed };
        let follows =
            matches!(replica.state, ReplicaState::Follower { leader_epoch: own, .. } if own == leader_epoch);
        if !follows {
            return Outcome::NotFollowed;
        }
        if replica.log.log_end_offset() != fetch_offset {
            return Outcome::Missed(replica.position());
        }
        match said {
            LeaderSaid::Records { records, high_watermark, log_start_offset } => {
                let outcome = self.append_fetched(turn, &cell, leader_epoch, records);
                let directories = Arc::clone(&self.around.directories);
                if let Some(replica) = self.touch(&cell)
                    && replica.follow_high_watermark(high_watermark)
                {
                    directories.get(replica.directory).into_iter().for_each(Directory::note_change);
                }
                self.follow_log_start(turn, &cell, log_start_offset);
                outcome.unwrap_or_else(|| self.goes_on(&cell))
            }
            LeaderSaid::Diverging { epoch, end_offset } => {
                let before = replica.position();
                let truncated = replica.truncate_diverging(epoch, end_offset);
                if !self.was_truncated(turn, &cell, truncated) {
                    return Outcome::Later;
                }
                // A leader that says so again and again would be asked without a pause.
                match self.goes_on(&cell) {
                    Outcome::At(position) if position == before => Outcome::Later,
                    outcome => outcome,
                }
            }
            // Asked one after the other, they may be of two different logs.
            LeaderSaid::OutOfRange { log_start_offset, log_end_offset }
                if log_start_offset > log_end_offset =>
            {
                Outcome::Later
            }
            LeaderSaid::OutOfRange { log_start_offset, log_end_offset } => {
                let truncated = if log_end_offset < fetch_offset {
                    replica.truncate(log_end_offset.max(0))
                } else if log_start_offset > fetch_offset {
                    replica.start_anew(log_start_offset)
                } else {
                    return Outcome::At(replica.position());
                };
                if self.was_truncated(turn, &cell, truncated) { self.goes_on(&cell) } else { Outcome::Later }
            }
        }
    }

    /// `None` if all was taken.
    fn append_fetched(
        &mut self,
        turn: &mut Turn,
        cell: &Arc<PartitionCell>,
        leader_epoch: i32,
        records: bytes::Bytes,
    ) -> Option<Outcome> {
        if records.is_empty() {
            return None;
        }
        let wall_ms = self.around.wall.at(turn.now_ms);
        let directories = Arc::clone(&self.around.directories);
        let replica = self.touch(cell)?;
        let index = replica.directory;
        let directory = directories.get(index)?;
        if !directory.has_room_for(records.len(), turn.now_ms) {
            self.without_room(turn.now_ms, index);
            return Some(Outcome::Later);
        }
        if let Some(offset) = replica.begins_within(&records) {
            let truncated = replica.start_anew(offset);
            if !self.was_truncated(turn, cell, truncated) {
                return Some(Outcome::Later);
            }
        }
        let replica = self.touch(cell)?;
        let from = replica.log.log_end_offset();
        let bytes = records.len();
        let appended = replica.append_replicated(records, leader_epoch, wall_ms);
        let took_any = replica.log.log_end_offset() > from;
        if took_any {
            cell.traffic.replicated(bytes);
            directory.note_change();
        }
        match appended {
            // Nothing but a torn batch: asked for again at once it would come again.
            Ok(None) if !took_any => Some(Outcome::Later),
            Ok(None) => None,
            Ok(Some(refused)) => {
                let (topic, partition) = (replica.topic.clone(), cell.key.partition);
                let offset = replica.log.log_end_offset();
                if let Some(left_out) = self.follower_lines.take(turn.now_ms) {
                    tracing::error!(%topic, partition, offset, %refused, "what the leader sent is not taken beyond this offset: it is asked again in a moment{left_out}");
                }
                Some(Outcome::Later)
            }
            Err(fault) => {
                self.refused(turn, cell, Refused::Fault(fault));
                Some(Outcome::Later)
            }
        }
    }

    /// What the leader has deleted goes here, too.
    fn follow_log_start(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, leaders: i64) {
        let Some(replica) = self.touch(cell) else { return };
        let start = replica.log.log_start_offset();
        if leaders <= start || replica.log.poisoned().is_some() {
            return;
        }
        match replica.log.delete_records_before(leaders) {
            Ok(moved) if moved > start => {
                let removals = replica.log.take_removals();
                let (directory, moved) = (replica.directory, replica.start_moved(None));
                self.start_moved(turn, directory, moved);
                self.remove_later(turn.now_ms, removals);
            }
            Ok(_) => {}
            Err(fault) => self.refused(turn, cell, Refused::Fault(fault)),
        }
    }

    /// Where the next fetch goes on, and whether it has to wait for a flush (`log.flush.ack=group`: what a fetch acknowledges is on the
    /// platter).
    fn goes_on(&mut self, cell: &PartitionCell) -> Outcome {
        let group = self.around.config.flush_ack == FlushAck::Group;
        let Some(replica) = self.touch(cell) else { return Outcome::NotFollowed };
        if group && replica.log.recovery_point() < replica.log.log_end_offset() {
            replica.fetches_when_flushed = true;
            return Outcome::WhenFlushed;
        }
        Outcome::At(replica.position())
    }

    /// A flush round ended: who waited for it fetches on.
    pub(super) fn fetch_if_flushed(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let Some(replica) = self.replica(cell) else { return };
        if replica.fetches_when_flushed && replica.log.recovery_point() >= replica.log.log_end_offset() {
            replica.fetches_when_flushed = false;
            turn.effects.extend(follows(turn, replica));
        }
    }

    /// Says what a truncation did, and has the directory's checkpoint know before anything is appended. False if the disk failed.
    fn was_truncated(
        &mut self,
        turn: &mut Turn,
        cell: &Arc<PartitionCell>,
        truncated: Result<Truncated, Fault>,
    ) -> bool {
        let directories = Arc::clone(&self.around.directories);
        let Some(replica) = self.touch(cell) else { return false };
        let (topic, partition) = (replica.topic.clone(), cell.key.partition);
        // At once: if it leads before this turn ends, its high watermark must not seem to go back.
        replica.show();
        let recovery_point = replica.log.recovery_point();
        let told = truncated.and_then(|truncated| {
            let Truncated { from, to, high_watermark, .. } = truncated;
            if truncated.is_unclean() {
                tracing::warn!(%topic, partition, from, to, high_watermark, "truncated below the high watermark: the leader lacks what was committed, and it is lost here too");
            } else if to != from {
                tracing::info!(%topic, partition, from, to, "truncated to what the leader has");
            }
            match directories.get(replica.directory) {
                Some(place) if truncated.lowers_recovery_point => {
                    place.lower_recovery_point(&topic, partition, recovery_point)
                }
                Some(_) | None => Ok(()),
            }
        });
        directories.get(replica.directory).into_iter().for_each(Directory::note_change);
        match told {
            Ok(()) => true,
            Err(fault) => {
                self.refused(turn, cell, Refused::Fault(fault));
                false
            }
        }
    }

    /// The image says that another broker leads, or nobody.
    pub(super) fn follow_leader(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let background = self.around.config.flush_ack == FlushAck::Auto;
        let Some(replica) = self.touch(cell) else { return };
        replica.flushing.set_behind(background);
        // Nothing says whether what is beyond the high watermark is the leader's, too (logs of before KIP-101).
        let says_nothing =
            replica.log.latest_epoch().is_none() || planted::has(Bug::TruncatesToHighWatermark);
        if says_nothing && replica.log.log_end_offset() > replica.log.high_watermark() {
            let truncated = replica.truncate(replica.log.high_watermark());
            if !self.was_truncated(turn, cell, truncated) {
                return;
            }
        }
        let Some(replica) = self.touch(cell) else { return };
        replica.fetches_when_flushed = false;
        match follows(turn, replica) {
            Some(effect) => turn.effects.push(effect),
            None => turn.effects.push(Effect::Unfollow(cell.key, turn.number)),
        }
    }
}

/// What the fetchers are told.
fn follows(turn: &Turn, replica: &Replica) -> Option<Effect> {
    let ReplicaState::Follower { leader_epoch, leader } = replica.state else { return None };
    let (cell, position) = (Arc::clone(&replica.cell), replica.position());
    let turn = turn.number;
    (leader != NO_LEADER).then_some(Effect::Follow(Following { cell, turn, leader, leader_epoch, position }))
}
