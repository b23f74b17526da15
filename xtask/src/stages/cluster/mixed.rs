//! A broker of ours in a cluster of Apache Kafka's: registered by their controller, following their leaders and leading their followers,
//! let go and taken back. Whatever both hold is the same, byte by byte.

use super::replicas;
use super::terms::WHOLE_LIMIT;
use super::tools;
use crate::bench::speak::cluster::Described;
use crate::bench::speak::{self, Connection};
use crate::broker::{Broker, Kind, free_ports};
use crate::process::pause;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// The topic of both.
const TOPIC: &str = "mixed";

/// Partitions, each with a replica on either broker: both lead some.
const PARTITIONS: i32 = 4;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Theirs is node 1, broker and controller; ours is node 2, a broker.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let home = bench.workspace.scratch("brokers")?.join("mixed");
    let _ = std::fs::remove_dir_all(&home);
    let (theirs, ours) = (free_ports()?, free_ports()?);
    let voters = format!("1@127.0.0.1:{}", theirs.1);
    let listeners = format!("PLAINTEXT://127.0.0.1:{}", ours.0);
    let common = [("controller.quorum.voters", voters.as_str()), ("min.insync.replicas", "1")];
    let own = [("node.id", "2"), ("process.roles", "broker"), ("listeners", &listeners)];
    let mut kafka = Broker::prepare_at(home.join("kafka"), Kind::Kafka, theirs, &common)?;
    let all: Vec<(&str, &str)> = common.iter().chain(&own).copied().collect();
    let mut ottla = Broker::prepare_at(home.join("ottla"), Kind::Ottla, ours, &all)?;
    for broker in [&mut kafka, &mut ottla] {
        broker.format(&bench.workspace)?;
        broker.launch(&bench.workspace)?;
    }
    live(bench, &mut kafka, &mut ottla)
        .map_err(|error| error.context(format!("{}\n{}", kafka.last_words(), ottla.last_words())))
}

fn live(bench: &Workbench, kafka: &mut Broker, ottla: &mut Broker) -> Result<Tally> {
    let mut tally = Tally::default();
    wait(ottla, &[], "two brokers", |seen| seen.brokers.len() == 2)?;
    let topic = speak::create_replicated(&[TOPIC.to_owned()], PARTITIONS, 2, &[]);
    speak::created(Connection::open(&ottla.address())?.call(&topic)?)?;
    wait(ottla, &[TOPIC], "both in sync", Described::is_in_sync)?;
    let seen = described(ottla, &[TOPIC])?;
    let leads = |id| (0..PARTITIONS).any(|one| seen.leader(one).is_some_and(|(leader, _)| leader == id));
    tally.check(&format!("both lead: {seen:?}"), leads(1) && leads(2));
    tally.absorb(
        "written to ours",
        tools::lines_through(bench, TOPIC, [&ottla.address(), &kafka.address()], 0)?,
    );
    let ended = ottla.stop()?;
    let consent = !ottla.last_words().contains("consent");
    tally.check(
        &format!("ours is let go: {ended:?}"),
        consent && ended.is_some_and(|status| status.success()),
    );
    tally
        .absorb("without ours", tools::lines_through(bench, TOPIC, [&kafka.address(), &kafka.address()], 1)?);
    ottla.launch(&bench.workspace)?;
    wait(ottla, &[TOPIC], "in sync again", Described::is_in_sync)?;
    tally.absorb(
        "written to theirs",
        tools::lines_through(bench, TOPIC, [&kafka.address(), &ottla.address()], 2)?,
    );
    wait(kafka, &[TOPIC], "in sync at the end", Described::is_in_sync)?;
    // Ours first: theirs is the controller that lets it go.
    ottla.stop()?;
    kafka.stop()?;
    tally.absorb("replicas", replicas::compare(&[vec![kafka.data()], vec![ottla.data()]], TOPIC)?);
    Ok(tally)
}

/// Whoever asks for a topic that is not there has it made.
fn described(broker: &Broker, topics: &[&str]) -> Result<Described> {
    let mut connection = Connection::open_within(&broker.address(), ANSWER_LIMIT)?;
    Described::read(connection.call(&speak::metadata(Some(topics)))?)
}

fn wait(broker: &mut Broker, topics: &[&str], what: &str, until: fn(&Described) -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let seen = described(broker, topics);
        if seen.as_ref().is_ok_and(until) {
            return Ok(());
        }
        ensure!(broker.alive(), "a broker ended");
        ensure!(began.elapsed() < WHOLE_LIMIT, "{what}: {seen:?}");
        pause(Duration::from_millis(100));
    }
}
