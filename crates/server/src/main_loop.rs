//! The life of a process: directories, sockets, node, threads; and the way back.
//!
//! Owns the order in which things start and stop. Starting: bind (a taken port is found before anything is touched), lock and
//! check the directories, open the node, start its threads, then accept. Stopping: close the doors, let the controller
//! move leadership away, close the connections, end the threads, then flush and leave the clean-shutdown markers.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use broker::node::{Listener, OpenError};
use broker::{Node, NodeOptions};
use log::{Disk, RealDisk};
use net::listener::{self, Admission, ConnectionLimits};
use net::{Budget, FrameLimits};

use crate::bells::Bells;
use crate::clock::Clock;
use crate::directories::Ensemble;
use crate::format::{FormatOptions, QuorumChoice, all_directories};
use crate::lanes::{Door, RunningLanes, Shared};
use crate::listeners::Endpoint;
use crate::settings::Settings;
use crate::threads::NodeThreads;
use crate::{format, machine, random, takeover};

/// Connections waiting to be accepted. Kafka's default of 50 makes a storm of clients wait for their SYN retries; the kernel
/// caps it by `somaxconn`.
const BACKLOG_MIN: u32 = 1024;

/// How long the controller may take to let this broker go.
const CONTROLLED_SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

/// Descriptors kept back for files when `max.connections` is not set.
const DESCRIPTORS_FOR_CONNECTIONS: (usize, usize) = (8, 10);

/// Why a node did not start, and what to do about it.
#[derive(Debug)]
pub struct StartError {
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to try.
    pub hint: String,
}

