//! The nodes of a local cluster: their directories, their files, their processes. Each is a process of its own, so that it can be
//! killed as a machine would die.

use crate::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a node may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(40);
/// Between two looks at a node that stops.
const LOOK: Duration = Duration::from_millis(50);

/// What the nodes have in common.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Each node has a directory in it.
    pub directory: PathBuf,
    /// How many.
    pub nodes: u16,
    /// In how many racks; 0 for none.
    pub racks: u16,
    /// The first node's port for clients; its controller listens [`CONTROLLER_PORTS`] above.
    pub port: u16,
    /// Keys of Kafka's configuration that all of them get.
    pub set: Vec<String>,
}

/// From a node's port for clients to its controller's.
pub const CONTROLLER_PORTS: u16 = 10_000;

impl Layout {
    /// Where clients connect to a node.
    pub fn address(&self, node: u16) -> String {
        format!("127.0.0.1:{}", self.port + node - 1)
    }

    /// All nodes.
    pub fn bootstrap(&self) -> String {
        (1..=self.nodes).map(|node| self.address(node)).collect::<Vec<_>>().join(",")
    }

    /// A node's rack, if there are any.
    pub fn rack(&self, node: u16) -> Option<String> {
        (self.racks > 0).then(|| format!("rack-{}", (node - 1) % self.racks + 1))
    }

    fn home(&self, node: u16) -> PathBuf {
        self.directory.join(format!("node-{node}"))
    }

    /// Where a node's lines go.
    pub fn log(&self, node: u16) -> PathBuf {
        self.home(node).join("node.log")
    }

    fn file(&self, node: u16) -> PathBuf {
        self.home(node).join("server.properties")
    }

    /// A node's configuration, as Kafka would read it.
    fn properties(&self, node: u16) -> String {
        let controller = |node: u16| format!("127.0.0.1:{}", self.port + CONTROLLER_PORTS + node - 1);
        let voters = (1..=self.nodes).map(|node| format!("{node}@{}", controller(node)));
        let voters = voters.collect::<Vec<_>>().join(",");
        let address = self.address(node);
        let copies = self.nodes.min(3);
        let in_sync = if copies >= 3 { 2 } else { 1 };
        let mut lines = vec![
            "process.roles=broker,controller".to_owned(),
            format!("node.id={node}"),
            format!("listeners=PLAINTEXT://{address},CONTROLLER://{}", controller(node)),
            format!("advertised.listeners=PLAINTEXT://{address}"),
            "inter.broker.listener.name=PLAINTEXT".to_owned(),
            "controller.listener.names=CONTROLLER".to_owned(),
            format!("controller.quorum.voters={voters}"),
            format!("log.dirs={}", self.home(node).join("data").display()),
            format!("default.replication.factor={copies}"),
            format!("min.insync.replicas={in_sync}"),
            format!("offsets.topic.replication.factor={copies}"),
            "offsets.topic.num.partitions=12".to_owned(),
        ];
        lines.extend(self.rack(node).map(|rack| format!("broker.rack={rack}")));
        lines.extend(self.set.iter().cloned());
        lines.push(String::new());
        lines.join("\n")
    }

    /// Writes every node's file, and formats the directories that are not.
    pub fn prepare(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.directory).map_err(|error| cannot("make", &self.directory, &error))?;
        // Absolute: nodes have no business with where this was typed.
        let cluster_id = self.cluster_id()?;
        for node in 1..=self.nodes {
            let (home, file) = (self.home(node), self.file(node));
            fs::create_dir_all(&home).map_err(|error| cannot("make", &home, &error))?;
            fs::write(&file, self.properties(node)).map_err(|error| cannot("write", &file, &error))?;
            let format = ["storage", "format", "--ignore-formatted", "-t", &cluster_id, "-c"];
            let done = program()?.args(format).arg(&file).stdin(Stdio::null()).output()?;
            if !done.status.success() {
                let hint = match self.set.is_empty() {
                    true => "another --data-dir, or delete this one",
                    false => "other values of --set; another --data-dir, or delete this one",
                };
                let why = reason(&String::from_utf8_lossy(&done.stderr));
                return Err(Failure::new(format!("cannot format node {node}"), why).try_this(hint));
            }
        }
        Ok(())
    }

    /// The one that this directory has had before, or a new one.
    fn cluster_id(&self) -> Result<String, Failure> {
        let file = self.directory.join("cluster.id");
        match fs::read_to_string(&file) {
            Ok(id) => Ok(id.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = program()?.args(["storage", "random-uuid"]).output()?;
                let id = String::from_utf8_lossy(&made.stdout).trim().to_owned();
                fs::write(&file, &id).map_err(|error| cannot("write", &file, &error))?;
                Ok(id)
            }
            Err(error) => Err(cannot("read", &file, &error)),
        }
    }
}

