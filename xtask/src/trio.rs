//! Three nodes that are one cluster, of Ottla or of Apache Kafka: each a broker and a controller, a process of its own with a directory
//! of its own on addresses of this machine.
//!
//! Owns the processes: prepares, launches, kills, stalls, stops them, and says who leads. What clients do meanwhile is elsewhere. Nodes are
//! called by their node ids, 1 to 3.

use crate::bench::speak::cluster::{self, Described};
use crate::bench::speak::{self, Connection};
use crate::broker::{Broker, Kind, free_ports};
use crate::network::Network;
use crate::process::{pause, signal_group};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// The nodes' ids.
pub const NODES: [i32; 3] = [1, 2, 3];

/// What three nodes get beside what one gets: everything in three copies, two of which must have what is acknowledged.
const PROPERTIES: &[(&str, &str)] = &[
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("default.replication.factor", "3"),
    ("min.insync.replicas", "2"),
    ("offsets.topic.replication.factor", "3"),
    ("transaction.state.log.replication.factor", "3"),
    ("transaction.state.log.min.isr", "2"),
    ("share.coordinator.state.topic.replication.factor", "3"),
    ("share.coordinator.state.topic.min.isr", "2"),
];

/// The ids of the nodes' first directories where the quorum is told them.
const DIRECTORY_IDS: [&str; 3] =
    ["b3R0bGEtZGlyZWN0b3J5MQ", "b3R0bGEtZGlyZWN0b3J5Mg", "b3R0bGEtZGlyZWN0b3J5Mw"];

/// What three nodes may be beside three nodes on loopback with a log directory each.
#[derive(Default)]
pub struct Layout<'a> {
    /// Where each has a host of its own.
    pub network: Option<&'a Network>,
    /// Of each node; the first one has the metadata, relative ones lie in the node's own directory. One is `data` where none is named.
    pub log_directories: [Vec<PathBuf>; 3],
    /// Those that are brokers and no controllers.
    pub brokers_only: &'a [i32],
    /// The voters can be changed: the directories are told the first ones when they are formatted.
    pub is_dynamic: bool,
    /// A listener of this name beside the open one, which only this program itself uses then.
    pub guarded: Option<&'a str>,
    /// More arguments of the format.
    pub format: &'a [&'a str],
}

/// How long a node may take to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long three nodes may take from their start to being a cluster, and one to be part of it again.
const START_LIMIT: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A cluster of three, some of whose nodes may be down or stand still.
pub struct Trio {
    directory: PathBuf,
    nodes: Vec<Node>,
    /// What a node that comes later has to know of the quorum.
    quorum: (&'static str, String),
    /// Where the guarded listeners are, in the order of the nodes.
    guarded: Vec<String>,
}

struct Node {
    id: i32,
    broker: Broker,
    log_directories: Vec<PathBuf>,
    is_paused: bool,
}

impl Trio {
    /// Three nodes with directories, files and one cluster id, none started; `settings` go to all of them.
    fn prepare(
        workspace: &Workspace,
        kinds: [Kind; 3],
        name: &str,
        settings: &[(&str, &str)],
        layout: &Layout<'_>,
    ) -> Result<Trio> {
        let directory = workspace.scratch("brokers")?.join(format!("{name}-trio"));
        let _ = std::fs::remove_dir_all(&directory);
        let ports = NODES.iter().map(|id| Ok((*id, free_ports()?))).collect::<Result<Vec<_>>>()?;
        let host = |id| layout.network.map_or("127.0.0.1".to_owned(), |network| network.address(id));
        let controllers = |show: fn(i32, String) -> String| {
            let address = |(id, (_, port)): &(i32, (u16, u16))| show(*id, format!("{}:{port}", host(*id)));
            let voters = ports.iter().filter(|(id, _)| !layout.brokers_only.contains(id));
            voters.map(address).collect::<Vec<_>>().join(",")
        };
        let quorum = if layout.is_dynamic {
            ("controller.quorum.bootstrap.servers", controllers(|_, address| address))
        } else {
            ("controller.quorum.voters", controllers(|id, address| format!("{id}@{address}")))
        };
        let initial = controllers(|id, address| {
            let directory = usize::try_from(id - 1).ok().and_then(|place| DIRECTORY_IDS.get(place));
            format!("{id}@{address}:{}", directory.expect("a node is called 1, 2 or 3"))
        });
        let mut format = layout.format.to_vec();
        if layout.is_dynamic {
            format.extend(["--initial-controllers", &initial]);
        }
        let mut trio = Trio { directory, nodes: Vec::new(), quorum, guarded: Vec::new() };
        for (((id, ports), kind), log_directories) in ports.iter().zip(kinds).zip(&layout.log_directories) {
            let mut all: Vec<(&str, &str)> = PROPERTIES.iter().chain(settings).copied().collect();
            let listener = format!("PLAINTEXT://{}:{}", host(*id), ports.0);
            if layout.brokers_only.contains(id) {
                all.extend([("process.roles", "broker"), ("listeners", &listener)]);
            }
            let guarded = layout.guarded.map(|name| trio.guard(name, &host(*id), *ports)).transpose()?;
            if let Some((bound, told)) = &guarded {
                all.extend([("listeners", bound.as_str()), ("advertised.listeners", told.as_str())]);
            }
            let node = trio.node_of(*id, kind, *ports, &all, log_directories, layout.network)?;
            node.broker.format_with(workspace, &format)?;
            trio.nodes.push(node);
        }
        Ok(trio)
    }

