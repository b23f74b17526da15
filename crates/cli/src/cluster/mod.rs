//! `ottla cluster`: who there is, what they speak, their disks, the metadata quorum; and a cluster of its own on this machine (`up.rs`).

mod nodes;
mod up;

use crate::args::{ConnectArgs, OutputArgs, OutputFormat};
use crate::connect::{ask, look};
use crate::failure::Failure;
use crate::output::{Table, print_json, print_line};
use crate::quorum;
use crate::refusal::{all_ok, finish};
use clap::{Args, Subcommand};
use client::Admin;
use serde_json::json;

/// Arguments of `ottla cluster`.
#[derive(Debug, Args)]
pub struct ClusterCommand {
    #[command(subcommand)]
    verb: ClusterVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla cluster`.
#[derive(Debug, Subcommand)]
enum ClusterVerb {
    /// Show the cluster's id, controller and brokers
    #[command(after_help = AFTER_INFO)]
    Info(OutputArgs),
    /// Show every broker's log directories
    #[command(after_help = AFTER_LOG_DIRS)]
    LogDirs(OutputArgs),
    /// Show the API versions that every broker speaks
    #[command(after_help = AFTER_API_VERSIONS)]
    ApiVersions(OutputArgs),
    /// Show the metadata quorum, as `ottla quorum status` does
    #[command(after_help = quorum::AFTER_STATUS)]
    Quorum(OutputArgs),
    /// Start a cluster on this machine, to try things out
    Up(up::UpArgs),
}

const AFTER_INFO: &str = r#"JSON: an object
  {"cluster_id":"xxEjj6d7QEib9BS8fEllJg","controller_id":1,"topics":2,"partitions":53,
   "brokers":[{"id":1,"host":"127.0.0.1","port":9092,"rack":null,"fenced":false}]}"#;

const AFTER_LOG_DIRS: &str = r#"JSON: an array of
  {"broker":1,"directory":"/var/lib/ottla","replicas":53,"bytes":1048576,"total_bytes":270553174016,
   "usable_bytes":82291576832,"error":null}"#;

const AFTER_API_VERSIONS: &str = r#"JSON: an array of
  {"broker":1,"key":0,"api":"Produce","min":0,"max":13,"our_max":13}"#;

/// Runs one verb.
pub fn run(command: ClusterCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        ClusterVerb::Info(args) => ask(connection, async |admin| info(admin, args.output).await),
        ClusterVerb::LogDirs(args) => ask(connection, async |admin| log_dirs(admin, args.output).await),
        ClusterVerb::ApiVersions(args) => {
            ask(connection, async |admin| api_versions(admin, args.output).await)
        }
        ClusterVerb::Quorum(args) => look(connection, async |admin| quorum::status(admin, args.output).await),
        ClusterVerb::Up(args) => up::run(args),
    }
}

async fn info(admin: &Admin, format: OutputFormat) -> Result<(), Failure> {
    let cluster = admin.describe_cluster(true).await?;
    let topics = admin.list_topics().await?;
    let partitions: i32 = topics.values().map(|topic| topic.partition_count()).sum();
    let mut brokers = Table::new(&[
        ("BROKER", "id"),
        ("HOST", "host"),
        ("PORT", "port"),
        ("RACK", "rack"),
        ("FENCED", "fenced"),
    ])
    .quiet(&["rack", "fenced"]);
    for node in &cluster.nodes {
        let rack = node.rack.as_deref();
        brokers.row(vec![
            json!(node.id),
            json!(node.host.as_str()),
            json!(node.port),
            json!(rack),
            json!(node.fenced),
        ]);
    }
    if format == OutputFormat::Json {
        return Ok(print_json(&json!({
            "cluster_id": cluster.cluster_id.as_str(),
            "controller_id": cluster.controller_id,
            "topics": topics.len(),
            "partitions": partitions,
            "brokers": brokers.to_json(),
        }))?);
    }
    print_line(&format!("Cluster id:  {}", cluster.cluster_id))?;
    let controller = cluster.controller_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    print_line(&format!("Controller:  {controller}"))?;
    print_line(&format!("Topics:      {} with {partitions} partitions", topics.len()))?;
    Ok(brokers.print(format)?)
}

async fn log_dirs(admin: &Admin, format: OutputFormat) -> Result<(), Failure> {
    let (brokers, failure) = all_ok(admin.describe_log_dirs().await?);
    let mut table = Table::new(&[
        ("BROKER", "broker"),
        ("DIRECTORY", "directory"),
        ("REPLICAS", "replicas"),
        ("BYTES", "bytes"),
        ("TOTAL", "total_bytes"),
        ("USABLE", "usable_bytes"),
        ("ERROR", "error"),
    ])
    .quiet(&["error"]);
    for (broker, dirs) in brokers {
        for dir in dirs {
            let known = |bytes: i64| if bytes < 0 { json!(null) } else { json!(bytes) };
            table.row(vec![
                json!(broker),
                json!(dir.path.as_str()),
                json!(dir.replicas.len()),
                json!(dir.replicas.iter().map(|replica| replica.size_bytes).sum::<i64>()),
                known(dir.total_bytes),
                known(dir.usable_bytes),
                json!(dir.error.map(|code| code.name())),
            ]);
        }
    }
    table.print(format)?;
    finish(failure)
}

async fn api_versions(admin: &Admin, format: OutputFormat) -> Result<(), Failure> {
    let (brokers, failure) = all_ok(admin.api_versions().await?);
    let mut table = Table::new(&[
        ("BROKER", "broker"),
        ("KEY", "key"),
        ("API", "api"),
        ("MIN", "min"),
        ("MAX", "max"),
        ("OUR MAX", "our_max"),
    ]);
    for (broker, versions) in brokers {
        for range in versions.apis {
            let ours = range.api.map(|api| *api.versions().end());
            table.row(vec![
                json!(broker),
                json!(range.key),
                json!(range.api.map(|api| api.name())),
                json!(range.min),
                json!(range.max),
                json!(ours),
            ]);
        }
    }
    table.print(format)?;
    finish(failure)
}
