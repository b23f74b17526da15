//! Whose configs `kafka-configs` is about: entity types and names, in the long spelling and in the short one, and the pairs that are
//! to be set.

use super::joptsimple::Read;
use super::terms::{End, Fault, wrong};
use client::admin::{ConfigResource, QuotaEntity, QuotaFilter, ResourceKind};
use std::collections::BTreeMap;

/// One type, and a name: the empty one is the default's, none stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// `topics`, `users`...
    pub kind: String,
    /// Its name.
    pub name: Option<String>,
}

/// The types there are.
pub const TYPES: &[&str] =
    &["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"];

/// Short options that name an entity, and its type.
const SHORT: &[(&str, &str)] = &[
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];

/// Short options for the default of a type.
const SHORT_DEFAULTS: &[(&str, &str)] = &[
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

/// The entities that were named; Kafka's rules about which may stand together.
pub fn entities(read: &Read) -> Result<Vec<Entity>, End> {
    let long: Vec<&str> = read.values("entity-type");
    let mut found = pair_up(read);
    for (option, kind) in SHORT {
        if let Some(name) = read.value(option).map_err(wrong)? {
            found.push(Entity { kind: (*kind).to_owned(), name: Some(name.to_owned()) });
        }
    }
    for (option, kind) in SHORT_DEFAULTS.iter().filter(|(option, _)| read.has(option)) {
        let _the_option_says_it = option;
        found.push(Entity { kind: (*kind).to_owned(), name: Some(String::new()) });
    }
    if let Some(stranger) = found.iter().find(|entity| !TYPES.contains(&entity.kind.as_str())) {
        let types = TYPES.join(", ");
        return Err(argument(format!(
            "Invalid entity type {}, the entity type must be one of {types} with a --bootstrap-server or --bootstrap-controller argument",
            stranger.kind
        )));
    }
    let mut kinds: Vec<&str> = found.iter().map(|entity| entity.kind.as_str()).collect();
    let total = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() != total {
        return Err(argument(format!("Duplicate entity type(s) specified: {}", kinds.join(","))));
    }
    if found.is_empty() {
        return Err(argument("At least one entity type must be specified"));
    }
    if total > 1 && kinds != ["clients", "users"] {
        return Err(argument("Only 'users' and 'clients' entity types may be specified together"));
    }
    let by_long = !long.is_empty() || read.has("entity-name") || read.has("entity-default");
    if by_long && SHORT.iter().chain(SHORT_DEFAULTS).any(|(option, _)| read.has(option)) {
        return Err(argument(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        ));
    }
    for entity in &found {
        let broker = entity.kind == "brokers" || entity.kind == "broker-loggers";
        if let Some(name) = entity.name.as_deref().filter(|name| broker && !name.is_empty()) {
            name.parse::<i32>().map_err(|_| {
                argument(format!(
                    "The entity name for {} must be a valid integer broker id, but it is: {name}",
                    entity.kind
                ))
            })?;
        }
    }
    Ok(found)
}

/// Types in the order in which they were typed, each with the name that stands at its place among the names.
fn pair_up(read: &Read) -> Vec<Entity> {
    let mut names = read.typed().filter_map(|(option, value)| match option {
        "entity-name" => value.map(str::to_owned),
        "entity-default" => Some(String::new()),
        _other => None,
    });
    let pair = |kind: &str| Entity { kind: kind.to_owned(), name: names.next() };
    read.values("entity-type").into_iter().map(pair).collect()
}

/// What is wrong with arguments that fit the options.
pub fn argument(message: impl Into<String>) -> End {
    End::Failed(Fault::argument(message))
}

impl Entity {
    /// What has configs; `None` for users, clients and addresses, which have quotas.
    pub fn resource(&self) -> Option<ConfigResource> {
        let kind = match self.kind.as_str() {
            "topics" => ResourceKind::Topic,
            "brokers" => ResourceKind::Broker,
            "broker-loggers" => ResourceKind::BrokerLogger,
            "client-metrics" => ResourceKind::ClientMetrics,
            "groups" => ResourceKind::Group,
            _users_clients_and_addresses => return None,
        };
        Some(ConfigResource::new(kind, self.name.as_deref().unwrap_or_default()))
    }

    /// What quotas call its type.
    pub fn quota_kind(&self) -> &'static str {
        match self.kind.as_str() {
            "users" => "user",
            "clients" => "client-id",
            _addresses => "ip",
        }
    }

    /// `topic`, `user`...
    pub fn singular(&self) -> &str {
        self.kind.strip_suffix('s').unwrap_or(&self.kind)
    }
}

/// Who is held to a quota.
pub fn quota_entity(entities: &[Entity]) -> QuotaEntity {
    let one = |entity: &Entity| {
        let name = entity.name.as_deref().filter(|name| !name.is_empty());
        (entity.quota_kind().into(), name.map(Into::into))
    };
    entities.iter().map(one).collect()
}

/// Whose quotas are asked for.
pub fn quota_filters(entities: &[Entity]) -> BTreeMap<client::Str, QuotaFilter> {
    let one = |entity: &Entity| {
        let filter = match entity.name.as_deref() {
            None => QuotaFilter::Any,
            Some("") => QuotaFilter::Default,
            Some(name) => QuotaFilter::Named(name.into()),
        };
        (entity.quota_kind().into(), filter)
    };
    entities.iter().map(one).collect()
}

/// `a=1,b=[x,y]`, and the lines of a file: a comma within brackets belongs to the value.
pub fn pairs(read: &Read) -> Result<BTreeMap<String, String>, End> {
    let mut pairs = BTreeMap::new();
    if let Some(file) = read.value("add-config-file").map_err(wrong)? {
        let bytes = std::fs::read(file)?;
        pairs.extend(client::parse_properties(&bytes)?);
    }
    if let Some(text) = read.value("add-config").map_err(wrong)? {
        for part in split(text) {
            let pair = part.split_once('=').filter(|(key, _)| !key.trim().is_empty());
            let (key, value) = pair.ok_or_else(|| {
                argument("requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \"key=[val1,val2]\" to group values which contain commas.")
            })?;
            let value = value.trim();
            let value = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
            pairs.insert(key.trim().to_owned(), value.to_owned());
        }
    }
    Ok(pairs)
}

fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let between = |c: char| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ',' && depth == 0
    };
    text.split(between).filter(|part| !part.trim().is_empty()).collect()
}

/// The keys of `--delete-config`.
pub fn deleted(read: &Read) -> Vec<String> {
    let lists = read.values("delete-config");
    let keys = lists.iter().flat_map(|list| list.split(','));
    keys.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_within_brackets_belong_to_the_value() {
        assert_eq!(split("a=1,b=[x,y],c=2"), ["a=1", "b=[x,y]", "c=2"]);
        assert_eq!(split("a=1,,"), ["a=1"]);
    }
}
