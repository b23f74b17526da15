//! `ottla cluster up`: a cluster on this machine for trying things out, with a prompt to kill, pause and restart its nodes. Owns the
//! prompt and what it prints; the nodes are `nodes.rs`'s.

use super::nodes::{CONTROLLER_PORTS, Layout, NodeProcess};
use crate::args::{ConnectArgs, OutputFormat};
use crate::connect::{Cluster, block_on};
use crate::failure::{Failure, say};
use crate::output::{Table, counted, print_line};
use clap::Args;
use client::{Admin, TopicPartition};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};

const AFTER: &str = r#"Examples:
  ottla cluster up
  ottla cluster up --nodes 5 --racks 3 --set num.partitions=12
  printf 'kill 2\nstatus\nquit\n' | ottla cluster up

At the prompt: status, kill N, restart N, pause N, resume N, stop N, help, quit. Data stays in --data-dir."#;

const HELP: &str = "status      who leads what, who lacks what
kill N      kill -9 node N, as a machine dies
restart N   start node N, after a kill -9 if it runs
pause N     stop node N's process, as a machine stalls; resume N lets it go on
stop N      let node N leave in order
quit        stop all; the data stays";

/// Arguments of `ottla cluster up`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct UpArgs {
    /// How many nodes; each is broker and controller
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// In how many racks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=9))]
    racks: Option<u16>,
    /// The first node's port; the others follow, their controllers 10000 above
    #[arg(short, long, value_name = "PORT", default_value_t = 9092, value_parser = clap::value_parser!(u16).range(1..=55_526))]
    port: u16,
    /// Where the data lives
    #[arg(long, value_name = "DIR", default_value = "ottla-cluster")]
    data_dir: PathBuf,
    /// A key of Kafka's configuration for all nodes; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

const _: () = assert!(55_526 + CONTROLLER_PORTS as u32 + 9 <= 65_535, "the last controller has a port");

/// How long the nodes may take to find each other.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long the cluster may keep silent when it is asked for its state.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Runs it until it is told to quit.
pub fn run(args: UpArgs) -> Result<(), Failure> {
    let directory = std::path::absolute(&args.data_dir)?;
    let layout = Layout {
        directory,
        nodes: args.nodes,
        racks: args.racks.unwrap_or(0),
        port: args.port,
        set: args.set,
    };
    layout.prepare()?;
    let mut local = Local { nodes: (1..=layout.nodes).map(NodeProcess::new).collect(), layout };
    let outcome = block_on(local.live());
    local.stop()?;
    outcome
}

/// What can be typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Status,
    Kill(u16),
    Restart(u16),
    Pause(u16),
    Resume(u16),
    Stop(u16),
    Help,
    Quit,
    Nothing,
}

fn typed(line: &str, nodes: u16) -> Result<Typed, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |text: &str| {
        let number = text.parse::<u16>().ok().filter(|number| (1..=nodes).contains(number));
        number.ok_or_else(|| format!("{text} is none of the nodes 1 to {nodes}"))
    };
    Ok(match words.as_slice() {
        [] => Typed::Nothing,
        ["status" | "ls"] => Typed::Status,
        ["help" | "?"] => Typed::Help,
        ["quit" | "exit" | "q"] => Typed::Quit,
        ["kill", node] => Typed::Kill(number(node)?),
        ["restart" | "start", node] => Typed::Restart(number(node)?),
        ["pause", node] => Typed::Pause(number(node)?),
        ["resume", node] => Typed::Resume(number(node)?),
        ["stop", node] => Typed::Stop(number(node)?),
        _ => return Err(format!("{line:?} is no command: help lists them")),
    })
}

struct Local {
    layout: Layout,
    nodes: Vec<NodeProcess>,
}

