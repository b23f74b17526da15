//! A metadata quorum of both: one voter is Apache Kafka's, two are ours. Whoever leads is killed, until both have led and both have
//! followed the other; what any of them was asked to create, all of them know.

use crate::bench::speak::cluster::Described;
use crate::bench::speak::{self, Connection};
use crate::broker::Kind;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{NODES, Trio};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// By node id.
const KINDS: [Kind; 3] = [Kind::Kafka, Kind::Ottla, Kind::Ottla];

/// Leaders killed at least, and at most until both kinds have led.
const ROUNDS: std::ops::RangeInclusive<usize> = 4..=12;

/// How long an answer may take that waits for the next controller: Kafka's voter waits for its fetch timeout first, on a slow machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How long a node may take to learn what the others know.
const LEARN_LIMIT: Duration = Duration::from_secs(30);

pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut trio = Trio::start_of(&bench.workspace, KINDS, "quorum", &[])?;
    let outcome = take_turns(bench, &mut trio);
    outcome.with_context(|| trio.last_words())
}

fn take_turns(bench: &Workbench, trio: &mut Trio) -> Result<Tally> {
    let mut tally = Tally::default();
    let (mut topics, mut led) = (Vec::new(), BTreeSet::new());
    while topics.len() < *ROUNDS.start() || (led.len() < 2 && topics.len() < *ROUNDS.end()) {
        let leader = trio.active_controller()?;
        led.insert(KINDS[usize::try_from(leader - 1)?].name());
        trio.kill(leader)?;
        let running = trio.running();
        let asked = running[topics.len() % running.len()];
        let topic = format!("quorum-{}", topics.len());
        let request = speak::create_replicated(std::slice::from_ref(&topic), 1, 1, &[]);
        let answer = Connection::open_within(&trio.address(asked), ANSWER_LIMIT)
            .and_then(|mut connection| speak::created(connection.call(&request)?));
        tally.check(&format!("{leader} killed, {topic} made through {asked}: {answer:?}"), answer.is_ok());
        topics.push(topic);
        trio.restart(&bench.workspace, leader)?;
    }
    tally.check(&format!("both kinds have led: {led:?}"), led.len() == 2);
    for id in NODES {
        let since = Instant::now();
        let mut knows = false;
        while !knows && since.elapsed() < LEARN_LIMIT {
            // Of all topics: one that is asked for by its name would be made.
            let names = |seen: Described| seen.topics.into_iter().map(|topic| topic.name).collect::<Vec<_>>();
            knows = trio.described(id, None).is_ok_and(|seen| {
                let names = names(seen);
                topics.iter().all(|topic| names.contains(topic))
            });
        }
        tally.check(&format!("node {id} knows {topics:?}"), knows);
    }
    trio.stop_all()?;
    Ok(tally)
}
