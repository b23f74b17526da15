//! Client quotas (KIP-546, 599, 612): which entity may use how much of what.

use super::contradiction::Contradiction;
use super::{Change, CowMap};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::records::metadata::ClientQuotaRecord;

/// Whom a quota is for: entity type (`user`, `client-id`, `ip`) to name, where `None` is the default of that type.
pub type QuotaEntity = BTreeMap<Str, Option<Str>>;

/// All quotas; entities without any are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotasImage {
    pub(super) entities: CowMap<QuotaEntity, Arc<BTreeMap<Str, f64>>>,
}

impl ClientQuotasImage {
    /// The quotas of one entity.
    pub fn of(&self, entity: &QuotaEntity) -> Option<&BTreeMap<Str, f64>> {
        self.entities.get(entity).map(|quotas| &**quotas)
    }

    /// All entities that have quotas.
    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &BTreeMap<Str, f64>)> {
        self.entities.iter().map(|(entity, quotas)| (entity, &**quotas))
    }

    /// Entities whose quotas are others than in an older image.
    pub fn changes_since<'a>(
        &'a self,
        older: &'a ClientQuotasImage,
    ) -> Vec<Change<'a, QuotaEntity, Arc<BTreeMap<Str, f64>>>> {
        self.entities.changes_since(&older.entities)
    }

    pub(super) fn set(&mut self, record: &ClientQuotaRecord) -> Result<(), Contradiction> {
        let part = |e: &wire::records::metadata::EntityData| {
            (e.entity_type.detached(), e.entity_name.as_ref().map(Str::detached))
        };
        let entity: QuotaEntity = record.entity.iter().map(part).collect();
        if record.remove {
            if let Some(quotas) = self.entities.get_mut(&entity) {
                Arc::make_mut(quotas).remove(record.key.as_str());
                if quotas.is_empty() {
                    self.entities.remove(&entity);
                }
            }
            return Ok(());
        }
        let key = record.key.detached();
        match self.entities.get_mut(&entity) {
            Some(quotas) => {
                Arc::make_mut(quotas).insert(key, record.value);
            }
            None => {
                self.entities.insert(entity, Arc::new(BTreeMap::from([(key, record.value)])));
            }
        }
        Ok(())
    }
}
