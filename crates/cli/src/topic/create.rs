//! `ottla topic create`.

use crate::args::OutputArgs;
use crate::config::{pair, say_if_dry};
use crate::failure::{Failure, say};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::Args;
use client::admin::NewTopic;
use client::{Admin, ErrorCode, Str};
use serde_json::json;
use std::collections::BTreeMap;

const AFTER: &str = r#"Examples:
  ottla topic create orders
  ottla topic create orders --partitions 12 --config retention.ms=86400000

JSON: an array of
  {"name":"orders","partitions":12,"replicas":1,"id":"Jp0rPPhWSbul_E0NyzkAAA"}"#;

/// Arguments of `ottla topic create`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct CreateArgs {
    /// Names of the new topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<Str>,
    /// Partitions; the cluster's num.partitions without it
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..), conflicts_with = "replica_assignment")]
    partitions: Option<i32>,
    /// Replicas of each; the cluster's default.replication.factor without it
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..), conflicts_with = "replica_assignment")]
    replication_factor: Option<i16>,
    /// Chosen brokers for each partition, such as 1:2,2:3
    #[arg(long, value_name = "LIST", value_parser = replica_assignment)]
    replica_assignment: Option<Assignments>,
    /// A config that differs from the defaults; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(Str, Str)>,
    /// A topic that exists already is fine
    #[arg(long)]
    if_not_exists: bool,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone)]
struct Assignments(BTreeMap<i32, Vec<i32>>);

fn replica_assignment(text: &str) -> Result<Assignments, String> {
    let brokers =
        |part: &str| part.split(':').map(|id| id.trim().parse::<i32>().ok()).collect::<Option<Vec<i32>>>();
    let partitions = text.split(',').map(brokers).collect::<Option<Vec<_>>>();
    let partitions = partitions.ok_or_else(|| "write broker ids like 1:2,2:3".to_owned())?;
    Ok(Assignments((0..).zip(partitions).collect()))
}

pub(super) async fn run(args: CreateArgs, admin: &Admin) -> Result<(), Failure> {
    let topic = |name: &Str| NewTopic {
        name: name.clone(),
        partitions: args.partitions,
        replication_factor: args.replication_factor,
        assignments: args.replica_assignment.clone().map_or_else(BTreeMap::new, |assignments| assignments.0),
        configs: args.config.iter().cloned().collect(),
    };
    let topics: Vec<NewTopic> = args.names.iter().map(topic).collect();
    let mut each = admin.create_topics(&topics, args.dry_run).await?;
    if args.if_not_exists {
        each.retain(|name, created| {
            let code = created.as_ref().err().and_then(client::Error::code);
            let exists = code == Some(ErrorCode::TopicAlreadyExists);
            if exists {
                say(format_args!("(topic {name:?} exists already)"));
            }
            !exists
        });
    }
    let (created, failure) = all_ok(each);
    let mut table = Table::new(&[
        ("CREATED", "name"),
        ("PARTITIONS", "partitions"),
        ("REPLICAS", "replicas"),
        ("TOPIC ID", "id"),
    ])
    .quiet(&["id"]);
    for (name, topic) in created {
        let id = if topic.id.is_zero() { json!(null) } else { json!(topic.id.to_string()) };
        table.row(vec![json!(name.as_str()), json!(topic.partitions), json!(topic.replication_factor), id]);
    }
    table.print_unless_empty(args.output.output)?;
    say_if_dry(args.dry_run);
    finish(failure)
}
