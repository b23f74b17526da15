//! `cargo xtask bench [CELL…] [--runs N] [--megabytes N] [--json FILE]`: Ottla beside Apache Kafka on this machine, in one run, cell
//! by cell, both brokers one after the other within each cell so that a noisy minute hits both. Prints a table; the JSON holds
//! every value. Owns the list of cells; how a load is made is in `load`, what it cost in `measure`.

mod load;
mod measure;
mod pressure;
mod scale;
mod speak;

use crate::broker::{Broker, Kind};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use load::Shape;
use measure::{Spread, percentile, usage};
use std::process::Command;
use std::time::{Duration, Instant};

/// A broker in one of its durability modes.
struct Contender {
    name: &'static str,
    kind: Kind,
    overrides: &'static [(&'static str, &'static str)],
}

const CONTENDERS: &[Contender] = &[
    Contender { name: "ottla", kind: Kind::Ottla, overrides: &[("log.flush.ack", "none")] },
    Contender { name: "ottla, fsync before ack", kind: Kind::Ottla, overrides: &[("log.flush.ack", "auto")] },
    Contender { name: "kafka", kind: Kind::Kafka, overrides: &[] },
];

/// One figure of one contender.
struct Row {
    cell: String,
    contender: &'static str,
    figure: &'static str,
    spread: Spread,
}

struct Options {
    cells: Vec<String>,
    runs: usize,
    megabytes: usize,
    json: Option<String>,
}

/// Parses, builds the release binary (unless `OTTLA_BINARY` names one), measures, prints. Runs itself optimised: a slow generator measures itself.
pub fn command(arguments: &[String]) -> Result<bool> {
    if cfg!(debug_assertions) {
        let mut again = Command::new("cargo");
        again.args(["run", "--quiet", "--release", "--package", "xtask", "--", "bench"]).args(arguments);
        return Ok(again.status().context("cargo run --release --package xtask")?.success());
    }
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    if std::env::var_os("OTTLA_BINARY").is_none() {
        let built = Command::new("cargo").args(["build", "--release", "--package", "ottla"]).status()?;
        anyhow::ensure!(built.success(), "the release binary does not build");
    }
    let mut rows = Vec::new();
    for contender in CONTENDERS {
        start_cell(&workspace, contender, &options, &mut rows)?;
    }
    for (cell, shape) in shapes(options.megabytes) {
        if options.wants(&cell) {
            throughput_cell(&workspace, &cell, shape, &options, &mut rows)?;
        }
    }
    for contender in CONTENDERS {
        rate_cell(&workspace, contender, &options, &mut rows)?;
        topics_cell(&workspace, contender, &options, &mut rows)?;
        pressure::stalls(&workspace, contender, &options, &mut rows)?;
        pressure::skew(&workspace, contender, &options, &mut rows)?;
        scale::cells(&workspace, contender, &options, &mut rows)?;
    }
    for partitions in [1_000, 10_000] {
        pressure::many(&workspace, partitions, &options, &mut rows)?;
    }
    print_table(&rows);
    if let Some(file) = &options.json {
        std::fs::write(file, json(&rows))?;
    }
    Ok(true)
}

impl Options {
    fn wants(&self, cell: &str) -> bool {
        self.cells.is_empty() || self.cells.iter().any(|wanted| cell.contains(wanted.as_str()))
    }
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { cells: Vec::new(), runs: 3, megabytes: 400, json: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--runs" => options.runs = value()?.parse()?,
            "--megabytes" => options.megabytes = value()?.parse()?,
            "--json" => options.json = Some(value()?.clone()),
            cell => options.cells.push(cell.to_owned()),
        }
    }
    Ok(options)
}

fn shapes(megabytes: usize) -> Vec<(String, Shape)> {
    let mut all = Vec::new();
    for record_bytes in [100, 1024] {
        for (partitions, connections) in [(1, 1), (16, 4)] {
            let shape = Shape { partitions, connections, ..Shape::even(record_bytes, megabytes) };
            all.push((format!("{record_bytes} B, {partitions} partitions"), shape));
        }
    }
    all
}

/// Exec to first accepted produce on an empty directory, and memory when nothing happens.
fn start_cell(
    workspace: &Workspace,
    contender: &Contender,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    if !options.wants("start") {
        return Ok(());
    }
    let (mut answered, mut first, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let mut broker = Broker::prepare(workspace, contender.kind, "bench-start", contender.overrides)?;
        let since = Instant::now();
        broker.launch(workspace)?;
        let (answer, produce) = load::first_produce(&broker.address(), since)?;
        answered.push(answer.as_secs_f64() * 1e3);
        first.push(produce.as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_secs(3));
        idle.push(usage(broker.id()).resident_mb);
    }
    push(rows, "start", contender, "ms to first ApiVersions answer", answered);
    push(rows, "start", contender, "ms to first produce", first);
    push(rows, "start", contender, "MB resident idle", idle);
    Ok(())
}

