//! `ottla partition reassign plan | execute | verify | cancel` (KIP-455).

use super::placement::{BrokerRack, place};
use super::plan_file::{Plan, current, read, to_json};
use super::throttle;
use crate::args::OutputArgs;
use crate::failure::{Exit, Failure, say};
use crate::output::{Table, counted, print_json};
use crate::refusal::{all_ok, finish};
use clap::Args;
use client::{Admin, Str, TopicPartition};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

const AFTER_PLAN: &str = r#"Examples:
  ottla partition reassign plan --topic orders --brokers 1,2,3 > plan.json
  ottla partition reassign plan --topic orders --brokers 1,2,3 --replication-factor 3 > plan.json

What is printed is kafka-reassign-partitions' own format."#;

/// Arguments of `ottla partition reassign plan`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_PLAN)]
pub struct PlanArgs {
    /// Topics to spread
    #[arg(short, long, required = true, value_name = "TOPIC", value_delimiter = ',')]
    topic: Vec<Str>,
    /// Brokers to spread them over; all that run without it
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    brokers: Vec<i32>,
    /// Replicas of each partition; as many as it has without it
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    replication_factor: Option<u16>,
}

const AFTER_EXECUTE: &str = r#"Examples:
  ottla partition reassign execute plan.json
  ottla partition reassign execute --throttle 50000000 plan.json

What was there before is printed to standard output, as a plan that leads back.

JSON: the same"#;

/// Arguments of `ottla partition reassign execute`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_EXECUTE)]
pub struct ExecuteArgs {
    /// What replicas that come may be sent, per broker and second; the same again sets another rate, verify takes it away at the end
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    throttle: Option<u64>,
    /// The plan
    #[arg(value_name = "FILE")]
    plan: PathBuf,
}

const AFTER_VERIFY: &str = r#"Examples:
  ottla partition reassign verify plan.json

