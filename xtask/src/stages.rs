//! `cargo xtask test`: the table of stages and the command's arguments.
//!
//! Owns what is run and what it needs of the machine; how a stage works is in its own file, how several are run side by
//! side and told is in `schedule.rs`. A check that cannot be made says why and counts as skipped, in CI as failed.

mod acl;
mod answers;
mod bad_input;
mod cli;
mod clients;
mod cluster;
mod cluster_tools;
mod compaction;
mod configs;
mod counts;
mod crash;
mod disk;
mod golden;
mod jbod;
mod jobs;
mod metrics;
mod packages;
mod quotas;
mod real_input;
mod records;
mod registry;
mod rim;
mod schedule;
mod scripts;
mod security;
mod share;
mod sim;
mod stage;
mod start;
mod suites;
mod takeover;
mod tls;
mod topic_keys;
mod transactions;
pub mod workbench;

use crate::broker::Kind;
use crate::tally::Tally;
use crate::words::say;
use crate::workspace::Workspace;
use crate::{codegen, tidy};
use anyhow::{Result, bail};
use stage::{Needs, Stage};
use std::process::Command;
use workbench::Workbench;

const fn stage(
    name: &'static str,
    needs: Needs,
    run: fn(&Workbench) -> Result<Tally>,
    about: &'static str,
) -> Stage {
    Stage { name, about, needs, run }
}

/// In this order within each need: cheap first, so that a slip is told in seconds; then long before short, so that no
/// long one runs alone at the end.
#[rustfmt::skip]
const STAGES: &[Stage] = &[
    stage("fmt", Needs::Tree, fmt, "cargo fmt --check"),
    stage("tidy", Needs::Tree, tidy_tree, "import rules, heads, sizes, dependencies"),
    stage("codegen", Needs::Tree, codegen, "the generated code is what the schemas say"),
    stage("clippy", Needs::Tree, clippy, "cargo clippy, warnings denied"),
    stage("unit", Needs::Tree, unit, "cargo test --workspace"),
    stage("differential", Needs::Tree, crate::differential::stage, "every message in every version through our codec and the reference's"),
    stage("build", Needs::Tree, build, "the release binary"),
    stage("sim", Needs::Tree, sim::run, "every bug planted in simulated nodes is found; `--full` for a billion events of nodes without"),
    stage("suites", Needs::Core, suites::run, "regression suites of other people's clients; `--only=SUITE`, `--full`, `--write-table`"),
    stage("golden", Needs::Core, golden::run, "Kafka's tools print what they print against Kafka"),
    stage("scripts", Needs::Core, scripts::run, "our answers as Kafka's scripts beside the real ones, on both brokers"),
    stage("jbod", Needs::Core, jbod::run, "several log directories: the same script on both brokers, one fails, kills in moves"),
    stage("cluster-tools", Needs::Core, cluster_tools::run, "Kafka's tools print on three of our nodes what they print on three of Kafka's"),
    stage("disk", Needs::Core, disk::run, "each broker serves the other's directory; kafka-dump-log"),
    stage("topic-keys", Needs::Core, topic_keys::run, "every topic key of the log, changed live: both brokers do the same"),
    stage("records", Needs::Core, records::run, "records asked twice, too much or too little; damage, and a consumer that steps over it"),
    stage("answers", Needs::Core, answers::run, "every admin, group and cluster API in every version, spoiled field by field: both brokers say the same"),
    stage("acl", Needs::Core, acl::run, "every API with entries that allow, deny or say nothing: both brokers answer the same"),
    stage("configs", Needs::Core, configs::run, "every configuration key set, described, refused: both brokers answer the same"),
    stage("clients", Needs::Quiet, clients::run, "kcat, Python, JavaScript and Java clients"),
    stage("jobs", Needs::Core, jobs::run, "Kafka Streams and Connect work through kills: output exact; `--only=JOB`, `--full` for longer"),
    stage("transactions", Needs::Core, transactions::run, "open transactions move from broker to broker with their directory"),
    stage("takeover", Needs::Core, takeover::run, "Kafka's directory with ACLs, SCRAM, quotas: to us and back"),
    stage("share", Needs::Core, share::run, "share groups: nodes killed while they write dead letters, leaders killed, redriving killed"),
    stage("compaction", Needs::Core, compaction::run, "both brokers' cleaners leave the same batches of one directory"),
    stage("cli", Needs::Core, cli::run, "the binary's own commands: transcripts, silent brokers, signals, terminals"),
    stage("start", Needs::Core, start::run, "configurations that start a node and those that are refused, on both brokers"),
    stage("security", Needs::Core, security::run, "clients of every kind log in by SASL, and not with a wrong password"),
    stage("tls", Needs::Core, tls::run, "TLS: clients of every kind, stores of every kind, keys that change, three nodes with nothing else"),
    stage("registry", Needs::Core, registry::run, "the schema registry: clients of every kind read what the others wrote, kills"),
    stage("metrics", Needs::Core, metrics::run, "/metrics: read by Prometheus' parser, held against what was sent; strangers, slow readers, a taken port"),
    stage("quotas", Needs::Core, quotas::run, "client quotas: rates, throttle times, mutations, connections, beside Kafka's; a kill"),
    stage("packages", Needs::Core, packages::run, "the .deb, the image, test brokers for Python and JavaScript, environments of compose files"),
    stage("rim", Needs::Core, rim::run, "starts and stops: directories refused or taken, signals, few descriptors, a clock put right"),
    stage("bad-input", Needs::Core, bad_input::run, "malformed frames, half frames, bombs, refusals"),
    stage("real-input", Needs::Core, real_input::run, "a million real lines, kills on both sides"),
    stage("counts", Needs::Quiet, counts::run, "instructions, system calls and memory against their bounds"),
    stage("cluster", Needs::Quiet, cluster::run, "three nodes: leaders, followers, controllers killed and paused under load; replicas are equal"),
    stage("crash", Needs::Quiet, crash::run, "kill -9 and power cuts under load; `--full` for the long run"),
];

