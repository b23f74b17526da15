//! `ottla group reset-offsets`: every way of kafka-consumer-groups to move a group's committed offsets. Prints the
//! plan; only `--execute` commits it.

use super::committed::{Scope, described, is_share, positions, scope};
use crate::args::OutputArgs;
use crate::connect::unreadable;
use crate::failure::{Exit, Failure, say};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use crate::time::parse_time_ms;
use clap::Args;
use client::admin::GroupDescription;
use client::{
    Admin, CommittedOffset, IsolationLevel, ListedOffset, OffsetSpec, Str, TopicPartition, parse_iso_duration,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const AFTER: &str = r#"Examples:
  ottla group reset-offsets billing --to-earliest                      # only prints the plan
  ottla group reset-offsets billing --topic orders:0 --shift-by -10 --execute

JSON: an array of
  {"group":"billing","topic":"orders","partition":0,"before":417,"new_offset":0}"#;

/// Arguments of `ottla group reset-offsets`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ResetArgs {
    /// Group
    #[arg(value_name = "GROUP")]
    group: Str,
    /// Topics, or partitions as TOPIC:0,1; without any, all that the group has
    #[arg(short, long, value_name = "TOPIC[:N,N]", value_parser = scope)]
    topic: Vec<Scope>,
    #[command(flatten)]
    to: To,
    /// Commit the plan
    #[arg(long, conflicts_with = "dry_run")]
    execute: bool,
    /// Only print the plan, which is what happens without --execute too
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Where to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To the first record
    #[arg(long)]
    to_earliest: bool,
    /// Behind the last record
    #[arg(long)]
    to_latest: bool,
    /// To where it is; behind the last record where nothing is committed
    #[arg(long)]
    to_current: bool,
    /// To this offset, or the nearest that exists
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// So many records on, or back with a negative number
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the first record at or after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to_datetime: Option<i64>,
    /// To the first record of this last while, such as PT1H30M or P7D
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    by_duration: Option<Duration>,
    /// To what a file says, in lines of TOPIC,PARTITION,OFFSET
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
}

fn time(text: &str) -> Result<i64, String> {
    parse_time_ms(text).ok_or_else(|| "write a time such as 2026-03-01T12:00:00Z".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_iso_duration(text).ok_or_else(|| "write a duration such as PT1H30M or P7D".to_owned())
}

/// New offset and old one, if any.
type Plan = BTreeMap<TopicPartition, (i64, Option<i64>)>;

pub(super) async fn run(args: ResetArgs, admin: &Admin) -> Result<(), Failure> {
    let described = described(admin, &args.group).await?;
    refuse_active(described.as_ref())?;
    let is_share = is_share(described.as_ref());
    let current = positions(admin, &args.group, is_share).await?;
    let current: BTreeMap<TopicPartition, i64> = current.into_iter().map(|(t, (at, _))| (t, at)).collect();
    let plan = match &args.to.from_file {
        Some(file) => from_file(admin, file, &current).await?,
        None => {
            let targets = targets(admin, &args, &current).await?;
            plan(admin, &args.to, &targets, &current).await?
        }
    };
    if args.execute {
        let offsets = plan.iter().map(|(target, (offset, _))| (target.clone(), *offset));
        let altered = if is_share {
            admin.alter_share_group_offsets(&args.group, &offsets.collect()).await?
        } else {
            let offsets = offsets.map(|(target, offset)| (target, CommittedOffset::new(offset)));
            admin.alter_group_offsets(&args.group, &offsets.collect()).await?
        };
        let (_done, failure) = all_ok(altered);
        finish(failure)?;
    }
    let mut table = Table::new(&[
        ("GROUP", "group"),
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("BEFORE", "before"),
        ("NEW-OFFSET", "new_offset"),
    ]);
    for (target, (offset, before)) in plan {
        table.row(vec![
            json!(args.group.as_str()),
            json!(target.topic.as_str()),
            json!(target.partition),
            json!(before),
            json!(offset),
        ]);
    }
    table.print(args.output.output)?;
    if !args.execute {
        say("(nothing has been changed; --execute commits this plan)");
    }
    Ok(())
}

/// Kafka would refuse each partition one by one: say it once, and before planning.
fn refuse_active(described: Option<&GroupDescription>) -> Result<(), Failure> {
    let Some(group) = described.filter(|group| !group.members.is_empty()) else { return Ok(()) };
    let why = format!("group {:?} is {} with {} members", group.group_id, group.state, group.members.len());
    Err(Failure::new("offsets can be reset only while nobody reads", why)
        .try_this(format!("stop its members: ottla group describe {}", group.group_id)))
}

async fn targets(
    admin: &Admin,
    args: &ResetArgs,
    current: &BTreeMap<TopicPartition, i64>,
) -> Result<Vec<TopicPartition>, Failure> {
    if args.topic.is_empty() {
        if current.is_empty() {
            return Err(Failure::new(
                "nothing to reset",
                format!("group {:?} has no committed offsets", args.group),
            )
            .exit(Exit::NotFound)
            .try_this("name topics with --topic"));
        }
        return Ok(current.keys().cloned().collect());
    }
    let names: Vec<Str> = args.topic.iter().map(|scope| scope.topic.clone()).collect();
    let mut described = admin.describe_topics(&names).await?;
    let mut targets = Vec::new();
    for scope in &args.topic {
        let topic = described.remove(&scope.topic).unwrap_or_else(|| unreachable!("it was asked for"))?;
        let all: Vec<i32> = (0..topic.partition_count()).collect();
        let chosen = if scope.partitions.is_empty() { &all } else { &scope.partitions };
        if let Some(missing) = chosen.iter().find(|partition| topic.partition(**partition).is_none()) {
            let why = format!("topic {:?} has {} partitions", scope.topic, topic.partition_count());
            return Err(Failure::new(format!("no partition {missing}"), why)
                .exit(Exit::NotFound)
                .try_this(format!("ottla topic describe {}", scope.topic)));
        }
        targets.extend(chosen.iter().map(|&partition| TopicPartition::new(scope.topic.clone(), partition)));
    }
    Ok(targets)
}

async fn plan(
    admin: &Admin,
    to: &To,
    targets: &[TopicPartition],
    current: &BTreeMap<TopicPartition, i64>,
) -> Result<Plan, Failure> {
    let begins = list(admin, targets, OffsetSpec::Earliest).await?;
    let ends = list(admin, targets, OffsetSpec::Latest).await?;
    let at_time = match since_ms(to) {
        Some(ms) => list(admin, targets, OffsetSpec::Timestamp(ms)).await?,
        None => BTreeMap::new(),
    };
    let mut plan = Plan::new();
    for target in targets {
        let (begin, end) = (begins[target].offset, ends[target].offset);
        let before = current.get(target).copied();
        let wanted = match to {
            To { to_earliest: true, .. } => begin,
            To { to_current: true, .. } => before.unwrap_or(end),
            To { to_offset: Some(offset), .. } => *offset,
            To { shift_by: Some(by), .. } => match before {
                Some(before) => before.saturating_add(*by),
                None => {
                    let why = format!("nothing is committed for {target}, so there is nothing to shift");
                    return Err(
                        Failure::new("could not plan", why).try_this("--to-earliest, or name --topic")
                    );
                }
            },
            // No record that young: behind the last one.
            To { .. } => {
                at_time.get(target).map(|found| found.offset).filter(|&offset| offset >= 0).unwrap_or(end)
            }
        };
        plan.insert(target.clone(), (wanted.clamp(begin, end), before));
    }
    Ok(plan)
}

fn since_ms(to: &To) -> Option<i64> {
    let back_ms = to.by_duration.map(|back| back.as_millis() as i64);
    let now_ms = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as i64);
    to.to_datetime.or_else(|| back_ms.map(|back| (now_ms() - back).max(0)))
}

