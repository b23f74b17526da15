//! DescribeConfigs (KIP-133, KIP-226, KIP-569): every key of a resource, its value, where it comes from and what stands behind it.
//! Owns the shape of the answer; values, layers and docs are the table's.

use kraft::image::{ConfigResource, MetadataImage, ResourceConfigs, ResourceType};
use wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use wire::topic::validate_name;
use wire::{ErrorCode, Str};

use super::Call;
use crate::config::{
    BROKER_KEYS, BrokerLayers, CLIENT_METRICS_KEYS, ConfigKey, Effective, GROUP_KEYS, Source, Synonym,
    TOPIC_KEYS, UpdateMode, Values, broker_key, group_defaults, of_resource, topic_effective,
};

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
    let describe = |resource: &DescribeConfigsResource| {
        let entries = entries(call.node.node_id(), &image, &layers, resource);
        let (error, message, entries) = match entries {
            Ok(entries) => (ErrorCode::None, None, entries),
            Err((error, message)) => (error, Some(Str::from(message)), Vec::new()),
        };
        let asked = resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty());
        let is_asked = |entry: &Entry| asked.is_none_or(|keys| keys.contains(&entry.name));
        DescribeConfigsResult {
            error_code: error.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: entries.into_iter().filter(is_asked).map(|entry| entry.shown(&request)).collect(),
        }
    };
    DescribeConfigsResponse {
        results: request.resources.iter().map(describe).collect(),
        ..DescribeConfigsResponse::default()
    }
}

/// One key of one resource.
struct Entry {
    name: Str,
    /// `None` for a key that the table does not know.
    key: Option<&'static ConfigKey>,
    effective: Effective,
    read_only: bool,
}

impl Entry {
    fn shown(self, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
        // What nobody knows might be a password.
        let sensitive = self.key.is_none_or(ConfigKey::is_sensitive);
        let synonym = |synonym: Synonym| DescribeConfigsSynonym {
            name: Str::from_static(synonym.name),
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

fn values(configs: &ResourceConfigs) -> Values {
    configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn entries(
    node_id: i32,
    image: &MetadataImage,
    layers: &BrokerLayers<'_>,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Entry>, Refusal> {
    let name = &resource.resource_name;
    let kind = ResourceType::from_id(resource.resource_type).ok_or_else(|| {
        (ErrorCode::InvalidRequest, format!("Unsupported resource type: {}", resource.resource_type))
    })?;
    let own = || values(image.configs.of(&ConfigResource::new(kind, name.clone())));
    match kind {
        ResourceType::Topic => {
            if validate_name(name).is_err() {
                let what = ErrorCode::InvalidTopicException.message();
                return Err((ErrorCode::InvalidTopicException, what.to_owned()));
            }
            if image.topics.by_name(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, String::new()));
            }
            Ok(topic_entries(&own(), layers))
        }
        ResourceType::Broker if name.is_empty() => Ok(cluster_entries(layers)),
        ResourceType::Broker if is_id(name, node_id) => Ok(broker_entries(layers)),
        ResourceType::Broker => {
            let what =
                format!("Unexpected broker id, expected {node_id} or empty string, but received {name}");
            Err((ErrorCode::InvalidRequest, what))
        }
        ResourceType::BrokerLogger if is_id(name, node_id) => Ok(Vec::new()),
        ResourceType::BrokerLogger => {
            let what = format!("Unexpected broker id, expected {node_id} but received {name}");
            Err((ErrorCode::InvalidRequest, what))
        }
        ResourceType::Group if name.is_empty() => {
            Err((ErrorCode::InvalidRequest, "Group name must not be empty".to_owned()))
        }
        ResourceType::Group => {
            Ok(resource_entries(GROUP_KEYS, &own(), Source::Group, |name| group_defaults(name, layers)))
        }
        ResourceType::ClientMetrics if name.is_empty() => {
            Err((ErrorCode::InvalidRequest, "Client metrics subscription name must not be empty".to_owned()))
        }
        ResourceType::ClientMetrics => {
            Ok(resource_entries(CLIENT_METRICS_KEYS, &own(), Source::ClientMetrics, |_| Vec::new()))
        }
    }
}

fn is_id(name: &str, node_id: i32) -> bool {
    name.parse() == Ok(node_id)
}

fn topic_entries(overrides: &Values, layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let shown = TOPIC_KEYS.iter().filter(|key| !key.internal || overrides.contains_key(key.name));
    let entry = |key: &'static ConfigKey| {
        let effective = topic_effective(key.name, overrides, layers)?;
        Some(Entry { name: Str::from_static(key.name), key: Some(key), effective, read_only: false })
    };
    shown.filter_map(entry).collect()
}

fn broker_entries(layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let is_set = |name: &str| {
        [layers.per_broker, layers.cluster_wide, layers.file].iter().any(|values| values.contains_key(name))
    };
    let known = BROKER_KEYS
        .iter()
        .filter(|key| (!key.internal && !key.dynamic_only && !key.ours) || is_set(key.name));
    let mut entries: Vec<Entry> = known
        .map(|key| Entry {
            name: Str::from_static(key.name),
            key: Some(key),
            effective: layers.broker(key),
            read_only: key.update_mode == UpdateMode::ReadOnly,
        })
        .collect();
    // Keys of plug-ins and of listeners: whatever was set.
    let sources = [
        (layers.per_broker, Source::DynamicBroker),
        (layers.cluster_wide, Source::DynamicDefaultBroker),
        (layers.file, Source::StaticBroker),
    ];
    for (values, source) in sources {
        for (name, value) in values.iter().filter(|(name, _)| broker_key(name).is_none()) {
            if !entries.iter().any(|entry| *entry.name == **name) {
                entries.push(unknown(name, value, source));
            }
        }
    }
    entries
}

/// The cluster-wide default: only what is set.
fn cluster_entries(layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let entry = |(name, value): (&String, &String)| match broker_key(name) {
        None => unknown(name, value, Source::DynamicDefaultBroker),
        Some(key) => {
            let nothing = Values::new();
            let only = BrokerLayers { per_broker: &nothing, ..*layers };
            let mut effective = only.broker(key);
            effective.synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
            Entry {
                name: Str::from_static(key.name),
                key: Some(key),
                effective,
                read_only: key.update_mode == UpdateMode::ReadOnly,
            }
        }
    };
    layers.cluster_wide.iter().map(entry).collect()
}

fn unknown(name: &str, value: &str, source: Source) -> Entry {
    let effective = Effective { value: Some(value.to_owned()), source, synonyms: Vec::new() };
    Entry { name: Str::from(name), key: None, effective, read_only: source == Source::StaticBroker }
}

fn resource_entries(
    table: &'static [ConfigKey],
    own: &Values,
    source: Source,
    inherited: impl Fn(&str) -> Vec<Synonym>,
) -> Vec<Entry> {
    let shown = table.iter().filter(|key| !key.internal || own.contains_key(key.name));
    let entry = |key: &'static ConfigKey| Entry {
        name: Str::from_static(key.name),
        key: Some(key),
        effective: of_resource(key, own, inherited(key.name), source),
        read_only: false,
    };
    shown.map(entry).collect()
}
