//! What is asked twice, too much or too little about records, and what becomes of damage: `tests/records/steps.py` asks both brokers the same,
//! one bit of a stored batch and of a committed offset is turned while they are stopped, and a Java consumer walks over what is left. The
//! lines must be the same; where ours differs on purpose, `tests/records/diverges.txt` says how and why.
//!
//! Nothing here knows a right answer: Apache Kafka says so.

use super::answers::{Line, compare, parse};
use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| story(bench, Kind::Kafka, "records-reference"));
        let found = story(bench, bench.kind, "records");
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reference's thread panicked"))), found)
    });
    let ((wanted, _), (found, log)) = (wanted?, found?);
    let path = bench.workspace.root.join("tests/records/diverges.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    // Kafka does not differ from itself.
    let diverges = if bench.kind == Kind::Kafka { Vec::new() } else { parse(&text)? };
    let (mut tally, differences) = compare(&wanted, &found, &diverges);
    let path = bench.logs.join("records.diff");
    std::fs::write(&path, differences).with_context(|| path.display().to_string())?;
    if bench.kind == Kind::Ottla {
        let told =
            |what: &str| log.lines().filter(|line| line.contains("ERROR") && line.contains(what)).count();
        tally.check(
            "the damaged batch is told once, however often it is asked for",
            told("damaged on disk and not served") == 1,
        );
        tally.check("the damaged commit is told once", told("coordinator's records cannot be read") == 1);
        tally.check("dump finds the damaged batch, and no other", is_found_by_dump(bench)?);
    }
    Ok(tally)
}

/// All that one broker says, and the log of its last life.
fn story(bench: &Workbench, kind: Kind, name: &str) -> Result<(Vec<Line>, String)> {
    let mut broker = Broker::start(&bench.workspace, kind, name, &[])?;
    let mut lines = steps(bench, &broker, name, "ask")?;
    broker.stop()?;
    lines.extend(steps(bench, &broker, name, "damage")?);
    broker.restart(&bench.workspace)?;
    let mut walk = Oracle::install(&bench.workspace)?.java("128m", &[]);
    walk.arg(bench.workspace.root.join("tests/records/Walk.java")).arg(broker.address()).arg("damaged");
    let walked = bench.lines(&format!("{name}-walk"), &mut walk, 2, &broker)?;
    lines.extend(walked.iter().filter_map(|line| Line::of(line)));
    lines.extend(steps(bench, &broker, name, "after")?);
    let log = std::fs::read_to_string(broker.log())?;
    broker.stop()?;
    Ok((lines, log))
}

fn steps(bench: &Workbench, broker: &Broker, name: &str, mode: &str) -> Result<Vec<Line>> {
    let jar = Oracle::install(&bench.workspace)?.client_jar()?;
    let mut command = Command::new("python3");
    command.arg(bench.workspace.root.join("tests/records/steps.py"));
    command.arg(broker.address()).arg(broker.data()).arg(jar).arg(mode);
    let lines = bench.lines(&format!("{name}-{mode}"), &mut command, 3, broker)?;
    ensure!(!lines.is_empty(), "{name}: {mode} says nothing");
    Ok(lines.iter().filter_map(|line| Line::of(line)).collect())
}

fn is_found_by_dump(bench: &Workbench) -> Result<bool> {
    let data = bench.workspace.scratch("brokers")?.join("records-ottla/data");
    let mut dump = Command::new(crate::broker::binary(&bench.workspace));
    dump.arg("dump").arg(data.join("damaged-0/00000000000000000000.log"));
    let finished = bench.run("records-dump", &mut dump, 1)?;
    let bad: Vec<&str> = finished.output.lines().filter(|line| line.contains("isvalid: false")).collect();
    Ok(bad.len() == 1 && bad.iter().all(|line| line.starts_with("baseOffset: 12 ")))
}
