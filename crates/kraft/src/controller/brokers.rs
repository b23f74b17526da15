//! Who belongs to the cluster (KIP-631, 858, 919, 966): registration of brokers and controllers, unregistration, producer id
//! blocks. Heartbeats are in `heartbeats.rs`.

use super::decider::Decider;
use super::leadership::BrokerChange;
use super::refusal::Refusal;
use crate::features::{METADATA_VERSION, VersionRange};
use crate::image::BrokerRegistration;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use wire::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse, Feature};
use wire::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use wire::messages::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};
use wire::records::metadata::{
    BrokerEndpoint, BrokerFeature, ControllerEndpoint, ControllerFeature, ProducerIdsRecord,
    RegisterBrokerRecord, RegisterControllerRecord, UnregisterBrokerRecord, UnregisterControllerRecord,
};
use wire::{ErrorCode, Uuid};

/// Producer ids per block.
const PRODUCER_ID_BLOCK: i64 = 1000;
const _: () = assert!(PRODUCER_ID_BLOCK <= i32::MAX as i64, "an answer counts them in 32 bits");
/// Ids below this number are Kafka's own; a log directory never has one.
const RESERVED_IDS: u128 = 100;
const _: () = {
    assert!(u128::from_be_bytes(Uuid::MIGRATING_DIRECTORY.0) < RESERVED_IDS, "no broker has this directory");
    assert!(u128::from_be_bytes(Uuid::UNASSIGNED_DIRECTORY.0) < RESERVED_IDS, "no broker has this directory");
    assert!(u128::from_be_bytes(Uuid::LOST_DIRECTORY.0) < RESERVED_IDS, "no broker has this directory");
};

