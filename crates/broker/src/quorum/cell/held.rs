//! What a turn of the quorum works on: the quorum itself, the broker's life, who waits for what, and the way to the controller.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use kraft::controller::{
    AlterPartition, ControllerAnswer, ControllerCommand, CreateTopics, Refusal, RegisterBroker,
};
use kraft::hosted::{MetadataQuorum, Token, Turn};
use kraft::raft::{Outgoing, RaftResponse};
use wire::hash::StableMap;
use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use wire::{ErrorCode, Str};

use crate::coordinators::internal_topics::Refusals;
use crate::mailbox::Reply;
use crate::peers::{NoAnswer, Purpose};
use crate::quorum::assignments::Assignments;
use crate::quorum::commands::{Audience, Forwarded, Heard, Parts, Patience, QuorumCommand, Reception};
use crate::quorum::errands::Errand;
use crate::quorum::image_delta::Publisher;
use crate::quorum::isr_proposals::IsrProposals;
use crate::quorum::leader_lines::LeaderLines;
use crate::quorum::lifecycle::{Lifecycle, Phase, Wish};
use crate::quorum::probes::{Probed, probe};
use crate::quorum::protocol;
use crate::quorum::voter_lines::VoterLines;
use crate::quorum::way::{Brought, Step, Told, Way, Whereabouts};
use crate::rim::PeerAddress;
use crate::timers::NEVER;
use crate::views::Views;

pub(super) struct Held {
    pub quorum: MetadataQuorum,
    pub lifecycle: Option<Lifecycle>,
    pub batch: VecDeque<QuorumCommand>,
    node_id: i32,
    listener: Str,
    patience: Patience,
    publisher: Publisher,
    assignments: Assignments,
    isr_proposals: IsrProposals,
    registration: ControllerLife,
    way: Way,
    waiting: StableMap<Token, Waiter>,
    /// Of topics that no administrator asked for.
    refusals: Refusals,
    /// Names of such topics that are on their way to the controller.
    creating: BTreeSet<Str>,
    last_token: Token,
    leaving: Leaving,
    /// Members of the quorum, as they are addressed, whose last answer was that their cluster is another.
    strangers: BTreeSet<i32>,
    leader_lines: LeaderLines,
    voter_lines: VoterLines,
}

/// How this controller's registration stands with the active one.
#[derive(Default)]
struct ControllerLife {
    is_waiting: bool,
    next_send_ms: i64,
}

/// A node leaves as a broker first, then as a member of the quorum: a leader that resigned could not let its own broker go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    Broker,
    Quorum {
        give_up_ms: i64,
    },
    /// Nobody has answered in time: there is nothing left to wait for.
    Over,
}

enum Waiter {
    Controller(Reply<ControllerAnswer>),
    /// For the controller in this node only.
    Here(Reply<Result<ControllerAnswer, Box<ControllerCommand>>>),
    Client(Reply<Forwarded>),
    Raft(Reply<RaftResponse>),
    /// The node's own registration or heartbeat.
    Lifecycle,
    /// The node's own directories.
    Assignments,
    /// The node's own leaders.
    IsrProposals,
    /// The registration of the controller in this node.
    Registration,
    /// Nobody: a creation without an administrator.
    Unasked(Vec<Str>),
}

/// Requests that the broker may send in one go: to register, and to be unfenced.
const LIFECYCLE_STEPS: usize = 2;
/// Topics that no administrator asked for and that no controller has answered for yet: more are not asked for, whoever needs them asks
/// again.
const CREATING_MOST: usize = 1_000;
/// Before a controller that was not registered asks again.
const REGISTRATION_RETRY_MS: i64 = 100;
/// How long a resigned leader waits for the others to hear of it, as in Kafka.
const RESIGNATION_MS: i64 = 5_000;
/// The version in which an ISR is proposed: with the epochs of its brokers (KIP-903).
const ALTER_PARTITION_VERSION: i16 = 3;
/// The version in which this node registers itself: log directories and the previous broker epoch are told (KIP-858, KIP-966).
const REGISTRATION_VERSION: i16 = 4;

