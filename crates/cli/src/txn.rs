//! `ottla txn`: transactions, who writes to a partition, and the end of what hangs, as kafka-transactions has it.

use crate::args::{ConnectArgs, OutputArgs};
use crate::connect::ask;
use crate::failure::{Exit, Failure};
use crate::group::{Scope, partitions, scope};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use crate::time::format_time_ms;
use clap::{Args, Subcommand};
use client::{Admin, Str, TopicPartition};
use serde_json::{Value, json};
use std::sync::Arc;

const AFTER_LIST: &str = r#"Examples:
  ottla txn list
  ottla txn list --state Ongoing

JSON: an array of
  {"transactional_id":"copier","producer_id":7,"state":"Ongoing","coordinator":1}"#;

const AFTER_DESCRIBE: &str = r#"Examples:
  ottla txn describe copier

JSON: an array of
  {"transactional_id":"copier","producer_id":7,"producer_epoch":3,"state":"Ongoing","timeout_ms":60000,
   "started":"2026-11-30T07:00:00.000Z","partitions":["orders-0"]}"#;

const AFTER_PRODUCERS: &str = r#"Examples:
  ottla txn producers orders:0

JSON: an array of
  {"topic":"orders","partition":0,"producer_id":7,"producer_epoch":3,"last_sequence":41,
   "last_time":"2026-11-30T07:00:00.000Z","coordinator_epoch":0,"open_since_offset":1000}"#;

const AFTER_HANGING: &str = r#"Examples:
  ottla txn find-hanging                              # open for 15 minutes, and no coordinator knows of it
  ottla txn find-hanging orders --older-than-ms 60000

JSON: an array of
  {"topic":"orders","partition":0,"producer_id":7,"producer_epoch":3,"coordinator_epoch":0,
   "start_offset":1000,"last_time":"2026-11-30T07:00:00.000Z"}"#;

const AFTER_ABORT: &str = r#"Examples:
  ottla txn abort orders:0 --start-offset 1000        # the transaction that begins there

Readers of committed records go on behind it; what it wrote does not count. Only for what find-hanging shows: a transaction
that its coordinator knows of ends by its timeout."#;

