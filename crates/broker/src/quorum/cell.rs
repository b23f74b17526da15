//! The metadata quorum of the node, hosted: its mailbox, its turn (which may block on the disk, hence a thread of its own at
//! the rim), and what a turn brings: images for everybody, answers for those who asked, the broker's own life.
//! Decides nothing; `kraft` does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use kraft::controller::{ControllerAnswer, ControllerCommand, CreateTopics, RegisterBroker};
use kraft::hosted::{MetadataQuorum, QuorumStatus, Token, Turn};
use kraft::image::MetadataImage;
use kraft::raft::{RaftRequest, RaftResponse, StorageFault};
use parking_lot::Mutex;
use wire::Uuid;
use wire::hash::StableMap;
use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest};

use crate::coordinators::internal_topics::Refusals;
use crate::mailbox::{Mailbox, Reply};
use crate::quorum::assignments::{Assignment, Assignments};
use crate::quorum::image_delta::{Publication, Publisher};
use crate::quorum::lifecycle::{Lifecycle, Phase, Wish};
use crate::timers::NEVER;
use crate::views::Views;

/// All that the quorum can be asked.
pub(crate) enum QuorumCommand {
    /// Something for the controller to decide.
    Propose(Box<ControllerCommand>, Reply<ControllerAnswer>),
    /// Topics that no administrator asked for; nobody waits, so a refusal goes to the log.
    CreateUnasked(Vec<CreatableTopic>),
    /// A request of the quorum's own protocol.
    Request(Box<RaftRequest>, Reply<RaftResponse>),
    /// These directories are dead.
    DirectoriesFailed(Vec<Uuid>),
    /// A replica lies in that log directory.
    Assign(Assignment),
    /// Begin to leave.
    Leave,
}

/// The quorum, its mailbox, and what everybody may know of it.
pub(crate) struct QuorumCell {
    mailbox: Mailbox<QuorumCommand>,
    held: Mutex<Held>,
    deadline_ms: AtomicI64,
    broker_epoch: AtomicI64,
    is_running: AtomicBool,
    is_gone: AtomicBool,
    /// The controller has not heard of a failed directory for too long.
    is_failure_unheard: AtomicBool,
    status: Mutex<QuorumStatus>,
}

struct Held {
    quorum: MetadataQuorum,
    publisher: Publisher,
    lifecycle: Lifecycle,
    assignments: Assignments,
    waiting: StableMap<Token, Waiter>,
    /// Of topics that no administrator asked for.
    refusals: Refusals,
    last_token: Token,
    batch: VecDeque<QuorumCommand>,
}

enum Waiter {
    Controller(Reply<ControllerAnswer>),
    Raft(Reply<RaftResponse>),
    /// The node's own registration or heartbeat.
    Lifecycle,
    /// The node's own directories.
    Assignments,
    /// Nobody: a creation without an administrator.
    Unasked,
}

/// Who receives what a turn publishes.
pub(crate) trait Audience {
    /// A new image: shards first, then the snapshot.
    fn publish(&self, now_ms: i64, image: &Arc<MetadataImage>, publication: Publication);
}

/// Requests that the broker may send in one go: to register, and to be unfenced.
const LIFECYCLE_STEPS: usize = 2;

/// Rounds of one turn: what is committed may let the broker's own life go on at once (register, then heartbeat).
const ROUNDS: usize = 16;

impl QuorumCell {
    pub fn new(quorum: MetadataQuorum, publisher: Publisher, lifecycle: Lifecycle) -> QuorumCell {
        let held = Held {
            quorum,
            publisher,
            lifecycle,
            assignments: Assignments::default(),
            waiting: StableMap::default(),
            refusals: Refusals::default(),
            last_token: 0,
            batch: VecDeque::new(),
        };
        QuorumCell {
            mailbox: Mailbox::default(),
            held: Mutex::new(held),
            deadline_ms: AtomicI64::new(i64::MIN),
            broker_epoch: AtomicI64::new(-1),
            is_running: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            is_failure_unheard: AtomicBool::new(false),
            status: Mutex::default(),
        }
    }

