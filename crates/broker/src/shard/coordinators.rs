//! The coordinators of a shard, of whatever kind: opened with leadership, fed in bounded steps, asked, ticked when due, closed with it.

use std::sync::Arc;

use coordinator::group::DeletedTopic;
use coordinator::transaction::TransactionConfig;
use wire::ErrorCode;

use super::seat::Seat;
use super::turn::Turn;
use super::{FULL_DISK_PAUSE_MS, Shard, Timer};
use crate::command::{Ask, DeleteRecords};
use crate::coordinators::coordinator::Coordinator;
use crate::coordinators::group_view::GroupView;
use crate::coordinators::host::{Load, Lost, Step};
use crate::coordinators::kinds::Opening;
use crate::effect::Effect;
use crate::mailbox::reply;
use crate::replica::{Refused, Replica, ReplicaState};
use crate::views::PartitionCell;

/// Lines about records that cannot be read, of one piece of a load.
const LOST_TOLD: usize = 10;

impl Shard {
    pub(super) fn ask(&mut self, turn: &mut Turn, Ask { cell, question }: Ask) {
        let coordinated = self.touch_seat(&cell).and_then(Seat::coordinated);
        let Some((coordinator, replica)) = coordinated else {
            return question.refuse(ErrorCode::NotCoordinator);
        };
        let mut step = Step::default();
        coordinator.ask(turn.now_ms, question, replica, &mut step);
        self.after_step(turn, &cell, step);
    }

    /// This broker leads the partition from now on: if something is coordinated there, its coordinator loads.
    pub(super) fn open_coordinator(&mut self, turn: &mut Turn, slot: usize) {
        let seed = self.random.next_u64();
        let Some(seat) = self.seats.get_mut(slot).filter(|seat| seat.coordinator.is_none()) else { return };
        let ReplicaState::Leader(leader) = &seat.replica.state else { return };
        let (groups, transactions, shares) = self.around.coordinators.clone();
        let opening = Opening {
            groups,
            group_view: Arc::clone(&self.group_view),
            transactions: TransactionConfig { transaction_version: self.transaction_version, ..transactions },
            shares,
            leader_epoch: leader.leader_epoch,
            wall: &self.around.wall,
            seed,
            max_batch_bytes: seat.replica.settings.rules.max_message_bytes as usize,
            log_start_offset: seat.replica.log.log_start_offset(),
        };
        let Some(coordinator) = Coordinator::open(&seat.replica.topic, &opening) else { return };
        seat.coordinator = Some(coordinator);
        let cell = Arc::clone(&seat.replica.cell);
        self.coordinator_due(turn, &cell);
    }

    /// Loads a piece more, or fires the coordinator's own timers.
    pub(super) fn coordinator_due(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let Some(seat) = self.touch_seat(cell) else { return };
        seat.armed = None;
        let Some((coordinator, replica)) = seat.coordinated() else { return };
        let mut step = Step::default();
        let mut load = Load::Done;
        if coordinator.is_loading() {
            load = coordinator.load(turn.now_ms, replica, &mut step);
        } else {
            coordinator.tick(turn.now_ms, replica, &mut step);
        }
        if load == Load::More {
            self.timers.add(turn.now_ms, Timer::Coordinator(Arc::clone(cell)));
        }
        self.after_step(turn, cell, step);
    }

    /// The safe offset may have moved: answers leave.
    pub(super) fn advance_coordinator(&mut self, turn: &mut Turn, slot: usize) {
        let Some(seat) = self.seats.get_mut(slot) else { return };
        let Some((coordinator, replica)) = seat.coordinated() else { return };
        let mut step = Step::default();
        if !coordinator.is_loading() {
            coordinator.advance(turn.now_ms, replica, &mut step);
        }
        let next = coordinator.next_deadline();
        let cell = Arc::clone(&replica.cell);
        if seat.armed.map(|(deadline, _)| deadline) != next {
            if let Some(armed) = seat.armed.take() {
                self.timers.remove(armed);
            }
            seat.armed =
                next.map(|deadline| self.timers.add(deadline, Timer::Coordinator(Arc::clone(&cell))));
        }
        self.after_step(turn, &cell, step);
    }

