//! How stages are run: each in a process of its own, two side by side where they leave cores idle, and what is told of it.
//!
//! Owns order, seconds, second chances and the closing lines. A stage that fails is run once more, alone: if it passes then
//! it is listed as a flake, which is a bug to be mended, and both results stay on the page. Knows nothing of what a stage does.

use super::stage::{Needs, Stage};
use super::workbench::Workbench;
use crate::process::pause;
use crate::tally::Tally;
use crate::words::{say, say_part};
use crate::workspace::in_ci;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The flag of a stage's own process: it runs one stage and leaves its tally in a file.
pub const FOR_ANOTHER: &str = "--for-another";

/// How many stages that need a core run side by side. On a machine of two, a third one makes every time limit tighter and
/// the whole run no shorter.
const SIDE_BY_SIDE: usize = 2;

/// How many of a failed stage's last lines the summary shows.
const LAST_LINES: usize = 30;

/// One run of one stage, ended.
struct Outcome {
    tally: Tally,
    seconds: f64,
    /// All that it printed.
    said: String,
}

/// What is known of a stage at the end.
struct Record {
    name: &'static str,
    first: Outcome,
    /// The second chance of one that failed.
    second: Option<Outcome>,
}

impl Record {
    fn counted(&self) -> &Tally {
        &self.second.as_ref().unwrap_or(&self.first).tally
    }

    fn is_flake(&self) -> bool {
        self.second.as_ref().is_some_and(|second| second.tally.failed.is_empty())
    }

    fn seconds(&self) -> f64 {
        self.first.seconds + self.second.as_ref().map_or(0.0, |second| second.seconds)
    }
}

/// A stage whose process runs.
struct Started<'a> {
    stage: &'a Stage,
    child: Child,
    log: PathBuf,
    since: Instant,
}

/// Runs the stages and tells of them. True if all checks held, some of them perhaps only the second time.
pub fn run(stages: &[&Stage], flags: &[&String], bench: &Workbench) -> Result<bool> {
    let started = Instant::now();
    let runner = Runner { flags, bench };
    let mut records = Vec::new();
    for (needs, width) in [(Needs::Tree, 1), (Needs::Core, SIDE_BY_SIDE), (Needs::Quiet, 1)] {
        let waiting: Vec<&Stage> = stages.iter().filter(|stage| stage.needs == needs).copied().collect();
        runner.run(&waiting, width, &mut records)?;
    }
    for record in records.iter_mut().filter(|record| !record.first.tally.failed.is_empty()) {
        say(format_args!("\n{} failed and is run once more, alone", record.name));
        let again: Vec<&Stage> = stages.iter().filter(|stage| stage.name == record.name).copied().collect();
        let mut second = Vec::new();
        runner.run(&again, 1, &mut second)?;
        record.second = second.pop().map(|record| record.first);
    }
    Ok(conclude(&records, bench, started))
}

/// Runs one stage in this process, which the schedule started: its lines to standard output, its tally into a file.
pub fn for_another(stage: &Stage, bench: &Workbench) -> Result<bool> {
    let tally = (stage.run)(bench).unwrap_or_else(|error| Tally {
        failed: vec![format!("could not be run: {error:#}")],
        ..Tally::default()
    });
    let text = json!({"passed": tally.passed, "failed": tally.failed, "skipped": tally.skipped}).to_string();
    std::fs::write(tally_file(bench, stage.name), text)?;
    Ok(tally.failed.is_empty())
}

fn tally_file(bench: &Workbench, stage: &str) -> PathBuf {
    bench.logs.join(format!("{stage}.tally.json"))
}

struct Runner<'a> {
    flags: &'a [&'a String],
    bench: &'a Workbench,
}

impl Runner<'_> {
    /// Runs `stages` in their order, at most `width` at a time, and adds their records as they end.
    fn run(&self, stages: &[&Stage], width: usize, records: &mut Vec<Record>) -> Result<()> {
        let mut waiting = stages.iter();
        let mut running: Vec<Started<'_>> = Vec::new();
        loop {
            while running.len() < width {
                let Some(stage) = waiting.next() else { break };
                running.push(self.start(stage)?);
            }
            if running.is_empty() {
                return Ok(());
            }
            let mut ended = None;
            for (at, started) in running.iter_mut().enumerate() {
                if started.child.try_wait()?.is_some() {
                    ended = Some(at);
                    break;
                }
            }
            match ended {
                Some(at) => {
                    let started = running.swap_remove(at);
                    let record =
                        Record { name: started.stage.name, first: self.outcome(&started)?, second: None };
                    tell(started.stage, &record.first);
                    records.push(record);
                }
                None => {
                    show_progress(&running);
                    pause(Duration::from_millis(100));
                }
            }
        }
    }

    /// Starts a stage's process. It stays in our process group, so that an interrupt ends it, too.
    fn start<'a>(&self, stage: &'a Stage) -> Result<Started<'a>> {
        let log = self.bench.logs.join(format!("{}.stage.log", stage.name));
        let _ = std::fs::remove_file(tally_file(self.bench, stage.name));
        let out = File::create(&log).with_context(|| log.display().to_string())?;
        // Not by its path: a stage that builds the workspace may put another binary there.
        let mut command = Command::new("/proc/self/exe");
        command.args(["test", stage.name, FOR_ANOTHER]).args(self.flags);
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let child = command.spawn().with_context(|| format!("the stage {}", stage.name))?;
        Ok(Started { stage, child, log, since: Instant::now() })
    }

    /// What an ended process left; one that left no tally broke, and its last words are in its log.
    fn outcome(&self, started: &Started<'_>) -> Result<Outcome> {
        let seconds = started.since.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&std::fs::read(&started.log)?).into_owned();
        let text = std::fs::read_to_string(tally_file(self.bench, started.stage.name));
        let tally = text.ok().and_then(|text| read_tally(&text)).unwrap_or_else(|| Tally {
            failed: vec![format!("broke off without a result: {}", started.log.display())],
            ..Tally::default()
        });
        Ok(Outcome { tally, seconds, said })
    }
}

