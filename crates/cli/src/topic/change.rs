//! `ottla topic alter`, `delete`, `add-partitions` and `trim`: what changes a topic that exists.

use crate::args::OutputArgs;
use crate::config::{Changes, change, pair, say_if_dry};
use crate::failure::{Failure, say};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::Args;
use client::admin::ConfigResource;
use client::{Admin, ErrorCode, Str, TopicPartition};
use serde_json::json;
use std::collections::BTreeMap;

const AFTER_ALTER: &str = r#"Examples:
  ottla topic alter orders --set retention.ms=86400000
  ottla topic alter orders --unset retention.ms

JSON: an array of
  {"key":"retention.ms","before":"604800000","after":"86400000"}"#;

/// Arguments of `ottla topic alter`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_ALTER)]
pub struct AlterArgs {
    /// Name
    #[arg(value_name = "TOPIC")]
    name: Str,
    /// Gives a config this value; may be repeated
    #[arg(
        short,
        long,
        aliases = ["config", "add-config"],
        value_name = "KEY=VALUE",
        value_parser = pair,
        required_unless_present = "unset"
    )]
    set: Vec<(Str, Str)>,
    /// Takes a config's own value away; may be repeated
    #[arg(short, long, alias = "delete-config", value_name = "KEY")]
    unset: Vec<Str>,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn alter(args: AlterArgs, admin: &Admin) -> Result<(), Failure> {
    let changes = Changes { set: args.set, unset: args.unset, dry_run: args.dry_run };
    change(admin, ConfigResource::topic(args.name), changes, args.output.output).await
}

const AFTER_DELETE: &str = r#"Examples:
  ottla topic delete orders payments
  ottla topic delete orders --if-exists

JSON: an array of
  {"name":"orders"}"#;

/// Arguments of `ottla topic delete`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DELETE)]
pub struct DeleteArgs {
    /// Names
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<Str>,
    /// A topic that does not exist is fine
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn delete(args: DeleteArgs, admin: &Admin) -> Result<(), Failure> {
    let mut each = admin.delete_topics(&args.names).await?;
    if args.if_exists {
        each.retain(|name, deleted| {
            let code = deleted.as_ref().err().and_then(client::Error::code);
            let missing = code == Some(ErrorCode::UnknownTopicOrPartition);
            if missing {
                say(format_args!("(there is no topic {name:?})"));
            }
            !missing
        });
    }
    let (deleted, failure) = all_ok(each);
    let mut table = Table::new(&[("DELETED", "name")]);
    deleted.iter().for_each(|(name, ())| table.row(vec![json!(name.as_str())]));
    table.print_unless_empty(args.output.output)?;
    finish(failure)
}

const AFTER_ADD: &str = r#"Examples:
  ottla topic add-partitions orders --total 24

JSON: an array of
  {"name":"orders","partitions":24}"#;

/// Arguments of `ottla topic add-partitions`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_ADD)]
pub struct AddPartitionsArgs {
    /// Names
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<Str>,
    /// How many partitions there shall be then
    #[arg(short, long, alias = "partitions", value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    total: i32,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn add_partitions(args: AddPartitionsArgs, admin: &Admin) -> Result<(), Failure> {
    let totals: BTreeMap<Str, i32> = args.names.iter().map(|name| (name.clone(), args.total)).collect();
    let (grown, failure) = all_ok(admin.create_partitions(&totals, args.dry_run).await?);
    let mut table = Table::new(&[("TOPIC", "name"), ("PARTITIONS", "partitions")]);
    grown.iter().for_each(|(name, ())| table.row(vec![json!(name.as_str()), json!(args.total)]));
    table.print_unless_empty(args.output.output)?;
    say_if_dry(args.dry_run);
    finish(failure)
}

const AFTER_TRIM: &str = r#"Examples:
  ottla topic trim orders --before 1000 --partition 0
  ottla topic trim orders --before end

JSON: an array of
  {"topic":"orders","partition":0,"first_offset":1000}"#;

/// Arguments of `ottla topic trim`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_TRIM)]
pub struct TrimArgs {
    /// Name
    #[arg(value_name = "TOPIC")]
    name: Str,
    /// Partitions; all without it
    #[arg(short, long, value_name = "N", value_delimiter = ',')]
    partition: Vec<i32>,
    /// Delete the records before this offset, or all with `end`
    #[arg(long, value_name = "OFFSET", value_parser = before)]
    before: i64,
    #[command(flatten)]
    output: OutputArgs,
}

/// DeleteRecords says -1 for "up to the high watermark".
fn before(text: &str) -> Result<i64, String> {
    match text {
        "end" | "latest" => Ok(-1),
        number => number
            .parse()
            .ok()
            .filter(|&offset| offset >= 0)
            .ok_or_else(|| "write an offset, or `end`".to_owned()),
    }
}

pub(super) async fn trim(args: TrimArgs, admin: &Admin) -> Result<(), Failure> {
    let partitions = if args.partition.is_empty() {
        let mut described = admin.describe_topics(std::slice::from_ref(&args.name)).await?;
        let topic = described.remove(&args.name).expect("it was asked for")?;
        (0..topic.partition_count()).collect()
    } else {
        args.partition
    };
    let targets =
        partitions.iter().map(|&partition| (TopicPartition::new(args.name.clone(), partition), args.before));
    let (trimmed, failure) = all_ok(admin.delete_records(&targets.collect()).await?);
    let mut table =
        Table::new(&[("TOPIC", "topic"), ("PARTITION", "partition"), ("FIRST OFFSET", "first_offset")]);
    for (target, first_offset) in trimmed {
        table.row(vec![json!(target.topic.as_str()), json!(target.partition), json!(first_offset)]);
    }
    table.print_unless_empty(args.output.output)?;
    finish(failure)
}
