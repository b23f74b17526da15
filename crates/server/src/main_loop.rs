//! The life of a process: directories, sockets, node, threads; and the way back.
//!
//! Owns the order in which things start and stop. Starting: bind (a taken port is found before anything is touched), lock and
//! check the directories, open the node, start its threads, then accept. Stopping: close the doors, let the controller
//! move leadership away, close the connections, end the threads, then flush and leave the clean-shutdown markers.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use broker::config::ValuesDoor;
use broker::metrics::scrape::Scraper;
use broker::node::{Listener, OpenError};
use broker::{ConnectionCaps, Node, NodeOptions};
use log::{Disk, RealDisk};
use net::listener::{self, ANY_RATE, Admission, ConnectionLimits, ListenerLimits};
use net::{Budget, FrameLimits};

use crate::bells::Bells;
use crate::clock::Clock;
use crate::http::{Http, Watched};
use crate::journey::Journey;
use crate::lanes::{Door, LinkTerms, Refusals, RunningLanes, Shared, WayOut};
use crate::listeners::Endpoint;
use crate::security::{KeysWatch, Security};
use crate::settings::Settings;
use crate::threads::NodeThreads;
use crate::tls::Certificates;
use crate::{machine, random, takeover};

mod prepare;
mod reach;
mod readiness;

use prepare::prepare_directories;
pub(crate) use prepare::{Prospect, examine};
use readiness::{turned_back, wait_until_gone, wait_until_ready};

pub use crate::start_error::StartError;

/// Connections waiting to be accepted. Kafka's default of 50 makes a storm of clients wait for their SYN retries; the kernel
/// caps it by `somaxconn`.
const BACKLOG_MIN: u32 = 1024;

/// The limit of an answer from another node is never below this: it may have been told to take larger requests than this one.
const ANSWER_BYTES_MIN: usize = 100 << 20;

/// What stands around the records of the largest answer.
const ANSWER_SLACK_BYTES: usize = 16 << 20;

/// What all connections together may have sent before they have said who they are: some thirty of the largest messages of SASL, and
/// thousands of usual ones, of which the first 2 KiB are not counted. Memory grows by doubling: twice as much is held at worst.
const STRANGERS_BYTES_MAX: usize = 16 << 20;

/// A node that runs until it is stopped.
pub struct Running {
    node: Node,
    clock: Arc<Clock>,
    lanes: RunningLanes,
    threads: NodeThreads,
    bound: BTreeMap<String, SocketAddr>,
    directories: Vec<PathBuf>,
    /// Tells those who watch; ends before the node.
    http: Option<Http>,
    /// What runs beside the node by its listeners, and ends before them.
    beside: Vec<Ending>,
    /// Reads keys again when they change; ends with the node.
    _keys: KeysWatch,
    /// Holds the locks of the directories.
    _disk: Arc<dyn Disk>,
}

/// Ends what runs beside a node, and returns when it has.
pub type Ending = Box<dyn FnOnce() + Send + Sync>;

/// Starts a node. `cluster_id` is used where the node formats itself and the directories carry none.
pub fn start(settings: &Settings, cluster_id: Option<&str>) -> Result<Running, StartError> {
    start_watched(settings, cluster_id, &Journey::default())
}

