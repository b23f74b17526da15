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
#[derive(Clone)]
pub(super) struct Step {
    /// The line of the script, with its mark.
    line: String,
    /// What was printed.
    printed: Vec<String>,
}

/// A binary that does the work of these tools.
#[derive(Clone, Copy)]
pub(super) struct Ours<'a> {
    pub(super) binary: &'a Path,
    pub(super) scripts: &'a [&'a str],
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
    run_with(bench, name, bootstrap, script, scratch, names, None)
}

/// The same steps, with the tools' work done by this binary where there is one.
pub(super) fn run_with(
    bench: &Workbench,
    name: &str,
    bootstrap: &str,
    script: &Path,
    scratch: &Path,
    names: &[(String, String)],
    ours: Option<Ours>,
) -> Result<Vec<Step>> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/golden");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.tool_jars)?;
    let mut command = oracle.tool_java("512m", &[&classes]);
    // Tools that would end the process are held back.
    command.arg("-Djava.security.manager=allow");
    if let Some(ours) = ours {
        command.arg(format!("-Dours={}", ours.binary.display()));
        command.arg(format!("-Dours.scripts={}", ours.scripts.join(",")));
    }
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
        self.mark(mark) == Some("")
    }

    /// What stands behind the beginning of a mark.
    fn mark(&self, beginning: &str) -> Option<&str> {
        let mut marks = self.line.split("] ").map_while(|word| word.strip_prefix('['));
        marks.find_map(|mark| mark.strip_prefix(beginning))
    }

    /// The line of the script without its marks, and what was printed in one line.
    pub(super) fn in_one_line(&self) -> (String, String) {
        let mut command = self.line.as_str();
        while let Some((_, rest)) = command.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            command = rest;
        }
        (command.to_owned(), self.printed.join(" / "))
    }

    /// Without what a script of Java's prints of Java: log lines and exceptions; nor the options below a wrong command line, which are
    /// told in other words.
    pub(super) fn without_java(&self) -> Step {
        let mut plain = self.clone();
        plain.take_java_out();
        plain
    }

    /// The names of the options that are printed, `--topic` of `--topic <String: topic>`; of `-c FILE, --config FILE` by argparse, too.
    pub(super) fn options(&self) -> BTreeSet<String> {
        let lines = self.printed.iter().map(|line| line.trim_start_matches(['*', ' ']));
        let names = lines.filter(|line| line.starts_with('-')).flat_map(|line| line.split(", "));
        let name = |piece: &str| piece.split([' ', '=', ',']).next().unwrap_or_default().to_owned();
        let is_name =
            |word: &String| word.starts_with("--") && !word.starts_with("---") && !word.ends_with('-');
        names.map(name).filter(is_name).collect()
    }

    /// The lines by their text, for what has no order.
    pub(super) fn sort(&mut self) {
        self.printed.sort();
    }

    fn take_java_out(&mut self) {
        let errors = self.printed.iter().position(|line| line == "-- err").unwrap_or(self.printed.len());
        let options = self.printed.iter().skip(errors).position(|line| line.starts_with("Option "));
        if let Some(options) = options {
            let end = self.printed.iter().rposition(|line| line.starts_with("-- exit ")).unwrap_or(errors);
            self.printed.drain(errors + options..end);
        }
        self.take_usage_out();
        let mut in_errors = false;
        self.printed.retain(|line| {
            in_errors |= line == "-- err";
            !(in_errors && is_of_java(line))
        });
    }

    /// argparse's usage; and what it says is wrong in one line, whose blanks it stretches.
    fn take_usage_out(&mut self) {
        let error = |line: &String| {
            let name = line.split(": ").next().unwrap_or_default();
            name.starts_with("kafka-")
                && line[name.len()..].trim_start_matches([':', ' ']).starts_with("error:")
        };
        let Some(told) = self.printed.iter().position(error) else { return };
        let end = self.printed.iter().rposition(|line| line.starts_with("-- exit ")).unwrap_or(told + 1);
        let words: Vec<String> = self
            .printed
            .drain(told..end)
            .flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        self.printed.insert(told, words.join(" "));
        if let Some(usage) = self.printed[..told].iter().position(|line| line.starts_with("usage: ")) {
            self.printed.drain(usage..told);
        }
    }

    /// True where both print the same, as far as the step's marks say.
    pub(super) fn is_as(&self, wanted: &Step) -> bool {
        differences(wanted, self).is_empty()
    }
}

/// A line of its log, the class that logged it, an exception's own line.
fn is_of_java(line: &str) -> bool {
    let class = line.trim_start_matches("Caused by: ").split(':').next().unwrap_or_default();
    let exception = class.contains('.')
        && (class.ends_with("Exception") || class.ends_with("Error"))
        && class.chars().all(|c| c.is_ascii_alphanumeric() || ".$_".contains(c));
    exception
        || line.starts_with("[time] ")
        || line.starts_with(" (org.apache.kafka.")
        || line.starts_with("Caused by: ")
        // The Java consumer's word for the newer protocol.
        || line.starts_with("The consumer rebalance protocol (KIP-848) is production-ready!")
}

/// Lines of one and not of the other, `-` for the reference's, `+` for the tested broker's.
fn differences(wanted: &Step, found: &Step) -> Vec<String> {
    let (mut left, mut right) = (wanted.printed.clone(), found.printed.clone());
    if let Some(word) = wanted.mark("but ") {
        [&mut left, &mut right].into_iter().for_each(|lines| lines.retain(|line| !line.contains(word)));
    }
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
    fn a_mark_says_what_is_not_compared() {
        let wanted = step("[but Telemetry] t", &["Produce: 0 to 13", "PushTelemetry: UNSUPPORTED"]);
        assert!(differences(&wanted, &step("t", &["Produce: 0 to 13", "PushTelemetry: 0"])).is_empty());
        assert_eq!(differences(&wanted, &step("t", &["PushTelemetry: 0"])), ["- Produce: 0 to 13"]);
        let wanted = step("[exit] t", &["Current ACLs", "-- exit 0"]);
        assert!(differences(&wanted, &step("[exit] t", &["-- exit 0"])).is_empty());
        assert_eq!(differences(&wanted, &step("[exit] t", &["-- exit 1"])), ["- -- exit 0", "+ -- exit 1"]);
    }
}