impl StartError {
    fn new(what: impl fmt::Display, why: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self { what: what.to_string(), why: why.to_string(), hint: hint.to_string() }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for StartError {}

/// A node that runs until it is stopped.
pub struct Running {
    node: Node,
    clock: Arc<Clock>,
    lanes: RunningLanes,
    threads: NodeThreads,
    bound: BTreeMap<String, SocketAddr>,
    /// Holds the locks of the directories.
    _disk: Arc<dyn Disk>,
}

/// Starts a node. `cluster_id` is used where the node formats itself and the directories carry none.
pub fn start(settings: &Settings, cluster_id: Option<&str>) -> Result<Running, StartError> {
    let clock = Arc::new(Clock::start());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    let doors = bind(settings)?;
    let bound: BTreeMap<String, SocketAddr> =
        doors.iter().filter_map(|door| Some((door.name.clone(), door.socket.local_addr().ok()?))).collect();
    prepare_directories(settings, &disk, cluster_id, clock.now_ms())?;
    let bells = Bells::new();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let seed = random::seed().map_err(|e| StartError::new("no randomness", e, "ls -l /dev/urandom"))?;
    let node =
        Node::open(node_options(settings, &bound, cores, &bells, &clock), disk.clone(), seed, clock.now_ms())
            .map_err(|error| refused_to_open(settings, &error))?;
    let no_threads = |e: io::Error| StartError::new("cannot start the threads", e, "ulimit -u");
    let threads = NodeThreads::start(&node, &clock, &bells).map_err(no_threads)?;
    let shared = Arc::new(shared(settings, &node, &clock));
    // Connections wait in the backlog until then: before its registration the node would tell clients what an earlier life (or
    // another broker on this directory) registered, and refuse new topics for want of a broker.
    let registration = settings.file.number("initial.broker.registration.timeout.ms");
    let limit = Duration::from_millis(registration.unsigned_abs());
    if !wait(&node, &threads, limit, Node::is_ready) {
        tracing::warn!("the controller has not accepted this broker in time; serving what can be served");
    }
    for line in takeover::unkept(&node.image()) {
        tracing::warn!("{line}");
    }
    let lanes = RunningLanes::start(doors, &shared, cores).map_err(no_threads)?;
    Ok(Running { node, clock, lanes, threads, bound, _disk: disk })
}

impl Running {
    /// Where a listener is bound (the configuration may say port 0).
    pub fn bound(&self, listener: &str) -> Option<SocketAddr> {
        self.bound.get(listener).copied()
    }

    /// Where it listens, for people.
    pub fn listens(&self) -> String {
        let one = |(name, address): (&String, &SocketAddr)| format!("{name} on {address}");
        self.bound.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The node itself.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Waits until the broker is registered and unfenced. False if it took longer than `limit`.
    pub fn wait_ready(&self, limit: Duration) -> bool {
        wait(&self.node, &self.threads, limit, Node::is_ready)
    }

    /// Stops cleanly.
    pub fn stop(self) {
        self.lanes.drain();
        self.node.begin_shutdown(self.clock.now_ms());
        if !wait(&self.node, &self.threads, CONTROLLED_SHUTDOWN_LIMIT, Node::may_stop) {
            tracing::warn!("the controller did not let this broker go in time; stopping without its consent");
        }
        self.lanes.stop();
        self.threads.stop();
        self.node.close(self.clock.now_ms());
    }
}

/// Looks after every turn of the quorum whether the node is so far. False if it took longer than `limit`.
fn wait(node: &Node, threads: &NodeThreads, limit: Duration, until: fn(&Node) -> bool) -> bool {
    let end = Instant::now() + limit;
    while !until(node) {
        let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
        threads.turned.wait(Some(left.min(Duration::from_millis(50))));
    }
    true
}

/// Binds every listener, or says which one failed.
fn bind(settings: &Settings) -> Result<Vec<Door>, StartError> {
    let backlog = u32::try_from(settings.file.number("socket.listen.backlog.size")).unwrap_or(0);
    let bind_one = |endpoint: &Endpoint| {
        let socket = addresses(endpoint)
            .and_then(|all| bind_first(&all, backlog.max(BACKLOG_MIN)))
            .map_err(|error| cannot_listen(endpoint, &error))?;
        let controller = settings.is_controller_listener(&endpoint.name);
        Ok(Door { socket, name: endpoint.name.clone(), controller })
    };
    settings.listeners.iter().map(bind_one).collect()
}

/// No host means every address: IPv6 with IPv4 where the machine has it, else IPv4.
fn addresses(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    match &endpoint.host {
        None => Ok(vec![([0u16; 8], endpoint.port).into(), ([0u8; 4], endpoint.port).into()]),
        Some(host) => Ok((host.as_str(), endpoint.port).to_socket_addrs()?.collect()),
    }
}

fn bind_first(addresses: &[SocketAddr], backlog: u32) -> io::Result<TcpListener> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listener::bind(*address, backlog) {
            Ok(socket) => return Ok(socket),
            // An address family that the machine lacks is no reason to give up; a taken port is.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn cannot_listen(endpoint: &Endpoint, error: &io::Error) -> StartError {
    let what = format!("cannot listen on {} for {}", endpoint.authority(), endpoint.name);
    let port = endpoint.port;
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::new(
            what,
            "the port is in use, perhaps by another broker",
            format!("another port, or `ss -ltnp 'sport = :{port}'` to see who has it"),
        ),
        io::ErrorKind::PermissionDenied => {
            StartError::new(what, "ports below 1024 need privileges", "a port above 1023")
        }
        io::ErrorKind::AddrNotAvailable => StartError::new(
            what,
            "this machine has no such address",
            "0.0.0.0, or an address of `ip address`",
        ),
        _ => StartError::new(what, error, "the listeners of the configuration"),
    }
}

/// Formats what may be formatted, takes the locks, and checks whose directories these are.
fn prepare_directories(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    cluster_id: Option<&str>,
    now_ms: i64,
) -> Result<(), StartError> {
    let directories = all_directories(settings);
    let mut ensemble = Ensemble::load(&**disk, &directories);
    if ensemble.formatted().next().is_none() && settings.is_single_node() {
        format_alone(settings, disk, cluster_id, now_ms)?;
        ensemble = Ensemble::load(&**disk, &directories);
    }
    // One of several directories may be broken: the node serves what lies in the others (KIP-112).
    let metadata = &settings.metadata_directory;
    let fatal = |path: &Path| path == metadata || ensemble.formatted().next().is_none();
    if let Some((path, why)) = ensemble.unreadable().find(|(path, _)| fatal(path)) {
        let what = format!("cannot read {}", path.display());
        return Err(StartError::new(what, why, "the permissions and the disk of that directory"));
    }
    let format_hint = "ottla storage format -t $(ottla storage random-uuid) -c FILE";
    if ensemble.formatted().next().is_none() {
        let why = "No readable meta.properties files found.";
        return Err(StartError::new("the log directories are not formatted", why, format_hint));
    }
    if let Some(path) = ensemble.empty().next() {
        return Err(StartError::new(
            format!("{} is not formatted, but others of this node are", path.display()),
            format!("No `meta.properties` found in {}", path.display()),
            format!("{format_hint} --ignore-formatted, with the cluster id of the others"),
        ));
    }
    ensemble.verify(None, settings.node_id).map_err(|why| {
        let hint = "the log.dirs and the node.id of the configuration, or `ottla storage info -c FILE`";
        StartError::new("these directories are not this node's", why, hint)
    })?;
    ensemble.formatted().try_for_each(|(path, _)| lock(&**disk, path, path == metadata))
}

/// Takes a directory for this process; one that cannot be written is left to the node, which does without it if it can.
fn lock(disk: &dyn Disk, directory: &Path, is_needed: bool) -> Result<(), StartError> {
    let file = directory.join(".lock");
    match disk.lock(&file) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StartError::new(
            format!("{} is in use", directory.display()),
            format!("another process holds {}", file.display()),
            format!("`fuser {}` to see which one", file.display()),
        )),
        Err(fault) if !is_needed => {
            tracing::error!(%fault, directory = %directory.display(), "cannot lock a log directory");
            Ok(())
        }
        Err(fault) => {
            let what = format!("cannot lock {}", directory.display());
            Err(StartError::new(what, fault, "the permissions and the disk of that directory"))
        }
    }
}