async fn list(
    admin: &Admin,
    targets: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, ListedOffset>, Failure> {
    let wanted = targets.iter().map(|target| (target.clone(), spec)).collect();
    let (found, failure) = all_ok(admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await);
    finish(failure)?;
    Ok(found.into_iter().collect())
}

async fn from_file(
    admin: &Admin,
    file: &std::path::Path,
    current: &BTreeMap<TopicPartition, i64>,
) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let wanted = parse_plan(&text).map_err(|line| {
        Failure::usage(
            format!("{} is no plan", file.display()),
            format!("line {line} is not TOPIC,PARTITION,OFFSET"),
        )
        .try_this("lines such as orders,0,417")
    })?;
    let targets: Vec<TopicPartition> = wanted.keys().cloned().collect();
    let begins = list(admin, &targets, OffsetSpec::Earliest).await?;
    let ends = list(admin, &targets, OffsetSpec::Latest).await?;
    let one = |(target, offset): (TopicPartition, i64)| {
        let within = offset.clamp(begins[&target].offset, ends[&target].offset);
        let before = current.get(&target).copied();
        (target, (within, before))
    };
    Ok(wanted.into_iter().map(one).collect())
}

/// `TOPIC,PARTITION,OFFSET` per line, quotes allowed, a leading group column too; the number of a line that is not.
fn parse_plan(text: &str) -> Result<BTreeMap<TopicPartition, i64>, usize> {
    let mut wanted = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let ([topic, partition, offset] | [_, topic, partition, offset]) = &fields[..] else {
            return Err(index + 1);
        };
        let (Ok(partition), Ok(offset)) = (partition.parse::<i32>(), offset.parse::<i64>()) else {
            return Err(index + 1);
        };
        wanted.insert(TopicPartition::new(*topic, partition), offset);
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_with_and_without_a_group_column() {
        let plan = parse_plan("orders,0,5\n\"g\",\"orders\",1,7\n\n").expect("valid");
        let expected = [(TopicPartition::new("orders", 0), 5), (TopicPartition::new("orders", 1), 7)];
        assert_eq!(plan, BTreeMap::from(expected));
        assert_eq!(parse_plan("orders,0,5\norders,x,5"), Err(2));
    }
}
