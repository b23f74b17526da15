//! `kafka-configs`: configs of topics, brokers, loggers, groups and client metrics; quotas of users, clients and addresses; SCRAM
//! credentials. Whose they are is `entities.rs`'s business.

use super::entities::{Entity, argument, deleted, entities, pairs, quota_entity, quota_filters};
use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, Fault, ask, never_with};
use super::words::print_line;
use crate::failure::say;
use client::admin::{
    ConfigChange, ConfigEntry, ConfigResource, CredentialChange, QuotaChange, QuotaEntity, ResourceKind,
};
use client::{Admin, Str};
use std::collections::BTreeMap;
use wire::sasl::scram::Mechanism;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-configs",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt("bootstrap-controller", Takes::Text, "controllers to ask instead of brokers"),
    opt("describe", Takes::Nothing, "show configs"),
    opt("alter", Takes::Nothing, "change configs"),
    opt("all", Takes::Nothing, "show defaults, too"),
    opt(
        "entity-type",
        Takes::Text,
        "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups",
    ),
    opt("entity-name", Takes::Text, "the name of the one before"),
    opt("entity-default", Takes::Nothing, "the default of the one before"),
    opt("add-config", Takes::Text, "KEY=VALUE,KEY=[VALUE,VALUE],..."),
    opt("add-config-file", Takes::Text, "a file of KEY=VALUE lines"),
    opt("delete-config", Takes::Text, "KEY,KEY,..."),
    opt("topic", Takes::Text, "the topic of this name"),
    opt("client", Takes::Text, "the client of this id"),
    opt("client-defaults", Takes::Nothing, "the default of all clients"),
    opt("user", Takes::Text, "the user of this name"),
    opt("user-defaults", Takes::Nothing, "the default of all users"),
    opt("broker", Takes::Text, "the broker of this id"),
    opt("broker-defaults", Takes::Nothing, "the default of all brokers"),
    opt("broker-logger", Takes::Text, "the loggers of the broker of this id"),
    opt("ip", Takes::Text, "the address"),
    opt("ip-defaults", Takes::Nothing, "the default of all addresses"),
    opt("group", Takes::Text, "the group of this id"),
    opt("client-metrics", Takes::Text, "the client metrics subscription of this name"),
    opt("force", Takes::Nothing, "does nothing"),
];