Ends with 6 while something is on its way, with 3 where partitions of the plan are not there. When nothing is on its way, it takes
away throttles (of this plan's topics, and of all brokers), as kafka-reassign-partitions does.

JSON: an array of
  {"topic":"orders","partition":0,"state":"moving","replicas":[1,2,3],"isr":[1,2],"adding":[3],"removing":[]}"#;

/// Arguments of `ottla partition reassign verify`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_VERIFY)]
pub struct VerifyArgs {
    /// Leave throttles as they are
    #[arg(long)]
    preserve_throttles: bool,
    /// The plan
    #[arg(value_name = "FILE")]
    plan: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_CANCEL: &str = r#"Examples:
  ottla partition reassign cancel plan.json

JSON: an array of
  {"topic":"orders","partition":0}"#;

/// Arguments of `ottla partition reassign cancel`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_CANCEL)]
pub struct CancelArgs {
    /// The plan
    #[arg(value_name = "FILE")]
    plan: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn plan(args: PlanArgs, admin: &Admin) -> Result<(), Failure> {
    let brokers = brokers(&args.brokers, admin).await?;
    let (topics, failure) = all_ok(admin.describe_topics(&args.topic).await?);
    finish(failure)?;
    let current = current(topics.iter().map(|(_, topic)| topic));
    let placed = place(&current, &brokers, args.replication_factor.map(usize::from));
    let placed = placed.ok_or_else(|| {
        Failure::usage(
            "there are fewer brokers than replicas",
            format!("{} to spread them over", counted(brokers.len(), "broker")),
        )
        .try_this("more --brokers, or a smaller --replication-factor")
    })?;
    let moved = placed.iter().filter(|(target, replicas)| current.get(target) != Some(replicas)).count();
    let of = counted(placed.len(), "partition");
    say(format_args!("({moved} of {of} to change; ottla partition reassign execute FILE begins it)"));
    Ok(print_json(&to_json(&placed))?)
}

/// Those that are named, or all that run.
pub(super) async fn brokers(named: &[i32], admin: &Admin) -> Result<Vec<BrokerRack>, Failure> {
    let running = admin.describe_cluster(false).await?.nodes;
    if let Some(missing) = named.iter().find(|&id| !running.iter().any(|node| node.id == *id)) {
        let known: Vec<String> = running.iter().map(|node| node.id.to_string()).collect();
        let why = format!("those that run are {}", known.join(", "));
        return Err(Failure::new(format!("broker {missing} does not run"), why)
            .exit(Exit::NotFound)
            .try_this("ottla broker list"));
    }
    let is_meant = |id: i32| named.is_empty() || named.contains(&id);
    Ok(running.iter().filter(|node| is_meant(node.id)).map(BrokerRack::of).collect())
}

pub(super) async fn execute(args: ExecuteArgs, admin: &Admin) -> Result<(), Failure> {
    let plan = read(&args.plan)?;
    let before = replicas_of(&plan, admin).await?;
    if let Some(rate) = args.throttle {
        // Before anything moves.
        throttle::set(admin, rate, &before, &plan).await?;
    }
    let moving = admin.reassignments().await?;
    let (done, open): (Plan, Plan) = plan
        .into_iter()
        .partition(|(target, wanted)| before.get(target) == Some(wanted) && !moving.contains_key(target));
    let targets: BTreeMap<_, _> =
        open.into_iter().map(|(target, replicas)| (target, Some(replicas))).collect();
    let (begun, failure) = match targets.is_empty() {
        true => (Vec::new(), None),
        false => all_ok(admin.reassign(&targets).await?),
    };
    let before: Plan =
        before.into_iter().filter(|(target, _)| begun.iter().any(|(one, ())| one == target)).collect();
    print_json(&to_json(&before))?;
    if !done.is_empty() {
        say(format_args!("({} as the plan wants already)", lies(done.len())));
    }
    if !begun.is_empty() {
        say(format_args!("({} on the way: ottla partition reassign verify FILE)", are(begun.len())));
    }
    finish(failure)
}

fn are(count: usize) -> String {
    format!("{} {}", counted(count, "partition"), if count == 1 { "is" } else { "are" })
}

fn lies(count: usize) -> String {
    format!("{} {}", counted(count, "partition"), if count == 1 { "lies" } else { "lie" })
}

/// Where they are now.
async fn replicas_of(plan: &Plan, admin: &Admin) -> Result<Plan, Failure> {
    let all = admin.list_topics().await?;
    let now = plan.keys().filter_map(|target| {
        let one = all.get(&target.topic)?.partition(target.partition)?;
        Some((target.clone(), one.replicas.clone()))
    });
    Ok(now.collect())
}

pub(super) async fn verify(args: VerifyArgs, admin: &Admin) -> Result<(), Failure> {
    let plan = read(&args.plan)?;
    let moving = admin.reassignments().await?;
    let all = admin.list_topics().await?;
    let mut table = Table::new(&[
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("STATE", "state"),
        ("REPLICAS", "replicas"),
        ("ISR", "isr"),
        ("ADDING", "adding"),
        ("REMOVING", "removing"),
    ])
    .quiet(&["adding", "removing"]);
    let mut open = BTreeMap::from([("moving", 0), ("elsewhere", 0), ("gone", 0)]);
    for (target, wanted) in &plan {
        let one = all.get(&target.topic).and_then(|topic| topic.partition(target.partition));
        let on_its_way = moving.get(target);
        let state = match one {
            None => "gone",
            Some(_) if on_its_way.is_some() => "moving",
            Some(one) if one.replicas == *wanted => "done",
            Some(_) => "elsewhere",
        };
        if let Some(count) = open.get_mut(state) {
            *count += 1;
        }
        table.row(vec![
            json!(target.topic.as_str()),
            json!(target.partition),
            json!(state),
            json!(one.map(|one| &one.replicas)),
            json!(one.map(|one| &one.isr)),
            json!(on_its_way.map_or(&[][..], |moving| &moving.adding)),
            json!(on_its_way.map_or(&[][..], |moving| &moving.removing)),
        ]);
    }
    table.print_or_say(args.output.output, "(the plan is empty)")?;
    if moving.is_empty() && open["elsewhere"] == 0 && !args.preserve_throttles {
        throttle::clear(admin, &plan).await?;
    }
    finish(not_carried_out(open["moving"], open["elsewhere"], open["gone"]))
}

/// What is left of a plan, if anything.
fn not_carried_out(moving: usize, elsewhere: usize, gone: usize) -> Option<Failure> {
    let parts = [
        (moving, format!("{} on the way", are(moving))),
        (elsewhere, format!("{} elsewhere and not moving", are(elsewhere))),
        (gone, format!("{} not there", are(gone))),
    ];
    let why: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let (exit, hint) = match (moving, elsewhere, gone) {
        (0, 0, 0) => return None,
        (0, 0, _) => (Exit::NotFound, "ottla partition list, for what there is"),
        _ => (Exit::Partial, "the same again in a while; ottla quorum doctor, if nothing moves"),
    };
    Some(Failure::new("the plan is not carried out", why.join(", ")).exit(exit).try_this(hint))
}

pub(super) async fn cancel(args: CancelArgs, admin: &Admin) -> Result<(), Failure> {
    let plan = read(&args.plan)?;
    let moving = admin.reassignments().await?;
    let targets: BTreeMap<TopicPartition, Option<Vec<i32>>> =
        plan.into_keys().filter(|target| moving.contains_key(target)).map(|target| (target, None)).collect();
    let (cancelled, failure) = match targets.is_empty() {
        true => (Vec::new(), None),
        false => all_ok(admin.reassign(&targets).await?),
    };
    let mut table = Table::new(&[("TOPIC", "topic"), ("PARTITION", "partition")]);
    for (target, ()) in cancelled {
        table.row(vec![json!(target.topic.as_str()), json!(target.partition)]);
    }
    table.print_or_say(args.output.output, "(nothing of it is on its way)")?;
    finish(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_plan_is_told_and_ends_otherwise_than_well() {
        assert!(not_carried_out(0, 0, 0).is_none());
        let told = |moving, elsewhere, gone| format!("{:?}", not_carried_out(moving, elsewhere, gone));
        assert!(told(1, 0, 0).contains("1 partition is on the way") && told(1, 0, 0).contains("Partial"));
        assert!(
            told(0, 2, 1).contains("2 partitions are elsewhere and not moving, 1 partition is not there")
        );
        assert!(told(0, 0, 1).contains("NotFound"));
    }
}
