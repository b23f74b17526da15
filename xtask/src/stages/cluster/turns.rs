//! Two brokers of Apache Kafka and one of ours under Kafka's controllers: each of the three leads every partition for a while, under load.
//! What was acknowledged is there once and in order, and in the end all replicas hold the same bytes.

use super::blows::strike_once;
use super::moves;
use super::settling::settle;
use super::terms::{NAME, SETTINGS, TOPICS, WHOLE_LIMIT};
use crate::broker::Kind;
use crate::process::pause;
use crate::stages::clients;
use crate::stages::crash::load::Load;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{Layout, NODES, Trio};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// By node id; ours is a broker only.
const KINDS: [Kind; 3] = [Kind::Kafka, Kind::Kafka, Kind::Ottla];

/// How long each of them leads.
const REIGN: Duration = Duration::from_secs(3);

pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    clients::python_environment(bench)?;
    let layout = Layout { brokers_only: &[3], ..Layout::default() };
    let mut trio = Trio::start_as(&bench.workspace, KINDS, "turns", SETTINGS, &layout)?;
    let outcome = take_turns(bench, &mut trio, &mut tally);
    outcome.with_context(|| trio.last_words())?;
    Ok(tally)
}

fn take_turns(bench: &Workbench, trio: &mut Trio, tally: &mut Tally) -> Result<()> {
    let mut load = Load::start_on(bench, &trio.bootstrap(), NAME, NODES.len())?;
    load.tell("write")?;
    trio.wait_in_sync(TOPICS, WHOLE_LIMIT)?;
    for id in [3, 1, 2, 3] {
        let what = format!("node {id}, {}'s, leads every partition", KINDS[(id - 1) as usize].name());
        strike_once(trio, &mut load, &what, |trio| crown(bench, trio, id)).with_context(|| what.clone())?;
        tally.check(&what, true);
    }
    settle(bench, trio, load, tally)?;
    Ok(())
}

/// It comes first among the replicas of each partition, and is elected for that.
fn crown(bench: &Workbench, trio: &Trio, id: i32) -> Result<()> {
    let all = moves::partitions(trio)?;
    let mut order = NODES.to_vec();
    order.sort_by_key(|one| *one != id);
    moves::execute(bench, trio, &all, |_| order.clone())?;
    moves::ottla(bench, trio, &["partition", "elect", "--all"])?;
    let began = Instant::now();
    loop {
        let seen = trio.described(id, Some(TOPICS))?;
        let mut partitions = seen.topics.iter().flat_map(|topic| &topic.partitions);
        if partitions.all(|one| one.leader == id) {
            break;
        }
        ensure!(began.elapsed() < WHOLE_LIMIT, "node {id} does not lead all: {:?}", seen.topics);
        pause(Duration::from_millis(100));
    }
    pause(REIGN);
    Ok(())
}
