//! Open transactions on a directory that another broker takes over, from Kafka to Ottla and back: who has one is known there, the producer
//! that began one commits it, another one is fenced, readers see what they should; Kafka's tools read `__transaction_state` of both.
//!
//! `tests/transactions/OpenTransactions.java` carries the steps out. Owns the order of starts and stops and what is compared.

use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::provision;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Of the coordinator's topic: the records that say most, without what differs from run to run.
const STATES: &[&str] =
    &["CompleteCommit", "CompleteAbort", "Ongoing", "Empty", "PrepareCommit", "PrepareAbort"];

/// The stage: both ways.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let (to, back) = (one_way(bench, Kind::Kafka, bench.kind)?, one_way(bench, bench.kind, Kind::Kafka)?);
    tally.check(
        &format!("tools read different states: {:?} and {:?}", to.states, back.states),
        to.states == back.states,
    );
    tally.absorb("to us", to.tally);
    tally.absorb("back", back.tally);
    Ok(tally)
}

struct Way {
    tally: Tally,
    /// What Kafka's tools say of the log that the first broker wrote.
    states: BTreeSet<String>,
}

fn one_way(bench: &Workbench, first: Kind, second: Kind) -> Result<Way> {
    let mut tally = Tally::default();
    let name = format!("moved-{}-{}", first.name(), second.name());
    let directory = bench.workspace.scratch("brokers")?.join(&name);
    let _ = std::fs::remove_dir_all(&directory);
    let mut broker = Broker::start_on(&bench.workspace, first, directory.clone(), &[])?;
    ask(bench, &broker, &name, &["fill"])?;
    let known = ask(bench, &broker, &name, &["list"])?;
    let seen = ask(bench, &broker, &name, &["read"])?;
    let open =
        known.iter().filter(|line| line.starts_with("transaction") && line.contains(" Ongoing ")).count();
    tally.check(&format!("two transactions are open: {known:?}"), open == 2);
    let shown = console(bench, &broker)?;
    broker.stop()?;
    let states = dumped(bench, &directory.join("data"))?;
    for wanted in ["committed", "aborted", "left-open", "left-for-another"] {
        tally.check(
            &format!("kafka-dump-log shows {wanted}: {states:?}"),
            states.iter().any(|line| line.starts_with(wanted)),
        );
        tally.check(&format!("the console consumer shows {wanted}: {shown:?}"), shown.contains(wanted));
    }

    let mut broker = Broker::start_on(&bench.workspace, second, directory, &[])?;
    same(&mut tally, "known after the move", &known, &ask(bench, &broker, &name, &["list"])?);
    same(&mut tally, "read after the move", &seen, &ask(bench, &broker, &name, &["read"])?);
    let (id, epoch) = identity(&known, "left-open").context("left-open is not listed")?;
    let said = ask(bench, &broker, &name, &["commit", "left-open", &id, &epoch])?;
    tally.check(&format!("who began it commits it: {said:?}"), said == ["committed left-open"]);
    let said = ask(bench, &broker, &name, &["fence", "left-for-another"])?;
    tally.check(&format!("another takes one over: {said:?}"), said == ["fenced left-for-another"]);
    let seen = ask(bench, &broker, &name, &["read"])?.join("\n");
    for wanted in [
        "offset committed 7 of committed",
        "offset aborted none",
        "offset left-open 7 of left-open",
        "offset left-for-another none",
        "left-open 9]",
        "left-for-another anew]",
    ] {
        tally.check(&format!("after the end `{wanted}` is read: {seen}"), seen.contains(wanted));
    }
    let hidden = ["=aborted ", "=left-for-another 0"];
    tally.check(
        &format!("what was aborted is read: {seen}"),
        !hidden.iter().any(|value| seen.contains(value)),
    );
    let stable = seen.lines().filter(|line| line.starts_with("read ")).all(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        words.get(3) == words.get(5)
    });
    tally.check(&format!("a transaction is still open: {seen}"), stable);
    broker.stop()?;
    Ok(Way { tally, states })
}

fn same(tally: &mut Tally, what: &str, wanted: &[String], found: &[String]) {
    for line in wanted {
        tally.check(&format!("{what}: {line}: not so; found {found:?}"), found.contains(line));
    }
    tally.check(
        &format!("{what}: {} lines, {} wanted", found.len(), wanted.len()),
        found.len() == wanted.len(),
    );
}

/// `transaction NAME STATE ID EPOCH …`
fn identity(known: &[String], name: &str) -> Option<(String, String)> {
    let line = known.iter().find_map(|line| line.strip_prefix(&format!("transaction {name} ")))?;
    let mut words = line.split(' ').skip(1);
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

fn ask(bench: &Workbench, broker: &Broker, way: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/transactions");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.broker_jars)?;
    let mut command = oracle.java("256m", &[&classes]);
    command.arg("OpenTransactions").arg(broker.address()).args(arguments);
    bench.lines(&format!("{way}-{}", arguments.join("-")), &mut command, 3, broker)
}

/// What the console consumer prints of the coordinator's log.
fn console(bench: &Workbench, broker: &Broker) -> Result<String> {
    let mut command = Oracle::install(&bench.workspace)?.tool_java("256m", &[]);
    command.args([
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "--bootstrap-server",
        &broker.address(),
    ]);
    command.args(["--topic", "__transaction_state", "--from-beginning", "--timeout-ms", "4000"]);
    command.args(["--formatter", "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter"]);
    Ok(bench.run("moved-console", &mut command, 2)?.output)
}

/// `NAME STATE` of every record that `kafka-dump-log --transaction-log-decoder` reads.
fn dumped(bench: &Workbench, data: &std::path::Path) -> Result<BTreeSet<String>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(data).with_context(|| data.display().to_string())? {
        let folder = entry?.path();
        let is_state =
            folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("__transaction_state-"));
        for entry in is_state.then(|| std::fs::read_dir(&folder)).transpose()?.into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                files.push(path);
            }
        }
    }
    ensure!(!files.is_empty(), "no log of a coordinator in {}", data.display());
    let list: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let mut command = Oracle::install(&bench.workspace)?.tool_java("256m", &[]);
    command.args([
        "org.apache.kafka.tools.DumpLogSegments",
        "--transaction-log-decoder",
        "--files",
        &list.join(","),
    ]);
    let finished = bench.run("moved-dump", &mut command, 2)?;
    ensure!(finished.success, "kafka-dump-log: {}", finished.tail(4));
    Ok(finished.output.lines().filter_map(record).collect())
}

/// Of a record's line, which transactional id it is about and in what state.
fn record(line: &str) -> Option<String> {
    let name = line.split_once("transactional_id=").map(|(_, rest)| rest);
    let name = name.or_else(|| line.split_once("transactionalId\":\"").map(|(_, rest)| rest))?;
    let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '-').collect();
    let state = STATES.iter().find(|state| line.contains(&format!("state={state},")));
    let numbered = line
        .split_once("transactionStatus\":")
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
    let state = state.map(|state| (*state).to_owned()).or(numbered)?;
    Some(format!("{name} {state}"))
}
