//! `kill -9` of the node again and again while clients write; now and then while it starts.

use super::dice::Dice;
use super::load::Load;
use crate::broker::Broker;
use crate::process::pause;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::time::Duration;

/// Kills it `rounds` times in a mode of `log.flush.ack`.
pub fn run(bench: &Workbench, mode: &str, rounds: usize) -> Result<Tally> {
    let name = format!("kill-{mode}");
    let mut broker = Broker::start(&bench.workspace, bench.kind, &name, &[("log.flush.ack", mode)])?;
    let mut load = Load::start(bench, &broker.address(), &name)?;
    let mut dice = Dice(1);
    let survived = load.endure(&format!("kills in mode {mode}"), &name, rounds, || {
        pause(Duration::from_millis(dice.between(20, 500)));
        broker.kill()?;
        if dice.between(0, 8) == 0 {
            broker.launch(&bench.workspace)?;
            pause(Duration::from_millis(dice.between(1, 60)));
            broker.kill()?;
        }
        broker.restart(&bench.workspace)
    });
    survived.with_context(|| format!("the broker runs: {}; {}", broker.alive(), broker.last_words()))
}
