//! Whether a request costs the same however much else the node holds: partitions that exist beside the one that is used, partitions that
//! are used in turn, connections that ask in turn. CPU is the scheduler's account of the broker's threads; what is compared takes
//! turns within a run, so that a noisy second hits all of it. Instructions, which know no noise, are in `instructions`.

use super::cell::{Cell, Figures, Run};
use super::contender::Running;
use super::load::{self, send_all};
use super::measure::scheduled_seconds;
use super::scale::{A_TOPIC, fill, idle_connections};
use super::speak::{self, Batch, Connection};
use crate::process::pause;
use anyhow::Result;
use std::time::Duration;

/// Turns of each load within a run, and its requests in a turn.
const TURNS: usize = 5;
const REQUESTS: usize = 4_000;

/// So long after a creation the quorum is done with the snapshot that follows it.
const SETTLED: Duration = Duration::from_secs(2);

/// Partitions beside the one that is used: the node's name and those of what is measured.
const BESIDE: [(i32, &str, [&str; 3]); 3] = [
    (0, "flat-0", ["µs a produce beside 0", "µs a fetch beside 0", "µs a Metadata beside 0"]),
    (
        10_000,
        "flat-10k",
        ["µs a produce beside 10,000", "µs a fetch beside 10,000", "µs a Metadata beside 10,000"],
    ),
    (
        100_000,
        "flat-100k",
        ["µs a produce beside 100,000", "µs a fetch beside 100,000", "µs a Metadata beside 100,000"],
    ),
];

/// The last of them to the first.
pub const BESIDE_MANY: [&str; 3] =
    ["a produce beside 100,000 to 0", "a fetch beside 100,000 to 0", "a Metadata beside 100,000 to 0"];

/// A 1 KiB produce, a fetch of 64 KB and a Metadata of one topic on three nodes with ever more partitions of other topics.
pub fn partitions<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let nodes: Vec<Running> = BESIDE
        .iter()
        .map(|(beside, name, _)| {
            let node = Cell { name, ..cell }.start()?;
            fill(&node, *beside)?;
            load::create(&node.address(), "used", 1, &[])?;
            Ok(node)
        })
        .collect::<Result<_>>()?;
    pause(SETTLED);
    let kib = one_kib("used", 0)?;
    for node in &nodes {
        // Enough for every fetch.
        produce(node, std::slice::from_ref(&kib), 200)?;
    }
    let requests = [kib, speak::fetch("used", &[(0, 0)], 64 << 10), speak::metadata(Some(&["used"]))];
    Ok(Box::new(move |_| {
        let mut found = [[0.0; 3]; BESIDE.len()];
        for _ in 0..TURNS {
            for (node, found) in nodes.iter().zip(&mut found) {
                for (request, found) in requests.iter().zip(found) {
                    *found += cost(node, REQUESTS, || call(node, request))?;
                }
            }
        }
        let mut figures = Figures::new();
        for ((_, _, names), found) in BESIDE.iter().zip(&found) {
            figures.extend(names.iter().copied().zip(found.map(|total| total / TURNS as f64)));
        }
        let (few, many) = (found[0], found[BESIDE.len() - 1]);
        figures.extend((0..3).map(|at| (BESIDE_MANY[at], many[at] / few[at])));
        Ok(figures)
    }))
}

/// Partitions that are written in turn, one 1 KiB batch a request.
const IN_TURN: [(i32, &str); 4] = [
    (1, "µs a produce to 1 in turn"),
    (100, "µs a produce to 100 in turn"),
    (1_000, "µs a produce to 1,000 in turn"),
    (10_000, "µs a produce to 10,000 in turn"),
];

/// The same produce to ever more partitions in turn; each has its files already.
pub fn written<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let broker = cell.start()?;
    let mut connection = Connection::open(&broker.address())?;
    let mut loads = Vec::new();
    for (many, _) in IN_TURN {
        let mut frames = Vec::new();
        for first in (0..many).step_by(A_TOPIC as usize) {
            let topic = format!("written-{many}-{first}");
            let partitions = A_TOPIC.min(many - first);
            load::create_led(&mut connection, &topic, partitions, &[])?;
            for partition in 0..partitions {
                frames.push(one_kib(&topic, partition)?);
                load::accepted(&mut connection, &frames[frames.len() - 1])?;
            }
        }
        loads.push(frames);
    }
    pause(SETTLED);
    Ok(Box::new(move |_| {
        let mut found = [0.0; IN_TURN.len()];
        for _ in 0..TURNS {
            for (frames, found) in loads.iter().zip(&mut found) {
                let requests = REQUESTS.max(frames.len());
                *found += cost(&broker, requests, || produce(&broker, frames, requests))?;
            }
        }
        Ok(IN_TURN.iter().zip(found).map(|((_, name), total)| (*name, total / TURNS as f64)).collect())
    }))
}

/// Connections that ask in turn.
const CONNECTED: [(usize, &str); 4] = [
    (1, "µs a produce from 1 connection"),
    (64, "µs a produce from 64 in turn"),
    (1_000, "µs a produce from 1,000 in turn"),
    (10_000, "µs a produce from 10,000 in turn"),
];

/// So many of them have a request open at a time.
const ASKING: usize = 64;

/// The last of [`CONNECTED`] to the second.
pub const MORE_CONNECTIONS: &str = "10,000 connections to 64";

/// A 1 KiB produce from the first of ten thousand connections, of which sixty-four ask at a time.
pub fn connections<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let broker = cell.start()?;
    load::create(&broker.address(), "used", 1, &[])?;
    let frame = one_kib("used", 0)?;
    let mut all = idle_connections(&broker.address(), CONNECTED[CONNECTED.len() - 1].0)?;
    Ok(Box::new(move |_| {
        let mut found = [0.0; CONNECTED.len()];
        for _ in 0..TURNS {
            for ((many, _), found) in CONNECTED.iter().zip(&mut found) {
                let rounds = REQUESTS.div_ceil(*many);
                let load = || (0..rounds).try_for_each(|_| ask_all(&mut all[..*many], &frame));
                *found += cost(&broker, rounds * many, load)?;
            }
        }
        let mut figures: Figures =
            CONNECTED.iter().zip(found).map(|((_, name), total)| (*name, total / TURNS as f64)).collect();
        figures.push((MORE_CONNECTIONS, found[3] / found[1]));
        Ok(figures)
    }))
}

fn ask_all(connections: &mut [Connection], frame: &[u8]) -> Result<()> {
    for some in connections.chunks_mut(ASKING) {
        some.iter_mut().try_for_each(|connection| connection.send(frame))?;
        for connection in some {
            speak::produced(connection.receive()?)?;
            connection.give_back_buffer();
        }
    }
    Ok(())
}

fn one_kib(topic: &str, partition: i32) -> Result<Vec<u8>> {
    Ok(speak::produce(topic, partition, &Batch::plain(1, 950).bytes()?))
}

/// The broker's CPU a request, in microseconds.
fn cost(broker: &Running, requests: usize, load: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = scheduled_seconds(broker.id());
    load()?;
    Ok((scheduled_seconds(broker.id()) - before) * 1e6 / requests as f64)
}

fn produce(broker: &Running, frames: &[Vec<u8>], requests: usize) -> Result<()> {
    send_all(Connection::open(&broker.address())?, frames, requests, 5)
}

fn call(broker: &Running, frame: &[u8]) -> Result<()> {
    let mut connection = Connection::open(&broker.address())?;
    (0..REQUESTS).try_for_each(|_| connection.call(frame).map(drop))
}
