//! `cargo xtask bench [CELL…] [--list] [--against kafka|HOST:PORT] [--only CONTENDER] [--runs N] [--megabytes N] [--partitions N]
//! [--json FILE]`: the table of figures on this machine, Ottla beside the floor, on demand beside Apache Kafka or a broker that runs
//! already. Owns the list of cells; who is measured is in `contender`, how a cell is run in `cell`, what is wanted of it in `goals`.

pub mod bounds;
mod calls;
mod cell;
mod cleaning;
mod clients;
mod cluster;
mod contender;
mod failover;
mod flat;
mod goals;
mod instructions;
mod load;
mod many;
mod measure;
mod metadata;
mod open_loop;
mod options;
mod paced;
mod rates;
mod registry;
mod replicated;
mod report;
mod scale;
mod slow;
pub mod speak;
mod start;
mod steady;
mod storage;
mod throughput;
mod transactions;

use crate::words::{complain, say};
use crate::workspace::Workspace;
use Turns::{Alone, Once, Paired};
use anyhow::{Context, Result, bail, ensure};
use cell::{Kind, Turns};
use contender::{Contender, FLOOR, FLOOR_SYNC, KAFKA, KAFKA_SYNC, OTTLA, OTTLA_AUTO, OTTLA_GROUP};
use options::Options;
use std::process::Command;
use std::time::Instant;

/// The usual three.
const EVEN: &[Contender] = &[OTTLA, FLOOR, KAFKA];
const BROKERS: &[Contender] = &[OTTLA, KAFKA];
const OURS: &[Contender] = &[OTTLA];
/// Where there are three copies, `auto` answers from the page caches of two of them, as `none` and Kafka do.
const CLUSTERS: &[Contender] = &[OTTLA, OTTLA_AUTO, KAFKA];
const MODES: &[Contender] = &[OTTLA, OTTLA_AUTO, OTTLA_GROUP, FLOOR, FLOOR_SYNC, KAFKA, KAFKA_SYNC];
const DURABLE: &[Contender] = &[OTTLA_AUTO, OTTLA_GROUP, FLOOR_SYNC, KAFKA_SYNC];

const fn cell(
    name: &'static str,
    about: &'static str,
    contenders: &'static [Contender],
    turns: Turns,
    open: for<'a> fn(&cell::Cell<'a>) -> Result<cell::Run<'a>>,
) -> Kind {
    Kind { name, about, contenders, turns, open }
}

const CELLS: &[Kind] = &[
    cell(
        "produce-16",
        "16 KiB batches of 1 KB records, 16 partitions, 4 connections",
        EVEN,
        Paired,
        throughput::sixteen,
    ),
    cell("produce-1", "the same, 1 partition, 1 connection", EVEN, Paired, throughput::single),
    cell("produce-1m", "1 MB batches, 16 partitions", EVEN, Paired, throughput::large),
    cell("hot", "16 KiB batches to one partition from 4 connections", EVEN, Paired, throughput::hot),
    cell("wide", "1 KiB batches over 1,000 partitions, 40 a request", EVEN, Paired, throughput::wide),
    cell("lz4", "lz4 batches beside plain ones", BROKERS, Paired, throughput::lz4),
    cell("fetch-1", "one connection reads one partition by 1 MiB", EVEN, Paired, throughput::fetch_single),
    cell("fetch-16", "one connection reads 16 partitions", EVEN, Paired, throughput::fetch_sixteen),
    cell("end-to-end", "5,000 x 1 KB a second, from due to consumed", EVEN, Paired, rates::end_to_end),
    cell("rate", "1,000 x 1 KB a second, one by one", EVEN, Paired, rates::one_by_one),
    cell("stalls", "the same beside a bulk load", &[OTTLA, OTTLA_AUTO, KAFKA], Alone, rates::beside_bulk),
    cell("durable", "produce-16 in every flush mode", MODES, Paired, throughput::sixteen),
    cell("durable-rate", "rate with fsync before ack", DURABLE, Paired, rates::one_by_one),
    cell("start", "cold start on an empty directory", &[OTTLA, OTTLA_AUTO, KAFKA], Paired, start::cold),
    cell(
        "instructions",
        "user instructions and allocations a request (callgrind)",
        OURS,
        Once,
        instructions::count,
    ),
    cell("calls", "system calls and context switches a request", &[OTTLA, FLOOR], Paired, calls::count),
    cell("thousand", "1,000 partitions made and first written", OURS, Alone, scale::thousand),
    cell("thousand-50k", "the same beside 50,000", OURS, Alone, scale::thousand_beside_many),
    cell("restart-5k", "kill -9 with 5,000 partitions never written", OURS, Alone, scale::restart_few),
    cell("restart-5k-written", "… with a record each", OURS, Alone, scale::restart_written),
    cell("restart-100k", "… 100,000 never written; their memory", OURS, Alone, scale::restart_many),
    cell("flat-partitions", "CPU a request beside 0 to 100,000 partitions", OURS, Alone, flat::partitions),
    cell("flat-written", "CPU a produce to 1 to 10,000 partitions in turn", OURS, Alone, flat::written),
    cell("flat-connections", "CPU a produce from 1 to 10,000 connections", OURS, Alone, flat::connections),
    cell("idle", "10,000 partitions and 1,000 connections at rest", OURS, Once, scale::idle),
    cell("memory", "memory by partition and by connection", OURS, Once, scale::memory),
    cell(
        "metadata",
        "bytes a partition in the metadata log, snapshot and memory",
        OURS,
        Once,
        metadata::weight,
    ),
    cell("compaction", "10 M records of 100 B over 1 M keys, one round", BROKERS, Once, cleaning::compaction),
    cell(
        "cold-read",
        "reading from the disk beside 1,000 produces a second",
        BROKERS,
        Alone,
        storage::cold_read,
    ),
    cell(
        "slow-consumers",
        "1,000 consumers take 64 KiB a second each from the disk beside 1,000 produces a second",
        BROKERS,
        Alone,
        slow::consumers,
    ),
    cell("segments", "kill -9 with 10,000 segments", BROKERS, Alone, storage::many_segments),
    cell("librdkafka", "rdkafka_performance as load", BROKERS, Paired, clients::librdkafka),
    cell("java", "Kafka's performance tools as load", BROKERS, Paired, clients::java),
    cell(
        "transactions",
        "Kafka's producer commits one transaction after the other, over 1 and 16 partitions",
        BROKERS,
        Paired,
        transactions::java,
    ),
    cell("codecs", "Kafka's producer, idempotent, with every codec", BROKERS, Paired, clients::codecs),
    cell(
        "replicated-produce",
        "three nodes: 16 KiB batches of 1 KB records, 12 partitions, 6 connections; beside its parts on one node",
        CLUSTERS,
        Paired,
        replicated::produce,
    ),
    cell(
        "replicated-latency",
        "three nodes: 1,000 and 20,000 x 1 KB a second over 12 partitions, from due to answered and consumed",
        CLUSTERS,
        Paired,
        replicated::latency,
    ),
    cell(
        "replicated-highest",
        "three nodes: the same at higher rates, to the highest that is sustained",
        BROKERS,
        Once,
        replicated::highest,
    ),
    cell(
        "failover",
        "three nodes: a leader is killed, also with the active controller, and stands still; how long nobody is served",
        BROKERS,
        Once,
        failover::blows,
    ),
    cell(
        "controller-failover",
        "three nodes, 10,000 partitions of three replicas: kill -9 of the active controller",
        BROKERS,
        Alone,
        many::controller_failover,
    ),
    cell(
        "create-10000",
        "three nodes: 10,000 partitions of three replicas made, led, written; memory of a node",
        BROKERS,
        Once,
        many::create,
    ),
    cell(
        "restart-100000",
        "three nodes, 100,000 partitions of three replicas: kill -9 and start of one",
        OURS,
        Once,
        many::restart,
    ),
];

