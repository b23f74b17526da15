//! The faults of a run, drawn before it begins, each with its beginning and its end: so that some can be left out and the rest tried
//! again. Decides nothing during the run.

use log::sim_disk::SimFault;

use super::shape::{ClusterShape, Power};
use crate::links::Direction;
use crate::random::Random;

/// How a machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// kill -9: what was written is in the page cache.
    Kill,
    /// SIGTERM.
    CleanStop,
    /// The power goes between two operations.
    PowerCut,
    /// The power goes with an operation of the disk.
    PowerCutAtWork(u64),
    /// An operation of the disk fails: the process ends itself.
    DiskFault(u64, SimFault),
    /// The disk is lost: the machine comes back with another one, empty and formatted.
    Wipe,
}

/// What strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// These machines go down, and are started again at the end.
    Down(Down, Vec<usize>),
    /// These machines stand still.
    Pause(Vec<usize>),
    /// Nothing arrives in these directions.
    Cut(Vec<Direction>),
    /// Directions are cut one after the other, and mended one after the other in this order.
    Clog(Vec<Direction>),
    /// Frames in these directions take so much longer.
    Slow(Vec<Direction>, i64),
    /// These machines' disks have room for so many bytes more.
    Full(Vec<usize>, u64),
    /// These machines' disks answer everything with EIO: their processes end, and are started again when it is over.
    Broken(Vec<usize>),
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// After the clients began.
    pub at_ms: i64,
    pub for_ms: i64,
    pub what: What,
}

/// All faults of a run.
pub fn draw(random: &mut Random, shape: &ClusterShape) -> Vec<Strike> {
    let mut at_ms = 0;
    let mut strikes = Vec::new();
    for _ in 0..shape.storm.strikes {
        at_ms += random.between(1, 2 * shape.storm.every_ms);
        let for_ms = random.between(20, shape.storm.for_ms);
        if let Some(what) = one(random, shape) {
            strikes.push(Strike { at_ms, for_ms, what });
        }
    }
    strikes
}

/// Faults of disks, beside the others. Chance of its own: the other faults of a seed are what they were.
pub fn draw_disks(random: &mut Random, shape: &ClusterShape) -> Vec<Strike> {
    let mut at_ms = 0;
    let mut strikes = Vec::new();
    for _ in 0..random.between(0, 6) {
        at_ms += random.between(1, 4 * shape.storm.every_ms);
        let for_ms = random.between(20, shape.storm.for_ms);
        let machine = random.index(shape.roles.len());
        // Pages that the kernel forgets are lost as with the power.
        let forgets = random.per_mille(500) && is_weak(shape, machine);
        let fault = if forgets { SimFault::SyncForgets } else { SimFault::Io };
        let what = match random.between(0, 6) {
            0..=1 => What::Down(Down::DiskFault(random.between(0, 60) as u64, fault), vec![machine]),
            2 => What::Broken(vec![machine]),
            3..=4 => What::Full(vec![machine], random.between(0, 20_000) as u64),
            _ => match lossy_broker(shape) {
                Some(broker) => What::Down(Down::Wipe, vec![broker]),
                None => continue,
            },
        };
        strikes.push(Strike { at_ms, for_ms, what });
    }
    strikes
}

fn is_weak(shape: &ClusterShape, machine: usize) -> bool {
    match shape.power {
        Power::Steady => false,
        Power::WeakAt(weak) => weak == machine,
        Power::WeakEverywhere => true,
    }
}

/// A broker that may lose everything: the one whose power may go, if it has no vote.
fn lossy_broker(shape: &ClusterShape) -> Option<usize> {
    match shape.power {
        Power::WeakAt(weak) if shape.roles.get(weak).is_some_and(|roles| !roles.controller) => Some(weak),
        Power::WeakAt(_) | Power::WeakEverywhere | Power::Steady => None,
    }
}

fn one(random: &mut Random, shape: &ClusterShape) -> Option<What> {
    let (storm, many) = (shape.storm, shape.roles.len());
    let what = match random.between(0, 12) {
        0..=2 if storm.kills => What::Down(Down::Kill, some(random, many)),
        3 if storm.clean_stops => What::Down(Down::CleanStop, some(random, many)),
        4..=5 if storm.pauses => What::Pause(some(random, many)),
        6..=7 if storm.cuts => What::Cut(cut(random, many)),
        8 if storm.cuts => {
            let mut all = directions(many, |_, _| true);
            random.shuffle(&mut all);
            let few = random.between(1, all.len() as i64 + 1) as usize;
            all.truncate(few);
            What::Clog(all)
        }
        9 if storm.slow_links => {
            let delay_ms = random.pick(&[20, 200, 900], 20);
            What::Slow(directions(many, |_, _| random.per_mille(300)), delay_ms)
        }
        10..=11 => What::Down(power_cut(random), weak(random, shape)?),
        _ => return None,
    };
    Some(what)
}

fn power_cut(random: &mut Random) -> Down {
    if random.per_mille(500) { Down::PowerCut } else { Down::PowerCutAtWork(random.between(0, 60) as u64) }
}

/// Who may lose the power.
fn weak(random: &mut Random, shape: &ClusterShape) -> Option<Vec<usize>> {
    match shape.power {
        Power::Steady => None,
        Power::WeakAt(machine) => Some(vec![machine]),
        Power::WeakEverywhere => Some(some(random, shape.roles.len())),
    }
}

/// Mostly one, at times several or all of them.
fn some(random: &mut Random, many: usize) -> Vec<usize> {
    let mut machines: Vec<usize> = (0..many).collect();
    random.shuffle(&mut machines);
    let how_many = match random.between(0, 10) {
        0..=6 => 1,
        7..=8 => random.between(1, many as i64 + 1) as usize,
        _ => many,
    };
    machines.truncate(how_many);
    machines
}

/// One direction, both, one machine alone (one way or both), or two halves.
fn cut(random: &mut Random, many: usize) -> Vec<Direction> {
    let (one, other) = (random.index(many), random.index(many));
    match random.between(0, 6) {
        0 => directions(many, |from, to| (from, to) == (one, other)),
        1 => directions(many, |from, to| from.min(to) == one.min(other) && from.max(to) == one.max(other)),
        2 => directions(many, |from, _| from == one),
        3 => directions(many, |_, to| to == one),
        4 => directions(many, |from, to| from == one || to == one),
        _ => {
            let side: Vec<bool> = (0..many).map(|_| random.per_mille(500)).collect();
            directions(many, |from, to| side.get(from) != side.get(to))
        }
    }
}

fn directions(many: usize, mut wanted: impl FnMut(usize, usize) -> bool) -> Vec<Direction> {
    let all = (0..many).flat_map(|from| (0..many).map(move |to| (from, to)));
    all.filter(|(from, to)| from != to && wanted(*from, *to)).collect()
}
