//! Registered brokers and controllers: epochs, endpoints, features, fencing, log directories (KIP-631, 841, 858, 919, 1066).

use super::CowMap;
use super::contradiction::{Contradiction, contradiction};
use crate::features::VersionRange;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::records::metadata::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord, UnregisterBrokerRecord,
    UnregisterControllerRecord,
};
use wire::{Str, Uuid};

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, e.g. `PLAINTEXT`.
    pub name: Str,
    /// As advertised.
    pub host: Str,
    /// As advertised.
    pub port: u16,
    /// Kafka's id of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// A registered broker.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerRegistration {
    /// `node.id`.
    pub id: i32,
    /// Grows with every incarnation: the offset at which it registered.
    pub epoch: i64,
    /// Drawn anew at each start of the process.
    pub incarnation_id: Uuid,
    /// One for each listener.
    pub endpoints: Vec<Endpoint>,
    /// The levels that it supports, by feature.
    pub features: BTreeMap<Str, VersionRange>,
    /// `broker.rack`.
    pub rack: Option<Str>,
    /// Fenced brokers lead nothing and are hidden from clients.
    pub fenced: bool,
    /// It has asked to leave (KIP-841).
    pub in_controlled_shutdown: bool,
    /// Left over from the days of ZooKeeper; kept because records say it.
    pub is_migrating_zk_broker: bool,
    /// Online log directories, sorted. Empty for brokers older than KIP-858.
    pub directories: Vec<Uuid>,
    /// Log directories that take no new replicas (KIP-1066); `None` until the broker has said.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

impl BrokerRegistration {
    /// The endpoint of a listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// May lead and receive replicas: neither fenced nor leaving.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// A replica in this directory can be served. Directories not yet assigned count as online.
    pub fn has_online_directory(&self, directory: Uuid) -> bool {
        if directory == Uuid::UNASSIGNED_DIRECTORY || directory == Uuid::MIGRATING_DIRECTORY {
            return true;
        }
        directory != Uuid::LOST_DIRECTORY
            && (self.directories.is_empty() || self.directories.contains(&directory))
    }

    /// At least one directory takes new replicas.
    pub fn has_uncordoned_directory(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !self.directories.is_empty() => {
                self.directories.iter().any(|d| !cordoned.contains(d))
            }
            Some(_) | None => true,
        }
    }
}

/// A registered controller.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerRegistration {
    /// `node.id`.
    pub id: i32,
    /// Drawn anew at each start of the process.
    pub incarnation_id: Uuid,
    /// Left over from the days of ZooKeeper; kept because records say it.
    pub zk_migration_ready: bool,
    /// One for each controller listener.
    pub endpoints: Vec<Endpoint>,
    /// The levels that it supports, by feature.
    pub features: BTreeMap<Str, VersionRange>,
}

/// All registered nodes, by their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterImage {
    pub(super) brokers: CowMap<i32, Arc<BrokerRegistration>>,
    pub(super) controllers: CowMap<i32, Arc<ControllerRegistration>>,
}

impl ClusterImage {
    /// The registration of a broker.
    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// All brokers by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }

    /// The registration of a controller.
    pub fn controller(&self, id: i32) -> Option<&Arc<ControllerRegistration>> {
        self.controllers.get(&id)
    }

    /// All controllers by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerRegistration>> {
        self.controllers.values()
    }

    /// Registered, unfenced and not leaving.
    pub fn is_active(&self, broker: i32) -> bool {
        self.brokers.get(&broker).is_some_and(|registration| registration.is_active())
    }

    /// The broker that has a log directory of this id.
    pub fn broker_of_directory(&self, directory: Uuid) -> Option<i32> {
        self.brokers().find(|broker| broker.directories.contains(&directory)).map(|broker| broker.id)
    }

    pub(super) fn register_broker(&mut self, record: &RegisterBrokerRecord) -> Result<(), Contradiction> {
        let mut directories = record.log_dirs.clone();
        directories.sort_unstable();
        let endpoint = |e: &wire::records::metadata::BrokerEndpoint| Endpoint {
            name: e.name.detached(),
            host: e.host.detached(),
            port: e.port,
            security_protocol: e.security_protocol,
        };
        let feature = |f: &wire::records::metadata::BrokerFeature| {
            (f.name.detached(), VersionRange { min: f.min_supported_version, max: f.max_supported_version })
        };
        let registration = BrokerRegistration {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.as_ref().map(Str::detached),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            directories,
            cordoned_directories: record.cordoned_log_dirs.clone(),
        };
        self.brokers.insert(record.broker_id, Arc::new(registration));
        Ok(())
    }

    pub(super) fn unregister_broker(&mut self, record: &UnregisterBrokerRecord) -> Result<(), Contradiction> {
        self.known_broker(record.broker_id, record.broker_epoch)?;
        self.brokers.remove(&record.broker_id);
        Ok(())
    }

    pub(super) fn set_fenced(&mut self, id: i32, epoch: i64, fenced: bool) -> Result<(), Contradiction> {
        Arc::make_mut(self.known_broker(id, epoch)?).fenced = fenced;
        Ok(())
    }

    pub(super) fn change_broker(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), Contradiction> {
        let fenced = match record.fenced {
            0 => None,
            1 => Some(true),
            -1 => Some(false),
            other => {
                return contradiction(format!(
                    "unknown fencing change {other} of broker {}",
                    record.broker_id
                ));
            }
        };
        let in_controlled_shutdown = match record.in_controlled_shutdown {
            0 => None,
            1 => Some(true),
            other => {
                return contradiction(format!(
                    "unknown controlled shutdown change {other} of broker {}",
                    record.broker_id
                ));
            }
        };
        let broker = Arc::make_mut(self.known_broker(record.broker_id, record.broker_epoch)?);
        broker.fenced = fenced.unwrap_or(broker.fenced);
        broker.in_controlled_shutdown = in_controlled_shutdown.unwrap_or(broker.in_controlled_shutdown);
        if !record.log_dirs.is_empty() {
            broker.directories = record.log_dirs.clone();
            broker.directories.sort_unstable();
        }
        if record.cordoned_log_dirs.is_some() {
            broker.cordoned_directories = record.cordoned_log_dirs.clone();
        }
        Ok(())
    }

    pub(super) fn register_controller(
        &mut self,
        record: &RegisterControllerRecord,
    ) -> Result<(), Contradiction> {
        let endpoint = |e: &wire::records::metadata::ControllerEndpoint| Endpoint {
            name: e.name.detached(),
            host: e.host.detached(),
            port: e.port,
            security_protocol: e.security_protocol,
        };
        let feature = |f: &wire::records::metadata::ControllerFeature| {
            (f.name.detached(), VersionRange { min: f.min_supported_version, max: f.max_supported_version })
        };
        let registration = ControllerRegistration {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
        };
        self.controllers.insert(record.controller_id, Arc::new(registration));
        Ok(())
    }

    pub(super) fn unregister_controller(
        &mut self,
        record: &UnregisterControllerRecord,
    ) -> Result<(), Contradiction> {
        if self.controllers.remove(&record.controller_id).is_none() {
            return contradiction(format!("controller {} is not registered", record.controller_id));
        }
        Ok(())
    }

    fn known_broker(&mut self, id: i32, epoch: i64) -> Result<&mut Arc<BrokerRegistration>, Contradiction> {
        match self.brokers.get_mut(&id) {
            Some(broker) if broker.epoch == epoch => Ok(broker),
            Some(broker) => {
                contradiction(format!("broker {id} is registered with epoch {}, not {epoch}", broker.epoch))
            }
            None => contradiction(format!("broker {id} is not registered")),
        }
    }
}
