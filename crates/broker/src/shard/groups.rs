//! The group coordinators of a shard: opened with leadership, fed in bounded steps, ticked when due, closed with it.

use std::sync::Arc;

use coordinator::HostedOptions;
use coordinator::Machine;
use coordinator::group::{DeletedTopic, GroupAnswer, GroupCommand, GroupEvent, GroupMachine, GroupSoft};
use wire::ErrorCode;
use wire::topic::CONSUMER_OFFSETS;

use super::{FULL_DISK_PAUSE_MS, Shard, Timer};
use crate::command::Group;
use crate::coordinators::{GroupCoordinator, Load, Lost, Step};
use crate::effect::Effect;
use crate::mailbox::reply;
use crate::replica::{Replica, State};
use crate::telling::Shown;
use crate::views::PartitionCell;

/// Lines about records that cannot be read, of one piece of a load.
const LOST_TOLD: usize = 10;

impl Shard {
    pub(super) fn group(&mut self, now_ms: i64, group: Group, effects: &mut Vec<Effect>) {
        let Group { cell, command, reply } = group;
        let refusal = |command: &GroupCommand| GroupMachine::refuse(command, ErrorCode::NotCoordinator);
        let Some(replica) = self.touch(&cell) else {
            reply.send(refusal(&command));
            return;
        };
        let Some(mut coordinator) = replica.coordinator.take() else {
            reply.send(refusal(&command));
            return;
        };
        let mut step = Step::default();
        coordinator.handle(now_ms, command, reply, replica, &mut step);
        replica.coordinator = Some(coordinator);
        self.after_step(now_ms, &cell, step, effects);
    }

    /// This broker leads the partition from now on: if it holds groups, their coordinator loads.
    pub(super) fn open_coordinator(&mut self, now_ms: i64, slot: usize, effects: &mut Vec<Effect>) {
        let seed = self.random.next_u64();
        let soft = GroupSoft::new(self.around.groups, seed).with_wall(self.around.wall.clone());
        let Some(replica) = self.replicas.get_mut(slot).and_then(Option::as_mut) else { return };
        if replica.topic != CONSUMER_OFFSETS || replica.coordinator.is_some() {
            return;
        }
        let options = HostedOptions {
            max_batch_bytes: replica.settings.rules.max_message_bytes as usize,
            wall: self.around.wall.clone(),
            ..HostedOptions::default()
        };
        let from = replica.log.log_start_offset();
        replica.coordinator = Some(Box::new(GroupCoordinator::new(soft, options, from)));
        let cell = Arc::clone(&replica.cell);
        self.coordinator_due(now_ms, &cell, effects);
    }

    /// Loads a piece more, or fires the coordinator's own timers.
    pub(super) fn coordinator_due(
        &mut self,
        now_ms: i64,
        cell: &Arc<PartitionCell>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(replica) = self.touch(cell) else { return };
        let Some(mut coordinator) = replica.coordinator.take() else { return };
        coordinator.armed = None;
        let mut step = Step::default();
        let mut load = Load::Done;
        if coordinator.is_loading() {
            load = coordinator.load(now_ms, replica, &mut step);
        } else {
            coordinator.tick(now_ms, replica, &mut step);
        }
        replica.coordinator = Some(coordinator);
        if load == Load::More {
            let cell = Arc::clone(&replica.cell);
            self.timers.add(now_ms, Timer::Coordinator(cell));
        }
        self.after_step(now_ms, cell, step, effects);
    }

    /// The safe offset may have moved: answers leave.
    pub(super) fn advance_coordinator(&mut self, now_ms: i64, slot: usize, effects: &mut Vec<Effect>) {
        let Some(replica) = self.replicas.get_mut(slot).and_then(Option::as_mut) else { return };
        let Some(mut coordinator) = replica.coordinator.take() else { return };
        let mut step = Step::default();
        if !coordinator.is_loading() {
            coordinator.advance(now_ms, replica, &mut step);
        }
        let next = coordinator.next_deadline();
        if coordinator.armed.map(|(deadline, _)| deadline) != next {
            if let Some(armed) = coordinator.armed.take() {
                self.timers.remove(armed);
            }
            coordinator.armed =
                next.map(|deadline| self.timers.add(deadline, Timer::Coordinator(Arc::clone(&replica.cell))));
        }
        let cell = Arc::clone(&replica.cell);
        replica.coordinator = Some(coordinator);
        self.after_step(now_ms, &cell, step, effects);
    }

