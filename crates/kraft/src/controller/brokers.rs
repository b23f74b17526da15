//! Brokers and controllers come, are heard, fall silent, leave (KIP-631, 841, 919): registration, heartbeats, fencing and
//! controlled shutdown. What that does to partitions is `leadership`'s business.

use super::decide::Context;
use super::leadership;
use super::soft::Soft;
use crate::features::{Feature, METADATA_VERSION};
use crate::image::{BrokerRegistration, VersionedRecord};
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use wire::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use wire::messages::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};
use wire::records::metadata::{
    BrokerEndpoint, BrokerFeature, BrokerRegistrationChangeRecord, ControllerEndpoint, ControllerFeature,
    MetadataRecord, RegisterBrokerRecord, RegisterControllerRecord, UnregisterBrokerRecord,
    UnregisterControllerRecord,
};
use wire::{ErrorCode, Str};

/// In a BrokerRegistrationChangeRecord.
const FENCE: i8 = 1;
const UNFENCE: i8 = -1;

/// The broker must be registered, with this epoch.
pub(super) fn check_epoch(context: &Context<'_>, broker: i32, epoch: i64) -> Result<(), ErrorCode> {
    match context.image.cluster.broker(broker) {
        None => Err(ErrorCode::BrokerIdNotRegistered),
        Some(registration) if registration.epoch != epoch => Err(ErrorCode::StaleBrokerEpoch),
        Some(_) => Ok(()),
    }
}

pub(super) fn register(
    context: &Context<'_>,
    soft: &mut Soft,
    request: &BrokerRegistrationRequest,
    out: &mut Vec<VersionedRecord>,
) -> BrokerRegistrationResponse {
    let broker = request.broker_id;
    let existing = context.image.cluster.broker(broker);
    let same = existing.filter(|known| known.incarnation_id == request.incarnation_id);
    if let Err(error) = check_registration(context, soft, request) {
        return BrokerRegistrationResponse {
            error_code: error.code(),
            ..BrokerRegistrationResponse::default()
        };
    }
    // A repeated registration of the same process keeps its epoch and stays unfenced.
    let broker_epoch = same.map_or(context.next_offset, |known| known.epoch);
    let fenced = same.is_none_or(|known| known.fenced);
    let record = RegisterBrokerRecord {
        broker_id: broker,
        is_migrating_zk_broker: false,
        incarnation_id: request.incarnation_id,
        broker_epoch,
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
        features: request
            .features
            .iter()
            .map(|feature| BrokerFeature {
                name: feature.name.clone(),
                min_supported_version: feature.min_supported_version,
                max_supported_version: feature.max_supported_version,
            })
            .collect(),
        rack: request.rack.clone(),
        fenced,
        in_controlled_shutdown: false,
        log_dirs: request.log_dirs.clone(),
        ..RegisterBrokerRecord::default()
    };
    let version = context.metadata_version().register_broker_record_version();
    out.push(VersionedRecord { record: MetadataRecord::RegisterBroker(record), version });
    if existing.is_some() && same.is_none() {
        leadership::broker_left(context, broker, out);
    }
    if fenced {
        soft.last_contact_ms.remove(&broker);
    } else {
        soft.last_contact_ms.insert(broker, context.now_ms);
    }
    BrokerRegistrationResponse { broker_epoch, ..BrokerRegistrationResponse::default() }
}

fn check_registration(
    context: &Context<'_>,
    soft: &Soft,
    request: &BrokerRegistrationRequest,
) -> Result<(), ErrorCode> {
    if request.cluster_id != context.options.cluster_id {
        return Err(ErrorCode::InconsistentClusterId);
    }
    if let Some(known) = context.image.cluster.broker(request.broker_id) {
        let contact = soft.last_contact_ms.get(&request.broker_id);
        let heard = contact.is_some_and(|at| context.now_ms - at < context.options.session_timeout_ms);
        // DIVERGES: a node that is broker and controller in one process cannot have a twin that still holds its directories,
        // so its own restart need not wait until the session of its former life has ended.
        let own = request.broker_id == context.options.node_id;
        if known.incarnation_id != request.incarnation_id && !known.fenced && heard && !own {
            return Err(ErrorCode::DuplicateBrokerRegistration);
        }
    }
    for (name, level) in context.image.features.iter() {
        let range = request.features.iter().find(|feature| feature.name == *name);
        let supported = match range {
            Some(range) => range.min_supported_version <= level && level <= range.max_supported_version,
            None => name != METADATA_VERSION && Feature::named(name).is_none(),
        };
        if !supported {
            return Err(ErrorCode::UnsupportedVersion);
        }
    }
    Ok(())
}

pub(super) fn heartbeat(
    context: &Context<'_>,
    soft: &mut Soft,
    request: &BrokerHeartbeatRequest,
    out: &mut Vec<VersionedRecord>,
) -> BrokerHeartbeatResponse {
    let broker = request.broker_id;
    if let Err(error) = check_epoch(context, broker, request.broker_epoch) {
        return BrokerHeartbeatResponse { error_code: error.code(), ..BrokerHeartbeatResponse::default() };
    }
    let Some(known) = context.image.cluster.broker(broker) else { return BrokerHeartbeatResponse::default() };
    let is_caught_up = request.current_metadata_offset >= known.epoch;
    let mut answer = BrokerHeartbeatResponse {
        is_caught_up,
        is_fenced: known.fenced,
        should_shut_down: false,
        ..BrokerHeartbeatResponse::default()
    };
    if request.want_shut_down {
        answer.should_shut_down = shut_down(context, known, out);
    } else if known.fenced && !request.want_fence && is_caught_up {
        change(context, known, out, |record| record.fenced = UNFENCE);
        leadership::broker_returned(context, broker, out);
        answer.is_fenced = false;
    } else if !known.fenced && request.want_fence {
        fence(context, soft, known, out);
        answer.is_fenced = true;
    }
    if answer.is_fenced {
        soft.last_contact_ms.remove(&broker);
    } else {
        soft.last_contact_ms.insert(broker, context.now_ms);
    }
    answer
}

