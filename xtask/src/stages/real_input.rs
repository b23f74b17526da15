//! A large real text through real clients: Debian's package index, keyed by package, a million lines and more.
//!
//! Produced with kcat (gzip), the Java console producer (snappy) and confluent-kafka (lz4, zstd), the broker killed and
//! restarted while confluent-kafka writes; read back by a group of three members of different libraries, of which one is
//! killed with -9, and then the broker too. Every line arrives, order per key is kept, committed offsets hold.

use super::clients;
use super::workbench::Workbench;
use crate::broker::Broker;
use crate::oracle::Oracle;
use crate::process::{Finished, pause, signal_group, spawn};
use crate::provision;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const TOPIC: &str = "packages";
const GROUP: &str = "readers";
/// The index must be at least this large to count as real.
const LEAST_BYTES: usize = 30_000_000;
/// How long the members may take to read all of it.
const READING_LIMIT: Duration = Duration::from_secs(420);

/// A group member: its process and the file it writes.
struct Member {
    name: &'static str,
    child: Child,
    out: PathBuf,
}

/// What the members' files say.
#[derive(Default)]
struct Progress {
    lines: usize,
    /// The highest offset per partition that a broker has told some member it committed.
    committed: BTreeMap<i32, i64>,
}

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let directory = bench.workspace.scratch("real-input")?;
    let lines = prepare(bench, &directory)?;
    let settings = [("num.partitions", "6"), ("group.initial.rebalance.delay.ms", "1000")];
    let mut broker = Broker::start(&bench.workspace, bench.kind, "real-input", &settings)?;
    let started = Instant::now();
    tally.absorb("producers", produce(bench, &mut broker, &directory)?);
    say(format_args!("   produced in {:.0} s", started.elapsed().as_secs_f64()));
    let started = Instant::now();
    tally.absorb("readers", read(bench, &mut broker, &directory, lines)?);
    say(format_args!("   read in {:.0} s", started.elapsed().as_secs_f64()));
    let verdict = script(bench, "real-input-verify", &["verify", &directory.display().to_string()])?;
    tally.absorb("lines", clients::read("verify", &verdict));
    tally.check("the broker is still there", broker.alive());
    Ok(tally)
}

/// Writes the parts; returns the number of lines.
fn prepare(bench: &Workbench, directory: &Path) -> Result<usize> {
    std::fs::remove_dir_all(directory)?;
    std::fs::create_dir_all(directory)?;
    let mut index = package_index()?;
    if index.len() < LEAST_BYTES {
        let _ = Command::new("apt-get").args(["update", "-q"]).output();
        index = package_index()?;
    }
    ensure!(index.len() >= LEAST_BYTES, "Debian's package index has only {} bytes", index.len());
    let source = directory.join("index");
    std::fs::write(&source, &index)?;
    let arguments = ["prepare", &source.display().to_string(), &directory.display().to_string()];
    let finished = script(bench, "real-input-prepare", &arguments)?;
    ensure!(finished.success, "prepare: {}", finished.tail(5));
    say(format_args!("   {}", finished.output.trim()));
    let count = finished.output.split_whitespace().next().context("the number of lines")?;
    count.parse().context("the number of lines")
}

fn package_index() -> Result<Vec<u8>> {
    Ok(Command::new("apt-cache").arg("dumpavail").output().context("apt-cache dumpavail")?.stdout)
}

/// A command of `lines.py`, run to its end.
fn script(bench: &Workbench, name: &str, arguments: &[&str]) -> Result<Finished> {
    bench.run(name, &mut script_command(bench, arguments)?, 8)
}