/// One node that is the whole cluster needs nobody to format its directories.
fn format_alone(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    cluster_id: Option<&str>,
    now_ms: i64,
) -> Result<(), StartError> {
    let failed = |why: String| {
        let shown = settings.metadata_directory.display();
        StartError::new(
            format!("cannot format {shown}"),
            why,
            "a directory that this user may write, with --data-dir or log.dirs",
        )
    };
    let cluster_id = match cluster_id {
        Some(id) => id.to_owned(),
        None => random::uuid().map_err(|e| failed(e.to_string()))?.to_string(),
    };
    let quorum =
        if settings.voters.is_empty() { QuorumChoice::Standalone } else { QuorumChoice::FromConfiguration };
    let options = FormatOptions { cluster_id, quorum, starts_at_once: true, ..FormatOptions::default() };
    format::format(settings, &options, disk, now_ms, &mut io::sink()).map_err(failed)
}

fn refused_to_open(settings: &Settings, error: &OpenError) -> StartError {
    let hint = match error {
        OpenError::Disk(_) => "the disk and the permissions of that directory",
        OpenError::Identity(_) => "`ottla storage info -c FILE`",
        OpenError::Metadata(_) => {
            "`ottla storage check -c FILE` for all there is to know; nothing was changed"
        }
    };
    StartError::new(format!("cannot open node {}", settings.node_id), error, hint)
}

fn node_options(
    settings: &Settings,
    bound: &BTreeMap<String, SocketAddr>,
    cores: usize,
    bells: &Arc<Bells>,
    clock: &Clock,
) -> NodeOptions {
    let mut config = broker::config::StaticConfig::from_file(settings.file.clone());
    if config.shards == 0 {
        config.shards = cores;
    }
    let told = |endpoint: &Endpoint| Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone().unwrap_or_else(machine::host_name),
        port: match endpoint.port {
            0 => bound.get(&endpoint.name).map_or(0, SocketAddr::port),
            port => port,
        },
        security_protocol: endpoint.protocol.clone(),
    };
    NodeOptions {
        node_id: settings.node_id,
        listeners: settings.advertised.iter().map(told).collect(),
        controller_listeners: settings.controller_advertised.iter().map(told).collect(),
        directories: settings.directories.clone(),
        metadata_directory: settings.metadata_directory.clone(),
        config,
        rim: bells.clone(),
        wall: clock.wall().clone(),
    }
}

fn shared(settings: &Settings, node: &Node, clock: &Arc<Clock>) -> Shared {
    let sockets = &settings.sockets;
    // A quarter of the machine's memory for requests on their way in, unless the configuration says otherwise; always room
    // for one of the largest.
    let budget = sockets
        .queued_max_bytes
        .unwrap_or_else(|| (machine::memory_bytes() / 4).max(sockets.request_max_bytes));
    let mut connections: ConnectionLimits = sockets.connections.clone();
    let (part, whole) = DESCRIPTORS_FOR_CONNECTIONS;
    connections.total = connections.total.min(machine::descriptors_max() / whole * part).max(1);
    Shared {
        node: node.clone(),
        clock: clock.clone(),
        admission: Admission::new(connections),
        budget: Budget::new(budget),
        limits: FrameLimits { max_bytes: sockets.request_max_bytes },
        patience: sockets.patience,
    }
}

#[cfg(test)]
mod tests;