    /// The listeners of a node that has a guarded one: what it binds, and what it tells.
    fn guard(&mut self, name: &str, host: &str, ports: (u16, u16)) -> Result<(String, String)> {
        let address = format!("{host}:{}", free_ports()?.0);
        let told = format!("PLAINTEXT://{host}:{},{name}://{address}", ports.0);
        self.guarded.push(address);
        Ok((format!("{told},CONTROLLER://{host}:{}", ports.1), told))
    }

    /// A node's directories and its file; neither formatted nor started.
    fn node_of(
        &self,
        id: i32,
        kind: Kind,
        ports: (u16, u16),
        settings: &[(&str, &str)],
        log_directories: &[PathBuf],
        network: Option<&Network>,
    ) -> Result<Node> {
        let (home, number) = (self.directory.join(format!("node-{id}")), id.to_string());
        let host = network.map_or("127.0.0.1".to_owned(), |network| network.address(id));
        let listeners = format!("PLAINTEXT://{host}:{},CONTROLLER://{host}:{}", ports.0, ports.1);
        let advertised = format!("PLAINTEXT://{host}:{}", ports.0);
        let mut log_directories: Vec<PathBuf> = log_directories.iter().map(|one| home.join(one)).collect();
        if log_directories.is_empty() {
            log_directories.push(home.join("data"));
        }
        for one in &log_directories {
            let _ = std::fs::remove_dir_all(one);
        }
        let names: Vec<String> = log_directories.iter().map(|one| one.display().to_string()).collect();
        let names = names.join(",");
        let own: [(&str, &str); 6] = [
            ("node.id", &number),
            ("listeners", &listeners),
            ("advertised.listeners", &advertised),
            ("log.dirs", &names),
            ("controller.quorum.voters", ""),
            (self.quorum.0, &self.quorum.1),
        ];
        let all: Vec<(&str, &str)> = own.iter().chain(settings).copied().collect();
        let within = network.map_or_else(Vec::new, |network| network.on(id));
        let broker = Broker::prepare_at(home, kind, ports, &all)?.at_host(host, within);
        Ok(Node { id, broker, log_directories, is_paused: false })
    }

    /// A controller that is no broker, formatted without knowing who votes, started, and to be stopped by whoever asked for it.
    pub fn another_controller(&self, workspace: &Workspace, id: i32, network: &Network) -> Result<Broker> {
        let ports = free_ports()?;
        let listener = format!("CONTROLLER://{}:{}", network.address(id), ports.1);
        let settings =
            [("process.roles", "controller"), ("listeners", listener.as_str()), ("advertised.listeners", "")];
        let mut broker = self.node_of(id, Kind::Ottla, ports, &settings, &[], Some(network))?.broker;
        broker.format_with(workspace, &["--no-initial-controllers"])?;
        broker.launch(workspace)?;
        Ok(broker)
    }

