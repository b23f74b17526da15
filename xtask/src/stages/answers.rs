//! Answers field by field: `tests/answers/sweep.py` asks both brokers every admin, group and cluster API in every version with one field
//! after another spoiled, `tests/answers/steps.py` tells stories that need more than one question. The lines must be the same: codes, nulls,
//! texts, and whether the connection is closed.
//!
//! Nothing here knows a right answer: Apache Kafka says so. Where ours differs on purpose, `tests/answers/diverges.txt` says how and why; a
//! line of it that nothing needs any more fails the stage.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

/// What a question that names no topic must not make.
const SETTINGS: &[(&str, &str)] = &[("auto.create.topics.enable", "false")];

/// Differences of one API that are shown; all of them stand in the file beside the logs.
const SHOWN: usize = 3;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let (mut wanted, mut found) = (Vec::new(), Vec::new());
    // Each on brokers of its own: what the sweep leaves in Kafka keeps it from beginning some share groups.
    for script in ["sweep", "steps"] {
        let reference = Broker::start(&bench.workspace, Kind::Kafka, "answers-reference", SETTINGS)?;
        let tested = Broker::start(&bench.workspace, bench.kind, "answers", SETTINGS)?;
        let (theirs, ours) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| answers(bench, script, &reference, "reference"));
            let ours = answers(bench, script, &tested, "tested");
            let panicked = || Err(anyhow::anyhow!("the reference's thread panicked"));
            (theirs.join().unwrap_or_else(|_| panicked()), ours)
        });
        wanted.extend(theirs?);
        found.extend(ours?);
    }
    let path = bench.workspace.root.join("tests/answers/diverges.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    // Kafka does not differ from itself.
    let diverges = if bench.kind == Kind::Kafka { Vec::new() } else { parse(&text)? };
    let (tally, differences) = compare(&wanted, &found, &diverges);
    let path = bench.logs.join("answers.diff");
    std::fs::write(&path, differences).with_context(|| path.display().to_string())?;
    Ok(tally)
}

/// What a broker says to one of the scripts.
fn answers(bench: &Workbench, script: &str, broker: &Broker, name: &str) -> Result<Vec<Line>> {
    let jar = Oracle::install(&bench.workspace)?.client_jar()?;
    let mut command = Command::new("python3");
    command.arg(bench.workspace.root.join(format!("tests/answers/{script}.py")));
    command.arg(broker.address()).arg(broker.controller_address()).arg(broker.data()).arg(&jar);
    command.args((bench.full && script == "steps").then_some("--full"));
    let lines = bench.lines(&format!("answers-{script}-{name}"), &mut command, 5, broker)?;
    Ok(lines.iter().filter_map(|line| Line::of(line)).collect())
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    question: String,
    answer: String,
}

impl Line {
    pub(super) fn of(line: &str) -> Option<Line> {
        let (question, answer) = line.split_once(": ")?;
        Some(Line::new(question.to_owned(), answer.to_owned()))
    }

    pub(super) fn new(question: String, answer: String) -> Line {
        Line { question, answer }
    }
}

/// One line of the file: `questions | Kafka's piece of the answer | ours in its place | why`. A `*` in the questions stands for anything,
/// as Kafka's piece for the whole answer.
pub(super) struct Divergence {
    line: String,
    questions: Vec<String>,
    theirs: String,
    ours: String,
}

pub(super) fn parse(text: &str) -> Result<Vec<Divergence>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let one = |line: &str| {
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [questions, theirs, ours, why] = parts[..] else {
            anyhow::bail!("four parts with ` | ` between them: {line}")
        };
        ensure!(!why.is_empty(), "no reason: {line}");
        Ok(Divergence {
            line: line.to_owned(),
            questions: questions.split('*').map(str::to_owned).collect(),
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
        })
    };
    lines.map(one).collect()
}

