//! The simulator, optimised: every planted bug is found. `--full` goes on to a billion events of one node and of clusters, two processes
//! side by side, in pieces that are kept in `target/sim-progress`, so that it can be broken off and goes on where it was; a failure is one
//! command, which is printed, and its line for the ledger of `docs/simulation.md` stands at the end. Owns how much is run; what is looked
//! for is the crate's business.

use super::workbench::Workbench;
use crate::process::Finished;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Kinds of runs, and the seed that each begins with: fixed, so that a failure comes again.
const KINDS: [(&str, u64); 2] = [("one", 1_000_000), ("cluster", 1_000_000)];

/// The long run, both kinds together, and the events of each kind between two notes of how far it is.
const FULL_EVENTS: u64 = 1_000_000_000;
const PIECE_EVENTS: u64 = 5_000_000;

/// A piece takes two minutes on a quiet core, the search for all bugs less.
const LIMIT_MINUTES: u64 = 20;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let arguments = ["build", "--profile", "quick", "--locked", "--package", "ottla-sim"];
    let built = bench.run("sim-build", &mut bench.cargo(&arguments), 30)?;
    if !built.success {
        say(format_args!("{}", built.tail(40)));
        return Ok(Tally::one(&format!("the build of the simulator ({})", built.how), false));
    }
    if bench.full { full(bench) } else { short(bench) }
}

fn simulator(bench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = Command::new(bench.workspace.root.join("target/quick/ottla-sim"));
    command.args(arguments);
    command
}

/// Events and the seed after the last, of a sweep that held.
fn told(finished: &Finished) -> Option<(u64, u64)> {
    let line = finished.output.lines().find(|line| line.starts_with("seeds ") && line.contains(" hold: "))?;
    let (seeds, rest) = line.strip_prefix("seeds ")?.split_once(" hold: ")?;
    Some((rest.split_once(" events")?.0.parse().ok()?, seeds.split_once("..")?.1.parse().ok()?))
}

/// One piece of one kind; what it said, and the command.
fn sweep(bench: &Workbench, kind: &str, from: u64, events: u64) -> Result<(Finished, String)> {
    let (from, events) = (from.to_string(), events.to_string());
    let mut command = simulator(bench, &["sweep", kind, &from, &events]);
    let finished = bench.run(&format!("sim-{kind}"), &mut command, LIMIT_MINUTES)?;
    Ok((finished, format!("ottla-sim sweep {kind} {from} {events}")))
}

fn short(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let planted = bench.run("sim-planted", &mut simulator(bench, &["planted"]), LIMIT_MINUTES)?;
    say(format_args!("{}", planted.tail(1)));
    for line in
        planted.output.lines().filter(|line| line.starts_with("found ") || line.starts_with("NOT FOUND"))
    {
        tally.check(&format!("planted bugs: {line}"), line.starts_with("found "));
    }
    tally.check(&format!("all planted bugs are found ({}): ottla-sim planted", planted.how), planted.success);
    Ok(tally)
}

/// How far the long run is: of each kind the next seed, and the events behind it.
#[derive(Debug, Clone, Copy)]
struct Progress {
    next: u64,
    events: u64,
}

fn progress_file(bench: &Workbench) -> PathBuf {
    bench.workspace.root.join("target/sim-progress")
}

fn read_progress(bench: &Workbench) -> [Progress; 2] {
    let text = std::fs::read_to_string(progress_file(bench)).unwrap_or_default();
    let of = |kind: &str, from: u64| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.trim().split_once(' '));
        let numbers = line.and_then(|(next, events)| Some((next.parse().ok()?, events.parse().ok()?)));
        let (next, events) = numbers.unwrap_or((from, 0));
        Progress { next, events }
    };
    KINDS.map(|(kind, from)| of(kind, from))
}

fn full(bench: &Workbench) -> Result<Tally> {
    let mut progress = read_progress(bench);
    while progress.iter().map(|of| of.events).sum::<u64>() < FULL_EVENTS {
        let outcomes = std::thread::scope(|scope| {
            let sweeps = [0, 1].map(|at| {
                let ((kind, _), next) = (KINDS[at], progress[at].next);
                scope.spawn(move || sweep(bench, kind, next, PIECE_EVENTS))
            });
            sweeps.map(|sweep| sweep.join())
        });
        for (at, outcome) in outcomes.into_iter().enumerate() {
            let Ok(outcome) = outcome else { continue };
            let (finished, command) = outcome?;
            let Some((events, next)) = told(&finished).filter(|_| finished.success) else {
                say(format_args!("{}", finished.tail(20)));
                return Ok(Tally::one(&format!("no seed fails ({}): {command}", finished.how), false));
            };
            progress[at] = Progress { next, events: progress[at].events + events };
        }
        let lines: Vec<String> = KINDS
            .iter()
            .zip(&progress)
            .map(|((kind, _), of)| format!("{kind} {} {}\n", of.next, of.events))
            .collect();
        std::fs::write(progress_file(bench), lines.concat()).context("target/sim-progress")?;
        say(format_args!("sim: {progress:?}"));
    }
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"]).current_dir(&bench.workspace.root);
    let commit = bench.run("sim-commit", &mut git, 1)?.output;
    let commit = commit.trim();
    for ((kind, from), of) in KINDS.iter().zip(&progress) {
        say(format_args!("| {kind} {from}..{} | {commit} | {} | no violation |", of.next, of.events));
    }
    Ok(Tally::one("a billion events without a violation", true))
}
