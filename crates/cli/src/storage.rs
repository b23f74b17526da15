//! `ottla storage`: format and inspect data directories as kafka-storage does.

use crate::failure::Failure;
use clap::Subcommand;

/// The verbs of `ottla storage`.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Print a new random cluster id
    RandomUuid,
}

/// Runs one verb.
pub fn run(command: StorageCommand) -> Result<(), Failure> {
    Err(Failure::new(format!("{command:?}"), "the server is not part of this build yet"))
}