/// Arguments of `ottla txn`.
#[derive(Debug, Args)]
pub struct TxnCommand {
    #[command(subcommand)]
    verb: TxnVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla txn`.
#[derive(Debug, Subcommand)]
enum TxnVerb {
    /// List transactional ids and the states of their transactions
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show what a transaction has written to, and since when
    Describe(DescribeArgs),
    /// Show who writes to partitions, and whose transaction is open there
    Producers(ProducersArgs),
    /// Find transactions that are open in a partition and that no coordinator will end
    FindHanging(FindArgs),
    /// End a transaction that hangs, as aborted
    Abort(AbortArgs),
}

/// Arguments of `ottla txn list`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_LIST)]
struct ListArgs {
    /// Only those in this state, in Kafka's words; may be repeated
    #[arg(long, value_name = "STATE")]
    state: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `ottla txn describe`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DESCRIBE)]
struct DescribeArgs {
    /// Transactional ids
    #[arg(required = true, value_name = "TRANSACTIONAL-ID")]
    ids: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `ottla txn producers`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_PRODUCERS)]
struct ProducersArgs {
    /// Topics, or partitions as TOPIC:0,1
    #[arg(required = true, value_name = "TOPIC[:N,N]", value_parser = scope)]
    targets: Vec<Scope>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `ottla txn find-hanging`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HANGING)]
struct FindArgs {
    /// Topics, or partitions as TOPIC:0,1; all without any
    #[arg(value_name = "TOPIC[:N,N]", value_parser = scope)]
    targets: Vec<Scope>,
    /// Only those without a record for so long: longer than any transaction may be open
    #[arg(long, value_name = "MS", default_value_t = 900_000)]
    older_than_ms: i64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `ottla txn abort`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_ABORT)]
struct AbortArgs {
    /// One partition, as TOPIC:0
    #[arg(value_name = "TOPIC:N", value_parser = scope)]
    target: Scope,
    /// Where the transaction begins
    #[arg(long, value_name = "OFFSET")]
    start_offset: i64,
}

/// Runs one verb.
pub fn run(command: TxnCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        TxnVerb::List(args) => ask(connection, async |admin| list(args, admin).await),
        TxnVerb::Describe(args) => ask(connection, async |admin| describe(args, admin).await),
        TxnVerb::Producers(args) => ask(connection, async |admin| producers(args, admin).await),
        TxnVerb::FindHanging(args) => ask(connection, async |admin| find_hanging(args, admin).await),
        TxnVerb::Abort(args) => ask(connection, async |admin| abort(args, admin).await),
    }
}

async fn list(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("TRANSACTIONAL-ID", "transactional_id"),
        ("PRODUCER", "producer_id"),
        ("STATE", "state"),
        ("COORDINATOR", "coordinator"),
    ]);
    for one in admin.list_transactions(&args.state).await? {
        table.row(vec![
            json!(one.transactional_id.as_str()),
            json!(one.producer_id),
            json!(one.state.as_str()),
            json!(one.coordinator),
        ]);
    }
    Ok(table.print_or_say(args.output.output, "(no such transactional id)")?)
}

async fn describe(args: DescribeArgs, admin: &Admin) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("TRANSACTIONAL-ID", "transactional_id"),
        ("PRODUCER", "producer_id"),
        ("EPOCH", "producer_epoch"),
        ("STATE", "state"),
        ("TIMEOUT-MS", "timeout_ms"),
        ("STARTED", "started"),
        ("PARTITIONS", "partitions"),
    ]);
    for id in &args.ids {
        let one = admin.describe_transaction(id).await?;
        let partitions: Vec<String> = one.partitions.iter().map(ToString::to_string).collect();
        table.row(vec![
            json!(id.as_str()),
            json!(one.producer_id),
            json!(one.producer_epoch),
            json!(one.state.as_str()),
            json!(one.timeout_ms),
            json!(one.start_ms.map(format_time_ms)),
            json!(partitions),
        ]);
    }
    Ok(table.print(args.output.output)?)
}

async fn producers(args: ProducersArgs, admin: &Admin) -> Result<(), Failure> {
    let partitions = partitions(&args.targets, admin).await?;
    let (each, failure) = all_ok(admin.describe_producers(&partitions).await?);
    let mut table = Table::new(&[
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("PRODUCER", "producer_id"),
        ("EPOCH", "producer_epoch"),
        ("LAST-SEQUENCE", "last_sequence"),
        ("LAST-TIME", "last_time"),
        ("COORDINATOR-EPOCH", "coordinator_epoch"),
        ("OPEN-SINCE-OFFSET", "open_since_offset"),
    ]);
    for (target, producers) in each {
        for one in producers {
            let mut row = place(&target);
            row.extend([
                json!(one.producer_id),
                json!(one.epoch),
                json!(one.last_sequence),
                json!(format_time_ms(one.last_timestamp_ms)),
                json!(one.coordinator_epoch),
                json!(one.transaction_start_offset),
            ]);
            table.row(row);
        }
    }
    table.print_or_say(args.output.output, "(nobody writes there with a producer id)")?;
    finish(failure)
}

async fn find_hanging(args: FindArgs, admin: &Admin) -> Result<(), Failure> {
    let partitions = match args.targets.is_empty() {
        false => partitions(&args.targets, admin).await?,
        true => every(admin.list_topics().await?.into_iter()),
    };
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let hung = admin.find_hung_transactions(&partitions, now_ms, args.older_than_ms).await?;
    let mut table = Table::new(&[
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("PRODUCER", "producer_id"),
        ("EPOCH", "producer_epoch"),
        ("COORDINATOR-EPOCH", "coordinator_epoch"),
        ("START-OFFSET", "start_offset"),
        ("LAST-TIME", "last_time"),
    ]);
    for one in hung {
        let mut row = place(&one.partition);
        row.extend([
            json!(one.producer_id),
            json!(one.producer_epoch),
            json!(one.coordinator_epoch),
            json!(one.start_offset),
            json!(format_time_ms(one.last_timestamp_ms)),
        ]);
        table.row(row);
    }
    Ok(table.print_or_say(args.output.output, "(no transaction hangs)")?)
}

async fn abort(args: AbortArgs, admin: &Admin) -> Result<(), Failure> {
    let (topic, numbers) = (args.target.topic, args.target.partitions);
    let [number] = numbers[..] else {
        let what = Failure::new("nothing was aborted", "a transaction is aborted in one partition");
        return Err(what
            .exit(Exit::Usage)
            .try_this("ottla txn abort TOPIC:0 --start-offset OFFSET".to_owned()));
    };
    let target = TopicPartition::new(topic, number);
    let open = admin.find_open_transactions(std::slice::from_ref(&target)).await?;
    let Some(found) = open.into_iter().find(|one| one.start_offset == args.start_offset) else {
        let why = format!("no open transaction begins at offset {}", args.start_offset);
        let failure = Failure::new(format!("nothing was aborted in {target}"), why).exit(Exit::NotFound);
        return Err(failure.try_this(format!("ottla txn producers {}:{number}", target.topic)));
    };
    Ok(admin.abort_hung_transaction(&found).await?)
}

fn place(target: &TopicPartition) -> Vec<Value> {
    vec![json!(target.topic.as_str()), json!(target.partition)]
}

fn every(topics: impl Iterator<Item = (Str, Arc<client::Topic>)>) -> Vec<TopicPartition> {
    let of = |(name, topic): (Str, Arc<client::Topic>)| {
        let numbers: Vec<i32> = topic.partitions.iter().map(|one| one.index).collect();
        numbers.into_iter().map(move |number| TopicPartition::new(name.clone(), number))
    };
    topics.flat_map(of).collect()
}
