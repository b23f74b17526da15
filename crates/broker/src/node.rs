//! What a node is made of, and the few calls its rim makes. Owns nothing mutable itself: shards, quorum and views do.
//! Never reads a clock, opens a socket or starts a thread; every call brings the time (`now_ms`: milliseconds of the node's own, which
//! never jump), and [`Wall`] says what the wall clock makes of it.

mod asking;
mod background;
mod carrying;
mod dead_letters;
mod opening;
mod repairing;
mod replicating;
pub(crate) mod share_groups;
pub(crate) mod share_state;
mod sharing;
mod transactions;

pub use opening::{Listener, NodeOptions, OpenError, QuorumVoter, Roles};
pub(crate) use transactions::Mark;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::hosted::QuorumStatus;
use kraft::image::MetadataImage;
use log::{LogView, ReadMemory};
use parking_lot::Mutex;
use wire::messages::create_topics::CreatableTopic;
use wire::messages::envelope::EnvelopeRequest;
use wire::wall::Wall;
use wire::{ErrorCode, Str, Uuid};

use crate::command::{Append, Appending, Ask, Command};
use crate::config::StaticConfig;
use crate::connection::{Connection, Peer};
use crate::disks::directories::Directories;
use crate::fetch::cold_reads::ColdReads;
use crate::fetch::parked::ParkedFetches;
use crate::fetch::session_cache::SessionCache;
use crate::fetch::watch::Watch;
use crate::greetings::Greetings;
use crate::loggers::Loggers;
use crate::mailbox::{Answer, Mailbox, reply};
use crate::metrics::node_figures::NodeFigures;
use crate::metrics::requests::RequestFigures;
use crate::peers::{PeerRequest, Peers, Purpose};
use crate::quorum::producer_ids::ProducerIds;
use crate::quorum::protocol::QuorumRequest;
use crate::quorum::{Audience, Forwarded, QuorumCell, QuorumCommand, Reception};
use crate::quotas::Quotas;
use crate::replication::fetchers::Fetchers;
use crate::replication::repairs::Repairs;
use crate::replication::throttle::Throttle;
use crate::rim::{Job, LinkId, PeerAddress, Rim};
use crate::security::audit::Audit;
use crate::security::authorizer::Authorizer;
use crate::security::delegation::Delegation;
use crate::shard::cell::{Carrier, ShardCell};
use crate::share::sessions::ShareSessions;
use crate::streams_topics::StreamsTopics;
use crate::telemetry::Telemetry;
use crate::timers::NEVER;
use crate::views::{LeaderView, PartitionCell, Reader, Views};

/// A whole Kafka node; cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<NodeState>);

struct NodeState {
    node_id: i32,
    /// `process.roles`
    has_controller: bool,
    cluster_id: Str,
    config: Arc<StaticConfig>,
    rim: Arc<dyn Rim>,
    wall: Wall,
    loggers: Arc<Loggers>,
    /// Who may do what; `None` if everybody may.
    guard: Option<Box<Authorizer>>,
    delegation: Delegation,
    audit: Audit,
    /// What clients may use.
    quotas: Quotas,
    /// What clients push of themselves.
    telemetry: Telemetry,
    /// The usual answers of ApiVersions.
    greetings: Greetings,
    directories: Arc<Directories>,
    shards: Box<[ShardCell]>,
    quorum: QuorumCell,
    /// The newest committed image.
    image: ArcSwap<MetadataImage>,
    views: Views,
    producer_ids: ProducerIds,
    /// Coordinators of transactions that wait for producer ids.
    short_of_ids: Mutex<Vec<Arc<PartitionCell>>>,
    /// Damaged places that are being made good.
    repairs: Repairs,
    /// `controller.socket.timeout.ms`
    controller_patience_ms: i64,
    /// The way to other nodes.
    peers: Peers,
    /// What is fetched from leaders for the replicas of this node.
    fetchers: Arc<Fetchers>,
    /// What the node knows of itself.
    figures: Arc<NodeFigures>,
    /// Where brokers reach each other.
    inter_broker_listener: Str,
    /// A controlled shutdown has begun: whoever else stops is no news any more.
    is_leaving: AtomicBool,
    jobs: Mailbox<Job>,
    cold_reads: ColdReads,
    /// What was read for fetches and is still to be sent.
    fetch_memory: Arc<ReadMemory>,
    /// What the rim believes to be the next time to call [`Node::turn`].
    armed_ms: AtomicI64,
    next_checkpoint_ms: AtomicI64,
    checkpoint_interval_ms: i64,
    /// The latest time that anybody brought: what a job's end is stamped with.
    latest_ms: AtomicI64,
    /// Numbers for fetch sessions; mixed, so that one does not follow from another.
    session_serial: AtomicU64,
    session_cache: Arc<SessionCache>,
    /// Members of share groups that are connected.
    share_sessions: ShareSessions,
    /// Topics of streams applications that are being made.
    streams_topics: StreamsTopics,
    /// Followers that wait for news.
    parked_fetches: ParkedFetches,
}

