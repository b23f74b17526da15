//! `ottla config`: configs of topics, brokers, groups and client metrics: get, set, unset.

use crate::args::{ConnectArgs, OutputArgs, OutputFormat};
use crate::connect::ask;
use crate::failure::{Exit, Failure, say};
use crate::invocation::quoted;
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::{Args, Subcommand};
use client::admin::{ConfigChange, ConfigEntry, ConfigResource, ResourceKind};
use client::{Admin, Str};
use serde_json::json;
use std::collections::BTreeMap;

/// Arguments of `ottla config`.
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    verb: ConfigVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla config`.
#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Show configs in effect and where they come from
    Get(GetArgs),
    /// Give configs a value
    Set(SetArgs),
    /// Take configs' own values away, so that the defaults count again
    Unset(UnsetArgs),
}

/// Whose configs.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct EntityArgs {
    /// A topic's
    #[arg(short, long, value_name = "TOPIC")]
    topic: Option<Str>,
    /// A broker's, by node id
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
    /// The defaults of all brokers
    #[arg(long)]
    all_brokers: bool,
    /// A group's
    #[arg(short, long, value_name = "GROUP")]
    group: Option<Str>,
    /// A client metrics subscription's
    #[arg(long, value_name = "NAME")]
    client_metrics: Option<Str>,
    /// The log levels of a broker, by node id
    #[arg(long, value_name = "ID")]
    broker_logger: Option<i32>,
}

impl EntityArgs {
    fn resource(self) -> ConfigResource {
        let id = |id: i32| Str::from(id.to_string());
        match self {
            EntityArgs { topic: Some(name), .. } => ConfigResource::topic(name),
            EntityArgs { broker: Some(broker), .. } => ConfigResource::new(ResourceKind::Broker, id(broker)),
            EntityArgs { group: Some(name), .. } => ConfigResource::new(ResourceKind::Group, name),
            EntityArgs { client_metrics: Some(name), .. } => {
                ConfigResource::new(ResourceKind::ClientMetrics, name)
            }
            EntityArgs { broker_logger: Some(broker), .. } => {
                ConfigResource::new(ResourceKind::BrokerLogger, id(broker))
            }
            // clap has seen to it that one of them is given.
            EntityArgs { .. } => ConfigResource::new(ResourceKind::Broker, ""),
        }
    }
}

const AFTER_GET: &str = r#"Examples:
  ottla config get --topic orders
  ottla config get --broker 1 --all
  ottla config get --topic orders retention.ms

JSON: an array of
  {"key":"retention.ms","value":"86400000","source":"DYNAMIC_TOPIC_CONFIG","read_only":false}
with --doc each has "documentation" too"#;

/// Arguments of `ottla config get`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_GET)]
struct GetArgs {
    #[command(flatten)]
    entity: EntityArgs,
    /// Only these keys
    #[arg(value_name = "KEY")]
    keys: Vec<Str>,
    /// Defaults too
    #[arg(short, long)]
    all: bool,
    /// What each key is for
    #[arg(long)]
    doc: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_SET: &str = r#"Examples:
  ottla config set --topic orders retention.ms=86400000
  ottla config set --all-brokers log.retention.ms=86400000 --dry-run

JSON: an array of
  {"key":"retention.ms","before":"604800000","after":"86400000"}"#;

/// Arguments of `ottla config set`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_SET)]
struct SetArgs {
    #[command(flatten)]
    entity: EntityArgs,
    /// New values
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    values: Vec<(Str, Str)>,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_UNSET: &str = r#"Examples:
  ottla config unset --topic orders retention.ms

JSON: an array of
  {"key":"retention.ms","before":"86400000","after":null}"#;

/// Arguments of `ottla config unset`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_UNSET)]
struct UnsetArgs {
    #[command(flatten)]
    entity: EntityArgs,
    /// Keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<Str>,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// `KEY=VALUE`.
pub fn pair(text: &str) -> Result<(Str, Str), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((Str::from(key), Str::from(value))),
        Some(_) | None => Err("write KEY=VALUE".to_owned()),
    }
}

/// Runs one verb.
pub fn run(command: ConfigCommand) -> Result<(), Failure> {
    ask(&command.connection, async |admin| match command.verb {
        ConfigVerb::Get(args) => get(args, admin).await,
        ConfigVerb::Set(args) => {
            let changes = Changes { set: args.values, unset: Vec::new(), dry_run: args.dry_run };
            change(admin, args.entity.resource(), changes, args.output.output).await
        }
        ConfigVerb::Unset(args) => {
            let changes = Changes { set: Vec::new(), unset: args.keys, dry_run: args.dry_run };
            change(admin, args.entity.resource(), changes, args.output.output).await
        }
    })
}

/// After what a dry run prints.
pub fn say_if_dry(dry_run: bool) {
    if dry_run {
        say("(a dry run: nothing has been changed)");
    }
}

async fn get(args: GetArgs, admin: &Admin) -> Result<(), Failure> {
    let resource = args.entity.resource();
    let mut entries = entries_of(admin, &resource, args.doc).await?;
    let known = entries.len();
    if let Some(missing) = args.keys.iter().find(|key| !entries.iter().any(|entry| entry.name == **key)) {
        return Err(Failure::new(format!("no config {missing:?}"), format!("{resource} has no such key"))
            .exit(Exit::NotFound)
            .try_this(format!("ottla config get {} --all, to see every key", flag_of(&resource))));
    }
    entries.retain(|entry| {
        if args.keys.is_empty() {
            args.all || entry.source.is_dynamic()
        } else {
            args.keys.contains(&entry.name)
        }
    });
    let mut columns =
        vec![("KEY", "key"), ("VALUE", "value"), ("SOURCE", "source"), ("READ-ONLY", "read_only")];
    if args.doc {
        columns.push(("DOCUMENTATION", "documentation"));
    }
    let mut table = Table::new(&columns).quiet(&["read_only"]);
    for entry in entries {
        let value = if entry.sensitive { json!("(sensitive)") } else { json!(entry.value.as_deref()) };
        let mut row =
            vec![json!(entry.name.as_str()), value, json!(entry.source.name()), json!(entry.read_only)];
        if args.doc {
            row.push(json!(entry.documentation.as_deref()));
        }
        table.row(row);
    }
    let nothing = match known {
        0 => format!("({resource} has no configs)"),
        count => format!("({resource} has its defaults only; --all shows {count})"),
    };
    Ok(table.print_or_say(args.output.output, &nothing)?)
}

/// How the command line names it.
fn flag_of(resource: &ConfigResource) -> String {
    let name = quoted(&resource.name);
    match resource.kind {
        ResourceKind::Broker if resource.name.is_empty() => "--all-brokers".to_owned(),
        kind => format!("--{} {name}", kind.name()),
    }
}

async fn entries_of(
    admin: &Admin,
    resource: &ConfigResource,
    doc: bool,
) -> Result<Vec<ConfigEntry>, Failure> {
    let mut each = admin.describe_configs(std::slice::from_ref(resource), doc).await?;
    Ok(each.remove(resource).unwrap_or_else(|| Ok(Vec::new()))?)
}

/// Changes of one thing's configs.
#[derive(Debug)]
pub struct Changes {
    /// New values.
    pub set: Vec<(Str, Str)>,
    /// Values to be taken away.
    pub unset: Vec<Str>,
    /// Only check.
    pub dry_run: bool,
}

/// Makes the changes and prints what was before and what is now.
pub async fn change(
    admin: &Admin,
    resource: ConfigResource,
    changes: Changes,
    format: OutputFormat,
) -> Result<(), Failure> {
    let before = entries_of(admin, &resource, false).await?;
    let mut wanted: BTreeMap<Str, ConfigChange> =
        changes.set.iter().map(|(key, value)| (key.clone(), ConfigChange::Set(value.clone()))).collect();
    wanted.extend(changes.unset.iter().map(|key| (key.clone(), ConfigChange::Unset)));
    let all = BTreeMap::from([(resource, wanted.clone())]);
    let (_changed, failure) = all_ok(admin.alter_configs(&all, changes.dry_run).await?);
    finish(failure)?;
    let mut table = Table::new(&[("KEY", "key"), ("BEFORE", "before"), ("AFTER", "after")]);
    for (key, one) in wanted {
        let old = before.iter().find(|entry| entry.name == key).and_then(|entry| entry.value.as_deref());
        let after = match &one {
            ConfigChange::Set(value) => json!(value.as_str()),
            ConfigChange::Unset => json!(null),
            ConfigChange::Append(value) => json!(format!("+{value}")),
            ConfigChange::Subtract(value) => json!(format!("-{value}")),
        };
        table.row(vec![json!(key.as_str()), json!(old), after]);
    }
    table.print(format)?;
    say_if_dry(changes.dry_run);
    Ok(())
}
