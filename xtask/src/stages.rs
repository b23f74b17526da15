//! `cargo xtask test`: the table of stages, their order, timings and the closing line.
//!
//! Owns what is run and in which order; how a stage works is in its own file. A stage that cannot run says why and
//! counts as skipped, in CI as failed.

mod bad_input;
mod clients;
mod compaction;
mod counts;
mod crash;
mod disk;
mod golden;
mod jbod;
mod real_input;
mod suites;
mod takeover;
mod topic_keys;

use crate::broker::{Broker, Kind};
use crate::process::{Finished, run};
use crate::tally::Tally;
use crate::workspace::{Workspace, cargo, in_ci};
use crate::{codegen, tidy};
use anyhow::{Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// What every stage may use.
pub struct Bench {
    /// Paths.
    pub workspace: Workspace,
    /// Logs of this run.
    pub logs: PathBuf,
    /// Whom the black-box stages talk to: ours, or the reference to prove the tests themselves.
    pub kind: Kind,
    /// `--full`: the long run of the stages that have one.
    pub full: bool,
    /// `--only=NAME`: one suite of the stage that has several.
    pub part: Option<String>,
    /// `--write-table`: the page about the suites is written, not only checked.
    pub write_table: bool,
}

impl Bench {
    /// Runs a program for a stage, its output in `NAME.log`.
    pub fn run(&self, name: &str, command: &mut Command, minutes: u64) -> Result<Finished> {
        run(command, &self.logs.join(format!("{name}.log")), Duration::from_secs(minutes * 60))
    }

    /// Runs a program that prints lines and, at its end, one that begins with `done - `: the lines before that one.
    pub fn lines(
        &self,
        name: &str,
        command: &mut Command,
        minutes: u64,
        broker: &Broker,
    ) -> Result<Vec<String>> {
        let finished = self.run(name, command, minutes)?;
        let mut lines: Vec<String> = finished.output.lines().map(str::to_owned).collect();
        ensure!(
            lines.pop().is_some_and(|line| line.starts_with("done - ")),
            "{name}: {}: {}\nbroker: {}",
            finished.how,
            finished.tail(6),
            broker.log().display()
        );
        Ok(lines)
    }

    /// A cargo command at the workspace root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(&self.workspace.root);
        command
    }
}

/// One stage of the test command.
struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&Bench) -> Result<Tally>,
}

/// In this order: cheap first, so that a slip is told in seconds.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "cargo fmt --check", run: fmt },
    Stage { name: "tidy", about: "import rules, heads, sizes, dependencies", run: tidy_tree },
    Stage { name: "codegen", about: "the generated code is what the schemas say", run: codegen },
    Stage { name: "clippy", about: "cargo clippy, warnings denied", run: clippy },
    Stage { name: "unit", about: "cargo test --workspace", run: unit },
    Stage {
        name: "differential",
        about: "every message in every version through our codec and the reference's",
        run: crate::differential::stage,
    },
    Stage { name: "build", about: "the release binary", run: build },
    Stage {
        name: "counts",
        about: "instructions, system calls and memory against their bounds",
        run: counts::run,
    },
    Stage { name: "clients", about: "kcat, Python, JavaScript and Java clients", run: clients::run },
    Stage { name: "golden", about: "Kafka's tools print what they print against Kafka", run: golden::run },
    Stage { name: "disk", about: "each broker serves the other's directory; kafka-dump-log", run: disk::run },
    Stage {
        name: "jbod",
        about: "several log directories: the same script on both brokers, one fails, kills in moves",
        run: jbod::run,
    },
    Stage {
        name: "compaction",
        about: "both brokers' cleaners leave the same batches of one directory",
        run: compaction::run,
    },
    Stage {
        name: "topic-keys",
        about: "every topic key of the log, changed live: both brokers do the same",
        run: topic_keys::run,
    },
    Stage {
        name: "takeover",
        about: "Kafka's directory with ACLs, SCRAM, quotas: to us and back",
        run: takeover::run,
    },
    Stage { name: "bad-input", about: "malformed frames, half frames, bombs, refusals", run: bad_input::run },
    Stage {
        name: "crash",
        about: "kill -9 and power cuts under load; `--full` for the long run",
        run: crash::run,
    },
    Stage {
        name: "suites",
        about: "regression suites of other people's clients; `--only=SUITE`, `--full`, `--write-table`",
        run: suites::run,
    },
    Stage { name: "real-input", about: "a million real lines, kills on both sides", run: real_input::run },
];

/// What the test command takes beside names of stages and `--only=SUITE`.
const FLAGS: &[&str] = &["--list", "--against=kafka", "--full", "--write-table"];