impl Held {
    pub fn new(parts: Parts) -> Held {
        let Parts { node_id, quorum, publisher, lifecycle, listener, patience } = parts;
        Held {
            quorum,
            lifecycle,
            batch: VecDeque::new(),
            node_id,
            listener,
            patience,
            publisher,
            assignments: Assignments::default(),
            isr_proposals: IsrProposals::default(),
            registration: ControllerLife::default(),
            way: Way::default(),
            waiting: StableMap::default(),
            refusals: Refusals::default(),
            creating: BTreeSet::new(),
            last_token: 0,
            leaving: Leaving::No,
            strangers: BTreeSet::new(),
            leader_lines: LeaderLines::default(),
            voter_lines: VoterLines::default(),
        }
    }

    /// How this node is received where it asks.
    pub fn reception(&self) -> Reception {
        let registration = self.lifecycle.as_ref().and_then(Lifecycle::refused);
        Reception { registration, strangers: self.strangers.len() }
    }

    fn token(&mut self, waiter: Waiter) -> Token {
        self.last_token += 1;
        self.waiting.insert(self.last_token, waiter);
        self.last_token
    }

    pub fn take_command(&mut self, now_ms: i64, command: QuorumCommand, audience: &impl Audience) {
        match command {
            QuorumCommand::Propose(command, reply) => {
                self.send(now_ms, *command, Purpose::Controller, Waiter::Controller(reply));
            }
            QuorumCommand::Decide(command, reply) => {
                let token = self.token(Waiter::Here(reply));
                self.quorum.propose(now_ms, token, *command);
            }
            QuorumCommand::Forward(envelope, deadline_ms, reply) => {
                let token = self.token(Waiter::Client(reply));
                self.way.add(token, Errand::Envelope(envelope), Purpose::Forwarding, deadline_ms);
            }
            QuorumCommand::CreateUnasked(topics) => self.create_unasked(now_ms, topics),
            QuorumCommand::Request(request, reply) => {
                let token = self.token(Waiter::Raft(reply));
                self.quorum.request(now_ms, token, *request);
            }
            QuorumCommand::Heard(Heard { from, correlation_id, response }) => {
                if matches!(response, Err(NoAnswer::Refused)) && from >= 0 {
                    self.quorum.peer_gone(now_ms, from);
                }
                match &response {
                    Ok(answer) if protocol::is_of_another_cluster(answer) => {
                        self.strangers.insert(from);
                    }
                    Ok(_) => drop(self.strangers.remove(&from)),
                    Err(_) => {}
                }
                let response = response.ok().map(|response| *response);
                self.quorum.response(now_ms, from, correlation_id, response);
            }
            QuorumCommand::BrokerHungUp { broker_id, broker_epoch } => {
                self.quorum.broker_hung_up(now_ms, broker_id, broker_epoch);
            }
            QuorumCommand::Probed(probed) => self.probed(now_ms, probed),
            QuorumCommand::ControllerHungUp => {
                if let Some(lifecycle) = &mut self.lifecycle {
                    lifecycle.controller_hung_up(now_ms);
                }
            }
            QuorumCommand::Told(told) => {
                if let Some((token, brought)) = self.way.told(now_ms, told) {
                    self.brought(now_ms, token, brought, audience);
                }
            }
            QuorumCommand::DirectoriesFailed(offline) => {
                if let Some(lifecycle) = &mut self.lifecycle {
                    lifecycle.directories_failed(now_ms, offline);
                }
            }
            QuorumCommand::Assign(assignment) => self.assignments.add(assignment),
            QuorumCommand::ProposeIsr(proposal) => self.isr_proposals.add(proposal),
            QuorumCommand::Leave => {
                if self.leaving == Leaving::No {
                    self.leaving = Leaving::Broker;
                }
                if let Some(lifecycle) = &mut self.lifecycle {
                    lifecycle.leave(now_ms);
                }
            }
        }
    }

    /// An errand of this node itself.
    fn send(&mut self, now_ms: i64, command: ControllerCommand, purpose: Purpose, waiter: Waiter) {
        let patience_ms = match &command {
            ControllerCommand::BrokerHeartbeat(_) => self.patience.heartbeat_ms,
            _ => self.patience.controller_ms,
        };
        let token = self.token(waiter);
        let errand = Errand::Command(Box::new(command));
        self.way.add(token, errand, purpose, now_ms.saturating_add(patience_ms));
    }

    fn create_unasked(&mut self, now_ms: i64, mut topics: Vec<CreatableTopic>) {
        topics
            .retain(|topic| self.creating.len() < CREATING_MOST && self.creating.insert(topic.name.clone()));
        if topics.is_empty() {
            return;
        }
        let names = topics.iter().map(|topic| topic.name.clone()).collect();
        let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
        let command =
            ControllerCommand::CreateTopics(CreateTopics { request, describable: None, quota: None });
        self.send(now_ms, command, Purpose::Controller, Waiter::Unasked(names));
    }