/// Takes everything from a broker that wants to leave; true once it leads nothing any more.
fn shut_down(context: &Context<'_>, known: &BrokerRegistration, out: &mut Vec<VersionedRecord>) -> bool {
    if known.fenced {
        return true;
    }
    if !known.in_controlled_shutdown {
        change(context, known, out, |record| record.in_controlled_shutdown = 1);
        leadership::broker_left(context, known.id, out);
        return !leadership::leads_any(context, known.id);
    }
    !leadership::leads_any(context, known.id)
}

fn fence(context: &Context<'_>, soft: &mut Soft, known: &BrokerRegistration, out: &mut Vec<VersionedRecord>) {
    change(context, known, out, |record| record.fenced = FENCE);
    leadership::broker_left(context, known.id, out);
    soft.last_contact_ms.remove(&known.id);
}

fn change(
    context: &Context<'_>,
    known: &BrokerRegistration,
    out: &mut Vec<VersionedRecord>,
    set: impl FnOnce(&mut BrokerRegistrationChangeRecord),
) {
    let mut record = BrokerRegistrationChangeRecord {
        broker_id: known.id,
        broker_epoch: known.epoch,
        ..BrokerRegistrationChangeRecord::default()
    };
    set(&mut record);
    let version = context.metadata_version().register_broker_record_version() - 1;
    out.push(VersionedRecord { record: MetadataRecord::BrokerRegistrationChange(record), version });
}

/// Fences every broker that was silent for a session.
pub(super) fn fence_silent(context: &Context<'_>, soft: &mut Soft, out: &mut Vec<VersionedRecord>) {
    let oldest = context.now_ms - context.options.session_timeout_ms;
    let silent: Vec<i32> =
        soft.last_contact_ms.iter().filter(|(_, contact)| **contact <= oldest).map(|(id, _)| *id).collect();
    for id in silent {
        match context.image.cluster.broker(id) {
            Some(known) if !known.fenced => fence(context, soft, known, out),
            Some(_) | None => {
                soft.last_contact_ms.remove(&id);
            }
        }
    }
}

pub(super) fn unregister(
    context: &Context<'_>,
    soft: &mut Soft,
    request: &UnregisterBrokerRequest,
    out: &mut Vec<VersionedRecord>,
) -> UnregisterBrokerResponse {
    let Some(known) = context.image.cluster.broker(request.broker_id) else {
        let error = ErrorCode::BrokerIdNotRegistered;
        return UnregisterBrokerResponse {
            error_code: error.code(),
            error_message: Some(Str::from(format!(
                "Broker ID {} is not currently registered",
                request.broker_id
            ))),
            ..UnregisterBrokerResponse::default()
        };
    };
    leadership::broker_left(context, known.id, out);
    let record = UnregisterBrokerRecord { broker_id: known.id, broker_epoch: known.epoch };
    out.push(VersionedRecord::v0(MetadataRecord::UnregisterBroker(record)));
    soft.last_contact_ms.remove(&known.id);
    UnregisterBrokerResponse::default()
}

pub(super) fn register_controller(
    context: &Context<'_>,
    request: &ControllerRegistrationRequest,
    out: &mut Vec<VersionedRecord>,
) -> ControllerRegistrationResponse {
    if !context.metadata_version().has_controller_registration() {
        return ControllerRegistrationResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ControllerRegistrationResponse::default()
        };
    }
    out.push(VersionedRecord::v0(MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: request.zk_migration_ready,
        end_points: request
            .listeners
            .iter()
            .map(|listener| ControllerEndpoint {
                name: listener.name.clone(),
                host: listener.host.clone(),
                port: listener.port,
                security_protocol: listener.security_protocol,
            })
            .collect(),
        features: request
            .features
            .iter()
            .map(|feature| ControllerFeature {
                name: feature.name.clone(),
                min_supported_version: feature.min_supported_version,
                max_supported_version: feature.max_supported_version,
            })
            .collect(),
    })));
    ControllerRegistrationResponse::default()
}

pub(super) fn unregister_controller(
    context: &Context<'_>,
    request: &UnregisterControllerRequest,
    out: &mut Vec<VersionedRecord>,
) -> UnregisterControllerResponse {
    let known = context.image.cluster.controller(request.controller_id).is_some();
    if !known || !context.metadata_version().has_controller_unregistration() {
        let error = if known { ErrorCode::UnsupportedVersion } else { ErrorCode::InvalidRequest };
        return UnregisterControllerResponse {
            error_code: error.code(),
            error_message: Some(Str::from(error.message())),
            ..UnregisterControllerResponse::default()
        };
    }
    let record = UnregisterControllerRecord { controller_id: request.controller_id };
    out.push(VersionedRecord::v0(MetadataRecord::UnregisterController(record)));
    UnregisterControllerResponse::default()
}
