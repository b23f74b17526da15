//! A broker process under test: Ottla's release binary or the reference, on a port and a directory of its own.
//!
//! Owns the process, its `server.properties` and its data directory below the target directory; ends the process when
//! dropped. Both brokers get the same properties.

use crate::oracle::Oracle;
use crate::process::{pause, signal_group, spawn};
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Which broker a stage is run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Ottla,
    /// Apache Kafka.
    Kafka,
}

impl Kind {
    /// For log files and directories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ottla => "ottla",
            Self::Kafka => "kafka",
        }
    }
}

/// A running (or killed, or stopped) broker.
pub struct Broker {
    kind: Kind,
    host: String,
    port: u16,
    controller: u16,
    /// The program below which it is started, and its arguments; empty for none.
    within: Vec<String>,
    directory: PathBuf,
    log: PathBuf,
    starts: usize,
    child: Option<Child>,
}

/// How long a broker may take from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Settings of a single node that both brokers take; small internal topics, no waiting for more members.
const PROPERTIES: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ("controller.listener.names", "CONTROLLER"),
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
];

impl Broker {
    /// Starts a fresh node; `name` tells its directory and log apart, `overrides` are added to the properties.
    pub fn start(workspace: &Workspace, kind: Kind, name: &str, overrides: &[(&str, &str)]) -> Result<Self> {
        let directory = workspace.scratch("brokers")?.join(format!("{name}-{}", kind.name()));
        let _ = std::fs::remove_dir_all(&directory);
        Self::start_on(workspace, kind, directory, overrides)
    }

    /// Starts a node on a directory that may hold data already (`data/` below it).
    pub fn start_on(
        workspace: &Workspace,
        kind: Kind,
        directory: PathBuf,
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        let mut broker = Self::prepare_on(workspace, kind, directory, overrides)?;
        broker.restart(workspace)?;
        Ok(broker)
    }

    /// A fresh node that is not started yet: for those who take the time of the start itself.
    pub fn prepare(
        workspace: &Workspace,
        kind: Kind,
        name: &str,
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        let directory = workspace.scratch("brokers")?.join(format!("{name}-{}", kind.name()));
        let _ = std::fs::remove_dir_all(&directory);
        Self::prepare_on(workspace, kind, directory, overrides)
    }

    fn prepare_on(
        workspace: &Workspace,
        kind: Kind,
        directory: PathBuf,
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        let ports = free_ports()?;
        let broker = Self::prepare_at(directory, kind, ports, overrides)?;
        // Ours formats its directory by itself.
        if kind == Kind::Kafka {
            broker.format(workspace)?;
        }
        Ok(broker)
    }

    /// A node on this directory and these ports (its own, its controller's), neither formatted nor started.
    pub fn prepare_at(
        directory: PathBuf,
        kind: Kind,
        (port, controller): (u16, u16),
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        std::fs::create_dir_all(&directory)?;
        let mut settings = Self::properties(port, controller, &directory);
        let node = overrides.iter().find(|(key, _)| *key == "node.id").map_or("1", |(_, id)| id);
        settings.retain(|(key, _)| key != "controller.quorum.voters");
        settings.push(("controller.quorum.voters".into(), format!("{node}@127.0.0.1:{controller}")));
        for (key, value) in overrides {
            settings.retain(|(known, _)| known != key);
            settings.push(((*key).to_owned(), (*value).to_owned()));
        }
        // An empty value takes a key out.
        settings.retain(|(_, value)| !value.is_empty());
        let text: String = settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        std::fs::write(directory.join("server.properties"), text)?;
        let (host, log) = ("127.0.0.1".to_owned(), directory.join("server"));
        Ok(Self { kind, host, port, controller, within: Vec::new(), directory, log, starts: 0, child: None })
    }

    /// It is found on another host than this one, as its listeners say, and started by the program that gets there.
    pub fn at_host(mut self, host: String, within: Vec<String>) -> Self {
        (self.host, self.within) = (host, within);
        self
    }