/// Quotas of users and clients.
const QUOTAS: &[&str] =
    &["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const SCRAM: &[&str] = &["SCRAM-SHA-256", "SCRAM-SHA-512"];
/// The quota of an address.
const CONNECTIONS: &str = "connection_creation_rate";

fn run(read: &Read) -> Result<(), End> {
    match checked(read).and_then(|entities| ask(read, async |admin| act(read, admin, &entities).await)) {
        Err(End::Failed(fault)) if fault.class.starts_with("java.lang") || fault.class == INVALID_HERE => {
            say(fault.message);
            Err(End::Exit(1))
        }
        Err(End::Failed(fault)) => {
            let words: Vec<String> = std::env::args().skip_while(|word| !word.starts_with('-')).collect();
            say(format_args!("Error while executing config command with args '{}'", words.join(" ")));
            say(format_args!("Caused by: {}", fault.shown()));
            Err(End::Exit(1))
        }
        ended => ended,
    }
}

/// The class of what this script refuses by itself.
const INVALID_HERE: &str = "InvalidConfigurationException";

fn invalid(what: &str, keys: &[&str]) -> End {
    let message = format!("Invalid {what}(s): {}", keys.join(","));
    End::Failed(Fault { class: INVALID_HERE.to_owned(), message })
}

fn checked(read: &Read) -> Result<Vec<Entity>, End> {
    if ["alter", "describe"].iter().filter(|action| read.has(action)).count() != 1 {
        let told = "Command must include exactly one action: --describe, --alter";
        return Err(End::Usage(told.to_owned()));
    }
    never_with(read, "describe", &["alter", "add-config", "delete-config"])?;
    let found = entities(read)?;
    match (read.has("bootstrap-server"), read.has("bootstrap-controller")) {
        (true, false) => {}
        (false, false) => {
            return Err(argument(
                "One of the required --bootstrap-server or --bootstrap-controller arguments must be specified",
            ));
        }
        (true, true) => {
            return Err(argument(
                "Only one of --bootstrap-server or --bootstrap-controller can be specified",
            ));
        }
        (false, true) => {
            say(
                "--bootstrap-controller is not understood by Ottla's kafka-configs: name a broker with --bootstrap-server, or use Kafka's own",
            );
            return Err(End::Exit(1));
        }
    }
    let first = &found[0];
    let kinds = found.iter().map(|entity| entity.kind.as_str()).collect::<Vec<_>>().join(",");
    let has_defaults = ["users", "clients", "brokers", "ips"].contains(&first.kind.as_str());
    if read.has("describe") {
        if read.has("entity-default") && !has_defaults {
            return Err(argument(format!(
                "--entity-default must not be specified with --describe of {kinds}"
            )));
        }
        if first.kind == "broker-loggers" && first.name.is_none() {
            return Err(argument(format!("An entity name must be specified with --describe of {kinds}")));
        }
        return Ok(found);
    }
    if has_defaults {
        if found.iter().all(|entity| entity.name.is_none()) {
            return Err(argument(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ));
        }
    } else if first.name.as_deref().is_none_or(str::is_empty) {
        return Err(argument(format!("An entity name must be specified with --alter of {kinds}")));
    }
    if read.has("add-config") && read.has("add-config-file") {
        return Err(argument("Only one of --add-config or --add-config-file must be specified"));
    }
    if !["add-config", "add-config-file", "delete-config"].iter().any(|option| read.has(option)) {
        return Err(argument(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        ));
    }
    Ok(found)
}

async fn act(read: &Read, admin: &Admin, entities: &[Entity]) -> Result<(), End> {
    if read.has("alter") {
        return alter(read, admin, entities).await;
    }
    match entities[0].resource() {
        Some(_) => describe(read, admin, &entities[0]).await,
        None => describe_quotas(admin, entities).await,
    }
}

/// Every resource of the type, or the one that was named.
async fn resources(admin: &Admin, entity: &Entity, kind: ResourceKind) -> Result<Vec<ConfigResource>, End> {
    if entity.name.is_some() {
        return Ok(entity.resource().into_iter().collect());
    }
    let names: Vec<Str> = match kind {
        ResourceKind::Topic => admin.list_topics().await?.into_keys().collect(),
        ResourceKind::Broker | ResourceKind::BrokerLogger => {
            let nodes = admin.describe_cluster(false).await?.nodes;
            let ids = nodes.iter().map(|node| Str::from(node.id.to_string()));
            // All brokers have their default beside them.
            ids.chain(std::iter::once(Str::new())).collect()
        }
        ResourceKind::Group => {
            let groups = admin.list_groups(&[], &[]).await?;
            groups.into_iter().map(|group| group.group_id).collect()
        }
        ResourceKind::ClientMetrics => admin.list_client_metrics().await?,
    };
    Ok(names.into_iter().map(|name| ConfigResource::new(kind, name)).collect())
}

async fn describe(read: &Read, admin: &Admin, entity: &Entity) -> Result<(), End> {
    let Some(kind) = entity.resource().map(|resource| resource.kind) else { return Ok(()) };
    for resource in resources(admin, entity, kind).await? {
        let name = &resource.name;
        let exists = kind != ResourceKind::Topic || admin.list_topics().await?.contains_key(name);
        if !exists {
            return Ok(print_line(&format!(
                "The topic '{name}' doesn't exist and doesn't have dynamic config."
            ))?);
        }
        let all = read.has("all") || kind == ResourceKind::BrokerLogger;
        let title = if all { "All configs" } else { "Dynamic configs" };
        match name.is_empty() {
            true => print_line(&format!("Default configs for {} in the cluster are:", entity.kind))?,
            false => print_line(&format!("{title} for {} {name} are:", entity.singular()))?,
        }
        let asked = std::slice::from_ref(&resource);
        let entries = admin.describe_configs(asked, false).await?.remove(&resource).transpose()?;
        let mut entries = entries.unwrap_or_default();
        entries.retain(|entry| all || is_its_own(entry, &resource));
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        for entry in &entries {
            print_line(&line(entry))?;
        }
    }
    Ok(())
}

/// Set on this very resource while the cluster ran.
fn is_its_own(entry: &ConfigEntry, resource: &ConfigResource) -> bool {
    use client::admin::ConfigSource;
    let own = match resource.kind {
        ResourceKind::Topic => ConfigSource::Topic,
        ResourceKind::Broker if resource.name.is_empty() => ConfigSource::DefaultBroker,
        ResourceKind::Broker => ConfigSource::Broker,
        ResourceKind::BrokerLogger => ConfigSource::BrokerLogger,
        ResourceKind::ClientMetrics => ConfigSource::ClientMetrics,
        ResourceKind::Group => ConfigSource::Group,
    };
    entry.source == own
}

fn line(entry: &ConfigEntry) -> String {
    let value = |value: &Option<Str>| value.as_deref().unwrap_or("null").to_owned();
    let synonyms = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, value(&synonym.value)));
    let synonyms = synonyms.collect::<Vec<_>>().join(", ");
    format!("  {}={} sensitive={} synonyms={{{synonyms}}}", entry.name, value(&entry.value), entry.sensitive)
}

