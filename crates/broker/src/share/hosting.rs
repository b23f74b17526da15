//! The share partitions of one replica, one for each group that reads it: loaded when the group asks first, there as long as this node
//! leads the replica and somebody of the group is connected. Owns who waits for them; what has to be stored leaves as wishes, one write at
//! a time for each, and nobody is answered before its outcome is known. Decides nothing about records: that is the machine's.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::share_partition::{Acquisition, Refused, SharePartition, ShareSettings, Stored};
use wire::{ErrorCode, Str};

use super::question::{ReadFor, ShareErrand, ShareQuestion, ShareWish, refused};
use crate::fetch::watch::Watchers;
use crate::mailbox::Reply;
use crate::views::PartitionCell;

/// Those of a replica.
#[derive(Default)]
pub(crate) struct Shares {
    groups: BTreeMap<Str, Hosted>,
    last_generation: u64,
}

struct Hosted {
    generation: u64,
    phase: Phase,
    /// Fetches that wait for something to become available.
    watchers: Watchers,
    /// Nobody of the group is connected: it goes as soon as nothing is held and all is stored.
    is_left: bool,
}

enum Phase {
    Loading,
    /// Whoever asks next hears it, and the one after that has it loaded again.
    Failed(ErrorCode),
    Active(Box<Active>),
}

struct Active {
    machine: SharePartition,
    /// Acknowledgements, by the write that they wait for.
    parked: Vec<(u64, Reply<Result<(), Refused>>)>,
}

/// What a question finds around it.
pub(crate) struct Around {
    pub now_ms: i64,
    pub cell: Arc<PartitionCell>,
    pub leader_epoch: i32,
    pub log_start_offset: i64,
}

impl Around {
    fn wish(&self, group: &Str, generation: u64, errand: ShareErrand) -> ShareWish {
        let (cell, leader_epoch) = (Arc::clone(&self.cell), self.leader_epoch);
        ShareWish { cell, group: group.clone(), generation, leader_epoch, errand }
    }
}

impl Shares {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<i64> {
        self.groups.values().filter_map(Hosted::next_deadline).min()
    }

    pub fn groups(&self) -> Vec<Str> {
        self.groups.keys().cloned().collect()
    }

    /// Takes a question; answers what is wished.
    pub fn ask(
        &mut self,
        around: &Around,
        settings: &ShareSettings,
        group: &Str,
        question: ShareQuestion,
    ) -> Vec<ShareWish> {
        let is_first = matches!(question, ShareQuestion::Begin { .. }) && !self.groups.contains_key(group);
        if is_first {
            self.last_generation += 1;
            let (generation, watchers) = (self.last_generation, Watchers::default());
            let hosted = Hosted { generation, phase: Phase::Loading, watchers, is_left: false };
            self.groups.insert(group.clone(), hosted);
        }
        let Some(hosted) = self.groups.get_mut(group) else {
            question.refuse(ErrorCode::UnknownTopicOrPartition);
            return Vec::new();
        };
        hosted.ask(around, settings, question);
        let wishes = if is_first {
            vec![around.wish(group, hosted.generation, ShareErrand::Load)]
        } else {
            hosted.wishes(around, settings, group)
        };
        if hosted.is_over() {
            self.groups.remove(group);
        }
        wishes
    }

    /// Locks of a group that are over.
    pub fn tick(&mut self, around: &Around, settings: &ShareSettings, group: &Str) -> Vec<ShareWish> {
        let Some(hosted) = self.groups.get_mut(group) else { return Vec::new() };
        hosted.release_expired(around.now_ms, settings);
        hosted.wishes(around, settings, group)
    }

    /// This node leads the replica no longer, or cannot go on.
    pub fn close(self, error: ErrorCode) {
        self.groups.into_values().for_each(|hosted| hosted.close(error));
    }
}

impl Hosted {
    fn next_deadline(&self) -> Option<i64> {
        match &self.phase {
            Phase::Active(active) => active.machine.next_deadline(),
            Phase::Loading | Phase::Failed(_) => None,
        }
    }

    fn ask(&mut self, around: &Around, settings: &ShareSettings, question: ShareQuestion) {
        self.release_expired(around.now_ms, settings);
        match question {
            ShareQuestion::Loaded { generation, state } if generation == self.generation => {
                self.loaded(state)
            }
            ShareQuestion::Written { generation, write, outcome } if generation == self.generation => {
                self.written(around.now_ms, settings, write, outcome);
            }
            ShareQuestion::DeadLettered { generation } if generation == self.generation => {
                self.dead_lettered();
            }
            ShareQuestion::Loaded { .. }
            | ShareQuestion::Written { .. }
            | ShareQuestion::DeadLettered { .. } => {}
            ShareQuestion::GroupLeft => self.is_left = true,
            ShareQuestion::Begin { watch, reply } => {
                self.is_left = false;
                watch.into_iter().for_each(|watch| self.watchers.add(watch));
                reply.send(self.begin(around, settings));
            }
            question => match &mut self.phase {
                Phase::Active(active) => active.ask(around, settings, question),
                Phase::Loading | Phase::Failed(_) => question.refuse(ErrorCode::CoordinatorNotAvailable),
            },
        }
    }