/// What the test command takes beside names of stages and `--only=SUITE`.
const FLAGS: &[&str] = &["--list", "--against=kafka", "--full", "--write-table", schedule::FOR_ANOTHER];

/// The `test` chore.
pub fn command(arguments: &[String]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--list") {
        for stage in STAGES {
            say(format_args!("{:<14} {}", stage.name, stage.about));
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
    let bench = Workbench { workspace, logs, kind, full, part, write_table };
    let chosen: Vec<&Stage> = STAGES
        .iter()
        .filter(|stage| names.is_empty() || names.iter().any(|name| *name == stage.name))
        .collect();
    if let ([only], true) = (chosen.as_slice(), arguments.iter().any(|a| a == schedule::FOR_ANOTHER)) {
        return schedule::for_another(only, &bench);
    }
    let flags: Vec<&String> = arguments.iter().filter(|argument| argument.starts_with("--")).collect();
    schedule::run(&chosen, &flags, &bench)
}

/// A stage that is one program: held if it ended well, else its last lines are shown.
fn single(bench: &Workbench, name: &str, command: &mut Command, minutes: u64) -> Result<Tally> {
    let finished = bench.run(name, command, minutes)?;
    if !finished.success {
        say(format_args!("{}", finished.tail(60)));
    }
    Ok(Tally::one(&format!("{name} ({})", finished.how), finished.success))
}

fn fmt(bench: &Workbench) -> Result<Tally> {
    single(bench, "fmt", &mut bench.cargo(&["fmt", "--all", "--check"]), 2)
}

fn clippy(bench: &Workbench) -> Result<Tally> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    single(bench, "clippy", &mut bench.cargo(&arguments), 20)
}

fn build(bench: &Workbench) -> Result<Tally> {
    single(bench, "build", &mut bench.cargo(&["build", "--release", "--locked", "--package", "ottla"]), 30)
}

fn unit(bench: &Workbench) -> Result<Tally> {
    let finished =
        bench.run("unit", &mut bench.cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]), 30)?;
    let mut tally = Tally::from_cargo_test(&finished.output);
    if !finished.success {
        say(format_args!("{}", finished.tail(80)));
        if tally.failed.is_empty() {
            tally.fail(format!("cargo test: {}", finished.how));
        }
    }
    Ok(tally)
}

fn codegen(_: &Workbench) -> Result<Tally> {
    Ok(Tally::one("generated files are stale: `cargo xtask codegen`", codegen::run(true)?))
}

fn tidy_tree(bench: &Workbench) -> Result<Tally> {
    let complaints = tidy::check(&bench.workspace)?;
    Ok(Tally { passed: usize::from(complaints.is_empty()), failed: complaints, skipped: Vec::new() })
}
