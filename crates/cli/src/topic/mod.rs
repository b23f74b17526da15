//! `ottla topic`: one file per verb. Owns the list of verbs and what several of them share.

mod change;
mod create;
mod describe;
mod list;
mod offsets;

use crate::args::ConnectArgs;
use crate::connect::ask;
use crate::failure::Failure;
use crate::{consume, produce};
use clap::{Args, Subcommand};

/// Arguments of `ottla topic`.
#[derive(Debug, Args)]
pub struct TopicCommand {
    #[command(subcommand)]
    verb: TopicVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla topic`.
#[derive(Debug, Subcommand)]
pub enum TopicVerb {
    /// List topics
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Create topics
    Create(create::CreateArgs),
    /// Show partitions, replicas and configs
    Describe(describe::DescribeArgs),
    /// Change a topic's configs
    Alter(change::AlterArgs),
    /// Delete topics
    #[command(visible_alias = "rm")]
    Delete(change::DeleteArgs),
    /// Give a topic more partitions
    AddPartitions(change::AddPartitionsArgs),
    /// Delete the records before an offset
    Trim(change::TrimArgs),
    /// Show where partitions begin and end
    Offsets(offsets::OffsetsArgs),
    /// Write lines of standard input, or of files, as records
    Produce(produce::ProduceArgs),
    /// Print records
    Consume(consume::ConsumeArgs),
}

/// Runs one verb.
pub fn run(command: TopicCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        TopicVerb::Produce(args) => produce::run(args, connection),
        TopicVerb::Consume(args) => consume::run(args, connection),
        TopicVerb::List(args) => ask(connection, async |admin| list::run(args, admin).await),
        TopicVerb::Create(args) => ask(connection, async |admin| create::run(args, admin).await),
        TopicVerb::Describe(args) => ask(connection, async |admin| describe::run(args, admin).await),
        TopicVerb::Alter(args) => ask(connection, async |admin| change::alter(args, admin).await),
        TopicVerb::Delete(args) => ask(connection, async |admin| change::delete(args, admin).await),
        TopicVerb::AddPartitions(args) => {
            ask(connection, async |admin| change::add_partitions(args, admin).await)
        }
        TopicVerb::Trim(args) => ask(connection, async |admin| change::trim(args, admin).await),
        TopicVerb::Offsets(args) => ask(connection, async |admin| offsets::run(args, admin).await),
    }
}
