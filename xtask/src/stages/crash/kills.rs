//! `kill -9` of the node again and again while clients write; now and then while it starts.

use super::load::Load;
use super::{Bench, Dice};
use crate::broker::Broker;
use crate::process::pause;
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// After so many rounds everything is read, not only what is new.
pub const WHOLE_EVERY: usize = 100;

/// Kills it `rounds` times in a mode of `log.flush.ack`.
pub fn run(bench: &Bench, mode: &str, rounds: usize) -> Result<Tally> {
    let name = format!("kill-{mode}");
    let mut broker = Broker::start(&bench.workspace, bench.kind, &name, &[("log.flush.ack", mode)])?;
    let mut load = Load::start(bench, &broker.address(), &name)?;
    load.tell("write")?;
    let (started, mut dice) = (Instant::now(), Dice(1));
    for round in 0..rounds {
        let at = || format!("round {round}: {}", broker_log(&name));
        pause(Duration::from_millis(dice.between(20, 500)));
        broker.kill()?;
        if dice.between(0, 8) == 0 {
            broker.launch(&bench.workspace)?;
            pause(Duration::from_millis(dice.between(1, 60)));
            broker.kill()?;
        }
        broker.restart(&bench.workspace).with_context(at)?;
        let whole = if round % WHOLE_EVERY == WHOLE_EVERY - 1 { "verify all" } else { "verify" };
        load.tell(whole).with_context(at)?;
    }
    load.tell("rest")?;
    let counts = load.tell("verify all")?;
    println!(
        "   {rounds} kills in mode {mode}: {} records acknowledged, none lost; {:.0} s",
        counts.first().copied().unwrap_or(0),
        started.elapsed().as_secs_f64()
    );
    let mut tally = Tally { passed: rounds, ..Tally::default() };
    let worked = counts.first().is_some_and(|acked| *acked > rounds as u64);
    tally.check(&format!("only {counts:?} records and offsets were acknowledged"), worked);
    Ok(tally)
}

fn broker_log(name: &str) -> String {
    format!("see the servers' logs below brokers/{name}-*")
}