/// The same under somebody's eyes, who may want it back.
pub fn start_watched(
    settings: &Settings,
    cluster_id: Option<&str>,
    journey: &Journey,
) -> Result<Running, StartError> {
    let began = Instant::now();
    tell_doubts(settings);
    let clock = Arc::new(Clock::start());
    let descriptors = machine::take_descriptors();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(descriptors.files));
    let security = Security::read(settings)?;
    let doors = bind(settings, &security, journey)?;
    let bound: BTreeMap<String, SocketAddr> =
        doors.iter().filter_map(|door| Some((door.name.clone(), door.socket.local_addr().ok()?))).collect();
    prepare_directories(settings, &disk, cluster_id, clock.wall().at(clock.now_ms()), journey)?;
    turned_back(journey)?;
    journey.waits_for("the directories to be read");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let no_lanes = |e: io::Error| StartError::new("cannot make the network threads", e, "ulimit -n");
    let way_out = WayOut::new(cores).map_err(no_lanes)?;
    let bells = Bells::new(&way_out);
    let seed = random::seed().map_err(|e| StartError::new("no randomness", e, "ls -l /dev/urandom"))?;
    let admission = Arc::new(Admission::default());
    let door = values_door(settings, &admission, descriptors.connections, &security);
    let mut options = node_options(settings, &bound, cores, &bells, &clock, door);
    options.config.logins = security.logins();
    let node = Node::open(options, disk.clone(), seed, clock.now_ms())
        .map_err(|error| refused_to_open(settings, &error))?;
    turned_back(journey)?;
    journey.waits_for("the threads to start");
    let no_threads = |e: io::Error| StartError::new("cannot start the threads", e, "ulimit -u");
    let threads = NodeThreads::start(&node, &clock, &bells).map_err(no_threads)?;
    let keys = security.watch().map_err(no_threads)?;
    let certificates = security.tls().certificates();
    let watched = watched(settings, &node, &clock, &admission, certificates);
    let shared = Arc::new(shared(settings, &node, &clock, admission, &security));
    let lanes = RunningLanes::start(&way_out, &shared).map_err(no_threads)?;
    // Who asks whether the node is ready is answered before it is.
    let http = Http::start(&settings.metrics.addresses, watched);
    // The quorum comes about only if its members reach each other.
    let (controllers, brokers): (Vec<Door>, Vec<Door>) = doors.into_iter().partition(|door| door.controller);
    lanes.open(controllers);
    // Clients wait in the backlog until then: before its registration the node would tell them what an earlier life (or
    // another broker on this directory) registered, and refuse new topics for want of a broker.
    if let Err(why) = wait_until_ready(settings, &node, &threads, journey) {
        http.into_iter().for_each(Http::stop);
        lanes.stop();
        threads.stop(journey);
        node.close(clock.now_ms(), &|_| ());
        return Err(why);
    }
    for line in takeover::unkept(&node.image(), &settings.file) {
        tracing::warn!("{line}");
    }
    lanes.open(brokers);
    reach::look_at_advertised(advertised(settings, &bound));
    let directories = settings.directories.clone();
    let beside = Vec::new();
    let running =
        Running { node, clock, lanes, threads, bound, directories, http, beside, _keys: keys, _disk: disk };
    tracing::info!(
        node = settings.node_id,
        cluster = %running.node.cluster_id(),
        "started in {} ms, listening: {}",
        began.elapsed().as_millis(),
        running.listens()
    );
    Ok(running)
}

/// What is served all the same, and somebody should know.
fn tell_doubts(settings: &Settings) {
    for doubt in settings.doubtful_addresses() {
        tracing::warn!("{doubt}");
    }
    match settings.told_open() {
        Some((line, true)) => tracing::warn!("{line}"),
        Some((line, false)) => tracing::info!("on this machine alone {line}"),
        None => {}
    }
}

/// Where clients are told that this node is.
fn advertised(settings: &Settings, bound: &BTreeMap<String, SocketAddr>) -> Vec<(String, reach::Address)> {
    let address = |one: &Endpoint| {
        let port = if one.port == 0 { bound.get(&one.name)?.port() } else { one.port };
        Some((one.name.clone(), (one.host.clone().unwrap_or_else(machine::host_name), port)))
    };
    settings.advertised.iter().filter_map(address).collect()
}

impl Running {
    /// Where a listener is bound (the configuration may say port 0).
    pub fn bound(&self, listener: &str) -> Option<SocketAddr> {
        self.bound.get(listener).copied()
    }

