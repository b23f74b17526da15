//! `ottla generate`: what a Prometheus and a Grafana beside a cluster are to be told. Plain text on standard output, made of the tables in
//! `alerts.rs` and `dashboard.rs`; only `prometheus` asks the cluster, for who is there and where each broker tells its figures.

mod alerts;
mod dashboard;
mod prometheus;

use crate::args::ConnectArgs;
use crate::failure::Failure;
use crate::output::print_line;
use clap::{Args, Subcommand};

/// Arguments of `ottla generate`.
#[derive(Debug, Args)]
pub struct GenerateCommand {
    #[command(subcommand)]
    kind: Kind,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// What is generated.
#[derive(Debug, Subcommand)]
enum Kind {
    /// A Grafana dashboard of a cluster, to be imported
    #[command(after_help = AFTER_DASHBOARDS)]
    Dashboards(JobArgs),
    /// Prometheus' alerting rules, each with what to do about it
    #[command(after_help = AFTER_ALERTS)]
    Alerts(JobArgs),
    /// The scrape configuration of the cluster's brokers
    #[command(after_help = AFTER_PROMETHEUS)]
    Prometheus(JobArgs),
}

const AFTER_DASHBOARDS: &str = r#"Examples:
  ottla generate dashboards > ottla.json      # Grafana: Dashboards, New, Import

It reads the names that Kafka's brokers have under the JMX exporter, so that most panels show Apache Kafka's brokers, too."#;

const AFTER_ALERTS: &str = r#"Examples:
  ottla generate alerts > ottla-alerts.yml
  promtool check rules ottla-alerts.yml

prometheus.yml names the file:
  rule_files: ["ottla-alerts.yml"]"#;

const AFTER_PROMETHEUS: &str = r#"Examples:
  ottla -b broker-1:9092 generate prometheus > prometheus.yml

A broker that tells its figures on loopback only (the default of metrics.listeners) is named with a comment: it can be scraped
from its own machine, or from elsewhere once it has metrics.listeners=http://:9404."#;

/// Which scrapes are meant.
#[derive(Debug, Clone, Args)]
struct JobArgs {
    /// The name that Prometheus' job of the brokers has
    #[arg(long, value_name = "NAME", default_value = "kafka", value_parser = job_name)]
    job: String,
}

/// Generates.
pub fn run(command: GenerateCommand) -> Result<(), Failure> {
    let text = match command.kind {
        Kind::Dashboards(args) => dashboard::json(&args.job),
        Kind::Alerts(args) => alerts::yaml(&args.job),
        Kind::Prometheus(args) => prometheus::yaml(&args.job, &command.connection)?,
    };
    Ok(print_line(text.trim_end())?)
}

/// A name stands in queries between quotation marks, and nothing has to be escaped there.
fn job_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("a name consists of letters, digits and - _ . / :".to_owned()),
    }
}
