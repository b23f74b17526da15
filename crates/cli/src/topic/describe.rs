//! `ottla topic describe`: the topic, its configs that differ from the defaults, its partitions.

use crate::args::{OutputArgs, OutputFormat};
use crate::failure::Failure;
use crate::output::{Table, print_json, print_line};
use crate::partition::{COLUMNS, cells};
use crate::refusal::{all_ok, finish};
use clap::Args;
use client::admin::{ConfigEntry, ConfigResource};
use client::{Admin, Partition, Str, Topic};
use serde_json::{Map, Value, json};

const AFTER: &str = r#"Examples:
  ottla topic describe orders
  ottla topic describe --under-replicated

JSON: an array of
  {"name":"orders","id":"Jp0rPPhWSbul_E0NyzkAAA","internal":false,"configs":{"retention.ms":"86400000"},
   "partitions":[{"partition":0,"leader":1,"leader_epoch":0,"replicas":[1],"isr":[1],"offline":[]}]}"#;

/// Arguments of `ottla topic describe`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct DescribeArgs {
    /// Names; all topics without any
    #[arg(value_name = "TOPIC")]
    names: Vec<Str>,
    /// Only partitions whose replicas are not all in sync
    #[arg(long)]
    under_replicated: bool,
    /// Only partitions without a leader
    #[arg(long)]
    unavailable: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: DescribeArgs, admin: &Admin) -> Result<(), Failure> {
    let (topics, failure) = if args.names.is_empty() {
        (admin.list_topics().await?.into_iter().collect(), None)
    } else {
        all_ok(admin.describe_topics(&args.names).await?)
    };
    let resources: Vec<ConfigResource> = topics.iter().map(|(name, _)| ConfigResource::topic(name)).collect();
    let mut configs = admin.describe_configs(&resources, false).await?;
    let mut documents = Vec::new();
    for (index, (name, topic)) in topics.iter().enumerate() {
        let entries = configs.remove(&ConfigResource::topic(name)).unwrap_or_else(|| Ok(Vec::new()))?;
        let set: Vec<ConfigEntry> = entries.into_iter().filter(|entry| entry.source.is_dynamic()).collect();
        let shown = |partition: &&Partition| {
            (!args.under_replicated || partition.isr.len() < partition.replicas.len())
                && (!args.unavailable || partition.leader.is_none())
        };
        let partitions: Vec<&Partition> = topic.partitions.iter().filter(shown).collect();
        match args.output.output {
            OutputFormat::Json => documents.push(document(topic, &set, &partitions)),
            OutputFormat::Table => {
                if index > 0 {
                    print_line("")?;
                }
                print_topic(topic, &set, &partitions)?;
            }
        }
    }
    if args.output.output == OutputFormat::Json {
        print_json(&Value::Array(documents))?;
    }
    finish(failure)
}

fn print_topic(topic: &Topic, set: &[ConfigEntry], partitions: &[&Partition]) -> std::io::Result<()> {
    print_line(&format!("Topic:       {}", topic.name))?;
    print_line(&format!("Topic id:    {}", topic.id))?;
    print_line(&format!("Partitions:  {}", topic.partition_count()))?;
    print_line(&format!("Replicas:    {}", topic.partitions.first().map_or(0, |one| one.replicas.len())))?;
    let configs: Vec<String> =
        set.iter().map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or(""))).collect();
    print_line(&format!(
        "Configs:     {}",
        if configs.is_empty() { "-".to_owned() } else { configs.join(" ") }
    ))?;
    partition_table(partitions).print_unless_empty(OutputFormat::Table)
}

fn partition_table(partitions: &[&Partition]) -> Table {
    let mut table = Table::new(&COLUMNS).quiet(&["offline"]);
    partitions.iter().for_each(|one| table.row(cells(one).into()));
    table
}

fn document(topic: &Topic, set: &[ConfigEntry], partitions: &[&Partition]) -> Value {
    let configs: Map<String, Value> =
        set.iter().map(|entry| (entry.name.to_string(), json!(entry.value.as_deref()))).collect();
    json!({
        "name": topic.name.as_str(),
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "configs": configs,
        "partitions": partition_table(partitions).to_json(),
    })
}
