//! `ottla` and `ottla server`: run a node. Owns the arguments, the words printed around a start, and the three lines of a
//! failed one; what a node is made of lives in the crate `server`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::configuration;
use crate::failure::Failure;
use crate::invocation;
use ::server::main_loop;
use ::server::main_loop::{Running, StartError};
use ::server::properties;
use ::server::settings::{Refused, Settings};
use ::server::signals::StopSignals;
use broker::config::Warning;
use clap::Args;
use tracing_subscriber::EnvFilter;

/// How long a start may take before the waiting is worth a word.
const READY_LIMIT: Duration = Duration::from_secs(600);

/// Arguments of `ottla` without a command.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// Where clients connect
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub listen: String,
    /// Where the data lives
    #[arg(long, value_name = "DIR", default_value = "./ottla-data")]
    pub data_dir: PathBuf,
    /// A key of Kafka's configuration, such as num.partitions=3; may be repeated
    #[arg(long, alias = "override", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

const AFTER: &str = r#"Examples:
  ottla server -c server.properties
  ottla server server.properties --override log.dirs=/var/lib/ottla      # as kafka-server-start has it
  ottla server --set num.partitions=3                                    # embedded defaults, one key changed"#;

/// Arguments of `ottla server`.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER)]
pub struct ServerArgs {
    /// The same as --config FILE
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// Kafka's own configuration file; without it, embedded defaults and the KAFKA_ environment
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides one key of the file; may be repeated
    #[arg(long, visible_alias = "override", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Starts a node on embedded defaults and runs it until a signal.
pub fn start(args: StartArgs) -> Result<(), Failure> {
    let data_dir = args.data_dir.to_string_lossy().into_owned();
    let overrides = configuration::pairs(&args.set)?;
    let settings = Settings::embedded(&args.listen, &data_dir, overrides);
    let place = data_in(&settings);
    let signals = listen_for_signals()?;
    let running = launch(settings, "--listen HOST:PORT, --data-dir DIR and --set KEY=VALUE")?;
    let hello = format!("{}{place}; Ctrl-C stops it{}", ready(&running), next_steps(&running));
    run_until_stopped(running, signals, &hello)
}

/// Runs a node from its properties file until a signal.
pub fn run(args: ServerArgs) -> Result<(), Failure> {
    let config = args.config.or(args.file);
    let all = configuration::read(config.as_deref(), &args.set)?;
    let settings = match config {
        None if all.get("process.roles").is_none() => {
            Settings::embedded("127.0.0.1:9092", "./ottla-data", all)
        }
        _ => Settings::new(all),
    };
    let place = data_in(&settings);
    let hint = config.as_deref().map_or("--set KEY=VALUE".to_owned(), |f| f.display().to_string());
    let signals = listen_for_signals()?;
    let running = launch(settings, &hint)?;
    let hello = format!("{}{place}\n", ready(&running));
    run_until_stopped(running, signals, &hello)
}

fn ready(running: &Running) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("ottla {version} is ready: node {}, {}", running.node().node_id(), running.listens())
}

/// `, data in DIR`.
fn data_in(settings: &Result<(Settings, Vec<Warning>), Refused>) -> String {
    let Ok((settings, _)) = settings else { return String::new() };
    let directories: Vec<String> =
        settings.directories.iter().map(|directory| directory.display().to_string()).collect();
    format!(", data in {}", directories.join(", "))
}

/// What to type next, so that it works as it stands here.
fn next_steps(running: &Running) -> String {
    let Some(bound) = running.bound("PLAINTEXT") else { return "\n".to_owned() };
    let address =
        if bound.ip().is_unspecified() { format!("localhost:{}", bound.port()) } else { bound.to_string() };
    let program = invocation::program();
    // Where clients look without being told needs no telling.
    let to = if address == "127.0.0.1:9092" { String::new() } else { format!(" -b {address}") };
    format!(
        ". Try, in another terminal:\n  \
         echo hello | {program}{to} produce greetings\n  \
         {program}{to} consume greetings --from-beginning\n  \
         kafka-topics.sh --bootstrap-server {address} --describe --topic greetings\n"
    )
}

fn launch(settings: Result<(Settings, Vec<Warning>), Refused>, where_to: &str) -> Result<Running, Failure> {
    log_to_stderr();
    let (settings, warnings) = settings.map_err(|why| configuration::refused(&why, where_to))?;
    for line in broker::config::told(&warnings) {
        tracing::warn!("{line}");
    }
    let cluster_id = properties::cluster_id_from_environment(|name| std::env::var(name).ok());
    let running = main_loop::start(&settings, cluster_id.as_deref()).map_err(failed)?;
    if !running.wait_ready(READY_LIMIT) {
        tracing::warn!("not registered with the controller yet; still trying");
    }
    Ok(running)
}

fn failed(error: StartError) -> Failure {
    Failure::new(error.what, error.why).try_this(error.hint)
}

/// Warnings and errors unless OTTLA_LOG asks for more (`info`, `debug`, `server=debug,broker=trace`).
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("OTTLA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A second start in one process keeps the first subscriber.
    let _ = subscriber.try_init();
}

fn listen_for_signals() -> Result<StopSignals, Failure> {
    StopSignals::listen().map_err(|error| Failure::new("cannot listen for signals", error))
}

fn run_until_stopped(running: Running, signals: StopSignals, hello: &str) -> Result<(), Failure> {
    // Nobody may be reading; the node runs all the same.
    let _ = io::stdout().write_all(hello.as_bytes()).and_then(|()| io::stdout().flush());
    signals.run(running).map_err(|error| Failure::new("cannot wait for signals", error))
}