/// The binary that is measured, unless another one is named.
fn built() -> Result<()> {
    if std::env::var_os("OTTLA_BINARY").is_none() {
        let built = Command::new("cargo").args(["build", "--release", "--package", "ottla"]).status()?;
        ensure!(built.success(), "the release binary does not build");
    }
    Ok(())
}

/// Parses, builds the release binary (unless `OTTLA_BINARY` names one), measures, prints. Runs itself optimised: a slow generator
/// measures itself.
pub fn command(arguments: &[String]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--list") {
        for kind in CELLS {
            say(format_args!("{:<20} {}", kind.name, kind.about));
        }
        return Ok(true);
    }
    // Its generator is no part of this program.
    if let [first, rest @ ..] = arguments
        && first == "registry"
    {
        built()?;
        return registry::command(&Workspace::load()?, rest);
    }
    if cfg!(debug_assertions) {
        let mut again = Command::new("cargo");
        again
            .args(["run", "--quiet", "--profile", "quick", "--package", "xtask", "--", "bench"])
            .args(arguments);
        return Ok(again.status().context("cargo run --profile quick --package xtask")?.success());
    }
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    built()?;
    let mut rows = Vec::new();
    let started = Instant::now();
    let mut whole = true;
    for kind in CELLS.iter().filter(|kind| options.wants(kind.name)) {
        complain(format_args!("{:>4.0} s: {}", started.elapsed().as_secs_f64(), kind.name));
        // A cell that cannot be measured takes none of the others along.
        if let Err(error) = cell::measure(kind, &workspace, &options, &mut rows) {
            say(format_args!("{}: not measured: {error:#}", kind.name));
            whole = false;
        }
        report::print_cell(kind.name, &rows);
    }
    report::print_goals(&rows);
    say(format_args!("\n{:.0} s in all", started.elapsed().as_secs_f64()));
    if let Some(file) = &options.json {
        std::fs::write(file, report::json(&rows))?;
    }
    Ok(whole)
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--runs" => options.runs = value()?.parse()?,
            "--megabytes" => options.megabytes = value()?.parse()?,
            "--json" => options.json = Some(value()?.clone()),
            "--partitions" => options.partitions = Some(value()?.parse()?),
            "--only" => options.only = Some(value()?.clone()),
            "--against" => match value()?.as_str() {
                "kafka" => options.kafka = true,
                address if address.contains(':') => options.stranger = Some(address.to_owned()),
                other => bail!("--against {other}: kafka or HOST:PORT"),
            },
            cell if CELLS.iter().any(|kind| kind.name == cell) => options.cells.push(cell.to_owned()),
            other => bail!("no cell is called {other}; `cargo xtask bench --list` names them"),
        }
    }
    Ok(options)
}
