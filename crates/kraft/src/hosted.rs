//! The metadata quorum of one node: raft, the pending and the committed image, and the controller, put together. Owns the order
//! of things: decide on the pending image, append, flush once per turn, commit, publish the image, release the answers that
//! waited for it. Never a thread: the caller brings the time and carries out what a [`Turn`] says.

mod active;
pub mod inspect;
mod invariants;
mod open_error;
mod replayed;
mod schedule;
mod snapshots;
mod status;
mod turn;

pub use self::open_error::OpenError;
pub use self::schedule::SnapshotPolicy;
pub use self::status::{LeaderAndEpoch, QuorumStatus};
pub use self::turn::{Token, Turn};

use self::active::Active;
use self::inspect::Inspection;
use self::open_error::unreadable;
use self::replayed::Replayed;
use self::schedule::Schedule;
use crate::controller::{
    ConfigRules, Controller, ControllerAnswer, ControllerCommand, ControllerOptions, Refusal, answer_ms,
    bootstrap_records,
};
use crate::features::{self, MetadataVersion, VersionRange};
use crate::image::{MetadataImage, VersionedRecord};
use crate::raft::{
    Destination, Effect, Event, MetadataLog, Quorum, RaftOptions, RaftRequest, RaftResponse, StorageFault,
    VoterSet,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::messages::controller_registration::{ControllerRegistrationRequest, Feature, Listener};
use wire::random::SplitMix64;
use wire::{ErrorCode, Str, Uuid};

/// What the quorum of a node is made of.
pub struct QuorumOptions {
    /// The replica of the metadata log.
    pub raft: RaftOptions,
    /// `None` on a node without the controller role, which only observes.
    pub controller: Option<ControllerOptions>,
    /// When snapshots are taken and kept.
    pub snapshots: SnapshotPolicy,
    /// The records of a `bootstrap.checkpoint` older than Kafka 4.4, used where the log has no bootstrap snapshot.
    /// Empty: the features of the newest production metadata version.
    pub bootstrap: Vec<VersionedRecord>,
    /// What the files amount to, if the caller has just read them.
    pub read: Option<Inspection>,
    /// Election jitter, replica placement and topic ids follow from it.
    pub seed: u64,
}

/// The metadata quorum of one node.
///
/// What holds whenever a turn has ended; [`MetadataQuorum::check`] asserts it, under these names:
/// - `committed`: nothing is in the committed image that is not in the log and, where it is known, below the high watermark; what is
///   published is that image, outside transactions;
/// - `active`: only a controller that leads this very epoch decides;
/// - `pending`: it holds all that is committed, nothing that is not in the log and nothing of a later epoch; what is between the two is the tail, in order, so
///   where nothing is in flight both are equal (compared at every commit, and where a turn ends);
/// - `parked`: answers wait in the order of their offsets, none for what is committed already and none for what is not decided;
/// - `registrations`, `transaction`: what is kept beside the two images fits them ([`Replay::check`](crate::image::Replay));
/// - `fault`: a turn that met one has returned it.
pub struct MetadataQuorum {
    raft: Quorum,
    controller: Option<Controller>,
    /// While this node leads: the pending image and what waits for it.
    active: Option<Active>,
    /// Everything below the high watermark.
    committed: Replayed,
    /// What was published last.
    image: Arc<MetadataImage>,
    bootstrap: Vec<VersionedRecord>,
    /// How this controller registers itself; the incarnation is this process's.
    registration: ControllerRegistrationRequest,
    policy: SnapshotPolicy,
    snapshots: Schedule,
    rng: SplitMix64,
    turn: Turn,
    /// Nodes whose processes have ended, and when that was noticed last: a controller that takes over for one of them knows it.
    gone: BTreeMap<i32, i64>,
    /// Who led last, other than this node.
    last_leader: Option<i32>,
    /// A fault met outside of `turn`, which will return it.
    fault: Option<StorageFault>,
}

/// `broker.stall.timeout.ms`, if there is one.
fn stall_timeout_ms(controller: Option<&Controller>) -> Option<i64> {
    controller.map(|controller| controller.options().stall_timeout_ms).filter(|stall_ms| *stall_ms > 0)
}

/// How long it is remembered that a node's process has ended: an election takes less.
const GONE_MEMORY_MS: i64 = 10_000;

impl MetadataQuorum {
    /// Reads snapshot and log. The only voter of its quorum leads when this returns: its first records are appended, and become
    /// durable in the first turn together with whatever is proposed before that.
    pub fn open(
        options: QuorumOptions,
        log: Box<dyn MetadataLog>,
        rules: Arc<dyn ConfigRules>,
        now_ms: i64,
    ) -> Result<MetadataQuorum, OpenError> {
        let mut rng = SplitMix64::new(options.seed);
        let registration = registration_of(&options.raft, &mut rng);
        let known = options.read.as_ref().map(Inspection::known_voters);
        let raft = Quorum::open(options.raft, log, known, rng.next_u64(), now_ms)?;
        // Of several voters another one may have cut the log since: only what is committed counts.
        let read = options.read.filter(|_| raft.is_only_voter());
        let (mut committed, found, mut bytes) = match read.and_then(|read| read.into_replayed(raft.log())) {
            Some(read) => read,
            None => {
                let (committed, found) = Replayed::from_latest_snapshot(raft.log())?;
                (committed, found, 0)
            }
        };
        let bootstrap = match (found.is_empty(), options.bootstrap.is_empty()) {
            (false, _) => found,
            (true, false) => options.bootstrap,
            (true, true) => bootstrap_records(MetadataVersion::LATEST_PRODUCTION, &BTreeMap::new()),
        };
        if raft.is_only_voter() {
            // Nobody else has to have it; the flush of the first turn makes sure that the disk does, before anybody hears of it.
            bytes += committed.read_up_to(raft.log(), raft.log().end_offset())?;
        }
        let mut quorum = MetadataQuorum {
            image: Arc::new(committed.replay.stable().clone()),
            raft,
            controller: options.controller.map(|options| Controller::new(options, rules)),
            active: None,
            committed,
            bootstrap,
            registration,
            policy: options.snapshots,
            snapshots: Schedule::new(now_ms, bytes),
            rng,
            turn: Turn::default(),
            gone: BTreeMap::new(),
            last_leader: None,
            fault: None,
        };
        if quorum.raft.is_only_voter() {
            quorum.raft.log_is_known();
        }
        quorum.step(now_ms, Event::Tick)?;
        if quorum.active.is_none() {
            quorum.flush(now_ms)?;
        }
        Ok(quorum)
    }

    /// Decides a command; the answer is in this turn's or a later one's `answers`, never lost: if this node does not lead, or stops
    /// leading before the command is committed, it comes back in `moved`.
    pub fn propose(&mut self, now_ms: i64, token: Token, command: ControllerCommand) {
        if let ControllerCommand::BrokerHeartbeat(heartbeat) = &command {
            self.gone.remove(&heartbeat.broker_id);
        }
        let (Some(controller), Some(active)) = (&self.controller, &mut self.active) else {
            self.turn.moved.push((token, command));
            return;
        };
        match active.decide(controller, &self.raft, now_ms, &command) {
            Err(refusal) => self.turn.answers.push((token, command.refused(&refusal))),
            Ok(decision) => {
                if let Err(fault) = active.carry_out(
                    &mut self.raft,
                    now_ms,
                    decision,
                    Some((token, command)),
                    &mut self.turn.answers,
                ) {
                    self.fault.get_or_insert(fault);
                }
            }
        }
    }

    /// Decides a command of the broker in this very process and answers at once, if this is the only voter and it leads: what the
    /// broker does with the answer reaches nobody before the flush of this turn, and is lost with it. `None`: propose it.
    pub fn propose_own(&mut self, now_ms: i64, command: &ControllerCommand) -> Option<ControllerAnswer> {
        let (Some(controller), Some(active)) = (&self.controller, &mut self.active) else { return None };
        if !self.raft.is_only_voter() {
            return None;
        }
        let mut decision = match active.decide(controller, &self.raft, now_ms, command) {
            Ok(decision) => decision,
            Err(refusal) => return Some(command.refused(&refusal)),
        };
        let answer = decision.answer.take();
        match active.carry_out(&mut self.raft, now_ms, decision, None, &mut self.turn.answers) {
            Ok(true) => return answer,
            Ok(false) => {}
            Err(fault) => _ = self.fault.get_or_insert(fault),
        }
        Some(command.refused(&Refusal::plain(ErrorCode::KafkaStorageError)))
    }

    /// The last offset that the broker in this process may call its own: of an only voter what is appended (it hears of nothing
    /// before the flush), otherwise what is published.
    pub fn own_offset(&self) -> i64 {
        match &self.active {
            Some(active) if self.raft.is_only_voter() => active.last_offset(),
            Some(_) | None => self.image.provenance.last_offset,
        }
    }

    /// Takes a request of the quorum's protocol; the answer is in `raft_answers`, for a Fetch possibly much later.
    pub fn request(&mut self, now_ms: i64, token: Token, request: RaftRequest) {
        self.step_or_remember(now_ms, Event::Request { token, request });
    }

    /// Takes the answer to an [`Outgoing`](crate::raft::Outgoing) request; `None` if there was none (refused, cut off, timed out).
    pub fn response(&mut self, now_ms: i64, from: i32, correlation_id: u64, response: Option<RaftResponse>) {
        if response.is_some() {
            self.gone.remove(&from);
        }
        self.step_or_remember(now_ms, Event::Response { from, correlation_id, response });
    }

    /// Nobody listens any more where that node's controller listened: its process has ended. What it led, as a voter and as a broker, is
    /// given to others without waiting for timeouts; a node that is there after all only has to say so.
    pub fn peer_gone(&mut self, now_ms: i64, peer: i32) {
        self.gone.insert(peer, now_ms);
        if let Some(active) = &mut self.active {
            active.seems_gone(peer, None, now_ms);
        }
        self.step_or_remember(now_ms, Event::PeerGone { peer });
    }

    /// The connection is closed by which this incarnation of a broker spoke to this controller.
    pub fn broker_hung_up(&mut self, now_ms: i64, broker_id: i32, epoch: i64) {
        if let Some(active) = &mut self.active {
            active.seems_gone(broker_id, Some(epoch), now_ms);
        }
    }

    /// Brokers, and their epochs, that have been silent for so long that the active controller in this node is to ask them whether they
    /// are still there, and how long they may take. Each is told of once.
    pub fn take_silent_brokers(&mut self, now_ms: i64) -> (Vec<(i32, i64)>, i64) {
        let Some((active, stall_ms)) = self.active.as_mut().zip(stall_timeout_ms(self.controller.as_ref()))
        else {
            return (Vec::new(), 0);
        };
        (active.take_silent(now_ms, stall_ms), answer_ms(stall_ms))
    }

    /// When there are some.
    pub fn next_silent_ms(&self) -> i64 {
        let active = self.active.as_ref().zip(stall_timeout_ms(self.controller.as_ref()));
        active.map_or(i64::MAX, |(active, stall_ms)| active.next_silent_ms(stall_ms))
    }

    /// A silent broker was asked at that time and did not answer: its session is over, if it has said nothing since.
    pub fn broker_is_silent(&mut self, broker_id: i32, epoch: i64, since_ms: i64) {
        if let Some(active) = &mut self.active {
            active.seems_gone(broker_id, Some(epoch), since_ms);
        }
    }

    /// Begins to leave: a leader of several voters resigns, so that another one takes over at once. The only voter leads on, or
    /// its own broker could not leave in an orderly way.
    pub fn begin_shutdown(&mut self, now_ms: i64) {
        if !self.raft.is_only_voter() {
            self.step_or_remember(now_ms, Event::BeginShutdown);
        }
    }

    /// True once nothing of the quorum needs this node any more: it began to leave, and every voter that could be told knows that it
    /// does not lead. The only voter leads to the end.
    pub fn has_left(&self) -> bool {
        self.raft.is_only_voter() || self.raft.has_left()
    }

    /// Where the leader of this epoch is reached on the listener that members of the quorum use; `None` while that is unknown.
    pub fn leader_node(&self) -> Option<Destination> {
        self.raft.leader_node().map(|(id, host, port)| Destination { id, host, port })
    }

    /// How this controller has to register itself with the active one (KIP-919); `None` if it is registered, is the active one, which
    /// does so by itself, or has no need to.
    pub fn registration_due(&self) -> Option<&ControllerRegistrationRequest> {
        let known = self.image.cluster.controller(self.registration.controller_id);
        let wanted = self.controller.is_some()
            && self.active.is_none()
            && self
                .image
                .features
                .metadata_version()
                .is_some_and(|version| version.has_controller_registration())
            && known.is_none_or(|known| known.incarnation_id != self.registration.incarnation_id);
        wanted.then_some(&self.registration)
    }

    /// Fires timers, makes this turn's appends durable with one flush, commits what a majority has, and says what to do now.
    /// After a fault the quorum must not be used any more.
    pub fn turn(&mut self, now_ms: i64) -> Result<Turn, StorageFault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.step(now_ms, Event::Tick)?;
        loop {
            let was_active = self.active.is_some();
            self.do_chores(now_ms)?;
            self.flush(now_ms)?;
            // A flush can make this replica the leader, and then there is more to write.
            if was_active || self.active.is_none() {
                break;
            }
        }
        self.keep_snapshots(now_ms)?;
        self.publish();
        self.check();
        let mut turn = std::mem::take(&mut self.turn);
        turn.next_deadline_ms = self.next_deadline_ms();
        Ok(turn)
    }

    /// The newest committed image.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.image
    }

    /// Who votes according to the log, and where in it that stands; `None` in a configured quorum, and while a change is not committed.
    pub fn committed_voters(&self) -> Option<(i64, &VoterSet)> {
        self.raft.committed_voters()
    }

    /// Figures.
    pub fn status(&self) -> QuorumStatus {
        let log = self.raft.log();
        let latest = log.snapshots().last().map_or(-1, |file| file.id.offset);
        QuorumStatus {
            leader: LeaderAndEpoch { leader: self.raft.leader_id(), epoch: self.raft.epoch() },
            is_active: self.active.is_some(),
            log_start_offset: log.start_offset(),
            log_end_offset: log.end_offset(),
            high_watermark: self.raft.high_watermark().unwrap_or(-1),
            last_applied_offset: self.image.provenance.last_offset,
            last_applied_timestamp_ms: self.image.provenance.last_timestamp_ms,
            parked_answers: self.active.as_ref().map_or(0, Active::parked),
            latest_snapshot_offset: latest,
        }
    }

    fn step_or_remember(&mut self, now_ms: i64, event: Event) {
        if let Err(fault) = self.step(now_ms, event) {
            self.fault.get_or_insert(fault);
        }
    }

    fn step(&mut self, now_ms: i64, event: Event) -> Result<(), StorageFault> {
        let mut effects = Vec::new();
        self.raft.step(now_ms, event, &mut effects)?;
        // Voters that change are a batch of the log, at the time at which it was written.
        if let Some(active) = &mut self.active {
            active.note_control_batches(&self.raft, now_ms);
        }
        self.carry_out(now_ms, effects)
    }

    fn flush(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let mut effects = Vec::new();
        self.raft.flush(now_ms, &mut effects)?;
        self.carry_out(now_ms, effects)
    }

    fn carry_out(&mut self, now_ms: i64, effects: Vec<Effect>) -> Result<(), StorageFault> {
        for effect in effects {
            match effect {
                Effect::Send(outgoing) => self.turn.sends.push(outgoing),
                Effect::Answer { token, response } => self.turn.raft_answers.push((token, response)),
                Effect::Committed { high_watermark } => self.commit(high_watermark)?,
                Effect::LeaderChanged { leader, .. } => self.leader_changed(leader, now_ms)?,
                // What is cut was never committed, and only a leader has anything pending.
                Effect::Truncated { .. } => {}
                Effect::Refused(cut) => self.turn.refused = Some(cut),
                Effect::SnapshotInstalled { .. } => {
                    (self.committed, _) =
                        Replayed::from_latest_snapshot(self.raft.log()).map_err(unreadable)?;
                    self.snapshots.reset(now_ms);
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, high_watermark: i64) -> Result<(), StorageFault> {
        match &mut self.active {
            Some(active) => {
                let bytes = active.commit(&mut self.committed, high_watermark, &mut self.turn.answers);
                self.snapshots.committed(bytes);
            }
            None => {
                let bytes = self.committed.read_up_to(self.raft.log(), high_watermark).map_err(unreadable)?;
                self.snapshots.committed(bytes);
            }
        }
        Ok(())
    }

    fn leader_changed(&mut self, leader: Option<i32>, now_ms: i64) -> Result<(), StorageFault> {
        let leads = self.raft.is_leader() && leader.is_some();
        self.last_leader = leader.filter(|_| !leads).or(self.last_leader);
        if let Some(active) = self.active.take_if(|active| !leads || active.epoch() != self.raft.epoch()) {
            active.give_back(&mut self.turn.moved);
        }
        let Some(controller) = self.controller.as_ref().filter(|_| leads && self.active.is_none()) else {
            return Ok(());
        };
        // A leader is announced when the start of its epoch is committed, and with it all that came before; an only voter as soon
        // as it has read all that.
        let pending = self.committed.clone();
        assert!(
            pending.next_offset == self.raft.log().end_offset()
                || Some(pending.next_offset) == self.raft.epoch_start_offset(),
            "all that came before this epoch is in the image"
        );
        let node_id = self.registration.controller_id;
        let mut active = Active::new(self.raft.epoch(), node_id, pending, self.rng.next_u64(), now_ms);
        active.begin(controller, &mut self.raft, &self.bootstrap, &self.registration, now_ms)?;
        self.gone.retain(|_, since_ms| now_ms.saturating_sub(*since_ms) < GONE_MEMORY_MS);
        self.gone.keys().for_each(|&id| active.seems_gone(id, None, now_ms));
        self.last_leader.take().into_iter().for_each(|id| active.suspect(id));
        self.active = Some(active);
        Ok(())
    }

    /// What the active controller has to do by itself now.
    fn do_chores(&mut self, now_ms: i64) -> Result<(), StorageFault> {
        let (Some(controller), Some(active)) = (&self.controller, &mut self.active) else { return Ok(()) };
        while let Some(decision) = active.due(controller, &self.raft, now_ms) {
            if !active.carry_out(&mut self.raft, now_ms, decision, None, &mut self.turn.answers)? {
                // A full disk: what is still due is tried again in the next turn.
                break;
            }
        }
        Ok(())
    }

    fn publish(&mut self) {
        let stable = self.committed.replay.stable();
        if stable.provenance != self.image.provenance {
            self.image = Arc::new(stable.clone());
            self.turn.image = Some(Arc::clone(&self.image));
        }
    }

    fn next_deadline_ms(&self) -> i64 {
        let chores = match (&self.controller, &self.active) {
            (Some(controller), Some(active)) => active.next_deadline_ms(controller),
            _ => i64::MAX,
        };
        self.raft.next_deadline_ms().min(chores).min(self.snapshots.next_deadline_ms(&self.policy))
    }
}

/// What a controller says of itself (KIP-919).
fn registration_of(raft: &RaftOptions, rng: &mut SplitMix64) -> ControllerRegistrationRequest {
    let listener = |(name, (host, port)): (&Str, &(Str, u16))| Listener {
        name: name.clone(),
        host: host.clone(),
        port: *port,
        security_protocol: 0,
    };
    let feature = |(name, range): (&'static str, VersionRange)| Feature {
        name: Str::from(name),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    let incarnation_id = loop {
        if let Some(id) = Uuid::from_random(u128::from_be_bytes(rng.uuid_bytes())) {
            break id;
        }
    };
    ControllerRegistrationRequest {
        controller_id: raft.node_id,
        incarnation_id,
        zk_migration_ready: false,
        listeners: raft.local_endpoints.iter().map(listener).collect(),
        features: features::supported().into_iter().map(feature).collect(),
    }
}

#[cfg(test)]
mod tests;
