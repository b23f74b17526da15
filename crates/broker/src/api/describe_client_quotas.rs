//! DescribeClientQuotas (KIP-546): which entities have quotas, by a filter.

use std::collections::BTreeMap;

use kraft::controller::Refusal;
use kraft::image::QuotaEntity;
use wire::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData,
    ValueData,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::security::denied::Denied;

/// What a component of a filter asks of the name of its type.
#[derive(Clone, Copy)]
enum Match<'a> {
    /// It is this, or the default's.
    Exact(Option<&'a Str>),
    /// There is one.
    Any,
}

/// What each type is held to.
type Filter<'a> = BTreeMap<&'a str, Match<'a>>;

pub(super) fn handle(call: &Call, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let filter = match filter(&request.components) {
        Ok(filter) => filter,
        Err(refusal) => return DescribeClientQuotasResponse::denied(&refusal),
    };
    let image = call.node.image();
    // Who asks strictly for nothing gets nothing.
    let found = image.client_quotas.iter().filter(|(entity, _)| fits(&filter, entity, request.strict));
    let entry = |(entity, quotas): (&QuotaEntity, &BTreeMap<Str, f64>)| EntryData {
        entity: entity.iter().map(part).collect(),
        values: quotas.iter().map(|(key, value)| ValueData { key: key.clone(), value: *value }).collect(),
    };
    DescribeClientQuotasResponse {
        entries: Some(found.map(entry).collect()),
        ..DescribeClientQuotasResponse::default()
    }
}

fn fits(filter: &Filter<'_>, entity: &QuotaEntity, strict: bool) -> bool {
    let fits = |(entity_type, asked): (&&str, &Match<'_>)| match (entity.get(*entity_type), asked) {
        (None, _) => false,
        (Some(_), Match::Any) => true,
        (Some(name), Match::Exact(asked)) => name.as_ref() == *asked,
    };
    filter.iter().all(fits) && (!strict || filter.len() == entity.len())
}

fn filter(components: &[ComponentData]) -> Result<Filter<'_>, Refusal> {
    let invalid = |what: String| Refusal::new(ErrorCode::InvalidRequest, what);
    let mut filter = Filter::new();
    for component in components {
        let entity_type = component.entity_type.as_str();
        if entity_type.is_empty() {
            return Err(invalid("Invalid empty entity type.".to_owned()));
        }
        if filter.contains_key(entity_type) {
            let what = format!("Entity type {entity_type} cannot appear more than once in the filter.");
            return Err(invalid(what));
        }
        if !["ip", "user", "client-id"].contains(&entity_type) {
            let what = format!("Unsupported entity type {entity_type}");
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, what));
        }
        let beside =
            |kind: &str| invalid(format!("Request specified {kind}, but also specified a match string."));
        let asked = match (component.match_type, &component.r#match) {
            (0, Some(name)) => Match::Exact(Some(name)),
            (0, None) => {
                let what = "Request specified MATCH_TYPE_EXACT, but set match string to null.";
                return Err(invalid(what.to_owned()));
            }
            (1, None) => Match::Exact(None),
            (1, Some(_)) => return Err(beside("MATCH_TYPE_DEFAULT")),
            (2, None) => Match::Any,
            (2, Some(_)) => return Err(beside("MATCH_TYPE_SPECIFIED")),
            (other, _) => return Err(invalid(format!("Unknown match type {other}"))),
        };
        filter.insert(entity_type, asked);
    }
    if filter.contains_key("ip") && filter.len() > 1 {
        let what = "Invalid entity filter component combination. IP filter component should not be used with user or \
                    clientId filter component.";
        return Err(invalid(what.to_owned()));
    }
    Ok(filter)
}

fn part((entity_type, entity_name): (&Str, &Option<Str>)) -> EntityData {
    EntityData { entity_type: entity_type.clone(), entity_name: entity_name.clone() }
}
