//! The one binary. Owns the grammar of the command line, the choice of runtime and the exit code; every
//! command lives in a file of its own. Without a command it starts a node on embedded defaults.
// The rim: commands may read clocks and start threads (progress bars, timeouts).
#![allow(clippy::disallowed_methods)]

mod args;
mod cluster;
mod config;
mod configuration;
mod connect;
mod consume;
mod demo;
mod dump;
mod failure;
mod format;
mod group;
mod output;
mod produce;
mod server;
mod storage;
mod time;
mod topic;

use args::ConnectArgs;
use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Ottla: Apache Kafka 4.4 in one binary.
///
/// Without a command it starts a node on 127.0.0.1:9092 that keeps its data in ./ottla-data.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, propagate_version = true, args_conflicts_with_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: server::StartArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// The verb tree: noun first, verb second, in Kafka's own terms.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node from a Kafka server.properties file
    Server(server::ServerArgs),
    /// Format and inspect data directories, as kafka-storage does
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Topics: list, create, describe, alter, delete, trim…
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Groups: list, describe, lag, reset-offsets, delete…
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Write lines of standard input as records
    Produce(produce::ProduceArgs),
    /// Print records
    Consume(consume::ConsumeArgs),
    /// Configs: get, set, unset
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Start a throw-away node, send a million records through it and check every one
    Demo(demo::DemoArgs),
    /// Show what lies in the files of a log directory, as kafka-dump-log does
    Dump(dump::DumpArgs),
    /// The cluster: info, log-dirs, api-versions, quorum
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => self::server::start(cli.start),
        Some(Command::Server(args)) => self::server::run(args),
        Some(Command::Storage(command)) => storage::run(command),
        Some(Command::Topic(command)) => topic::run(command, &cli.connect),
        Some(Command::Group(command)) => group::run(command, &cli.connect),
        Some(Command::Produce(args)) => produce::run(args, &cli.connect),
        Some(Command::Consume(args)) => consume::run(args, &cli.connect),
        Some(Command::Config(command)) => config::run(command, &cli.connect),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Dump(args)) => dump::run(args),
        Some(Command::Cluster(command)) => self::cluster::run(command, &cli.connect),
    }
}