    /// This broker leads the partition no longer, or cannot serve it.
    pub(super) fn close_coordinator(&mut self, turn: &mut Turn, slot: usize, error: ErrorCode) {
        let Some(seat) = self.seats.get_mut(slot) else { return };
        let Some(mut coordinator) = seat.coordinator.take() else { return };
        if let Some(armed) = seat.armed.take() {
            self.timers.remove(armed);
        }
        let mut step = Step::default();
        coordinator.close(error, &mut step);
        turn.effects.push(Effect::Answers(step.answers));
    }

    /// Topics were deleted: every coordinator that minds hears of it.
    pub(super) fn topics_deleted(&mut self, turn: &mut Turn, topics: &[DeletedTopic]) {
        let ask = |seat: &Seat| {
            let leads = matches!(seat.replica.state, ReplicaState::Leader(_));
            let question = seat.coordinator.as_ref().filter(|_| leads)?.topics_deleted(topics)?;
            Some(Ask { cell: Arc::clone(&seat.replica.cell), question })
        };
        let questions: Vec<Ask> = self.seats.iter().filter_map(ask).collect();
        for question in questions {
            self.ask(turn, question);
        }
    }

    /// The finalized level of `transaction.version`: coordinators write by it from now on.
    pub(super) fn transaction_version_changed(&mut self, level: i16) {
        self.transaction_version = level;
        let seats = self.seats.iter_mut().filter_map(|(_, seat)| seat.coordinator.as_mut());
        seats.for_each(|coordinator| coordinator.set_transaction_version(level));
    }

    /// Topics, racks or what groups are configured with are not what they were.
    pub(super) fn group_view_changed(&mut self, view: &Arc<GroupView>) {
        self.group_view = Arc::clone(view);
        let seats = self.seats.iter_mut().filter_map(|(_, seat)| seat.coordinator.as_mut());
        seats.for_each(|coordinator| coordinator.set_group_view(view));
    }

    /// The disk was too full for what the coordinator had decided: it goes, and is read again once there may be room.
    pub(super) fn coordinator_without_room(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>) {
        let Some(slot) = cell.slot() else { return };
        if self.seats.get(slot).is_none_or(|seat| seat.coordinator.is_none()) {
            return;
        }
        self.close_coordinator(turn, slot, ErrorCode::CoordinatorNotAvailable);
        let due_ms = turn.now_ms.saturating_add(FULL_DISK_PAUSE_MS);
        self.timers.add(due_ms, Timer::OpenCoordinator(Arc::clone(cell)));
    }

    /// Still led, and still without a coordinator: it loads again.
    pub(super) fn reopen_coordinator(&mut self, turn: &mut Turn, cell: &PartitionCell) {
        let Some(slot) = cell.slot() else { return };
        let leads = |replica: &Replica| matches!(replica.state, ReplicaState::Leader(_));
        if self.seats.get(slot).is_some_and(|seat| leads(&seat.replica)) {
            self.open_coordinator(turn, slot);
        }
    }

    fn after_step(&mut self, turn: &mut Turn, cell: &Arc<PartitionCell>, step: Step) {
        let Step { answers, fault, lost, lines, trim, wishes } = step;
        if !answers.is_empty() {
            turn.effects.push(Effect::Answers(answers));
        }
        if !wishes.is_empty() {
            turn.effects.push(Effect::Transactions(Arc::clone(cell), wishes));
        }
        if let Some(fault) = fault {
            self.refused(turn, cell, Refused::Fault(fault));
        }
        if let Some(offset) = trim {
            let (reply, cell) = (reply().0, Arc::clone(cell));
            self.delete_records(turn, DeleteRecords { offset, cell, reply });
        }
        // A storm of clients that come and go has its lines by the second.
        for line in lines {
            if let Some(left_out) = self.coordinator_lines.take(turn.now_ms) {
                tracing::info!("{line}{left_out}");
            }
        }
        if !lost.is_empty() {
            self.tell_lost(cell, &lost);
        }
    }

    fn tell_lost(&mut self, cell: &PartitionCell, lost: &[Lost]) {
        let Some(replica) = self.replica(cell) else { return };
        let (topic, partition) = (&replica.topic, cell.key.partition);
        for Lost { offset, next_offset, reason } in lost.iter().take(LOST_TOLD) {
            tracing::error!(%topic, partition, offset, next_offset, %reason, "a coordinator's records cannot be read: what they said is lost, it goes on with what was stored besides");
        }
        if let Some(more) = lost.len().checked_sub(LOST_TOLD).filter(|&more| more > 0) {
            tracing::error!(%topic, partition, more, "more records of a coordinator cannot be read");
        }
    }
}
