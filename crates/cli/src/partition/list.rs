//! `ottla partition list`.

use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::freshness::dated;
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::Args;
use client::{Admin, Partition, Str};
use serde_json::{Value, json};

/// What is told of a partition, under these headings and keys.
pub const COLUMNS: [(&str, &str); 6] = [
    ("PARTITION", "partition"),
    ("LEADER", "leader"),
    ("EPOCH", "leader_epoch"),
    ("REPLICAS", "replicas"),
    ("ISR", "isr"),
    ("OFFLINE", "offline"),
];

/// The same of one.
pub fn cells(one: &Partition) -> [Value; 6] {
    [
        json!(one.index),
        json!(one.leader),
        json!(one.leader_epoch),
        json!(one.replicas),
        json!(one.isr),
        json!(one.offline),
    ]
}

const AFTER: &str = r#"Examples:
  ottla partition list orders
  ottla partition list --under-replicated
  ottla partition list --broker 3 --internal          # what broker 3 has to do with

JSON: an array of
  {"topic":"orders","partition":0,"leader":1,"leader_epoch":0,"replicas":[1],"isr":[1],"offline":[]}"#;

/// Arguments of `ottla partition list`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ListArgs {
    /// Topics; all without any
    #[arg(value_name = "TOPIC")]
    topics: Vec<Str>,
    /// Only those with replicas that are not in sync
    #[arg(long)]
    under_replicated: bool,
    /// Only those without a leader
    #[arg(long)]
    unavailable: bool,
    /// Only those that this broker has a replica of
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
    /// Show __consumer_offsets and its like too
    #[arg(short, long)]
    internal: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let work = async {
        if args.topics.is_empty() {
            let all = admin.list_topics().await?.into_iter();
            return Ok((all.filter(|(_, topic)| args.internal || !topic.internal).collect(), None));
        }
        Ok(all_ok(admin.describe_topics(&args.topics).await?))
    };
    let ((topics, failure), old) = dated(admin, work).await?;
    let columns: Vec<(&str, &str)> = std::iter::once(("TOPIC", "topic")).chain(COLUMNS).collect();
    let mut table = Table::new(&columns).quiet(&["offline"]);
    let is_shown = |one: &&Partition| {
        (!args.under_replicated || one.isr.len() < one.replicas.len())
            && (!args.unavailable || one.leader.is_none())
            && args.broker.is_none_or(|id| one.replicas.contains(&id))
    };
    for (_, topic) in &topics {
        topic.partitions.iter().filter(is_shown).for_each(|one| {
            table.row(std::iter::once(json!(topic.name.as_str())).chain(cells(one)).collect());
        });
    }
    table.print_or_say(args.output.output, "(no such partition)")?;
    finish(failure.or(old))
}
