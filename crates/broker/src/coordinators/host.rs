//! A replicated state machine on the partition that it lives on, whatever kind it is of: loading, asking, ticking, advancing, closing.
//! Owns the machine and the way back to those who wait for it; the replica's log is lent to it for each step. Decides nothing.

use bytes::Bytes;
use coordinator::group::{DeletedTopic, GroupMachine};
use coordinator::transaction::TransactionWish;
use coordinator::{Hosted, HostedOptions, Journal, ReplyToken};
use log::{AppendOrigin, Fault, ReadLimit, ReadRefused};
use wire::ErrorCode;
use wire::hash::StableMap;
use wire::planted::{self, Bug};
use wire::record_batch::validate_internal;
use wire::wall::Wall;

use super::kinds::{Answers, Asked, GroupMarker, Kind, Opening, Question};
use crate::limits::LOAD_BYTES_PER_TURN;
use crate::mailbox::{Reply, reply};
use crate::replica::{Refused, Replica};

/// A machine and those who wait for it.
pub(crate) struct Host<M: Kind> {
    hosted: Hosted<M>,
    /// What its partition's log counts in.
    wall: Wall,
    waiting: StableMap<ReplyToken, Reply<M::Answer>>,
    last_token: u64,
    /// Room for the answers of one step; empty between them.
    replies: Vec<coordinator::Reply<M::Answer>>,
}

/// For how many answers of a step the room is kept: most have one, a rebalance of a large group thousands.
const REPLIES_KEPT: usize = 4;

/// What a step of the coordinator wants from its shard.
#[derive(Default)]
pub(crate) struct Step {
    pub answers: Answers,
    /// The disk failed under it.
    pub fault: Option<Fault>,
    /// What of the log cannot be read: the coordinator does without.
    pub lost: Vec<Lost>,
    /// What people are told, a line each.
    pub lines: Vec<String>,
    /// Below this offset its partition's log may be cut off.
    pub trim: Option<i64>,
    /// What the machine wants of its node.
    pub wishes: Vec<TransactionWish>,
}

/// Records that a coordinator could not load.
#[derive(Debug)]
pub(crate) struct Lost {
    pub offset: i64,
    /// The next one that could be.
    pub next_offset: i64,
    pub reason: String,
}

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    More,
    Done,
}

impl<M: Kind> Host<M> {
    /// One that still has to read its partition.
    pub fn new(opening: &Opening<'_>) -> Host<M> {
        let options = HostedOptions {
            max_batch_bytes: opening.max_batch_bytes,
            wall: opening.wall.clone(),
            ..HostedOptions::default()
        };
        Host {
            wall: opening.wall.clone(),
            hosted: Hosted::loading(M::empty(), M::soft(opening), options, opening.log_start_offset),
            waiting: StableMap::default(),
            last_token: 0,
            replies: Vec::new(),
        }
    }

    pub fn is_loading(&self) -> bool {
        self.hosted.is_loading()
    }

    /// What dies with leadership; `None` once closed.
    pub fn soft_mut(&mut self) -> Option<&mut M::Soft> {
        self.hosted.soft_mut()
    }