    /// This broker leads the partition no longer, or cannot serve it.
    pub(super) fn close_coordinator(&mut self, slot: usize, error: ErrorCode, effects: &mut Vec<Effect>) {
        let Some(replica) = self.replicas.get_mut(slot).and_then(Option::as_mut) else { return };
        let Some(mut coordinator) = replica.coordinator.take() else { return };
        if let Some(armed) = coordinator.armed.take() {
            self.timers.remove(armed);
        }
        let mut step = Step::default();
        coordinator.close(error, &mut step);
        effects.push(Effect::Group(step.answers));
    }

    /// Topics were deleted: every coordinator forgets their offsets.
    pub(super) fn topics_deleted(&mut self, now_ms: i64, topics: &[DeletedTopic], effects: &mut Vec<Effect>) {
        let open =
            |replica: &Replica| replica.coordinator.is_some() && matches!(replica.state, State::Leader(_));
        let cells: Vec<_> = self
            .replicas
            .iter()
            .flatten()
            .filter(|replica| open(replica))
            .map(|replica| Arc::clone(&replica.cell))
            .collect();
        for cell in cells {
            // Nobody waits for this answer.
            let (reply, _) = reply::<GroupAnswer>();
            let command = GroupCommand::TopicsDeleted { topics: topics.to_vec() };
            self.group(now_ms, Group { cell, command, reply }, effects);
        }
    }

    /// The disk was too full for what the coordinator had decided: it goes, and is read again once there may be room.
    pub(super) fn coordinator_without_room(
        &mut self,
        now_ms: i64,
        cell: &Arc<PartitionCell>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(slot) = cell.slot() else { return };
        if self
            .replicas
            .get(slot)
            .and_then(Option::as_ref)
            .is_none_or(|replica| replica.coordinator.is_none())
        {
            return;
        }
        self.close_coordinator(slot, ErrorCode::CoordinatorNotAvailable, effects);
        let due_ms = now_ms.saturating_add(FULL_DISK_PAUSE_MS);
        self.timers.add(due_ms, Timer::OpenCoordinator(Arc::clone(cell)));
    }

    /// Still led, and still without a coordinator: it loads again.
    pub(super) fn reopen_coordinator(
        &mut self,
        now_ms: i64,
        cell: &PartitionCell,
        effects: &mut Vec<Effect>,
    ) {
        let Some(slot) = cell.slot() else { return };
        let leads = |replica: &Replica| matches!(replica.state, State::Leader(_));
        if self.replicas.get(slot).and_then(Option::as_deref).is_some_and(leads) {
            self.open_coordinator(now_ms, slot, effects);
        }
    }

    fn after_step(&mut self, now_ms: i64, cell: &Arc<PartitionCell>, step: Step, effects: &mut Vec<Effect>) {
        if !step.answers.is_empty() {
            effects.push(Effect::Group(step.answers));
        }
        if let Some(fault) = step.fault {
            self.refused(now_ms, cell, crate::replica::Refused::Fault(fault), effects);
        }
        self.tell_of_groups(now_ms, &step.events);
        let partition = cell.key.partition;
        for Lost { offset, next_offset, reason } in step.lost.iter().take(LOST_TOLD) {
            tracing::error!(topic = CONSUMER_OFFSETS, partition, offset, next_offset, %reason, "records of groups cannot be read: what they said is lost, their groups go on with what was stored besides");
        }
        if let Some(more) = step.lost.len().checked_sub(LOST_TOLD).filter(|&more| more > 0) {
            tracing::error!(
                topic = CONSUMER_OFFSETS,
                partition,
                more,
                "more records of groups cannot be read"
            );
        }
    }

    /// What happened to groups. A storm of clients that come and go has its lines by the second.
    fn tell_of_groups(&mut self, now_ms: i64, events: &[GroupEvent]) {
        for event in events {
            if let Some(left_out) = self.group_lines.take(now_ms) {
                tracing::info!("{}{left_out}", group_line(event));
            }
        }
    }
}

fn group_line(event: &GroupEvent) -> String {
    match event {
        GroupEvent::GenerationBegun { group, generation, members, protocol, leader, reason } => {
            let (group, protocol, leader) = (Shown(group), Shown(protocol), Shown(leader));
            format!(
                "group {group}: generation {generation} with {members} members, protocol {protocol}, leader {leader}: {}",
                reason.text()
            )
        }
        GroupEvent::Emptied { group, generation } => {
            format!("group {}: empty since generation {generation}", Shown(group))
        }
        GroupEvent::Departed { group, member_id, how } => {
            format!("group {}: {}: {}", Shown(group), how.text(), Shown(member_id))
        }
        GroupEvent::Deleted { group } => format!("group {} deleted", Shown(group)),
        GroupEvent::Expired { group } => {
            format!("group {} deleted: it is empty and its offsets have expired", Shown(group))
        }
    }
}