/// Why a command of this program failed: the second of its three lines, or what it says as Kafka's would, in one.
fn reason(told: &str) -> String {
    let why = told.lines().find_map(|line| line.strip_prefix("  why: "));
    let last = || told.lines().rfind(|line| !line.trim().is_empty());
    why.or_else(last).unwrap_or("it does not say why").to_owned()
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}", path.display()), error).try_this("another --data-dir")
}

/// This very program.
fn program() -> io::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// One node's process.
pub struct NodeProcess {
    number: u16,
    child: Option<Child>,
    is_paused: bool,
}

impl NodeProcess {
    /// A node that is not started.
    pub fn new(number: u16) -> NodeProcess {
        NodeProcess { number, child: None, is_paused: false }
    }

    /// Starts it; its lines are appended to its log. In a group of its own: a Ctrl-C is for whoever minds it, not for it.
    pub fn start(&mut self, layout: &Layout) -> Result<(), Failure> {
        let log = layout.log(self.number);
        let lines =
            File::options().create(true).append(true).open(&log).map_err(|e| cannot("write", &log, &e))?;
        let mut command = program()?;
        command.args(["server", "-c"]).arg(layout.file(self.number)).process_group(0).stdin(Stdio::null());
        command.stdout(lines.try_clone()?).stderr(lines);
        self.child = Some(command.spawn()?);
        self.is_paused = false;
        Ok(())
    }

    /// What it is doing, for people; looks whether it has ended by itself.
    pub fn state(&mut self) -> String {
        match self.ended() {
            None if self.child.is_none() => "down".to_owned(),
            None if self.is_paused => "paused".to_owned(),
            None => "up".to_owned(),
            Some(status) => match status.signal() {
                Some(signal) => format!("ended by signal {signal}"),
                None => format!("ended with {}", status.code().unwrap_or(-1)),
            },
        }
    }

    /// True while there is a process.
    pub fn is_up(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// As a machine dies: kill -9.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Stops or continues it, as a stalled machine would.
    pub fn pause(&mut self, pause: bool) -> io::Result<()> {
        self.signal(if pause { Signal::STOP } else { Signal::CONT })?;
        self.is_paused = pause;
        Ok(())
    }

    /// Asks it to stop in order.
    pub fn ask_to_stop(&mut self) -> io::Result<()> {
        if self.is_paused {
            self.pause(false)?;
        }
        self.signal(Signal::TERM)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if !self.is_up() {
            return Ok(());
        }
        match self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed())) {
            Some(pid) => Ok(kill_process(pid, signal)?),
            None => Ok(()),
        }
    }

    /// Waits for it to have stopped; kills it after a while.
    pub fn wait_stopped(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while self.is_up() {
            if began.elapsed() > STOP_LIMIT {
                return self.kill();
            }
            std::thread::sleep(LOOK);
        }
        self.child = None;
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Whatever ended this command, no node is left behind.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(nodes: u16, racks: u16) -> Layout {
        Layout {
            directory: PathBuf::from("/x"),
            nodes,
            racks,
            port: 9092,
            set: vec!["num.partitions=6".to_owned()],
        }
    }

    #[test]
    fn a_reason_is_found_in_three_lines_and_in_one() {
        assert_eq!(reason("error: x\n  why: because\n  try: y\n"), "because");
        assert_eq!(reason("Invalid value 0 for configuration a\n\n"), "Invalid value 0 for configuration a");
        assert_eq!(reason(""), "it does not say why");
    }

    #[test]
    fn every_node_knows_all_voters_and_its_own_place() {
        let text = layout(3, 2).properties(3);
        for line in [
            "node.id=3",
            "listeners=PLAINTEXT://127.0.0.1:9094,CONTROLLER://127.0.0.1:19094",
            "controller.quorum.voters=1@127.0.0.1:19092,2@127.0.0.1:19093,3@127.0.0.1:19094",
            "min.insync.replicas=2",
            "broker.rack=rack-1",
            "num.partitions=6",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
        assert!(!layout(1, 0).properties(1).contains("rack"));
        assert!(layout(1, 0).properties(1).contains("default.replication.factor=1"));
    }
}