    fn begin(&mut self, around: &Around, settings: &ShareSettings) -> Result<Option<i64>, ErrorCode> {
        match &mut self.phase {
            Phase::Loading => Ok(None),
            Phase::Failed(error) => {
                let error = *error;
                self.is_left = true;
                Err(error)
            }
            Phase::Active(active) => {
                active.machine.log_starts_at(around.log_start_offset);
                Ok(active.machine.readable_from(settings))
            }
        }
    }

    fn loaded(&mut self, state: Result<Stored, ErrorCode>) {
        if !matches!(self.phase, Phase::Loading) {
            return;
        }
        self.phase = match state.and_then(|stored| SharePartition::new(&stored)) {
            Ok(machine) => Phase::Active(Box::new(Active { machine, parked: Vec::new() })),
            Err(error) => Phase::Failed(error),
        };
        self.watchers.fire_all();
    }

    fn written(&mut self, now_ms: i64, settings: &ShareSettings, write: u64, outcome: Result<(), ErrorCode>) {
        let Phase::Active(active) = &mut self.phase else { return };
        let has_more = active.machine.written(now_ms, write, outcome.is_ok(), settings);
        for (_, reply) in active.parked.extract_if(.., |(waits_for, _)| *waits_for == write) {
            reply.send(outcome.map_err(refused));
        }
        match outcome {
            Err(error) if is_fenced(error) => self.fail(error),
            Ok(()) | Err(_) if has_more => self.watchers.fire_all(),
            Ok(()) | Err(_) => {}
        }
    }

    /// Somebody else has the state: what is known here is worth nothing any more.
    fn fail(&mut self, error: ErrorCode) {
        let phase = std::mem::replace(&mut self.phase, Phase::Failed(error));
        if let Phase::Active(active) = phase {
            active.parked.into_iter().for_each(|(_, reply)| reply.send(Err(refused(error))));
        }
        self.watchers.fire_all();
    }

    fn release_expired(&mut self, now_ms: i64, settings: &ShareSettings) {
        if let Phase::Active(active) = &mut self.phase
            && active.machine.release_expired(now_ms, settings)
        {
            self.watchers.fire_all();
        }
    }

    fn dead_lettered(&mut self) {
        if let Phase::Active(active) = &mut self.phase
            && active.machine.dead_lettered()
        {
            self.watchers.fire_all();
        }
    }

    /// What is to be written to the group's dead-letter queue, and what is to be stored.
    fn wishes(&mut self, around: &Around, settings: &ShareSettings, group: &Str) -> Vec<ShareWish> {
        let Phase::Active(active) = &mut self.phase else { return Vec::new() };
        let letters = active.machine.take_dead_letters(settings);
        let letters = (!letters.is_empty()).then_some(ShareErrand::DeadLetters(letters));
        let write = active.machine.take_write().map(ShareErrand::Write);
        letters.into_iter().chain(write).map(|errand| around.wish(group, self.generation, errand)).collect()
    }

    fn is_over(&self) -> bool {
        self.is_left
            && match &self.phase {
                Phase::Loading => false,
                Phase::Failed(_) => true,
                Phase::Active(active) => !active.machine.is_busy(),
            }
    }

    fn close(mut self, error: ErrorCode) {
        self.fail(error);
    }
}

impl Active {
    fn ask(&mut self, around: &Around, settings: &ShareSettings, question: ShareQuestion) {
        match question {
            ShareQuestion::Acquire { read, reply } => {
                let ReadFor { member, mode, batch_size, max_records, fetch_offset, batches, aborted } = *read;
                let ask = Acquisition {
                    member: &member,
                    mode,
                    batch_size,
                    max_records,
                    fetch_offset,
                    batches: &batches,
                    aborted: &aborted,
                };
                reply.send(self.machine.acquire(around.now_ms, settings, &ask));
            }
            ShareQuestion::Acknowledge { member, batches, reply } => {
                match self.machine.acknowledge(around.now_ms, settings, &member, &batches) {
                    Ok(Some(write)) => self.parked.push((write, reply)),
                    Ok(None) => reply.send(Ok(())),
                    Err(why) => reply.send(Err(why)),
                }
            }
            ShareQuestion::Release { member } => {
                self.machine.release_member(settings, &member);
            }
            question => question.refuse(ErrorCode::UnknownServerError),
        }
    }
}

/// Whether an error of the share coordinator says that this node has no business with the state any more.
fn is_fenced(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NotLeaderOrFollower | ErrorCode::GroupIdNotFound | ErrorCode::UnknownTopicOrPartition
    )
}

/// What clients are told where the share coordinator answers that.
pub(crate) fn told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NotCoordinator
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::CoordinatorLoadInProgress => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::FencedLeaderEpoch | ErrorCode::FencedStateEpoch => ErrorCode::NotLeaderOrFollower,
        ErrorCode::GroupIdNotFound | ErrorCode::UnknownTopicOrPartition | ErrorCode::NotLeaderOrFollower => {
            error
        }
        _ => ErrorCode::UnknownServerError,
    }
}
