//! Several log directories: placement, moves, cordons and a directory that fails, the same script on Ottla and on Apache Kafka;
//! `kill -9` in the middle of a move; each broker starts on what the other left half moved.
//!
//! `tests/jbod/Jbod.java` carries the steps out and prints what it saw; `tests/jbod/tools.txt` is what Kafka's tools are asked. Owns the steps, the order of starts and the comparison.

use super::crash::power::PoweredDisk;
use super::golden::{self, Step};
use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::provision;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// Placement, moves, cordons.
const SCRIPT: &[&str] = &[
    "create t 6",
    "spread t",
    "move placed 0 b",
    "create placed 1 segment.bytes=1048576",
    "where placed 0",
    "produce placed 0 0 8000",
    "dirs placed",
    "move placed 0 b",
    "move placed 0 nowhere",
    "move placed 7 c",
    "config replica.alter.log.dirs.io.max.bytes.per.second=200000",
    "move placed 0 c",
    "future placed 0",
    "where placed 0",
    "produce placed 0 8000 8100",
    "config replica.alter.log.dirs.io.max.bytes.per.second=",
    "settle placed 0 c",
    "read placed 0",
    "purge placed 0 5000",
    "move placed 0 b",
    "settle placed 0 b",
    "read placed 0",
    "config replica.alter.log.dirs.io.max.bytes.per.second=100000",
    "move placed 0 c",
    "future placed 0",
    "move placed 0 data",
    "config replica.alter.log.dirs.io.max.bytes.per.second=",
    "settle placed 0 data",
    "read placed 0",
    "config cordoned.log.dirs=@b",
    "cordons b",
    "create u 5",
    "spread u",
    "dirs",
    "move u 0 b",
    "config cordoned.log.dirs=@nowhere",
    "config cordoned.log.dirs=*,@b",
    "config cordoned.log.dirs=*",
    "cordons b,c,data",
    "refused v",
    "config cordoned.log.dirs=",
    "cordons",
];

/// Before a directory fails.
const WHOLE: &[&str] = &[
    "move dying 0 c",
    "create dying 1",
    "move living 0 b",
    "create living 1",
    "where dying 0",
    "produce dying 0 0 200",
    "produce living 0 0 200",
];

/// While the others go on.
const BROKEN: &[&str] = &[
    "produce dying 0 200 201",
    "leaderless dying 0",
    "dirs",
    "produce living 0 200 300",
    "read living 0",
    "move living 0 data",
    "move living 0 c",
    "create new 5",
    "spread new",
];

/// After a start without it.
const WITHOUT: &[&str] =
    &["dirs", "leaderless dying 0", "where dying 0", "read living 0", "produce living 0 300 310"];

/// Bytes per second of a move that somebody is to interrupt.
const SLOW: &str = "config replica.alter.log.dirs.io.max.bytes.per.second=100000";
const FAST: &str = "config replica.alter.log.dirs.io.max.bytes.per.second=";

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    tally.absorb("the script", script(bench)?);
    tally.absorb("kill -9 in a move", kill_in_a_move(bench)?);
    tally.absorb("half moved by Kafka", pass_on(bench, Kind::Kafka, bench.kind)?);
    tally.absorb("half moved by ours", pass_on(bench, bench.kind, Kind::Kafka)?);
    match PoweredDisk::make(bench, "jbod-disk") {
        Ok(disk) => tally.absorb("one directory fails", failure(bench, &disk)?),
        Err(why) => tally.skip(format!("no ext4 that can be cut off here: {why:#}")),
    }
    Ok(tally)
}

/// A node with three log directories: `data` with the metadata, `b` and `c`.
struct Node<'a> {
    bench: &'a Workbench,
    base: PathBuf,
}

