//! Building a node from its directories: identity, metadata log, quorum, shards. The first turns bring it to life.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use arc_swap::ArcSwap;
use kraft::controller::{ControllerOptions, TokenOptions};
use kraft::hosted::inspect::Inspection;
use kraft::hosted::{MetadataQuorum, QuorumOptions, SnapshotPolicy};
use kraft::raft::{Endpoints, RaftOptions, VoterSet};
use log::directory::MetaProperties;
use log::{Disk, Fault, LogConfig, ReadMemory};
use wire::messages::broker_registration::{
    BrokerRegistrationRequest, Feature, Listener as RegisteredListener,
};
use wire::sasl::delegation::TokenSecret;
use wire::wall::Wall;
use wire::{Str, Uuid};

use super::{Node, NodeState};
use crate::config::{BrokerFile, BrokerLayers, StaticConfig, Values, ValuesDoor};
use crate::disks::cleaners::{CleanerSettings, Cleaners};
use crate::disks::directories::{Directories, Directory, Listed};
use crate::disks::moves::Moves;
use crate::fetch::cold_reads::ColdReads;
use crate::fetch::parked::ParkedFetches;
use crate::fetch::session_cache::SessionCache;
use crate::greetings::Greetings;
use crate::limits::FETCH_MEMORY_BYTES;
use crate::loggers::Loggers;
use crate::mailbox::Mailbox;
use crate::metrics::node_figures::NodeFigures;
use crate::peers::Peers;
use crate::quorum::image_delta::{Listeners, Publisher};
use crate::quorum::lifecycle::Lifecycle;
use crate::quorum::metadata_files;
use crate::quorum::producer_ids::ProducerIds;
use crate::quorum::{PartitionMetadataLog, Parts, Patience, QuorumCell};
use crate::quotas::Quotas;
use crate::replication::fetcher::FetchTerms;
use crate::replication::fetchers::Fetchers;
use crate::rim::Rim;
use crate::security::audit::Audit;
use crate::security::authorizer::{Authorizer, STANDARD_AUTHORIZER};
use crate::security::delegation::Delegation;
use crate::shard::cell::ShardCell;
use crate::shard::{Shard, Surroundings};
use crate::share::sessions::ShareSessions;
use crate::streams_topics::StreamsTopics;
use crate::telemetry::Telemetry;
use crate::views::Views;

/// Delegation tokens, as the file has them.
fn delegation(options: &NodeOptions, random: &mut wire::random::SplitMix64) -> Delegation {
    let listeners = options.listeners.iter().chain(&options.controller_listeners);
    let protocols = listeners.map(|one| (one.name.clone(), one.security_protocol.clone())).collect();
    let salt = (u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())).to_be_bytes();
    Delegation::new(options.config.file().text("delegation.token.secret.key"), protocols, salt)
}

/// An address that clients are told.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The listener's name, e.g. `PLAINTEXT`.
    pub name: String,
    /// What Metadata says: the advertised host.
    pub host: String,
    /// The advertised port (the bound one if the configuration says 0).
    pub port: u16,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT`, `SASL_SSL`.
    pub security_protocol: String,
}

/// `process.roles`: one of them at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Serves clients.
    pub broker: bool,
    /// May vote in the metadata quorum.
    pub controller: bool,
}

impl Roles {
    /// Both.
    pub const COMBINED: Roles = Roles { broker: true, controller: true };
}

/// A voter of `controller.quorum.voters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumVoter {
    /// Its node id.
    pub id: i32,
    /// Its controller endpoint.
    pub host: String,
    /// Its controller endpoint.
    pub port: u16,
}

