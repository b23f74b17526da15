//! Every topic key that concerns the log, on both brokers: `tests/topic_keys/steps.py` changes it on a topic with data and says what
//! became of answers and files; the lines must be the same. Then each broker serves the directory that the other has left.
//!
//! Nothing here knows what a key does: Apache Kafka says so.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::tally::Tally;
use anyhow::Result;
use std::process::Command;

/// Background work within fractions of a second. (`log.flush.interval.ms` would otherwise be the scheduler's.)
const TIGHT: &[(&str, &str)] = &[
    ("log.initial.task.delay.ms", "100"),
    ("log.retention.check.interval.ms", "200"),
    ("log.cleaner.backoff.ms", "200"),
    ("log.flush.interval.ms", "9223372036854775807"),
    ("log.flush.scheduler.interval.ms", "100"),
    ("log.flush.offset.checkpoint.interval.ms", "200"),
    ("log.flush.start.offset.checkpoint.interval.ms", "200"),
    ("replica.high.watermark.checkpoint.interval.ms", "200"),
];

/// Nothing is deleted or cleaned while one reads what the other has left.
const IDLE: &[(&str, &str)] = &[
    ("log.initial.task.delay.ms", "3600000"),
    ("log.retention.check.interval.ms", "3600000"),
    ("log.cleaner.enable", "false"),
];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut reference = Broker::start(&bench.workspace, Kind::Kafka, "topic-keys-reference", TIGHT)?;
    let mut tested = Broker::start(&bench.workspace, bench.kind, "topic-keys", TIGHT)?;
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| steps(bench, &reference, "run", "reference"));
        let found = steps(bench, &tested, "run", "tested");
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reference's thread panicked"))), found)
    });
    let mut tally = Tally::default();
    compare(&mut tally, &wanted?, &found?);
    reference.stop()?;
    tested.stop()?;
    let swapped = [(Kind::Kafka, &tested), (bench.kind, &reference)];
    let mut read = Vec::new();
    for (kind, left) in swapped {
        for reader in [if kind == Kind::Kafka { bench.kind } else { Kind::Kafka }, kind] {
            let directory = left.data().parent().map(std::path::Path::to_path_buf).unwrap_or_default();
            let mut broker = Broker::start_on(&bench.workspace, reader, directory, IDLE)?;
            read.push(steps(bench, &broker, "inventory", reader.name())?);
            broker.stop()?;
        }
    }
    for pair in read.chunks(2) {
        if let [own, other] = pair {
            compare(&mut tally, own, other);
        }
    }
    Ok(tally)
}

/// Runs the script; its lines.
fn steps(bench: &Workbench, broker: &Broker, what: &str, name: &str) -> Result<Vec<String>> {
    let mut command = Command::new("python3");
    command.arg("-u").arg(bench.workspace.root.join("tests/topic_keys/steps.py"));
    command.arg(broker.address()).arg(broker.data()).arg(what);
    let lines = bench.lines(&format!("topic-keys-{what}-{name}"), &mut command, 6, broker)?;
    // What it says to people (times, tracebacks) begins otherwise or is indented.
    Ok(lines
        .into_iter()
        .filter(|line| line.split_once(": ").is_some_and(|(step, _)| is_step(step)))
        .collect())
}

/// A step's or a topic's name.
fn is_step(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
}

/// One check per line of the reference; what only ours has said fails, too.
fn compare(tally: &mut Tally, wanted: &[String], found: &[String]) {
    let step = |line: &str| line.split_once(": ").map_or_else(String::new, |(step, _)| step.to_owned());
    let mut names: Vec<String> = wanted.iter().chain(found).map(|line| step(line)).collect();
    names.sort();
    names.dedup();
    for name in names {
        let of = |lines: &[String]| -> Vec<String> {
            lines.iter().filter(|line| step(line) == name).cloned().collect()
        };
        let (wanted, found) = (of(wanted), of(found));
        for at in 0..wanted.len().max(found.len()) {
            let (wanted, found) = (wanted.get(at), found.get(at));
            tally
                .check(&format!("{name}: wanted {}, found {}", shown(wanted), shown(found)), wanted == found);
        }
    }
}

fn shown(line: Option<&String>) -> &str {
    line.map_or("nothing", |line| line.split_once(": ").map_or(line.as_str(), |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_check_and_none_may_be_missing_or_more() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let mut tally = Tally::default();
        compare(&mut tally, &lines(&["a: 1", "a: 2", "b: 1"]), &lines(&["b: 1", "a: 1", "a: 3", "c: 1"]));
        assert_eq!((tally.passed, tally.failed.len()), (2, 2));
    }
}
