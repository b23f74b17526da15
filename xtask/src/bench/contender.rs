//! Who is measured: Ottla in its durability modes, the floor, Apache Kafka, a broker that runs already. Owns their processes and
//! directories for the time of a cell; what they are asked is elsewhere.

use super::load;
use crate::broker::{Broker, Kind};
use crate::process::{signal_group, spawn};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ottla,
    /// `cargo xtask floor`; with `sync`, every append is on the disk before its answer.
    Floor {
        sync: bool,
    },
    Kafka,
    /// Somebody else's broker, whose address the command line gave.
    Stranger,
}

#[derive(Clone, Copy, Debug)]
pub struct Contender {
    pub name: &'static str,
    pub who: Who,
    pub settings: &'static [(&'static str, &'static str)],
}

/// Answers from the page cache, as Kafka and the floor do.
pub const OTTLA: Contender =
    Contender { name: "ottla", who: Who::Ottla, settings: &[("log.flush.ack", "none")] };
pub const OTTLA_AUTO: Contender =
    Contender { name: "ottla, auto", who: Who::Ottla, settings: &[("log.flush.ack", "auto")] };
pub const OTTLA_GROUP: Contender =
    Contender { name: "ottla, group", who: Who::Ottla, settings: &[("log.flush.ack", "group")] };
pub const FLOOR: Contender = Contender { name: "floor", who: Who::Floor { sync: false }, settings: &[] };
pub const FLOOR_SYNC: Contender =
    Contender { name: "floor, fsync", who: Who::Floor { sync: true }, settings: &[] };
pub const KAFKA: Contender = Contender { name: "kafka", who: Who::Kafka, settings: &[] };
/// What comes nearest to our durable mode: fsync after every batch.
pub const KAFKA_SYNC: Contender =
    Contender { name: "kafka, fsync", who: Who::Kafka, settings: &[("log.flush.interval.messages", "1")] };
pub const STRANGER: Contender = Contender { name: "other", who: Who::Stranger, settings: &[] };

/// A contender's process, or the address of one that is not ours.
pub struct Running {
    process: Process,
    /// Removed at the end: the volumes of a whole run would not fit on the disk.
    directory: Option<PathBuf>,
}

enum Process {
    Broker(Broker),
    Floor { address: String, child: Option<Child>, sync: bool, directory: PathBuf },
    Stranger(String),
}

impl Running {
    /// Everything but the process; `cell` names the directory.
    pub fn prepare(
        workspace: &Workspace,
        contender: &Contender,
        cell: &str,
        stranger: Option<&str>,
        more: &[(&str, &str)],
    ) -> Result<Running> {
        let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let name = format!("bench-{}-{}", plain(cell), plain(contender.name));
        let settings: Vec<(&str, &str)> = contender.settings.iter().chain(more).copied().collect();
        let broker = |kind| Broker::prepare(workspace, kind, &name, &settings);
        let process = match contender.who {
            Who::Ottla => Process::Broker(broker(Kind::Ottla)?),
            Who::Kafka => Process::Broker(broker(Kind::Kafka)?),
            Who::Floor { sync } => {
                let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
                let directory = workspace.scratch("brokers")?.join(&name);
                let _ = std::fs::remove_dir_all(&directory);
                Process::Floor { address, child: None, sync, directory }
            }
            Who::Stranger => Process::Stranger(stranger.context("--against HOST:PORT")?.to_owned()),
        };
        let directory = match &process {
            Process::Broker(broker) => broker.data().parent().map(Path::to_owned),
            Process::Floor { directory, .. } => Some(directory.clone()),
            Process::Stranger(_) => None,
        };
        Ok(Running { process, directory })
    }

    /// Starts the process and does not wait.
    pub fn launch(&mut self, workspace: &Workspace) -> Result<()> {
        match &mut self.process {
            Process::Broker(broker) => broker.launch(workspace),
            Process::Floor { address, child, sync, directory } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["floor", "--listen", address, "--directory"]).arg(&*directory);
                command.args(sync.then_some("--sync"));
                *child = Some(spawn(&mut command, &directory.with_extension("log"))?);
                Ok(())
            }
            Process::Stranger(_) => Ok(()),
        }
    }

    /// Starts a broker below another program (`valgrind …`).
    pub fn launch_below(&mut self, workspace: &Workspace, program: &[String]) -> Result<()> {
        match &mut self.process {
            Process::Broker(broker) => broker.launch_below(workspace, program),
            Process::Floor { .. } | Process::Stranger(_) => bail!("only a broker runs below another program"),
        }
    }

    /// Starts the process and waits until it answers and can make topics.
    pub fn start(&mut self, workspace: &Workspace) -> Result<()> {
        let since = Instant::now();
        self.launch(workspace)?;
        load::first_answer(&self.address(), since)?;
        let metadata = super::speak::metadata(Some(&[]));
        let mut connection = super::speak::Connection::open(&self.address())?;
        while super::speak::brokers(connection.call(&metadata)?)? == 0 {
            ensure!(since.elapsed() < Duration::from_secs(60), "no broker is registered after a minute");
            crate::process::pause(Duration::from_millis(2));
        }
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        match &mut self.process {
            Process::Broker(broker) => broker.kill(),
            Process::Floor { child, .. } => {
                if let Some(mut child) = child.take() {
                    signal_group(child.id(), "KILL");
                    child.wait()?;
                }
                Ok(())
            }
            Process::Stranger(_) => bail!("a broker that is not ours is not killed"),
        }
    }

    pub fn address(&self) -> String {
        match &self.process {
            Process::Broker(broker) => broker.address(),
            Process::Floor { address, .. } | Process::Stranger(address) => address.clone(),
        }
    }

    /// 0 for one that is not ours.
    pub fn id(&self) -> u32 {
        match &self.process {
            Process::Broker(broker) => broker.id(),
            Process::Floor { child, .. } => child.as_ref().map_or(0, Child::id),
            Process::Stranger(_) => 0,
        }
    }

    /// Where the files of partitions are.
    pub fn data(&self) -> Result<PathBuf> {
        match &self.process {
            Process::Broker(broker) => Ok(broker.data()),
            Process::Floor { directory, .. } => Ok(directory.clone()),
            Process::Stranger(_) => bail!("the files of a broker that is not ours are not looked at"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            let directory = directory.clone();
            let _ = self.kill();
            let _ = std::fs::remove_file(directory.with_extension("log"));
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
