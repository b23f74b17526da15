//! Three real nodes that are one cluster: a quorum, replicated topics, clients that do not know them apart. They are killed, paused and
//! restarted while foreign clients write with acks=all; `tests/crash/load.py` keeps account of every acknowledgement and holds the
//! cluster to it, Kafka's own tools look at it, and in the end all replicas hold the same bytes.
//!
//! Then a broker of ours lives in a cluster of Kafka's, voters of both are one quorum, and a cluster of Kafka's becomes ours and Kafka's
//! again.
//!
//! Owns the order of things. With `--against=kafka` the same is done to Apache Kafka, which proves the stage itself.

mod blows;
mod cuts;
mod faults;
mod ground;
mod mirror;
mod mixed;
mod moves;
mod quorum;
mod replicas;
mod rolling;
mod settling;
mod terms;
mod tools;
mod turns;

use super::clients;
use super::crash::dice::Dice;
use super::crash::load::Load;
use super::workbench::Workbench;
use crate::broker::Kind;
use crate::process::pause;
use crate::tally::Tally;
use crate::trio::{NODES, Trio};
use crate::words::say;
use anyhow::{Context, Result, bail, ensure};
use blows::{bring_back, leader, strike_once, wait_for_another, whole};
use settling::settle;
use std::time::{Duration, Instant};
use terms::{CALM, NAME, SESSION, SETTINGS, TOPICS, WHOLE_LIMIT};

/// How long a node is stopped without dying.
const FROZEN: Duration = Duration::from_secs(10);

/// Rounds of blows by chance, in a short run and with `--full`.
const ROUNDS: usize = 8;
const ROUNDS_FULL: usize = 300;

/// After so many of them all that is under way must be acknowledged before the next.
const SETTLED_EVERY: usize = 4;

/// One blow.
type Strike = fn(&Workbench, &mut Trio) -> Result<()>;

const STRIKES: &[(&str, Strike)] = &[
    ("kill -9 of a leader", kill_leader),
    ("kill -9 of a follower", kill_follower),
    ("kill -9 of the active controller", kill_controller),
    ("a leader frozen for 10 s", freeze_leader),
    ("the active controller frozen for 10 s", freeze_controller),
    ("a rolling restart", rolling_restart),
    ("kill -9 of all three", kill_all),
];

/// The stage; `--only=trio`, `--only=faults`, `--only=power`, `--only=mixed`, `--only=mirror`, `--only=quorum` and `--only=rolling` run one part of it.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let wanted = |part: &str| bench.part.as_deref().is_none_or(|only| only == part);
    let mut tally = Tally::default();
    if wanted("trio") {
        clients::python_environment(bench)?;
        let mut trio = Trio::start(&bench.workspace, bench.kind, NAME, SETTINGS)?;
        let outcome = endure(bench, &mut trio, &mut tally);
        outcome.with_context(|| trio.last_words())?;
    }
    if wanted("faults") {
        tally.absorb("networks, disks, clocks and voters", faults::run(bench)?);
    }
    if wanted("power") {
        tally.absorb("power cuts", cuts::run(bench)?);
    }
    if wanted("mixed") && bench.kind == Kind::Ottla {
        tally.absorb("a broker of ours under Kafka's controller", mixed::run(bench)?);
        tally.absorb("two of Kafka's and one of ours, each leads in turn", turns::run(bench)?);
    }
    if wanted("mirror") {
        tally.absorb("MirrorMaker 2", mirror::run(bench)?);
    }
    if wanted("quorum") && bench.kind == Kind::Ottla {
        tally.absorb("voters of ours and of Kafka's", quorum::run(bench)?);
    }
    if wanted("rolling") && bench.kind == Kind::Ottla {
        clients::python_environment(bench)?;
        tally.absorb("taken over node by node and given back", rolling::run(bench)?);
    }
    Ok(tally)
}

fn endure(bench: &Workbench, trio: &mut Trio, tally: &mut Tally) -> Result<()> {
    tally.absorb("kcat", tools::kcat_passes_lines(bench, trio)?);
    tally.absorb("tools", tools::describe(bench, trio)?);
    let mut load = Load::start_on(bench, &trio.bootstrap(), NAME, NODES.len())?;
    for (name, strike) in STRIKES {
        strike_once(trio, &mut load, name, |trio| strike(bench, trio)).with_context(|| (*name).to_owned())?;
        tally.check(name, true);
    }
    strike_by_chance(bench, trio, &mut load, tally).context("blows by chance")?;
    let killed = settle(bench, trio, load, tally)?;
    // Whoever is the last of Kafka's to stop waits for a quorum that is gone.
    let held = killed.is_empty() || bench.kind == Kind::Kafka;
    tally.check(&format!("nodes {killed:?} do not stop"), held);
    Ok(())
}

