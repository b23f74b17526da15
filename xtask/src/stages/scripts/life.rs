//! A node's life by `kafka-server-start -daemon` and `kafka-server-stop`: two nodes, one stopped by its id, one by its roles, then
//! none is left. Kafka's own two are shell scripts that are in no jar; what they do is told in docs/operators/scripts.md.
//!
//! Works with a link of its own to the binary, so that the nodes of nobody else are stopped.

use super::super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary, free_ports};
use crate::process::pause;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a node may take to come or to go.
const LIMIT: Duration = Duration::from_secs(60);

/// Each claim, and whether it held.
pub(super) fn checks(bench: &Workbench) -> Result<Vec<(String, bool)>> {
    let home = bench.workspace.scratch("scripts")?.join("life");
    let _left_by_an_earlier_run = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let program = home.join("ottla");
    // A name of its own: nodes are told apart by it.
    fs::hard_link(binary(&bench.workspace), &program)
        .or_else(|_| fs::copy(binary(&bench.workspace), &program).map(drop))?;
    let held = life(&home, &program);
    // Whatever went wrong, none of them stays.
    let _none_is_left_mostly = script(&home, &program, &["kafka-server-stop"]);
    held
}

fn life(home: &Path, program: &Path) -> Result<Vec<(String, bool)>> {
    let run = |words: &[&str]| script(home, program, words);
    let mut held = Vec::new();
    let mut check = |claim: &str, holds: bool| held.push((claim.to_owned(), holds));
    let usage = run(&["kafka-server-start"])?;
    check(
        "kafka-server-start without a file prints its usage",
        said(&usage).starts_with("USAGE: ") && ended(&usage, 1),
    );
    let none = run(&["kafka-server-stop"])?;
    check("kafka-server-stop finds none", said(&none) == "No kafka server to stop\n" && ended(&none, 1));

    for node in ["1", "2"] {
        let ports = free_ports()?;
        let settings = [("node.id", node)];
        let directory = home.join(node);
        drop(Broker::prepare_at(directory, Kind::Ottla, ports, &settings)?);
        let file = format!("{node}/server.properties");
        let started = run(&["kafka-server-start", "-daemon", &file, "--override", "num.partitions=5"])?;
        check(&format!("kafka-server-start -daemon comes back (node {node})"), ended(&started, 0));
        let address = format!("127.0.0.1:{}", ports.0);
        let made = until(|| {
            let words = ["kafka-topics", "--bootstrap-server", &address, "--create", "--topic", "made"];
            Ok(run(&words)?.status.success())
        })?;
        check(&format!("it serves (node {node})"), made);
        let described =
            run(&["kafka-topics", "--bootstrap-server", &address, "--describe", "--topic", "made"])?;
        check(
            &format!("with what --override says (node {node})"),
            said(&described).contains("PartitionCount: 5"),
        );
        let log = fs::read_to_string(home.join("logs/kafkaServer.out")).context("kafkaServer.out")?;
        check(&format!("and tells it in LOG_DIR (node {node})"), log.contains(" is ready: node "));
    }
    let stranger = run(&["kafka-server-stop", "--node-id=7"])?;
    check(
        "kafka-server-stop --node-id of nobody stops nobody",
        ended(&stranger, 0) && running(program)? == 2,
    );
    let one = run(&["kafka-server-stop", "--node-id=2", "--process-role=broker"])?;
    check(
        "kafka-server-stop --node-id goes before --process-role",
        said(&one).contains("take precedence") && ended(&one, 0),
    );
    check("and stops that node alone", until(|| Ok(running(program)? == 1))?);
    let other = run(&["kafka-server-stop", "--process-role=broker,controller"])?;
    check(
        "kafka-server-stop --process-role stops the other",
        ended(&other, 0) && until(|| Ok(running(program)? == 0))?,
    );
    Ok(held)
}

fn script(home: &Path, program: &Path, words: &[&str]) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(words).current_dir(home).env("LOG_DIR", home.join("logs"));
    command.output().with_context(|| words.join(" "))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ended(output: &Output, code: i32) -> bool {
    output.status.code() == Some(code)
}

/// Processes that run from this program.
fn running(program: &Path) -> Result<usize> {
    let program = fs::canonicalize(program)?;
    let of_it =
        |process: &fs::DirEntry| fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program);
    Ok(fs::read_dir("/proc")?.flatten().filter(of_it).count())
}

/// True once it is so.
fn until(so: impl Fn() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if so()? {
            return Ok(true);
        }
        pause(Duration::from_millis(50));
    }
    ensure!(!so()?, "late, but so");
    Ok(false)
}
