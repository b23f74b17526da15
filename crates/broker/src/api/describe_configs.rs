//! DescribeConfigs (KIP-133, KIP-226, KIP-569): every key of a resource, its value, where it comes from and what stands behind it.
//! Owns the shape of the answer; values, layers and docs are the table's.

use kraft::controller::check_topic_name;
use kraft::image::{ConfigResource, MetadataImage, ResourceType};
use wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::config::{
    BROKER_KEYS, BrokerLayers, CLIENT_METRICS_KEYS, ConfigKey, Effective, GROUP_KEYS, Source, Synonym,
    TOPIC_KEYS, UpdateMode, Values, broker_key, group_defaults, listener_key, of_resource, values,
};
use crate::config_requests::resource_of;
use crate::loggers::LogLevel;
use crate::security::authorizer::Operation;
use std::collections::BTreeSet;

type Refusal = (ErrorCode, String);

/// Kafka's code for a value whose type nobody knows.
const UNKNOWN_TYPE: i8 = 0;

pub(super) fn handle(call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let image = call.node.image();
    let (per_broker, cluster_wide) = (
        values(image.configs.of(&ConfigResource::broker(call.node.node_id()))),
        values(image.configs.of_cluster()),
    );
    let layers = BrokerLayers {
        per_broker: &per_broker,
        cluster_wide: &cluster_wide,
        file: &call.node.config().values,
    };
    // Kafka refuses the whole request where one of its types is unknown.
    let unknown = request.resources.iter().any(|asked| ResourceType::from_id(asked.resource_type).is_none());
    let describe = |asked: &DescribeConfigsResource| {
        let entries = match ResourceType::from_id(asked.resource_type).filter(|_| !unknown) {
            None => Err((ErrorCode::InvalidRequest, ErrorCode::InvalidRequest.message().to_owned())),
            Some(kind) => {
                match call.authorize(Operation::DescribeConfigs, resource_of(kind, &asked.resource_name)) {
                    Ok(()) => entries(call, &image, &layers, kind, &asked.resource_name),
                    Err(error) => Err((error, error.message().to_owned())),
                }
            }
        };
        let (error, message, entries) = match entries {
            Ok(entries) => (ErrorCode::None, String::new(), entries),
            Err((error, message)) => (error, message, Vec::new()),
        };
        let wanted = asked.configuration_keys.as_deref().filter(|keys| !keys.is_empty());
        let is_wanted = |entry: &Entry| wanted.is_none_or(|keys| keys.contains(&entry.name));
        DescribeConfigsResult {
            error_code: error.code(),
            error_message: Some(Str::from(message)),
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
            configs: entries.into_iter().filter(is_wanted).map(|entry| entry.shown(&request)).collect(),
        }
    };
    DescribeConfigsResponse {
        results: request.resources.iter().map(describe).collect(),
        ..DescribeConfigsResponse::default()
    }
}

/// What the authorizer reads of the file.
const OF_AUTHORIZER: &[&str] = &["allow.everyone.if.no.acl.found", "super.users"];

/// One key of one resource.
struct Entry {
    name: Str,
    /// `None` for a key that no table knows.
    key: Option<&'static ConfigKey>,
    /// A value that may be shown although no table knows its key.
    open: bool,
    effective: Effective,
    read_only: bool,
}

impl Entry {
    fn shown(self, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
        // What nobody knows might be a password.
        let sensitive = self.key.map_or(!self.open, ConfigKey::is_sensitive);
        let synonym = |synonym: Synonym| DescribeConfigsSynonym {
            name: Str::from(&*synonym.name),
            value: (!sensitive).then(|| Str::from(synonym.value)),
            source: synonym.source as i8,
        };
        let synonyms = self.effective.synonyms.into_iter().filter(|_| request.include_synonyms);
        DescribeConfigsResourceResult {
            name: self.name,
            value: self.effective.value.filter(|_| !sensitive).map(Str::from),
            read_only: self.read_only,
            config_source: self.effective.source as i8,
            is_sensitive: sensitive,
            synonyms: synonyms.map(synonym).collect(),
            config_type: self.key.map_or(UNKNOWN_TYPE, |key| key.value_type as i8),
            documentation: self
                .key
                .filter(|_| request.include_documentation)
                .map(|key| Str::from_static(key.doc)),
        }
    }
}

