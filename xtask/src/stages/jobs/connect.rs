//! Kafka Connect, distributed, copies a file into a topic exactly once and the topic into files, while its worker and the broker are killed
//! with -9; what a sink cannot read goes to its dead-letter queue.
//!
//! Owns the order of blows and what is compared. A sink that was killed may write again what it had not committed, and leaves nothing
//! out; one that was not writes the very file.

use super::program::{Program, lines, records, until};
use crate::broker::{Broker, free_ports};
use crate::oracle::Oracle;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

const TOPIC: &str = "connect-lines";
const DEAD: &str = "connect-dead";

/// Lines that the source file has at first, and how many come with each blow.
const FIRST: usize = 4_000;
const MORE: usize = 2_000;

/// Every so many lines is none of JSON.
const BAD_EVERY: usize = 10;

/// A worker of its own group. Small transactions, quick to notice who is gone.
const WORKER: &str = "\
group.id=connect-workers
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic=connect-configs
config.storage.replication.factor=1
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
offset.storage.partitions=3
status.storage.topic=connect-status
status.storage.replication.factor=1
status.storage.partitions=1
exactly.once.source.support=enabled
offset.flush.interval.ms=1000
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
plugin.discovery=only_scan
";

/// The job.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut broker = Broker::start(&bench.workspace, bench.kind, "jobs-connect", &[])?;
    let mut site = Site::new(bench, &broker)?;
    site.add_lines(0..FIRST)?;
    site.connect("source", &site.source())?;
    site.connect("survivor", &site.sink("survivor", &json!({})))?;

    let rounds = if bench.full { 4 } else { 1 };
    for round in 0..rounds {
        let before = lines(&site.file("survivor")).len();
        until("a sink that writes", || Ok((lines(&site.file("survivor")).len() > before).then_some(())))?;
        site.worker.kill();
        let begin = FIRST + round * 2 * MORE;
        site.add_lines(begin..begin + MORE)?;
        site.worker = site.start(round + 1)?;
        let before = lines(&site.file("survivor")).len();
        until("a sink that goes on", || Ok((lines(&site.file("survivor")).len() > before).then_some(())))?;
        broker.kill()?;
        site.add_lines(begin + MORE..begin + 2 * MORE)?;
        broker.restart(&bench.workspace)?;
    }
    let all: Vec<String> = (0..FIRST + rounds * 2 * MORE).map(line).collect();
    until("all lines in the topic", || {
        Ok((records(bench, &broker, TOPIC, "%s\n")?.len() >= all.len()).then_some(()))
    })?;

    site.connect("fresh", &site.sink("fresh", &json!({"consumer.override.group.protocol": "consumer"})))?;
    site.connect("picky", &site.sink("picky", &picky()))?;
    let (bad, good): (Vec<String>, Vec<String>) =
        all.iter().map(|line| line.trim_matches('"').to_owned()).partition(|line| line.starts_with("bad"));
    for (name, wanted) in [("fresh", &all), ("picky", &good)] {
        until(name, || Ok((lines(&site.file(name)).len() >= wanted.len()).then_some(())))?;
    }
    until("the survivor's end", || Ok((lines(&site.file("survivor")).last() == all.last()).then_some(())))?;
    let dead = until("dead letters", || {
        // A stack trace among the headers goes over many lines.
        let mut dead = records(bench, &broker, DEAD, "%s|%h\n")?;
        dead.retain(|line| line.starts_with("bad "));
        Ok((dead.len() >= bad.len()).then_some(dead))
    })?;

    let ended = site.worker.stop()?;
    tally.check(
        &format!("the worker does not stop: {ended}"),
        ended.ends_with("143") || ended == "exit status: 0",
    );
    tally.check("each line is once in the topic", records(bench, &broker, TOPIC, "%s\n")? == all);
    let copied = std::fs::read(site.file("fresh"))? == std::fs::read(site.file("source"))?;
    tally.check("the file that was copied out is the one that was copied in", copied);
    let found = lines(&site.file("survivor"));
    tally
        .check(&format!("the survivor's {} lines leave one out", found.len()), leaves_none_out(&found, &all));
    tally.check("a sink writes what it can read", lines(&site.file("picky")) == good);
    let letters: Vec<&str> = dead.iter().filter_map(|letter| Some(letter.split_once('|')?.0)).collect();
    tally.check(&format!("{} dead letters of {}", letters.len(), bad.len()), letters == bad);
    let told = dead.iter().all(|letter| {
        letter.contains(&format!("__connect.errors.topic={TOPIC}"))
            && letter.contains("__connect.errors.exception.class.name=")
    });
    tally.check("dead letters say why they are", told);
    Ok(tally)
}