    /// Puts a command into the mailbox; the rim's bell has to be rung afterwards.
    pub fn post(&self, command: QuorumCommand) {
        self.mailbox.push(command);
    }

    /// The epoch of this broker's registration, -1 without one.
    pub fn broker_epoch(&self) -> i64 {
        self.broker_epoch.load(Ordering::Acquire)
    }

    /// Registered and unfenced.
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// The controller has let the broker go.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// The controller has not heard of a failed directory within `log.dir.failure.timeout.ms`.
    pub fn is_failure_unheard(&self) -> bool {
        self.is_failure_unheard.load(Ordering::Acquire)
    }

    /// Figures of the last turn.
    pub fn status(&self) -> QuorumStatus {
        *self.status.lock()
    }

    /// One turn: everything in the mailbox, the timers, the broker's own life. Answers when to call again at the latest.
    pub fn turn(&self, now_ms: i64, views: &Views, audience: &impl Audience) -> Result<i64, StorageFault> {
        let mut held = self.held.lock();
        let mut deadline_ms = now_ms;
        for _ in 0..ROUNDS {
            let mut batch = std::mem::take(&mut held.batch);
            self.mailbox.drain(&mut batch, usize::MAX);
            batch.drain(..).for_each(|command| held.take_command(now_ms, command));
            held.batch = batch;
            let wished = held.step_lifecycle(now_ms) | held.step_assignments(now_ms);
            let turn = held.quorum.turn(now_ms)?;
            let moved = wished || turn.image.is_some() || !turn.answers.is_empty();
            deadline_ms = turn.next_deadline_ms;
            held.carry_out(now_ms, turn, views, audience);
            if !moved && self.mailbox.is_empty() {
                break;
            }
        }
        self.show(now_ms, &held);
        let own = held.own_deadline();
        let next_ms = deadline_ms.min(own);
        self.deadline_ms.store(next_ms, Ordering::Release);
        Ok(next_ms)
    }

    fn show(&self, now_ms: i64, held: &Held) {
        let gives_up = held.lifecycle.gives_up_at().is_some_and(|at_ms| now_ms >= at_ms);
        self.is_failure_unheard.store(gives_up, Ordering::Release);
        self.broker_epoch.store(held.lifecycle.broker_epoch(), Ordering::Release);
        let phase = held.lifecycle.phase();
        self.is_running.store(phase == Phase::Running, Ordering::Release);
        self.is_gone.store(phase == Phase::Gone, Ordering::Release);
        *self.status.lock() = held.quorum.status();
    }
}

impl Held {
    fn token(&mut self, waiter: Waiter) -> Token {
        self.last_token += 1;
        self.waiting.insert(self.last_token, waiter);
        self.last_token
    }

    fn take_command(&mut self, now_ms: i64, command: QuorumCommand) {
        match command {
            QuorumCommand::Propose(command, reply) => {
                let token = self.token(Waiter::Controller(reply));
                self.quorum.propose(now_ms, token, *command);
            }
            QuorumCommand::CreateUnasked(topics) => {
                let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
                let token = self.token(Waiter::Unasked);
                self.quorum.propose(
                    now_ms,
                    token,
                    ControllerCommand::CreateTopics(CreateTopics { request, describable: None }),
                );
            }
            QuorumCommand::Request(request, reply) => {
                let token = self.token(Waiter::Raft(reply));
                self.quorum.request(now_ms, token, *request);
            }
            QuorumCommand::DirectoriesFailed(offline) => self.lifecycle.directories_failed(now_ms, offline),
            QuorumCommand::Assign(assignment) => self.assignments.add(assignment),
            QuorumCommand::Leave => {
                self.lifecycle.leave(now_ms);
                self.quorum.begin_shutdown(now_ms);
            }
        }
    }

