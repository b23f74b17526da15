//! Quotas of clients: who is held to what (KIP-546, 599, 612).

use super::{Admin, Whom};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use wire::Str;
use wire::messages::alter_client_quotas::{AlterClientQuotasRequest, EntityData, EntryData, OpData};
use wire::messages::describe_client_quotas::{ComponentData, DescribeClientQuotasRequest};

/// Who is held to a quota: `user`, `client-id` or `ip` → a name, `None` for all that have no quota of their own.
pub type QuotaEntity = BTreeMap<Str, Option<Str>>;

/// Which entities are asked for, of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaFilter {
    /// The one of this name.
    Named(Str),
    /// The default.
    Default,
    /// Every one.
    Any,
}

/// One change of a quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QuotaChange {
    /// So many bytes, percent, mutations or connections a second.
    Set(f64),
    /// No quota any more.
    Remove,
}

impl Admin {
    /// The quotas of those who fit every filter (kind → filter); with `strict` only of those who have no other kind. Cancel-safe.
    pub async fn describe_quotas(
        &self,
        filters: &BTreeMap<Str, QuotaFilter>,
        strict: bool,
    ) -> Result<Vec<(QuotaEntity, BTreeMap<Str, f64>)>> {
        let components = filters.iter().map(|(kind, filter)| {
            let (match_type, name) = match filter {
                QuotaFilter::Named(name) => (0, Some(name.clone())),
                QuotaFilter::Default => (1, None),
                QuotaFilter::Any => (2, None),
            };
            ComponentData { entity_type: kind.clone(), match_type, r#match: name }
        });
        let request = DescribeClientQuotasRequest { components: components.collect(), strict };
        self.ask(Whom::Anybody, &request, "describe quotas", |answer| {
            let doing = || "describe quotas".to_owned();
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let entries = answer.entries.unwrap_or_default().into_iter().map(|entry| {
                let part = |part: wire::messages::describe_client_quotas::EntityData| {
                    (part.entity_type.detached(), part.entity_name.map(|name| name.detached()))
                };
                let values = entry.values.into_iter().map(|quota| (quota.key.detached(), quota.value));
                (entry.entity.into_iter().map(part).collect(), values.collect())
            });
            Ok(entries.collect())
        })
        .await
    }

    /// Changes quotas of one entity, by key; `validate_only` only checks whether it would work. Refused with `INVALID_REQUEST` for a
    /// key or a value that there is not. Cancel-safe: a dropped call may still change them.
    pub async fn alter_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &BTreeMap<Str, QuotaChange>,
        validate_only: bool,
    ) -> Result<()> {
        let parts = entity
            .iter()
            .map(|(kind, name)| EntityData { entity_type: kind.clone(), entity_name: name.clone() });
        let changes = changes.iter().map(|(key, change)| match change {
            QuotaChange::Set(value) => OpData { key: key.clone(), value: *value, remove: false },
            QuotaChange::Remove => OpData { key: key.clone(), value: 0.0, remove: true },
        });
        let entry = EntryData { entity: parts.collect(), ops: changes.collect() };
        let request = AlterClientQuotasRequest { entries: vec![entry], validate_only };
        self.ask(Whom::Controller, &request, "change quotas", |answer| {
            answer.entries.iter().try_for_each(|entry| {
                let doing = || "change quotas".to_owned();
                Error::check(entry.error_code, entry.error_message.as_deref(), doing)
            })
        })
        .await
    }
}