impl Decider<'_> {
    pub(super) fn register_broker(
        &mut self,
        request: &BrokerRegistrationRequest,
        api_version: i16,
    ) -> Result<BrokerRegistrationResponse, Refusal> {
        if request.cluster_id != self.options.cluster_id {
            let what = format!(
                "Expected cluster ID {}, but got cluster ID {}",
                self.options.cluster_id, request.cluster_id
            );
            return Err(Refusal::new(ErrorCode::InconsistentClusterId, what));
        }
        let existing = self.image().cluster.broker(request.broker_id).cloned();
        let same_incarnation =
            existing.as_ref().is_some_and(|broker| broker.incarnation_id == request.incarnation_id);
        self.check_duplicate(request, existing.as_ref(), same_incarnation)?;
        if request.is_migrating_zk_broker {
            let what = "Controller does not support registering ZK brokers.";
            return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, what));
        }
        self.check_directories(request)?;
        let features = self.check_features(request)?;
        let mut record = RegisterBrokerRecord {
            broker_id: request.broker_id,
            is_migrating_zk_broker: false,
            incarnation_id: request.incarnation_id,
            end_points: request
                .listeners
                .iter()
                .map(|listener| BrokerEndpoint {
                    name: listener.name.clone(),
                    host: listener.host.clone(),
                    port: listener.port,
                    security_protocol: listener.security_protocol,
                })
                .collect(),
            features,
            rack: request.rack.clone(),
            fenced: true,
            ..Default::default()
        };
        if self.metadata_version.has_directories() {
            record.log_dirs = request.log_dirs.clone();
        }
        match existing {
            Some(broker) if same_incarnation => {
                record.fenced = broker.fenced;
                record.in_controlled_shutdown = broker.in_controlled_shutdown;
                record.broker_epoch = broker.epoch;
            }
            existing => {
                let stored_epoch = existing.map_or(-2, |broker| broker.epoch);
                let clean = api_version >= 3 && stored_epoch == request.previous_broker_epoch;
                self.clean_up_after(request.broker_id, clean);
                record.broker_epoch = self.at.next_offset;
                self.soft.brokers.remove(&request.broker_id);
            }
        }
        self.soft.registered(request.broker_id, record.fenced);
        let broker_epoch = record.broker_epoch;
        self.write(record, self.metadata_version.register_broker_record_version());
        Ok(BrokerRegistrationResponse { broker_epoch, ..Default::default() })
    }

    fn check_duplicate(
        &self,
        request: &BrokerRegistrationRequest,
        existing: Option<&Arc<BrokerRegistration>>,
        same_incarnation: bool,
    ) -> Result<(), Refusal> {
        let Some(broker) = existing.filter(|_| !same_incarnation) else { return Ok(()) };
        let (now_ms, timeout_ms) = (self.at.now_ms, self.options.session_timeout_ms);
        if !self.soft.has_valid_session(request.broker_id, broker.epoch, now_ms, timeout_ms) {
            return Ok(());
        }
        let what = "Another broker is registered with that broker id. If the broker was recently restarted this should \
                    self-resolve once the heartbeat manager expires the broker's session.";
        Err(Refusal::new(ErrorCode::DuplicateBrokerRegistration, what))
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let invalid = |what: String| Err(Refusal::new(ErrorCode::InvalidRegistration, what));
        if !self.metadata_version.has_directories() {
            return Ok(());
        }
        let directories = &request.log_dirs;
        if directories.is_empty() {
            return invalid("No directories specified in request".to_owned());
        }
        if directories.iter().any(|id| u128::from_be_bytes(id.0) < RESERVED_IDS) {
            return invalid("Reserved directory ID in request".to_owned());
        }
        let mut sorted = directories.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != directories.len() {
            return invalid("Duplicate directory ID in request".to_owned());
        }
        for directory in directories {
            match self.image().cluster.broker_of_directory(*directory) {
                Some(other) if other != request.broker_id => {
                    return invalid(format!(
                        "Broker {other} is already registered with directory {directory}"
                    ));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// The broker supports every finalised feature, also those it does not mention.
    fn check_features(&self, request: &BrokerRegistrationRequest) -> Result<Vec<BrokerFeature>, Refusal> {
        let mut finalized: BTreeMap<&str, i16> =
            self.image().features.iter().map(|(name, level)| (name.as_str(), level)).collect();
        finalized.insert(crate::features::KRAFT_VERSION, self.at.kraft_version);
        let check = |name: &str, range: VersionRange| {
            let level = finalized.get(name).copied().unwrap_or(0);
            if range.contains(level) {
                return Ok(());
            }
            let what = format!(
                "Unable to register because the broker does not support finalized version {level} of {name}. The broker wants \
                 a version between {} and {}, inclusive.",
                range.min, range.max
            );
            Err(Refusal::new(ErrorCode::UnsupportedVersion, what))
        };
        let range = |feature: &Feature| VersionRange {
            min: feature.min_supported_version,
            max: feature.max_supported_version,
        };
        for feature in &request.features {
            check(&feature.name, range(feature))?;
        }
        if !request.features.iter().any(|feature| feature.name == METADATA_VERSION) {
            let what = "Request features do not contain 'metadata.version'";
            return Err(Refusal::new(ErrorCode::InvalidRegistration, what));
        }
        for name in
            finalized.keys().filter(|name| !request.features.iter().any(|feature| feature.name == **name))
        {
            check(name, VersionRange { min: 0, max: 0 })?;
        }
        let feature = |feature: &Feature| BrokerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        };
        Ok(request.features.iter().map(feature).collect())
    }

    /// A new incarnation leads nothing and is in no ISR; after an unclean stop it is not even eligible.
    fn clean_up_after(&mut self, broker_id: i32, clean: bool) {
        if self.elr && !clean {
            let change = BrokerChange { unclean_shutdown: Some(broker_id), ..Default::default() };
            self.update_leaders(change, |partition| partition.isr.contains(&broker_id));
            self.update_leaders(change, |partition| partition.elr.contains(&broker_id));
        } else {
            let change = BrokerChange { removed: Some(broker_id), ..Default::default() };
            self.update_leaders(change, |partition| partition.isr.contains(&broker_id));
        }
    }

    pub(super) fn unregister_broker(
        &mut self,
        request: &UnregisterBrokerRequest,
    ) -> Result<UnregisterBrokerResponse, Refusal> {
        let broker_id = request.broker_id;
        let Some(broker) = self.image().cluster.broker(broker_id) else {
            let what = format!("Broker ID {broker_id} is not currently registered");
            return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, what));
        };
        let change = BrokerChange { removed: Some(broker_id), ..Default::default() };
        self.update_leaders(change, |partition| partition.isr.contains(&broker_id));
        self.update_leaders(change, |partition| partition.elr.contains(&broker_id));
        self.write(UnregisterBrokerRecord { broker_id, broker_epoch: broker.epoch }, 0);
        Ok(UnregisterBrokerResponse::default())
    }

    pub(super) fn register_controller(
        &mut self,
        request: &ControllerRegistrationRequest,
    ) -> Result<ControllerRegistrationResponse, Refusal> {
        if !self.metadata_version.has_controller_registration() {
            let what = "The current MetadataVersion is too old to support controller registrations.";
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, what));
        }
        let endpoint = |listener: &wire::messages::controller_registration::Listener| ControllerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        };
        let feature = |feature: &wire::messages::controller_registration::Feature| ControllerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        };
        self.atomic = true;
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: request.listeners.iter().map(endpoint).collect(),
            features: request.features.iter().map(feature).collect(),
        };
        self.write(record, 0);
        Ok(ControllerRegistrationResponse::default())
    }

    pub(super) fn unregister_controller(
        &mut self,
        request: &UnregisterControllerRequest,
    ) -> Result<UnregisterControllerResponse, Refusal> {
        let controller_id = request.controller_id;
        if controller_id == self.options.node_id {
            let what = "Controller cannot unregister itself while it is active.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, what));
        }
        if !self.metadata_version.has_controller_unregistration() {
            let what = "The current MetadataVersion is too old to support controller unregistration.";
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, what));
        }
        if self.image().cluster.controller(controller_id).is_none() {
            let what = format!("Controller ID {controller_id} is not currently registered.");
            return Err(Refusal::new(ErrorCode::ControllerIdNotRegistered, what));
        }
        self.atomic = true;
        self.write(UnregisterControllerRecord { controller_id }, 0);
        Ok(UnregisterControllerResponse::default())
    }

    pub(super) fn allocate_producer_ids(
        &mut self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<AllocateProducerIdsResponse, Refusal> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let first = self.image().next_producer_id.unwrap_or(0);
        let Some(next_producer_id) = first.checked_add(PRODUCER_ID_BLOCK) else {
            return Err(Refusal::silent(ErrorCode::UnknownServerError));
        };
        let (broker_id, broker_epoch) = (request.broker_id, request.broker_epoch);
        self.write(ProducerIdsRecord { broker_id, broker_epoch, next_producer_id }, 0);
        Ok(AllocateProducerIdsResponse {
            producer_id_start: first,
            producer_id_len: PRODUCER_ID_BLOCK as i32,
            ..Default::default()
        })
    }
}
