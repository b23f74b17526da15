//! `ottla-sim SEED` replays one seed of one node and tells what happened; `ottla-sim --seeds A..B` runs many and stops at the first that
//! fails; `--cluster SEED` and `--clusters A..B` do the same with several machines, and try a failing seed again with fewer faults;
//! `ottla-sim check FILE` judges the history of any clients. Exit code 1 says that a seed or a history failed, 2 that the command was
//! not understood or the file cannot be read.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{Disk, RealDisk};
use sim::history::{self, json};
use sim::{Options, Report, minimise, run};

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
        [seed] => of_seed(seed, Options::one),
        ["--cluster", seed] => of_seed(seed, Options::cluster),
        ["check", file] => check(Path::new(file)),
        ["--seeds", range] => of_range(range, Options::one),
        ["--clusters", range] => of_range(range, Options::cluster),
        _ => usage(),
    }
}

fn of_seed(seed: &str, options: fn(u64) -> Options) -> ExitCode {
    match seed.parse() {
        Ok(seed) => {
            let mut options = options(seed);
            options.print = true;
            replay(options)
        }
        Err(_) => usage(),
    }
}

fn of_range(range: &str, options: fn(u64) -> Options) -> ExitCode {
    let bounds = range.split_once("..");
    match bounds.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?))) {
        Some((from, to)) => many(from, to, options),
        None => usage(),
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

fn replay(options: Options) -> ExitCode {
    SEED.store(options.seed, Ordering::Relaxed);
    let report = run(options);
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

/// With which faults alone the seed fails the same way.
fn tell_what_it_takes(options: &Options) {
    let report = run(options.clone());
    if report.faults > 0 {
        let fewer = minimise(options, report.faults);
        let needed: Vec<usize> = (0..report.faults).filter(|place| !fewer.without.contains(place)).collect();
        println!("of its {} faults it takes those at the places {needed:?}", report.faults);
    }
}

fn many(from: u64, to: u64, options: fn(u64) -> Options) -> ExitCode {
    let (mut requests, mut boots, mut simulated_ms, mut acked, mut events) = (0, 0, 0, 0, 0);
    for seed in from..to {
        SEED.store(seed, Ordering::Relaxed);
        let report = run(options(seed));
        if report.violation.is_some() {
            tell_what_it_takes(&options(seed));
            return verdict(&report);
        }
        requests += report.requests;
        boots += report.boots;
        simulated_ms += report.simulated_ms;
        acked += report.acked_records;
        events += report.events;
    }
    println!(
        "seeds {from}..{to} hold: {events} events, {requests} requests, {acked} acked records, {boots} starts, {} simulated minutes",
        simulated_ms / 60_000
    );
    ExitCode::SUCCESS
}