impl Node {
    /// A connection was accepted and authenticated.
    pub fn connection(&self, peer: Peer) -> Connection {
        Connection::new(peer, Arc::clone(&self.0.session_cache))
    }

    /// Timers, leftovers, checkpoints. Returns when to call again at the latest; earlier if the rim's bell rings.
    pub fn turn(&self, now_ms: i64) -> Option<i64> {
        self.0.note_time(now_ms);
        for shard in &self.0.shards {
            if shard.deadline_ms() <= now_ms {
                shard.run(now_ms, self);
            }
        }
        self.checkpoint_if_due(now_ms);
        self.replicate(now_ms);
        self.0.peers.turn(now_ms);
        self.arm()
    }

    /// One turn of the metadata quorum. It may fsync: the rim gives it a thread of its own.
    pub fn quorum_turn(&self, now_ms: i64) -> Option<i64> {
        self.0.note_time(now_ms);
        match self.0.quorum.turn(now_ms, &self.0.views, self) {
            Ok(deadline_ms) => {
                self.0.directories.registered(self.0.quorum.broker_epoch());
                if self.0.quorum.is_running() {
                    self.0.directories.settled();
                }
                if self.0.quorum.is_failure_unheard() {
                    let what = "the controller did not hear of a failed log directory within log.dir.failure.timeout.ms";
                    self.0.rim.halt(what);
                }
                (deadline_ms != NEVER).then_some(deadline_ms)
            }
            Err(fault) => {
                self.0.rim.halt(&format!("the metadata log failed: {fault}"));
                None
            }
        }
    }

    /// A connection that this node asked for ([`Rim::connect`]) is there.
    pub fn link_opened(&self, now_ms: i64, link: LinkId) {
        self.0.note_time(now_ms);
        self.0.peers.opened(now_ms, link);
    }

    /// A frame came on it, without its length prefix.
    pub fn link_received(&self, now_ms: i64, link: LinkId, frame: Bytes) {
        self.0.note_time(now_ms);
        self.0.peers.received(now_ms, link, frame);
    }

    /// It ended, or did not come about.
    pub fn link_closed(&self, now_ms: i64, link: LinkId) {
        self.0.note_time(now_ms);
        if let Some((_, Purpose::Lifecycle)) = self.0.peers.closed(now_ms, link, false) {
            self.tell(QuorumCommand::ControllerHungUp);
        }
    }

    /// It did not come about, for the machine is there and nobody listens: the process has ended, or has yet to start.
    pub fn link_refused(&self, now_ms: i64, link: LinkId) {
        self.0.note_time(now_ms);
        self.0.peers.closed(now_ms, link, true);
    }

    /// The next blocking job, if any; flushes before reads.
    pub fn work(&self) -> Option<Job> {
        self.0.jobs.pop().or_else(|| self.0.cold_reads.take())
    }

