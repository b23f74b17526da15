//! AlterClientQuotas (KIP-546, 599, 612): which quota records a change deserves. Who may ask is not asked here.

use super::decider::Decider;
use super::refusal::Refusal;
use crate::image::QuotaEntity;
use core::net::IpAddr;
use std::collections::BTreeMap;
use wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterClientQuotasResponseEntityData,
    AlterClientQuotasResponseEntryData, EntryData,
};
use wire::records::metadata::{ClientQuotaRecord, EntityData};
use wire::{ErrorCode, Str};

/// The types of entities that quotas are for.
const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// What kind of number a quota is.
#[derive(Clone, Copy)]
enum Number {
    Whole { max: f64, name: &'static str },
    Any,
}

/// No f64 lies between the largest i64 and this.
const LONG: Number = Number::Whole { max: i64::MAX as f64, name: "a LONG" };
const INT: Number = Number::Whole { max: i32::MAX as f64, name: "an INT" };

/// The quotas of users and clients.
const OF_CLIENTS: &[(&str, Number)] = &[
    ("producer_byte_rate", LONG),
    ("consumer_byte_rate", LONG),
    ("request_percentage", Number::Any),
    ("controller_mutation_rate", Number::Any),
];
/// The quotas of addresses.
const OF_ADDRESSES: &[(&str, Number)] = &[("connection_creation_rate", INT)];

impl Decider<'_> {
    /// One change for each entity. What an entity is told the second time it is named is that it was named before; the first change
    /// stands, as in Kafka.
    pub(super) fn alter_client_quotas(
        &mut self,
        request: &AlterClientQuotasRequest,
    ) -> AlterClientQuotasResponse {
        self.atomic = true;
        let mut results: Vec<(QuotaEntity, Result<(), Refusal>)> = Vec::with_capacity(request.entries.len());
        let mut places: BTreeMap<QuotaEntity, usize> = BTreeMap::new();
        for asked in &request.entries {
            let entity = entity_of(asked);
            let place = *places.entry(entity.clone()).or_insert(results.len());
            let result = if place < results.len() || names_a_key_twice(asked) {
                let what = format!("Ignoring duplicate entity {}", shown(&entity));
                Err(Refusal::new(ErrorCode::InvalidRequest, what))
            } else {
                self.records_of(&entity, asked).map(|records| {
                    records.into_iter().for_each(|record| self.write(record, 0));
                })
            };
            match results.get_mut(place) {
                Some((_, before)) => *before = result,
                None => results.push((entity, result)),
            }
        }
        if request.validate_only {
            self.records.clear();
        }
        let entries = results.into_iter().map(|(entity, result)| told(&entity, result.err().as_ref()));
        AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() }
    }

    fn records_of(&self, entity: &QuotaEntity, asked: &EntryData) -> Result<Vec<ClientQuotaRecord>, Refusal> {
        let keys = keys_of(entity)?;
        let known = self.image().client_quotas.of(entity);
        let mut records = Vec::with_capacity(asked.ops.len());
        for op in &asked.ops {
            let current = known.and_then(|quotas| quotas.get(op.key.as_str()).copied());
            let is_change = if op.remove {
                current.is_some()
            } else {
                check_value(keys, &op.key, op.value)?;
                current != Some(op.value)
            };
            if is_change {
                let value = if op.remove { 0.0 } else { op.value };
                let (key, remove) = (op.key.clone(), op.remove);
                records.push(ClientQuotaRecord { entity: parts(entity), key, value, remove });
            }
        }
        Ok(records)
    }
}

/// A type that is named twice has the name that it was given last.
fn entity_of(asked: &EntryData) -> QuotaEntity {
    asked.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone())).collect()
}

fn names_a_key_twice(asked: &EntryData) -> bool {
    asked.ops.iter().enumerate().any(|(at, op)| asked.ops.iter().take(at).any(|other| other.key == op.key))
}

/// Which quotas such an entity may have.
fn keys_of(entity: &QuotaEntity) -> Result<&'static [(&'static str, Number)], Refusal> {
    let invalid = |what: String| Err(Refusal::new(ErrorCode::InvalidRequest, what));
    if entity.is_empty() {
        return invalid("Invalid empty client quota entity".to_owned());
    }
    for (entity_type, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&entity_type.as_str()) {
            return invalid(format!("Unhandled client quota entity type: {entity_type}"));
        }
        if name.as_ref().is_some_and(|name| name.is_empty()) {
            return invalid(format!("Empty {entity_type} not supported"));
        }
    }
    let Some(address) = entity.get(IP) else { return Ok(OF_CLIENTS) };
    if entity.len() > 1 {
        let what = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
        return invalid(what.to_owned());
    }
    match address {
        // DIVERGES: Kafka also takes names that it can resolve, and looks them up once: an address that changes is then held to nothing.
        Some(address) if address.parse::<IpAddr>().is_err() => {
            invalid(format!("{address} is not a valid IP or resolvable host."))
        }
        Some(_) | None => Ok(OF_ADDRESSES),
    }
}

fn check_value(keys: &[(&str, Number)], key: &Str, value: f64) -> Result<(), Refusal> {
    let invalid = |what: String| Err(Refusal::new(ErrorCode::InvalidRequest, what));
    let Some((_, number)) = keys.iter().find(|(known, _)| *known == key.as_str()) else {
        return invalid(format!("Invalid configuration key {key}"));
    };
    if !value.is_finite() {
        return invalid(format!("Quota {key} must be a finite number"));
    }
    if value <= 0.0 {
        return invalid(format!("Quota {key} must be greater than 0"));
    }
    match number {
        Number::Whole { max, name } if value > *max => {
            invalid(format!("Proposed value for {key} is too large for {name}."))
        }
        Number::Whole { .. } if (value % 1.0).abs() > 1e-6 => {
            invalid(format!("{key} cannot be a fractional value."))
        }
        Number::Whole { .. } | Number::Any => Ok(()),
    }
}

fn parts(entity: &QuotaEntity) -> Vec<EntityData> {
    let part = |(entity_type, entity_name): (&Str, &Option<Str>)| EntityData {
        entity_type: entity_type.clone(),
        entity_name: entity_name.clone(),
    };
    entity.iter().map(part).collect()
}

/// What becomes of an entity, as the answer has it.
fn told(entity: &QuotaEntity, refusal: Option<&Refusal>) -> AlterClientQuotasResponseEntryData {
    let part = |(entity_type, entity_name): (&Str, &Option<Str>)| AlterClientQuotasResponseEntityData {
        entity_type: entity_type.clone(),
        entity_name: entity_name.clone(),
    };
    AlterClientQuotasResponseEntryData {
        error_code: refusal.map_or(0, |refusal| refusal.error.code()),
        error_message: refusal.and_then(Refusal::text),
        entity: entity.iter().map(part).collect(),
    }
}

/// As Java writes an entity.
fn shown(entity: &QuotaEntity) -> String {
    let part = |(entity_type, name): (&Str, &Option<Str>)| {
        format!("{entity_type}={}", name.as_deref().unwrap_or("null"))
    };
    let parts: Vec<String> = entity.iter().map(part).collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}
