//! Nothing acknowledged is lost: a real node on a real file system, killed, cut off from power, and filled to the brim while
//! foreign clients write. `tests/crash/load.py` keeps account of every acknowledgement and holds the broker to it.
//!
//! Owns the rounds and what must hold after each. A short run by default; `--full` is the run whose figures the documents give.

mod cuts;
pub mod dice;
mod full_disk;
mod kills;
pub mod load;
pub mod power;

use super::clients;
use super::workbench::Workbench;
use crate::tally::Tally;
use anyhow::{Result, bail};

/// How often each thing is done.
struct Rounds {
    /// Power cuts in each of the modes that may lose nothing.
    cuts: usize,
    /// Power cuts without flushing: at least one of them must show a loss.
    live_cuts: usize,
    /// `kill -9` in each mode.
    kills: usize,
    /// Times that a small disk is filled and freed.
    fills: usize,
}

const SHORT: Rounds = Rounds { cuts: 10, live_cuts: 3, kills: 25, fills: 10 };
const FULL: Rounds = Rounds { cuts: 250, live_cuts: 10, kills: 1000, fills: 50 };

/// The modes of `log.flush.ack` in which an acknowledged record of a sole copy survives everything.
const DURABLE: &[&str] = &["auto", "group"];

/// The stage: kills in every mode and power cuts side by side, each on a node of its own; they wait more than they work.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let rounds = if bench.full { FULL } else { SHORT };
    clients::python_environment(bench)?;
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let killers: Vec<_> = DURABLE
            .iter()
            .map(|mode| (mode, scope.spawn(move || kills::run(bench, mode, rounds.kills))))
            .collect();
        cut_rounds(bench, &rounds, &mut tally);
        for (mode, killer) in killers {
            let killed = killer.join().unwrap_or_else(|_| bail!("the thread that kills panicked"));
            tally.absorb(&format!("kill -9, log.flush.ack={mode}"), settled(killed));
        }
    });
    tally.absorb("full disk", settled(full_disk::run_rounds(bench, rounds.fills)));
    Ok(tally)
}

fn cut_rounds(bench: &Workbench, rounds: &Rounds, tally: &mut Tally) {
    let disk = match power::PoweredDisk::make(bench, "crash-disk") {
        Ok(disk) => disk,
        Err(why) => {
            tally.skip(format!("power cuts: no ext4 that can be cut off here: {why:#}"));
            return;
        }
    };
    for mode in DURABLE {
        let survived = settled(cuts::survive(bench, &disk, mode, rounds.cuts));
        tally.absorb(&format!("power cuts, log.flush.ack={mode}"), survived);
    }
    let live = settled(cuts::prove_live(bench, &disk, rounds.live_cuts));
    tally.absorb("power cuts, log.flush.ack=none", live);
}

/// What broke one mode is told and does not keep the others from being tried.
fn settled(outcome: Result<Tally>) -> Tally {
    outcome.unwrap_or_else(|error| Tally { failed: vec![format!("{error:#}")], ..Tally::default() })
}