impl Divergence {
    fn is_about(&self, question: &str) -> bool {
        let [first, between @ .., last] = self.questions.as_slice() else {
            return self.questions.first().is_some_and(|only| only == question);
        };
        let Some(mut rest) = question.strip_prefix(first.as_str()) else { return false };
        for piece in between {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }

    /// What is expected of us where Kafka answers so.
    fn applied(&self, answer: &str) -> String {
        if self.theirs == "*" { self.ours.clone() } else { answer.replace(&self.theirs, &self.ours) }
    }
}

/// One check per question, and one per divergence; all differences as text.
pub(super) fn compare(wanted: &[Line], found: &[Line], diverges: &[Divergence]) -> (Tally, String) {
    let (mut tally, mut all) = (Tally::default(), String::new());
    let mut found: BTreeMap<&str, &str> =
        found.iter().map(|line| (line.question.as_str(), line.answer.as_str())).collect();
    let mut used = vec![false; diverges.len()];
    let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
    for Line { question, answer } in wanted {
        let ours = found.remove(question.as_str()).unwrap_or("nothing");
        if ours == answer || agrees(question, answer, ours, diverges, &mut used) {
            tally.passed += 1;
            continue;
        }
        let _ = writeln!(all, "{question}\n  wanted {answer}\n  found  {ours}");
        let api = question.split(' ').next().unwrap_or_default();
        let count = failures.entry(api).or_default();
        *count += 1;
        if *count <= SHOWN {
            let (wanted, found) = apart(answer, ours);
            tally.fail(format!("{question}: wanted {wanted}, found {found}"));
        }
    }
    for (api, count) in failures.into_iter().filter(|(_, count)| *count > SHOWN) {
        tally.fail(format!("{api}: {} answers more in answers.diff", count - SHOWN));
    }
    for question in found.into_keys() {
        tally.fail(format!("{question}: only the tested broker was asked"));
    }
    for (divergence, used) in diverges.iter().zip(used) {
        tally.check(&format!("diverges.txt: nothing needs this line: {}", divergence.line), used);
    }
    (tally, all)
}

/// Whether the answers differ just as it is written down; marks what is needed for that.
fn agrees(question: &str, theirs: &str, ours: &str, diverges: &[Divergence], used: &mut [bool]) -> bool {
    let (mut expected, mut needed) = (theirs.to_owned(), Vec::new());
    for (at, divergence) in diverges.iter().enumerate().filter(|(_, one)| one.is_about(question)) {
        let applied = divergence.applied(&expected);
        if applied != expected {
            expected = applied;
            needed.push(at);
        }
    }
    if expected != ours {
        return false;
    }
    needed.into_iter().for_each(|at| used[at] = true);
    true
}

/// Two long answers without what they have in common at both ends.
fn apart<'a>(wanted: &'a str, found: &'a str) -> (&'a str, &'a str) {
    let start = wanted.char_indices().zip(found.chars()).find(|((_, a), b)| a != b);
    let start = start.map_or(wanted.len().min(found.len()), |((at, _), _)| at);
    let start = wanted[..start].rfind([',', '{']).map_or(0, |at| at + 1);
    let shown = |text: &'a str| {
        let rest = &text[start..];
        let end = rest.char_indices().nth(160).map_or(rest.len(), |(at, _)| at);
        rest[..end].trim()
    };
    (shown(wanted), shown(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<Line> {
        lines.iter().filter_map(|line| Line::of(line)).collect()
    }

    #[test]
    fn every_question_is_a_check_and_a_line_that_nobody_needs_another() {
        let diverges =
            parse("# why\nA * null | {code=-1} | {code=42} | it stumbles\nB* | * | closed | not yet\n");
        let diverges = diverges.unwrap();
        let wanted =
            lines(&["A v1 null: {code=-1}", "A v2 null: {code=-1}", "A v1 x: {code=-1}", "B: 1", "C: 1"]);
        let found =
            lines(&["A v1 null: {code=42}", "A v2 null: {code=3}", "A v1 x: {code=42}", "B: closed", "D: 1"]);
        let (tally, _) = compare(&wanted, &found, &diverges);
        assert_eq!((tally.passed, tally.failed.len()), (4, 4), "{:?}", tally.failed);
        let (tally, _) = compare(&wanted, &wanted, &diverges);
        assert_eq!((tally.passed, tally.failed.len()), (5, 2), "{:?}", tally.failed);
    }

    #[test]
    fn a_divergence_names_its_reason_and_its_questions() {
        assert!(parse("A | 1 | 2").is_err());
        assert!(parse("A | 1 | 2 | ").is_err());
        let of = |questions: &str| parse(&format!("{questions} | 1 | 2 | why")).unwrap().remove(0);
        assert!(of("A v*null*").is_about("A v1 topics null now"));
        assert!(of("A").is_about("A") && !of("A").is_about("A v1") && !of("A*b").is_about("A c"));
    }

    #[test]
    fn what_is_shown_begins_with_the_field_that_differs() {
        assert_eq!(apart("{a=1, code=2, z=3}", "{a=1, code=3, z=3}"), ("code=2, z=3}", "code=3, z=3}"));
        assert_eq!(apart("ä", "ö"), ("ä", "ö"));
    }
}
