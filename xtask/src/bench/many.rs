//! Clusters of many partitions: how long three nodes take to make them, to go on when the active controller dies, to take a node
//! back; and what each node holds of them in memory.

use super::cell::{Cell, Figures, Run};
use super::cluster::Cluster;
use super::load;
use super::speak::cluster::Described;
use super::speak::{self, Batch, Connection};
use crate::process::pause;
use crate::trio::NODES;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// Partitions of one topic, and of one request to make them: Kafka's controller writes no more than 10,000 records for a request.
const A_TOPIC: i32 = 1_000;
/// Partitions of one produce request.
const A_REQUEST: usize = 500;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(900);

pub const LED: &str = "ms until every node shows all led";
pub const LEAST: &str = "MB resident, smallest node";
pub const MOST: &str = "MB resident, largest node";

/// That many partitions of three replicas made, shown by every node, first written.
pub fn create<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let cluster = Cluster::start(&cell)?;
        let since = Instant::now();
        let topics = fill(&cluster, cell.options.partitions.unwrap_or(10_000))?;
        let led = since.elapsed();
        for topic in &topics {
            write(&cluster, topic)?;
        }
        let written = since.elapsed();
        let mut figures = vec![(LED, ms(led)), ("ms until each has acknowledged a record", ms(written))];
        figures.extend(memory(&cluster));
        Ok(figures)
    }))
}

/// `kill -9` of the active controller: when another one decides, and when somebody else leads what it led.
pub fn controller_failover<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let mut cluster = Cluster::start(&cell)?;
    let topics = fill(&cluster, cell.options.partitions.unwrap_or(10_000))?;
    settle(&cluster, &topics)?;
    Ok(Box::new(move |run| {
        let victim = cluster.trio.active_controller()?;
        let since = Instant::now();
        cluster.trio.kill(victim)?;
        let survivor = *cluster.trio.running().first().context("a survivor")?;
        create_somehow(&cluster.trio.address(survivor), &cell.topic("decided", run), since)?;
        let decided = since.elapsed();
        for topic in &topics {
            wait_led(&cluster, survivor, topic, &|leader| leader >= 0 && leader != victim)?;
        }
        let led = since.elapsed();
        let since = Instant::now();
        cluster.trio.restart(cell.workspace, victim)?;
        let listed = since.elapsed();
        settle(&cluster, &topics)?;
        let mut figures = vec![
            ("ms until another controller has created a topic", ms(decided)),
            ("ms until others lead everything", ms(led)),
            ("ms from its start until it is listed", ms(listed)),
            ("ms from its start until all is in sync", ms(since.elapsed())),
        ];
        figures.extend(memory(&cluster));
        Ok(figures)
    }))
}

/// `kill -9` and start of one node of a cluster of a hundred thousand partitions.
pub fn restart<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let mut cluster = Cluster::start(&cell)?;
    let since = Instant::now();
    let topics = fill(&cluster, cell.options.partitions.unwrap_or(100_000))?;
    let made = since.elapsed();
    settle(&cluster, &topics)?;
    Ok(Box::new(move |_| {
        let idle = memory(&cluster);
        let controller = cluster.trio.active_controller()?;
        let victim = NODES.into_iter().find(|id| *id != controller).context("another node")?;
        cluster.trio.kill(victim)?;
        for topic in &topics {
            wait_led(&cluster, controller, topic, &|leader| leader >= 0 && leader != victim)?;
        }
        let since = Instant::now();
        cluster.trio.restart(cell.workspace, victim)?;
        let listed = since.elapsed();
        settle(&cluster, &topics)?;
        let mut figures = vec![
            (LED, ms(made)),
            ("ms from its start until it is listed", ms(listed)),
            ("ms from its start until all is in sync", ms(since.elapsed())),
        ];
        figures.extend(idle);
        Ok(figures)
    }))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn memory(cluster: &Cluster) -> Figures {
    let (least, most) = cluster.resident_mb();
    vec![(LEAST, least), (MOST, most)]
}

/// Topics of that many partitions together; returns when every node shows all of them led.
fn fill(cluster: &Cluster, partitions: i32) -> Result<Vec<String>> {
    let mut connection = cluster.connect()?;
    let mut topics = Vec::new();
    for first in (0..partitions).step_by(A_TOPIC as usize) {
        let topic = format!("many-{first}");
        let many = A_TOPIC.min(partitions - first);
        let create = speak::create_replicated(std::slice::from_ref(&topic), many, 3, &[]);
        speak::created(connection.call(&create)?).with_context(|| topic.clone())?;
        topics.push(topic);
    }
    for id in NODES {
        for topic in &topics {
            wait_led(cluster, id, topic, &|leader| leader >= 0)?;
        }
    }
    Ok(topics)
}

/// Waits until a node shows every partition of a topic led by somebody who will do.
fn wait_led(cluster: &Cluster, id: i32, topic: &str, will_do: &dyn Fn(i32) -> bool) -> Result<()> {
    let since = Instant::now();
    let led = |seen: &Described| {
        let found = seen.topics.first().filter(|found| found.code == 0);
        found.is_some_and(|found| found.partitions.iter().all(|one| will_do(one.leader)))
    };
    while !cluster.trio.described(id, Some(&[topic])).is_ok_and(|seen| led(&seen)) {
        ensure!(since.elapsed() < LIMIT, "{topic} is not led: {}", cluster.trio.last_words());
        pause(Duration::from_millis(2));
    }
    Ok(())
}

/// Waits until all of them are in sync, topic by topic: an answer about all would be a load of its own.
fn settle(cluster: &Cluster, topics: &[String]) -> Result<()> {
    topics.iter().try_for_each(|topic| cluster.trio.wait_in_sync(&[topic], LIMIT))
}

/// A record to every partition of a topic, acknowledged.
fn write(cluster: &Cluster, topic: &str) -> Result<()> {
    let batch = Batch::plain(1, 100).bytes()?;
    let leaders = cluster.leaders(topic)?;
    for id in NODES {
        let address = cluster.trio.address(id);
        let own = leaders.iter().filter(|(_, leader)| *leader == address);
        let own: Vec<(i32, &[u8])> = own.map(|(partition, _)| (*partition, batch.as_slice())).collect();
        let mut connection = Connection::open(&address)?;
        for some in own.chunks(A_REQUEST) {
            load::accepted(&mut connection, &speak::produce_batches(topic, some))?;
        }
    }
    Ok(())
}

/// Asks a broker for a topic of one replica until the answer is that there is one.
fn create_somehow(address: &str, topic: &str, since: Instant) -> Result<()> {
    let create = speak::create_topics(&[topic.to_owned()], 1, &[]);
    let try_once = || -> Result<()> {
        let mut connection = Connection::open_within(address, Duration::from_secs(5))?;
        if speak::created(connection.call(&create)?).is_err() {
            // An earlier try may have been carried out and its answer lost.
            let seen = Described::read(connection.call(&speak::metadata(Some(&[topic])))?)?;
            ensure!(seen.leader(0).is_some(), "{topic} is not there");
        }
        Ok(())
    };
    while let Err(error) = try_once() {
        ensure!(since.elapsed() < LIMIT, "no controller decides: {error:#}");
        pause(Duration::from_millis(5));
    }
    Ok(())
}