/// What the rim must know to open a node; everything else is in the directories.
pub struct NodeOptions {
    /// `node.id`
    pub node_id: i32,
    /// `process.roles`
    pub roles: Roles,
    /// `inter.broker.listener.name`, resolved: by it brokers reach each other.
    pub inter_broker_listener: String,
    /// `controller.listener.names`: by the first of them controllers are reached.
    pub controller_listener_names: Vec<String>,
    /// `controller.quorum.voters`; empty with a dynamic quorum (KIP-853).
    pub voters: Vec<QuorumVoter>,
    /// `controller.quorum.bootstrap.servers`: hosts and ports where voters may be found.
    pub bootstrap_servers: Vec<(String, u16)>,
    /// The advertised listeners (not those of the controller role).
    pub listeners: Vec<Listener>,
    /// The listeners of the controller role.
    pub controller_listeners: Vec<Listener>,
    /// `log.dirs`, formatted (each holds a meta.properties).
    pub directories: Vec<PathBuf>,
    /// `metadata.log.dir`, one of the above unless configured otherwise.
    pub metadata_directory: PathBuf,
    /// What the file says.
    pub config: StaticConfig,
    /// The bells.
    pub rim: Arc<dyn Rim>,
    /// What the wall clock makes of the times that the calls bring.
    pub wall: Wall,
    /// The process's loggers.
    pub loggers: Arc<Loggers>,
    /// What of the rim obeys the broker's own values.
    pub values_door: ValuesDoor,
}

/// Why a node could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// A directory cannot be read or written.
    Disk(Fault),
    /// The directories are not what the options say: not formatted, another node's, another cluster's.
    Identity(String),
    /// The metadata log is damaged or newer than this build.
    Metadata(String),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Disk(fault) => fault.fmt(f),
            OpenError::Identity(what) | OpenError::Metadata(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> OpenError {
        OpenError::Disk(fault)
    }
}

impl Node {
    /// Opens the directories and everything on them; the node does nothing until its turns are called. The rim calls
    /// [`Node::quorum_turn`] first, and both turns at their deadlines from then on.
    pub fn open(
        options: NodeOptions,
        disk: Arc<dyn Disk>,
        seed: u64,
        now_ms: i64,
    ) -> Result<Node, OpenError> {
        let mut random = wire::random::SplitMix64::new(seed);
        let read = refuse_a_newer_release(&options, &disk)?;
        let found = Listed::look(&disk, &options.directories).map_err(OpenError::Identity)?;
        let identity = complete_identities(&options, &disk, &mut random)?;
        let directories = Arc::new(Directories::open(&disk, found, &options.metadata_directory)?);
        let config = Arc::new(options.config.clone());
        let (file, shard_count) = (config.file(), config.shards.max(1));
        let on_disk = OnDisk { identity: &identity, directories: &directories, disk: &disk, read };
        let quorum = open_quorum(&options, on_disk, random.next_u64(), now_ms)?;
        let (listeners, cordoned) = listeners(options.node_id, &config, &directories, &options.values_door);
        let lifecycle = lifecycle(&options, &identity, &directories, cordoned, &mut random);
        let own = (options.node_id, lifecycle.as_ref().map(Lifecycle::incarnation_id));
        let publisher = Publisher::new(own, shard_count, Arc::clone(&config), listeners.clone());
        let shared = (&options, &disk, &directories, &config, &listeners);
        let mut shard = |at| Shard::new(surroundings(shared, at, random.next_u64()), now_ms);
        let shards = (0..shard_count).map(|at| ShardCell::new(shard(at))).collect();
        Ok(Node(Arc::new(NodeState {
            shards,
            node_id: options.node_id,
            has_controller: options.roles.controller,
            cluster_id: identity.cluster_id,
            rim: Arc::clone(&options.rim),
            wall: options.wall.clone(),
            loggers: Arc::clone(&options.loggers),
            guard: guard(&config)?,
            delegation: delegation(&options, &mut random),
            audit: Audit::new(),
            quotas: Quotas::new(config.quota_windows),
            telemetry: Telemetry::new(config.telemetry_max_bytes),
            greetings: Greetings::default(),
            directories,
            quorum: QuorumCell::new(parts(&options, quorum, publisher, lifecycle)),
            image: ArcSwap::default(),
            views: Views::default(),
            producer_ids: ProducerIds::default(),
            short_of_ids: Default::default(),
            repairs: Default::default(),
            controller_patience_ms: patience(&file).controller_ms,
            peers: Peers::new(Arc::clone(&options.rim), options.node_id, options.config.logins.clone()),
            fetchers: listeners.fetchers,
            figures: listeners.figures,
            inter_broker_listener: Str::from(options.inter_broker_listener.as_str()),
            is_leaving: AtomicBool::new(false),
            jobs: Mailbox::default(),
            cold_reads: ColdReads::new(Arc::clone(&options.rim)),
            fetch_memory: ReadMemory::new(FETCH_MEMORY_BYTES),
            armed_ms: AtomicI64::new(i64::MIN),
            next_checkpoint_ms: AtomicI64::new(now_ms.saturating_add(checkpoint_interval_ms(&file))),
            checkpoint_interval_ms: checkpoint_interval_ms(&file),
            latest_ms: AtomicI64::new(now_ms),
            session_serial: AtomicU64::new(seed),
            parked_fetches: ParkedFetches::default(),
            session_cache: session_cache(&file),
            streams_topics: StreamsTopics::default(),
            share_sessions: ShareSessions::new(config.share.max_share_sessions),
            config,
        })))
    }
}