    /// A refusal for want of a controller would cost the broker a retry interval at every start: it speaks when there is one.
    fn knows_controller(&self) -> bool {
        let status = self.quorum.status();
        status.is_active || status.leader.leader.is_some_and(|leader| leader != self.lifecycle.node_id())
    }

    fn own_deadline(&self) -> i64 {
        let is_registered = self.lifecycle.broker_epoch() >= 0;
        let told = self.assignments.next_deadline().filter(|_| is_registered);
        let sent = self.lifecycle.next_deadline().into_iter().chain(told).min();
        let due = sent.filter(|_| self.knows_controller());
        due.into_iter().chain(self.lifecycle.gives_up_at()).min().unwrap_or(NEVER)
    }

    /// True if something was sent.
    fn step_assignments(&mut self, now_ms: i64) -> bool {
        if !self.knows_controller() {
            return false;
        }
        let (node_id, epoch) = (self.lifecycle.node_id(), self.lifecycle.broker_epoch());
        let Some(request) = self.assignments.step(now_ms, node_id, epoch) else { return false };
        let token = self.token(Waiter::Assignments);
        self.quorum.propose(now_ms, token, ControllerCommand::AssignReplicasToDirs(request));
        true
    }

    /// True if something was sent. The only voter answers its own broker before the flush of the turn, so registering and being
    /// unfenced cost one flush and one image together.
    fn step_lifecycle(&mut self, now_ms: i64) -> bool {
        for _ in 0..LIFECYCLE_STEPS {
            if !self.knows_controller() {
                return false;
            }
            let command = match self.lifecycle.step(now_ms, self.quorum.own_offset()) {
                None => return false,
                Some(Wish::Register(request)) => ControllerCommand::RegisterBroker(RegisterBroker {
                    request: *request,
                    api_version: REGISTRATION_VERSION,
                }),
                Some(Wish::Heartbeat(request)) => ControllerCommand::BrokerHeartbeat(request),
            };
            match self.quorum.propose_own(now_ms, &command) {
                Some(answer) => self.lifecycle_answered(now_ms, &answer),
                None => {
                    let token = self.token(Waiter::Lifecycle);
                    self.quorum.propose(now_ms, token, command);
                    return true;
                }
            }
        }
        true
    }

    fn carry_out(&mut self, now_ms: i64, turn: Turn, views: &Views, audience: &impl Audience) {
        if let Some(image) = turn.image {
            let mut publication = self.publisher.publish(Arc::clone(&image), views);
            if let Some(cordoned) = publication.cordoned.take() {
                self.lifecycle.cordoned(cordoned);
            }
            audience.publish(now_ms, &image, publication);
        }
        // `turn.sends` is empty while the quorum has one voter; the outbound peers of the rim carry them later.
        for (token, answer) in turn.answers {
            match self.waiting.remove(&token) {
                Some(Waiter::Controller(reply)) => reply.send(answer),
                Some(Waiter::Lifecycle) => self.lifecycle_answered(now_ms, &answer),
                Some(Waiter::Assignments) => {
                    if let ControllerAnswer::AssignReplicasToDirs(response) = &answer {
                        self.assignments.answered(now_ms, response);
                    }
                }
                Some(Waiter::Unasked) => self.refusals.tell(now_ms, &answer),
                Some(Waiter::Raft(_)) | None => {}
            }
        }
        for (token, response) in turn.raft_answers {
            if let Some(Waiter::Raft(reply)) = self.waiting.remove(&token) {
                reply.send(response);
            }
        }
    }

    fn lifecycle_answered(&mut self, now_ms: i64, answer: &ControllerAnswer) {
        match answer {
            ControllerAnswer::RegisterBroker(response) => self.lifecycle.registered(now_ms, response),
            ControllerAnswer::BrokerHeartbeat(response) => {
                self.lifecycle.heartbeat_answered(now_ms, response)
            }
            _ => {}
        }
    }
}

/// The version in which this node registers itself: log directories and the previous broker epoch are told (KIP-858, KIP-966).
const REGISTRATION_VERSION: i16 = 4;
