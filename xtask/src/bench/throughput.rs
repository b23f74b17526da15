//! Produce and fetch as fast as it goes: large and small batches, one partition and many, plain and lz4.

use super::cell::{Cell, Figures, Run};
use super::load::{self, Done, Shape};
use super::measure::{cpu_seconds, resident_mb};
use super::speak::Batch;
use anyhow::{Result, ensure};

/// Batches of 16 KiB over 16 partitions.
pub fn sixteen<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    produce(cell, Shape::sixteen(cell.options.megabytes))
}

/// The same over one connection to one partition.
pub fn single<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    produce(cell, Shape::single(cell.options.megabytes))
}

/// Batches of 1 MB over 16 partitions.
pub fn large<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    produce(cell, Shape { batch_bytes: 1_000_000, ..Shape::sixteen(cell.options.megabytes) })
}

/// Everything to one partition from four connections: what its one home costs a hot partition.
pub fn hot<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    produce(cell, Shape { connections: 4, partitions: 1, ..Shape::single(cell.options.megabytes) })
}

fn produce<'a>(cell: &Cell<'a>, shape: Shape) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    Ok(Box::new(move |run| {
        let topic = cell.topic("produce", run);
        load::create(&broker.address(), &topic, shape.partitions, &[])?;
        let before = cpu_seconds(broker.id());
        let done = load::produce(&broker.address(), &topic, shape)?;
        let mut figures = costs(&done, cpu_seconds(broker.id()) - before);
        figures.push(("MB resident", resident_mb(broker.id())));
        Ok(figures)
    }))
}

/// Throughput, and CPU by volume, request and record.
pub fn costs(done: &Done, cpu: f64) -> Figures {
    vec![
        ("MB/s", done.mb_per_second()),
        ("CPU-s/GB", cpu / (done.payload_bytes as f64 / 1e9)),
        ("CPU µs a request", cpu * 1e6 / done.requests as f64),
        ("CPU µs a record", cpu * 1e6 / done.records as f64),
    ]
}

/// One wire GB of lz4 and one of plain batches of the same size on the wire, one after the other.
pub fn lz4<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    let plain = Shape::sixteen(cell.options.megabytes);
    // Half of every value is noise: twice the records make a batch of 16 KiB again, and twice the payload the same volume.
    let packed =
        Shape { lz4: true, batch_bytes: 2 * plain.batch_bytes, megabytes: 2 * plain.megabytes, ..plain };
    Ok(Box::new(move |run| {
        let mut per_gb = [0.0; 2];
        for (at, (name, shape)) in [("plain", plain), ("lz4", packed)].into_iter().enumerate() {
            let topic = cell.topic(name, run);
            load::create(&broker.address(), &topic, shape.partitions, &[])?;
            let before = cpu_seconds(broker.id());
            let done = load::produce(&broker.address(), &topic, shape)?;
            per_gb[at] = (cpu_seconds(broker.id()) - before) / (done.batch_bytes as f64 / 1e9);
        }
        let [plain, lz4] = per_gb;
        Ok(vec![("CPU-s/wire GB, plain", plain), ("CPU-s/wire GB, lz4", lz4), ("lz4 to plain", lz4 / plain)])
    }))
}

/// Batches of 1 KiB over a thousand partitions, 40 a request. The run that is thrown away makes the files.
pub fn wide<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    let topic = cell.topic("wide", 0);
    load::create(&broker.address(), &topic, 1000, &[])?;
    Ok(Box::new(move |_| {
        let before = cpu_seconds(broker.id());
        let batch = Batch::plain(1, 950);
        let done = load::produce_wide(&broker.address(), &topic, 1000, 40, &batch, 100_000)?;
        let cpu = cpu_seconds(broker.id()) - before;
        Ok(vec![
            ("batches/s", done.records as f64 / done.took.as_secs_f64()),
            ("CPU µs a batch", cpu * 1e6 / done.records as f64),
            ("MB resident", resident_mb(broker.id())),
        ])
    }))
}

/// One connection reads one partition by 1 MiB; every run reads the same log from its beginning.
pub fn fetch_single<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    fetch(cell, Shape::single(cell.options.megabytes))
}

/// One connection reads sixteen partitions.
pub fn fetch_sixteen<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    fetch(cell, Shape::sixteen(cell.options.megabytes))
}

fn fetch<'a>(cell: &Cell<'a>, shape: Shape) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    let topic = cell.topic("fetch", 0);
    load::create(&broker.address(), &topic, shape.partitions, &[])?;
    let produced = load::produce(&broker.address(), &topic, shape)?;
    Ok(Box::new(move |_| {
        let us = std::process::id();
        let (before, own) = (cpu_seconds(broker.id()), cpu_seconds(us));
        let done = load::consume(&broker.address(), &topic, shape.partitions, 1 << 20)?;
        let (cpu, own) = (cpu_seconds(broker.id()) - before, cpu_seconds(us) - own);
        ensure!(
            done.records == produced.records,
            "{} of {} records came back",
            done.records,
            produced.records
        );
        let gb = done.payload_bytes as f64 / 1e9;
        Ok(vec![
            ("MB/s", done.mb_per_second()),
            ("CPU-s/GB", cpu / gb),
            ("CPU-s/GB with the client", (cpu + own) / gb),
            ("CPU µs a request", cpu * 1e6 / done.requests as f64),
            ("CPU µs a record", cpu * 1e6 / done.records as f64),
        ])
    }))
}
