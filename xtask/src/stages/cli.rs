//! The binary's own commands against one broker: transcripts of what is typed and printed, and what no transcript shows (silent
//! and dying brokers, signals, terminals, closed pipes).
//!
//! The commands are always ours, the broker is either's. What is checked stands in `tests/cli`; the broker advertises a relay
//! in front of it, which can fall silent.

use super::clients;
use super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary};
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::net::TcpListener;
use std::process::Command;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let relay = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?.local_addr()?.port();
    let advertised = format!("PLAINTEXT://127.0.0.1:{relay}");
    let settings = [("advertised.listeners", advertised.as_str()), ("auto.create.topics.enable", "false")];
    let broker = Broker::start(&bench.workspace, bench.kind, "cli", &settings)?;
    let scratch = bench.workspace.scratch("cli")?;
    std::fs::remove_dir_all(&scratch)?;
    std::fs::create_dir_all(&scratch)?;
    let mut command = Command::new("python3");
    command.arg("-u").arg(bench.workspace.root.join("tests/cli/check.py"));
    command.arg(binary(&bench.workspace)).arg(broker.address()).arg(relay.to_string()).arg(scratch);
    command.arg(broker.data());
    let mut tally = clients::read("cli", &bench.run("cli", &mut command, 4)?);
    drop(broker);
    tally.check("a node starts with every key of docs/server.properties", sample_starts(bench)?);
    Ok(tally)
}

/// The sample configuration on the broker under test, at other ports and in another directory.
fn sample_starts(bench: &Workbench) -> Result<bool> {
    let path = bench.workspace.root.join("docs/server.properties");
    let file = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let placed = ["listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"];
    let keys = file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let settings: Vec<(&str, &str)> = keys.filter(|(key, _)| !placed.contains(key)).collect();
    let mut broker = Broker::start(&bench.workspace, bench.kind, "cli-sample", &settings)?;
    Ok(broker.stop()?.is_some_and(|status| bench.kind == Kind::Kafka || status.success()))
}
