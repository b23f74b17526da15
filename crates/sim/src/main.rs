//! `ottla-sim SEED` replays one seed and tells what happened; `ottla-sim --seeds A..B` runs many and stops at the first that
//! fails; `ottla-sim check FILE` judges the history of any clients. Exit code 1 says that a seed or a history failed, 2 that the
//! command was not understood or the file cannot be read.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{Disk, RealDisk};
use sim::history::{self, json};
use sim::{Options, Plant, Report, run};

/// The seed under way, for the message of a panic.
static SEED: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("seed {} panics", SEED.load(Ordering::Relaxed));
        before(panic);
    }));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [seed] => match seed.parse() {
            Ok(seed) => replay(seed),
            Err(_) => usage(),
        },
        ["check", file] => check(Path::new(file)),
        ["--seeds", range] => {
            let bounds = range.split_once("..");
            match bounds.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?))) {
                Some((from, to)) => many(from, to),
                None => usage(),
            }
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "ottla-sim was called with something else than a seed\nit takes a seed, a range of seeds, or a history\ntry: ottla-sim 7, ottla-sim --seeds 0..1000, ottla-sim check history.jsonl"
    );
    ExitCode::from(2)
}

fn check(file: &Path) -> ExitCode {
    let unreadable = |why: String| {
        eprintln!(
            "{} cannot be judged\n{why}\ntry: one operation per line, as crates/sim/src/history/json.rs describes it",
            file.display()
        );
        ExitCode::from(2)
    };
    let text = match RealDisk::default().read_file(file) {
        Ok(text) => text,
        Err(fault) => return unreadable(fault.to_string()),
    };
    let history = match json::read(&text) {
        Ok(history) => history,
        Err(why) => return unreadable(why.to_string()),
    };
    match history::check(&history) {
        Err(twice) => {
            unreadable(format!("{} is sent twice to {}: values have to differ", twice.value, twice.key))
        }
        Ok(verdict) => {
            println!("{}", json::show(&verdict));
            if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

fn replay(seed: u64) -> ExitCode {
    SEED.store(seed, Ordering::Relaxed);
    let report = run(Options { seed, plant: Plant::Nothing, print: true });
    println!("{report:#?}");
    verdict(&report)
}

fn verdict(report: &Report) -> ExitCode {
    match &report.violation {
        Some(violation) => {
            println!("seed {} fails: {violation}", report.seed);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn many(from: u64, to: u64) -> ExitCode {
    let (mut requests, mut boots, mut simulated_ms, mut acked) = (0, 0, 0, 0);
    for seed in from..to {
        SEED.store(seed, Ordering::Relaxed);
        let report = run(Options { seed, plant: Plant::Nothing, print: false });
        if report.violation.is_some() {
            return verdict(&report);
        }
        requests += report.requests;
        boots += report.boots;
        simulated_ms += report.simulated_ms;
        acked += report.acked_records;
    }
    println!(
        "seeds {from}..{to} hold: {requests} requests, {acked} acked records, {boots} starts, {} simulated minutes",
        simulated_ms / 60_000
    );
    ExitCode::SUCCESS
}
