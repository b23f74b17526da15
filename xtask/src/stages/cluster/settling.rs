//! The end of a load on three nodes, whatever they went through.

use super::replicas;
use super::terms::{NAME, TOPICS, WHOLE_LIMIT};
use crate::stages::crash::load::Load;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{NODES, Trio};
use crate::words::say;
use anyhow::Result;

/// The load is over: all that was acknowledged is there, and when all nodes have stopped their replicas are the same. Those that had to be
/// killed.
pub fn settle(bench: &Workbench, trio: &mut Trio, mut load: Load, tally: &mut Tally) -> Result<Vec<i32>> {
    let counts = load.tell("verify all")?;
    let acked = counts.first().copied().unwrap_or(0);
    say(format_args!("   {acked} records acknowledged, all there once and in order"));
    tally.check(&format!("only {acked} records were acknowledged"), acked > 1_000);
    trio.wait_in_sync(TOPICS, WHOLE_LIMIT)?;
    tally.absorb("history", load.judge(bench, NAME)?);
    drop(load);
    let killed = trio.stop_all()?;
    let held = NODES.map(|id| trio.log_directories(id).to_vec());
    tally.absorb("replicas", replicas::compare(&held, NAME)?);
    Ok(killed)
}
