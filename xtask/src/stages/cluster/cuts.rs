//! Power cuts of three nodes under load: of one, and of all at once. With `log.flush.ack=group` nothing acknowledged may be missing after
//! either; with `auto` nothing after the cut of one, and after one of all at once nothing that was acknowledged a moment before.
//!
//! Owns the disks, one per node, and the rounds.

use super::blows::whole;
use super::settling::settle;
use super::terms::{CALM, NAME, SETTINGS, WHOLE_LIMIT};
use crate::process::pause;
use crate::stages::clients;
use crate::stages::crash::dice::Dice;
use crate::stages::crash::load::Load;
use crate::stages::crash::power::PoweredDisk;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{Layout, NODES, Trio};
use crate::words::say;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How often each is done.
struct Rounds {
    /// In mode `group`, half of them all three at once.
    group: usize,
    /// In mode `auto`, one node each.
    auto: usize,
    /// In mode `auto`, all three at once, each in a cluster of its own.
    auto_all: usize,
}

const SHORT: Rounds = Rounds { group: 4, auto: 2, auto_all: 1 };
const FULL: Rounds = Rounds { group: 120, auto: 70, auto_all: 10 };

/// What `auto` keeps of a power cut of all nodes at once: what was acknowledged so long before. Its flushes begin within 250 ms and take as
/// long as the disk wants.
const KEPT_AFTER: Duration = Duration::from_millis(1500);

/// The topics where Kafka's own clients do not write: they give up when what they were promised is gone.
const LIBRDKAFKAS: &[&str] = &["cluster-plain", "cluster-idempotent"];

/// After so many rounds all that is under way must be acknowledged before the next.
const SETTLED_EVERY: usize = 5;

/// The part of the stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let rounds = if bench.full { FULL } else { SHORT };
    let mut tally = Tally::default();
    clients::python_environment(bench)?;
    let made = NODES.iter().map(|id| PoweredDisk::make(bench, &format!("cluster-power-{id}")));
    let disks = match made.collect::<Result<Vec<_>>>() {
        Ok(disks) => disks,
        Err(why) => {
            tally.skip(format!("power cuts: no ext4 that can be cut off here: {why:#}"));
            return Ok(tally);
        }
    };
    tally.absorb("log.flush.ack=group", survive(bench, &disks, "group", rounds.group, true)?);
    tally.absorb("log.flush.ack=auto", survive(bench, &disks, "auto", rounds.auto, false)?);
    tally.absorb("log.flush.ack=auto, all at once", all_at_once(bench, &disks, rounds.auto_all)?);
    Ok(tally)
}

fn start(bench: &Workbench, disks: &[PoweredDisk], mode: &str) -> Result<Trio> {
    let layout = Layout {
        log_directories: std::array::from_fn(|place| vec![disks[place].path().join("data")]),
        ..Layout::default()
    };
    let settings: Vec<(&str, &str)> = SETTINGS.iter().copied().chain([("log.flush.ack", mode)]).collect();
    Trio::start_as(&bench.workspace, [bench.kind; 3], &format!("cuts-{mode}"), &settings, &layout)
}

/// The power of these nodes goes, and comes back. Half of the time their processes stop with it; else they live to see their writes fail.
fn cut(
    bench: &Workbench,
    trio: &mut Trio,
    disks: &[PoweredDisk],
    ids: &[i32],
    dice: &mut Dice,
) -> Result<()> {
    let of = |id: &i32| &disks[usize::try_from(*id - 1).expect("a node is called 1, 2 or 3")];
    let stops = dice.between(0, 2) == 0;
    if stops {
        ids.iter().for_each(|id| trio.pause(*id));
    }
    ids.iter().try_for_each(|id| of(id).cut())?;
    if !stops {
        pause(Duration::from_millis(dice.between(1, 60)));
    }
    for id in ids {
        trio.kill(*id)?;
        of(id).repair()?;
    }
    ids.iter().try_for_each(|id| trio.launch(&bench.workspace, *id))
}

/// Cuts of one node or, `with_all`, of all three half of the time; nothing acknowledged may be missing.
fn survive(
    bench: &Workbench,
    disks: &[PoweredDisk],
    mode: &str,
    rounds: usize,
    with_all: bool,
) -> Result<Tally> {
    let mut trio = start(bench, disks, mode)?;
    let mut tally = Tally::default();
    let outcome = endure_cuts(bench, &mut trio, disks, mode, rounds, with_all, &mut tally);
    outcome.with_context(|| format!("log.flush.ack={mode}: {}", trio.last_words()))?;
    Ok(tally)
}

fn endure_cuts(
    bench: &Workbench,
    trio: &mut Trio,
    disks: &[PoweredDisk],
    mode: &str,
    rounds: usize,
    with_all: bool,
    tally: &mut Tally,
) -> Result<()> {
    let mut load = Load::start_on(bench, &trio.bootstrap(), NAME, NODES.len())?;
    let (mut dice, began) = (Dice(11), Instant::now());
    load.tell("write")?;
    for round in 0..rounds {
        let at = || format!("round {round}");
        pause(Duration::from_millis(dice.between(300, 1_500)));
        let one = [NODES[usize::try_from(dice.between(0, 3))?]];
        let ids: &[i32] = if with_all && round % 2 == 1 { &NODES } else { &one };
        cut(bench, trio, disks, ids, &mut dice).with_context(at)?;
        whole(trio).with_context(at)?;
        load.tell("verify").with_context(at)?;
        if round % SETTLED_EVERY == SETTLED_EVERY - 1 {
            load.tell("rest").with_context(at)?;
            load.tell("write")?;
        }
    }
    load.tell("rest")?;
    let seconds = began.elapsed().as_secs_f64();
    say(format_args!("   {rounds} power cuts, log.flush.ack={mode}: nothing lost; {seconds:.0} s"));
    tally.passed += rounds;
    settle(bench, trio, load, tally)?;
    Ok(())
}

/// All three at once with `auto`: the last moment may be gone, nothing before it.
fn all_at_once(bench: &Workbench, disks: &[PoweredDisk], rounds: usize) -> Result<Tally> {
    let mut dice = Dice(13);
    for round in 0..rounds {
        let mut trio = start(bench, disks, "auto")?;
        let mut lose = || -> Result<()> {
            let mut load = Load::start_lossy_on(bench, &trio.bootstrap(), NAME, NODES.len())?;
            load.tell("lossy")?;
            load.tell("write")?;
            pause(CALM);
            load.tell("mark")?;
            pause(KEPT_AFTER);
            cut(bench, &mut trio, disks, &NODES, &mut dice)?;
            trio.wait_registered(WHOLE_LIMIT)?;
            trio.wait_in_sync(LIBRDKAFKAS, WHOLE_LIMIT)?;
            load.tell("kept")?;
            Ok(())
        };
        lose().with_context(|| format!("round {round}: {}", trio.last_words()))?;
        NODES.iter().try_for_each(|id| trio.kill(*id))?;
    }
    say(format_args!(
        "   {rounds} power cuts of all three, log.flush.ack=auto: nothing lost that was older than {KEPT_AFTER:?}"
    ));
    Ok(Tally { passed: rounds, ..Tally::default() })
}
