//! How long a partition serves nobody when its leader dies, dies together with the quorum's leadership, or stands still: what a
//! producer sees that never gives up (`steady`), and when a survivor first names another leader. After every blow all that was
//! acknowledged has to be there, else there is no figure.

use super::cell::{Cell, Figures, Run};
use super::cluster::Cluster;
use super::measure::percentile;
use super::steady::{self, Target};
use crate::process::pause;
use crate::trio::NODES;
use anyhow::{Context, Result, bail, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The producer is at work so long before a blow, and so long after the last thing that was waited for.
const CALM: Duration = Duration::from_secs(1);
/// How long a leader stands still.
const STALL: Duration = Duration::from_secs(10);
/// How long another leader may take.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// `kill -9` of a leader that does not lead the quorum.
    Leader,
    /// `kill -9` of a leader that is the active controller, too.
    LeaderAndController,
    /// SIGSTOP for ten seconds of a leader that does not lead the quorum.
    Stall,
}

/// Median and p99 of the producer's gap, median until another leader is named; all in ms.
pub const KILLED: [&str; 3] =
    ["leader killed: p50 ms", "leader killed: p99 ms", "leader killed: ms to another"];
pub const BOTH_KILLED: [&str; 3] = [
    "leader and controller killed: p50 ms",
    "leader and controller killed: p99 ms",
    "leader and controller killed: ms to another",
];
pub const STALLED: [&str; 3] =
    ["leader stalled 10 s: p50 ms", "leader stalled 10 s: p99 ms", "leader stalled 10 s: ms to another"];

/// Each blow in turn, with a restart and a wait for the in-sync set behind each.
pub fn blows<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let mut cluster = Cluster::start(&cell)?;
    Ok(Box::new(move |_| {
        // Twelve by default.
        let kills = 2 + 2 * cell.options.runs;
        let table = [
            (Blow::Leader, kills, &KILLED),
            (Blow::LeaderAndController, kills, &BOTH_KILLED),
            (Blow::Stall, cell.options.runs, &STALLED),
        ];
        let mut figures = Figures::new();
        let mut number = 0;
        for (blow, times, names) in table {
            let (mut gaps, mut named) = (Vec::new(), Vec::new());
            for _ in 0..times {
                number += 1;
                let seen = strike(&cell, &mut cluster, blow, number)
                    .with_context(|| format!("{} of {times}", names[0]))?;
                gaps.push(seen.gap);
                named.extend(seen.named);
            }
            gaps.sort();
            named.sort();
            figures.push((names[0], percentile(&gaps, 0.5) / 1e3));
            figures.push((names[1], percentile(&gaps, 0.99) / 1e3));
            figures.push((names[2], percentile(&named, 0.5) / 1e3));
        }
        Ok(figures)
    }))
}

struct Seen {
    /// The producer's longest time without an answer.
    gap: Duration,
    /// From the blow until a survivor named another leader; none if the old one went on before.
    named: Option<Duration>,
}

fn strike(cell: &Cell<'_>, cluster: &mut Cluster, blow: Blow, number: usize) -> Result<Seen> {
    let topic = cell.topic("blow", number);
    // A partition for each node to lead.
    cluster.create(&topic, 3)?;
    let (victim, partition) = choose(cluster, blow, &topic)?;
    let nodes = NODES.map(|id| cluster.trio.address(id));
    let epoch_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let target = Target { nodes: &nodes, topic: &topic, partition, epoch_ms };
    let stop = AtomicBool::new(false);
    let (acks, event, named) = std::thread::scope(|scope| -> Result<_> {
        let producer = scope.spawn(|| steady::produce(target, &stop));
        pause(CALM);
        let event = Instant::now();
        let named = match blow {
            Blow::Leader | Blow::LeaderAndController => {
                let killed = cluster.trio.kill(victim);
                killed.and_then(|()| another_leader(cluster, target, victim, event + LIMIT))
            }
            Blow::Stall => {
                cluster.trio.pause(victim);
                let named = another_leader(cluster, target, victim, event + STALL);
                pause((event + STALL).saturating_duration_since(Instant::now()));
                cluster.trio.resume(victim);
                named
            }
        };
        pause(CALM);
        stop.store(true, Ordering::Release);
        let acks = producer.join().unwrap_or_else(|_| bail!("the producer panicked"))?;
        Ok((acks, event, named?))
    })?;
    let lost = steady::lost(target, &acks)?;
    ensure!(lost == 0, "{lost} of {} acknowledged records of {topic}-{partition} are lost", acks.len());
    if blow == Blow::Stall {
        cluster.trio.wait_registered(LIMIT)?;
    } else {
        cluster.trio.restart(cell.workspace, victim)?;
        let named = named.is_some();
        ensure!(named, "nobody else led {topic}-{partition} within {} s", LIMIT.as_secs());
    }
    cluster.trio.wait_in_sync(&[&topic], LIMIT)?;
    Ok(Seen { gap: acks.longest_gap(event), named: named.map(|at| at - event) })
}

/// A node that leads one of the partitions and is, or is not, the active controller.
fn choose(cluster: &Cluster, blow: Blow, topic: &str) -> Result<(i32, i32)> {
    let controller = cluster.trio.active_controller()?;
    for partition in 0..3 {
        let leader = cluster.trio.leader(topic, partition)?;
        if (leader == controller) == (blow == Blow::LeaderAndController) {
            return Ok((leader, partition));
        }
    }
    bail!("no partition of {topic} has a leader as wanted; node {controller} leads the quorum")
}

/// When a survivor first named another leader; none if that did not happen before the end.
fn another_leader(
    cluster: &Cluster,
    target: Target<'_>,
    victim: i32,
    end: Instant,
) -> Result<Option<Instant>> {
    let survivors = cluster.trio.running();
    while Instant::now() < end {
        for id in &survivors {
            let described = cluster.trio.described(*id, Some(&[target.topic]));
            let leader = described.ok().and_then(|seen| seen.leader(target.partition).map(|one| one.0));
            if leader.is_some_and(|leader| leader != victim) {
                return Ok(Some(Instant::now()));
            }
        }
        pause(Duration::from_millis(5));
    }
    Ok(None)
}