/// What all shards need to know of their node.
type Shared<'a> =
    (&'a NodeOptions, &'a Arc<dyn Disk>, &'a Arc<Directories>, &'a Arc<StaticConfig>, &'a Listeners);

/// What one of them needs to know.
fn surroundings(shared: Shared<'_>, index: usize, seed: u64) -> Surroundings {
    let (options, disk, directories, config, listeners) = shared;
    let file = config.file();
    Surroundings {
        index,
        node_id: options.node_id,
        disk: Arc::clone(disk),
        directories: Arc::clone(directories),
        config: Arc::clone(config),
        cleaners: Arc::clone(&listeners.cleaners),
        moves: Arc::clone(&listeners.moves),
        coordinators: (group_config(&file), transaction_config(&file), share_config(&file)),
        wall: options.wall.clone(),
        initial_task_delay_ms: file.number("log.initial.task.delay.ms"),
        retention_check_interval_ms: file.number("log.retention.check.interval.ms"),
        producer_expiry_interval_ms: file.number("producer.id.expiration.check.interval.ms"),
        seed,
    }
}

/// What the file says of who may do what; nothing where it names no authorizer.
fn guard(config: &StaticConfig) -> Result<Option<Box<Authorizer>>, OpenError> {
    let class = config.file().text("authorizer.class.name").unwrap_or_default().to_owned();
    match class.as_str() {
        "" => return Ok(None),
        STANDARD_AUTHORIZER => {}
        // The file was refused for it before; whoever comes here by another way is refused as well.
        other => {
            return Err(OpenError::Identity(format!(
                "authorizer.class.name={other}: no such class is known"
            )));
        }
    }
    let text = |key: &str| config.values.get(key).map(String::as_str).unwrap_or_default();
    let authorizer = Authorizer::new(text("super.users"), text("allow.everyone.if.no.acl.found"));
    let authorizer = authorizer.map_err(OpenError::Identity)?;
    Ok(Some(Box::new(authorizer)))
}

fn parts(
    options: &NodeOptions,
    quorum: MetadataQuorum,
    publisher: Publisher,
    lifecycle: Option<Lifecycle>,
) -> Parts {
    let file = options.config.file();
    let (listener, patience) = (controller_listener(options), patience(&file));
    Parts { node_id: options.node_id, quorum, publisher, lifecycle, listener, patience }
}

/// Heartbeats that a stalled broker misses before it is fenced.
const BEATS_PER_STALL: i64 = 4;

/// `broker.stall.timeout.ms`; 0 where it would be no earlier than the session's end.
fn stall_timeout_ms(config: &StaticConfig) -> i64 {
    let stall_ms = config.file().number("broker.stall.timeout.ms");
    if stall_ms < config.broker_session_timeout_ms { stall_ms } else { 0 }
}

/// The broker's own life, if the node is one.
fn lifecycle(
    options: &NodeOptions,
    identity: &Identity,
    directories: &Directories,
    cordoned: Vec<Uuid>,
    random: &mut wire::random::SplitMix64,
) -> Option<Lifecycle> {
    if !options.roles.broker {
        return None;
    }
    let registration = registration(options, identity, directories, random);
    let config = &options.config;
    // Often enough for a controller to know silence from chance; one of Kafka's does not mind.
    let interval_ms = match stall_timeout_ms(config) {
        0 => config.broker_heartbeat_interval_ms,
        stall_ms => config.broker_heartbeat_interval_ms.min((stall_ms / BEATS_PER_STALL).max(1)),
    };
    let mut lifecycle = Lifecycle::new(registration, interval_ms);
    lifecycle.failure_timeout(options.config.file().number("log.dir.failure.timeout.ms"));
    lifecycle.cordoned(cordoned);
    Some(lifecycle)
}

/// What obeys the broker's own settings, as the file has them, and the log directories that it cordons.
fn listeners(
    node_id: i32,
    config: &StaticConfig,
    directories: &Arc<Directories>,
    outside: &ValuesDoor,
) -> (Listeners, Vec<Uuid>) {
    let layers =
        BrokerLayers { per_broker: &Values::new(), cluster_wide: &Values::new(), file: &config.values };
    let cordoned = directories.cordon(&layers.list("cordoned.log.dirs"));
    let listeners = Listeners {
        cleaners: Arc::new(Cleaners::new(CleanerSettings::resolve(&layers))),
        moves: Arc::new(Moves::new(&layers, directories.iter().count())),
        directories: Arc::clone(directories),
        fetchers: Arc::new(fetchers(node_id, &config.file(), &layers)),
        outside: Arc::clone(outside),
        figures: Arc::new(NodeFigures::default()),
    };
    outside(&layers);
    (listeners, cordoned)
}

/// What fetches for the node's own replicas.
fn fetchers(node_id: i32, file: &BrokerFile, layers: &BrokerLayers<'_>) -> Fetchers {
    let int = |name: &str| i32::try_from(file.number(name)).unwrap_or(i32::MAX);
    let terms = FetchTerms {
        node_id,
        max_wait_ms: int("replica.fetch.wait.max.ms"),
        min_bytes: int("replica.fetch.min.bytes"),
        max_bytes: int("replica.fetch.response.max.bytes"),
        partition_max_bytes: int("replica.fetch.max.bytes"),
        backoff_ms: file.number("replica.fetch.backoff.ms"),
        timeout_ms: file.number("replica.socket.timeout.ms"),
    };
    Fetchers::new(terms, layers)
}

/// With as many fetch sessions as the node remembers.
fn session_cache(file: &BrokerFile) -> Arc<SessionCache> {
    let slots = file.number("max.incremental.fetch.session.cache.slots");
    Arc::new(SessionCache::new(usize::try_from(slots).unwrap_or(0)))
}

/// The offset checkpoints of a directory are written together, when something changed, at the shortest interval that any of them
/// asks for; what an interval of 0 means is "at once", which a fiftieth of a second is for a file that only saves work.
fn checkpoint_interval_ms(file: &BrokerFile) -> i64 {
    const KEYS: [&str; 3] = [
        "log.flush.offset.checkpoint.interval.ms",
        "log.flush.start.offset.checkpoint.interval.ms",
        "replica.high.watermark.checkpoint.interval.ms",
    ];
    KEYS.iter().map(|key| file.number(key)).fold(i64::MAX, i64::min).max(20)
}

/// However often a broker speaks, a controller that flushes has this long to answer.
const LEAST_HEARTBEAT_PATIENCE_MS: i64 = 1_000;

/// What the metadata directory says this node is.
struct Identity {
    cluster_id: Str,
    metadata_directory_id: Uuid,
}

impl Identity {
    fn read(options: &NodeOptions, disk: &Arc<dyn Disk>) -> Result<Identity, OpenError> {
        let path = &options.metadata_directory;
        let meta = log::LogDirectory::new(Arc::clone(disk), path).meta_properties()?;
        let not_formatted = || {
            OpenError::Identity(format!("{} is not formatted: it holds no meta.properties", path.display()))
        };
        let meta = meta.ok_or_else(not_formatted)?;
        let cluster_id = meta.cluster_id.ok_or_else(not_formatted)?;
        if let Some(node_id) = meta.node_id.filter(|&id| id != options.node_id) {
            return Err(OpenError::Identity(format!(
                "{} belongs to node {node_id}, this is node {}",
                path.display(),
                options.node_id
            )));
        }
        let metadata_directory_id = meta.directory_id.unwrap_or(Uuid::ZERO);
        Ok(Identity { cluster_id: Str::from(cluster_id), metadata_directory_id })
    }
}

/// Before anything is touched: what is not for this release must be left as it was. Answers what it has read of the metadata.
fn refuse_a_newer_release(
    options: &NodeOptions,
    disk: &Arc<dyn Disk>,
) -> Result<Option<Inspection>, OpenError> {
    // Another node's directories are refused for that first.
    Identity::read(options, disk)?;
    let read = metadata_files::read(&**disk, &options.metadata_directory).map_err(OpenError::Metadata)?;
    let obstacles = read.as_ref().map(metadata_files::obstacles);
    obstacles.into_iter().flatten().next().map_or(Ok(read), |why| Err(OpenError::Metadata(why)))
}

/// A directory that an older release formatted has no id of its own: it is given one, as Kafka does at every start.
fn complete_identities(
    options: &NodeOptions,
    disk: &Arc<dyn Disk>,
    random: &mut wire::random::SplitMix64,
) -> Result<Identity, OpenError> {
    let all = options.directories.iter().chain([&options.metadata_directory]);
    for path in all.collect::<std::collections::BTreeSet<_>>() {
        let directory = log::LogDirectory::new(Arc::clone(disk), path);
        let completed = directory.meta_properties().and_then(|meta| match meta {
            Some(meta) if meta.directory_id.is_none() => {
                let id = random_id(random);
                tracing::info!(directory = %path.display(), %id, "the directory is given an id of its own");
                directory.write_meta_properties(&MetaProperties { directory_id: Some(id), ..meta })
            }
            Some(_) | None => Ok(()),
        });
        match completed {
            Err(fault) if *path == options.metadata_directory => return Err(fault.into()),
            // Whoever opens it next finds it broken, and goes on without it.
            Err(fault) => {
                tracing::error!(%fault, directory = %path.display(), "the directory cannot be given an id")
            }
            Ok(()) => {}
        }
    }
    Identity::read(options, disk)
}

fn random_id(random: &mut wire::random::SplitMix64) -> Uuid {
    loop {
        let bits = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
        if let Some(id) = Uuid::from_random(bits) {
            return id;
        }
    }
}

/// What the quorum is opened on.
struct OnDisk<'a> {
    identity: &'a Identity,
    directories: &'a Directories,
    disk: &'a Arc<dyn Disk>,
    read: Option<Inspection>,
}

