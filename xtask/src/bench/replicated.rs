//! What three copies cost: throughput and CPU beside the parts of the work measured on one node, and what an answer and a delivery take
//! at fixed rates. Three nodes, three replicas, two of which must have what is acknowledged, acks=all.

use super::cell::{Cell, Figures, Run};
use super::cluster::Cluster;
use super::contender::{Running, Who};
use super::load::{self, Shape};
use super::measure::{cpu_seconds, percentile};
use super::open_loop;
use super::paced::Pace;
use super::speak::Batch;
use anyhow::Result;

pub const CPU_TO_PARTS: &str = "CPU to the sum of its parts";

const PARTITIONS: i32 = 12;

/// Two connections to each leader, two partitions each.
fn shape(cell: &Cell<'_>) -> Shape {
    Shape { partitions: PARTITIONS, connections: 6, ..Shape::sixteen(cell.options.megabytes) }
}

/// Throughput, and CPU of all three processes beside what the same work costs on one node: one produce, two fetches, two appends.
pub fn produce<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let cluster = Cluster::start(&cell)?;
    // One copy alone would wait for the disk, which three do not.
    let settings: &[_] = if cell.contender.who == Who::Ottla { &[("log.flush.ack", "none")] } else { &[] };
    let single = cell.start_with(settings)?;
    Ok(Box::new(move |run| {
        let topic = cell.topic("replicated", run);
        let leaders = cluster.create(&topic, PARTITIONS)?;
        let before = cluster.cpu_seconds();
        let done = load::produce_led(&leaders, &topic, shape(&cell))?;
        let cpu = (cluster.cpu_seconds() - before) / (done.payload_bytes as f64 / 1e9);
        let parts = Parts::measure(&cell, &single, run)?;
        let (_, most) = cluster.resident_mb();
        Ok(vec![
            ("MB/s", done.mb_per_second()),
            ("CPU-s/GB, three nodes", cpu),
            ("CPU-s/GB, one node: produce", parts.produce),
            ("CPU-s/GB, one node: fetch", parts.fetch),
            ("CPU-s/GB, one node: append as a follower does", parts.append),
            (CPU_TO_PARTS, cpu / (parts.produce + 2.0 * parts.fetch + 2.0 * parts.append)),
            ("MB resident, largest node", most),
        ])
    }))
}

/// CPU seconds a GB of record values on one node.
struct Parts {
    /// The same requests.
    produce: f64,
    /// All partitions by 1 MiB over one connection, as a follower asks.
    fetch: f64,
    /// Receiving and appending batches of all partitions in one piece, as a follower receives them: a request of 12 batches.
    append: f64,
}

impl Parts {
    fn measure(cell: &Cell<'_>, single: &Running, run: usize) -> Result<Parts> {
        let shape = shape(cell);
        let address = single.address();
        let topic = cell.topic("alone", run);
        load::create(&address, &topic, PARTITIONS, &[])?;
        let mut before = cpu_seconds(single.id());
        let mut since = |bytes: usize| {
            let now = cpu_seconds(single.id());
            (now - std::mem::replace(&mut before, now)) / (bytes as f64 / 1e9)
        };
        let produce = since(load::produce(&address, &topic, shape)?.payload_bytes);
        let fetch = since(load::consume(&address, &topic, PARTITIONS, 1 << 20)?.payload_bytes);
        let topic = cell.topic("appended", run);
        load::create(&address, &topic, PARTITIONS, &[])?;
        since(1);
        let batch = Batch::plain(shape.records(), shape.record_bytes);
        let batches = shape.megabytes * 1_000_000 / (shape.records() * shape.record_bytes);
        let append = load::produce_wide(&address, &topic, PARTITIONS, PARTITIONS, &batch, batches)?;
        Ok(Parts { produce, fetch, append: since(append.payload_bytes) })
    }
}

/// Names of a rate's figures: p50 and p99 of answers and of deliveries, in µs, and CPU.
pub type Names = [&'static str; 5];

macro_rules! rate {
    ($rate:literal) => {
        (
            $rate,
            [
                concat!($rate, "/s: p50 µs to the answer"),
                concat!($rate, "/s: p99 µs to the answer"),
                concat!($rate, "/s: p50 µs"),
                concat!($rate, "/s: p99 µs"),
                concat!($rate, "/s: CPU µs a record"),
            ],
        )
    };
}

/// Which of a rate's figures is the p99 from due to consumed.
pub const P99: usize = 3;

/// Records a second, whoever keeps them up or not.
pub const RATES: &[(u32, Names)] = &[rate!(1000), rate!(20000)];

/// Rates to climb until one is not sustained.
pub const LADDER: &[(u32, Names)] = &[
    rate!(5000),
    rate!(10000),
    rate!(20000),
    rate!(30000),
    rate!(40000),
    rate!(50000),
    rate!(60000),
    rate!(80000),
    rate!(100000),
    rate!(150000),
];

/// From due to answered and to consumed at the usual rates.
pub fn latency<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let cluster = Cluster::start(&cell)?;
    Ok(Box::new(move |run| {
        let mut figures = Figures::new();
        for (at, (rate, names)) in RATES.iter().enumerate() {
            figures.extend(at_rate(&cell, &cluster, *rate, names, run * RATES.len() + at)?.0);
        }
        Ok(figures)
    }))
}

/// The same, faster and faster: figures of every rate that is sustained.
pub fn highest<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let cluster = Cluster::start(&cell)?;
    Ok(Box::new(move |_| {
        // Thrown away: what a process does for the first time is not what a rate costs.
        at_rate(&cell, &cluster, RATES[1].0, &RATES[1].1, 0)?;
        let mut figures = Figures::new();
        let mut sustained = 0;
        for (at, (rate, names)) in LADDER.iter().enumerate() {
            // One bad second is no limit: a second try decides.
            let (mut found, mut held) = at_rate(&cell, &cluster, *rate, names, 1 + 2 * at)?;
            if !held {
                (found, held) = at_rate(&cell, &cluster, *rate, names, 2 + 2 * at)?;
            }
            if !held {
                break;
            }
            figures.extend(found);
            sustained = *rate;
        }
        figures.push(("records/s sustained", f64::from(sustained)));
        Ok(figures)
    }))
}

/// One rate on a topic of its own; whether it was sustained.
fn at_rate(
    cell: &Cell<'_>,
    cluster: &Cluster,
    rate: u32,
    names: &Names,
    number: usize,
) -> Result<(Figures, bool)> {
    let topic = cell.topic("paced", number);
    let leaders = cluster.create(&topic, PARTITIONS)?;
    let pace = Pace { record_bytes: 1024, per_second: rate, seconds: 6 };
    let before = cluster.cpu_seconds();
    let seen = open_loop::run(&leaders, &topic, pace)?;
    let cpu = (cluster.cpu_seconds() - before) * 1e6 / f64::from(pace.records());
    let values = [
        percentile(&seen.answered, 0.5),
        percentile(&seen.answered, 0.99),
        percentile(&seen.consumed, 0.5),
        percentile(&seen.consumed, 0.99),
        cpu,
    ];
    Ok((names.iter().copied().zip(values).collect(), seen.sustained))
}
