//! Kafka's own tools on a cluster of three: `tests/cluster_tools/script.txt` is carried out on three of ours and on three of Apache Kafka's, one
//! of which dies in the middle, comes back, and leaves for good. What is printed and every exit code must be the same; where ours differs on
//! purpose, `tests/cluster_tools/diverges.txt` says how and why.
//!
//! Nothing here knows a right answer: Apache Kafka says so. Owns the order of things; the tools are run by `golden.rs`, lines are
//! compared as in `answers.rs`.

use super::answers::{Line, compare, parse};
use super::golden::{Step, run_tools};
use super::workbench::Workbench;
use crate::broker::Kind;
use crate::tally::Tally;
use crate::trio::{NODES, Trio};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::time::Duration;

/// Leaders stay where the script puts them, and a dead node is fenced soon on both sides.
const SETTINGS: &[(&str, &str)] = &[
    ("auto.leader.rebalance.enable", "false"),
    ("auto.create.topics.enable", "false"),
    ("broker.session.timeout.ms", "6000"),
    ("offsets.topic.num.partitions", "3"),
    ("num.partitions", "2"),
];

/// How long three nodes may take until they know of a change of one.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Steps in a row, and what a node's process does before them.
struct Part {
    before: Option<(Verb, i32)>,
    steps: Vec<String>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Kill,
    Stop,
    Restart,
}

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let home = bench.workspace.root.join("tests/cluster_tools");
    let read = |name: &str| std::fs::read_to_string(home.join(name)).with_context(|| name.to_owned());
    let parts = parts(&read("script.txt")?)?;
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| carry_out(bench, Kind::Kafka, "cluster-tools-reference", &parts));
        let found = carry_out(bench, bench.kind, "cluster-tools", &parts);
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reference's thread panicked"))), found)
    });
    // Kafka does not differ from itself.
    let diverges = if bench.kind == Kind::Kafka { Vec::new() } else { parse(&read("diverges.txt")?)? };
    let (wanted, found) = lines(&wanted?, &found?)?;
    let (tally, differences) = compare(&wanted, &found, &diverges);
    let path = bench.logs.join("cluster-tools.diff");
    std::fs::write(&path, differences).with_context(|| path.display().to_string())?;
    Ok(tally)
}

/// The script cut where a node's process does something.
fn parts(script: &str) -> Result<Vec<Part>> {
    let mut parts = vec![Part { before: None, steps: Vec::new() }];
    for line in script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(order) = line.strip_prefix("! ") else {
            parts.last_mut().context("there is a part")?.steps.push(line.to_owned());
            continue;
        };
        let (verb, node) = order.split_once(' ').with_context(|| format!("! VERB NODE: {line}"))?;
        let verb = match verb {
            "kill" => Verb::Kill,
            "stop" => Verb::Stop,
            "restart" => Verb::Restart,
            _ => bail!("kill, stop or restart: {line}"),
        };
        let node = node.parse().ok().filter(|node| NODES.contains(node));
        let node = node.with_context(|| format!("a node is called 1, 2 or 3: {line}"))?;
        parts.push(Part { before: Some((verb, node)), steps: Vec::new() });
    }
    Ok(parts)
}

/// All parts on three nodes of one kind.
fn carry_out(bench: &Workbench, kind: Kind, name: &str, parts: &[Part]) -> Result<Vec<Step>> {
    let mut trio = Trio::start(&bench.workspace, kind, name, SETTINGS)?;
    let mut names = vec![("controllers".to_owned(), trio.controllers())];
    for id in NODES {
        names.push((format!("directory-{id}"), trio.directory_id(id)?));
    }
    let mut steps = Vec::new();
    for (number, part) in (1..).zip(parts) {
        match part.before {
            Some((Verb::Kill, id)) => trio.kill(id)?,
            Some((Verb::Stop, id)) => drop(trio.stop(id)?),
            Some((Verb::Restart, id)) => trio.launch(&bench.workspace, id)?,
            None => {}
        }
        let outcome = (|| {
            trio.wait_registered(SETTLE_LIMIT)?;
            let script = trio.directory().join(format!("part-{number}.txt"));
            std::fs::write(&script, part.steps.join("\n"))?;
            let bootstrap = trio.bootstrap();
            run_tools(bench, &format!("{name}-{number}"), &bootstrap, &script, trio.directory(), &names)
        })();
        steps.extend(outcome.with_context(|| format!("part {number} of {name}: {}", trio.last_words()))?);
    }
    trio.stop_all()?;
    Ok(steps)
}

/// Questions and answers of both sides; where the marks of a step say that they are the same, they are. A step that comes again is another
/// question.
fn lines(wanted: &[Step], found: &[Step]) -> Result<(Vec<Line>, Vec<Line>)> {
    ensure!(wanted.len() == found.len(), "{} steps against {}", wanted.len(), found.len());
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let both = wanted.iter().zip(found).map(|(wanted, found)| {
        let ((question, theirs), (_, ours)) = (wanted.in_one_line(), found.in_one_line());
        let again = asked.entry(question.clone()).or_default();
        *again += 1;
        let question = if *again > 1 { format!("{question} ({again})") } else { question };
        let ours = if found.is_as(wanted) { theirs.clone() } else { ours };
        (Line::new(question.clone(), theirs), Line::new(question, ours))
    });
    Ok(both.unzip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_cut_where_a_process_does_something() {
        let parts = parts("# why\n\na\nb\n! kill 3\nc\n").unwrap();
        let shown: Vec<_> = parts.iter().map(|part| (part.before, part.steps.len())).collect();
        assert_eq!(shown, [(None, 2), (Some((Verb::Kill, 3)), 1)]);
        for wrong in ["! kill 4", "! kill", "! burn 1"] {
            assert!(super::parts(wrong).is_err(), "{wrong}");
        }
    }
}
