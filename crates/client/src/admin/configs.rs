//! Configs of topics, brokers, groups and client metrics (KIP-226, 714, 848): describe (KIP-133, 569), change (KIP-339).

use super::{Admin, Each, Whom, item};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use wire::Str;
use wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use wire::messages::list_config_resources::ListConfigResourcesRequest;

/// What has configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A topic.
    Topic = 2,
    /// A broker; the empty name is the default of all brokers.
    Broker = 4,
    /// The log levels of a broker.
    BrokerLogger = 8,
    /// A client metrics subscription.
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

impl ResourceKind {
    /// As commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            ResourceKind::Topic => "topic",
            ResourceKind::Broker => "broker",
            ResourceKind::BrokerLogger => "broker-logger",
            ResourceKind::ClientMetrics => "client-metrics",
            ResourceKind::Group => "group",
        }
    }

    fn from_code(code: i8) -> Option<ResourceKind> {
        let all = [
            ResourceKind::Topic,
            ResourceKind::Broker,
            ResourceKind::BrokerLogger,
            ResourceKind::ClientMetrics,
            ResourceKind::Group,
        ];
        all.into_iter().find(|kind| *kind as i8 == code)
    }
}

/// One thing that has configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name; a broker's is its node id.
    pub name: Str,
}

impl ConfigResource {
    /// One thing that has configs.
    pub fn new(kind: ResourceKind, name: impl Into<Str>) -> ConfigResource {
        ConfigResource { kind, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<Str>) -> ConfigResource {
        ConfigResource::new(ResourceKind::Topic, name)
    }
}

impl std::fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.kind.name(), &*self.name)
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on this broker at run time.
    Broker,
    /// Set for all brokers at run time.
    DefaultBroker,
    /// In the broker's file.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// Set on the broker's logger.
    BrokerLogger,
    /// Set on the client metrics subscription.
    ClientMetrics,
    /// Set on the group.
    Group,
    /// The broker did not say, or said something new.
    Unknown,
}

impl ConfigSource {
    fn from_code(code: i8) -> ConfigSource {
        match code {
            1 => ConfigSource::Topic,
            2 => ConfigSource::Broker,
            3 => ConfigSource::DefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::BrokerLogger,
            7 => ConfigSource::ClientMetrics,
            8 => ConfigSource::Group,
            _new => ConfigSource::Unknown,
        }
    }

    /// As Kafka's tools print it.
    pub fn name(self) -> &'static str {
        match self {
            ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::Broker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
            ConfigSource::Unknown => "UNKNOWN",
        }
    }

    /// True where somebody set it while the cluster ran.
    pub fn is_dynamic(self) -> bool {
        match self {
            ConfigSource::Topic
            | ConfigSource::Broker
            | ConfigSource::DefaultBroker
            | ConfigSource::BrokerLogger
            | ConfigSource::ClientMetrics
            | ConfigSource::Group => true,
            ConfigSource::StaticBroker | ConfigSource::Default | ConfigSource::Unknown => false,
        }
    }
}

/// One config as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its key.
    pub name: Str,
    /// Its value; `None` where it has none or it is secret.
    pub value: Option<Str>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// It can be changed only in the broker's file.
    pub read_only: bool,
    /// Its value is never told.
    pub sensitive: bool,
    /// Where else it is set, the one in effect first.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for, in the broker's words.
    pub documentation: Option<Str>,
}

/// A value that would be in effect, were it not for those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key it has there.
    pub name: Str,
    /// Its value; `None` where it has none or it is secret.
    pub value: Option<Str>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// One change of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Give it this value.
    Set(Str),
    /// Take its own value away.
    Unset,
    /// Add to a list.
    Append(Str),
    /// Take from a list.
    Subtract(Str),
}

impl Admin {
    /// Every config of these resources, with `documentation` also what each is for. Cancel-safe.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        documentation: bool,
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>> {
        let mut each = Each::new();
        for (node, resources) in by_broker(resources.iter().map(|one| (one.clone(), ()))) {
            let wanted = resources.iter().map(|(resource, ())| DescribeConfigsResource {
                resource_type: resource.kind as i8,
                resource_name: resource.name.clone(),
                configuration_keys: None,
            });
            let request = DescribeConfigsRequest {
                resources: wanted.collect(),
                include_synonyms: true,
                include_documentation: documentation,
            };
            let read = |answer: wire::messages::describe_configs::DescribeConfigsResponse| {
                let mut each = Each::new();
                for result in answer.results {
                    let Some(kind) = ResourceKind::from_code(result.resource_type) else { continue };
                    let resource = ConfigResource::new(kind, result.resource_name.detached());
                    let doing = || format!("describe the configs of {resource}");
                    let checked = Error::check(result.error_code, result.error_message.as_deref(), doing);
                    each.insert(resource, checked.map(|()| result.configs.into_iter().map(entry).collect()));
                }
                Ok(each)
            };
            let whom = node.map_or(Whom::Anybody, Whom::Node);
            each.extend(self.ask(whom, &request, "describe configs", read).await?);
        }
        Ok(each)
    }