    /// Three nodes as the layout says.
    pub fn start_as(
        workspace: &Workspace,
        kinds: [Kind; 3],
        name: &str,
        settings: &[(&str, &str)],
        layout: &Layout<'_>,
    ) -> Result<Trio> {
        let mut trio = Trio::prepare(workspace, kinds, name, settings, layout)?;
        trio.launch_all(workspace)?;
        trio.wait_registered(START_LIMIT)?;
        Ok(trio)
    }

    /// The same of several kinds, in the order of their ids.
    pub fn start_of(
        workspace: &Workspace,
        kinds: [Kind; 3],
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<Trio> {
        Trio::start_as(workspace, kinds, name, settings, &Layout::default())
    }

    /// Three nodes that run and know each other.
    pub fn start(workspace: &Workspace, kind: Kind, name: &str, settings: &[(&str, &str)]) -> Result<Trio> {
        Trio::start_of(workspace, [kind; 3], &format!("{name}-{}", kind.name()), settings)
    }

    /// Starts all processes and does not wait.
    pub fn launch_all(&mut self, workspace: &Workspace) -> Result<()> {
        NODES.iter().try_for_each(|id| self.launch(workspace, *id))
    }

    /// Starts one node's process (again) and does not wait.
    pub fn launch(&mut self, workspace: &Workspace, id: i32) -> Result<()> {
        let node = self.node_mut(id);
        node.is_paused = false;
        node.broker.launch(workspace)
    }

    /// The same below another program.
    pub fn launch_below(&mut self, workspace: &Workspace, id: i32, program: &[String]) -> Result<()> {
        self.node_mut(id).broker.launch_below(workspace, program)
    }

    /// A node that does not run loses all that it had on its disks; its directories are formatted anew, as those of a machine that
    /// comes into the cluster.
    pub fn wipe(&mut self, workspace: &Workspace, id: i32) -> Result<()> {
        let node = self.node_mut(id);
        for directory in &node.log_directories {
            std::fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
        }
        node.broker.format_with(workspace, &["--no-initial-controllers"])
    }

    /// Where a node's partitions lie; the first one has the metadata.
    pub fn log_directories(&self, id: i32) -> &[PathBuf] {
        &self.node(id).log_directories
    }

    /// The file that a node is started with.
    pub fn properties_file(&self, id: i32) -> PathBuf {
        self.node(id).broker.properties_file()
    }

    /// What does not run is of that kind from its next start on: its directory and its configuration stay.
    pub fn becomes(&mut self, id: i32, kind: Kind) {
        self.node_mut(id).broker.becomes(kind);
    }

    /// Starts one node again and waits until everybody that runs lists everybody that runs.
    pub fn restart(&mut self, workspace: &Workspace, id: i32) -> Result<()> {
        self.launch(workspace, id)?;
        self.wait_registered(START_LIMIT)
    }

    /// Waits until every node that runs answers and lists exactly those that run; fails at once if a process has ended.
    pub fn wait_registered(&mut self, limit: Duration) -> Result<()> {
        let wanted = self.running();
        let since = Instant::now();
        loop {
            for id in &wanted {
                let broker = &mut self.node_mut(*id).broker;
                ensure!(broker.alive(), "node {id} has ended: {}", broker.last_words());
            }
            let listed = |id: &i32| {
                let mut ids: Vec<i32> =
                    self.described(*id, Some(&[])).ok()?.brokers.iter().map(|broker| broker.0).collect();
                ids.sort_unstable();
                Some(ids)
            };
            let seen: Vec<Option<Vec<i32>>> = wanted.iter().map(listed).collect();
            if seen.iter().all(|ids| ids.as_ref() == Some(&wanted)) {
                return Ok(());
            }
            if since.elapsed() > limit {
                bail!("after {} s nodes {wanted:?} list {seen:?}; {}", limit.as_secs(), self.last_words());
            }
            pause(LOOK);
        }
    }

    /// Waits until every node that runs shows these topics with all replicas in sync.
    pub fn wait_in_sync(&self, topics: &[&str], limit: Duration) -> Result<()> {
        let since = Instant::now();
        for id in self.running() {
            while !self.described(id, Some(topics)).is_ok_and(|seen| seen.is_in_sync()) {
                if since.elapsed() > limit {
                    let seen = self.described(id, Some(topics));
                    bail!(
                        "node {id} does not show {topics:?} in sync after {} s: {}; {}",
                        limit.as_secs(),
                        seen.map_or_else(|error| format!("{error:#}"), |seen| shortened(&seen)),
                        self.last_words()
                    );
                }
                pause(LOOK);
            }
        }
        Ok(())
    }

    /// Metadata of all topics or of these as one node has it.
    pub fn described(&self, id: i32, topics: Option<&[&str]>) -> Result<Described> {
        let mut connection = Connection::open_within(&self.address(id), ANSWER_LIMIT)?;
        Described::read(connection.call(&speak::metadata(topics))?)
    }

    /// Who leads a partition, as the first node that runs and answers has it.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        let since = Instant::now();
        loop {
            for id in self.running() {
                let seen = self.described(id, Some(&[topic]));
                if let Some((leader, _)) = seen.ok().as_ref().and_then(|seen| seen.leader(partition)) {
                    return Ok(leader);
                }
            }
            ensure!(since.elapsed() < START_LIMIT, "nobody leads {topic}-{partition}: {}", self.last_words());
            pause(LOOK);
        }
    }