/// Longer than the buffer of Kafka's source of files: what is left in that when a batch is full is read only when the file grows.
fn line(number: usize) -> String {
    if number.is_multiple_of(BAD_EVERY) {
        format!("bad {number:x<1100}")
    } else {
        format!("\"{number:x<1100}\"")
    }
}

/// A sink that takes only JSON, and puts the rest aside.
fn picky() -> Value {
    json!({
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": DEAD,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    })
}

/// Every line is there; one that comes again begins a part that was written already.
fn leaves_none_out(found: &[String], all: &[String]) -> bool {
    let places: BTreeMap<&String, usize> = all.iter().enumerate().map(|(at, line)| (line, at)).collect();
    let mut next = 0;
    for line in found {
        match places.get(line) {
            Some(at) if *at <= next => next = at + 1,
            _ => return false,
        }
    }
    next == all.len()
}

/// The worker, its files, and its door.
struct Site<'a> {
    bench: &'a Workbench,
    jars: PathBuf,
    folder: PathBuf,
    door: String,
    worker: Program,
}

impl<'a> Site<'a> {
    fn new(bench: &'a Workbench, broker: &Broker) -> Result<Self> {
        let jars = Oracle::jars_of(&bench.workspace, "connect")?;
        let folder = bench.workspace.scratch("brokers")?.join("jobs-connect-files");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let door = format!("http://127.0.0.1:{}", free_ports()?.0);
        let text = format!("bootstrap.servers={}\nlisteners={door}\n{WORKER}", broker.address());
        std::fs::write(folder.join("worker.properties"), text)?;
        let worker = start(bench, &jars, &folder, 0)?;
        Ok(Self { bench, jars, folder, door, worker })
    }

    fn start(&self, life: usize) -> Result<Program> {
        start(self.bench, &self.jars, &self.folder, life)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.txt"))
    }

    fn add_lines(&self, numbers: Range<usize>) -> Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.file("source"))?;
        let text: String = numbers.map(|number| line(number) + "\n").collect();
        Ok(file.write_all(text.as_bytes())?)
    }

    fn source(&self) -> Value {
        json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": self.file("source"), "topic": TOPIC,
            "batch.size": "20", "exactly.once.support": "required", "transaction.boundary": "poll",
            "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        })
    }

    fn sink(&self, name: &str, more: &Value) -> Value {
        let mut config = json!({
            "connector.class": "FileStreamSink", "tasks.max": "1", "file": self.file(name), "topics": TOPIC,
            "consumer.override.isolation.level": "read_committed", "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.max.poll.records": "100",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    }

    /// Asks for a connector until the worker, which may be about to start or to rebalance, has taken it.
    fn connect(&mut self, name: &str, config: &Value) -> Result<()> {
        let door = format!("{}/connectors/{name}/config", self.door);
        until(&format!("the connector {name}"), || {
            ensure!(self.worker.alive(), "{}", self.worker.last_words());
            let mut ask = Command::new("curl");
            ask.args(["-s", "-m", "60", "-X", "PUT", "-H", "Content-Type: application/json"]);
            ask.args(["-d", &config.to_string(), &door]);
            let said = self.bench.run(&format!("jobs-connect-{name}"), &mut ask, 2)?;
            let told: Value = serde_json::from_str(&said.output).unwrap_or_default();
            ensure!(told["error_code"] != 400, "{}", said.output);
            Ok((told["name"] == name).then_some(()))
        })
    }
}

fn start(
    bench: &Workbench,
    jars: &std::path::Path,
    folder: &std::path::Path,
    life: usize,
) -> Result<Program> {
    let mut command = Oracle::install(&bench.workspace)?.java_on(jars, "512m", &[]);
    command.arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(folder.join("worker.properties"));
    Program::start(bench, &format!("connect-worker-{life}"), &mut command)
}