    /// When [`Host::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        self.hosted.next_deadline()
    }

    /// True while answers wait for the partition's safe offset.
    pub fn is_waiting(&self) -> bool {
        !self.hosted.is_settled()
    }

    /// Asks the machine.
    pub fn ask(
        &mut self,
        now_ms: i64,
        Asked { command, reply }: Asked<M>,
        replica: &mut Replica,
        step: &mut Step,
    ) {
        self.last_token += 1;
        let token = ReplyToken(self.last_token);
        self.waiting.insert(token, reply);
        self.write(now_ms, replica, step, |hosted, journal, replies| {
            hosted.handle(now_ms, command, token, journal, replies);
        });
    }

    /// The partition's safe offset may have moved.
    pub fn advance(&mut self, now_ms: i64, replica: &mut Replica, step: &mut Step) {
        self.write(now_ms, replica, step, |hosted, journal, replies| {
            // An answer that leaves may bring a command that appends again, which may be safe at once.
            let mut safe_offset = i64::MIN;
            let safe = |replica: &Replica| match planted::has(Bug::AnswersEarly) {
                true => replica.log.log_end_offset(),
                false => replica.safe_offset(),
            };
            while safe_offset < safe(journal.replica) {
                safe_offset = safe(journal.replica);
                hosted.advance(now_ms, safe_offset, journal, replies);
            }
        });
    }

    /// What it is told when topics are deleted, if it minds; nobody waits for the answer.
    pub fn topics_deleted(&self, topics: &[DeletedTopic]) -> Option<Question> {
        let command = M::topics_deleted(topics)?;
        Some(M::question(Asked { command, reply: reply().0 }))
    }

    /// Fires what is due.
    pub fn tick(&mut self, now_ms: i64, replica: &mut Replica, step: &mut Step) {
        self.write(now_ms, replica, step, |hosted, journal, replies| hosted.tick(now_ms, journal, replies));
    }

    /// Reads one bounded piece of the partition; opens at its end.
    pub fn load(&mut self, now_ms: i64, replica: &mut Replica, step: &mut Step) -> Load {
        let view = replica.log.view();
        let from = self.hosted.next_offset().max(view.log_start_offset);
        if from < view.log_end_offset && !planted::has(Bug::LoadsHalf) {
            match view.read(from, LOAD_BYTES_PER_TURN, ReadLimit::LogEnd, true) {
                Ok(fetched) if fetched.next_offset > from => {
                    let lost = self.hosted.load(fetched.records, replica.safe_offset());
                    step.lost.extend(lost.into_iter().map(|record| Lost {
                        offset: record.offset,
                        next_offset: record.offset.saturating_add(1),
                        reason: record.reason,
                    }));
                    if fetched.next_offset < view.log_end_offset {
                        return Load::More;
                    }
                }
                // No batch from here to the end: a power loss took the tail of a compacted log whose next segment kept its
                // name. Nothing that was acknowledged is missing; Kafka's loader takes it for the end, too.
                Ok(_) => {}
                Err(ReadRefused::Storage(fault)) => {
                    step.fault = Some(fault);
                    return Load::Done;
                }
                Err(ReadRefused::Corrupt { offset, next_offset, fault, .. }) => {
                    step.lost.push(Lost { offset, next_offset, reason: fault.to_string() });
                    self.hosted.pass_over(next_offset.max(from + 1));
                    if self.hosted.next_offset() < view.log_end_offset {
                        return Load::More;
                    }
                }
                Err(refused @ ReadRefused::OffsetOutOfRange { .. }) => {
                    debug_assert!(false, "{from} is within the view: {refused}");
                }
            }
        }
        let (end, safe_offset) = (view.log_end_offset, replica.safe_offset());
        self.write(now_ms, replica, step, |hosted, journal, replies| {
            hosted.loaded(now_ms, end, safe_offset, journal, replies);
        });
        Load::Done
    }

    /// The broker leads no longer, or cannot go on: everybody who waits is refused.
    pub fn close(&mut self, error: ErrorCode, step: &mut Step) {
        let mut replies = Vec::new();
        self.hosted.close(error, &mut replies);
        self.collect(replies, step);
    }

    /// Lets the machine write to its partition's log; what it says goes to those who wait.
    fn write(
        &mut self,
        now_ms: i64,
        replica: &mut Replica,
        step: &mut Step,
        work: impl FnOnce(&mut Hosted<M>, &mut ReplicaJournal<'_>, &mut Vec<coordinator::Reply<M::Answer>>),
    ) {
        let origin = AppendOrigin::Coordinator;
        self.write_as(now_ms, origin, replica, step, work);
    }

    fn write_as(
        &mut self,
        now_ms: i64,
        origin: AppendOrigin,
        replica: &mut Replica,
        step: &mut Step,
        work: impl FnOnce(&mut Hosted<M>, &mut ReplicaJournal<'_>, &mut Vec<coordinator::Reply<M::Answer>>),
    ) {
        let mut journal = ReplicaJournal { replica, origin, wall_ms: self.wall.at(now_ms), fault: None };
        let mut replies = std::mem::take(&mut self.replies);
        work(&mut self.hosted, &mut journal, &mut replies);
        step.fault = step.fault.take().or(journal.fault);
        self.collect(replies, step);
    }

    fn collect(&mut self, mut replies: Vec<coordinator::Reply<M::Answer>>, step: &mut Step) {
        for reply in replies.drain(..) {
            if let Some(waiting) = self.waiting.remove(&reply.token) {
                M::answers(&mut step.answers).push((waiting, reply.answer));
            }
        }
        replies.shrink_to(REPLIES_KEPT);
        self.replies = replies;
        if let Some(soft) = self.hosted.soft_mut() {
            M::take_lines(soft, &mut step.lines);
            M::take_wishes(soft, &mut step.wishes);
            step.trim = M::take_trim(soft).or(step.trim);
        }
    }
}

impl Host<GroupMachine> {
    /// Writes a marker: answered when it is committed.
    pub fn complete_transaction(
        &mut self,
        now_ms: i64,
        GroupMarker { marker, is_later, reply }: GroupMarker,
        replica: &mut Replica,
        step: &mut Step,
    ) {
        self.last_token += 1;
        let token = ReplyToken(self.last_token);
        self.waiting.insert(token, reply);
        let origin = if is_later { AppendOrigin::LaterMarker } else { AppendOrigin::Coordinator };
        self.write_as(now_ms, origin, replica, step, |hosted, journal, replies| {
            hosted.complete_transaction(now_ms, marker, token, journal, replies);
        });
    }
}

/// The partition's log as the machine writes it.
struct ReplicaJournal<'a> {
    replica: &'a mut Replica,
    origin: AppendOrigin,
    wall_ms: i64,
    fault: Option<Fault>,
}

impl Journal for ReplicaJournal<'_> {
    fn ready(&self) -> Result<(), ErrorCode> {
        if self.fault.is_some() || self.replica.log.poisoned().is_some() {
            return Err(ErrorCode::KafkaStorageError);
        }
        self.replica.ready_for_acks_all()
    }

    fn append(&mut self, batch: Bytes) -> Result<i64, ErrorCode> {
        // The batch was built a moment ago; a broken one is a bug of this process, not an answer.
        let batches = validate_internal(batch).map_err(|_| ErrorCode::UnknownServerError)?;
        #[cfg(test)]
        if crate::tests::planted::strikes(crate::tests::planted::Fault::ForeignAppend) {
            let _ = self.replica.append(&batches, AppendOrigin::Coordinator, self.wall_ms);
        }
        match self.replica.append(&batches, self.origin, self.wall_ms) {
            Ok(appended) => Ok(appended.base_offset),
            Err(refused) => {
                let error = refused.error();
                if let Refused::Fault(fault) = refused {
                    self.fault = Some(fault);
                }
                Err(error)
            }
        }
    }
}
