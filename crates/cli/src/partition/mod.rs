//! `ottla partition`: where partitions are led, and where their replicas lie. Owns the verbs; moves are `reassign.rs`, the choice of new
//! places `placement.rs`.

mod elect;
mod list;
mod placement;
mod plan_file;
mod reassign;
mod throttle;

pub use list::{COLUMNS, cells};
pub use placement::{BrokerRack, evacuate};
pub use plan_file::{Plan, current, to_json};

use crate::args::ConnectArgs;
use crate::connect::{ask, look};
use crate::failure::Failure;
use clap::{Args, Subcommand};

/// Arguments of `ottla partition`.
#[derive(Debug, Args)]
pub struct PartitionCommand {
    #[command(subcommand)]
    verb: PartitionVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla partition`.
#[derive(Debug, Subcommand)]
enum PartitionVerb {
    /// List partitions: leader, replicas, who is in sync
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Elect leaders
    Elect(elect::ElectArgs),
    /// Move replicas to other brokers
    #[command(subcommand)]
    Reassign(ReassignVerb),
}

/// The verbs of `ottla partition reassign`.
#[derive(Debug, Subcommand)]
enum ReassignVerb {
    /// Print a plan that spreads topics over brokers, as kafka-reassign-partitions reads it
    Plan(reassign::PlanArgs),
    /// Begin what a plan says
    Execute(reassign::ExecuteArgs),
    /// Show how far a plan is
    Verify(reassign::VerifyArgs),
    /// Call off what a plan began
    Cancel(reassign::CancelArgs),
}

/// Runs one verb.
pub fn run(command: PartitionCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        PartitionVerb::List(args) => look(connection, async |admin| list::run(args, admin).await),
        PartitionVerb::Elect(args) => ask(connection, async |admin| elect::run(args, admin).await),
        PartitionVerb::Reassign(verb) => ask(connection, async |admin| match verb {
            ReassignVerb::Plan(args) => reassign::plan(args, admin).await,
            ReassignVerb::Execute(args) => reassign::execute(args, admin).await,
            ReassignVerb::Verify(args) => reassign::verify(args, admin).await,
            ReassignVerb::Cancel(args) => reassign::cancel(args, admin).await,
        }),
    }
}