/// As Java prints a double.
fn double(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let text = format!("{value:E}");
        return match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        };
    }
    format!("{value:?}")
}

async fn describe_quotas(admin: &Admin, entities: &[Entity]) -> Result<(), End> {
    let filters = quota_filters(entities);
    for (entity, quotas) in admin.describe_quotas(&filters, true).await? {
        let parts = ["user", "client-id", "ip"].iter().filter_map(|kind| {
            let name = entity.get(*kind)?;
            let shown = if *kind == "user" { "user-principal" } else { kind };
            Some(match name {
                Some(name) => format!("{shown} '{name}'"),
                None => format!("the default {shown}"),
            })
        });
        let parts = parts.collect::<Vec<_>>().join(", ");
        let values = quotas.iter().map(|(key, value)| format!("{key}={}", double(*value)));
        let values = values.collect::<Vec<_>>().join(", ");
        print_line(&format!("Quota configs for {parts} are {values}"))?;
    }
    let [user] = entities else { return Ok(()) };
    // Only users without another type have credentials, and never the default of them.
    if user.kind != "users" || user.name.as_deref() == Some("") {
        return Ok(());
    }
    let named: Vec<Str> = user.name.iter().map(|name| Str::from(name.as_str())).collect();
    for (name, credentials) in admin.describe_credentials(&named).await? {
        // A user without credentials is no failure here.
        let Ok(credentials) = credentials else { continue };
        let each = credentials.iter().map(|one| format!("{}=iterations={}", one.mechanism, one.iterations));
        let each = each.collect::<Vec<_>>().join(", ");
        print_line(&format!("SCRAM credential configs for user-principal '{name}' are {each}"))?;
    }
    Ok(())
}

async fn alter(read: &Read, admin: &Admin, entities: &[Entity]) -> Result<(), End> {
    let (added, gone) = (pairs(read)?, deleted(read));
    let first = &entities[0];
    match first.resource() {
        Some(resource) => alter_resource(admin, &resource, &added, &gone).await?,
        None => alter_client(admin, entities, &added, &gone).await?,
    }
    let name = first.name.as_deref().unwrap_or_default();
    let whose = match name.is_empty() {
        true => format!("default config for {} in the cluster", first.kind),
        false => format!("config for {} {name}", first.singular()),
    };
    Ok(print_line(&format!("Completed updating {whose}."))?)
}

async fn alter_resource(
    admin: &Admin,
    resource: &ConfigResource,
    added: &BTreeMap<String, String>,
    gone: &[String],
) -> Result<(), End> {
    let asked = std::slice::from_ref(resource);
    let known = || async { admin.describe_configs(asked, false).await?.remove(resource).transpose() };
    if resource.kind == ResourceKind::BrokerLogger {
        let loggers = known().await?.unwrap_or_default();
        let strange = gone.iter().chain(added.keys()).map(String::as_str);
        let strange: Vec<&str> =
            strange.filter(|key| !loggers.iter().any(|logger| &*logger.name == *key)).collect();
        if !strange.is_empty() {
            return Err(invalid("broker logger", &strange));
        }
    }
    let set =
        added.iter().map(|(key, value)| (key.as_str().into(), ConfigChange::Set(value.as_str().into())));
    let unset = gone.iter().map(|key| (key.as_str().into(), ConfigChange::Unset));
    let changes = BTreeMap::from([(resource.clone(), set.chain(unset).collect())]);
    for (_, changed) in admin.alter_configs(&changes, false).await? {
        changed?;
    }
    Ok(())
}

