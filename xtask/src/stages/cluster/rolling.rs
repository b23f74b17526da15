//! A cluster of Apache Kafka's is taken over node by node, each on its own directories, and given back the same way, while clients write
//! with acks=all and read: the quorum, the partitions and the groups are always of both for a while. What was acknowledged is there
//! once and in order, and in the end all replicas hold the same bytes.

use super::settling::settle;
use super::terms::{CALM, NAME, SETTINGS, TOPICS, WHOLE_LIMIT};
use crate::broker::Kind;
use crate::process::pause;
use crate::stages::crash::load::Load;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{NODES, Trio};
use crate::words::say;
use anyhow::{Context, Result};
use std::time::Instant;

/// Whose the nodes are, in the order in which they become it.
const LIVES: [Kind; 2] = [Kind::Ottla, Kind::Kafka];

/// The part of the stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut trio = Trio::start(&bench.workspace, Kind::Kafka, "rolling", SETTINGS)?;
    let outcome = take_over(bench, &mut trio, &mut tally);
    outcome.with_context(|| trio.last_words())?;
    Ok(tally)
}

fn take_over(bench: &Workbench, trio: &mut Trio, tally: &mut Tally) -> Result<()> {
    let mut load = Load::start_on(bench, &trio.bootstrap(), NAME, NODES.len())?;
    load.tell("write")?;
    pause(CALM);
    for kind in LIVES {
        for id in NODES {
            let began = Instant::now();
            become_one(bench, trio, id, kind)
                .with_context(|| format!("node {id} becomes {}", kind.name()))?;
            load.tell("verify")?;
            load.tell("write")?;
            let (who, seconds) = (kind.name(), began.elapsed().as_secs_f64());
            say(format_args!("   node {id} is {who}'s, all acknowledged records are there; {seconds:.0} s"));
            tally.check(&format!("node {id} becomes {who}"), true);
        }
    }
    load.tell("rest")?;
    settle(bench, trio, load, tally)?;
    Ok(())
}

/// One node stops in order and comes back as the other's, on the same directory.
fn become_one(bench: &Workbench, trio: &mut Trio, id: i32, kind: Kind) -> Result<()> {
    trio.stop(id)?;
    trio.becomes(id, kind);
    trio.restart(&bench.workspace, id)?;
    trio.wait_in_sync(TOPICS, WHOLE_LIMIT)?;
    pause(CALM);
    Ok(())
}