fn script_command(bench: &Workbench, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(clients::python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/real_input/lines.py")).args(arguments);
    Ok(command)
}

/// The four parts through three producers; the broker is killed while the third writes.
fn produce(bench: &Workbench, broker: &mut Broker, directory: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    let address = broker.address();
    let part = |number: usize| directory.join(format!("part-{number}.tsv")).display().to_string();
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", &address, "-P", "-t", TOPIC, "-K", "\t", "-z", "gzip", "-l"]);
    kcat.args(["-X", "enable.idempotence=true"]).arg(part(0));
    let finished = bench.run("real-input-kcat", &mut kcat, 5)?;
    tally.check(&format!("kcat with gzip: {}: {}", finished.how, finished.tail(2)), finished.success);

    let finished = bench.run("real-input-console", &mut console(bench, &address, &part(1))?, 5)?;
    let quiet = !finished.output.contains("ERROR");
    let well = finished.success && quiet;
    tally.check(&format!("console producer with snappy: {}: {}", finished.how, finished.tail(2)), well);

    let lz4 = part(2);
    let arguments = ["produce", &address, TOPIC, &lz4, "lz4"];
    std::thread::scope(|scope| -> Result<()> {
        let writing = scope.spawn(move || script(bench, "real-input-lz4", &arguments));
        pause(Duration::from_millis(1500));
        broker.kill()?;
        broker.restart(&bench.workspace)?;
        let finished = writing.join().unwrap_or_else(|_| bail!("the thread that waited panicked"))?;
        let name = format!("confluent-kafka with lz4 while the broker is killed: {}", finished.tail(2));
        tally.check(&name, finished.success);
        Ok(())
    })?;
    let finished = script(bench, "real-input-zstd", &["produce", &address, TOPIC, &part(3), "zstd"])?;
    tally.check(&format!("confluent-kafka with zstd: {}", finished.tail(2)), finished.success);
    Ok(tally)
}

/// Kafka's console producer, fed from a file.
fn console(bench: &Workbench, address: &str, file: &str) -> Result<Command> {
    let oracle = Oracle::install(&bench.workspace)?;
    let java = oracle.tool_java("512m", &[]);
    let mut command = Command::new("sh");
    command.args(["-c", "input=$1; shift; exec \"$@\" <\"$input\"", "sh", file]);
    command.arg(java.get_program()).args(java.get_args());
    command.args(["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", address, "--topic", TOPIC]);
    command.args(["--compression-codec", "snappy", "--reader-property", "parse.key=true"]);
    Ok(command)
}

/// Three members read; one is killed, then the broker; those that stay read everything.
fn read(bench: &Workbench, broker: &mut Broker, directory: &Path, lines: usize) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut members = start_members(bench, &broker.address(), directory)?;
    let outs: Vec<PathBuf> = members.iter().map(|member| member.out.clone()).collect();
    let deadline = Instant::now() + READING_LIMIT;

    wait_for(&outs, lines / 4, deadline, broker)?;
    let mut victim = members.remove(0);
    signal_group(victim.child.id(), "KILL");
    victim.child.wait()?;
    say(format_args!("   killed {} at {} lines", victim.name, progress(&outs)?.lines));

    wait_for(&outs, lines / 2, deadline, broker)?;
    broker.kill()?;
    say(format_args!("   killed the broker at {} lines", progress(&outs)?.lines));
    let before = progress(&outs)?.committed;
    broker.restart(&bench.workspace)?;
    let after = committed(bench, broker)?;
    for (partition, offset) in &before {
        let found = after.get(partition).map_or(-1, |place| place.0);
        let name = format!("partition {partition}: {offset} was committed before the kill, {found} after it");
        tally.check(&name, found >= *offset);
    }
    tally.check("something was committed before the broker was killed", !before.is_empty());

    while committed(bench, broker)?.values().any(|(place, end)| place < end) {
        ensure!(Instant::now() < deadline, "not all was read within {} s", READING_LIMIT.as_secs());
        pause(Duration::from_millis(500));
    }
    for member in &mut members {
        tally.check(&format!("{} ended by itself", member.name), member.child.try_wait()?.is_none());
        signal_group(member.child.id(), "TERM");
        member.child.wait()?;
    }
    Ok(tally)
}

fn start_members(bench: &Workbench, address: &str, directory: &Path) -> Result<Vec<Member>> {
    let python = clients::python_environment(bench)?;
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/real_input");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.broker_jars)?;
    let mut java = oracle.java("256m", &[&classes]);
    java.arg("JavaMember");
    let library = |name: &str| {
        let mut command = Command::new(&python);
        command.arg("-u").arg(sources.join("member.py")).arg(name);
        command
    };
    let all = [
        ("kafka-python", library("kafka-python")),
        ("confluent-kafka", library("confluent-kafka")),
        ("java", java),
    ];
    let mut members = Vec::new();
    for (name, mut command) in all {
        let out = directory.join(format!("member-{name}.out"));
        command.arg(address).args([GROUP, TOPIC]).arg(&out);
        let child = spawn(&mut command, &bench.logs.join(format!("real-input-member-{name}.log")))?;
        members.push(Member { name, child, out });
    }
    Ok(members)
}

impl Drop for Member {
    fn drop(&mut self) {
        signal_group(self.child.id(), "KILL");
    }
}

/// Waits until the members have written so many lines in all.
fn wait_for(outs: &[PathBuf], lines: usize, deadline: Instant, broker: &mut Broker) -> Result<()> {
    loop {
        let found = progress(outs)?.lines;
        if found >= lines {
            return Ok(());
        }
        ensure!(broker.alive(), "the broker ended");
        ensure!(Instant::now() < deadline, "{found} of {lines} lines within {} s", READING_LIMIT.as_secs());
        pause(Duration::from_millis(100));
    }
}

/// Counts lines and commits; a file's last line may be half written.
fn progress(outs: &[PathBuf]) -> Result<Progress> {
    let mut progress = Progress::default();
    for out in outs {
        let text = std::fs::read_to_string(out).unwrap_or_default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("got"), ..) => progress.lines += 1,
                (Some("committed"), Some(partition), Some(offset)) => {
                    let place = progress.committed.entry(partition.parse()?).or_default();
                    *place = offset.parse::<i64>()?.max(*place);
                }
                _ => {}
            }
        }
    }
    Ok(progress)
}

/// What the broker says: committed offset and end of each partition.
fn committed(bench: &Workbench, broker: &Broker) -> Result<BTreeMap<i32, (i64, i64)>> {
    let finished = script(bench, "real-input-committed", &["committed", &broker.address(), GROUP, TOPIC])?;
    ensure!(finished.success, "committed offsets: {}", finished.tail(3));
    let mut places = BTreeMap::new();
    for line in finished.output.lines() {
        let numbers: Vec<i64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        if let [partition, offset, end] = numbers[..] {
            places.insert(i32::try_from(partition)?, (offset, end));
        }
    }
    Ok(places)
}
