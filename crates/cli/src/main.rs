//! The one binary. Owns the grammar of the command line, the choice of runtime and the exit code; every
//! command lives in a file of its own. Without a command it starts a node on embedded defaults.
// The rim: commands may read clocks and start threads (progress bars, timeouts).
#![allow(clippy::disallowed_methods)]

mod acl;
mod args;
mod broker;
mod cluster;
mod config;
mod configuration;
mod connect;
mod consume;
mod demo;
mod dev;
mod dlq;
mod dump;
mod failure;
mod format;
mod freshness;
mod generate;
mod group;
mod invocation;
mod listen;
mod node_registry;
mod output;
mod partition;
mod produce;
mod quorum;
mod quota;
mod refusal;
mod registry_access;
mod schema;
mod schema_registry;
mod scripts;
mod serdes;
mod server;
mod spelling;
mod storage;
mod time;
mod token;
mod topic;
mod translation;
mod txn;
mod usage;
mod user;

use args::ConnectArgs;
use clap::{Args, CommandFactory, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

const AFTER: &str = r#"Examples:
  ottla                                              a node on 127.0.0.1:9092, data in ./ottla-data
  ottla server -c server.properties                  a node from Kafka's own file
  echo hello | ottla produce greetings               a record
  ottla consume greetings --from-beginning           and back
  ottla -b broker-1:9092 topic list -o json          another cluster, for a program

Commands that talk to a cluster take -b HOST:PORT, --timeout TIME, -X KEY=VALUE and --command-config FILE. What was asked
for goes to standard output, words go to standard error; -o json has stable keys, shown in each command's help.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such thing, 4 not allowed, 5 no answer in time, 6 failed in part.
Ctrl-C ends consume, produce and a node cleanly, with 0."#;

/// Ottla: Apache Kafka 4.4 in one binary.
///
/// Without a command it starts a node on 127.0.0.1:9092 that keeps its data in ./ottla-data.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, args_conflicts_with_subcommands = true, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: server::StartArgs,
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
    Topic(topic::TopicCommand),
    /// Groups: list, describe, lag, reset-offsets, delete…
    Group(group::GroupCommand),
    /// Write lines of standard input, or of files, as records
    Produce(Talking<produce::ProduceArgs>),
    /// Print records
    Consume(Talking<consume::ConsumeArgs>),
    /// Configs: get, set, unset
    Config(config::ConfigCommand),
    /// Run a node for development and tests: a free port, a temporary directory
    Dev(dev::DevArgs),
    /// Start a throw-away node, send a million records through it and check every one
    Demo(demo::DemoArgs),
    /// Show what lies in the files of a log directory, as kafka-dump-log does
    Dump(dump::DumpArgs),
    /// The cluster: info, log-dirs, api-versions, quorum; up starts one here
    Cluster(cluster::ClusterCommand),
    /// The metadata quorum: status, doctor, add-voter, remove-voter, replace
    Quorum(quorum::QuorumCommand),
    /// Brokers: list, describe, drain, cordon, unregister
    Broker(broker::BrokerCommand),
    /// Partitions: list, elect, reassign
    Partition(partition::PartitionCommand),
    /// Transactions: list, describe, producers, find-hanging, abort
    Txn(txn::TxnCommand),
    /// Dead-letter queues of share groups: list, show, redrive, discard
    Dlq(dlq::DlqCommand),
    /// Who may do what: list, create, delete, explain
    Acl(acl::AclCommand),
    /// Run a schema registry beside any Kafka cluster
    Registry(Talking<schema_registry::RegistryArgs>),
    /// Schemas of any registry: list, get, create, check, diff, delete, compat, mode, refs, export, import
    Schema(schema::SchemaCommand),
    /// Who can log in by SCRAM: list, create, alter, delete
    User(user::UserCommand),
    /// A dashboard, alerts and a scrape configuration for Grafana and Prometheus
    Generate(generate::GenerateCommand),
    /// What clients are held to: list, set, delete
    Quota(quota::QuotaCommand),
    /// Lay links by which this binary answers as Kafka's scripts
    InstallScripts(scripts::install::InstallArgs),
    /// Delegation tokens, by which somebody else logs in: list, create, renew, expire
    Token(token::TokenCommand),
}

/// A command without verbs that talks to a cluster.
#[derive(Debug, Args)]
struct Talking<T: Args> {
    #[command(flatten)]
    args: T,
    #[command(flatten)]
    connection: ConnectArgs,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_else(|| "ottla".to_owned());
    invocation::called_as(&program);
    let typed: Vec<String> = words.collect();
    if let Some(ended) = scripts::asked(&program, &typed) {
        return ended;
    }
    let words = spelling::settle(typed.clone());
    match Cli::try_parse_from(std::iter::once("ottla").chain(words.iter().map(String::as_str))) {
        Ok(cli) => run(cli).map_or_else(Failure::report, |()| ExitCode::SUCCESS),
        Err(error) => usage::told(&error, &typed, &words, Cli::command()),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => self::server::start(cli.start),
        Some(Command::Server(args)) => self::server::run(args),
        Some(Command::Storage(command)) => storage::run(command),
        Some(Command::Topic(command)) => topic::run(command),
        Some(Command::Group(command)) => group::run(command),
        Some(Command::Produce(command)) => produce::run(command.args, &command.connection),
        Some(Command::Consume(command)) => consume::run(command.args, &command.connection),
        Some(Command::Config(command)) => config::run(command),
        Some(Command::Dev(args)) => dev::run(args),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Dump(args)) => dump::run(args),
        Some(Command::Cluster(command)) => self::cluster::run(command),
        Some(Command::Quorum(command)) => self::quorum::run(command),
        Some(Command::Broker(command)) => self::broker::run(command),
        Some(Command::Partition(command)) => self::partition::run(command),
        Some(Command::Txn(command)) => txn::run(command),
        Some(Command::Dlq(command)) => dlq::run(command),
        Some(Command::Acl(command)) => acl::run(command),
        Some(Command::Registry(command)) => schema_registry::run(&command.args, &command.connection),
        Some(Command::Schema(command)) => self::schema::run(command),
        Some(Command::User(command)) => user::run(command),
        Some(Command::Generate(command)) => generate::run(command),
        Some(Command::Quota(command)) => quota::run(command),
        Some(Command::InstallScripts(args)) => scripts::install::run(&args),
        Some(Command::Token(command)) => token::run(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_options_of_a_command_have_one_name() {
        let mut cli = Cli::command();
        // Global options reach the verbs only then.
        cli.build();
        cli.debug_assert();
    }
}
