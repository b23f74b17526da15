//! What both brokers answer about configurations: `tests/configs/steps.py` asks about every key that there is (set, described,
//! deleted, wrong), about resources, lists, pairs of values and loggers; the lines must be the same.
//!
//! Nothing here knows a right answer: Apache Kafka says so. Where ours is better on purpose stands in
//! `tests/configs/diverges.txt`, with the reason; a line of it that no answer needs any more fails.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::process;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let facts = facts(bench)?;
    let mut reference = Broker::start(&bench.workspace, Kind::Kafka, "configs-reference", &[])?;
    let mut tested = Broker::start(&bench.workspace, bench.kind, "configs", &[])?;
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| steps(bench, &reference, &facts, "reference"));
        let found = steps(bench, &tested, &facts, "tested");
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reference's thread panicked"))), found)
    });
    reference.stop()?;
    tested.stop()?;
    let page = bench.workspace.root.join("tests/configs/diverges.txt");
    let page = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let allowed = if bench.kind == Kind::Kafka { Vec::new() } else { allowed(&page)? };
    let mut tally = Tally::default();
    compare(&mut tally, &wanted?, &found?, &allowed);
    Ok(tally)
}

/// The definitions of all keys, from the reference's classes.
fn facts(bench: &Workbench) -> Result<PathBuf> {
    let mut java = Oracle::install(&bench.workspace)?.java("256m", &[]);
    java.arg(bench.workspace.root.join("xtask/java/ConfigFacts.java"));
    let finished = process::run(&mut java, &bench.logs.join("config-facts.log"), Duration::from_secs(60))?;
    ensure!(finished.success, "ConfigFacts.java: {}", finished.tail(5));
    let path = bench.workspace.scratch("configs")?.join("facts.txt");
    let is_fact = |line: &&str| line.contains('\t');
    let text: String = finished.output.lines().filter(is_fact).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Runs the script; its lines.
fn steps(bench: &Workbench, broker: &Broker, facts: &Path, name: &str) -> Result<Vec<String>> {
    let mut command = Command::new("python3");
    command.arg("-u").arg(bench.workspace.root.join("tests/configs/steps.py")).arg(broker.address());
    command.arg(Oracle::install(&bench.workspace)?.client_jar()?).arg(facts);
    bench.lines(&format!("configs-{name}"), &mut command, 4, broker)
}

/// Labels whose answers may differ: whole, or their beginnings before a `*`.
fn allowed(page: &str) -> Result<Vec<String>> {
    let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let label = |line: &str| {
        let (label, reason) = line.split_once('\t').with_context(|| format!("no reason: {line}"))?;
        ensure!(!reason.trim().is_empty(), "no reason: {line}");
        Ok(label.to_owned())
    };
    lines.map(label).collect()
}

fn covers(pattern: &str, label: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == label, |beginning| label.starts_with(beginning))
}

/// One check per label of either side, and one per line of the page.
fn compare(tally: &mut Tally, wanted: &[String], found: &[String], allowed: &[String]) {
    let by_label = |lines: &[String]| -> BTreeMap<String, String> {
        let pair = |line: &String| {
            line.split_once(": ").map(|(label, answer)| (label.to_owned(), answer.to_owned()))
        };
        lines.iter().filter_map(pair).collect()
    };
    let (wanted, found) = (by_label(wanted), by_label(found));
    let mut used = vec![false; allowed.len()];
    let mut labels: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    labels.sort();
    labels.dedup();
    for label in labels {
        let (wanted, found) = (wanted.get(label), found.get(label));
        let mut held = wanted == found;
        if !held && let Some(at) = allowed.iter().position(|pattern| covers(pattern, label)) {
            (held, used[at]) = (true, true);
        }
        let shown = |answer: Option<&String>| answer.map_or_else(|| "nothing".to_owned(), Clone::clone);
        tally.check(&format!("{label}: wanted {}, found {}", shown(wanted), shown(found)), held);
    }
    for (pattern, used) in allowed.iter().zip(used) {
        tally.check(&format!("tests/configs/diverges.txt: {pattern} does not differ"), used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_differ_only_where_the_page_says_so_and_the_page_only_where_it_does() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let failed = |found: &[&str], allowed: &[&str]| {
            let mut tally = Tally::default();
            compare(&mut tally, &lines(&["a: 1", "b 1: 1", "b 2: 1"]), &lines(found), &lines(allowed));
            tally.failed.len()
        };
        assert_eq!(failed(&["a: 1", "b 1: 1", "b 2: 1"], &[]), 0);
        assert_eq!(failed(&["a: 2", "b 1: 1", "c: 1"], &[]), 3);
        assert_eq!(failed(&["a: 1", "b 1: 2", "b 2: 2"], &["b *"]), 0);
        assert_eq!(failed(&["a: 1", "b 1: 1", "b 2: 1"], &["b *"]), 1);
        assert!(allowed("# why\nlabel\treason\n").is_ok() && allowed("label\n").is_err());
    }
}
