//! How cost follows the number of partitions and connections: creation and first write with few and with many existing, memory,
//! descriptors and CPU when nothing happens, restart after `kill -9`. Ottla alone: Apache Kafka needs minutes for what is counted
//! in milliseconds here.

use super::load::{self, first_answer};
use super::measure::usage;
use super::speak::{self, Connection};
use super::{Contender, Options, Row, push};
use crate::broker::{Broker, Kind};
use crate::process::pause;
use crate::workspace::Workspace;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Partitions that exist before a thousand more are made.
const EXISTING: [i32; 2] = [0, 50_000];
/// Partitions of a node that is killed and started again.
const RESTARTED: [i32; 2] = [5_000, 100_000];
/// What stands idle, and how long it is watched.
const IDLE: (i32, usize, Duration) = (10_000, 1_000, Duration::from_secs(20));

/// All of it, for one contender.
pub fn cells(
    workspace: &Workspace,
    contender: &Contender,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    if !options.wants("scale") || contender.kind != Kind::Ottla {
        return Ok(());
    }
    for existing in EXISTING {
        thousand_more(workspace, contender, existing, options, rows)?;
    }
    for partitions in RESTARTED {
        restart(workspace, contender, partitions, options, rows)?;
    }
    idle(workspace, contender, rows)
}

fn fill(address: &str, partitions: i32) -> Result<()> {
    for part in 0..partitions / 5_000 {
        load::create(address, &format!("existing-{part}"), 5_000)?;
    }
    Ok(())
}

fn thousand_more(
    workspace: &Workspace,
    contender: &Contender,
    existing: i32,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let broker = Broker::start(workspace, contender.kind, "bench-scale", contender.overrides)?;
    let before = usage(broker.id()).resident_mb;
    fill(&broker.address(), existing)?;
    let cell = format!("scale: 1,000 partitions more, {existing} existing");
    if existing > 0 {
        let grown = usage(broker.id()).resident_mb - before;
        push(rows, &cell, contender, "KB resident per partition", vec![grown * 1024.0 / f64::from(existing)]);
        push(rows, &cell, contender, "descriptors", vec![descriptors(broker.id())]);
    }
    let (mut created, mut written) = (Vec::new(), Vec::new());
    for run in 0..options.runs {
        let topic = format!("more-{run}");
        let since = Instant::now();
        load::create(&broker.address(), &topic, 1_000)?;
        created.push(since.elapsed().as_secs_f64() * 1e3);
        let frame = speak::produce_to(&topic, 0..1_000, &speak::batch(1, 100));
        let mut connection = Connection::open(&broker.address())?;
        let since = Instant::now();
        speak::produced(connection.call(&frame)?)?;
        written.push(since.elapsed().as_secs_f64() * 1e3);
    }
    push(rows, &cell, contender, "ms to create, all led", created);
    push(rows, &cell, contender, "ms to first write on all", written);
    Ok(())
}

fn restart(
    workspace: &Workspace,
    contender: &Contender,
    partitions: i32,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let mut broker = Broker::start(workspace, contender.kind, "bench-restart", contender.overrides)?;
    fill(&broker.address(), partitions)?;
    let mut took = Vec::new();
    for _ in 0..options.runs {
        broker.kill()?;
        let since = Instant::now();
        broker.launch(workspace)?;
        first_answer(&broker.address(), since)?;
        let frame = speak::produce("existing-0", 7, &speak::batch(1, 100));
        speak::produced(Connection::open(&broker.address())?.call(&frame)?)?;
        took.push(since.elapsed().as_secs_f64() * 1e3);
    }
    let cell = format!("scale: restart after kill -9, {partitions} partitions");
    push(rows, &cell, contender, "ms to accepted produce", took);
    Ok(())
}

fn idle(workspace: &Workspace, contender: &Contender, rows: &mut Vec<Row>) -> Result<()> {
    let (partitions, connections, time) = IDLE;
    let broker = Broker::start(workspace, contender.kind, "bench-idle", contender.overrides)?;
    fill(&broker.address(), partitions)?;
    let before = usage(broker.id()).resident_mb;
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut connection = Connection::open(&broker.address())?;
        connection.call(&speak::api_versions())?;
        held.push(connection);
    }
    let grown = usage(broker.id()).resident_mb - before;
    pause(Duration::from_secs(2));
    let from = usage(broker.id()).cpu;
    pause(time);
    let spent = usage(broker.id()).cpu.saturating_sub(from);
    ensure!(held.len() == connections);
    let cell = format!("scale: idle, {partitions} partitions, {connections} connections");
    push(rows, &cell, contender, "CPU %", vec![spent.as_secs_f64() / time.as_secs_f64() * 100.0]);
    push(rows, &cell, contender, "KB resident per connection", vec![grown * 1024.0 / connections as f64]);
    Ok(())
}

fn descriptors(id: u32) -> f64 {
    std::fs::read_dir(format!("/proc/{id}/fd")).map_or(f64::NAN, |entries| entries.count() as f64)
}
