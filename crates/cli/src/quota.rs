//! `ottla quota`: what clients are held to, by user, client id or address. Owns the arguments; quotas are the controller's (KIP-546).

use crate::args::{ConnectArgs, OutputArgs};
use crate::connect::{ask, look};
use crate::failure::{Exit, Failure, say};
use crate::output::Table;
use clap::{Args, Subcommand};
use client::admin::{QuotaChange, QuotaEntity, QuotaFilter};
use client::{Admin, Str};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Arguments of `ottla quota`.
#[derive(Debug, Args)]
pub struct QuotaCommand {
    #[command(subcommand)]
    verb: QuotaVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla quota`.
#[derive(Debug, Subcommand)]
enum QuotaVerb {
    /// List quotas
    #[command(visible_alias = "ls", after_help = AFTER_LIST)]
    List(ListArgs),
    /// Hold somebody to a quota
    #[command(after_help = AFTER_SET)]
    Set(SetArgs),
    /// Take quotas away
    #[command(visible_alias = "rm", after_help = AFTER_DELETE)]
    Delete(DeleteArgs),
}

const AFTER_LIST: &str = r#"Examples:
  ottla quota list
  ottla quota list --user alice

JSON: an array of, with null for a kind that is not named and "<default>" for all without a quota of their own
  {"user":"alice","client_id":null,"ip":null,"quota":"producer_byte_rate","value":1048576}"#;

const AFTER_SET: &str = r#"Examples:
  ottla quota set --user alice producer_byte_rate=1048576
  ottla quota set --user-default --client-id batch request_percentage=50
  ottla quota set --ip 10.0.0.1 connection_creation_rate=20 --dry-run

Quotas of users and clients: producer_byte_rate, consumer_byte_rate (bytes a second of each broker), request_percentage (of one
thread), controller_mutation_rate (partitions a second). Of addresses: connection_creation_rate (a second)."#;

const AFTER_DELETE: &str = r#"Examples:
  ottla quota delete --user alice producer_byte_rate
  ottla quota delete --client-default           all of them"#;

/// Who is meant.
#[derive(Debug, Args)]
struct WhoArgs {
    /// The user of this name
    #[arg(long, value_name = "NAME", conflicts_with = "user_default")]
    user: Option<Str>,
    /// Users without a quota of their own
    #[arg(long)]
    user_default: bool,
    /// Clients of this id
    #[arg(long, visible_alias = "client", value_name = "ID", conflicts_with = "client_default")]
    client_id: Option<Str>,
    /// Client ids without a quota of their own
    #[arg(long)]
    client_default: bool,
    /// This address
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["ip_default", "user", "user_default", "client_id", "client_default"])]
    ip: Option<Str>,
    /// Addresses without a quota of their own
    #[arg(long, conflicts_with_all = ["user", "user_default", "client_id", "client_default"])]
    ip_default: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Quotas, such as producer_byte_rate=1048576
    #[arg(value_name = "QUOTA=VALUE", required = true, value_parser = quota)]
    quotas: Vec<(Str, f64)>,
    #[command(flatten)]
    who: WhoArgs,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// Quotas, such as producer_byte_rate; all without a name
    #[arg(value_name = "QUOTA")]
    quotas: Vec<Str>,
    #[command(flatten)]
    who: WhoArgs,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

fn quota(text: &str) -> Result<(Str, f64), String> {
    let wrong = || "write a quota and a number, such as producer_byte_rate=1048576".to_owned();
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(wrong)?;
    let value = value.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(wrong)?;
    Ok((key.into(), value))
}

/// Kinds as Kafka calls them, and as our keys are.
const KINDS: &[(&str, &str)] = &[("user", "user"), ("client-id", "client_id"), ("ip", "ip")];

/// What stands for all that have no quota of their own.
const DEFAULT: &str = "<default>";

/// Runs one verb.
pub fn run(command: QuotaCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        QuotaVerb::List(args) => look(connection, async |admin| list(&args, admin).await),
        QuotaVerb::Set(args) => ask(connection, async |admin| set(args, admin).await),
        QuotaVerb::Delete(args) => ask(connection, async |admin| delete(args, admin).await),
    }
}

impl WhoArgs {
    fn entity(&self) -> QuotaEntity {
        let kinds = [
            ("user", &self.user, self.user_default),
            ("client-id", &self.client_id, self.client_default),
            ("ip", &self.ip, self.ip_default),
        ];
        let named = kinds.into_iter().filter(|(_, name, default)| name.is_some() || *default);
        named.map(|(kind, name, _)| (Str::from(kind), name.clone())).collect()
    }

    /// Somebody has to be meant where something is changed.
    fn somebody(&self) -> Result<QuotaEntity, Failure> {
        let entity = self.entity();
        if entity.is_empty() {
            return Err(Failure::usage("nobody is named", "a quota is of a user, a client id or an address")
                .try_this("--user NAME, --client-id ID, --ip ADDRESS, or a default such as --user-default"));
        }
        Ok(entity)
    }
}

/// `user alice, client id batch`.
fn spelled(entity: &QuotaEntity) -> String {
    let part = |(kind, name): (&Str, &Option<Str>)| match name {
        Some(name) => format!("{} {name}", kind.replace('-', " ")),
        None => format!("{} {DEFAULT}", kind.replace('-', " ")),
    };
    entity.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn filters(entity: &QuotaEntity) -> BTreeMap<Str, QuotaFilter> {
    let filter = |name: &Option<Str>| name.clone().map_or(QuotaFilter::Default, QuotaFilter::Named);
    entity.iter().map(|(kind, name)| (kind.clone(), filter(name))).collect()
}

async fn list(args: &ListArgs, admin: &Admin) -> Result<(), Failure> {
    let found = admin.describe_quotas(&filters(&args.who.entity()), false).await?;
    let mut table = Table::new(&[
        ("USER", "user"),
        ("CLIENT ID", "client_id"),
        ("IP", "ip"),
        ("QUOTA", "quota"),
        ("VALUE", "value"),
    ]);
    let mut found: Vec<_> = found;
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (entity, quotas) in &found {
        for (quota, value) in quotas {
            let mut row: Vec<Value> = KINDS
                .iter()
                .map(|(kind, _)| match entity.iter().find(|(found, _)| found.as_str() == *kind) {
                    None => Value::Null,
                    Some((_, None)) => json!(DEFAULT),
                    Some((_, Some(name))) => json!(name.as_str()),
                })
                .collect();
            row.extend([json!(quota.as_str()), number(*value)]);
            table.row(row);
        }
    }
    Ok(table.print_or_say(args.output.output, "(no quotas; ottla quota set makes one)")?)
}

/// Without a fraction where it has none.
fn number(value: f64) -> Value {
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    if whole { json!(value as i64) } else { json!(value) }
}

/// What an entity has now.
async fn present(entity: &QuotaEntity, admin: &Admin) -> Result<BTreeMap<Str, f64>, Failure> {
    let found = admin.describe_quotas(&filters(entity), true).await?;
    Ok(found.into_iter().find(|(one, _)| one == entity).map(|(_, quotas)| quotas).unwrap_or_default())
}

async fn set(args: SetArgs, admin: &Admin) -> Result<(), Failure> {
    let entity = args.who.somebody()?;
    let changes = args.quotas.into_iter().map(|(quota, value)| (quota, QuotaChange::Set(value))).collect();
    change(&entity, &changes, args.dry_run, admin).await
}

async fn delete(args: DeleteArgs, admin: &Admin) -> Result<(), Failure> {
    let entity = args.who.somebody()?;
    let there = present(&entity, admin).await?;
    let wanted = if args.quotas.is_empty() { there.keys().cloned().collect() } else { args.quotas };
    if let Some(missing) = wanted.iter().find(|quota| !there.contains_key(quota.as_str())) {
        return Err(Failure::new(
            format!("{} has no {missing}", spelled(&entity)),
            "nothing is to be taken away",
        )
        .exit(Exit::NotFound)
        .try_this("ottla quota list"));
    }
    if wanted.is_empty() {
        say(format_args!("({} has no quota)", spelled(&entity)));
        return Ok(());
    }
    let changes = wanted.into_iter().map(|quota| (quota, QuotaChange::Remove)).collect();
    change(&entity, &changes, args.dry_run, admin).await
}

/// Says each change, as it was and as it is, and does it.
async fn change(
    entity: &QuotaEntity,
    changes: &BTreeMap<Str, QuotaChange>,
    dry_run: bool,
    admin: &Admin,
) -> Result<(), Failure> {
    let before = present(entity, admin).await?;
    admin.alter_quotas(entity, changes, dry_run).await?;
    let shown = |value: Option<&f64>| value.map_or_else(|| "none".to_owned(), f64::to_string);
    for (quota, change) in changes {
        let after = match change {
            QuotaChange::Set(value) => value.to_string(),
            QuotaChange::Remove => "none".to_owned(),
        };
        say(format_args!("{}: {quota}: {} -> {after}", spelled(entity), shown(before.get(quota.as_str()))));
    }
    if dry_run {
        say("(a dry run: nothing has been changed)");
    }
    Ok(())
}
