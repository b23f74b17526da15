//! Power cuts under a node that clients write to. In the durable modes nothing acknowledged may be missing afterwards; with
//! `log.flush.ack=none` something must be, else the cuts are none.

use super::dice::Dice;
use super::load::Load;
use super::power::PoweredDisk;
use crate::broker::Broker;
use crate::process::{pause, signal_group};
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result};
use std::time::Duration;

/// A node whose data lies on the disk.
fn start(bench: &Workbench, disk: &PoweredDisk, mode: &str, name: &str) -> Result<Broker> {
    let data = disk.path().join(name);
    let _ = std::fs::remove_dir_all(&data);
    let settings = [("log.flush.ack", mode), ("log.dirs", &data.display().to_string())];
    Broker::start(&bench.workspace, bench.kind, name, &settings)
}

/// Cuts, repairs, starts again. Half of the time the process stops with the power; else it lives to see its writes fail.
fn cut(bench: &Workbench, disk: &PoweredDisk, broker: &mut Broker, dice: &mut Dice) -> Result<()> {
    if dice.between(0, 2) == 0 {
        signal_group(broker.id(), "STOP");
        disk.cut()?;
    } else {
        disk.cut()?;
        pause(Duration::from_millis(dice.between(1, 60)));
    }
    broker.kill()?;
    disk.repair()?;
    broker.restart(&bench.workspace)
}

/// `rounds` cuts in a durable mode.
pub fn survive(bench: &Workbench, disk: &PoweredDisk, mode: &str, rounds: usize) -> Result<Tally> {
    let name = format!("cut-{mode}");
    let mut broker = start(bench, disk, mode, &name)?;
    let mut load = Load::start(bench, &broker.address(), &name)?;
    let mut dice = Dice(2);
    let survived = load.endure(&format!("power cuts in mode {mode}"), &name, rounds, || {
        pause(Duration::from_millis(dice.between(30, 800)));
        cut(bench, disk, &mut broker, &mut dice)
    });
    let tally =
        survived.with_context(|| format!("the broker runs: {}; {}", broker.alive(), broker.last_words()))?;
    broker.kill()?;
    let _ = std::fs::remove_dir_all(disk.path().join(&name));
    Ok(tally)
}

/// Cuts in mode `none`: what was acknowledged from the page cache goes.
pub fn prove_live(bench: &Workbench, disk: &PoweredDisk, rounds: usize) -> Result<Tally> {
    let (mut lost, mut dice) = (0, Dice(3));
    for round in 0..rounds {
        let name = format!("cut-none-{round}");
        let mut broker = start(bench, disk, "none", &name)?;
        let mut load = Load::start(bench, &broker.address(), &name)?;
        load.tell("lossy")?;
        load.tell("write")?;
        pause(Duration::from_millis(dice.between(500, 1500)));
        cut(bench, disk, &mut broker, &mut dice)?;
        lost += load.tell("losses")?.first().copied().unwrap_or(0);
        broker.kill()?;
        let _ = std::fs::remove_dir_all(disk.path().join(&name));
    }
    say(format_args!(
        "   {rounds} power cuts in mode none: {lost} acknowledged records lost, as there must be some"
    ));
    Ok(Tally::one("a power cut in mode none shows no loss: the cuts prove nothing", lost > 0))
}
