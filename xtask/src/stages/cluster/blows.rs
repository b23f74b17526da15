//! A blow to a cluster under load: what is measured and held around it, and what blows have in common.

use super::terms::{CALM, TOPICS, WHOLE_LIMIT};
use crate::process::pause;
use crate::stages::crash::load::Load;
use crate::stages::workbench::Workbench;
use crate::trio::Trio;
use crate::words::say;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Between two looks at a cluster that is about to change.
const LOOK: Duration = Duration::from_millis(100);

/// A blow while everybody writes; afterwards nothing is owed, and nothing that was acknowledged is missing.
pub fn strike_once(
    trio: &mut Trio,
    load: &mut Load,
    name: &str,
    strike: impl FnOnce(&mut Trio) -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    load.tell("write")?;
    pause(CALM);
    load.longest_pause_ms()?;
    strike(trio)?;
    pause(CALM);
    let longest_ms = load.longest_pause_ms()?;
    load.tell("verify")?;
    load.tell("rest")?;
    let seconds = began.elapsed().as_secs_f64();
    say(format_args!("   {name}: no acknowledgement for {longest_ms} ms at the longest; {seconds:.0} s"));
    Ok(())
}

/// Who leads the first partition of the load.
pub fn leader(trio: &Trio) -> Result<i32> {
    trio.leader(TOPICS[0], 0)
}

/// Starts a node again and waits until it is as good as before.
pub fn bring_back(bench: &Workbench, trio: &mut Trio, id: i32) -> Result<()> {
    trio.restart(&bench.workspace, id)?;
    trio.wait_in_sync(TOPICS, WHOLE_LIMIT)
}

/// Waits until everybody who runs is listed and in sync.
pub fn whole(trio: &mut Trio) -> Result<()> {
    trio.wait_registered(WHOLE_LIMIT)?;
    trio.wait_in_sync(TOPICS, WHOLE_LIMIT)
}

/// Waits until somebody else than a node that is gone leads.
pub fn wait_for_another(id: i32, what: &str, who: impl Fn() -> Result<i32>) -> Result<()> {
    let began = Instant::now();
    while who()? == id {
        ensure!(began.elapsed() < WHOLE_LIMIT, "node {id}, which is gone, still leads {what}");
        pause(LOOK);
    }
    Ok(())
}