impl Local {
    async fn live(&mut self) -> Result<(), Failure> {
        for node in &mut self.nodes {
            node.start(&self.layout)?;
        }
        let mut terminate = signal(SignalKind::terminate())?;
        let mut lines = read_lines();
        tokio::select! {
            started = self.wait_until_all_run() => started?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
        self.status().await?;
        print_line(&format!("bootstrap servers: {}", self.layout.bootstrap()))?;
        print_line("try: kill 1, status, restart 1; help lists the rest")?;
        loop {
            prompt();
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = tokio::signal::ctrl_c() => None,
                _ = terminate.recv() => None,
            };
            let Some(line) = line else { return Ok(()) };
            match typed(&line, self.layout.nodes) {
                Err(why) => say(why),
                Ok(Typed::Quit) => return Ok(()),
                Ok(what) => self.obey(what).await?,
            }
        }
    }

    async fn obey(&mut self, what: Typed) -> Result<(), Failure> {
        match what {
            Typed::Nothing | Typed::Quit => {}
            Typed::Help => print_line(HELP)?,
            Typed::Status => self.status().await?,
            Typed::Kill(node) => {
                self.node(node).kill()?;
                print_line(&format!("node {node} is dead"))?;
            }
            Typed::Restart(node) => {
                self.node(node).kill()?;
                self.nodes[usize::from(node) - 1].start(&self.layout)?;
                print_line(&format!("node {node} starts; its lines: {}", self.layout.log(node).display()))?;
            }
            Typed::Pause(node) => {
                self.node(node).pause(true)?;
                print_line(&format!("node {node} stands still"))?;
            }
            Typed::Resume(node) => {
                self.node(node).pause(false)?;
                print_line(&format!("node {node} goes on"))?;
            }
            Typed::Stop(node) => {
                self.node(node).ask_to_stop()?;
                self.node(node).wait_stopped()?;
                print_line(&format!("node {node} has stopped"))?;
            }
        }
        Ok(())
    }

    fn node(&mut self, number: u16) -> &mut NodeProcess {
        &mut self.nodes[usize::from(number) - 1]
    }

