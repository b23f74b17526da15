//! Kafka's own command-line tools against Ottla and against Apache Kafka: the same script, the same printed output.
//!
//! The script is `tests/golden/script.txt`; `tests/golden/ToolBench.java` runs all of its tools in one Java process per
//! broker and leaves out what differs from run to run. Owns the comparison, for other stages too that run tools.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::provision;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// One step's output.
pub(super) struct Step {
    /// The line of the script, with its mark.
    line: String,
    /// What was printed.
    printed: Vec<String>,
}

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let script = bench.workspace.root.join("tests/golden/script.txt");
    let drive = |name: &'static str, broker: &Broker| {
        let scratch = bench.workspace.scratch("golden")?.join(name);
        std::fs::create_dir_all(&scratch)?;
        run_tools(bench, &format!("golden-{name}"), &broker.address(), &script, &scratch, &[])
    };
    let reference = Broker::start(&bench.workspace, Kind::Kafka, "golden-reference", &[])?;
    let tested = Broker::start(&bench.workspace, bench.kind, "golden", &[])?;
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| drive("reference", &reference));
        let found = drive("tested", &tested);
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reference's thread panicked"))), found)
    });
    compare(bench, "golden.diff", &wanted?, &found?)
}

/// The tools of a script against a cluster, all in one Java process. Its steps call by `names` what differs from run to run.
pub(super) fn run_tools(
    bench: &Workbench,
    name: &str,
    bootstrap: &str,
    script: &Path,
    scratch: &Path,
    names: &[(String, String)],
) -> Result<Vec<Step>> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/golden");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.tool_jars)?;
    let mut command = oracle.tool_java("512m", &[&classes]);
    command.arg("ToolBench").arg(bootstrap).arg(script).arg(scratch);
    command.args(names.iter().map(|(name, value)| format!("{name}={value}")));
    steps(&bench.run(name, &mut command, 15)?)
}