    /// Leaves a command that changes nothing in every shard's mailbox, as a neighbour does who finds the shard busy: what comes next
    /// goes through the mailbox, too. For a rim with one thread, whose shards are always free.
    pub fn crowd(&self) {
        for shard in &self.0.shards {
            shard.post(Command::LookForCleaning);
        }
    }

    /// True once the broker is registered, caught up and unfenced; without the broker role, once a leader of the quorum is known.
    pub fn is_ready(&self) -> bool {
        self.0.quorum.is_running()
    }

    /// True once the controller has accepted the broker.
    pub fn is_registered(&self) -> bool {
        self.0.quorum.broker_epoch() >= 0
    }

    /// Begins a controlled shutdown; the rim goes on calling the turns until [`Node::may_stop`].
    pub fn begin_shutdown(&self, now_ms: i64) {
        self.0.note_time(now_ms);
        self.0.is_leaving.store(true, Ordering::Relaxed);
        self.tell(QuorumCommand::Leave);
    }

    /// True when the controller has let this broker go.
    pub fn may_stop(&self) -> bool {
        self.0.quorum.is_gone()
    }

    /// How this node is received by its quorum: what a start that waits for it may have to give up for.
    pub fn reception(&self) -> Reception {
        self.0.quorum.reception()
    }

    /// This node's id.
    pub fn node_id(&self) -> i32 {
        self.0.node_id
    }

    /// The process's loggers, which clients may ask about and change.
    pub(crate) fn loggers(&self) -> &Loggers {
        &self.0.loggers
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.0.cluster_id
    }

    /// The newest committed image.
    pub fn image(&self) -> arc_swap::Guard<Arc<MetadataImage>> {
        self.0.image.load()
    }

    /// Topics and partitions as readers see them.
    pub fn views(&self) -> &Views {
        &self.0.views
    }

    /// What the file settled.
    pub fn config(&self) -> &Arc<StaticConfig> {
        &self.0.config
    }

    /// Where one more thread that handles requests writes what it measures.
    pub fn request_figures(&self) -> Arc<RequestFigures> {
        self.0.figures.lane()
    }

    /// A controlled shutdown has begun.
    pub fn is_leaving(&self) -> bool {
        self.0.is_leaving.load(Ordering::Relaxed)
    }

    /// Figures of the quorum's last turn.
    pub fn quorum_status(&self) -> QuorumStatus {
        self.0.quorum.status()
    }
}

/// What handlers ask of the node.
impl Node {
    pub(crate) fn guard(&self) -> Option<&Authorizer> {
        self.0.guard.as_deref()
    }

    pub(crate) fn delegation(&self) -> &Delegation {
        &self.0.delegation
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.0.quotas
    }

    /// Whether a connection may come from an address (`connection_creation_rate`); counted, if it may.
    pub fn admits(&self, address: core::net::IpAddr, now_ms: i64) -> bool {
        self.0.quotas.admit(address, now_ms)
    }

    /// Measures the work of threads: see [`Rim::stopwatch_us`].
    pub(crate) fn stopwatch_us(&self) -> i64 {
        self.0.rim.stopwatch_us()
    }

    /// Whether it may vote in the metadata quorum.
    pub(crate) fn has_controller(&self) -> bool {
        self.0.has_controller
    }

    /// Fetches that wait for records.
    pub(crate) fn waiting_fetches(&self) -> i64 {
        self.0.figures.waiting_fetches.load(Ordering::Relaxed)
    }

    /// Produces that wait for replicas or a disk.
    pub(crate) fn parked_produces(&self) -> usize {
        self.0.shards.iter().map(ShardCell::parked_produces).sum()
    }

    /// Fetch sessions that are remembered.
    pub(crate) fn fetch_sessions(&self) -> usize {
        self.0.session_cache.len()
    }