    /// The same as one of them has it, which may be cut off from others.
    pub fn leader_seen_by(&self, id: i32, topic: &str, partition: i32) -> Result<i32> {
        let seen = self.described(id, Some(&[topic]))?;
        Ok(seen.leader(partition).map_or(-1, |(leader, _)| leader))
    }

    /// Who leads the quorum: the active controller.
    pub fn active_controller(&self) -> Result<i32> {
        let since = Instant::now();
        loop {
            for id in self.running() {
                if let Ok(leader) = self.active_controller_seen_by(id) {
                    return Ok(leader);
                }
            }
            ensure!(since.elapsed() < START_LIMIT, "nobody leads the quorum: {}", self.last_words());
            pause(LOOK);
        }
    }

    /// The same as one of them has it.
    pub fn active_controller_seen_by(&self, id: i32) -> Result<i32> {
        let address = self.node(id).broker.controller_address();
        cluster::quorum_leader(&mut Connection::open_within(&address, ANSWER_LIMIT)?)
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self, id: i32) -> Result<()> {
        let node = self.node_mut(id);
        node.is_paused = false;
        node.broker.kill()
    }

    /// SIGSTOP: it keeps its sockets and does nothing.
    pub fn pause(&mut self, id: i32) {
        let node = self.node_mut(id);
        signal_group(node.broker.id(), "STOP");
        node.is_paused = true;
    }

    /// SIGCONT.
    pub fn resume(&mut self, id: i32) {
        let node = self.node_mut(id);
        signal_group(node.broker.id(), "CONT");
        node.is_paused = false;
    }

    /// SIGTERM to one, and waits; `None` if it had to be killed.
    pub fn stop(&mut self, id: i32) -> Result<Option<ExitStatus>> {
        self.node_mut(id).broker.stop()
    }

    /// SIGTERM to all at once, and waits: whoever stops last has no quorum left to ask. Those that had to be killed.
    pub fn stop_all(&mut self) -> Result<Vec<i32>> {
        for id in self.running() {
            self.node(id).broker.ask_to_stop();
        }
        let mut killed = Vec::new();
        for node in &mut self.nodes {
            if node.broker.id() != 0 && node.broker.wait_stopped()?.is_none() {
                killed.push(node.id);
            }
        }
        Ok(killed)
    }

    /// Nodes that have a process that does not stand still.
    pub fn running(&self) -> Vec<i32> {
        let up = |node: &&Node| node.broker.id() != 0 && !node.is_paused;
        self.nodes.iter().filter(up).map(|node| node.id).collect()
    }

    /// `HOST:PORT` of one node for clients.
    pub fn address(&self, id: i32) -> String {
        self.node(id).broker.address()
    }

    /// All three, down or not, as clients are configured.
    pub fn bootstrap(&self) -> String {
        NODES.iter().map(|id| self.address(*id)).collect::<Vec<_>>().join(",")
    }

    /// The guarded listeners of all three, as clients are configured.
    pub fn guarded_bootstrap(&self) -> String {
        self.guarded.join(",")
    }

