//! `ottla broker`: the brokers of a cluster, one of them in detail, and taking one out of service.

use crate::args::{ConnectArgs, OutputArgs, OutputFormat};
use crate::connect::ask;
use crate::failure::{Exit, Failure, say};
use crate::output::{Table, print_json, print_line};
use crate::partition::{BrokerRack, Plan, current, evacuate, to_json};
use crate::refusal::{all_ok, finish};
use clap::{Args, Subcommand};
use client::admin::{ClusterNode, ConfigChange, ConfigResource, ResourceKind, TopicDescription};
use client::{Admin, Str};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Arguments of `ottla broker`.
#[derive(Debug, Args)]
pub struct BrokerCommand {
    #[command(subcommand)]
    verb: BrokerVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla broker`.
#[derive(Debug, Subcommand)]
enum BrokerVerb {
    /// List brokers: what each leads, has and lacks
    #[command(visible_alias = "ls", after_help = AFTER_LIST)]
    List(OutputArgs),
    /// Show one broker: where it is, what it leads, its log directories
    #[command(after_help = AFTER_DESCRIBE)]
    Describe(DescribeArgs),
    /// Move every replica off a broker, and wait until it is empty
    #[command(after_help = AFTER_DRAIN)]
    Drain(DrainArgs),
    /// Put no new replicas on a broker
    #[command(after_help = AFTER_CORDON)]
    Cordon(OneArgs),
    /// Let a broker have new replicas again
    #[command(after_help = AFTER_CORDON)]
    Uncordon(OneArgs),
    /// Forget a broker that is gone for good
    #[command(after_help = AFTER_UNREGISTER)]
    Unregister(OneArgs),
}

const AFTER_LIST: &str = r#"JSON: an array of
  {"id":1,"host":"127.0.0.1","port":9092,"rack":null,"state":"running","leads":17,"replicas":50,"out_of_sync":0}"#;

const AFTER_DESCRIBE: &str = r#"JSON: an object
  {"id":1,"host":"127.0.0.1","port":9092,"rack":null,"state":"running","leads":17,"replicas":50,"out_of_sync":0,
   "directories":[{"directory":"/var/lib/ottla","replicas":50,"bytes":1048576,"error":null}]}"#;

const AFTER_DRAIN: &str = r#"Examples:
  ottla broker drain 3                 # and then stop it
  ottla broker drain 3 --dry-run

JSON: an object
  {"id":3,"moved":50,"seconds":12.5}"#;

const AFTER_CORDON: &str = r#"JSON: an object
  {"id":3,"cordoned":true}"#;

const AFTER_UNREGISTER: &str = r#"JSON: an object
  {"id":3}"#;

#[derive(Debug, Args)]
struct OneArgs {
    /// Its id
    #[arg(value_name = "ID")]
    id: i32,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct DescribeArgs {
    #[command(flatten)]
    one: OneArgs,
}

#[derive(Debug, Args)]
struct DrainArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Only say what would move
    #[arg(long)]
    dry_run: bool,
    /// Begin it and do not wait
    #[arg(long)]
    no_wait: bool,
}

/// Between two looks at what is on its way.
const LOOK: Duration = Duration::from_secs(1);

/// Runs one verb.
pub fn run(command: BrokerCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        BrokerVerb::List(args) => ask(connection, async |admin| list(admin, args.output).await),
        BrokerVerb::Describe(args) => ask(connection, async |admin| describe(admin, args.one).await),
        BrokerVerb::Drain(args) => drain(args, connection),
        BrokerVerb::Cordon(args) => ask(connection, async |admin| cordon(admin, args, true).await),
        BrokerVerb::Uncordon(args) => ask(connection, async |admin| cordon(admin, args, false).await),
        BrokerVerb::Unregister(args) => ask(connection, async |admin| {
            admin.unregister_broker(args.id).await?;
            tell(args.output.output, json!({"id": args.id}), "unregistered")
        }),
    }
}

/// What a broker has to do with the partitions.
#[derive(Default)]
struct Load {
    leads: usize,
    replicas: usize,
    out_of_sync: usize,
}

fn load_of<'a>(topics: impl Iterator<Item = &'a TopicDescription>, id: i32) -> Load {
    let mut load = Load::default();
    for one in topics.flat_map(|topic| &topic.partitions) {
        load.leads += usize::from(one.leader == Some(id));
        load.replicas += usize::from(one.replicas.contains(&id));
        load.out_of_sync += usize::from(one.replicas.contains(&id) && !one.isr.contains(&id));
    }
    load
}

fn broker_row(node: &ClusterNode, load: &Load) -> Vec<serde_json::Value> {
    vec![
        json!(node.id),
        json!(node.host.as_str()),
        json!(node.port),
        json!(node.rack.as_deref()),
        json!(if node.fenced { "fenced" } else { "running" }),
        json!(load.leads),
        json!(load.replicas),
        json!(load.out_of_sync),
    ]
}

fn broker_table() -> Table {
    Table::new(&[
        ("BROKER", "id"),
        ("HOST", "host"),
        ("PORT", "port"),
        ("RACK", "rack"),
        ("STATE", "state"),
        ("LEADS", "leads"),
        ("REPLICAS", "replicas"),
        ("OUT OF SYNC", "out_of_sync"),
    ])
    .quiet(&["rack", "out_of_sync"])
}

async fn list(admin: &Admin, format: OutputFormat) -> Result<(), Failure> {
    let (cluster, topics) = (admin.describe_cluster(true).await?, admin.list_topics().await?);
    let mut table = broker_table();
    for node in &cluster.nodes {
        table.row(broker_row(node, &load_of(topics.values(), node.id)));
    }
    Ok(table.print(format)?)
}

async fn find(admin: &Admin, id: i32) -> Result<ClusterNode, Failure> {
    let nodes = admin.describe_cluster(true).await?.nodes;
    let known: Vec<String> = nodes.iter().map(|node| node.id.to_string()).collect();
    nodes.into_iter().find(|node| node.id == id).ok_or_else(|| {
        Failure::new(
            format!("there is no broker {id}"),
            format!("the cluster's brokers are {}", known.join(", ")),
        )
        .exit(Exit::NotFound)
        .try_this("ottla broker list")
    })
}

async fn describe(admin: &Admin, args: OneArgs) -> Result<(), Failure> {
    let node = find(admin, args.id).await?;
    let topics = admin.list_topics().await?;
    let mut broker = broker_table();
    broker.row(broker_row(&node, &load_of(topics.values(), node.id)));
    let mut directories = Table::new(&[
        ("DIRECTORY", "directory"),
        ("REPLICAS", "replicas"),
        ("BYTES", "bytes"),
        ("ERROR", "error"),
    ])
    .quiet(&["error"]);
    let asked = if node.fenced { None } else { admin.describe_log_dirs().await?.remove(&args.id) };
    for dir in asked.transpose()?.unwrap_or_default() {
        directories.row(vec![
            json!(dir.path.as_str()),
            json!(dir.replicas.len()),
            json!(dir.replicas.iter().map(|replica| replica.size_bytes).sum::<i64>()),
            json!(dir.error.map(|code| code.name())),
        ]);
    }
    if args.output.output == OutputFormat::Json {
        let mut document = broker.to_json()[0].take();
        document["directories"] = directories.to_json();
        return Ok(print_json(&document)?);
    }
    broker.print(OutputFormat::Table)?;
    print_line("")?;
    Ok(directories
        .print_or_say(OutputFormat::Table, "(it does not run, so that nobody knows its log directories)")?)
}

/// Kafka's own key says it: every log directory, or none.
async fn cordon(admin: &Admin, args: OneArgs, is_cordoned: bool) -> Result<(), Failure> {
    let id = find(admin, args.id).await?.id;
    let resource = ConfigResource::new(ResourceKind::Broker, id.to_string());
    let key = Str::from_static("cordoned.log.dirs");
    let change = match is_cordoned {
        true => ConfigChange::Set(Str::from_static("*")),
        false => ConfigChange::Unset,
    };
    let changes = BTreeMap::from([(resource, BTreeMap::from([(key, change)]))]);
    let (_done, failure) = all_ok(admin.alter_configs(&changes, false).await?);
    finish(failure)?;
    let words = if is_cordoned { "cordoned: it gets no new replicas" } else { "no longer cordoned" };
    tell(args.output.output, json!({"id": id, "cordoned": is_cordoned}), words)
}

fn tell(format: OutputFormat, document: serde_json::Value, words: &str) -> Result<(), Failure> {
    match format {
        OutputFormat::Json => Ok(print_json(&document)?),
        OutputFormat::Table => Ok(print_line(&format!("broker {} is {words}", document["id"]))?),
    }
}

fn drain(args: DrainArgs, connection: &ConnectArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let id = args.one.id;
    let plan = ask(connection, async |admin| plan_of(admin, id).await)?;
    if args.dry_run {
        say("(nothing has been changed; without --dry-run this is carried out)");
        return Ok(print_json(&to_json(&plan))?);
    }
    if !plan.is_empty() {
        ask(connection, async |admin| begin(admin, &plan).await)?;
    }
    let mut before = plan.len();
    // Each look has the time limit, the whole has none: a large broker takes hours.
    while !args.no_wait && before > 0 {
        std::thread::sleep(LOOK);
        let left = ask(connection, async |admin| Ok(still_there(admin, id).await?))?;
        if left != before {
            say(progress(plan.len(), left, began.elapsed()));
        }
        before = left;
    }
    let seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    match args.one.output.output {
        OutputFormat::Json => Ok(print_json(&json!({"id": id, "moved": plan.len(), "seconds": seconds}))?),
        OutputFormat::Table if args.no_wait => {
            Ok(print_line(&format!("{} partitions are on their way off broker {id}", plan.len()))?)
        }
        OutputFormat::Table => Ok(print_line(&format!("broker {id} is empty, after {seconds} s"))?),
    }
}

/// How far, and how long it will take at this pace.
fn progress(total: usize, left: usize, took: Duration) -> String {
    let done = total.saturating_sub(left);
    let estimate = match done {
        0 => String::new(),
        done => format!(", some {:.0} s more", took.as_secs_f64() / done as f64 * left as f64),
    };
    format!("{done} of {total} partitions moved{estimate}")
}

async fn plan_of(admin: &Admin, id: i32) -> Result<Plan, Failure> {
    find(admin, id).await?;
    let all = current(admin.list_topics().await?.values());
    let running = admin.describe_cluster(false).await?.nodes;
    let running: Vec<BrokerRack> = running.iter().map(BrokerRack::of).collect();
    evacuate(&all, id, &running).ok_or_else(|| {
        let why = "some partition has a replica on every other broker that runs";
        Failure::new(format!("broker {id} cannot be emptied"), why).try_this(
            "another broker first, or fewer replicas: ottla partition reassign plan --replication-factor N",
        )
    })
}

async fn begin(admin: &Admin, plan: &Plan) -> Result<(), Failure> {
    let targets = plan.iter().map(|(target, replicas)| (target.clone(), Some(replicas.clone()))).collect();
    let (_begun, failure) = all_ok(admin.reassign(&targets).await?);
    finish(failure)
}

async fn still_there(admin: &Admin, id: i32) -> Result<usize, client::Error> {
    let topics = admin.list_topics().await?;
    Ok(load_of(topics.values(), id).replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_far_and_how_long() {
        assert_eq!(progress(10, 10, Duration::from_secs(5)), "0 of 10 partitions moved");
        assert_eq!(progress(10, 5, Duration::from_secs(5)), "5 of 10 partitions moved, some 5 s more");
    }
}
