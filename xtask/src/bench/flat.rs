//! Whether a request costs the same however much else the node holds: partitions that exist beside the one that is used, partitions that
//! are used in turn, connections that ask in turn. CPU is the scheduler's account of the broker's threads, so that a waiting machine
//! counts as little as a busy one.

use super::cell::{Cell, Figures, Run};
use super::contender::Running;
use super::load::{self, send_all};
use super::measure::scheduled_seconds;
use super::scale::{fill, idle_connections};
use super::speak::{self, Batch, Connection};
use anyhow::{Result, ensure};

/// Requests of one figure.
const REQUESTS: usize = 20_000;

/// Partitions beside the one that is used, and the names of what is measured then.
const BESIDE: [(i32, [&str; 3]); 4] = [
    (0, ["µs a produce beside 0", "µs a fetch beside 0", "µs a Metadata beside 0"]),
    (1_000, ["µs a produce beside 1,000", "µs a fetch beside 1,000", "µs a Metadata beside 1,000"]),
    (10_000, ["µs a produce beside 10,000", "µs a fetch beside 10,000", "µs a Metadata beside 10,000"]),
    (100_000, ["µs a produce beside 100,000", "µs a fetch beside 100,000", "µs a Metadata beside 100,000"]),
];

/// The last of them to the first.
pub const GROWTH: [&str; 3] =
    ["a produce beside 100,000 to 0", "a fetch beside 100,000 to 0", "a Metadata beside 100,000 to 0"];

/// A 1 KiB produce, a fetch of 64 KB and a Metadata of one topic, beside ever more partitions of other topics.
pub fn partitions<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let broker = cell.start()?;
        let topic = cell.topic("used", 0);
        load::create(&broker.address(), &topic, 1, &[])?;
        let kib = speak::produce(&topic, 0, &Batch::plain(1, 950).bytes()?);
        let mut connection = Connection::open(&broker.address())?;
        for _ in 0..100 {
            load::accepted(&mut connection, &kib)?;
        }
        let (mut there, mut figures, mut first) = (0, Figures::new(), [0.0; 3]);
        for (beside, names) in BESIDE {
            fill(&broker, there, beside)?;
            there = beside;
            let found = [
                cost(&broker, || produce(&broker, std::slice::from_ref(&kib)))?,
                cost(&broker, || call(&broker, &speak::fetch(&topic, &[(0, 0)], 64 << 10)))?,
                cost(&broker, || call(&broker, &speak::metadata(Some(&[&topic]))))?,
            ];
            figures.extend(names.into_iter().zip(found));
            if beside == 0 {
                first = found;
            } else if beside == BESIDE[BESIDE.len() - 1].0 {
                let grown = found.iter().zip(first).map(|(last, first)| last / first);
                figures.extend(GROWTH.into_iter().zip(grown));
            }
        }
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
    let cell = *cell;
    Ok(Box::new(move |_| {
        let broker = cell.start()?;
        let mut connection = Connection::open(&broker.address())?;
        let batch = Batch::plain(1, 950).bytes()?;
        let mut figures = Figures::new();
        for (many, name) in IN_TURN {
            let topic = cell.topic("turn", many as usize);
            load::create_led(&mut connection, &topic, many, &[])?;
            let frames: Vec<_> =
                (0..many).map(|partition| speak::produce(&topic, partition, &batch)).collect();
            for first in (0..many).step_by(500) {
                let some = speak::produce_to(&topic, first..(first + 500).min(many), &batch);
                load::accepted(&mut connection, &some)?;
            }
            figures.push((name, cost(&broker, || produce(&broker, &frames))?));
        }
        Ok(figures)
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

/// Ten thousand connections to sixty-four.
pub const MORE_CONNECTIONS: &str = "10,000 connections to 64";

/// A 1 KiB produce from ever more connections, of which sixty-four ask at a time.
pub fn connections<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let broker = cell.start()?;
        let topic = cell.topic("connected", 0);
        load::create(&broker.address(), &topic, 1, &[])?;
        let frame = speak::produce(&topic, 0, &Batch::plain(1, 950).bytes()?);
        let (mut figures, mut few, mut all) = (Figures::new(), f64::NAN, Vec::new());
        for (many, name) in CONNECTED {
            all.extend(idle_connections(&broker.address(), many - all.len())?);
            let found = cost(&broker, || ask_in_turn(&mut all, &frame))?;
            figures.push((name, found));
            if many == ASKING {
                few = found;
            }
        }
        let last = figures.last().map_or(f64::NAN, |(_, found)| *found);
        figures.push((MORE_CONNECTIONS, last / few));
        Ok(figures)
    }))
}

fn ask_in_turn(connections: &mut [Connection], frame: &[u8]) -> Result<()> {
    let mut asked = 0;
    while asked < REQUESTS {
        for some in connections.chunks_mut(ASKING) {
            some.iter_mut().try_for_each(|connection| connection.send(frame))?;
            for connection in &mut *some {
                speak::produced(connection.receive()?)?;
                connection.give_back_buffer();
            }
            asked += some.len();
        }
    }
    ensure!(asked < REQUESTS + connections.len(), "{asked} requests");
    Ok(())
}

/// The broker's CPU a request, in microseconds.
fn cost(broker: &Running, load: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = scheduled_seconds(broker.id());
    load()?;
    Ok((scheduled_seconds(broker.id()) - before) * 1e6 / REQUESTS as f64)
}

fn produce(broker: &Running, frames: &[Vec<u8>]) -> Result<()> {
    send_all(Connection::open(&broker.address())?, frames, REQUESTS, 5)
}

fn call(broker: &Running, frame: &[u8]) -> Result<()> {
    let mut connection = Connection::open(&broker.address())?;
    for _ in 0..REQUESTS {
        connection.call(frame)?;
    }
    Ok(())
}
