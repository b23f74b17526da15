//! `ottla group`: list, delete, delete-offsets; the other verbs have files of their own. Groups of all types.

mod committed;
mod describe;
mod reset;
mod why;

use crate::args::{ConnectArgs, OutputArgs};
use crate::connect::{ask, look};
use crate::failure::Failure;
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::{Args, Subcommand};
use client::{Admin, Str, TopicPartition};
pub use committed::{Scope, partitions, scope};
use committed::{described, is_share, positions};
use serde_json::json;

/// Arguments of `ottla group`.
#[derive(Debug, Args)]
pub struct GroupCommand {
    #[command(subcommand)]
    verb: GroupVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla group`.
#[derive(Debug, Subcommand)]
enum GroupVerb {
    /// List groups
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show members and what they read
    Describe(describe::DescribeArgs),
    /// Show committed offsets and how far they are behind
    Lag(describe::LagArgs),
    /// Say what keeps a group from going on
    Why(why::WhyArgs),
    /// Move committed offsets of a group without members
    ResetOffsets(reset::ResetArgs),
    /// Delete groups without members
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
    /// Forget committed offsets
    DeleteOffsets(DeleteOffsetsArgs),
}

const AFTER_LIST: &str = r#"Examples:
  ottla group list
  ottla group list --state empty,dead

JSON: an array of
  {"group":"billing","type":"Classic","state":"Stable","protocol_type":"consumer"}"#;

/// Arguments of `ottla group list`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_LIST)]
struct ListArgs {
    /// Only groups in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<Str>,
    /// Only groups of these types: classic, consumer, share, streams
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_DELETE: &str = r#"Examples:
  ottla group delete billing

JSON: an array of
  {"group":"billing"}"#;

/// Arguments of `ottla group delete`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DELETE)]
struct DeleteArgs {
    /// Groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_DELETE_OFFSETS: &str = r#"Examples:
  ottla group delete-offsets billing --topic orders
  ottla group delete-offsets billing --topic orders:0,1

JSON: an array of
  {"topic":"orders","partition":0,"deleted_offset":417}"#;

/// Arguments of `ottla group delete-offsets`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DELETE_OFFSETS)]
struct DeleteOffsetsArgs {
    /// Group
    #[arg(value_name = "GROUP")]
    group: Str,
    /// Topics, or single partitions as TOPIC:0,1
    #[arg(short, long, required = true, value_name = "TOPIC[:N,N]", value_parser = scope)]
    topic: Vec<Scope>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs one verb.
pub fn run(command: GroupCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        GroupVerb::List(args) => look(connection, async |admin| list(args, admin).await),
        GroupVerb::Describe(args) => look(connection, async |admin| describe::describe(args, admin).await),
        GroupVerb::Lag(args) => look(connection, async |admin| describe::lag(args, admin).await),
        GroupVerb::Why(args) => look(connection, async |admin| why::why(args, admin).await),
        GroupVerb::ResetOffsets(args) => ask(connection, async |admin| reset::run(args, admin).await),
        GroupVerb::Delete(args) => ask(connection, async |admin| delete(args, admin).await),
        GroupVerb::DeleteOffsets(args) => ask(connection, async |admin| delete_offsets(args, admin).await),
    }
}

async fn list(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("GROUP", "group"),
        ("TYPE", "type"),
        ("STATE", "state"),
        ("PROTOCOL", "protocol_type"),
    ]);
    for group in admin.list_groups(&args.state, &args.types).await? {
        table.row(vec![
            json!(group.group_id.as_str()),
            json!(group.group_type.as_str()),
            json!(group.state.as_str()),
            json!(group.protocol_type.as_str()),
        ]);
    }
    Ok(table.print_or_say(
        args.output.output,
        if args.state.is_empty() && args.types.is_empty() { "(no groups)" } else { "(no such groups)" },
    )?)
}

async fn delete(args: DeleteArgs, admin: &Admin) -> Result<(), Failure> {
    let (deleted, failure) = all_ok(admin.delete_groups(&args.groups).await?);
    let mut table = Table::new(&[("DELETED", "group")]);
    deleted.iter().for_each(|(group, ())| table.row(vec![json!(group.as_str())]));
    table.print_unless_empty(args.output.output)?;
    finish(failure)
}

async fn delete_offsets(args: DeleteOffsetsArgs, admin: &Admin) -> Result<(), Failure> {
    let is_share = is_share(described(admin, &args.group).await?.as_ref());
    let known = positions(admin, &args.group, is_share).await?;
    let targets: Vec<TopicPartition> = args.topic.iter().flat_map(|scope| scope.among(&known)).collect();
    if targets.is_empty() {
        return Err(Failure::new("nothing to delete", format!("group {:?} has no such offset", args.group))
            .exit(crate::failure::Exit::NotFound)
            .try_this(format!("ottla group lag {}", args.group)));
    }
    let (deleted, failure) = if is_share {
        if args.topic.iter().any(|scope| !scope.partitions.is_empty()) {
            let why = "a share group forgets whole topics, never single partitions";
            return Err(Failure::usage("could not delete offsets", why).try_this("--topic TOPIC alone"));
        }
        let topics = targets.iter().map(|target| target.topic.clone()).collect();
        let (topics, failure) = all_ok(admin.delete_share_group_offsets(&args.group, &topics).await?);
        let is_gone = |target: &TopicPartition| topics.iter().any(|(topic, ())| *topic == target.topic);
        (targets.into_iter().filter(is_gone).collect(), failure)
    } else {
        let (deleted, failure) = all_ok(admin.delete_group_offsets(&args.group, &targets).await?);
        (deleted.into_iter().map(|(target, ())| target).collect::<Vec<_>>(), failure)
    };
    let mut table =
        Table::new(&[("TOPIC", "topic"), ("PARTITION", "partition"), ("DELETED OFFSET", "deleted_offset")]);
    for target in deleted {
        let offset = known.get(&target).map(|(offset, _)| *offset);
        table.row(vec![json!(target.topic.as_str()), json!(target.partition), json!(offset)]);
    }
    table.print_unless_empty(args.output.output)?;
    finish(failure)
}
