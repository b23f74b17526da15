//! The binary's own commands against one broker: transcripts of what is typed and printed, and what no transcript shows (silent
//! and dying brokers, signals, terminals, closed pipes).
//!
//! The commands are always ours, the broker is either's. What is checked stands in `tests/cli`; the broker advertises a relay
//! in front of it, which can fall silent.

use super::{Bench, clients};
use crate::broker::{Broker, binary};
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::net::TcpListener;
use std::process::Command;

/// The stage.
pub fn run(bench: &Bench) -> Result<Tally> {
    let relay = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?.local_addr()?.port();
    let advertised = format!("PLAINTEXT://127.0.0.1:{relay}");
    let settings = [("advertised.listeners", advertised.as_str()), ("auto.create.topics.enable", "false")];
    let broker = Broker::start(&bench.workspace, bench.kind, "cli", &settings)?;
    let scratch = bench.workspace.scratch("cli")?;
    let mut command = Command::new("python3");
    command.arg("-u").arg(bench.workspace.root.join("tests/cli/check.py"));
    command.arg(binary(&bench.workspace)).arg(broker.address()).arg(relay.to_string()).arg(scratch);
    Ok(clients::read("cli", &bench.run("cli", &mut command, 4)?))
}