fn entries(
    call: &Call,
    image: &MetadataImage,
    layers: &BrokerLayers<'_>,
    kind: ResourceType,
    name: &Str,
) -> Result<Vec<Entry>, Refusal> {
    let node_id = call.node.node_id();
    let own = || values(image.configs.of(&ConfigResource::new(kind, name.clone())));
    let invalid = |what: String| Err((ErrorCode::InvalidRequest, what));
    match kind {
        ResourceType::Topic => {
            check_topic_name(name).map_err(|why| (why.error, why.message.unwrap_or_default()))?;
            match image.topics.by_name(name) {
                Some(_) => Ok(topic_entries(&own(), layers)),
                None => Err((ErrorCode::UnknownTopicOrPartition, String::new())),
            }
        }
        ResourceType::Broker if name.is_empty() => Ok(cluster_entries(layers)),
        ResourceType::BrokerLogger if name.is_empty() => invalid("Broker id must not be empty".to_owned()),
        ResourceType::Broker | ResourceType::BrokerLogger => {
            let Ok(id) = name.parse::<i32>() else {
                return invalid(format!("Broker id must be an integer, but it is: {name}"));
            };
            let of_broker = kind == ResourceType::Broker;
            if id != node_id {
                let or = if of_broker { " or empty string," } else { "" };
                return invalid(format!("Unexpected broker id, expected {node_id}{or} but received {name}"));
            }
            Ok(if of_broker { broker_entries(layers) } else { logger_entries(call) })
        }
        ResourceType::Group if name.is_empty() => invalid("Group name must not be empty".to_owned()),
        ResourceType::Group => {
            Ok(resource_entries(GROUP_KEYS, &own(), Source::Group, |key| group_defaults(key, layers)))
        }
        ResourceType::ClientMetrics if name.is_empty() => {
            invalid("Client metrics subscription name must not be empty".to_owned())
        }
        ResourceType::ClientMetrics => {
            Ok(resource_entries(CLIENT_METRICS_KEYS, &own(), Source::ClientMetrics, |_| Vec::new()))
        }
    }
}

/// Levels of loggers have no type, no synonyms and no default.
fn logger_entries(call: &Call) -> Vec<Entry> {
    let entry = |(name, level): (&'static str, LogLevel)| Entry {
        name: Str::from_static(name),
        key: None,
        open: true,
        effective: Effective {
            value: Some(level.name().to_owned()),
            source: Source::BrokerLogger,
            synonyms: Vec::new(),
        },
        read_only: false,
    };
    call.node.loggers().levels().into_iter().map(entry).collect()
}

fn topic_entries(overrides: &Values, layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let shown = TOPIC_KEYS.iter().filter(|key| !key.internal || overrides.contains_key(key.name));
    shown.map(|key| known(key, layers.topic(key, overrides), false)).collect()
}

fn broker_entries(layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let set = [layers.per_broker, layers.cluster_wide, layers.file];
    let is_set = |name: &str| set.iter().any(|values| values.contains_key(name));
    let in_table = BROKER_KEYS
        .iter()
        .filter(|key| (!key.internal && !key.dynamic_only && !key.ours) || is_set(key.name));
    let mut entries: Vec<Entry> =
        in_table.map(|key| known(key, layers.broker(key), key.update_mode == UpdateMode::ReadOnly)).collect();
    // Keys of plug-ins and of listeners: whatever was set.
    let others: BTreeSet<&String> =
        set.iter().flat_map(|values| values.keys()).filter(|name| broker_key(name).is_none()).collect();
    entries.extend(others.into_iter().map(|name| other(name, layers)));
    entries
}

/// The cluster-wide default: only what is set, as it was written.
fn cluster_entries(layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let nothing = Values::new();
    let only = BrokerLayers { per_broker: &nothing, ..*layers };
    let entry = |(name, value): (&String, &String)| {
        let mut entry = match broker_key(name) {
            None => other(name, &only),
            Some(key) => known(key, only.broker(key), key.update_mode == UpdateMode::ReadOnly),
        };
        entry.effective.value = Some(value.clone());
        entry.effective.synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
        entry
    };
    layers.cluster_wide.iter().map(entry).collect()
}

fn known(key: &'static ConfigKey, effective: Effective, read_only: bool) -> Entry {
    Entry { name: Str::from_static(key.name), key: Some(key), open: false, effective, read_only }
}

/// A name that is not in the table, though it may stand for a key that is.
fn other(name: &str, layers: &BrokerLayers<'_>) -> Entry {
    let (key, effective) = (listener_key(name).map(|found| found.key), layers.other(name));
    // DIVERGES: Kafka hides what no table of its knows. Who is a super user is no password, and `ottla acl explain` asks for it.
    let open = OF_AUTHORIZER.contains(&name);
    Entry { name: Str::from(name), key, open, effective, read_only: true }
}

fn resource_entries(
    table: &'static [ConfigKey],
    own: &Values,
    source: Source,
    inherited: impl Fn(&'static ConfigKey) -> Vec<Synonym>,
) -> Vec<Entry> {
    let shown = table.iter().filter(|key| !key.internal || own.contains_key(key.name));
    shown.map(|key| known(key, of_resource(key, own, inherited(key), source), false)).collect()
}
