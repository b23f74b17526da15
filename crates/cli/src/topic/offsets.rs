//! `ottla topic offsets`: where partitions begin and end, or where they were at a time.

use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use crate::time::parse_time_ms;
use clap::Args;
use client::admin::Each;
use client::{
    Admin, Error, ErrorCode, IsolationLevel, ListedOffset, OffsetSpec, Partition, Str, TopicPartition,
};
use serde_json::json;
use std::collections::BTreeMap;

const AFTER: &str = r#"WHEN: earliest, latest, max-timestamp, earliest-local, latest-tiered, earliest-pending-upload,
milliseconds since the epoch, or a time such as 2026-03-01T12:00:00Z

Examples:
  ottla topic offsets orders
  ottla topic offsets orders --time 2026-03-01T12:00:00Z

JSON: an array of
  {"topic":"orders","partition":0,"earliest":0,"latest":1000,"records":1000}
with --time of
  {"topic":"orders","partition":0,"offset":417,"timestamp":1772366400000,"leader_epoch":0}"#;

/// Arguments of `ottla topic offsets`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct OffsetsArgs {
    /// Names; without any, all topics that are not internal
    #[arg(value_name = "TOPIC")]
    names: Vec<Str>,
    /// One offset instead of both ends
    #[arg(short, long, value_name = "WHEN", allow_hyphen_values = true, value_parser = spec)]
    time: Option<OffsetSpec>,
    #[command(flatten)]
    output: OutputArgs,
}

/// An offset by name, by Kafka's negative numbers, or by time.
fn spec(text: &str) -> Result<OffsetSpec, String> {
    match text {
        "earliest" | "-2" => Ok(OffsetSpec::Earliest),
        "latest" | "-1" => Ok(OffsetSpec::Latest),
        "max-timestamp" | "-3" => Ok(OffsetSpec::MaxTimestamp),
        "earliest-local" | "-4" => Ok(OffsetSpec::EarliestLocal),
        "latest-tiered" | "-5" => Ok(OffsetSpec::LatestTiered),
        "earliest-pending-upload" | "-6" => Ok(OffsetSpec::EarliestPendingUpload),
        other => parse_time_ms(other)
            .map(OffsetSpec::Timestamp)
            .ok_or_else(|| "not an offset name or a time".to_owned()),
    }
}

pub(super) async fn run(args: OffsetsArgs, admin: &Admin) -> Result<(), Failure> {
    let (topics, failure) = if args.names.is_empty() {
        let topics = admin.list_topics().await?;
        (topics.into_iter().filter(|(_, topic)| !topic.internal).collect(), None)
    } else {
        all_ok(admin.describe_topics(&args.names).await?)
    };
    let partition = |name: &Str, partition: &Partition| Target {
        target: TopicPartition::new(name.clone(), partition.index),
        has_leader: partition.leader.is_some(),
    };
    let targets: Vec<Target> = topics
        .iter()
        .flat_map(|(name, topic)| topic.partitions.iter().map(|one| partition(name, one)))
        .collect();
    let (table, other_failure) = match args.time {
        Some(spec) => at_time(admin, &targets, spec).await,
        None => both_ends(admin, &targets).await,
    };
    table.print_unless_empty(args.output.output)?;
    finish(failure.or(other_failure))
}

/// A partition that is asked about.
struct Target {
    target: TopicPartition,
    has_leader: bool,
}

/// The answers of the leaders. Where there is none, it is said at once: the client would ask until the limit, and what all
/// others have answered would be lost with it.
async fn listed(admin: &Admin, targets: &[Target], spec: OffsetSpec) -> Each<TopicPartition, ListedOffset> {
    let (led, leaderless): (Vec<&Target>, Vec<&Target>) = targets.iter().partition(|one| one.has_leader);
    let wanted: BTreeMap<TopicPartition, OffsetSpec> =
        led.iter().map(|one| (one.target.clone(), spec)).collect();
    let mut each = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    each.extend(leaderless.iter().map(|one| {
        let doing = format!("list offsets of {}", one.target);
        let refused = Error::Refused { code: ErrorCode::LeaderNotAvailable, doing, message: None };
        (one.target.clone(), Err(refused))
    }));
    each
}

async fn at_time(admin: &Admin, targets: &[Target], spec: OffsetSpec) -> (Table, Option<Failure>) {
    let (listed, failure) = all_ok(listed(admin, targets, spec).await);
    let mut table = Table::new(&[
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("OFFSET", "offset"),
        ("TIMESTAMP", "timestamp"),
        ("EPOCH", "leader_epoch"),
    ]);
    for (target, found) in listed {
        let known = |number: i64| if number < 0 { json!(null) } else { json!(number) };
        table.row(vec![
            json!(target.topic.as_str()),
            json!(target.partition),
            known(found.offset),
            known(found.timestamp_ms),
            known(found.leader_epoch.into()),
        ]);
    }
    (table, failure)
}

async fn both_ends(admin: &Admin, targets: &[Target]) -> (Table, Option<Failure>) {
    // Side by side: one limit is enough for both.
    let (begins, mut ends) = tokio::join!(
        listed(admin, targets, OffsetSpec::Earliest),
        listed(admin, targets, OffsetSpec::Latest)
    );
    let both = begins.into_iter().map(|(target, begin)| {
        let end = ends.remove(&target).expect("the same were asked for");
        let both = begin.and_then(|begin| end.map(|end| (begin.offset, end.offset)));
        (target, both)
    });
    let (listed, failure) = all_ok(both.collect());
    let mut table = Table::new(&[
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("EARLIEST", "earliest"),
        ("LATEST", "latest"),
        ("RECORDS", "records"),
    ]);
    for (target, (begin, end)) in listed {
        table.row(vec![
            json!(target.topic.as_str()),
            json!(target.partition),
            json!(begin),
            json!(end),
            json!(end - begin),
        ]);
    }
    (table, failure)
}
