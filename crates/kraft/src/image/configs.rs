//! Dynamic configurations of all resources: topics, brokers, groups, client metrics (KIP-226, 714, 848). Keys and values as
//! they were set; what they mean and default to is the broker's table.

use super::CowMap;
use super::contradiction::{Contradiction, contradiction};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use wire::Str;
use wire::records::metadata::ConfigRecord;

/// What a configuration belongs to; the numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// A topic, by name.
    Topic = 2,
    /// A broker by id, or all of them.
    Broker = 4,
    /// A broker's loggers; never in the log.
    BrokerLogger = 8,
    /// A subscription of client metrics (KIP-714).
    ClientMetrics = 16,
    /// A group (KIP-848).
    Group = 32,
}

impl ResourceType {
    /// The type of a number in a request or record.
    pub fn from_id(id: i8) -> Option<ResourceType> {
        Some(match id {
            2 => ResourceType::Topic,
            4 => ResourceType::Broker,
            8 => ResourceType::BrokerLogger,
            16 => ResourceType::ClientMetrics,
            32 => ResourceType::Group,
            _ => return None,
        })
    }

    /// The number in requests and records.
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// One configured thing. A broker resource with an empty name is the cluster-wide default.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// What kind of thing.
    pub resource_type: ResourceType,
    /// Which one.
    pub name: Str,
}

impl ConfigResource {
    /// A resource of a type and name.
    pub fn new(resource_type: ResourceType, name: impl Into<Str>) -> Self {
        ConfigResource { resource_type, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<Str>) -> Self {
        Self::new(ResourceType::Topic, name)
    }

    /// A broker or controller.
    pub fn broker(id: i32) -> Self {
        Self::new(ResourceType::Broker, id.to_string())
    }

    /// The default of all brokers.
    pub fn cluster() -> Self {
        Self::new(ResourceType::Broker, "")
    }
}

impl fmt::Debug for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.resource_type, self.name)
    }
}

/// The configured keys of one resource.
pub type ResourceConfigs = BTreeMap<Str, Str>;

static NOTHING_SET: ResourceConfigs = BTreeMap::new();

/// All dynamic configurations; resources without any key are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigsImage {
    pub(super) resources: CowMap<ConfigResource, Arc<ResourceConfigs>>,
}

impl ConfigsImage {
    /// What is set on a resource.
    pub fn of(&self, resource: &ConfigResource) -> &ResourceConfigs {
        self.resources.get(resource).map_or(&NOTHING_SET, |configs| configs)
    }

    /// What is set on a topic.
    pub fn of_topic(&self, name: &str) -> &ResourceConfigs {
        self.of(&ConfigResource::topic(name))
    }

    /// What is set for all brokers.
    pub fn of_cluster(&self) -> &ResourceConfigs {
        self.of(&ConfigResource::cluster())
    }

    /// All resources that have something set.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &ResourceConfigs)> {
        self.resources.iter().map(|(resource, configs)| (resource, &**configs))
    }

    /// Whether anything of this type has something set.
    pub fn has_any(&self, resource_type: ResourceType) -> bool {
        let mut from = self.resources.iter_from(&ConfigResource::new(resource_type, ""));
        from.next().is_some_and(|(resource, _)| resource.resource_type == resource_type)
    }

    /// The resources whose configuration is not what it was in `older`, in order.
    pub fn changed_since<'a>(&'a self, older: &'a ConfigsImage) -> Vec<&'a ConfigResource> {
        use super::Change::{Added, Changed, Removed};
        let changes = self.resources.changes_since(&older.resources);
        let resource = |change| match change {
            Added(resource, _) | Changed(resource, ..) | Removed(resource, _) => resource,
        };
        changes.into_iter().map(resource).collect()
    }

    pub(super) fn set(&mut self, record: &ConfigRecord) -> Result<(), Contradiction> {
        let Some(resource_type) = ResourceType::from_id(record.resource_type) else {
            return contradiction(format!(
                "a configuration of unknown resource type {}",
                record.resource_type
            ));
        };
        let resource = ConfigResource { resource_type, name: record.resource_name.detached() };
        match &record.value {
            Some(value) => {
                let (key, value) = (record.name.detached(), value.detached());
                match self.resources.get_mut(&resource) {
                    Some(configs) => {
                        Arc::make_mut(configs).insert(key, value);
                    }
                    None => {
                        self.resources.insert(resource, Arc::new(BTreeMap::from([(key, value)])));
                    }
                }
            }
            None => {
                if let Some(configs) = self.resources.get_mut(&resource) {
                    Arc::make_mut(configs).remove(record.name.as_str());
                    if configs.is_empty() {
                        self.resources.remove(&resource);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn remove_topic(&mut self, name: &Str) {
        self.resources.remove(&ConfigResource { resource_type: ResourceType::Topic, name: name.clone() });
    }
}
