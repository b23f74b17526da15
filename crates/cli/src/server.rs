//! `ottla` and `ottla server`: run a node. Owns the arguments; what a node is made of lives in `server`.

use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `ottla` without a command.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// Where clients connect
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub listen: String,
    /// Where the data lives
    #[arg(long, value_name = "DIR", default_value = "./ottla-data")]
    pub data_dir: PathBuf,
}

/// Arguments of `ottla server`.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Kafka's own configuration file
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides one key of the file; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Starts a node on embedded defaults and runs it until a signal.
pub fn start(args: StartArgs) -> Result<(), Failure> {
    Err(Failure::new(format!("no node on {}", args.listen), "the server is not part of this build yet"))
}

/// Runs a node from its properties file until a signal.
pub fn run(args: ServerArgs) -> Result<(), Failure> {
    Err(Failure::new(format!("no node from {:?}", args.config), "the server is not part of this build yet"))
}
