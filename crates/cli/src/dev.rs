//! `ottla dev`: a node for development and tests, on a free port, with its data in a directory of its own that goes when it goes.
//!
//! Owns the directory and the ways such a node ends beside a signal: whoever started it may go away by any death, and nothing is left
//! behind. What a node is made of is `server`'s.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::args::{LogArgs, OutputArgs, OutputFormat};
use crate::failure::Failure;
use crate::server::{ready, run_until_stopped};
use crate::{configuration, listen, server};
use ::server::journey::Journey;
use ::server::logs::Levels;
use ::server::main_loop::Running;
use clap::Args;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;

const AFTER: &str = r#"Examples:
  ottla dev                                     a node on a free port; Ctrl-C ends it and removes its data
  ottla dev --listen 127.0.0.1:9092 --data-dir ./data     one that keeps its data
  ottla dev -o json --while-stdin               for a program that tests against it: ends with that program

JSON: one object, when it is ready
  {"bootstrap_servers":"127.0.0.1:40123","data_dir":"/tmp/ottla-dev-4242-1f","pid":4242,"version":"0.1.0"}"#;

/// Arguments of `ottla dev`.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER)]
pub struct DevArgs {
    /// Where clients connect; port 0 is a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// Keeps the data in this directory; without it in a temporary one that is removed at the end
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Removes the directory of --data-dir at the end, too
    #[arg(long, requires = "data_dir")]
    throw_away: bool,
    /// Ends when standard input does: when whoever holds its other end closes it, or is no more
    #[arg(long)]
    while_stdin: bool,
    /// A key of Kafka's configuration, such as num.partitions=3; may be repeated
    #[arg(long, alias = "override", value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a throw-away node needs not wait for; `--set` goes over each.
const QUICK: &[&str] = &["metrics.listeners=", "log.flush.ack=none"];

/// Runs the node until it is asked to end.
pub fn run(args: DevArgs) -> Result<(), Failure> {
    listen::checked(&args.listen)?;
    let directory = Arc::new(Directory::of(&args)?);
    if args.while_stdin {
        end_with_standard_input()?;
    }
    let (place, json) = (Arc::clone(&directory), args.output.output == OutputFormat::Json);
    let log = args.log.clone();
    let start = move |journey: &Journey, levels: Option<Levels>| {
        let own = [
            format!("listeners=PLAINTEXT://{}", args.listen),
            format!("log.dirs={}", directory_name(&place.path)?),
        ];
        let quick = QUICK.iter().map(|pair| (*pair).to_owned());
        let arguments: Vec<String> = quick.chain(own).chain(args.set).collect();
        let all = configuration::given(&arguments)?;
        let places = "--listen HOST:PORT, --data-dir DIR or --set KEY=VALUE";
        let launched = server::launch(None, all, places, journey, levels);
        if launched.is_err() {
            // Where a signal came meanwhile the process ends without going back to whoever called this.
            place.remove();
        }
        launched
    };
    let path = directory.path.clone();
    let hello = move |running: &Running| {
        if json { described(running, &path) } else { format!("{}; Ctrl-C ends it\n", ready(running)) }
    };
    let outcome = run_until_stopped(&log, start, hello);
    drop(directory);
    outcome
}

fn described(running: &Running, path: &Path) -> String {
    let bound = running.bound("PLAINTEXT").map(|address| address.to_string());
    let line = json!({
        "bootstrap_servers": bound,
        "data_dir": path.to_string_lossy(),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    format!("{line}\n")
}

fn directory_name(path: &Path) -> Result<&str, Failure> {
    let name = path.to_str().filter(|name| !name.contains(','));
    name.ok_or_else(|| {
        Failure::usage("cannot use the directory", "log.dirs cannot name it").try_this("another one")
    })
}

/// Where the data is.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    goes: bool,
}

impl Directory {
    fn of(args: &DevArgs) -> Result<Directory, Failure> {
        if let Some(path) = &args.data_dir {
            return Ok(Directory { path: path.clone(), goes: args.throw_away });
        }
        let pid = std::process::id();
        // Left by one of the same number that was killed: the next name is free.
        for number in 0..1000_u32 {
            let path = std::env::temp_dir().join(format!("ottla-dev-{pid}-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Directory { path, goes: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Failure::new(format!("cannot make {}", path.display()), error)
                        .try_this("--data-dir DIR, or TMPDIR"));
                }
            }
        }
        Err(Failure::new("cannot make a temporary directory", "a thousand are there")
            .try_this("--data-dir DIR"))
    }
}

impl Directory {
    fn remove(&self) {
        if self.goes {
            // Best effort: nobody is left to be told.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The end of standard input is a SIGTERM: the same clean stop, with the same patience.
fn end_with_standard_input() -> Result<(), Failure> {
    let wait = || {
        let mut ignored = [0; 256];
        while io::stdin().lock().read(&mut ignored).is_ok_and(|read| read > 0) {}
        let _ = kill_process(getpid(), Signal::TERM);
    };
    let thread = thread::Builder::new().name("stdin".to_owned()).spawn(wait);
    thread.map(drop).map_err(|error| Failure::new("cannot watch standard input", error))
}