/// Quotas and credentials.
async fn alter_client(
    admin: &Admin,
    entities: &[Entity],
    added: &BTreeMap<String, String>,
    gone: &[String],
) -> Result<(), End> {
    let only_user = entities.len() == 1 && entities[0].kind == "users";
    let is_quota = |key: &&str| match entities[0].kind.as_str() {
        "ips" => *key == CONNECTIONS,
        _ => QUOTAS.contains(key),
    };
    let is_scram = |key: &&str| only_user && SCRAM.contains(key);
    let strange = |keys: &mut dyn Iterator<Item = &String>| {
        let keys = keys.map(String::as_str).filter(|key| !is_quota(key) && !is_scram(key));
        keys.map(str::to_owned).collect::<Vec<_>>().join(", ")
    };
    let (what, kind) = match entities[0].kind.as_str() {
        "ips" => ("connection quota configs", "ips"),
        _ if only_user => ("quota and SCRAM credential configs", "users"),
        _ => ("quota configs", "clients"),
    };
    for (keys, done) in [(strange(&mut added.keys()), "added"), (strange(&mut gone.iter()), "deleted")] {
        if !keys.is_empty() {
            let keys = if kind == "ips" { keys } else { format!("Set({keys})") };
            return Err(argument(format!(
                "Only {what} can be {done} for '{kind}' using --bootstrap-server. Unexpected config names: {keys}"
            )));
        }
    }
    let scram = added.keys().chain(gone).any(|key| SCRAM.contains(&key.as_str()));
    if !scram {
        return alter_quotas(admin, &quota_entity(entities), entities, added, gone).await;
    }
    if added.keys().chain(gone).any(|key| QUOTAS.contains(&key.as_str())) {
        return Err(argument(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        ));
    }
    let user = entities[0].name.as_deref().unwrap_or_default();
    if user.is_empty() {
        return Err(argument(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
        ));
    }
    alter_credentials(admin, user, added, gone).await
}

async fn alter_quotas(
    admin: &Admin,
    entity: &QuotaEntity,
    entities: &[Entity],
    added: &BTreeMap<String, String>,
    gone: &[String],
) -> Result<(), End> {
    let present = admin.describe_quotas(&quota_filters(entities), true).await?;
    let has = |key: &str| present.iter().any(|(of, quotas)| of == entity && quotas.contains_key(key));
    let missing: Vec<&str> = gone.iter().map(String::as_str).filter(|key| !has(key)).collect();
    if !missing.is_empty() {
        return Err(invalid("config", &missing));
    }
    let mut changes: BTreeMap<Str, QuotaChange> = BTreeMap::new();
    for (key, value) in added {
        let number = value.trim().parse::<f64>();
        let number = number
            .map_err(|_| argument(format!("Cannot parse quota configuration value for {key}: {value}")))?;
        changes.insert(key.as_str().into(), QuotaChange::Set(number));
    }
    changes.extend(gone.iter().map(|key| (key.as_str().into(), QuotaChange::Remove)));
    Ok(admin.alter_quotas(entity, &changes, false).await?)
}

async fn alter_credentials(
    admin: &Admin,
    user: &str,
    added: &BTreeMap<String, String>,
    gone: &[String],
) -> Result<(), End> {
    for mechanism in gone {
        let change = CredentialChange::Delete { mechanism: named(mechanism)? };
        admin.change_credential(&user.into(), &change).await?;
    }
    for (mechanism, value) in added {
        let (iterations, password) = credential(value).ok_or_else(|| {
            let mechanism = mechanism.replace('-', "_");
            argument(format!("Invalid credential property {mechanism}={value}"))
        })?;
        if iterations < LEAST_ITERATIONS {
            return Err(argument(format!(
                "Iterations {iterations} is less than the minimum {LEAST_ITERATIONS} required for {mechanism}"
            )));
        }
        let change = crate::user::credential(named(mechanism)?, iterations, password)?;
        admin.change_credential(&user.into(), &change).await?;
    }
    Ok(())
}

fn named(mechanism: &str) -> Result<Mechanism, End> {
    Mechanism::named(mechanism).ok_or_else(|| argument(format!("No such mechanism: {mechanism}")))
}

/// Of both mechanisms, as Kafka has it.
const LEAST_ITERATIONS: i32 = 4096;

/// `iterations=8192,password=secret`, or the password alone.
fn credential(value: &str) -> Option<(i32, &str)> {
    if let Some(password) = value.strip_prefix("password=") {
        return Some((LEAST_ITERATIONS, password));
    }
    let (iterations, password) = value.strip_prefix("iterations=")?.split_once(",password=")?;
    let iterations: i32 = iterations.parse().ok()?;
    Some((if iterations == -1 { LEAST_ITERATIONS } else { iterations }, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_java_prints_them() {
        let cases = [
            (1024.0, "1024.0"),
            (250.5, "250.5"),
            (2e9, "2.0E9"),
            (12_345_678.0, "1.2345678E7"),
            (0.0, "0.0"),
        ];
        for (value, shown) in cases {
            assert_eq!(double(value), shown);
        }
    }

    #[test]
    fn credentials_are_read_as_kafka_reads_them() {
        assert_eq!(credential("password=a,b=c"), Some((4096, "a,b=c")));
        assert_eq!(credential("iterations=8192,password=x"), Some((8192, "x")));
        assert_eq!(credential("iterations=-1,password=x"), Some((4096, "x")));
        assert_eq!(credential("secret"), None);
    }
}
