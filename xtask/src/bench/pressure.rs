//! Cells that look for what an even load hides: latency while the kernel writes back gigabytes, small batches over very many
//! partitions, and one hot partition under many connections.

use super::load::{self, Shape};
use super::measure::{percentile, usage};
use super::{CONTENDERS, Contender, Options, Row, push};
use crate::broker::Broker;
use crate::workspace::Workspace;
use anyhow::Result;

/// 1,000 small produces a second to one topic while four connections fill another as fast as they can: what write-back and
/// neighbours cost those who wait for an answer.
pub fn stalls(
    workspace: &Workspace,
    contender: &Contender,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    if !options.wants("stalls") {
        return Ok(());
    }
    let broker = Broker::start(workspace, contender.kind, "bench-stalls", contender.overrides)?;
    let (mut p50, mut p99, mut worst, mut filled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    load::create(&broker.address(), "quiet", 1)?;
    for run in 0..options.runs {
        let bulk = format!("bulk-{run}");
        load::create(&broker.address(), &bulk, 16)?;
        let address = broker.address();
        let (latencies, rate) = std::thread::scope(|scope| {
            let filler = scope.spawn(|| {
                let shape = Shape::even(1024, options.megabytes * 5);
                let took = load::produce(&address, &bulk, shape)?;
                anyhow::Ok(shape.megabytes as f64 / took.as_secs_f64())
            });
            let latencies = load::at_rate(&address, "quiet", 1024, 1000, 5);
            (latencies, filler.join().unwrap_or_else(|_| anyhow::bail!("the filler panicked")))
        });
        let latencies = latencies?;
        filled.push(rate?);
        p50.push(percentile(&latencies, 0.5));
        p99.push(percentile(&latencies, 0.99));
        worst.push(percentile(&latencies, 1.0));
    }
    push(rows, "stalls: 1000/s beside a bulk load", contender, "p50 µs", p50);
    push(rows, "stalls: 1000/s beside a bulk load", contender, "p99 µs", p99);
    push(rows, "stalls: 1000/s beside a bulk load", contender, "worst µs", worst);
    push(rows, "stalls: 1000/s beside a bulk load", contender, "bulk MB/s", filled);
    Ok(())
}

/// Batches of one 1 KiB record, 40 partitions a request, over many partitions that are all being written to.
pub fn many(workspace: &Workspace, partitions: i32, options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let cell = format!("many: 1 KiB batches over {partitions} partitions, 40 a request");
    if !options.wants(&cell) {
        return Ok(());
    }
    for contender in CONTENDERS {
        let broker = Broker::start(workspace, contender.kind, "bench-many", contender.overrides)?;
        load::create(&broker.address(), "many", partitions)?;
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        // The first round makes the files.
        for run in 0..=options.runs {
            let before = usage(broker.id());
            let (batches, took) = load::small_batches(&broker.address(), "many", partitions, 40, 4, 100_000)?;
            if run > 0 {
                rates.push(batches as f64 / took.as_secs_f64());
                cpu.push((usage(broker.id()).cpu - before.cpu).as_secs_f64() * 1e6 / batches as f64);
            }
        }
        push(rows, &cell, contender, "batches/s", rates);
        push(rows, &cell, contender, "CPU µs a batch", cpu);
        push(rows, &cell, contender, "MB resident", vec![usage(broker.id()).resident_mb]);
    }
    Ok(())
}

/// Everything to one partition from four connections, beside the same load over sixteen: what a static home costs a hot one.
pub fn skew(
    workspace: &Workspace,
    contender: &Contender,
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<()> {
    if !options.wants("skew") {
        return Ok(());
    }
    let broker = Broker::start(workspace, contender.kind, "bench-skew", contender.overrides)?;
    for partitions in [1, 16] {
        let shape = Shape { partitions, ..Shape::even(1024, options.megabytes) };
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        for run in 0..=options.runs {
            let topic = format!("skew-{partitions}-{run}");
            load::create(&broker.address(), &topic, partitions)?;
            let before = usage(broker.id());
            let took = load::produce(&broker.address(), &topic, shape)?;
            if run > 0 {
                rates.push(shape.megabytes as f64 / took.as_secs_f64());
                cpu.push(
                    (usage(broker.id()).cpu - before.cpu).as_secs_f64() / (shape.megabytes as f64 / 1e3),
                );
            }
        }
        let cell = format!("skew: 4 connections on {partitions} partitions");
        push(rows, &cell, contender, "MB/s", rates);
        push(rows, &cell, contender, "CPU-s/GB", cpu);
    }
    Ok(())
}