    /// The broker's own life and the errands under way. True if something was sent or decided.
    pub fn step(&mut self, now_ms: i64, audience: &impl Audience) -> bool {
        self.step_leaving(now_ms);
        let own =
            self.step_lifecycle(now_ms) | self.step_assignments(now_ms) | self.step_registration(now_ms);
        self.step_probes(now_ms, audience);
        let own = own | self.step_isr_proposals(now_ms);
        own | self.step_way(now_ms, audience)
    }

    /// True if [`Held::step`] would do something about errands.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.way.is_due(now_ms, &self.whereabouts())
    }

    fn whereabouts(&self) -> Whereabouts {
        if self.quorum.status().is_active {
            return Whereabouts::Here;
        }
        match self.quorum.leader_node() {
            Some(leader) if leader.id != self.node_id => Whereabouts::At(self.address(leader)),
            Some(_) | None => Whereabouts::Unknown,
        }
    }

    fn address(&self, to: kraft::raft::Destination) -> PeerAddress {
        PeerAddress { node_id: to.id, host: to.host, port: to.port, listener: self.listener.clone() }
    }

    fn step_way(&mut self, now_ms: i64, audience: &impl Audience) -> bool {
        let whereabouts = self.whereabouts();
        if !self.way.is_due(now_ms, &whereabouts) {
            return false;
        }
        let steps = self.way.step(now_ms, whereabouts);
        let did = !steps.is_empty();
        for step in steps {
            match step {
                Step::Decide(token, command) => self.quorum.propose(now_ms, token, command),
                Step::Here(token) => {
                    if let Some(Waiter::Client(reply)) = self.waiting.remove(&token) {
                        reply.send(Forwarded::Here);
                    }
                }
                Step::Send { token, attempt, to, purpose, deadline_ms, errand } => {
                    let teller = audience.clone();
                    let request = errand.request(deadline_ms, move |_, outcome| {
                        teller.tell(QuorumCommand::Told(Told { token, attempt, outcome }));
                    });
                    audience.ask_peer(now_ms, &to, purpose, request);
                }
                Step::Late(token, errand) => {
                    let refused = Brought::Refused(errand, ErrorCode::RequestTimedOut);
                    self.brought(now_ms, token, refused, audience);
                }
            }
        }
        did
    }

    fn brought(&mut self, now_ms: i64, token: Token, brought: Brought, audience: &impl Audience) {
        match brought {
            Brought::Answer(answer) => self.answered(now_ms, token, *answer, audience),
            Brought::Envelope(frame) => self.forwarded(token, Forwarded::Answered(frame)),
            Brought::Refused(Errand::Envelope(_), error) => self.forwarded(token, Forwarded::Refused(error)),
            Brought::Refused(Errand::Command(command), error) => {
                let answer = command.refused(&Refusal::plain(error));
                self.answered(now_ms, token, answer, audience);
            }
        }
    }

    fn forwarded(&mut self, token: Token, forwarded: Forwarded) {
        if let Some(Waiter::Client(reply)) = self.waiting.remove(&token) {
            reply.send(forwarded);
        }
    }

    /// A refusal for want of a controller would cost the broker a retry interval at every start: it speaks when there is one.
    fn knows_controller(&self) -> bool {
        self.whereabouts() != Whereabouts::Unknown
    }

    pub fn own_deadline(&self) -> i64 {
        let lifecycle = self.lifecycle.as_ref();
        let is_registered = lifecycle.is_some_and(|lifecycle| lifecycle.broker_epoch() >= 0);
        let told = [self.assignments.next_deadline(), self.isr_proposals.next_deadline()];
        let told = told.into_iter().flatten().min().filter(|_| is_registered);
        let sent = lifecycle.and_then(Lifecycle::next_deadline);
        let registers = self.registration_deadline();
        let due = [sent, told, registers].into_iter().flatten().min().filter(|_| self.knows_controller());
        let resigned = match self.leaving {
            Leaving::Quorum { give_up_ms } => Some(give_up_ms),
            Leaving::No | Leaving::Broker | Leaving::Over => None,
        };
        let own = [due, lifecycle.and_then(Lifecycle::gives_up_at), resigned].into_iter().flatten().min();
        own.unwrap_or(NEVER).min(self.way.next_ms()).min(self.quorum.next_silent_ms())
    }

    /// True if something was sent.
    fn step_assignments(&mut self, now_ms: i64) -> bool {
        let epoch = self.lifecycle.as_ref().map_or(-1, Lifecycle::broker_epoch);
        if !self.knows_controller() {
            return false;
        }
        let Some(request) = self.assignments.step(now_ms, self.node_id, epoch) else { return false };
        let command = ControllerCommand::AssignReplicasToDirs(request);
        self.send(now_ms, command, Purpose::Controller, Waiter::Assignments);
        true
    }

    /// True if something was sent.
    fn step_isr_proposals(&mut self, now_ms: i64) -> bool {
        let epoch = self.lifecycle.as_ref().map_or(-1, Lifecycle::broker_epoch);
        if !self.knows_controller() {
            return false;
        }
        let Some(request) = self.isr_proposals.step(now_ms, self.node_id, epoch) else { return false };
        let command = AlterPartition { request, api_version: ALTER_PARTITION_VERSION };
        let command = ControllerCommand::AlterPartition(command);
        self.send(now_ms, command, Purpose::Controller, Waiter::IsrProposals);
        true
    }

    /// When the controller in this node has to register itself with the active one (KIP-919).
    fn registration_deadline(&self) -> Option<i64> {
        let is_due = !self.registration.is_waiting && self.quorum.registration_due().is_some();
        is_due.then_some(self.registration.next_send_ms)
    }

    fn step_registration(&mut self, now_ms: i64) -> bool {
        if self.registration_deadline().is_none_or(|due_ms| now_ms < due_ms) || !self.knows_controller() {
            return false;
        }
        let Some(request) = self.quorum.registration_due().cloned() else { return false };
        self.registration.is_waiting = true;
        let command = ControllerCommand::RegisterController(request);
        self.send(now_ms, command, Purpose::Controller, Waiter::Registration);
        true
    }

    /// Asks brokers that have gone silent whether they are still there.
    fn step_probes(&mut self, now_ms: i64, audience: &impl Audience) {
        let (silent, answer_ms) = self.quorum.take_silent_brokers(now_ms);
        for broker in silent.into_iter().filter(|(id, _)| *id != self.node_id) {
            let teller = audience.clone();
            let heard = move |probed| teller.tell(QuorumCommand::Probed(probed));
            let request = probe(broker, now_ms, now_ms.saturating_add(answer_ms), heard);
            audience.ask_broker(now_ms, broker.0, Purpose::Probe, request);
        }
    }

    fn probed(&mut self, now_ms: i64, probed: Probed) {
        if probed.proves_silence(now_ms) {
            let broker = probed.broker_id;
            tracing::warn!(
                broker,
                "a broker has been silent and does not answer: unless it speaks at once it is fenced, and others lead"
            );
            self.quorum.broker_is_silent(broker, probed.broker_epoch, probed.since_ms);
        }
    }

    /// True if something was sent. The only voter answers its own broker before the flush of the turn, so registering and being
    /// unfenced cost one flush and one image together.
    fn step_lifecycle(&mut self, now_ms: i64) -> bool {
        for _ in 0..LIFECYCLE_STEPS {
            if !self.knows_controller() {
                return false;
            }
            let offset = self.quorum.own_offset();
            let wish = self.lifecycle.as_mut().and_then(|lifecycle| lifecycle.step(now_ms, offset));
            let command = match wish {
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
                    self.send(now_ms, command, Purpose::Lifecycle, Waiter::Lifecycle);
                    return true;
                }
            }
        }
        true
    }

    fn step_leaving(&mut self, now_ms: i64) {
        if self.leaving == Leaving::Broker && self.is_broker_gone() {
            self.leaving = Leaving::Quorum { give_up_ms: now_ms.saturating_add(RESIGNATION_MS) };
            self.quorum.begin_shutdown(now_ms);
        }
        if matches!(self.leaving, Leaving::Quorum { give_up_ms } if now_ms >= give_up_ms) {
            self.leaving = Leaving::Over;
        }
    }

    fn is_broker_gone(&self) -> bool {
        self.lifecycle.as_ref().is_none_or(|lifecycle| lifecycle.phase() == Phase::Gone)
    }

    /// Ready for whatever its roles are for.
    pub fn is_running(&self) -> bool {
        match &self.lifecycle {
            Some(lifecycle) => lifecycle.phase() == Phase::Running,
            None => self.knows_controller(),
        }
    }

    /// Nobody needs this node any more.
    pub fn is_gone(&self) -> bool {
        match self.leaving {
            Leaving::No | Leaving::Broker => false,
            Leaving::Quorum { .. } => self.quorum.has_left(),
            Leaving::Over => true,
        }
    }

    pub fn carry_out(&mut self, now_ms: i64, turn: Turn, views: &Views, audience: &impl Audience) {
        self.leader_lines.look(self.node_id, &self.quorum.status());
        self.voter_lines.look(self.quorum.committed_voters());
        if let Some(cut) = turn.refused {
            self.leader_lines.refused(now_ms, &cut);
        }
        if let Some(image) = turn.image {
            let mut publication = self.publisher.publish(now_ms, Arc::clone(&image), views);
            if let (Some(cordoned), Some(lifecycle)) = (publication.cordoned.take(), &mut self.lifecycle) {
                lifecycle.cordoned(cordoned);
            }
            audience.publish(now_ms, &image, publication);
        }
        for outgoing in turn.sends {
            self.send_to_member(now_ms, outgoing, audience);
        }
        for (token, answer) in turn.answers {
            self.way.decided(token);
            self.answered(now_ms, token, answer, audience);
        }
        for (token, response) in turn.raft_answers {
            if let Some(Waiter::Raft(reply)) = self.waiting.remove(&token) {
                reply.send(response);
            }
        }
        for (token, command) in turn.moved {
            if matches!(self.waiting.get(&token), Some(Waiter::Here(_))) {
                if let Some(Waiter::Here(reply)) = self.waiting.remove(&token) {
                    reply.send(Err(Box::new(command)));
                }
            } else {
                self.way.moved(now_ms, token, command);
            }
        }
    }

    fn send_to_member(&self, now_ms: i64, outgoing: Outgoing, audience: &impl Audience) {
        let Outgoing { to, correlation_id, request } = outgoing;
        let (from, teller) = (to.id, audience.clone());
        let deadline_ms = now_ms.saturating_add(self.patience.quorum_ms);
        let request = protocol::peer_request(request, deadline_ms, move |response| {
            let response = response.map(Box::new);
            teller.tell(QuorumCommand::Heard(Heard { from, correlation_id, response }));
        });
        audience.ask_peer(now_ms, &self.address(to), Purpose::Quorum, request);
    }

    fn answered(&mut self, now_ms: i64, token: Token, answer: ControllerAnswer, audience: &impl Audience) {
        match self.waiting.remove(&token) {
            Some(Waiter::Controller(reply)) => reply.send(answer),
            Some(Waiter::Here(reply)) => reply.send(Ok(answer)),
            Some(Waiter::Lifecycle) => self.lifecycle_answered(now_ms, &answer),
            Some(Waiter::Assignments) => {
                if let ControllerAnswer::AssignReplicasToDirs(response) = &answer {
                    self.assignments.answered(now_ms, response);
                }
            }
            Some(Waiter::IsrProposals) => match &answer {
                ControllerAnswer::AlterPartition(response) => {
                    let answers = self.isr_proposals.answered(now_ms, response);
                    audience.isr_answered(now_ms, answers);
                }
                _ => self.isr_proposals.unanswered(now_ms),
            },
            Some(Waiter::Registration) => {
                // The image tells whether it is done; until it does, a moment goes by.
                let next_send_ms = now_ms.saturating_add(REGISTRATION_RETRY_MS);
                self.registration = ControllerLife { is_waiting: false, next_send_ms };
            }
            Some(Waiter::Unasked(names)) => {
                self.creating.retain(|name| !names.contains(name));
                self.refusals.tell(now_ms, &answer);
            }
            Some(Waiter::Raft(_) | Waiter::Client(_)) | None => {}
        }
    }

    fn lifecycle_answered(&mut self, now_ms: i64, answer: &ControllerAnswer) {
        let Some(lifecycle) = &mut self.lifecycle else { return };
        match answer {
            ControllerAnswer::RegisterBroker(response) => lifecycle.registered(now_ms, response),
            ControllerAnswer::BrokerHeartbeat(response) => lifecycle.heartbeat_answered(now_ms, response),
            _ => {}
        }
    }
}