/// The `test` chore.
pub fn command(arguments: &[String]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--list") {
        for stage in STAGES {
            println!("{:<14} {}", stage.name, stage.about);
        }
        return Ok(true);
    }
    let known = |flag: &str| FLAGS.contains(&flag) || flag.starts_with("--only=");
    if let Some(flag) = arguments.iter().find(|flag| flag.starts_with('-') && !known(flag)) {
        bail!("{flag} is no flag of the test command: {} --only=SUITE, and names of stages", FLAGS.join(" "));
    }
    let against_kafka = arguments.iter().any(|argument| argument == "--against=kafka");
    let full = arguments.iter().any(|argument| argument == "--full");
    let write_table = arguments.iter().any(|argument| argument == "--write-table");
    let part = arguments.iter().find_map(|argument| argument.strip_prefix("--only=")).map(str::to_owned);
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    for name in &names {
        if !STAGES.iter().any(|stage| stage.name == **name) {
            bail!("no stage is called {name}; `cargo xtask test --list` names them");
        }
    }
    let workspace = Workspace::load()?;
    let logs = workspace.scratch("test-logs")?;
    let kind = if against_kafka { Kind::Kafka } else { Kind::Ottla };
    let bench = Bench { workspace, logs, kind, full, part, write_table };
    let mut total = Tally::default();
    let started = Instant::now();
    for stage in STAGES {
        if names.is_empty() || names.iter().any(|name| *name == stage.name) {
            total.absorb(stage.name, run_stage(stage, &bench));
        }
    }
    Ok(conclude(&total, &bench, started))
}

/// Runs one stage and prints its line; an error is a failed check, never the end of the run.
fn run_stage(stage: &Stage, bench: &Bench) -> Tally {
    println!("== {}: {}", stage.name, stage.about);
    let started = Instant::now();
    let tally = (stage.run)(bench).unwrap_or_else(|error| Tally {
        failed: vec![format!("could not be run: {error:#}")],
        ..Tally::default()
    });
    for line in &tally.failed {
        println!("   FAILED {line}");
    }
    for line in &tally.skipped {
        println!("   skipped {line}");
    }
    println!(
        "   {}: {} passed, {} failed, {} skipped in {:.1} s",
        stage.name,
        tally.passed,
        tally.failed.len(),
        tally.skipped.len(),
        started.elapsed().as_secs_f64()
    );
    tally
}

/// The summary and the plain closing line.
fn conclude(total: &Tally, bench: &Bench, started: Instant) -> bool {
    let ok = total.failed.is_empty() && (total.skipped.is_empty() || !in_ci()) && total.passed > 0;
    println!();
    for line in &total.failed {
        println!("failed: {line}");
    }
    for line in &total.skipped {
        println!("skipped{}: {line}", if in_ci() { " (counts as failed in CI)" } else { "" });
    }
    println!("logs: {}; {:.0} s in all", bench.logs.display(), started.elapsed().as_secs_f64());
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed.len(), total.skipped.len());
    ok
}

/// A stage that is one program: held if it ended well, else its last lines are shown.
fn single(bench: &Bench, name: &str, command: &mut Command, minutes: u64) -> Result<Tally> {
    let finished = bench.run(name, command, minutes)?;
    if !finished.success {
        println!("{}", finished.tail(60));
    }
    Ok(Tally::one(&format!("{name} ({})", finished.how), finished.success))
}

fn fmt(bench: &Bench) -> Result<Tally> {
    single(bench, "fmt", &mut bench.cargo(&["fmt", "--all", "--check"]), 2)
}

fn clippy(bench: &Bench) -> Result<Tally> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    single(bench, "clippy", &mut bench.cargo(&arguments), 20)
}

fn build(bench: &Bench) -> Result<Tally> {
    single(bench, "build", &mut bench.cargo(&["build", "--release", "--locked", "--package", "ottla"]), 30)
}

fn unit(bench: &Bench) -> Result<Tally> {
    let finished =
        bench.run("unit", &mut bench.cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]), 30)?;
    let mut tally = Tally::from_cargo_test(&finished.output);
    if !finished.success {
        println!("{}", finished.tail(80));
        if tally.failed.is_empty() {
            tally.fail(format!("cargo test: {}", finished.how));
        }
    }
    Ok(tally)
}

fn codegen(_: &Bench) -> Result<Tally> {
    Ok(Tally::one("generated files are stale: `cargo xtask codegen`", codegen::run(true)?))
}

fn tidy_tree(bench: &Bench) -> Result<Tally> {
    let complaints = tidy::check(&bench.workspace)?;
    Ok(Tally { passed: usize::from(complaints.is_empty()), failed: complaints, skipped: Vec::new() })
}