    pub(crate) fn figures(&self) -> &NodeFigures {
        &self.0.figures
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    pub(crate) fn greetings(&self) -> &Greetings {
        &self.0.greetings
    }

    /// A time that somebody brought.
    pub(crate) fn note_time(&self, now_ms: i64) {
        self.0.note_time(now_ms);
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.0.directories
    }

    /// The epoch of this broker's registration, -1 without one.
    pub(crate) fn broker_epoch(&self) -> i64 {
        self.0.quorum.broker_epoch()
    }

    pub(crate) fn producer_ids(&self) -> &ProducerIds {
        &self.0.producer_ids
    }

    /// Asks the shard of a partition.
    pub(crate) fn submit(&self, now_ms: i64, cell: &PartitionCell, command: Command) {
        self.submit_to(now_ms, cell.shard, command);
    }

    /// Asks a shard by its index.
    pub(crate) fn submit_to(&self, now_ms: i64, shard: usize, command: Command) {
        if let Some(shard) = self.0.shards.get(shard) {
            shard.submit(now_ms, command, self);
        }
    }

    /// Has the log of a partition opened, if it was found on disk and nobody asked for it yet: waits for that. Then there is a view, or
    /// the partition is offline.
    pub(crate) fn open_log(&self, now_ms: i64, cell: &PartitionCell) {
        if let (Some(place), Some(shard)) = (cell.unopened(), self.0.shards.get(cell.shard)) {
            shard.post(Command::Open { place, key: cell.key });
            shard.finish(now_ms, self);
        }
    }

    /// The newest view of a partition that this node leads.
    pub(crate) fn leader_view(
        &self,
        now_ms: i64,
        cell: &PartitionCell,
        current_leader_epoch: i32,
    ) -> Result<LeaderView, ErrorCode> {
        match cell.leader_view(current_leader_epoch) {
            Err(ErrorCode::NotLeaderOrFollower) => {
                // It may have been opened between two looks.
                self.open_log(now_ms, cell);
                cell.leader_view(current_leader_epoch)
            }
            known => known,
        }
    }

    /// A look at the same view where it stands: see [`PartitionCell::look`].
    pub(crate) fn look<T>(
        &self,
        now_ms: i64,
        cell: &PartitionCell,
        asks: (i32, Reader),
        mut look: impl FnMut(&LogView) -> T,
    ) -> Result<T, ErrorCode> {
        match cell.look(asks, &mut look) {
            Err(ErrorCode::NotLeaderOrFollower) => {
                self.open_log(now_ms, cell);
                cell.look(asks, look)
            }
            known => known,
        }
    }

    /// Appends in a shard, within the call if it is free.
    pub(crate) fn append(&self, now_ms: i64, shard: usize, append: Append) -> Appending {
        match self.0.shards.get(shard) {
            Some(shard) => shard.append(now_ms, append, self),
            None => Appending::Parked(reply().1),
        }
    }

    /// Ready at that time.
    pub(crate) fn at(&self, now_ms: i64, deadline_ms: i64) -> Answer<()> {
        let (reply, answer) = reply();
        self.submit_to(now_ms, 0, Command::Remind { deadline_ms, reply });
        answer
    }

    /// Asks a coordinator in the shard of its partition, within the call if that is free.
    pub(crate) fn ask(&self, now_ms: i64, ask: Ask) {
        if let Some(shard) = self.0.shards.get(ask.cell.shard) {
            shard.ask(now_ms, ask, self);
        }
    }

    /// Asks the active controller, wherever it is.
    pub(crate) fn propose(&self, command: ControllerCommand) -> Answer<ControllerAnswer> {
        let (reply, answer) = reply();
        self.tell(QuorumCommand::Propose(Box::new(command), reply));
        answer
    }

    /// Asks the controller in this node; it gives the command back if it is not the active one.
    pub(crate) fn decide(
        &self,
        command: ControllerCommand,
    ) -> Answer<Result<ControllerAnswer, Box<ControllerCommand>>> {
        let (reply, answer) = reply();
        self.tell(QuorumCommand::Decide(Box::new(command), reply));
        answer
    }

    /// How long a request waits for a controller that takes it.
    pub(crate) fn controller_patience_ms(&self) -> i64 {
        self.0.controller_patience_ms
    }

    /// Brings a client's request to the active controller, wherever it is.
    pub(crate) fn forward(&self, envelope: EnvelopeRequest, deadline_ms: i64) -> Answer<Forwarded> {
        let (reply, answer) = reply();
        self.tell(QuorumCommand::Forward(envelope, deadline_ms, reply));
        answer
    }

    /// Topics of streams applications that are being made.
    pub(crate) fn streams_topics(&self) -> &StreamsTopics {
        &self.0.streams_topics
    }

    /// Sends topics that nobody asked an administrator for on their way; whoever needs them asks again, as with Kafka.
    pub(crate) fn create_unasked(&self, topics: Vec<CreatableTopic>) {
        self.tell(QuorumCommand::CreateUnasked(topics));
    }

    /// Asks the quorum itself in the protocol of its members; `None` if it is gone.
    pub(crate) async fn ask_quorum<Q: QuorumRequest>(&self, request: Q) -> Option<Q::Answer> {
        let (reply, answer) = reply();
        self.tell(QuorumCommand::Request(Box::new(request.question()), reply));
        answer.await.ok().and_then(Q::answer)
    }

    /// Sends a request to another node; it hears its end through the request itself.
    pub(crate) fn ask_peer(&self, now_ms: i64, to: &PeerAddress, purpose: Purpose, request: PeerRequest) {
        self.0.peers.ask(now_ms, to, purpose, request);
        self.due(self.0.peers.next_ms());
    }

    /// How fast followers that are brought up may read what this node leads.
    pub(crate) fn leader_throttle(&self) -> &Throttle {
        &self.0.fetchers.throttles().leader
    }

    /// Has something read on a thread that may wait for the platter.
    pub(crate) fn read_cold(&self, read: impl FnOnce() + Send + 'static) {
        self.0.cold_reads.add(read);
    }

    /// What was read for fetches and is still to be sent.
    pub(crate) fn fetch_memory(&self) -> &Arc<ReadMemory> {
        &self.0.fetch_memory
    }

    /// What records call the time.
    pub(crate) fn wall_ms(&self, now_ms: i64) -> i64 {
        self.0.wall.at(now_ms)
    }

    /// The latest time that anybody brought.
    pub(crate) fn latest_ms(&self) -> i64 {
        self.0.latest_ms.load(Ordering::Relaxed)
    }

    /// A broker's fetch begins to wait here. Numbers that no broker has are not remembered.
    pub(crate) fn park(&self, broker_id: i32, watch: &Arc<Watch>) {
        if self.image().cluster.broker(broker_id).is_some() {
            self.0.parked_fetches.park(broker_id, watch);
        }
    }

    /// A broker has more to ask than what its fetch waits for.
    pub(crate) fn call_back(&self, broker_id: i32) {
        if self.image().cluster.broker(broker_id).is_some() {
            self.0.parked_fetches.call_back(broker_id);
        }
    }

    /// An id that nobody else has.
    pub(crate) fn new_uuid(&self) -> Uuid {
        let serial = self.0.session_serial.fetch_add(1, Ordering::Relaxed);
        let mut random = wire::random::SplitMix64::new(serial);
        loop {
            let bits = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            if let Some(id) = Uuid::from_random(bits) {
                return id;
            }
        }
    }

    /// A number for a new fetch session: positive, and not to be guessed from the one before.
    pub(crate) fn new_fetch_session_id(&self) -> i32 {
        let serial = self.0.session_serial.fetch_add(1, Ordering::Relaxed);
        let mixed = wire::random::SplitMix64::new(serial).next_u64();
        i32::try_from(mixed >> 33).unwrap_or(1).max(1)
    }
}

impl NodeState {
    fn note_time(&self, now_ms: i64) {
        if now_ms > self.latest_ms.load(Ordering::Relaxed) {
            self.latest_ms.fetch_max(now_ms, Ordering::Relaxed);
        }
    }
}
