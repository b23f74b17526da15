//! `cargo xtask test suites`: whole regression suites of other people's clients, each test judged by checked-in lists.
//!
//! Owns how their tests are run (each in a process of its own, with a time limit, against a broker of the suite's own) and what the
//! lists make of the outcomes. The suites are in `catalog.rs`, how one is installed in the file of its kind; which of its tests must
//! pass stands in `tests/suites/<suite>`. Never changes an assertion of a suite: only where the broker is.

mod case;
mod catalog;
mod crates;
mod librdkafka;
mod lists;
mod python;
mod table;

use super::workbench::Workbench;
use crate::broker::Broker;
use crate::process::run as run_program;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result};
use case::{BROKER, Case, Outcome, Ran};
use catalog::{SUITES, Suite};
use lists::{Lists, Standing};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Settings beyond [`Broker`]'s own that all suites want: short cleaner and heartbeat intervals, and nothing deleted for its
/// age, since some tests write records of long ago.
const PROPERTIES: &[(&str, &str)] = &[
    ("default.replication.factor", "1"),
    ("transaction.max.timeout.ms", "900000"),
    ("log.retention.ms", "-1"),
    ("log.cleaner.backoff.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.heartbeat.interval.ms", "200"),
];

/// What one test may take. Tests that need longer belong on the suite's slow list.
const LIMIT: Duration = Duration::from_secs(90);

/// With `--full`, for the slow ones.
const SLOW_LIMIT: Duration = Duration::from_secs(300);

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    table::check(bench, &mut tally)?;
    let mut ready = Vec::new();
    for suite in SUITES.iter().filter(|suite| bench.part.as_deref().is_none_or(|part| part == suite.name)) {
        let started = Instant::now();
        match (suite.install)(bench) {
            Ok(cases) => ready.push((suite, cases)),
            Err(error) => tally.skip(format!("{}: could not be installed: {error:#}", suite.name)),
        }
        say(format_args!("   {}: installed in {:.0} s", suite.name, started.elapsed().as_secs_f64()));
    }
    let next = AtomicUsize::new(0);
    let total = Mutex::new(tally);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((suite, cases)) = ready.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = one_suite(bench, suite, cases).unwrap_or_else(|error| {
                        let mut broken = Tally::default();
                        broken.fail(format!("could not be run: {error:#}"));
                        broken
                    });
                    if let Ok(mut total) = total.lock() {
                        total.absorb(suite.name, found);
                    }
                }
            });
        }
    });
    total.into_inner().map_err(|_| anyhow::anyhow!("a suite's thread panicked"))
}

/// Runs a suite against a broker of its own and judges it.
fn one_suite(bench: &Workbench, suite: &Suite, cases: &[Case]) -> Result<Tally> {
    let started = Instant::now();
    let lists = Lists::read(&bench.workspace, suite.name)?;
    let mut properties = PROPERTIES.to_vec();
    properties.extend(suite.properties);
    let mut broker =
        Broker::start(&bench.workspace, bench.kind, &format!("suite-{}", suite.name), &properties)?;
    let address = broker.address();
    let wanted: Vec<&Case> =
        cases.iter().filter(|case| bench.full || lists.standing(&case.name).runs_always()).collect();
    let mut ran = in_parallel(bench, suite, &wanted, &address);
    // Other tests, another suite and the broker share the cores. What fails beside them has to pass alone.
    for case in &wanted {
        let listed = matches!(lists.standing(&case.name), Standing::MustPass);
        let failed = ran.get(&case.name).is_some_and(|ran| matches!(ran.outcome, Outcome::Failed(_)));
        if listed && failed {
            say(format_args!(
                "   {} {} failed beside the others and is run again alone",
                suite.name, case.name
            ));
            ran.insert(case.name.clone(), one_case(bench, suite, case, &address));
        }
    }
    note(bench, suite, &ran)?;
    let present: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let (mut tally, could_be_added) = lists.judge(&present, &ran);
    tally.check("the broker is still there", broker.alive());
    for name in could_be_added {
        say(format_args!("   {} {name} passes and could be added to must_pass.txt", suite.name));
    }
    say(format_args!(
        "   {}: {} of {} tests run, {} passed in {:.0} s",
        suite.name,
        ran.len(),
        cases.len(),
        ran.values().filter(|ran| matches!(ran.outcome, Outcome::Passed)).count(),
        started.elapsed().as_secs_f64()
    ));
    Ok(tally)
}

/// Runs cases, as many at a time as the suite bears.
fn in_parallel(bench: &Workbench, suite: &Suite, cases: &[&Case], address: &str) -> BTreeMap<String, Ran> {
    let next = AtomicUsize::new(0);
    let ran = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..suite.workers {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ended = one_case(bench, suite, case, address);
                    if let Ok(mut ran) = ran.lock() {
                        ran.insert(case.name.clone(), ended);
                    }
                }
            });
        }
    });
    ran.into_inner().unwrap_or_default()
}

/// Runs one test in a process of its own.
fn one_case(bench: &Workbench, suite: &Suite, case: &Case, address: &str) -> Ran {
    let started = Instant::now();
    let mut command = Command::new(&case.program);
    command.current_dir(&case.directory);
    command.args(case.arguments.iter().map(|argument| argument.replace(BROKER, address)));
    command.envs(case.environment.iter().map(|(key, value)| (key, value.replace(BROKER, address))));
    let file = case.name.replace(['/', ':', '[', ']', ' '], "_");
    let log = bench.logs.join(format!("suites-{}/{file}.log", suite.name));
    let limit = if bench.full { SLOW_LIMIT } else { LIMIT };
    let outcome = match run_program(&mut command, &log, limit) {
        Ok(finished) => (case.verdict)(&finished),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    Ran { outcome, seconds: started.elapsed().as_secs_f64() }
}

/// Leaves every outcome and its seconds beside the logs.
fn note(bench: &Workbench, suite: &Suite, ran: &BTreeMap<String, Ran>) -> Result<()> {
    let mut text = String::new();
    for (name, ran) in ran {
        let outcome = match &ran.outcome {
            Outcome::Passed => "passed",
            Outcome::Skipped => "skipped",
            Outcome::Failed(_) => "failed",
        };
        writeln!(text, "{name}\t{outcome}\t{:.1}", ran.seconds)?;
    }
    let path = bench.logs.join(format!("suites-{}-{}.tsv", suite.name, bench.kind.name()));
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}
