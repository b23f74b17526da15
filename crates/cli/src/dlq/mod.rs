//! `ottla dlq`: dead-letter queues of share groups (KIP-1191): list, show, redrive, discard.

mod letters;
mod redrive;

use crate::args::{ConnectArgs, OutputArgs};
use crate::connect::{Cluster, block_on};
use crate::failure::{Failure, say};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::{Args, Subcommand};
use client::{Client, CommittedOffset, Str};
use letters::{dealt_with_by, letters_table, queue_in, queue_of, read, topic_of};
use serde_json::json;
use std::time::Duration;

/// Arguments of `ottla dlq`.
#[derive(Debug, Args)]
pub struct DlqCommand {
    #[command(subcommand)]
    verb: DlqVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla dlq`.
#[derive(Debug, Subcommand)]
enum DlqVerb {
    /// List share groups that have a dead-letter queue
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show dead letters of a group that wait
    Show(ShowArgs),
    /// Write dead letters back to where they came from
    Redrive(redrive::RedriveArgs),
    /// Have dead letters wait no longer; they stay in the topic for as long as it keeps them
    Discard(DiscardArgs),
}

const AFTER_LIST: &str = r#"Examples:
  ottla dlq list

"waiting" counts what nobody has redriven or discarded; where groups share a queue, other groups' letters too.

JSON: an array of
  {"group":"workers","queue":"dlq.workers","waiting":3}"#;

/// Arguments of `ottla dlq list`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_LIST)]
struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_SHOW: &str = r#"Examples:
  ottla dlq show workers
  ottla dlq show workers -n 10 -o json

JSON: an array of
  {"partition":0,"offset":2,"from":"orders-0","from_offset":417,"deliveries":5,"why":"Offset rejected by client.",
   "time":"2026-11-30T07:00:00.000Z","key":"42","value":"three apples"}"#;

/// Arguments of `ottla dlq show`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_SHOW)]
struct ShowArgs {
    /// Share group
    #[arg(value_name = "GROUP")]
    group: Str,
    /// So many at most
    #[arg(short = 'n', long, value_name = "N", default_value = "100")]
    max_records: usize,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_DISCARD: &str = r#"Examples:
  ottla dlq discard workers --dry-run
  ottla dlq discard workers -n 1

JSON: as of `ottla dlq show`, without key and value."#;

/// Arguments of `ottla dlq discard`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DISCARD)]
struct DiscardArgs {
    /// Share group
    #[arg(value_name = "GROUP")]
    group: Str,
    /// So many at most, the first ones
    #[arg(short = 'n', long, value_name = "N")]
    max_records: Option<usize>,
    /// Only show what would be discarded
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs one verb.
pub fn run(command: DlqCommand) -> Result<(), Failure> {
    let cluster = Cluster::new(&command.connection)?;
    block_on(async {
        // A long queue takes as long as it takes: each question to the cluster has its limit.
        let client = cluster.within_limit(cluster.connect()).await?;
        match command.verb {
            DlqVerb::List(args) => list(args, &client).await,
            DlqVerb::Show(args) => show(args, &client).await,
            DlqVerb::Redrive(args) => redrive::redrive(args, &client).await,
            DlqVerb::Discard(args) => discard(args, &client).await,
        }
    })
}

async fn list(args: ListArgs, client: &Client) -> Result<(), Failure> {
    let admin = client.admin();
    let mut table = Table::new(&[("GROUP", "group"), ("QUEUE", "queue"), ("WAITING", "waiting")]);
    for group in admin.list_groups(&[], &["share".into()]).await? {
        let Some(topic) = topic_of(&admin, &group.group_id).await? else { continue };
        let queue = queue_in(&admin, &group.group_id, topic).await?;
        table.row(vec![json!(group.group_id.as_str()), json!(queue.topic.as_str()), json!(queue.unseen())]);
    }
    Ok(table.print_or_say(args.output.output, "(no share group has a dead-letter queue)")?)
}

async fn show(args: ShowArgs, client: &Client) -> Result<(), Failure> {
    let queue = queue_of(&client.admin(), &args.group).await?;
    let (letters, _) = read(client, &queue, &args.group, args.max_records).await?;
    Ok(letters_table(&letters, true).print_or_say(args.output.output, "(no dead letters)")?)
}

async fn discard(args: DiscardArgs, client: &Client) -> Result<(), Failure> {
    let admin = client.admin().trying_for(Duration::from_secs(30));
    let queue = queue_of(&admin, &args.group).await?;
    let most = args.max_records.unwrap_or(usize::MAX);
    let (letters, behind) = read(client, &queue, &args.group, most).await?;
    if !args.dry_run && !letters.is_empty() {
        let offsets = behind.into_iter().map(|(target, at)| (target, CommittedOffset::new(at)));
        let altered = admin.alter_group_offsets(&dealt_with_by(&args.group), &offsets.collect()).await?;
        let (_done, failure) = all_ok(altered);
        finish(failure)?;
    }
    letters_table(&letters, false).print_or_say(args.output.output, "(no dead letters)")?;
    if args.dry_run {
        say("(nothing has been changed; without --dry-run these are discarded)");
    }
    Ok(())
}
