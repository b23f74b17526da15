//! Our answers as Kafka's scripts, beside the real ones: the same command lines, on Apache Kafka and on Ottla.
//!
//! `tests/golden/script.txt` and `tests/scripts/script.txt` are carried out three times, each on a fresh broker: by Kafka's tools on Apache
//! Kafka, and with the scripts that this binary answers by it, on Apache Kafka and on Ottla. What differs on purpose stands in
//! `tests/scripts/diverges.txt`. Nothing here knows a right answer. Owns the order of things, and the count of flags.

mod life;

use super::answers::{Line, compare, parse};
use super::golden::{Ours, Step, run_with};
use super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary};
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// The scripts that this binary answers; the others' work is done by Kafka's tools on all sides.
const ANSWERED: &[&str] = &[
    "kafka-topics",
    "kafka-consumer-groups",
    "kafka-groups",
    "kafka-configs",
    "kafka-get-offsets",
    "kafka-delete-records",
    "kafka-log-dirs",
    "kafka-cluster",
    "kafka-server-start",
    "kafka-server-stop",
    "kafka-storage",
    "kafka-dump-log",
    "kafka-console-producer",
    "kafka-console-consumer",
];

/// Those whose options stand behind verbs.
const VERBS: &[(&str, &[&str])] = &[
    ("kafka-cluster", &["cluster-id", "unregister", "list-endpoints"]),
    ("kafka-storage", &["info", "format", "version-mapping", "feature-dependencies", "random-uuid"]),
];

/// What these print has the order of a hash map.
const UNORDERED: &[&str] = &[
    "kafka-groups --list",
    "kafka-consumer-groups --list",
    "kafka-topics --describe --topics-with-overrides",
];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let binary = binary(&bench.workspace);
    let ours = Ours { binary: &binary, scripts: ANSWERED };
    let (theirs, on_kafka, on_ottla) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| carry_out(bench, Kind::Kafka, "theirs", None));
        let on_kafka = scope.spawn(|| carry_out(bench, Kind::Kafka, "on-kafka", Some(ours)));
        let on_ottla = carry_out(bench, bench.kind, "on-ottla", Some(ours));
        let gone = |_| Err(anyhow::anyhow!("a thread panicked"));
        (theirs.join().unwrap_or_else(gone), on_kafka.join().unwrap_or_else(gone), on_ottla)
    });
    let (theirs, on_kafka, on_ottla) = (theirs?, on_kafka?, on_ottla?);
    let flags = flags(&theirs, &on_ottla);
    let (mut wanted, mut found) = (Vec::new(), Vec::new());
    for (name, steps) in [("kafka", &on_kafka), ("ottla", &on_ottla)] {
        let (theirs, ours) = lines(name, &theirs, steps)?;
        wanted.extend(theirs);
        found.extend(ours);
    }
    let path = bench.workspace.root.join("tests/scripts/diverges.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (mut tally, differences) = compare(&wanted, &found, &parse(&text)?);
    let path = bench.logs.join("scripts.diff");
    std::fs::write(&path, differences).with_context(|| path.display().to_string())?;
    tally.check("all flags of the scripts that are answered", covered(&flags));
    for (claim, held) in life::checks(bench)? {
        tally.check(&claim, held);
    }
    Ok(tally)
}

/// All steps on a fresh broker.
fn carry_out(bench: &Workbench, kind: Kind, name: &str, ours: Option<Ours>) -> Result<Vec<Step>> {
    let broker = Broker::start(&bench.workspace, kind, &format!("scripts-{name}"), &[])?;
    let scratch = bench.workspace.scratch("scripts")?.join(name);
    let _left_by_an_earlier_run = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;
    let read = |path: &str| {
        let path = bench.workspace.root.join(path);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let helps: String = helps().map(|script| format!("{script} --help\n")).collect();
    let script = scratch.join("script.txt");
    // The second before the last words of the first, which delete what it needs.
    std::fs::write(
        &script,
        format!("{helps}{}\n{}", read("tests/golden/script.txt")?, read("tests/scripts/script.txt")?),
    )?;
    let names = [("data".to_owned(), broker.data().display().to_string())];
    run_with(bench, &format!("scripts-{name}"), &broker.address(), &script, &scratch, &names, ours)
}

/// Whose `--help` tells the options of what is answered: a script, or each of its verbs.
fn helps() -> impl Iterator<Item = String> {
    ANSWERED.iter().filter(|script| **script != "kafka-server-stop").flat_map(|script| {
        let verbs = VERBS.iter().find(|(verbal, _)| verbal == script).map_or(&[""][..], |(_, verbs)| verbs);
        verbs.iter().map(move |verb| format!("{script} {verb}").trim_end().to_owned())
    })
}

/// Questions and answers of both sides; a step that comes again is another question.
fn lines(name: &str, theirs: &[Step], ours: &[Step]) -> Result<(Vec<Line>, Vec<Line>)> {
    ensure!(theirs.len() == ours.len(), "{} steps against {}", theirs.len(), ours.len());
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let mut both = (Vec::new(), Vec::new());
    for (theirs, ours) in theirs.iter().zip(ours).skip(helps().count()) {
        let (question, _) = theirs.in_one_line();
        let answered = ANSWERED.iter().any(|script| question.split(' ').next() == Some(script));
        if !answered {
            continue;
        }
        let (mut theirs, mut ours) = (theirs.without_java(), ours.without_java());
        if UNORDERED.iter().any(|unordered| question.starts_with(unordered)) {
            theirs.sort();
            ours.sort();
        }
        let again = asked.entry(question.clone()).or_default();
        *again += 1;
        let mark = if *again > 1 { format!(" ({again})") } else { String::new() };
        let question = format!("{name}: {question}{mark}");
        let (_, wanted) = theirs.in_one_line();
        let found = if ours.is_as(&theirs) { wanted.clone() } else { ours.in_one_line().1 };
        both.0.push(Line::new(question.clone(), wanted));
        both.1.push(Line::new(question, found));
    }
    Ok(both)
}

/// The flags of a script: theirs, and those of them that ours has.
struct Flags {
    script: String,
    theirs: BTreeSet<String>,
    ours: BTreeSet<String>,
}

/// Read from what `--help` prints, which comes first.
fn flags(theirs: &[Step], ours: &[Step]) -> Vec<Flags> {
    let of = |step: &Step| step.options();
    let pairs = theirs.iter().zip(ours).take(helps().count());
    let one = |(theirs, ours): (&Step, &Step)| {
        let script = theirs.in_one_line().0.trim_end_matches(" --help").to_owned();
        Flags { script, theirs: of(theirs), ours: of(ours) }
    };
    pairs.map(one).collect()
}

/// Prints the table; true where nothing is missing.
fn covered(all: &[Flags]) -> bool {
    let (mut total, mut there) = (0, 0);
    for Flags { script, theirs, ours } in all {
        let missing: Vec<&str> = theirs.difference(ours).map(String::as_str).collect();
        total += theirs.len();
        there += theirs.len() - missing.len();
        let missing = missing.join(" ");
        say(format_args!(
            "   {script:<36} {:>3} / {:<3} {missing}",
            theirs.intersection(ours).count(),
            theirs.len()
        ));
    }
    say(format_args!("   {:<36} {there:>3} / {total}", "flags in all"));
    there == total && total > 0
}
