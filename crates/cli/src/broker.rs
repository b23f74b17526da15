//! `ottla broker`: the brokers of a cluster, one of them in detail, and taking one out of service.

use crate::args::{ConnectArgs, OutputArgs, OutputFormat};
use crate::connect::{ask, look};
use crate::failure::{Exit, Failure, say};
use crate::freshness::{dated, reason};
use crate::output::{Table, counted, print_json, print_line};
use crate::partition::{BrokerRack, Plan, current, evacuate, to_json};
use crate::refusal::{all_ok, finish};
use clap::{Args, Subcommand};
use client::admin::{ClusterNode, ConfigChange, ConfigResource, LogDir, ResourceKind, TopicDescription};
use client::{Admin, Error, Str};
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
    Unregister(UnregisterArgs),
}

const AFTER_LIST: &str = r#"JSON: an array of
  {"id":1,"host":"127.0.0.1","port":9092,"rack":null,"state":"running","leads":17,"replicas":50,"out_of_sync":0}
The state is running, cordoned, partly cordoned, unreachable, or fenced: the controller has not heard from it."#;

const AFTER_DESCRIBE: &str = r#"JSON: an object
  {"id":1,"host":"127.0.0.1","port":9092,"rack":null,"state":"running","leads":17,"replicas":50,"out_of_sync":0,
   "directories":[{"directory":"/var/lib/ottla","replicas":50,"bytes":1048576,"cordoned":false,"error":null}]}"#;

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
struct UnregisterArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Even while it runs: it is forgotten until it is started again
    #[arg(long)]
    force: bool,
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

/// How long a broker may take to answer for itself: the controller's word on it is there already.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two looks at what is on its way.
const LOOK: Duration = Duration::from_secs(1);

/// Runs one verb.
pub fn run(command: BrokerCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        BrokerVerb::List(args) => look(connection, async |admin| list(admin, args.output).await),
        BrokerVerb::Describe(args) => look(connection, async |admin| describe(admin, args.one).await),
        BrokerVerb::Drain(args) => drain(args, connection),
        BrokerVerb::Cordon(args) => ask(connection, async |admin| cordon(admin, args, true).await),
        BrokerVerb::Uncordon(args) => ask(connection, async |admin| cordon(admin, args, false).await),
        BrokerVerb::Unregister(args) => ask(connection, async |admin| unregister(admin, args).await),
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

/// What a broker is to the controller, and whether it takes new replicas and answers itself.
fn state_of(node: &ClusterNode, directories: Option<&Result<Vec<LogDir>, Error>>) -> &'static str {
    let cordoned = |dirs: &[LogDir]| dirs.iter().filter(|dir| dir.is_cordoned).count();
    match directories {
        _ if node.fenced => "fenced",
        Some(Ok(dirs)) if !dirs.is_empty() && cordoned(dirs) == dirs.len() => "cordoned",
        Some(Ok(dirs)) if cordoned(dirs) > 0 => "partly cordoned",
        Some(Ok(_)) | None => "running",
        // Whoever may not ask is not told more.
        Some(Err(Error::Refused { .. } | Error::Unsupported { .. })) => "running",
        Some(Err(_)) => "unreachable",
    }
}