fn read_tally(text: &str) -> Option<Tally> {
    let value: Value = serde_json::from_str(text).ok()?;
    let lines = |key: &str| -> Option<Vec<String>> {
        value[key].as_array()?.iter().map(|line| line.as_str().map(str::to_owned)).collect()
    };
    let passed = usize::try_from(value["passed"].as_u64()?).ok()?;
    Some(Tally { passed, failed: lines("failed")?, skipped: lines("skipped")? })
}

/// On a terminal, one line that moves: what runs and for how long.
fn show_progress(running: &[Started<'_>]) {
    let mut out = std::io::stdout();
    if !out.is_terminal() {
        return;
    }
    let one = |s: &Started<'_>| format!("{} {} s", s.stage.name, s.since.elapsed().as_secs());
    let line = running.iter().map(one).collect::<Vec<_>>().join(", ");
    // The line is only for the eye: whether it can be written is nobody's business.
    let _ = write!(out, "\r\x1b[K   … {line}").and_then(|()| out.flush());
}

/// One stage's block: what it is, what it said, what it found.
fn tell(stage: &Stage, outcome: &Outcome) {
    if std::io::stdout().is_terminal() {
        say_part("\r\x1b[K");
    }
    say(format_args!("== {}: {}", stage.name, stage.about));
    say_part(format_args!("{}", outcome.said));
    let tally = &outcome.tally;
    tally.failed.iter().for_each(|line| say(format_args!("   FAILED {line}")));
    tally.skipped.iter().for_each(|line| say(format_args!("   skipped {line}")));
    say(format_args!(
        "   {}: {} passed, {} failed, {} skipped in {:.1} s",
        stage.name,
        tally.passed,
        tally.failed.len(),
        tally.skipped.len(),
        outcome.seconds
    ));
}

/// The summary and the plain closing line.
fn conclude(records: &[Record], bench: &Workbench, started: Instant) -> bool {
    let mut total = Tally::default();
    for record in records {
        total.absorb(record.name, record.counted().clone());
    }
    let ok = total.failed.is_empty() && (total.skipped.is_empty() || !in_ci()) && total.passed > 0;
    tell_seconds(records, started);
    for record in records.iter().filter(|record| !record.counted().failed.is_empty()) {
        let said = &record.second.as_ref().unwrap_or(&record.first).said;
        let lines: Vec<&str> = said.lines().collect();
        say(format_args!("last lines of {}:", record.name));
        lines[lines.len().saturating_sub(LAST_LINES)..]
            .iter()
            .for_each(|line| say(format_args!("   {line}")));
    }
    for record in records.iter().filter(|record| record.is_flake()) {
        for line in &record.first.tally.failed {
            say(format_args!("flake: {}: {line} (passed when run alone: a bug to be mended)", record.name));
        }
    }
    for line in &total.failed {
        say(format_args!("failed: {line}"));
    }
    for line in &total.skipped {
        say(format_args!("skipped{}: {line}", if in_ci() { " (counts as failed in CI)" } else { "" }));
    }
    say(format_args!("logs: {}", bench.logs.display()));
    say(format_args!(
        "{} passed, {} failed, {} skipped",
        total.passed,
        total.failed.len(),
        total.skipped.len()
    ));
    ok
}

/// Seconds of every stage, and the slowest three.
fn tell_seconds(records: &[Record], started: Instant) {
    say("\nseconds:");
    records.iter().for_each(|record| say(format_args!("   {:<14} {:>7.1}", record.name, record.seconds())));
    let mut slowest: Vec<&Record> = records.iter().collect();
    slowest.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()));
    let named: Vec<&str> = slowest.iter().take(3).map(|record| record.name).collect();
    say(format_args!(
        "   {:<14} {:>7.1}, slowest: {}",
        "in all",
        started.elapsed().as_secs_f64(),
        named.join(", ")
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(failed: &[&str], seconds: f64) -> Outcome {
        let failed = failed.iter().map(|line| (*line).to_owned()).collect();
        Outcome { tally: Tally { passed: 1, failed, skipped: Vec::new() }, seconds, said: String::new() }
    }

    #[test]
    fn a_tally_survives_its_file() {
        let text = json!({"passed": 3, "failed": ["a: \"b\""], "skipped": []}).to_string();
        let tally = read_tally(&text).expect("a tally");
        assert_eq!((tally.passed, tally.failed, tally.skipped.len()), (3, vec!["a: \"b\"".to_owned()], 0));
    }

    #[test]
    fn half_a_tally_is_none() {
        assert!(read_tally("{\"passed\": 3, \"fai").is_none());
        assert!(read_tally("{\"passed\": -1, \"failed\": [], \"skipped\": []}").is_none());
        assert!(read_tally("{\"passed\": 1, \"failed\": [7], \"skipped\": []}").is_none());
    }

    #[test]
    fn the_second_time_counts_and_a_flake_is_named() {
        let steady = Record { name: "a", first: outcome(&[], 1.0), second: None };
        let flake = Record { name: "b", first: outcome(&["x"], 2.0), second: Some(outcome(&[], 3.0)) };
        let broken = Record { name: "c", first: outcome(&["x"], 2.0), second: Some(outcome(&["y"], 3.0)) };
        assert!(!steady.is_flake() && flake.is_flake() && !broken.is_flake());
        assert_eq!((flake.counted().failed.len(), flake.seconds()), (0, 5.0));
        assert_eq!(broken.counted().failed, ["y"]);
    }
}