    /// What every node gets: key and value, data in `data/` below the directory.
    pub fn properties(port: u16, controller: u16, directory: &Path) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> =
            PROPERTIES.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
        settings.push(("listeners".into(), listeners));
        settings.push(("advertised.listeners".into(), format!("PLAINTEXT://127.0.0.1:{port}")));
        settings.push(("controller.quorum.voters".into(), format!("1@127.0.0.1:{controller}")));
        settings.push(("log.dirs".into(), directory.join("data").display().to_string()));
        settings
    }

    /// What does not run is of that kind from its next start on, on the same directory and with the same configuration.
    pub fn becomes(&mut self, kind: Kind) {
        assert!(self.child.is_none(), "a process does not change what it is");
        self.kind = kind;
    }

    /// Starts the process (again) on its directory and waits until it answers.
    pub fn restart(&mut self, workspace: &Workspace) -> Result<()> {
        self.launch(workspace)?;
        self.wait_until_up()
    }

    /// Starts the process and does not wait.
    pub fn launch(&mut self, workspace: &Workspace) -> Result<()> {
        self.launch_below(workspace, &[])
    }

    /// The same below another program (`valgrind` and its arguments); the process is that program's.
    pub fn launch_below(&mut self, workspace: &Workspace, program: &[String]) -> Result<()> {
        let properties = self.properties_file();
        let mut command = match self.kind {
            Kind::Ottla => {
                let mut command = Command::new(binary(workspace));
                command.args(["server", "-c"]).arg(&properties);
                command
            }
            Kind::Kafka => {
                let mut command = Oracle::install(workspace)?.java("1g", &[]);
                command.arg("kafka.Kafka").arg(&properties);
                command
            }
        };
        for program in [program, &self.within] {
            if let [outer, arguments @ ..] = program {
                let mut below = Command::new(outer);
                below.args(arguments).arg(command.get_program()).args(command.get_args());
                command = below;
            }
        }
        self.starts += 1;
        self.log.set_file_name(format!("server-{}.log", self.starts));
        self.child = Some(spawn(&mut command, &self.log)?);
        Ok(())
    }

    /// `HOST:PORT` for clients.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same of the controller's listener.
    pub fn controller_address(&self) -> String {
        format!("{}:{}", self.host, self.controller)
    }

    /// The file that it is started with.
    pub fn properties_file(&self) -> PathBuf {
        self.directory.join("server.properties")
    }

    /// The node's data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The log of the newest start.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The process's id; 0 if it does not run.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// True while the process is there.
    pub fn alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            signal_group(child.id(), "KILL");
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM, and waits; `None` if it had to be killed after 30 seconds.
    pub fn stop(&mut self) -> Result<Option<ExitStatus>> {
        self.ask_to_stop();
        self.wait_stopped()
    }

    /// SIGTERM, and does not wait.
    pub fn ask_to_stop(&self) {
        if let Some(child) = &self.child {
            signal_group(child.id(), "TERM");
        }
    }

    /// Waits for a process that was asked to stop; `None` if it had to be killed after 30 seconds.
    pub fn wait_stopped(&mut self) -> Result<Option<ExitStatus>> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            pause(Duration::from_millis(20));
        }
        signal_group(child.id(), "KILL");
        child.wait()?;
        Ok(None)
    }

    /// The most resident memory that the process had at any time, in KiB.
    pub fn peak_kib(&self) -> Option<u64> {
        let id = self.child.as_ref()?.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Gives the directory the cluster id that all nodes under test have, unless it has one.
    pub fn format(&self, workspace: &Workspace) -> Result<()> {
        if self.data().join("meta.properties").exists() {
            return Ok(());
        }
        self.format_with(workspace, &[])
    }

    /// The same of directories that nobody has formatted, with more arguments.
    pub fn format_with(&self, workspace: &Workspace, more: &[&str]) -> Result<()> {
        let mut command = match self.kind {
            Kind::Ottla => {
                let mut command = Command::new(binary(workspace));
                command.arg("storage");
                command
            }
            Kind::Kafka => {
                let mut command = Oracle::install(workspace)?.java("256m", &[]);
                command.arg("kafka.tools.StorageTool");
                command
            }
        };
        command.args(["format", "-t", "b3R0bGEtdGVzdC1ub2RlMA", "-c"]).arg(self.properties_file()).args(more);
        let finished =
            crate::process::run(&mut command, &self.directory.join("format.log"), Duration::from_secs(60))?;
        if !finished.success {
            bail!("{} could not format its directory: {}", self.kind.name(), finished.tail(5));
        }
        Ok(())
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if !self.alive() {
                bail!("{} ended at its start: {}", self.kind.name(), self.last_words());
            }
            if self.answers() {
                return Ok(());
            }
            pause(Duration::from_millis(10));
        }
        bail!("{} does not answer after {} s: {}", self.kind.name(), START_LIMIT.as_secs(), self.last_words())
    }

    /// Where its log is, and the end of it: for a failure that is seen elsewhere.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("{}\n{}", self.log.display(), lines[lines.len().saturating_sub(15)..].join("\n"))
    }

    /// One Metadata request by hand: up is who lists itself as a broker.
    fn answers(&self) -> bool {
        lists_a_broker(&self.address()).unwrap_or(false)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The release build, or what the environment names instead.
pub fn binary(workspace: &Workspace) -> PathBuf {
    std::env::var_os("OTTLA_BINARY").map_or_else(|| workspace.target.join("release/ottla"), PathBuf::from)
}

/// Metadata version 1 for no topics; the answer begins with the array of brokers.
fn lists_a_broker(address: &str) -> Result<bool> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address.parse()?, limit)?;
    stream.set_read_timeout(Some(limit))?;
    let request: &[u8] = &[0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];
    stream.write_all(&(request.len() as u32).to_be_bytes())?;
    stream.write_all(request)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let (correlation, brokers) = (&head[4..8], &head[8..12]);
    Ok(correlation == [0, 0, 0, 7] && brokers != [0, 0, 0, 0])
}

/// Ports that the kernel gives to nobody by itself: below the range that outgoing connections are given ports from.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// Two ports that were free a moment ago. Stages run side by side, each in a process of its own: each begins to look where
/// its process id says, so that two rarely look at the same port.
pub fn free_ports() -> Result<(u16, u16)> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let mut found = Vec::new();
    let width = u32::from(PORTS.end - PORTS.start);
    for _ in 0..width {
        let step = std::process::id().wrapping_mul(97).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(step % width)?;
        let Ok(_socket) = TcpListener::bind(("127.0.0.1", port)) else { continue };
        found.push(port);
        if let [first, second] = found[..] {
            return Ok((first, second));
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
