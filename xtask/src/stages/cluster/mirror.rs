//! MirrorMaker 2 between a broker of Apache Kafka and three of ours: it copies a topic in and another one out, and the offsets of a group
//! come along.

use super::terms::{SETTINGS, WHOLE_LIMIT};
use super::tools;
use crate::bench::speak::{self, Connection};
use crate::broker::{Broker, Kind, binary};
use crate::oracle::Oracle;
use crate::process::{pause, signal_group, spawn};
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::Trio;
use anyhow::{Context, Result, ensure};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Into ours and out of it, by their names where they come from; a copy is called `CLUSTER.NAME`.
const IN: &str = "inward";
const OUT: &str = "outward";

/// Lines of either topic, and how many of the first a group has read before it is copied.
const LINES: usize = 2_000;
const READ: usize = 1_200;

const GROUP: &str = "readers";

/// How long a copy may take: the workers start, find topics, and form two groups.
const COPY_LIMIT: Duration = Duration::from_secs(180);

/// Everything as soon as it can be.
const PROPERTIES: &str = "\
clusters=theirs,ours
theirs->ours.enabled=true
theirs->ours.topics=inward
theirs->ours.replication.factor=3
ours->theirs.enabled=true
ours->theirs.topics=outward
replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
emit.checkpoints.interval.seconds=1
refresh.topics.interval.seconds=2
refresh.groups.interval.seconds=2
offset.lag.max=0
offset.flush.interval.ms=1000
";

/// MirrorMaker's process; it ends with this value.
struct Mirror(Child);

impl Drop for Mirror {
    fn drop(&mut self) {
        signal_group(self.0.id(), "KILL");
        let _ = self.0.wait();
    }
}

/// The part of the stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let theirs = Broker::start(&bench.workspace, Kind::Kafka, "mirror-theirs", &[])?;
    let ours = Trio::start(&bench.workspace, bench.kind, "mirror", SETTINGS)?;
    copy(bench, &theirs, &ours).map_err(|error| {
        let log = std::fs::read_to_string(bench.logs.join("cluster-mirror.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().filter(|line| line.contains("ERROR")).take(5).collect();
        error.context(format!("{}\n{}", last.join("\n"), ours.last_words()))
    })
}

fn copy(bench: &Workbench, theirs: &Broker, ours: &Trio) -> Result<Tally> {
    let mut tally = Tally::default();
    let (theirs, ours) = (theirs.address(), ours.bootstrap());
    let first = ours.split(',').next().unwrap_or_default();
    for (topic, address, replicas) in [(IN, theirs.as_str(), 1), (OUT, first, 3)] {
        let create = speak::create_replicated(&[topic.to_owned()], 3, replicas, &[]);
        speak::created(Connection::open(address)?.call(&create)?)?;
        tally.absorb(topic, tools::write_lines(bench, topic, address, 0..LINES)?);
    }
    let mut group = Command::new("kcat");
    group.args(["-b", &theirs, "-q", "-X", "auto.offset.reset=earliest", "-c", &READ.to_string(), "-G"]);
    let read = bench.run("cluster-mirror-group", group.args([GROUP, IN]), 1)?;
    tally.check(&format!("a group reads: {}", read.how), read.success && read.output.lines().count() == READ);

    let file = bench.logs.join("cluster-mirror.properties");
    let addresses = format!("theirs.bootstrap.servers={theirs}\nours.bootstrap.servers={ours}\n");
    std::fs::write(&file, format!("{PROPERTIES}{addresses}"))?;
    let jars = Oracle::jars_of(&bench.workspace, "connect")?;
    let mut command = Oracle::install(&bench.workspace)?.java_on(&jars, "512m", &[]);
    command.arg("org.apache.kafka.connect.mirror.MirrorMaker").arg(&file);
    let mut mirror = Mirror(spawn(&mut command, &bench.logs.join("cluster-mirror.log"))?);

    copied(bench, &mut mirror, &format!("theirs.{IN}"), &ours, LINES)?;
    tally.check("a topic copied into ours", true);
    copied(bench, &mut mirror, &format!("ours.{OUT}"), &theirs, LINES)?;
    tally.check("a topic copied out of ours", true);
    tools::write_lines(bench, IN, &theirs, LINES..LINES + 100)?;
    copied(bench, &mut mirror, &format!("theirs.{IN}"), &ours, LINES + 100)?;
    tally.check("and goes on being copied", true);
    let committed = synced(bench, &ours)?;
    // It may say less than was read, where it has no offset of the copy for the very one.
    tally.check(
        &format!("the group's offsets with ours: {committed}"),
        committed > 0 && committed <= READ as i64,
    );
    Ok(tally)
}

/// Waits until a copy has all lines.
fn copied(bench: &Workbench, mirror: &mut Mirror, topic: &str, address: &str, lines: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = tools::read_lines(bench, topic, address)?;
        if found == tools::lines_of(0..lines) {
            return Ok(());
        }
        ensure!(mirror.0.try_wait()?.is_none(), "MirrorMaker ended");
        ensure!(began.elapsed() < COPY_LIMIT, "{topic} has {} lines of {lines}", found.len());
        pause(Duration::from_secs(1));
    }
}

/// What the group has committed with ours, added up, as soon as there is anything.
fn synced(bench: &Workbench, ours: &str) -> Result<i64> {
    let began = Instant::now();
    loop {
        let mut lag = Command::new(binary(&bench.workspace));
        lag.args(["group", "lag", GROUP, "--output", "json", "--bootstrap-server", ours]);
        let told = bench.run("cluster-mirror-lag", &mut lag, 1)?;
        let sum = if told.success { committed(&told.output).context("ottla group lag")? } else { 0 };
        if sum > 0 {
            return Ok(sum);
        }
        ensure!(began.elapsed() < WHOLE_LIMIT, "no offset of {GROUP} came: {}", told.tail(5));
        pause(Duration::from_secs(1));
    }
}

/// All numbers that are called `committed` in what the command told.
fn committed(text: &str) -> Result<i64> {
    let told: serde_json::Value = serde_json::from_str(text)?;
    let mut waiting = vec![&told];
    let mut sum = 0;
    while let Some(one) = waiting.pop() {
        sum += one.get("committed").and_then(serde_json::Value::as_i64).unwrap_or(0);
        waiting.extend(one.as_array().into_iter().flatten());
        waiting.extend(one.as_object().into_iter().flat_map(|object| object.values()));
    }
    Ok(sum)
}
