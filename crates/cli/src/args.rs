//! Arguments that several commands share: where the cluster is, how to talk to it, how to print the answer.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How to reach the cluster. Accepted before or after the command.
#[derive(Debug, Clone, Args)]
pub struct ConnectArgs {
    /// Brokers to ask first, as HOST:PORT[,HOST:PORT]...
    #[arg(
        short = 'b',
        long = "bootstrap-server",
        global = true,
        value_name = "HOST:PORT",
        env = "OTTLA_BOOTSTRAP_SERVER",
        default_value = "localhost:9092",
        help_heading = "Connection"
    )]
    pub bootstrap_server: String,
    /// A client property in Kafka's spelling, such as request.timeout.ms=5000; may be repeated
    #[arg(short = 'X', global = true, value_name = "KEY=VALUE", help_heading = "Connection")]
    pub properties: Vec<String>,
    /// A file of client properties
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub command_config: Option<PathBuf>,
}

/// How to print the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Aligned columns for people
    #[default]
    Table,
    /// One JSON document with stable keys
    Json,
}

/// The `-o` of every command that prints a table.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// How to print the answer
    #[arg(short = 'o', long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,
}