fn open_quorum(
    options: &NodeOptions,
    on_disk: OnDisk<'_>,
    seed: u64,
    now_ms: i64,
) -> Result<MetadataQuorum, OpenError> {
    let OnDisk { identity, directories, disk, read } = on_disk;
    let file = options.config.file();
    let clean_shutdown = directories
        .iter()
        .find(|directory| directory.log.path() == options.metadata_directory)
        .is_some_and(|directory| directory.clean_shutdown.is_some());
    let log_config = LogConfig {
        segment_bytes: u32::try_from(file.number("metadata.log.segment.bytes")).unwrap_or(1 << 30),
        segment_ms: file.number("metadata.log.segment.ms"),
        retention_ms: -1,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    let log = PartitionMetadataLog::open(
        Arc::clone(disk),
        &options.metadata_directory,
        log_config,
        clean_shutdown,
        options.wall.at(now_ms),
    )?;
    let quorum_options = QuorumOptions {
        raft: raft_options(options, identity, &file),
        controller: options.roles.controller.then(|| controller_options(options, identity, &file)),
        snapshots: SnapshotPolicy {
            max_bytes_between: u64::try_from(file.number("metadata.log.max.record.bytes.between.snapshots"))
                .unwrap_or(u64::MAX),
            max_interval_ms: file.number("metadata.log.max.snapshot.interval.ms"),
            retention_bytes: file.number("metadata.max.retention.bytes"),
            retention_ms: file.number("metadata.max.retention.ms"),
        },
        bootstrap: Vec::new(),
        read,
        seed,
    };
    let rules = Arc::new(crate::quorum::rules::Rules::new(options.node_id, options.config.values.clone()));
    MetadataQuorum::open(quorum_options, Box::new(log), rules, now_ms)
        .map_err(|error| OpenError::Metadata(error.to_string()))
}

fn raft_options(options: &NodeOptions, identity: &Identity, file: &BrokerFile) -> RaftOptions {
    let listener_name = controller_listener(options);
    let first = options.controller_listeners.first();
    let local: Endpoints = options
        .controller_listeners
        .iter()
        .map(|listener| (Str::from(&listener.name), (Str::from(&listener.host), listener.port)))
        .collect();
    // Without a controller listener (a process on its own, no server.properties) the node is its own and only voter.
    let own_address =
        first.map_or((Str::from_static("localhost"), 0), |first| (Str::from(&first.host), first.port));
    let voter = |voter: &QuorumVoter| (voter.id, Str::from(&voter.host), voter.port);
    let mut fixed: Vec<(i32, Str, u16)> = options.voters.iter().map(voter).collect();
    let server = |(host, port): &(String, u16)| (Str::from(host), *port);
    let bootstrap_servers: Vec<(Str, u16)> = options.bootstrap_servers.iter().map(server).collect();
    if fixed.is_empty() && bootstrap_servers.is_empty() && options.roles.controller {
        fixed.push((options.node_id, own_address.0, own_address.1));
    }
    RaftOptions {
        node_id: options.node_id,
        directory_id: identity.metadata_directory_id,
        cluster_id: identity.cluster_id.clone(),
        fixed_voters: VoterSet::fixed(&listener_name, fixed),
        listener_name,
        local_endpoints: local,
        auto_join: file.flag("controller.quorum.auto.join.enable"),
        bootstrap_servers,
        election_timeout_ms: file.number("controller.quorum.election.timeout.ms"),
        fetch_timeout_ms: file.number("controller.quorum.fetch.timeout.ms"),
        election_backoff_max_ms: file.number("controller.quorum.election.backoff.max.ms"),
        request_timeout_ms: file.number("controller.quorum.request.timeout.ms"),
        retry_backoff_ms: file.number("controller.quorum.retry.backoff.ms"),
        wall: options.wall.clone(),
    }
}

/// The name of the listener by which controllers are reached, also on a node that has none itself.
fn controller_listener(options: &NodeOptions) -> Str {
    let named = options.controller_listener_names.first();
    let own = options.controller_listeners.first().map(|first| &first.name);
    named.or(own).map_or_else(|| Str::from_static("CONTROLLER"), Str::from)
}

fn patience(file: &BrokerFile) -> Patience {
    let heartbeat_ms = file.number("broker.heartbeat.interval.ms").max(LEAST_HEARTBEAT_PATIENCE_MS);
    Patience {
        quorum_ms: file.number("controller.quorum.request.timeout.ms"),
        controller_ms: file.number("controller.socket.timeout.ms"),
        heartbeat_ms,
    }
}

fn controller_options(options: &NodeOptions, identity: &Identity, file: &BrokerFile) -> ControllerOptions {
    let config = &options.config;
    let rebalance = file.flag("auto.leader.rebalance.enable");
    let seconds = file.number("leader.imbalance.check.interval.seconds");
    let secret = file.text("delegation.token.secret.key").filter(|secret| !secret.is_empty());
    ControllerOptions {
        node_id: options.node_id,
        cluster_id: identity.cluster_id.clone(),
        default_replication_factor: config.default_replication_factor,
        default_num_partitions: config.num_partitions,
        session_timeout_ms: config.broker_session_timeout_ms,
        stall_timeout_ms: stall_timeout_ms(config),
        max_idle_interval_ms: file.number("metadata.max.idle.interval.ms"),
        leader_imbalance_check_interval_ms: rebalance.then(|| seconds.saturating_mul(1_000)),
        unclean_election_check_interval_ms: file.number("unclean.leader.election.interval.ms"),
        delegation_tokens: secret.map(|secret| TokenOptions {
            secret: TokenSecret::new(secret),
            max_lifetime_ms: file.number("delegation.token.max.lifetime.ms"),
            expiry_time_ms: file.number("delegation.token.expiry.time.ms"),
            expiry_check_interval_ms: file.number("delegation.token.expiry.check.interval.ms"),
        }),
    }
}

fn registration(
    options: &NodeOptions,
    identity: &Identity,
    directories: &Directories,
    random: &mut wire::random::SplitMix64,
) -> BrokerRegistrationRequest {
    let incarnation_id = random_id(random);
    let listener = |listener: &Listener| RegisteredListener {
        name: Str::from(&listener.name),
        host: Str::from(&listener.host),
        port: listener.port,
        security_protocol: security_protocol_id(&listener.security_protocol),
    };
    let feature = |(name, range): (&'static str, kraft::features::VersionRange)| Feature {
        name: Str::from_static(name),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    // After an unclean stop the controller must not take this broker for one that kept everything (KIP-966).
    let working = directories.iter().filter(|directory| !directory.is_failed());
    let kept = working.map(Directory::kept_epoch).collect::<Option<Vec<_>>>();
    BrokerRegistrationRequest {
        broker_id: options.node_id,
        cluster_id: identity.cluster_id.clone(),
        incarnation_id,
        listeners: options.listeners.iter().map(listener).collect(),
        features: kraft::features::supported().into_iter().map(feature).collect(),
        rack: options.config.broker_rack.as_deref().map(Str::from),
        is_migrating_zk_broker: false,
        log_dirs: directories.online(),
        previous_broker_epoch: kept.and_then(|epochs| epochs.into_iter().min()).unwrap_or(-1),
    }
}

/// Kafka's numbers of the security protocols.
fn security_protocol_id(name: &str) -> i16 {
    match name {
        "SSL" => 1,
        "SASL_PLAINTEXT" => 2,
        "SASL_SSL" => 3,
        _ => 0,
    }
}

fn transaction_config(file: &BrokerFile) -> coordinator::transaction::TransactionConfig {
    coordinator::transaction::TransactionConfig {
        max_timeout_ms: i32::try_from(file.number("transaction.max.timeout.ms")).unwrap_or(i32::MAX),
        id_expiration_ms: file.number("transactional.id.expiration.ms"),
        expiration_interval_ms: file.number("transaction.remove.expired.transaction.cleanup.interval.ms"),
        two_phase_commit: file.flag("transaction.two.phase.commit.enable"),
        ..coordinator::transaction::TransactionConfig::default()
    }
}

fn share_config(file: &BrokerFile) -> coordinator::share::ShareConfig {
    let updates = file.number("share.coordinator.snapshot.update.records.per.snapshot");
    coordinator::share::ShareConfig {
        updates_per_snapshot: i32::try_from(updates).unwrap_or(i32::MAX),
        cold_snapshot_interval_ms: file.number("share.coordinator.cold.partition.snapshot.interval.ms"),
        prune_interval_ms: file.number("share.coordinator.state.topic.prune.interval.ms"),
    }
}

fn consumer_config(file: &BrokerFile) -> coordinator::group::ConsumerConfig {
    use coordinator::group::{Assignor, MigrationPolicy};
    let int = |name: &str| i32::try_from(file.number(name)).unwrap_or(i32::MAX);
    // An assignor may be named by its class, too.
    let known = |name: &&str| {
        let class = name.strip_prefix("org.apache.kafka.coordinator.group.assignor.");
        let short = class.and_then(|class| class.strip_suffix("Assignor")).map(str::to_lowercase);
        Assignor::of_name(short.as_deref().unwrap_or(name))
    };
    let names = file.list("group.consumer.assignors");
    let mut assignors = names.iter().filter_map(known);
    let policy = file.text("group.consumer.migration.policy").map(str::to_lowercase);
    coordinator::group::ConsumerConfig {
        session_timeout_ms: int("group.consumer.session.timeout.ms"),
        min_session_timeout_ms: int("group.consumer.min.session.timeout.ms"),
        max_session_timeout_ms: int("group.consumer.max.session.timeout.ms"),
        heartbeat_interval_ms: int("group.consumer.heartbeat.interval.ms"),
        min_heartbeat_interval_ms: int("group.consumer.min.heartbeat.interval.ms"),
        max_heartbeat_interval_ms: int("group.consumer.max.heartbeat.interval.ms"),
        assignment_interval_ms: int("group.consumer.assignment.interval.ms"),
        min_assignment_interval_ms: int("group.consumer.min.assignment.interval.ms"),
        max_assignment_interval_ms: int("group.consumer.max.assignment.interval.ms"),
        max_size: int("group.consumer.max.size"),
        assignors: [assignors.next(), assignors.next()],
        regex_refresh_interval_ms: int("group.consumer.regex.refresh.interval.ms"),
        migration_policy: match policy.as_deref() {
            Some("disabled") => MigrationPolicy::Disabled,
            Some("upgrade") => MigrationPolicy::Upgrade,
            Some("downgrade") => MigrationPolicy::Downgrade,
            Some(_) | None => MigrationPolicy::Bidirectional,
        },
    }
}

fn share_group_config(file: &BrokerFile) -> coordinator::group::ShareGroupConfig {
    let int = |name: &str| i32::try_from(file.number(name)).unwrap_or(i32::MAX);
    coordinator::group::ShareGroupConfig {
        session_timeout_ms: int("group.share.session.timeout.ms"),
        min_session_timeout_ms: int("group.share.min.session.timeout.ms"),
        max_session_timeout_ms: int("group.share.max.session.timeout.ms"),
        heartbeat_interval_ms: int("group.share.heartbeat.interval.ms"),
        min_heartbeat_interval_ms: int("group.share.min.heartbeat.interval.ms"),
        max_heartbeat_interval_ms: int("group.share.max.heartbeat.interval.ms"),
        assignment_interval_ms: int("group.share.assignment.interval.ms"),
        min_assignment_interval_ms: int("group.share.min.assignment.interval.ms"),
        max_assignment_interval_ms: int("group.share.max.assignment.interval.ms"),
        max_size: int("group.share.max.size"),
        initialize_retry_interval_ms: int("group.share.initialize.retry.interval.ms"),
    }
}

fn streams_group_config(file: &BrokerFile) -> coordinator::group::StreamsGroupConfig {
    let int = |name: &str| i32::try_from(file.number(name)).unwrap_or(i32::MAX);
    coordinator::group::StreamsGroupConfig {
        session_timeout_ms: int("group.streams.session.timeout.ms"),
        min_session_timeout_ms: int("group.streams.min.session.timeout.ms"),
        max_session_timeout_ms: int("group.streams.max.session.timeout.ms"),
        heartbeat_interval_ms: int("group.streams.heartbeat.interval.ms"),
        min_heartbeat_interval_ms: int("group.streams.min.heartbeat.interval.ms"),
        max_heartbeat_interval_ms: int("group.streams.max.heartbeat.interval.ms"),
        assignment_interval_ms: int("group.streams.assignment.interval.ms"),
        min_assignment_interval_ms: int("group.streams.min.assignment.interval.ms"),
        max_assignment_interval_ms: int("group.streams.max.assignment.interval.ms"),
        initial_rebalance_delay_ms: int("group.streams.initial.rebalance.delay.ms"),
        task_offset_interval_ms: int("group.streams.task.offset.interval.ms"),
        min_task_offset_interval_ms: int("group.streams.min.task.offset.interval.ms"),
        acceptable_recovery_lag: file.number("group.streams.acceptable.recovery.lag"),
        num_standby_replicas: int("group.streams.num.standby.replicas"),
        max_standby_replicas: int("group.streams.max.standby.replicas"),
        rack_aware_assignment_tags: file.list("group.streams.rack.aware.assignment.tags").join(",").into(),
        max_size: int("group.streams.max.size"),
    }
}

fn group_config(file: &BrokerFile) -> coordinator::group::GroupConfig {
    let int = |name: &str| i32::try_from(file.number(name)).unwrap_or(i32::MAX);
    coordinator::group::GroupConfig {
        classic_min_session_timeout_ms: int("group.min.session.timeout.ms"),
        classic_max_session_timeout_ms: int("group.max.session.timeout.ms"),
        classic_initial_rebalance_delay_ms: int("group.initial.rebalance.delay.ms"),
        classic_max_size: int("group.max.size"),
        consumer: consumer_config(file),
        share: share_group_config(file),
        streams: streams_group_config(file),
        offset_metadata_max_bytes: int("offset.metadata.max.bytes"),
        offsets_retention_ms: file.number("offsets.retention.minutes").saturating_mul(60_000),
        offsets_retention_check_interval_ms: file.number("offsets.retention.check.interval.ms"),
        ..coordinator::group::GroupConfig::default()
    }
}
