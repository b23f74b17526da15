//! `ottla topic list`.

use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::invocation::as_called;
use crate::output::Table;
use clap::Args;
use client::Admin;
use serde_json::json;

const AFTER: &str = r#"Examples:
  ottla topic list
  ottla topic list -o json | jq -r '.[].name'

JSON: an array of
  {"name":"orders","partitions":3,"replicas":1,"under_replicated":0,"leaderless":0,"id":"Jp0rPPhWSbul_E0NyzkAAA"}"#;

/// Arguments of `ottla topic list`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ListArgs {
    /// Show __consumer_offsets and its like too
    #[arg(short, long)]
    internal: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("NAME", "name"),
        ("PARTITIONS", "partitions"),
        ("REPLICAS", "replicas"),
        ("UNDER-REPLICATED", "under_replicated"),
        ("LEADERLESS", "leaderless"),
        ("TOPIC ID", "id"),
    ])
    .quiet(&["under_replicated", "leaderless"]);
    for topic in admin.list_topics().await?.values().filter(|topic| args.internal || !topic.internal) {
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        let lagging = topic.partitions.iter().filter(|one| one.isr.len() < one.replicas.len()).count();
        let leaderless = topic.partitions.iter().filter(|one| one.leader.is_none()).count();
        table.row(vec![
            json!(topic.name.as_str()),
            json!(topic.partition_count()),
            json!(replicas),
            json!(lagging),
            json!(leaderless),
            json!(topic.id.to_string()),
        ]);
    }
    let nothing = "(no topics; ottla topic create NAME makes one)";
    Ok(table.print_or_say(args.output.output, &as_called(nothing))?)
}