    /// All three as those are configured who speak to controllers.
    pub fn controllers(&self) -> String {
        NODES.iter().map(|id| self.node(*id).broker.controller_address()).collect::<Vec<_>>().join(",")
    }

    /// The id of a node's directory, from its `meta.properties`.
    pub fn directory_id(&self, id: i32) -> Result<String> {
        let path = self.node(id).broker.data().join("meta.properties");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let told = text.lines().find_map(|line| line.strip_prefix("directory.id="));
        Ok(told.with_context(|| format!("no directory.id in {}", path.display()))?.to_owned())
    }

    /// A node's process id; 0 if it does not run.
    pub fn process(&self, id: i32) -> u32 {
        self.node(id).broker.id()
    }

    /// Where the nodes' directories are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The end of every node's log: for a failure that is seen elsewhere.
    pub fn last_words(&self) -> String {
        let words = |node: &Node| format!("node {}: {}", node.id, node.broker.last_words());
        self.nodes.iter().map(words).collect::<Vec<_>>().join("\n")
    }

    fn node(&self, id: i32) -> &Node {
        self.nodes.iter().find(|node| node.id == id).expect("a node is called 1, 2 or 3")
    }

    fn node_mut(&mut self, id: i32) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.id == id).expect("a node is called 1, 2 or 3")
    }
}

/// The partitions that are not in sync, as many as a person reads.
fn shortened(seen: &Described) -> String {
    let behind = |partition: &&cluster::Partition| partition.in_sync.len() < partition.replicas.len();
    let partitions = seen.topics.iter().flat_map(|topic| &topic.partitions).filter(behind).take(5);
    let topics = seen.topics.iter().map(|topic| format!("{} (code {})", topic.name, topic.code)).take(3);
    format!("{:?}, {:?}", topics.collect::<Vec<_>>(), partitions.collect::<Vec<_>>())
}

/// A chore to look at one: starts, kills the active controller, restarts it, stops.
pub fn command(arguments: &[String]) -> Result<bool> {
    let kind = match arguments.first().map(String::as_str) {
        Some("kafka") => Kind::Kafka,
        Some("ottla") | None => Kind::Ottla,
        Some(other) => bail!("{other}: ottla or kafka"),
    };
    let workspace = Workspace::load()?;
    let since = Instant::now();
    let told = |what: &str| crate::words::say(format_args!("{:>6} ms: {what}", since.elapsed().as_millis()));
    let mut trio = Trio::start(&workspace, kind, "trio", &[]).context("the start")?;
    let first = trio.active_controller()?;
    let processes = NODES.map(|id| trio.process(id));
    told(&format!("{} up (processes {processes:?}), node {first} leads the quorum", trio.bootstrap()));
    let topic = speak::create_replicated(&["trio".to_owned()], 6, 3, &[]);
    let address = trio.address(first);
    speak::created(Connection::open(&address)?.call(&topic)?)?;
    trio.wait_in_sync(&["trio"], START_LIMIT)?;
    told(&format!("6 partitions of 3 replicas in sync, node {} leads the first", trio.leader("trio", 0)?));
    trio.kill(first)?;
    let second = trio.active_controller()?;
    told(&format!("node {first} killed, node {second} leads the quorum"));
    trio.wait_registered(START_LIMIT)?;
    told("it is no longer listed");
    trio.restart(&workspace, first)?;
    told("it is listed again");
    trio.wait_in_sync(&["trio"], START_LIMIT)?;
    told("and in sync");
    let third = NODES.into_iter().find(|id| *id != second).context("another one")?;
    trio.pause(third);
    trio.wait_registered(START_LIMIT)?;
    told(&format!("node {third} stands still and is no longer listed"));
    trio.resume(third);
    trio.wait_registered(START_LIMIT)?;
    trio.wait_in_sync(&["trio"], START_LIMIT)?;
    told("it goes on, is listed and in sync");
    let status = trio.stop(third)?;
    trio.wait_registered(START_LIMIT)?;
    told(&format!("it stopped in order with {status:?} and is no longer listed"));
    let killed = trio.stop_all()?;
    told(&format!("all stopped in {}; had to be killed: {killed:?}", trio.directory().display()));
    Ok(killed.is_empty())
}