impl<'a> Node<'a> {
    fn fresh(bench: &'a Workbench, name: &str) -> Result<Node<'a>> {
        let base = bench.workspace.scratch("brokers")?.join(format!("jbod-{name}"));
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(&base)?;
        Ok(Node { bench, base })
    }

    fn start(&self, kind: Kind) -> Result<Broker> {
        let directories = ["data", "b", "c"].map(|name| self.base.join(name).display().to_string()).join(",");
        let metadata = self.base.join("data").display().to_string();
        let settings: &[(&str, &str)] = &[
            ("log.dirs", &directories),
            ("metadata.log.dir", &metadata),
            ("log.segment.delete.delay.ms", "1000"),
        ];
        Broker::start_on(&self.bench.workspace, kind, self.base.clone(), settings)
    }

    /// Carries out steps; a line for each.
    fn steps(&self, broker: &Broker, name: &str, steps: &[&str]) -> Result<Vec<String>> {
        let oracle = Oracle::install(&self.bench.workspace)?;
        let sources = self.bench.workspace.root.join("tests/jbod");
        let classes = provision::javac(&self.bench.workspace, &sources, &oracle.broker_jars)?;
        let mut command = oracle.java("256m", &[&classes]);
        command.arg("Jbod").arg(broker.address()).arg(&self.base).args(steps);
        let folder = self.base.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.bench.lines(&format!("{folder}-{name}"), &mut command, 8, broker)
    }
}

/// One check per line, in their order.
fn same(tally: &mut Tally, wanted: &[String], found: &[String]) {
    for (wanted, found) in wanted.iter().zip(found) {
        tally.check(&format!("{found}: Kafka: {wanted}"), wanted == found);
    }
    tally.check(&format!("{} lines, {} wanted", found.len(), wanted.len()), found.len() == wanted.len());
}

fn expect(tally: &mut Tally, found: &[String], wanted: &[&str]) {
    let wanted: Vec<String> = wanted.iter().map(|line| (*line).to_owned()).collect();
    same(tally, &wanted, found);
}

fn script(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let of = |kind: Kind| -> Result<(Vec<String>, Vec<Step>)> {
        let name = format!("script-{}", kind.name());
        let node = Node::fresh(bench, &name)?;
        let broker = node.start(kind)?;
        let lines = node.steps(&broker, "script", SCRIPT)?;
        let tools = bench.workspace.root.join("tests/jbod/tools.txt");
        Ok((
            lines,
            golden::run_tools(
                bench,
                &format!("jbod-{name}-tools"),
                &broker.address(),
                &tools,
                &node.base,
                &[],
            )?,
        ))
    };
    let (wanted, wanted_tools) = of(Kind::Kafka)?;
    let (found, found_tools) = of(bench.kind)?;
    same(&mut tally, &wanted, &found);
    tally.absorb("tools", golden::compare(bench, "jbod-tools.diff", &wanted_tools, &found_tools)?);
    Ok(tally)
}

fn kill_in_a_move(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let node = Node::fresh(bench, "kill")?;
    let mut broker = node.start(bench.kind)?;
    let fill = [
        "move k 0 b",
        "create k 1 segment.bytes=1048576",
        "produce k 0 0 6000",
        SLOW,
        "move k 0 c",
        "future k 0",
    ];
    let begun = node.steps(&broker, "fill", &fill)?;
    tally.check(&format!("{begun:?}"), begun.last().is_some_and(|line| line == "future k 0: c"));
    broker.kill()?;
    for round in ["first", "second"] {
        broker = node.start(bench.kind)?;
        // Whether it is still on its way is not promised: Kafka starts before it knows its throttle.
        let found = node.steps(&broker, round, &["read k 0"])?;
        expect(&mut tally, &found, &["read k 0: from 0 to 6000: 6000 records, 0 to 5999 in order"]);
        broker.kill()?;
    }
    broker = node.start(bench.kind)?;
    let found = node.steps(&broker, "end", &["produce k 0 6000 6100", FAST, "settle k 0 c", "read k 0"])?;
    tally.check(
        &format!("{found:?}"),
        found.last().is_some_and(|line| line.ends_with("6100 records, 0 to 6099 in order")),
    );
    // Killed as soon as it arrived: the copy that it left may still be there.
    broker.kill()?;
    let _broker = node.start(bench.kind)?;
    let found = node.steps(&_broker, "after", &["where k 0", "read k 0"])?;
    let wanted = ["where k 0: c", "read k 0: from 0 to 6100: 6100 records, 0 to 6099 in order"];
    expect(&mut tally, &found, &wanted);
    Ok(tally)
}

/// `from` writes several directories and leaves a move half made, `to` serves them and brings it to its end.
fn pass_on(bench: &Workbench, from: Kind, to: Kind) -> Result<Tally> {
    let mut tally = Tally::default();
    let node = Node::fresh(bench, &format!("pass-{}-{}", from.name(), to.name()))?;
    let mut broker = node.start(from)?;
    let fill = [
        "move p 0 b",
        "create p 1 segment.bytes=1048576",
        "move q 0 c",
        "create q 1",
        "produce p 0 0 6000",
        "produce q 0 0 500",
        "purge p 0 700",
        SLOW,
        "move p 0 c",
        "future p 0",
    ];
    node.steps(&broker, "fill", &fill)?;
    let look = ["where q 0", "read p 0", "read q 0"];
    let wanted = node.steps(&broker, "before", &look)?;
    broker.stop()?;
    broker = node.start(to)?;
    same(&mut tally, &wanted, &node.steps(&broker, "served", &look)?);
    let end = ["produce p 0 6000 6100", FAST, "settle p 0 c", "read p 0", "move q 0 b", "settle q 0 b"];
    node.steps(&broker, "end", &end)?;
    let look = ["where p 0", "where q 0", "read p 0", "read q 0"];
    let after = node.steps(&broker, "after", &look)?;
    expect(&mut tally, after.get(..2).unwrap_or_default(), &["where p 0: c", "where q 0: b"]);
    broker.stop()?;
    broker = node.start(from)?;
    same(&mut tally, &after, &node.steps(&broker, "back", &look)?);
    broker.stop()?;
    Ok(tally)
}

/// The third directory is on a disk that is cut off.
fn failure(bench: &Workbench, disk: &PoweredDisk) -> Result<Tally> {
    let mut tally = Tally::default();
    let wanted = fail_one(bench, disk, Kind::Kafka)?;
    let found = fail_one(bench, disk, bench.kind)?;
    same(&mut tally, &wanted.0, &found.0);
    let whole = "read dying 0: from 0 to 200: 200 records, 0 to 199 in order";
    let read = found.1.first().map_or("", String::as_str);
    // Kafka acknowledges what is in the page cache only: what it has left is not compared.
    tally.check(&format!("after the repair: {read}"), bench.kind == Kind::Kafka || read == whole);
    expect(&mut tally, found.1.get(1..).unwrap_or_default(), &["produce living 0 310 320: 10 acknowledged"]);
    Ok(tally)
}

/// What was seen until the repair, and after it.
fn fail_one(bench: &Workbench, disk: &PoweredDisk, kind: Kind) -> Result<(Vec<String>, Vec<String>)> {
    let node = Node::fresh(bench, &format!("failure-{}", kind.name()))?;
    let on_disk = disk.path().join(kind.name());
    std::fs::create_dir_all(&on_disk)?;
    std::os::unix::fs::symlink(&on_disk, node.base.join("c"))?;
    let mut broker = node.start(kind)?;
    let mut seen = node.steps(&broker, "whole", WHOLE)?;
    disk.cut()?;
    seen.extend(node.steps(&broker, "broken", BROKEN)?);
    ensure!(broker.alive(), "{} ended with one of its directories", kind.name());
    broker.kill()?;
    broker = node.start(kind)?;
    seen.extend(node.steps(&broker, "without", WITHOUT)?);
    broker.kill()?;
    disk.repair()?;
    broker = node.start(kind)?;
    let after = node.steps(&broker, "repaired", &["read dying 0", "produce living 0 310 320"])?;
    broker.stop()?;
    Ok((seen, after))
}