    async fn wait_until_all_run(&mut self) -> Result<(), Failure> {
        let nodes = counted(usize::from(self.layout.nodes), "node");
        let start = if self.layout.nodes == 1 { "starts" } else { "start" };
        say(format_args!("{nodes} {start}, data in {}", self.layout.directory.display()));
        let began = Instant::now();
        loop {
            for node in 1..=self.layout.nodes {
                let state = self.node(node).state();
                if state != "up" {
                    return Err(self.did_not_start(node, &state));
                }
            }
            if let Ok(running) = self.running().await
                && running == usize::from(self.layout.nodes)
            {
                return Ok(());
            }
            if began.elapsed() > START_LIMIT {
                let why = format!("not all of them are there after {} s", START_LIMIT.as_secs());
                return Err(Failure::new("the cluster did not start", why)
                    .try_this(format!("the lines in {}/node-*/node.log", self.layout.directory.display())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn did_not_start(&self, node: u16, state: &str) -> Failure {
        let log = self.layout.log(node);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let told = text.lines().rev().find_map(|line| line.trim().strip_prefix("why: ").map(str::to_owned));
        Failure::new(format!("node {node} did not start"), told.unwrap_or_else(|| state.to_owned()))
            .try_this(format!("its lines in {}", log.display()))
    }

    async fn admin(&self) -> Result<Admin, Failure> {
        let args = ConnectArgs {
            bootstrap_server: Some(self.layout.bootstrap()),
            properties: Vec::new(),
            command_config: None,
            timeout: Some(ANSWER_LIMIT),
        };
        Ok(Cluster::new(&args)?.connect().await?.admin())
    }

    async fn running(&self) -> Result<usize, Failure> {
        Ok(self.admin().await?.describe_cluster(false).await?.nodes.len())
    }

    /// Every node: its process, what the controller makes of it, what it leads.
    async fn status(&mut self) -> Result<(), Failure> {
        let known = tokio::time::timeout(ANSWER_LIMIT, self.known()).await;
        let known = match known {
            Ok(Ok(known)) => Some(known),
            Ok(Err(_)) | Err(_) => {
                say("(nobody answers for the cluster at present)");
                None
            }
        };
        let mut table = Table::new(&[
            ("NODE", "node"),
            ("ADDRESS", "address"),
            ("RACK", "rack"),
            ("PROCESS", "process"),
            ("BROKER", "broker"),
            ("CONTROLLER", "controller"),
            ("LEADS", "leads"),
            ("REPLICAS", "replicas"),
            ("OUT OF SYNC", "out_of_sync"),
        ])
        .quiet(&["rack"]);
        for number in 1..=self.layout.nodes {
            let state = self.node(number).state();
            let id = i32::from(number);
            let of = |read: fn(&Known, i32) -> serde_json::Value| known.as_ref().map(|known| read(known, id));
            table.row(vec![
                json!(number),
                json!(self.layout.address(number)),
                json!(self.layout.rack(number)),
                json!(state),
                json!(of(|known, id| json!(known.brokers.get(&id)))),
                if state == "up" {
                    json!(of(|known, id| json!(if known.controller == id { "active" } else { "follows" })))
                } else {
                    // A voter that does not run follows nobody.
                    json!(null)
                },
                json!(of(|known, id| json!(known.count(id, |one, id| one.leader == Some(id))))),
                json!(of(|known, id| json!(known.count(id, |one, id| one.replicas.contains(&id))))),
                json!(of(|known, id| {
                    json!(known.count(id, |one, id| one.replicas.contains(&id) && !one.isr.contains(&id)))
                })),
            ]);
        }
        Ok(table.print(OutputFormat::Table)?)
    }

    async fn known(&self) -> Result<Known, Failure> {
        let admin = self.admin().await?;
        let cluster = admin.describe_cluster(true).await?;
        let state = |fenced: bool| if fenced { "fenced" } else { "running" };
        let brokers = cluster.nodes.iter().map(|node| (node.id, state(node.fenced))).collect();
        let controller = admin.describe_quorum().await?.leader_id;
        let topics = admin.list_topics().await?;
        let partitions = topics.values().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|one| (TopicPartition::new(topic.name.clone(), one.index), one.clone()))
        });
        Ok(Known { brokers, controller, partitions: partitions.collect() })
    }

    /// All at once, in order.
    fn stop(&mut self) -> Result<(), Failure> {
        if self.nodes.iter_mut().any(NodeProcess::is_up) {
            say("the nodes stop");
        }
        for node in &mut self.nodes {
            node.ask_to_stop()?;
        }
        for node in &mut self.nodes {
            node.wait_stopped()?;
        }
        Ok(())
    }
}

/// What the cluster says of itself.
struct Known {
    brokers: BTreeMap<i32, &'static str>,
    controller: i32,
    partitions: BTreeMap<TopicPartition, client::Partition>,
}

impl Known {
    fn count(&self, id: i32, is_meant: fn(&client::Partition, i32) -> bool) -> usize {
        self.partitions.values().filter(|one| is_meant(one, id)).count()
    }
}

/// Lines of standard input, as they come; `None` at its end.
fn read_lines() -> Receiver<String> {
    let (sender, receiver) = channel(1);
    // It waits for a person in a system call that nothing ends: the process does not wait for it.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn prompt() {
    if std::io::stdin().is_terminal() {
        let mut out = std::io::stderr();
        let _ = write!(out, "cluster> ").and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood_or_explained() {
        assert_eq!(typed("  kill 2 ", 3), Ok(Typed::Kill(2)));
        assert_eq!(typed("status", 3), Ok(Typed::Status));
        assert_eq!(typed("", 3), Ok(Typed::Nothing));
        for line in ["kill", "kill 4", "kill 0", "kill x", "kill 1 2", "explode"] {
            assert!(typed(line, 3).is_err(), "{line}");
        }
    }
}
