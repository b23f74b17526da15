//! How cost follows the number of partitions and connections: creation and first write with few and with many existing, memory,
//! descriptors and CPU when nothing happens, restart after `kill -9`. Ottla alone: Apache Kafka needs minutes for what is counted
//! in milliseconds here.

use super::cell::{Cell, Run};
use super::contender::Running;
use super::load::{self, first_answer};
use super::measure::{descriptors, own_mb, resident_mb, scheduled_seconds};
use super::speak::{self, Batch, Connection};
use crate::process::pause;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

pub const RESIDENT_IDLE: &str = "MB resident idle";
pub const OWN_IDLE: &str = "MB of it the node's own";
pub const A_PARTITION: &str = "KB a partition";
pub const A_CONNECTION: &str = "KB a connection";
pub const DESCRIPTORS: &str = "descriptors a partition";

/// Partitions of one topic while many are made.
pub const A_TOPIC: i32 = 5_000;

/// A thousand partitions made and first written, nothing else there.
pub fn thousand<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    thousand_more(cell, 0)
}

/// The same beside fifty thousand.
pub fn thousand_beside_many<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    thousand_more(cell, 50_000)
}

fn thousand_more<'a>(cell: &Cell<'a>, existing: i32) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    fill(&broker, existing)?;
    Ok(Box::new(move |run| {
        let topic = cell.topic("more", run);
        let mut connection = Connection::open(&broker.address())?;
        let since = Instant::now();
        load::create_led(&mut connection, &topic, 1000, &[])?;
        let created = since.elapsed();
        let frame = speak::produce_to(&topic, 0..1000, &Batch::plain(1, 100).bytes()?);
        let since = Instant::now();
        load::accepted(&mut connection, &frame)?;
        let written = since.elapsed();
        Ok(vec![
            ("ms to create, all led", created.as_secs_f64() * 1e3),
            ("ms to first write on all", written.as_secs_f64() * 1e3),
        ])
    }))
}

/// That many partitions, of topics called `existing-N`, N the first of their partitions by count.
pub fn fill(broker: &Running, partitions: i32) -> Result<()> {
    let mut connection = Connection::open(&broker.address())?;
    for first in (0..partitions).step_by(A_TOPIC as usize) {
        let many = A_TOPIC.min(partitions - first);
        load::create_led(&mut connection, &format!("existing-{first}"), many, &[])?;
    }
    Ok(())
}

/// Five thousand partitions, never written.
pub fn restart_few<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    restart(cell, 5_000, false)
}

/// Five thousand partitions with a record each.
pub fn restart_written<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    restart(cell, 5_000, true)
}

/// A hundred thousand partitions, never written.
pub fn restart_many<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    restart(cell, 100_000, false)
}

/// `kill -9`, start, and a produce is accepted.
fn restart<'a>(cell: &Cell<'a>, partitions: i32, written: bool) -> Result<Run<'a>> {
    let cell = *cell;
    let mut broker = cell.start()?;
    let (memory, open) = (resident_mb(broker.id()), descriptors(broker.id()));
    let since = Instant::now();
    fill(&broker, partitions)?;
    let created = since.elapsed();
    pause(Duration::from_secs(1));
    let (grown, held) = (resident_mb(broker.id()) - memory, descriptors(broker.id()) - open);
    let idle = resident_mb(broker.id());
    let batch = Batch::plain(1, 100).bytes()?;
    if written {
        let mut connection = Connection::open(&broker.address())?;
        for first in (0..partitions).step_by(500) {
            load::accepted(&mut connection, &speak::produce_to("existing-0", first..first + 500, &batch))?;
        }
    }
    Ok(Box::new(move |_| {
        // Each start writes of every partition into the metadata log, and a snapshot follows soon after it. Without a pause the runs
        // would measure how long that log has become.
        pause(Duration::from_secs(3));
        broker.kill()?;
        let since = Instant::now();
        broker.launch(cell.workspace)?;
        let (mut connection, _) = first_answer(&broker.address(), since)?;
        load::accepted(&mut connection, &speak::produce("existing-0", 7, &batch))?;
        let took = since.elapsed();
        let mut figures = vec![("ms to accepted produce", took.as_secs_f64() * 1e3)];
        if !written {
            figures.push(("ms to create all", created.as_secs_f64() * 1e3));
            figures.push((RESIDENT_IDLE, idle));
            figures.push((A_PARTITION, grown * 1024.0 / f64::from(partitions)));
            figures.push((DESCRIPTORS, held.max(0.0) / f64::from(partitions)));
        }
        Ok(figures)
    }))
}

/// What stands idle, and how long it is watched.
const IDLE: (i32, usize, Duration) = (10_000, 1_000, Duration::from_secs(15));

pub fn idle<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let (partitions, connections, time) = IDLE;
        let broker = cell.start()?;
        fill(&broker, partitions)?;
        pause(Duration::from_secs(1));
        let before = resident_mb(broker.id());
        let held = idle_connections(&broker.address(), connections)?;
        pause(Duration::from_secs(2));
        let grown = resident_mb(broker.id()) - before;
        let from = scheduled_seconds(broker.id());
        pause(time);
        let spent = scheduled_seconds(broker.id()) - from;
        ensure!(held.len() == connections);
        Ok(vec![
            ("CPU %", spent / time.as_secs_f64() * 100.0),
            (A_CONNECTION, grown * 1024.0 / connections as f64),
        ])
    }))
}

/// What a node at rest holds, alone, by partition and by connection: counts that no other load changes.
pub fn memory<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let (partitions, connections, _) = IDLE;
        let broker = cell.start()?;
        pause(Duration::from_secs(1));
        let (alone, own, open) = (resident_mb(broker.id()), own_mb(broker.id()), descriptors(broker.id()));
        // The code that the first creation of a topic brings into memory is no part of a partition.
        load::create(&broker.address(), "first", 1, &[])?;
        pause(Duration::from_secs(1));
        let warm = resident_mb(broker.id());
        fill(&broker, partitions)?;
        pause(Duration::from_secs(1));
        let (filled, held) = (resident_mb(broker.id()), descriptors(broker.id()));
        let all = idle_connections(&broker.address(), connections)?;
        pause(Duration::from_secs(1));
        let connected = resident_mb(broker.id());
        ensure!(all.len() == connections);
        Ok(vec![
            (RESIDENT_IDLE, alone),
            (OWN_IDLE, own),
            (A_PARTITION, (filled - warm) * 1024.0 / f64::from(partitions)),
            (A_CONNECTION, (connected - filled) * 1024.0 / connections as f64),
            (DESCRIPTORS, (held - open).max(0.0) / f64::from(partitions)),
        ])
    }))
}

/// Connections that have asked once and say no more.
pub fn idle_connections(address: &str, many: usize) -> Result<Vec<Connection>> {
    let one = || {
        let mut connection = Connection::open(address)?;
        connection.call(&speak::api_versions())?;
        connection.give_back_buffer();
        Ok(connection)
    };
    (0..many).map(|_| one()).collect()
}