/// Produce and consume at full speed; the first run warms up and does not count.
fn throughput_cell(
    workspace: &Workspace,
    cell: &str,
    shape: Shape,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    for contender in CONTENDERS {
        let broker = Broker::start(workspace, contender.kind, "bench-load", contender.overrides)?;
        let payload =
            (shape.batches() / shape.connections * shape.connections * shape.records() * shape.record_bytes)
                as f64;
        let mut figures: [Vec<f64>; 4] = Default::default();
        let mut resident = 0.0;
        for run in 0..=options.runs {
            let topic = format!("load-{run}");
            load::create(&broker.address(), &topic, shape.partitions)?;
            let before = usage(broker.id());
            let took = load::produce(&broker.address(), &topic, shape)?;
            let between = usage(broker.id());
            let (bytes, read_in) = load::consume(&broker.address(), &topic, shape.partitions)?;
            let after = usage(broker.id());
            anyhow::ensure!(
                bytes as f64 >= payload,
                "{} lost bytes: {bytes} read of {payload}",
                contender.name
            );
            resident = after.resident_mb;
            if run > 0 {
                figures[0].push(payload / 1e6 / took.as_secs_f64());
                figures[1].push((between.cpu - before.cpu).as_secs_f64() / (payload / 1e9));
                figures[2].push(payload / 1e6 / read_in.as_secs_f64());
                figures[3].push((after.cpu - between.cpu).as_secs_f64() / (payload / 1e9));
            }
        }
        let names = ["produce MB/s", "produce CPU-s/GB", "consume MB/s", "consume CPU-s/GB"];
        for (figure, values) in names.into_iter().zip(figures) {
            push(rows, cell, contender, figure, values);
        }
        push(rows, cell, contender, "MB resident", vec![resident]);
    }
    Ok(())
}

/// 1,000 produces a second of one 1 KiB record each.
fn rate_cell(
    workspace: &Workspace,
    contender: &Contender,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    if !options.wants("rate") {
        return Ok(());
    }
    let broker = Broker::start(workspace, contender.kind, "bench-rate", contender.overrides)?;
    load::create(&broker.address(), "rate", 1)?;
    load::at_rate(&broker.address(), "rate", 1024, 1000, 3)?;
    let (mut p50, mut p99, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let before = usage(broker.id());
        let latencies = load::at_rate(&broker.address(), "rate", 1024, 1000, 5)?;
        cpu.push((usage(broker.id()).cpu - before.cpu).as_secs_f64() * 1e6 / latencies.len() as f64);
        p50.push(percentile(&latencies, 0.5));
        p99.push(percentile(&latencies, 0.99));
    }
    push(rows, "rate 1000/s", contender, "p50 µs", p50);
    push(rows, "rate 1000/s", contender, "p99 µs", p99);
    push(rows, "rate 1000/s", contender, "CPU µs a record", cpu);
    Ok(())
}

/// A thousand topics created, and the cost of describing them.
fn topics_cell(
    workspace: &Workspace,
    contender: &Contender,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    if !options.wants("topics") {
        return Ok(());
    }
    let (mut created, mut described) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let broker = Broker::start(workspace, contender.kind, "bench-topics", contender.overrides)?;
        let (create, describe) = load::topics(&broker.address(), 1000)?;
        created.push(create.as_secs_f64() * 1e3);
        described.push(describe.as_secs_f64() * 1e3);
    }
    push(rows, "1,000 topics", contender, "ms to create, all led", created);
    push(rows, "1,000 topics", contender, "ms to describe", described);
    Ok(())
}

fn push(rows: &mut Vec<Row>, cell: &str, contender: &Contender, figure: &'static str, values: Vec<f64>) {
    rows.push(Row { cell: cell.to_owned(), contender: contender.name, figure, spread: Spread::of(values) });
}

fn print_table(rows: &[Row]) {
    println!("| cell | figure | {} |", CONTENDERS.iter().map(|c| c.name).collect::<Vec<_>>().join(" | "));
    println!("|---|---|{}", "---|".repeat(CONTENDERS.len()));
    let mut printed: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let at = (row.cell.as_str(), row.figure);
        if printed.contains(&at) {
            continue;
        }
        printed.push(at);
        let values = CONTENDERS.iter().map(|contender| {
            let found =
                rows.iter().find(|r| (r.cell.as_str(), r.figure) == at && r.contender == contender.name);
            found.map_or("–".to_owned(), |r| {
                format!("{:.2} ({:.2}–{:.2})", r.spread.median, r.spread.least, r.spread.most)
            })
        });
        println!("| {} | {} | {} |", row.cell, row.figure, values.collect::<Vec<_>>().join(" | "));
    }
}

fn json(rows: &[Row]) -> String {
    let values: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "cell": row.cell, "contender": row.contender, "figure": row.figure,
                "median": row.spread.median, "least": row.spread.least, "most": row.spread.most,
            })
        })
        .collect();
    serde_json::Value::from(values).to_string()
}