fn broker_row(node: &ClusterNode, state: &str, load: &Load) -> Vec<serde_json::Value> {
    vec![
        json!(node.id),
        json!(node.host.as_str()),
        json!(node.port),
        json!(node.rack.as_deref()),
        json!(state),
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
    let patient = admin.trying_for(PATIENCE);
    let work = async {
        let (cluster, topics) = (admin.describe_cluster(true).await?, admin.list_topics().await?);
        Ok((cluster, topics, patient.list_log_dirs().await?))
    };
    let ((cluster, topics, directories), old) = dated(admin, work).await?;
    let mut table = broker_table();
    for node in &cluster.nodes {
        let state = state_of(node, directories.get(&node.id));
        table.row(broker_row(node, state, &load_of(topics.values(), node.id)));
    }
    table.print(format)?;
    finish(old)
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
    let patient = admin.trying_for(PATIENCE);
    let work = async {
        let (node, topics) = (find(admin, args.id).await?, admin.list_topics().await?);
        let asked = if node.fenced { None } else { Some(patient.describe_log_dirs_of(args.id).await) };
        Ok((node, topics, asked))
    };
    let ((node, topics, asked), old) = dated(admin, work).await?;
    let mut broker = broker_table();
    broker.row(broker_row(&node, state_of(&node, asked.as_ref()), &load_of(topics.values(), node.id)));
    let mut directories = Table::new(&[
        ("DIRECTORY", "directory"),
        ("REPLICAS", "replicas"),
        ("BYTES", "bytes"),
        ("CORDONED", "cordoned"),
        ("ERROR", "error"),
    ])
    .quiet(&["cordoned", "error"]);
    let (known, nothing, failure) = match asked {
        Some(Ok(dirs)) => (dirs, String::new(), old),
        Some(Err(error)) => {
            let words = format!("(its log directories are not known: {})", reason(&error));
            (Vec::new(), words, Some(old.unwrap_or_else(|| Failure::from(error))))
        }
        None => (Vec::new(), "(it does not run, so that nobody knows its log directories)".to_owned(), old),
    };
    for dir in known {
        directories.row(vec![
            json!(dir.path.as_str()),
            json!(dir.replicas.len()),
            json!(dir.replicas.iter().map(|replica| replica.size_bytes).sum::<i64>()),
            json!(dir.is_cordoned),
            json!(dir.error.map(|code| code.name())),
        ]);
    }
    if args.output.output == OutputFormat::Json {
        let mut document = broker.to_json()[0].take();
        document["directories"] = directories.to_json();
        print_json(&document)?;
        return finish(failure);
    }
    broker.print(OutputFormat::Table)?;
    print_line("")?;
    directories.print_or_say(OutputFormat::Table, &nothing)?;
    finish(failure)
}

/// Only what is gone is forgotten: a broker that runs keeps its leaderships and its replicas until it notices.
async fn unregister(admin: &Admin, args: UnregisterArgs) -> Result<(), Failure> {
    let id = args.one.id;
    if !args.force && !find(admin, id).await?.fenced {
        return Err(Failure::new(
            format!("broker {id} runs"),
            "whoever runs is not gone for good: unregistered, it serves nothing until it is started again",
        )
        .try_this(format!("ottla broker drain {id}, and stop it first; or --force")));
    }
    admin.unregister_broker(id).await?;
    tell(args.one.output.output, json!({"id": id}), "unregistered")
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
            let are = if plan.len() == 1 { "is on its" } else { "are on their" };
            Ok(print_line(&format!("{} {are} way off broker {id}", counted(plan.len(), "partition")))?)
        }
        OutputFormat::Table => Ok(print_line(&format!("broker {id} is empty, after {seconds} s"))?),
    }
}

/// How far, and how long it will take at this pace.
fn progress(total: usize, left: usize, took: Duration) -> String {
    let done = total.saturating_sub(left);
    let estimate = match done {
        0 => String::new(),
        _ if left == 0 => String::new(),
        done => format!(", some {:.0} s more", took.as_secs_f64() / done as f64 * left as f64),
    };
    format!("{done} of {} moved{estimate}", counted(total, "partition"))
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
    use client::ErrorCode;

    #[test]
    fn a_cordon_and_a_broker_that_does_not_answer_are_seen() {
        let node = |fenced| ClusterNode { id: 1, host: Str::from("h"), port: 9092, rack: None, fenced };
        let dir = |is_cordoned| LogDir {
            path: Str::from("/d"),
            error: None,
            total_bytes: -1,
            usable_bytes: -1,
            is_cordoned,
            replicas: vec![],
        };
        let state = |fenced, answer: Result<Vec<LogDir>, Error>| state_of(&node(fenced), Some(&answer));
        assert_eq!(state(false, Ok(vec![dir(false), dir(false)])), "running");
        assert_eq!(state(false, Ok(vec![dir(true), dir(false)])), "partly cordoned");
        assert_eq!(state(false, Ok(vec![dir(true), dir(true)])), "cordoned");
        assert_eq!(state(true, Ok(vec![dir(true)])), "fenced");
        assert_eq!(state(false, Err(Error::Closed)), "unreachable");
        assert_eq!(state(false, Err(Error::refused(ErrorCode::ClusterAuthorizationFailed, "x"))), "running");
        assert_eq!(state_of(&node(false), None), "running");
    }

    #[test]
    fn progress_says_how_far_and_how_long() {
        assert_eq!(progress(10, 10, Duration::from_secs(5)), "0 of 10 partitions moved");
        assert_eq!(progress(1, 0, Duration::from_secs(5)), "1 of 1 partition moved");
        assert_eq!(progress(10, 5, Duration::from_secs(5)), "5 of 10 partitions moved, some 5 s more");
    }
}
