//! `ottla` and `ottla server`: run a node. Owns the arguments, the words printed around a start, and the three lines of a
//! failed one; what a node is made of lives in the crate `server`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::args::LogArgs;
use crate::failure::Failure;
use crate::{configuration, invocation, listen, node_registry};
use ::server::environment;
use ::server::journey::Journey;
use ::server::logs::{self, Levels};
use ::server::main_loop::{self, Running, StartError};
use ::server::properties::Properties;
use ::server::signals::StopSignals;
use clap::Args;

/// Arguments of `ottla` without a command.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// Where clients connect; 127.0.0.1:9092 without it
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Where the data lives; ./ottla-data without it
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A key of Kafka's configuration, such as num.partitions=3; may be repeated. It goes over the two above, and those over
    /// KAFKA_ variables of the environment
    #[arg(long, alias = "override", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub log: LogArgs,
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
    /// Kafka's own configuration file, or embedded defaults; KAFKA_ variables of the environment go over it, --set over both
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides one key of the file; may be repeated
    #[arg(long, visible_alias = "override", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub log: LogArgs,
}

/// Starts a node without a file and runs it until a signal.
pub fn start(args: StartArgs) -> Result<(), Failure> {
    if let Some(listen) = &args.listen {
        listen::checked(listen)?;
    }
    let log = args.log.clone();
    let start = move |journey: &Journey, levels: Option<Levels>| {
        let listen = args.listen.map(|listen| format!("listeners=PLAINTEXT://{listen}"));
        let data_dir = args.data_dir.map(|directory| format!("log.dirs={}", directory.display()));
        let arguments: Vec<String> = listen.into_iter().chain(data_dir).chain(args.set).collect();
        let place = "--listen HOST:PORT, --data-dir DIR, --set KEY=VALUE or a KAFKA_ variable";
        let all = configuration::read(None, &arguments)?;
        launch(None, all, place, journey, levels)
    };
    let hello = |running: &Running| format!("{}; Ctrl-C stops it{}", ready(running), next_steps(running));
    run_until_stopped(&log, start, hello)
}

/// Runs a node from its properties file until a signal.
pub fn run(args: ServerArgs) -> Result<(), Failure> {
    let log = args.log.clone();
    let start = move |journey: &Journey, levels: Option<Levels>| {
        let config = args.config.or(args.file);
        let place = config
            .as_deref()
            .map_or("--set KEY=VALUE or a KAFKA_ variable".to_owned(), |file| file.display().to_string());
        // It may be a pipe that nobody writes into.
        journey.waits_for(format!("the configuration ({place})"));
        let all = configuration::read(config.as_deref(), &args.set)?;
        launch(config.as_deref(), all, &place, journey, levels)
    };
    run_until_stopped(&log, start, |running| format!("{}\n", ready(running)))
}

pub(crate) fn ready(running: &Running) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (node, listens) = (running.node().node_id(), running.listens());
    format!("ottla {version} is ready: node {node}, {listens}, data in {}", running.keeps())
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

pub(crate) fn launch(
    file: Option<&Path>,
    mut all: Properties,
    where_to: &str,
    journey: &Journey,
    levels: Option<Levels>,
) -> Result<Running, Failure> {
    let registry = node_registry::take(&mut all)?;
    let settings = configuration::settings(file, all);
    let (mut settings, warnings) = settings.map_err(|why| configuration::refused(&why, where_to))?;
    for line in broker::config::told(&warnings) {
        tracing::warn!("{line}");
    }
    if let Some(levels) = levels {
        settings.loggers = levels.loggers();
    }
    let cluster_id = environment::cluster_id(|name| std::env::var(name).ok());
    let registry = registry.map(|plan| plan.open(&settings)).transpose()?;
    let mut running = main_loop::start_watched(&settings, cluster_id.as_deref(), journey).map_err(failed)?;
    if let Some(registry) = registry {
        registry.start(&mut running)?;
    }
    Ok(running)
}

/// What a start says when it refuses.
pub(crate) fn failed(error: StartError) -> Failure {
    Failure::new(error.what, error.why).try_this(error.hint)
}

/// Signals are heard before anything else is done.
pub(crate) fn run_until_stopped(
    log: &LogArgs,
    start: impl FnOnce(&Journey, Option<Levels>) -> Result<Running, Failure> + Send + 'static,
    hello: impl FnOnce(&Running) -> String,
) -> Result<(), Failure> {
    let cannot = |error| Failure::new("cannot listen for signals", error);
    let signals = StopSignals::listen().map_err(cannot)?;
    let levels = logs::start(log.log_level.as_deref()).map_err(|why| {
        Failure::usage("cannot read the log level", why)
            .try_this("--log-level info, or --log-level warn,broker=debug")
    })?;
    let start = move |journey: &Journey| start(journey, levels);
    let say = |running: &Running| {
        // Nobody may be reading; the node runs all the same.
        let _ = io::stdout().write_all(hello(running).as_bytes()).and_then(|()| io::stdout().flush());
    };
    signals.run(start, say).map_err(cannot)?
}