/// Reads what the driver wrote.
fn steps(finished: &Finished) -> Result<Vec<Step>> {
    let ended = finished.output.lines().any(|line| line == "== done");
    ensure!(ended, "the tools did not come to their end: {}: {}", finished.how, finished.tail(10));
    let mut steps: Vec<Step> = Vec::new();
    for line in finished.output.lines() {
        if let Some(step) = line.strip_prefix("== ") {
            steps.push(Step { line: step.to_owned(), printed: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.printed.push(line.to_owned());
        }
    }
    steps.pop();
    Ok(steps)
}

/// One check per step; all differences go into the file `diff` beside the logs.
pub(super) fn compare(bench: &Workbench, diff: &str, wanted: &[Step], found: &[Step]) -> Result<Tally> {
    ensure!(wanted.len() == found.len(), "{} steps against {}", wanted.len(), found.len());
    let mut tally = Tally::default();
    let mut all = String::new();
    for (wanted, found) in wanted.iter().zip(found) {
        let differences = differences(wanted, found);
        if differences.is_empty() {
            tally.passed += 1;
            continue;
        }
        let first = differences.first().context("a difference")?;
        let shown: String = first.chars().take(220).collect();
        tally.fail(format!("{}: {shown}{}", wanted.line, more(differences.len(), diff)));
        writeln!(all, "== {}\n{}", wanted.line, differences.join("\n"))?;
    }
    let path = bench.logs.join(diff);
    std::fs::write(&path, all).with_context(|| path.display().to_string())?;
    Ok(tally)
}

fn more(count: usize, diff: &str) -> String {
    if count > 1 { format!(" (and {} lines more in {diff})", count - 1) } else { String::new() }
}

impl Step {
    /// Marks stand in front, in brackets.
    fn is_marked(&self, mark: &str) -> bool {
        self.line.split("] ").take_while(|word| word.starts_with('[')).any(|word| &word[1..] == mark)
    }

    /// The line of the script without its marks, and what was printed in one line.
    pub(super) fn in_one_line(&self) -> (String, String) {
        let mut command = self.line.as_str();
        while let Some((_, rest)) = command.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            command = rest;
        }
        (command.to_owned(), self.printed.join(" / "))
    }

    /// True where both print the same, as far as the step's marks say.
    pub(super) fn is_as(&self, wanted: &Step) -> bool {
        differences(wanted, self).is_empty()
    }
}

/// Lines of one and not of the other, `-` for the reference's, `+` for the tested broker's.
fn differences(wanted: &Step, found: &Step) -> Vec<String> {
    if wanted.is_marked("subset") {
        return surplus(wanted, found);
    }
    let (mut left, mut right) = (wanted.printed.clone(), found.printed.clone());
    if wanted.is_marked("exit") {
        [&mut left, &mut right]
            .into_iter()
            .for_each(|lines| lines.retain(|line| line.starts_with("-- exit ")));
    }
    if wanted.is_marked("sorted") {
        left.sort();
        right.sort();
    }
    if wanted.is_marked("json") {
        left.iter_mut().chain(&mut right).for_each(normalize_line);
    }
    if left == right {
        return Vec::new();
    }
    let (known, new): (BTreeSet<&String>, BTreeSet<&String>) =
        (left.iter().collect(), right.iter().collect());
    let missing = left.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let extra = right.iter().filter(|line| !known.contains(line)).map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = missing.chain(extra).collect();
    if lines.is_empty() {
        lines.push("the same lines in another order or number".to_owned());
    }
    lines
}

/// JSON without what may differ; any other line is left as it is.
fn normalize_line(line: &mut String) {
    if let Ok(mut value) = serde_json::from_str::<Value>(line) {
        normalize(&mut value);
        *line = value.to_string();
    }
}

/// Sizes are not told, lists have no order.
fn normalize(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.iter_mut().for_each(normalize);
            list.sort_by_key(|entry| entry.to_string());
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if ["size", "totalBytes", "usableBytes"].contains(&name.as_str()) {
                    *field = Value::Bool(field.as_i64().is_some_and(|bytes| bytes > 0));
                }
                normalize(field);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A broker that offers less prints fewer lines or says UNSUPPORTED; what it does print is what the reference prints.
fn surplus(wanted: &Step, found: &Step) -> Vec<String> {
    let known: BTreeSet<&String> = wanted.printed.iter().collect();
    let unknown = found.printed.iter().filter(|line| !known.contains(line) && !line.contains("UNSUPPORTED"));
    unknown.map(|line| format!("+ {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str, printed: &[&str]) -> Step {
        Step { line: line.to_owned(), printed: printed.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn order_counts_unless_marked() {
        let (one, two) = (step("t", &["a", "b"]), step("t", &["b", "a"]));
        assert_eq!(differences(&one, &two).len(), 1);
        let (one, two) = (step("[sorted] t", &["a", "b"]), step("[sorted] t", &["b", "a"]));
        assert!(differences(&one, &two).is_empty());
    }

    #[test]
    fn json_has_no_order_of_lists_and_no_sizes() {
        let one = step("[json] t", &[r#"{"a":[1,2],"size":7}"#]);
        let other = |line| step("[json] t", &[line]);
        assert!(differences(&one, &other(r#"{"size":9,"a":[2,1]}"#)).is_empty());
        assert_eq!(differences(&one, &other(r#"{"size":0,"a":[2,1]}"#)).len(), 2);
        assert_eq!(differences(&one, &other(r#"{"size":9,"a":[2,3]}"#)).len(), 2);
    }

    #[test]
    fn a_subset_may_lack_but_not_add() {
        let wanted = step("[subset] t", &["Produce: 0 to 13", "Fetch: 4 to 18"]);
        assert!(
            differences(&wanted, &step("[subset] t", &["Fetch: 4 to 18", "Produce: UNSUPPORTED"])).is_empty()
        );
        assert_eq!(differences(&wanted, &step("[subset] t", &["Fetch: 4 to 17"])), ["+ Fetch: 4 to 17"]);
        let wanted = step("[exit] t", &["Current ACLs", "-- exit 0"]);
        assert!(differences(&wanted, &step("[exit] t", &["-- exit 0"])).is_empty());
        assert_eq!(differences(&wanted, &step("[exit] t", &["-- exit 1"])), ["- -- exit 0", "+ -- exit 1"]);
    }
}