    /// Where it tells those who watch.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.bound.first().copied()
    }

    /// Where it listens, for people.
    pub fn listens(&self) -> String {
        let one = |(name, address): (&String, &SocketAddr)| format!("{name} on {address}");
        self.bound.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Where its data is, for people.
    pub fn keeps(&self) -> String {
        self.directories
            .iter()
            .map(|directory| directory.display().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The node itself.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Waits until the broker is registered and unfenced. False if it took longer than `limit`.
    pub fn wait_ready(&self, limit: Duration) -> bool {
        readiness::wait(&self.node, &self.threads, limit, Node::is_ready)
    }

    /// Something runs beside the node from now on: it is ended before the node stops.
    pub fn accompany(&mut self, ending: Ending) {
        self.beside.push(ending);
    }

    /// Stops cleanly.
    pub fn stop(self) {
        self.stop_watched(&Journey::default());
    }

    /// The same under somebody's eyes.
    pub fn stop_watched(self, journey: &Journey) {
        journey.waits_for("what runs beside the node to end");
        self.beside.into_iter().for_each(|ending| ending());
        self.lanes.drain();
        self.node.begin_shutdown(self.clock.now_ms());
        wait_until_gone(&self.node, &self.threads, journey);
        journey.waits_for("the connections to close");
        self.http.into_iter().for_each(Http::stop);
        self.lanes.stop();
        self.threads.stop(journey);
        self.node
            .close(self.clock.now_ms(), &|log| journey.waits_for(format!("{log} to be flushed and closed")));
    }
}

/// Binds every listener, or says which one failed.
fn bind(settings: &Settings, security: &Security, journey: &Journey) -> Result<Vec<Door>, StartError> {
    let backlog = u32::try_from(settings.file.number("socket.listen.backlog.size")).unwrap_or(0);
    let bind_one = |endpoint: &Endpoint| {
        // A name may have to be asked for.
        journey.waits_for(format!("the address {} of {}", endpoint.authority(), endpoint.name));
        let socket = addresses(endpoint)
            .and_then(|all| bind_first(&all, backlog.max(BACKLOG_MIN)))
            .map_err(|error| cannot_listen(endpoint, &error))?;
        let controller = settings.is_controller_listener(&endpoint.name);
        let guard = security.guard(&endpoint.name);
        Ok(Door { socket, name: endpoint.name.clone(), controller, guard })
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
    values_door: ValuesDoor,
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
        roles: settings.roles,
        inter_broker_listener: settings.inter_broker_name.clone(),
        controller_listener_names: settings.controller_names.clone(),
        voters: settings.voters.clone(),
        bootstrap_servers: settings.bootstrap_servers.clone(),
        listeners: settings.advertised.iter().map(told).collect(),
        controller_listeners: settings.controller_advertised.iter().map(told).collect(),
        directories: settings.directories.clone(),
        metadata_directory: settings.metadata_directory.clone(),
        config,
        rim: bells.clone(),
        wall: clock.wall().clone(),
        loggers: Arc::clone(&settings.loggers),
        values_door,
    }
}

/// Caps on connections are the broker's own values, and never more than there are descriptors for.
fn values_door(
    settings: &Settings,
    admission: &Arc<Admission>,
    descriptors: usize,
    security: &Security,
) -> ValuesDoor {
    let admission = admission.clone();
    let of_tls = security.tls().values();
    // Kafka counts by node what brokers need only where they have a listener for themselves, and controllers always apart.
    let of_clients = |name: &str| !settings.is_controller_listener(name);
    let are_apart = settings.listeners.iter().filter(|endpoint| of_clients(&endpoint.name)).count() > 1;
    let is_reserved = |name: &str| !of_clients(name) || (are_apart && name == settings.inter_broker_name);
    let listeners: Vec<(String, bool)> =
        settings.listeners.iter().map(|one| (one.name.clone(), is_reserved(&one.name))).collect();
    let rate = |per_second: u32| if per_second == i32::MAX as u32 { ANY_RATE } else { per_second };
    Arc::new(move |layers| {
        of_tls(layers);
        let caps = ConnectionCaps::resolve(layers);
        let of_listener = |(name, is_reserved): &(String, bool)| {
            let own = caps.of_listeners.get(&name.to_lowercase());
            let limits = ListenerLimits {
                connections: own.map_or(usize::MAX, |own| own.connections),
                per_second: own.map_or(ANY_RATE, |own| rate(own.per_second)),
                is_reserved: *is_reserved,
            };
            (name.clone(), limits)
        };
        admission.limit(ConnectionLimits {
            most: descriptors,
            total: caps.total,
            per_ip: caps.per_ip,
            of_listeners: listeners.iter().map(of_listener).collect(),
            per_ip_overrides: caps.per_ip_overrides,
            per_second: rate(caps.per_second),
        });
    })
}

/// What those who watch are told of.
fn watched(
    settings: &Settings,
    node: &Node,
    clock: &Arc<Clock>,
    admission: &Arc<Admission>,
    certificates: Certificates,
) -> Watched {
    let scraper = Scraper::new(settings.metrics.dialects.clone(), settings.metrics.partition_limit);
    Watched {
        node: node.clone(),
        clock: clock.clone(),
        admission: admission.clone(),
        certificates,
        scraper: tokio::sync::Mutex::new(scraper),
    }
}

fn shared(
    settings: &Settings,
    node: &Node,
    clock: &Arc<Clock>,
    admission: Arc<Admission>,
    security: &Security,
) -> Shared {
    let sockets = &settings.sockets;
    // A quarter of the machine's memory for requests on their way in, unless the configuration says otherwise; always room
    // for one of the largest.
    let budget = sockets
        .queued_max_bytes
        .unwrap_or_else(|| (machine::memory_bytes() / 4).max(sockets.request_max_bytes));
    Shared {
        node: node.clone(),
        listens: Arc::new(node.clone()),
        links: link_terms(settings, security),
        clock: clock.clone(),
        admission,
        budget: Budget::new(budget),
        strangers: Budget::new(STRANGERS_BYTES_MAX),
        limits: FrameLimits { max_bytes: sockets.request_max_bytes },
        patience: sockets.patience,
        refusals: Refusals::default(),
    }
}

/// What another node may answer: as much as a replica asks for, or one batch as large as a client may send, and room for what stands
/// around it.
fn link_terms(settings: &Settings, security: &Security) -> LinkTerms {
    let asked = settings.file.number("replica.fetch.response.max.bytes");
    let largest = usize::try_from(asked).unwrap_or(0).max(settings.sockets.request_max_bytes);
    let max_bytes = largest.max(ANSWER_BYTES_MIN).saturating_add(ANSWER_SLACK_BYTES);
    LinkTerms {
        budget: Budget::new((machine::memory_bytes() / 8).max(max_bytes)),
        limits: FrameLimits { max_bytes },
        setup_ms: settings.file.number("socket.connection.setup.timeout.ms"),
        tls: security.tls().outward(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