/// One, two or all nodes at once are killed, some of them again while they start, and nobody waits until all is well before the next
/// blow. What was read before stays as it was read.
fn strike_by_chance(bench: &Workbench, trio: &mut Trio, load: &mut Load, tally: &mut Tally) -> Result<()> {
    let rounds = if bench.full { ROUNDS_FULL } else { ROUNDS };
    let (mut dice, began) = (Dice(7), Instant::now());
    load.tell("write")?;
    for round in 0..rounds {
        let at = || format!("round {round}");
        let first = usize::try_from(dice.between(0, 3))?;
        let many = usize::try_from(dice.between(1, 7))?.saturating_sub(3).max(1);
        let victims: Vec<i32> = (0..many).map(|next| NODES[(first + next) % NODES.len()]).collect();
        for id in &victims {
            trio.kill(*id)?;
        }
        pause(Duration::from_millis(dice.between(0, 1_200)));
        for id in &victims {
            trio.launch(&bench.workspace, *id)?;
            if dice.between(0, 4) == 0 {
                pause(Duration::from_millis(dice.between(1, 600)));
                trio.kill(*id)?;
                trio.launch(&bench.workspace, *id)?;
            }
        }
        pause(Duration::from_millis(dice.between(0, 1_500)));
        load.tell("verify").with_context(at)?;
        if round % SETTLED_EVERY == SETTLED_EVERY - 1 {
            load.tell("rest").with_context(at)?;
            load.tell("write")?;
        }
    }
    load.tell("rest")?;
    trio.wait_registered(WHOLE_LIMIT)?;
    trio.wait_in_sync(TOPICS, WHOLE_LIMIT)?;
    let seconds = began.elapsed().as_secs_f64();
    say(format_args!("   {rounds} times some of them killed by chance: nothing lost; {seconds:.0} s"));
    tally.passed += rounds;
    Ok(())
}

fn kill_leader(bench: &Workbench, trio: &mut Trio) -> Result<()> {
    let id = leader(trio)?;
    trio.kill(id)?;
    wait_for_another(id, "the partition", || leader(trio))?;
    bring_back(bench, trio, id)
}

fn kill_follower(bench: &Workbench, trio: &mut Trio) -> Result<()> {
    let leader = leader(trio)?;
    let Some(id) = NODES.into_iter().find(|id| *id != leader) else { bail!("there is no follower") };
    trio.kill(id)?;
    // Time enough for writers to be held up until it is out of the ISR, and to go on without it.
    pause(SESSION + CALM);
    bring_back(bench, trio, id)
}

fn kill_controller(bench: &Workbench, trio: &mut Trio) -> Result<()> {
    let id = trio.active_controller()?;
    trio.kill(id)?;
    wait_for_another(id, "the quorum", || trio.active_controller())?;
    bring_back(bench, trio, id)
}

fn freeze_leader(_: &Workbench, trio: &mut Trio) -> Result<()> {
    let id = leader(trio)?;
    freeze(trio, id)
}

fn freeze_controller(_: &Workbench, trio: &mut Trio) -> Result<()> {
    let id = trio.active_controller()?;
    freeze(trio, id)
}

fn freeze(trio: &mut Trio, id: i32) -> Result<()> {
    trio.pause(id);
    pause(FROZEN);
    trio.resume(id);
    whole(trio)
}

fn rolling_restart(bench: &Workbench, trio: &mut Trio) -> Result<()> {
    for id in NODES {
        let ended = trio.stop(id)?;
        // Kafka's process ends with the signal's number.
        let is_clean = ended.is_some_and(|status| status.success() || status.code() == Some(143));
        ensure!(is_clean, "node {id} did not stop cleanly: {ended:?}");
        bring_back(bench, trio, id)?;
    }
    Ok(())
}

fn kill_all(bench: &Workbench, trio: &mut Trio) -> Result<()> {
    NODES.iter().try_for_each(|id| trio.kill(*id))?;
    trio.launch_all(&bench.workspace)?;
    whole(trio)
}
