//! `ottla acl`: who may do what. Owns the verbs and the names of Kafka's numbers; a decision is replayed by the broker's own rules.

use crate::args::{ConnectArgs, OutputArgs, OutputFormat};
use crate::connect::ask;
use crate::failure::{Exit, Failure, say};
use crate::output::{Table, print_json, print_line};
use broker::Principal;
use broker::security::explaining::{Because, Question, explain};
use clap::{Args, Subcommand};
use client::admin::{AccessControlEntry, ConfigResource, EntryFilter, ResourceKind};
use client::{Admin, Str};
use serde_json::{Value, json};
use wire::records::metadata::AccessControlEntryRecord;

/// Arguments of `ottla acl`.
#[derive(Debug, Args)]
pub struct AclCommand {
    #[command(subcommand)]
    verb: AclVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla acl`.
#[derive(Debug, Subcommand)]
enum AclVerb {
    /// List ACLs
    #[command(visible_alias = "ls", after_help = AFTER_LIST)]
    List(ListArgs),
    /// Allow or deny somebody something
    #[command(visible_alias = "add", after_help = AFTER_CREATE)]
    Create(CreateArgs),
    /// Delete the ACLs that fit
    #[command(visible_alias = "rm", after_help = AFTER_DELETE)]
    Delete(ListArgs),
    /// Say whether somebody may do something, and which ACL decides
    #[command(after_help = AFTER_EXPLAIN)]
    Explain(ExplainArgs),
}

const AFTER_LIST: &str = r#"Examples:
  ottla acl list --principal User:alice
  ottla acl list --topic orders            # all that speak of it: by name, prefix or *

JSON: an array of
  {"permission":"allow","principal":"User:alice","host":"*","operation":"read","resource":"topic","name":"orders","pattern":"literal"}"#;

const AFTER_CREATE: &str = r#"Examples:
  ottla acl create --allow User:alice --operation read,describe --topic orders
  ottla acl create --allow User:alice --operation read --group 'billing-' --prefixed
  ottla acl create --deny User:mallory --operation all --topic '*' --host 10.0.0.0/8

JSON: an array as ottla acl list has it"#;

const AFTER_DELETE: &str = r#"Examples:
  ottla acl delete --principal User:alice --topic orders

JSON: an array as ottla acl list has it"#;

const AFTER_EXPLAIN: &str = r#"Examples:
  ottla acl explain --principal User:alice --operation write --topic orders --host 10.1.2.3

Ends with 0 if it is allowed and with 4 if not. super.users and allow.everyone.if.no.acl.found are asked of a node; Apache Kafka does not tell them.

JSON: an object
  {"allowed":false,"because":"entry","entry":{"permission":"deny",...}}"#;

/// What an ACL speaks of.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ResourceArgs {
    /// A topic, or * for all
    #[arg(long, value_name = "NAME")]
    topic: Option<Str>,
    /// A group, or * for all
    #[arg(long, value_name = "GROUP")]
    group: Option<Str>,
    /// The cluster
    #[arg(long)]
    cluster: bool,
    /// A transactional id, or * for all
    #[arg(long, value_name = "ID")]
    transactional_id: Option<Str>,
}

impl ResourceArgs {
    /// Kafka's number of the type, and the name.
    fn resource(&self) -> Option<(i8, Str)> {
        let named = [(2, &self.topic), (3, &self.group), (5, &self.transactional_id)];
        let found = named.into_iter().find_map(|(kind, name)| Some((kind, name.clone()?)));
        found.or_else(|| self.cluster.then(|| (4, Str::from("kafka-cluster"))))
    }

    fn needed(&self) -> Result<(i8, Str), Failure> {
        let none = || Failure::usage("of what?", "name --topic, --group, --transactional-id or --cluster");
        self.resource().ok_or_else(none)
    }
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Only those of this principal
    #[arg(long, value_name = "User:NAME")]
    principal: Option<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Who may
    #[arg(long, value_name = "User:NAME", required_unless_present = "deny", conflicts_with = "deny", value_parser = principal)]
    allow: Option<Str>,
    /// Who may not
    #[arg(long, value_name = "User:NAME", value_parser = principal)]
    deny: Option<Str>,
    /// What: read, write, create, delete, alter, describe, cluster-action, describe-configs, alter-configs, idempotent-write or all
    #[arg(long, required = true, value_delimiter = ',', value_name = "OPERATION,..", value_parser = operation)]
    operation: Vec<i8>,
    /// From where: an address, or a range such as 10.0.0.0/8
    #[arg(long, default_value = "*", value_name = "HOST")]
    host: Str,
    /// Of every resource whose name begins so
    #[arg(long)]
    prefixed: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Who
    #[arg(long, value_name = "User:NAME", value_parser = principal)]
    principal: Str,
    /// What
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    operation: i8,
    /// From where
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Kafka's operations by their numbers.
const OPERATIONS: &[(i8, &str)] = &[
    (2, "all"),
    (3, "read"),
    (4, "write"),
    (5, "create"),
    (6, "delete"),
    (7, "alter"),
    (8, "describe"),
    (9, "cluster-action"),
    (10, "describe-configs"),
    (11, "alter-configs"),
    (12, "idempotent-write"),
    (13, "create-tokens"),
    (14, "describe-tokens"),
    (15, "two-phase-commit"),
];
const RESOURCES: &[(i8, &str)] = &[
    (2, "topic"),
    (3, "group"),
    (4, "cluster"),
    (5, "transactional-id"),
    (6, "delegation-token"),
    (7, "user"),
];
const PATTERNS: &[(i8, &str)] = &[(LITERAL, "literal"), (PREFIXED, "prefixed")];
const PERMISSIONS: &[(i8, &str)] = &[(DENY, "deny"), (ALLOW, "allow")];
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

fn named(names: &[(i8, &'static str)], number: i8) -> String {
    let known = names.iter().find(|(one, _)| *one == number);
    known.map_or_else(|| format!("unknown ({number})"), |(_, name)| (*name).to_owned())
}

/// `describe-configs`, `DescribeConfigs`, `DESCRIBE_CONFIGS`.
fn operation(text: &str) -> Result<i8, String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let found = OPERATIONS.iter().find(|(_, name)| plain(name) == plain(text));
    found.map(|(number, _)| *number).ok_or_else(|| {
        let names: Vec<&str> = OPERATIONS.iter().map(|(_, name)| *name).collect();
        format!("one of {}", names.join(", "))
    })
}

fn principal(text: &str) -> Result<Str, String> {
    match Principal::parse(text) {
        Some(_) => Ok(Str::from(text)),
        None => Err("write it as User:NAME".to_owned()),
    }
}

/// Runs one verb.
pub fn run(command: AclCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        AclVerb::List(args) => ask(connection, async |admin| list(args, admin).await),
        AclVerb::Create(args) => ask(connection, async |admin| create(args, admin).await),
        AclVerb::Delete(args) => ask(connection, async |admin| delete(args, admin).await),
        AclVerb::Explain(args) => ask(connection, async |admin| explained(args, admin).await),
    }
}

async fn list(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let resource = args.resource.resource();
    let filter = EntryFilter {
        resource_type: resource.as_ref().map(|(kind, _)| *kind),
        matching: resource.is_some(),
        resource_name: resource.map(|(_, name)| name),
        principal: args.principal,
        ..EntryFilter::default()
    };
    let table = table(&admin.describe_acls(&filter).await?);
    Ok(table.print_or_say(args.output.output, "(no ACLs)")?)
}

async fn create(args: CreateArgs, admin: &Admin) -> Result<(), Failure> {
    let (resource_type, resource_name) = args.resource.needed()?;
    let (permission_type, who) = match (args.allow, args.deny) {
        (Some(who), _) => (ALLOW, who),
        (None, Some(who)) => (DENY, who),
        (None, None) => return Err(Failure::usage("who?", "name --allow or --deny")),
    };
    let entry = |operation: &i8| AccessControlEntry {
        resource_type,
        resource_name: resource_name.clone(),
        pattern_type: if args.prefixed { PREFIXED } else { LITERAL },
        principal: who.clone(),
        host: args.host.clone(),
        operation: *operation,
        permission_type,
    };
    let wanted: Vec<AccessControlEntry> = args.operation.iter().map(entry).collect();
    let mut made = Vec::new();
    let mut failure = None;
    for (entry, outcome) in admin.create_acls(&wanted).await? {
        match outcome {
            Ok(()) => made.push(entry),
            Err(error) => failure = Some(Failure::from(error)),
        }
    }
    table(&made).print_unless_empty(args.output.output)?;
    failure.map_or(Ok(()), Err)
}

async fn delete(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let resource = args.resource.resource();
    if resource.is_none() && args.principal.is_none() {
        return Err(Failure::usage("which ACLs?", "name a resource, a --principal, or both"));
    }
    let filter = EntryFilter {
        resource_type: resource.as_ref().map(|(kind, _)| *kind),
        resource_name: resource.map(|(_, name)| name),
        principal: args.principal,
        ..EntryFilter::default()
    };
    let gone = admin.delete_acls(&filter).await?;
    if gone.is_empty() {
        say("(no ACL fits: nothing was deleted)");
    }
    Ok(table(&gone).print_unless_empty(args.output.output)?)
}

async fn explained(args: ExplainArgs, admin: &Admin) -> Result<(), Failure> {
    let (resource_type, resource_name) = args.resource.needed()?;
    let filter = EntryFilter {
        resource_type: Some(resource_type),
        resource_name: Some(resource_name.clone()),
        matching: true,
        ..EntryFilter::default()
    };
    let entries = admin.describe_acls(&filter).await?;
    let record = |entry: &AccessControlEntry| AccessControlEntryRecord {
        resource_type: entry.resource_type,
        resource_name: entry.resource_name.clone(),
        pattern_type: entry.pattern_type,
        principal: entry.principal.clone(),
        host: entry.host.clone(),
        operation: entry.operation,
        permission_type: entry.permission_type,
        ..AccessControlEntryRecord::default()
    };
    let records: Vec<AccessControlEntryRecord> = entries.iter().map(record).collect();
    let none = || Failure::usage("nothing to explain", "no ACL can speak of this operation");
    let rules = Rules::of_a_node(admin).await;
    let question = Question {
        principal: Principal::parse(&args.principal).ok_or_else(none)?,
        host: args.host,
        operation: args.operation,
        resource_type,
        resource_name: resource_name.to_string(),
        super_users: rules.super_users.clone().unwrap_or_default(),
        everyone_without_entries: rules.everyone.unwrap_or(false),
    };
    let (allowed, because) = explain(&records, &question).ok_or_else(none)?;
    let entry = match because {
        Because::Entry(at) => entries.get(at),
        Because::SuperUser | Because::NothingAllows | Because::NothingSaid => None,
    };
    let (why, short) = match &because {
        Because::Entry(_) => (entry.map_or_else(String::new, sentence), "entry"),
        Because::SuperUser => (format!("super.users names {}", args.principal), "super user"),
        Because::NothingSaid => (
            "no ACL speaks of it, and allow.everyone.if.no.acl.found=true".to_owned(),
            "no entry speaks of it",
        ),
        Because::NothingAllows if entries.is_empty() => {
            (format!("no ACL speaks of it{}", rules.reservation(true)), "nothing allows it")
        }
        Because::NothingAllows => {
            (format!("no ACL allows it{}", rules.reservation(false)), "nothing allows it")
        }
    };
    match args.output.output {
        OutputFormat::Json => print_json(&json!({
            "allowed": allowed,
            "because": short,
            "entry": entry.map(object),
        }))?,
        OutputFormat::Table => print_line(&format!("{}: {why}", if allowed { "allowed" } else { "denied" }))?,
    }
    match allowed {
        true => Ok(()),
        false => Err(Failure::new("denied", why).exit(Exit::Denied)),
    }
}

/// What the file of a node says to its authorizer; `None`: it does not tell (Apache Kafka hides these keys, and not everybody may ask).
#[derive(Default)]
struct Rules {
    super_users: Option<String>,
    everyone: Option<bool>,
}

impl Rules {
    /// Of the first broker: all have the same, or their answers depend on whom one asks.
    async fn of_a_node(admin: &Admin) -> Rules {
        let asked = async || {
            let cluster = admin.describe_cluster(false).await.ok()?;
            let id = cluster.nodes.first()?.id.to_string();
            let broker = ConfigResource::new(ResourceKind::Broker, id.as_str());
            admin.describe_configs(std::slice::from_ref(&broker), false).await.ok()?.remove(&broker)?.ok()
        };
        let entries = asked().await.unwrap_or_default();
        // What is not set is not told, and is false or nobody.
        let value = |name: &str| match entries.iter().find(|entry| entry.name == name) {
            Some(entry) if entry.sensitive => None,
            Some(entry) => Some(entry.value.as_deref().unwrap_or_default().to_owned()),
            None => (!entries.is_empty()).then(String::new),
        };
        Rules {
            super_users: value("super.users"),
            everyone: value("allow.everyone.if.no.acl.found")
                .map(|text| text.trim().eq_ignore_ascii_case("true")),
        }
    }

    /// What may make it otherwise: what the node has not told.
    fn reservation(&self, unspoken_of: bool) -> &'static str {
        match (&self.super_users, self.everyone) {
            (Some(_), Some(_)) => "",
            (_, None) if unspoken_of => {
                " (allowed all the same by allow.everyone.if.no.acl.found=true or super.users, which the node does not tell)"
            }
            (None, _) => " (allowed all the same to super.users, whom the node does not tell)",
            (Some(_), None) => "",
        }
    }
}

fn sentence(entry: &AccessControlEntry) -> String {
    let AccessControlEntry { resource_name, principal, host, .. } = entry;
    let beginning = if entry.pattern_type == PREFIXED { "..." } else { "" };
    format!(
        "{} {principal} {} {} {resource_name}{beginning} from {host}",
        named(PERMISSIONS, entry.permission_type),
        named(OPERATIONS, entry.operation),
        named(RESOURCES, entry.resource_type),
    )
}

fn values(entry: &AccessControlEntry) -> Vec<Value> {
    vec![
        json!(named(PERMISSIONS, entry.permission_type)),
        json!(entry.principal.as_str()),
        json!(entry.host.as_str()),
        json!(named(OPERATIONS, entry.operation)),
        json!(named(RESOURCES, entry.resource_type)),
        json!(entry.resource_name.as_str()),
        json!(named(PATTERNS, entry.pattern_type)),
    ]
}

const COLUMNS: &[(&str, &str)] = &[
    ("PERMISSION", "permission"),
    ("PRINCIPAL", "principal"),
    ("HOST", "host"),
    ("OPERATION", "operation"),
    ("RESOURCE", "resource"),
    ("NAME", "name"),
    ("PATTERN", "pattern"),
];

fn object(entry: &AccessControlEntry) -> Value {
    COLUMNS.iter().zip(values(entry)).map(|((_, key), value)| ((*key).to_owned(), value)).collect()
}

fn table(entries: &[AccessControlEntry]) -> Table {
    let mut table = Table::new(COLUMNS);
    entries.iter().for_each(|entry| table.row(values(entry)));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_in_every_spelling() {
        for text in ["describe-configs", "DescribeConfigs", "DESCRIBE_CONFIGS"] {
            assert_eq!(operation(text), Ok(10), "{text}");
        }
        assert!(operation("everything").is_err() && principal("alice").is_err());
    }
}
