//! `ottla topic`: one file per verb. Owns the list of verbs and what several of them share.

mod change;
mod create;
mod describe;
mod list;
mod offsets;

use crate::args::ConnectArgs;
use crate::connect::{block_on, connect};
use crate::failure::Failure;
use crate::{consume, produce};
use clap::Subcommand;

/// The verbs of `ottla topic`.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
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
    /// Write lines of standard input as records
    Produce(produce::ProduceArgs),
    /// Print records
    Consume(consume::ConsumeArgs),
}

/// Runs one verb.
pub fn run(command: TopicCommand, connection: &ConnectArgs) -> Result<(), Failure> {
    match command {
        TopicCommand::Produce(args) => return produce::run(args, connection),
        TopicCommand::Consume(args) => return consume::run(args, connection),
        TopicCommand::List(_)
        | TopicCommand::Create(_)
        | TopicCommand::Describe(_)
        | TopicCommand::Alter(_)
        | TopicCommand::Delete(_)
        | TopicCommand::AddPartitions(_)
        | TopicCommand::Trim(_)
        | TopicCommand::Offsets(_) => {}
    }
    block_on(async {
        let admin = connect(connection).await?.admin();
        match command {
            TopicCommand::List(args) => list::run(args, &admin).await,
            TopicCommand::Create(args) => create::run(args, &admin).await,
            TopicCommand::Describe(args) => describe::run(args, &admin).await,
            TopicCommand::Alter(args) => change::alter(args, &admin).await,
            TopicCommand::Delete(args) => change::delete(args, &admin).await,
            TopicCommand::AddPartitions(args) => change::add_partitions(args, &admin).await,
            TopicCommand::Trim(args) => change::trim(args, &admin).await,
            TopicCommand::Offsets(args) => offsets::run(args, &admin).await,
            TopicCommand::Produce(_) | TopicCommand::Consume(_) => unreachable!("returned above"),
        }
    })
}