    /// The names of all client metrics subscriptions. Cancel-safe.
    pub async fn list_client_metrics(&self) -> Result<Vec<Str>> {
        let request = ListConfigResourcesRequest { resource_types: vec![ResourceKind::ClientMetrics as i8] };
        self.ask(Whom::Anybody, &request, "list client metrics", |answer| {
            Error::check(answer.error_code, None, || "list client metrics".to_owned())?;
            Ok(answer.config_resources.iter().map(|resource| resource.resource_name.detached()).collect())
        })
        .await
    }

    /// Changes single configs and leaves the others as they are; `validate_only` only checks whether it would work. An item's error is
    /// `INVALID_CONFIG`, `UNKNOWN_TOPIC_OR_PARTITION` and the like. Cancel-safe: a dropped call may still change them.
    pub async fn alter_configs(
        &self,
        changes: &BTreeMap<ConfigResource, BTreeMap<Str, ConfigChange>>,
        validate_only: bool,
    ) -> Result<Each<ConfigResource, ()>> {
        let mut each = Each::new();
        for (node, changes) in
            by_broker(changes.iter().map(|(resource, changes)| (resource.clone(), changes)))
        {
            let resources = changes.iter().map(|(resource, changes)| AlterConfigsResource {
                resource_type: resource.kind as i8,
                resource_name: resource.name.clone(),
                configs: changes.iter().map(|(name, change)| alterable(name, change)).collect(),
            });
            let request = IncrementalAlterConfigsRequest { resources: resources.collect(), validate_only };
            let read =
                |answer: wire::messages::incremental_alter_configs::IncrementalAlterConfigsResponse| {
                    let mut each = Each::new();
                    for result in answer.responses {
                        let Some(kind) = ResourceKind::from_code(result.resource_type) else { continue };
                        let resource = ConfigResource::new(kind, result.resource_name.detached());
                        let doing = || format!("change the configs of {resource}");
                        let checked = Error::check(result.error_code, result.error_message.as_deref(), doing);
                        match checked.as_ref().err().and_then(Error::code) {
                            Some(wire::ErrorCode::UnknownTopicOrPartition) => {
                                drop(each.insert(resource, checked))
                            }
                            Some(_) | None => item(&mut each, resource, checked)?,
                        }
                    }
                    Ok(each)
                };
            let whom = node.map_or(Whom::Controller, Whom::Node);
            each.extend(self.ask(whom, &request, "change configs", read).await?);
        }
        Ok(each)
    }
}

/// Groups resources by the broker that must be asked: a broker knows its own configs, any knows the rest.
fn by_broker<T>(
    resources: impl Iterator<Item = (ConfigResource, T)>,
) -> BTreeMap<Option<i32>, Vec<(ConfigResource, T)>> {
    let mut by_broker: BTreeMap<Option<i32>, Vec<(ConfigResource, T)>> = BTreeMap::new();
    for (resource, rest) in resources {
        let node = match resource.kind {
            ResourceKind::Broker | ResourceKind::BrokerLogger => resource.name.parse().ok(),
            ResourceKind::Topic | ResourceKind::ClientMetrics | ResourceKind::Group => None,
        };
        by_broker.entry(node).or_default().push((resource, rest));
    }
    by_broker
}

fn entry(config: DescribeConfigsResourceResult) -> ConfigEntry {
    ConfigEntry {
        name: config.name.detached(),
        value: config.value.map(|value| value.detached()),
        source: ConfigSource::from_code(config.config_source),
        read_only: config.read_only,
        sensitive: config.is_sensitive,
        synonyms: config
            .synonyms
            .into_iter()
            .map(|synonym| ConfigSynonym {
                name: synonym.name.detached(),
                value: synonym.value.map(|value| value.detached()),
                source: ConfigSource::from_code(synonym.source),
            })
            .collect(),
        documentation: super::non_empty(&config.documentation),
    }
}

fn alterable(name: &Str, change: &ConfigChange) -> AlterableConfig {
    let (config_operation, value) = match change {
        ConfigChange::Set(value) => (0, Some(value.clone())),
        ConfigChange::Unset => (1, None),
        ConfigChange::Append(value) => (2, Some(value.clone())),
        ConfigChange::Subtract(value) => (3, Some(value.clone())),
    };
    AlterableConfig { name: name.clone(), config_operation, value }
}
