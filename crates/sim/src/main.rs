//! `ottla-sim SEED` replays one seed of one node and tells what happened; `ottla-sim --seeds A..B` runs many and stops at the first that
//! fails; `--cluster SEED` and `--clusters A..B` do the same with several machines, and try a failing seed again with fewer faults;
//! `ottla-sim sweep one|cluster SEED EVENTS` goes on from a seed until so many events are through, every hundredth seed twice;
//! `ottla-sim planted` looks for every bug of the table, `ottla-sim planted NAME` for those whose names hold the word;
//! `ottla-sim check FILE` judges the history of any clients. Exit code 1 says that a seed or a history failed or a bug was not found, 2
//! that the command was not understood or the file cannot be read.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};

use log::{Disk, RealDisk};
use sim::history::{self, json};
use sim::{Options, Report, minimise, plants, run};

/// The seed under way, for the message of a panic.
static SEED: AtomicU64 = AtomicU64::new(0);

/// No run with a bug is under way.
const NO_SEED: u64 = u64::MAX;

fn main() -> ExitCode {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("seed {} panics", SEED.load(Ordering::Relaxed));
        before(panic);
    }));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["planted"] => planted(""),
        [seed] => of_seed(seed, Options::one),
        ["--cluster", seed] => of_seed(seed, Options::cluster),
        ["check", file] => check(Path::new(file)),
        ["sweep", "one", from, events] => sweep(from, events, Options::one),
        ["sweep", "cluster", from, events] => sweep(from, events, Options::cluster),
        ["planted-one", name] => planted_one(name),
        ["planted", name] => planted(name),
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
            sim::show_product_lines();
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
        "ottla-sim was called with something else than a seed\nit takes a seed, a range of seeds, a number of events, or a history\ntry: ottla-sim 7, ottla-sim --clusters 0..1000, ottla-sim sweep one 0 1000000, ottla-sim planted, ottla-sim check history.jsonl"
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

/// How many of a range of seeds run a second time, to see that they take the same way: one of so many.
const TWICE: u64 = 100;

/// What several runs come to.
#[derive(Default)]
struct Sum {
    requests: u64,
    boots: u64,
    simulated_ms: i64,
    acked: u64,
    events: u64,
}

impl Sum {
    /// Runs a seed; its verdict if it fails.
    fn add(&mut self, options: &Options) -> Option<ExitCode> {
        SEED.store(options.seed, Ordering::Relaxed);
        let report = run(options.clone());
        if report.violation.is_some() {
            tell_what_it_takes(options);
            return Some(verdict(&report));
        }
        self.requests += report.requests;
        self.boots += report.boots;
        self.simulated_ms += report.simulated_ms;
        self.acked += report.acked_records;
        self.events += report.events;
        None
    }

    fn tell(&self, from: u64, to: u64) {
        let Sum { requests, boots, simulated_ms, acked, events } = self;
        println!(
            "seeds {from}..{to} hold: {events} events, {requests} requests, {acked} acked records, {boots} starts, {} simulated minutes",
            simulated_ms / 60_000
        );
    }
}

fn many(from: u64, to: u64, options: fn(u64) -> Options) -> ExitCode {
    let mut sum = Sum::default();
    for seed in from..to {
        if let Some(failed) = sum.add(&options(seed)) {
            return failed;
        }
    }
    sum.tell(from, to);
    ExitCode::SUCCESS
}

fn sweep(from: &str, events: &str, options: fn(u64) -> Options) -> ExitCode {
    let (Ok(from), Ok(events)) = (from.parse::<u64>(), events.parse::<u64>()) else { return usage() };
    let mut sum = Sum::default();
    let mut seed = from;
    while sum.events < events {
        if let Some(failed) = sum.add(&options(seed)) {
            return failed;
        }
        if seed.is_multiple_of(TWICE) && run(options(seed)) != run(options(seed)) {
            println!("seed {seed} fails: it takes two ways");
            return ExitCode::FAILURE;
        }
        seed += 1;
    }
    sum.tell(from, seed);
    ExitCode::SUCCESS
}

/// Looks for the bugs of that name, each in a process of its own: what is found may be that the node ends itself.
fn planted(name: &str) -> ExitCode {
    let chosen: Vec<_> = plants().into_iter().filter(|planted| planted.name.contains(name)).collect();
    let mut found = 0;
    for planted in &chosen {
        let own = std::env::current_exe();
        let looked = own.and_then(|own| Command::new(own).args(["planted-one", planted.name]).output());
        let said =
            looked.map(|looked| String::from_utf8_lossy(&looked.stdout).into_owned()).unwrap_or_default();
        match said.lines().find(|line| line.starts_with("found ")) {
            Some(line) => {
                found += 1;
                println!("{line}");
            }
            None => println!("NOT FOUND  {}", planted.name),
        }
    }
    println!("{found} of {} planted bugs found", chosen.len());
    if found == chosen.len() && found > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks for one bug. A panic is the node's own invariant: told before anything is unwound, and the process ends with it.
fn planted_one(name: &str) -> ExitCode {
    let Some(planted) = plants().into_iter().find(|planted| planted.name == name) else { return usage() };
    std::panic::set_hook(Box::new(move |panic| {
        let seed = SEED.load(Ordering::Relaxed);
        if seed != NO_SEED {
            let text = panic.payload_as_str().unwrap_or("a panic without words");
            println!("found      {} (seed {seed}: {text})", planted.name);
            std::process::exit(0);
        }
    }));
    SEED.store(NO_SEED, Ordering::Relaxed);
    let Some(planted) = plants().into_iter().find(|planted| planted.name == name) else { return usage() };
    match planted.find(|seed| SEED.store(seed.unwrap_or(NO_SEED), Ordering::Relaxed)) {
        Some(how) => {
            println!("found      {} (seed {}: {})", planted.name, how.seed, how.by);
            ExitCode::SUCCESS
        }
        None => ExitCode::FAILURE,
    }
}
